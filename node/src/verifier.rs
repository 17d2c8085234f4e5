//! Check transaction signatures in batches, off the threads that carry Raft.

use countersign_ledger::verify_batch;
use countersign_proof::Transaction;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Jobs waiting for a thread.
const JOBS_MAX: usize = 4_096;
/// Transactions in one batch equation.
const BATCH_MAX: usize = 256;

/// Transactions whose every signature holds. Only [`Verifier`] makes them.
#[derive(Debug, Clone)]
pub struct Verified(Transaction);

impl Verified {
    /// The transaction, to look at.
    pub fn transaction(&self) -> &Transaction {
        &self.0
    }

    /// The transaction.
    pub fn into_inner(self) -> Transaction {
        self.0
    }
}

struct Job {
    transactions: Vec<Transaction>,
    done: oneshot::Sender<Vec<Option<Verified>>>,
}

/// Threads that verify, or none: then the caller's own does.
#[derive(Clone)]
pub struct Verifier {
    jobs: Option<SyncSender<Job>>,
}

impl Verifier {
    /// `threads` threads; 0 verifies inline, for simulation.
    pub fn start(threads: usize) -> std::io::Result<Verifier> {
        if threads == 0 {
            return Ok(Verifier { jobs: None });
        }
        let (jobs, waiting) = sync_channel(JOBS_MAX);
        // One receiver for all threads: held while one of them takes its batch, not while it verifies.
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..threads {
            let waiting = waiting.clone();
            std::thread::Builder::new().name(format!("verify-{number}")).spawn(move || run(&waiting))?;
        }
        Ok(Verifier { jobs: Some(jobs) })
    }

    /// The transactions in their order, those with a false signature taken out and `None` in their place. `None` for all
    /// when too many jobs wait.
    pub async fn verify(&self, transactions: Vec<Transaction>) -> Option<Vec<Option<Verified>>> {
        let (done, answer) = oneshot::channel();
        let job = Job { transactions, done };
        match &self.jobs {
            None => finish(vec![job]),
            Some(jobs) => match jobs.try_send(job) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return None,
            },
        }
        answer.await.ok()
    }
}

fn run(waiting: &Mutex<Receiver<Job>>) {
    loop {
        let Some(jobs) = take(waiting) else { return };
        finish(jobs);
    }
}

fn take(waiting: &Mutex<Receiver<Job>>) -> Option<Vec<Job>> {
    let waiting = waiting.lock().expect("no panic under the lock");
    let mut jobs = vec![waiting.recv().ok()?];
    let mut transactions = jobs[0].transactions.len();
    while transactions < BATCH_MAX
        && let Ok(job) = waiting.try_recv()
    {
        transactions += job.transactions.len();
        jobs.push(job);
    }
    Some(jobs)
}

fn finish(jobs: Vec<Job>) {
    let all: Vec<&Transaction> = jobs.iter().flat_map(|job| &job.transactions).collect();
    let mut verdicts = all.chunks(BATCH_MAX).flat_map(verify_batch).collect::<Vec<_>>().into_iter();
    for job in jobs {
        let sort = |transaction| (verdicts.next() == Some(true)).then_some(Verified(transaction));
        // A caller that is gone needs no answer.
        drop(job.done.send(job.transactions.into_iter().map(sort).collect()));
    }
}
