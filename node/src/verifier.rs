//! Read transactions and check their signatures in batches, once a node, off the threads that carry Raft.

use countersign_ledger::verify_batch;
use countersign_proof::{Hash, Transaction, plain_hash};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Jobs waiting for a thread.
const JOBS_MAX: usize = 4_096;
/// Transactions in one batch equation: the more, the more often a signer comes again, whose key then costs nothing.
const BATCH_MAX: usize = 1_024;
/// Fewer are not divided among threads.
const PART_MIN: usize = 512;
/// Between the beginnings of two batches, unless a block waits for one: what comes meanwhile shares the next. The first
/// after a silence waits for nothing.
const BATCH_EVERY: Duration = Duration::from_millis(1);
/// Bytes of transactions in one generation of what is remembered; there are two.
const REMEMBERED_BYTES_MAX: usize = 16 << 20;

/// A transaction whose every signature holds. Only [`Verifier`] makes them.
#[derive(Debug, Clone)]
pub struct Verified(Arc<Transaction>);

impl Verified {
    /// The transaction, to look at.
    pub fn transaction(&self) -> &Transaction {
        &self.0
    }

    /// The transaction, shared.
    pub fn shared(self) -> Arc<Transaction> {
        self.0
    }
}

/// A transaction as it comes to be verified.
pub enum Candidate {
    /// Its bytes, to be read first.
    Bytes(Vec<u8>),
    /// Read already.
    Read(Box<Transaction>),
}

/// Why a candidate is not [`Verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It does not have its form, or is none of this ledger's.
    Malformed(String),
    /// A signature of it does not hold.
    Signature,
}

/// A job: what became of each candidate, in their order.
struct Job {
    candidates: Vec<Candidate>,
    bytes_max: usize,
    /// Whether they are remembered; else they are a block's, which does not wait.
    keep: bool,
    done: oneshot::Sender<Vec<Result<Verified, Fault>>>,
}

/// Threads that read and verify, or none: then the caller's own does.
#[derive(Clone)]
pub struct Verifier {
    jobs: Option<SyncSender<Job>>,
    threads: usize,
    desk: Arc<Desk>,
}

/// What all threads share.
struct Desk {
    genesis: Hash,
    remembered: Mutex<Remembered>,
}

/// Verified transactions by the hash of their bytes, until they are ordered: the node that takes one from a caller, and the
/// leader, meet it again in a block. Two generations; when the younger is full the older is forgotten.
#[derive(Default)]
struct Remembered {
    younger: HashMap<Hash, Verified>,
    older: HashMap<Hash, Verified>,
    /// Of the younger.
    bytes: usize,
}

impl Remembered {
    fn get(&self, digest: &Hash) -> Option<Verified> {
        self.younger.get(digest).or_else(|| self.older.get(digest)).cloned()
    }

    fn take(&mut self, digest: &Hash) -> Option<Verified> {
        let younger = self.younger.remove(digest);
        self.bytes -= younger.as_ref().map_or(0, |verified| verified.0.bytes.len());
        younger.or_else(|| self.older.remove(digest))
    }

    fn put(&mut self, digest: Hash, verified: Verified) {
        let bytes = verified.0.bytes.len();
        if self.younger.insert(digest, verified).is_none() {
            self.bytes += bytes;
        }
        if self.bytes > REMEMBERED_BYTES_MAX {
            self.older = std::mem::take(&mut self.younger);
            self.bytes = 0;
        }
    }
}

impl Verifier {
    /// `threads` threads; 0 verifies inline, for simulation.
    pub fn start(threads: usize, genesis: Hash) -> std::io::Result<Verifier> {
        let desk = Arc::new(Desk { genesis, remembered: Mutex::default() });
        if threads == 0 {
            return Ok(Verifier { jobs: None, threads: 1, desk });
        }
        let (jobs, waiting) = sync_channel(JOBS_MAX);
        // One receiver for all threads: held while one of them takes its batch, not while it verifies.
        let waiting = Arc::new(Mutex::new(Waiting { jobs: waiting, begun: Instant::now() }));
        for number in 0..threads {
            let (waiting, desk) = (waiting.clone(), desk.clone());
            std::thread::Builder::new().name(format!("verify-{number}")).spawn(move || run(&waiting, &desk))?;
        }
        Ok(Verifier { jobs: Some(jobs), threads, desk })
    }

    /// What became of each, in their order, of at most `bytes_max` bytes each; they are remembered until a block has them.
    /// `None` for all when too many jobs wait.
    pub async fn verify(&self, candidates: Vec<Candidate>, bytes_max: usize) -> Option<Vec<Result<Verified, Fault>>> {
        self.ask(candidates, bytes_max, true).await
    }

    /// The same for the transactions of a block: those that are remembered are forgotten.
    pub async fn verify_block(
        &self,
        transactions: Vec<Vec<u8>>,
        bytes_max: usize,
    ) -> Option<Vec<Result<Verified, Fault>>> {
        self.ask(transactions.into_iter().map(Candidate::Bytes).collect(), bytes_max, false).await
    }

    async fn ask(
        &self,
        mut candidates: Vec<Candidate>,
        bytes_max: usize,
        keep: bool,
    ) -> Option<Vec<Result<Verified, Fault>>> {
        let parts = (candidates.len() / PART_MIN).clamp(1, self.threads);
        let part = candidates.len().div_ceil(parts).max(1);
        let mut answers = Vec::with_capacity(parts);
        loop {
            let rest = candidates.split_off(part.min(candidates.len()));
            let (done, answer) = oneshot::channel();
            self.hand_over(Job { candidates, bytes_max, keep, done })?;
            answers.push(answer);
            if rest.is_empty() {
                break;
            }
            candidates = rest;
        }
        let mut all = Vec::new();
        for answer in answers {
            all.append(&mut answer.await.ok()?);
        }
        Some(all)
    }

    fn hand_over(&self, job: Job) -> Option<()> {
        let Some(jobs) = &self.jobs else {
            finish(vec![job], &self.desk);
            return Some(());
        };
        match jobs.try_send(job) {
            Ok(()) => Some(()),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        }
    }
}

/// Jobs that no thread has, and when the last batch began.
struct Waiting {
    jobs: Receiver<Job>,
    begun: Instant,
}

impl Waiting {
    /// The jobs of the next batch; none when nobody can ask any more.
    fn take(&mut self) -> Option<Vec<Job>> {
        let mut jobs = vec![self.jobs.recv().ok()?];
        let mut transactions = jobs[0].candidates.len();
        while transactions < BATCH_MAX {
            let is_urgent = jobs.iter().any(|job| !job.keep);
            let pause = if is_urgent { Duration::ZERO } else { BATCH_EVERY.saturating_sub(self.begun.elapsed()) };
            match self.jobs.recv_timeout(pause) {
                Ok(job) => {
                    transactions += job.candidates.len();
                    jobs.push(job);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        self.begun = Instant::now();
        Some(jobs)
    }
}

fn run(waiting: &Mutex<Waiting>, desk: &Desk) {
    loop {
        let taken = waiting.lock().expect("no panic under the lock").take();
        let Some(jobs) = taken else { return };
        finish(jobs, desk);
    }
}

fn finish(jobs: Vec<Job>, desk: &Desk) {
    let mut read = Vec::new();
    let mut waiting = Vec::new();
    for Job { candidates, bytes_max, keep, done } in jobs {
        waiting.push((candidates.len(), keep, done));
        read.extend(candidates.into_iter().map(|candidate| desk.read(candidate, bytes_max, keep)));
    }
    let open: Vec<&Transaction> = read.iter().filter_map(Read::unverified).collect();
    let mut verdicts = open.chunks(BATCH_MAX).flat_map(verify_batch).collect::<Vec<_>>().into_iter();
    let mut read = read.into_iter();
    for (count, keep, done) in waiting {
        let judge = |read| match read {
            Read::Known(verified) => Ok(verified),
            Read::Fault(fault) => Err(fault),
            Read::New(transaction) if verdicts.next() == Some(true) => Ok(desk.verified(transaction, keep)),
            Read::New(_) => Err(Fault::Signature),
        };
        // A caller that is gone needs no answer.
        drop(done.send(read.by_ref().take(count).map(judge).collect()));
    }
}

/// A candidate that was read.
enum Read {
    Known(Verified),
    New(Box<Transaction>),
    Fault(Fault),
}

impl Read {
    fn unverified(&self) -> Option<&Transaction> {
        match self {
            Read::New(transaction) => Some(transaction),
            Read::Known(_) | Read::Fault(_) => None,
        }
    }
}

impl Desk {
    fn read(&self, candidate: Candidate, bytes_max: usize, keep: bool) -> Read {
        let bytes = match candidate {
            Candidate::Read(transaction) => return Read::New(transaction),
            Candidate::Bytes(bytes) => bytes,
        };
        // Before what is remembered is asked: the limit may have changed since, and all nodes must judge alike.
        if bytes.len() > bytes_max {
            return Read::Fault(Fault::Malformed(format!(
                "a transaction of {} bytes, at most {bytes_max}",
                bytes.len()
            )));
        }
        let digest = plain_hash(&bytes);
        let known = {
            let mut remembered = self.remembered.lock().expect("no panic under the lock");
            if keep { remembered.get(&digest) } else { remembered.take(&digest) }
        };
        match known {
            Some(verified) => Read::Known(verified),
            None => match Transaction::parse(bytes, &self.genesis, bytes_max) {
                Ok(transaction) => Read::New(Box::new(transaction)),
                Err(error) => Read::Fault(Fault::Malformed(error.to_string())),
            },
        }
    }

    fn verified(&self, transaction: Box<Transaction>, keep: bool) -> Verified {
        let verified = Verified(Arc::from(transaction));
        if keep {
            let digest = plain_hash(&verified.0.bytes);
            self.remembered.lock().expect("no panic under the lock").put(digest, verified.clone());
        }
        verified
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proof::{Body, KeyPair, Operation, Signer, operation::Change};

    const GENESIS: Hash = Hash([9; 32]);

    fn signed(number: u64) -> Vec<u8> {
        let pair = KeyPair::from_seed(&[1; 32]);
        let body = Body {
            genesis: GENESIS.0.to_vec(),
            nonce: [&number.to_be_bytes()[..], &[0; 8]].concat(),
            operations: vec![Operation {
                collection: "flights".into(),
                id: "UA1".into(),
                precondition: None,
                change: Some(Change::Create(b"{}".to_vec())),
            }],
            signers: vec![Signer { account: "ua.example/ops".into(), public_key: pair.public().as_bytes().to_vec() }],
            ..Body::default()
        };
        body.sign(&[&pair])
    }

    fn falsified(mut bytes: Vec<u8>) -> Vec<u8> {
        *bytes.last_mut().expect("a signature") ^= 1;
        bytes
    }

    fn all(bytes: &[Vec<u8>]) -> Vec<Candidate> {
        bytes.iter().cloned().map(Candidate::Bytes).collect()
    }

    #[tokio::test]
    async fn each_has_its_own_verdict_in_its_own_place_and_a_second_time_too() {
        let verifier = Verifier::start(2, GENESIS).expect("threads");
        let mut bytes: Vec<Vec<u8>> = (0..700).map(signed).collect();
        bytes[3] = falsified(bytes[3].clone());
        bytes[650] = b"no transaction".to_vec();
        for _ in 0..2 {
            let verdicts = verifier.verify(all(&bytes), 1 << 20).await.expect("room");
            assert_eq!(verdicts.len(), bytes.len());
            for (at, (verdict, bytes)) in verdicts.iter().zip(&bytes).enumerate() {
                match at {
                    3 => assert_eq!(verdict.as_ref().err(), Some(&Fault::Signature)),
                    650 => assert!(matches!(verdict, Err(Fault::Malformed(_)))),
                    _ => assert_eq!(verdict.as_ref().expect("it holds").transaction().bytes, *bytes),
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_remembered_is_still_too_long_for_a_smaller_limit_and_gone_with_its_block() {
        let verifier = Verifier::start(0, GENESIS).expect("none");
        let bytes = vec![signed(1)];
        verifier.verify(all(&bytes), 1 << 20).await.expect("room")[0].as_ref().expect("it holds");
        assert_eq!(verifier.desk.remembered.lock().expect("sound").younger.len(), 1);
        let short = verifier.verify_block(bytes.clone(), bytes[0].len() - 1).await.expect("room");
        assert!(matches!(short[0], Err(Fault::Malformed(_))));
        verifier.verify_block(bytes.clone(), bytes[0].len()).await.expect("room")[0].as_ref().expect("it holds");
        assert!(verifier.desk.remembered.lock().expect("sound").younger.is_empty());
        assert_eq!(verifier.desk.remembered.lock().expect("sound").bytes, 0);
    }

    #[test]
    fn the_older_generation_is_forgotten_when_the_younger_is_full() {
        let transaction = Transaction::parse(signed(1), &GENESIS, 1 << 20).expect("well formed");
        let each = transaction.bytes.len();
        let verified = Verified(Arc::new(transaction));
        let mut remembered = Remembered::default();
        let digest = |number: usize| plain_hash(&number.to_be_bytes());
        let generation = REMEMBERED_BYTES_MAX / each + 1;
        for number in 0..2 * generation + 1 {
            remembered.put(digest(number), verified.clone());
        }
        assert!(remembered.get(&digest(0)).is_none(), "two generations later");
        assert!(remembered.get(&digest(generation)).is_some() && remembered.get(&digest(2 * generation)).is_some());
        assert!(remembered.younger.len() + remembered.older.len() <= 2 * generation);
    }
}
