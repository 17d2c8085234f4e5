//! Measure each step of a transaction and of a proof alone: in one process, on one thread, on the standard load.
//!
//! Run: `benches/micro`, with a word to run only the rows whose names have it. The rows of divan are times of one call; the
//! lines after them are what is promised, from the same calls.

#[allow(dead_code, unused_imports, reason = "these files belong to countersign-bench too")]
#[path = "../src/founded.rs"]
mod founded;
#[allow(dead_code, unused_imports, reason = "these files belong to countersign-bench too")]
#[path = "../src/records.rs"]
mod records;
#[allow(dead_code, unused_imports, reason = "these files belong to countersign-bench too")]
#[path = "../src/taking.rs"]
mod taking;

use countersign_ledger::store::{CacheSize, Ledger, MemoryKv, Reader, StateCommitment, open_database};
use countersign_ledger::{Chain, Executor, Fate, Judged, judge, verify_batch, verify_one};
use countersign_proof::*;
use divan::Bencher;
use divan::counter::ItemsCount;
use founded::{Founded, TERM};
use prost::Message;
use records::{COLLECTION, id};
use std::cell::Cell;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;
use taking::Taking;
use tempfile::TempDir;

/// Why there are no numbers.
type Failure = Box<dyn std::error::Error + Send + Sync>;

const ORGANISATIONS: usize = 7;
const BLOCK: u64 = 1_000;
/// Signatures of a batch.
const BATCH: u64 = 256;
/// Keys of the tree that a block is committed to.
const KEYS: u64 = 1_000_000;
/// Documents of the ledger that is proved from, each created by a transaction of its own.
const PROVED: u64 = 100_000;

/// As a node has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
    // A static is not dropped, and a folder lies on the disk.
    drop(PROVED_FROM.lock().expect("one thread").take());
    print_promises();
}

/// What `print_promises` holds against the targets: microseconds a key of every block committed, and a state proof's bytes.
static KEY_US: Mutex<Vec<f64>> = Mutex::new(Vec::new());
static STATE_PROOF: Mutex<Option<[usize; 2]>> = Mutex::new(None);

fn print_promises() {
    let verdict = |met: bool| if met { "met" } else { "not met" };
    let mut us = KEY_US.lock().expect("one thread").clone();
    us.sort_by(f64::total_cmp);
    if let (Some(median), Some(most)) = (us.get(us.len() / 2), us.last()) {
        println!(
            "state commitment: {median:.2} us a key, the median of {} blocks of {BLOCK} keys on {KEYS} and more, {most:.2} \
             at the most; wanted 8 or less: {}",
            us.len(),
            verdict(*median <= 8.0)
        );
    }
    // The promise does not say which; a receipt alone takes more than that.
    if let Some([way, file]) = *STATE_PROOF.lock().expect("one thread") {
        println!(
            "state proof of one document in {PROVED}: {way} bytes of hashes; wanted less than 1000: {}; {file} bytes as a file \
             with the document, its record, and the receipt of the seal with {ORGANISATIONS} signers: {}",
            verdict(way < 1_000),
            verdict(file < 1_000)
        );
    }
}

/// 256 accounts write.
static LOAD: LazyLock<Founded> = LazyLock::new(|| Founded::new(ORGANISATIONS, 256));

fn parse(founded: &Founded, bytes: Vec<u8>) -> Transaction {
    Transaction::parse(bytes, &founded.hash, Limits::DEFAULT.transaction_bytes as usize).expect("ours")
}

fn transactions(founded: &Founded, count: u64) -> Vec<Vec<u8>> {
    (1..=count).map(|number| founded.transaction(number..number + 1)).collect()
}

#[divan::bench]
fn verify_single(bencher: Bencher) {
    let transaction = parse(&LOAD, LOAD.transaction(1..2));
    bencher.bench_local(|| assert!(verify_one(divan::black_box(&transaction))));
}

#[divan::bench(args = [256, 8])]
fn verify_256_by_signers(bencher: Bencher, signers: usize) {
    let founded = Founded::new(ORGANISATIONS, signers);
    let batch: Vec<Transaction> =
        transactions(&founded, BATCH).into_iter().map(|bytes| parse(&founded, bytes)).collect();
    let batch: Vec<&Transaction> = batch.iter().collect();
    bencher
        .counter(ItemsCount::new(BATCH))
        .bench_local(|| assert!(!verify_batch(divan::black_box(&batch)).contains(&false)));
}

#[divan::bench]
fn parse_transaction(bencher: Bencher) {
    let bytes = LOAD.transaction(1..2);
    bencher.with_inputs(|| bytes.clone()).bench_local_values(|bytes| parse(&LOAD, bytes));
}

#[divan::bench]
fn canonical_json_write(bencher: Bencher) {
    let document = records::document(1, "organisation-1.example", "organisation-2.example");
    bencher.bench_local(|| canonical(divan::black_box(&document)));
}

#[divan::bench]
fn canonical_json_read(bencher: Bencher) {
    let bytes = canonical(&records::document(1, "organisation-1.example", "organisation-2.example"));
    bencher.bench_local(|| parse_canonical_value("document", divan::black_box(&bytes), 32).expect("canonical"));
}

/// An empty ledger in memory, and the first proposal on it.
struct First {
    ledger: Ledger,
    chain: Chain,
    proposal: Vec<u8>,
}

impl First {
    fn new() -> First {
        let ledger = Ledger::open(Arc::new(MemoryKv::new()), &LOAD.genesis).expect("an empty ledger");
        let chain = ledger.chain().clone();
        let proposal = LOAD.proposal(&chain, transactions(&LOAD, BLOCK));
        First { ledger, chain, proposal }
    }

    fn judge(&self) -> Judged {
        let (membership, limits) = (LOAD.genesis.membership(), Limits::DEFAULT);
        judge(&self.proposal, TERM, &self.chain, &LOAD.origin, &LOAD.hash, &membership, &limits).expect("valid")
    }

    /// What is remembered between blocks is there: rules, collection, accounts.
    fn execute(&self, reader: &Reader, executor: &mut Executor, judged: &Judged) {
        let block = executor.execute(reader, &self.chain, judged.header.time, &judged.transactions).expect("reads");
        assert!(block.executed.iter().all(|executed| executed.fate == Fate::Applied), "all of it holds");
    }
}

#[divan::bench]
fn judge_block(bencher: Bencher) {
    let first = First::new();
    bencher.counter(ItemsCount::new(BLOCK)).bench_local(|| first.judge());
}

#[divan::bench]
fn execute_block(bencher: Bencher) {
    let first = First::new();
    let (reader, judged, mut executor) = (first.ledger.reader(), first.judge(), Executor::new(LOAD.origin.clone()));
    bencher.counter(ItemsCount::new(BLOCK)).bench_local(|| first.execute(&reader, &mut executor, &judged));
}

#[divan::bench]
fn judge_and_execute_block(bencher: Bencher) {
    let first = First::new();
    let (reader, mut executor) = (first.ledger.reader(), Executor::new(LOAD.origin.clone()));
    bencher.counter(ItemsCount::new(BLOCK)).bench_local(|| first.execute(&reader, &mut executor, &first.judge()));
}

#[divan::bench]
fn encode_block(bencher: Bencher) {
    let proposal = Proposal::parse(&First::new().proposal).expect("its form");
    bencher.counter(ItemsCount::new(BLOCK)).bench_local(|| divan::black_box(&proposal).encode_to_vec());
}

#[divan::bench]
fn decode_block(bencher: Bencher) {
    let bytes = First::new().proposal;
    bencher
        .counter(ItemsCount::new(BLOCK))
        .bench_local(|| Proposal::parse(divan::black_box(&bytes)).expect("its form"));
}

/// New keys, as new documents bring them; each block's pages are written before the next, outside of the time.
// One call a sample, so that no block is asked for before the one before it is written.
#[divan::bench(sample_size = 1, sample_count = 200)]
fn state_commitment_of_block(bencher: Bencher) {
    let folder = TempDir::new().expect("a folder");
    let kv = Arc::new(open_database(folder.path(), CacheSize::default()).expect("an empty folder opens"));
    let (next, tree) = (Cell::new(0), Mutex::new(StateCommitment::empty(kv)));
    let tree = || tree.lock().expect("one thread");
    let keys = |count: u64| {
        let first = next.replace(next.get() + count);
        let key = |number: u64| plain_hash(&number.to_be_bytes());
        (first..first + count).map(|number| (key(number), key(!number))).collect::<Vec<_>>()
    };
    for _ in 0..KEYS / (10 * BLOCK) {
        tree().write().expect("writes");
        tree().commit(keys(10 * BLOCK)).expect("commits");
    }
    let block = || {
        tree().write().expect("writes");
        keys(BLOCK)
    };
    bencher.counter(ItemsCount::new(BLOCK)).with_inputs(block).bench_local_values(|keys| {
        let begun = Instant::now();
        let root = tree().commit(keys).expect("commits");
        KEY_US.lock().expect("one thread").push(begun.elapsed().as_secs_f64() * 1e6 / BLOCK as f64);
        root
    });
}

/// A ledger on disk, every block of it certified.
struct Proved {
    reader: Reader,
    chain: Chain,
    trust: Trust,
    next: Cell<u64>,
    /// Held for its drop; the database first.
    _taking: Taking,
    _folder: TempDir,
}

impl Proved {
    fn new() -> Proved {
        let folder = TempDir::new().expect("a folder");
        let founded = Arc::new(Founded::new(ORGANISATIONS, 256));
        let mut taking = Taking::open(folder.path(), founded, CacheSize::default()).expect("an empty folder opens");
        for first in (1..=PROVED).step_by(BLOCK as usize) {
            let one = |number| taking.founded.transaction(number..number + 1);
            let transactions = (first..first + BLOCK).map(one).collect();
            taking.block(transactions).expect("applied");
        }
        let (reader, chain) = (taking.ledger.reader(), taking.ledger.chain().clone());
        let trust = Trust::from_genesis(&taking.founded.genesis);
        Proved { reader, chain, trust, next: Cell::new(1), _taking: taking, _folder: folder }
    }

    /// Another each time, far from the last.
    fn any(&self, below: u64) -> u64 {
        self.next.replace(self.next.get() + 1) * 7_919 % below
    }

    fn inclusion(&self) -> Vec<Hash> {
        inclusion_proof(&self.reader, self.any(self.chain.size), self.chain.size).expect("reads")
    }

    fn receipt(&self) -> String {
        let index = self.any(self.chain.size);
        self.reader.receipt_from(index, self.chain.size).expect("reads").expect("certified").to_string()
    }

    fn state(&self) -> (String, StateProof) {
        let id = id(self.any(PROVED) + 1);
        let proof = self.reader.state_proof(COLLECTION, &id, self.chain.height).expect("reads").expect("certified");
        (id, proof)
    }
}

/// Made once, by whoever needs it first: it takes some seconds.
static PROVED_FROM: Mutex<Option<Proved>> = Mutex::new(None);

fn with_proved(run: impl FnOnce(&Proved)) {
    run(PROVED_FROM.lock().expect("one thread").get_or_insert_with(Proved::new));
}

#[divan::bench]
fn inclusion_proof_make(bencher: Bencher) {
    with_proved(|proved| bencher.bench_local(|| proved.inclusion()));
}

#[divan::bench]
fn receipt_make(bencher: Bencher) {
    with_proved(|proved| bencher.bench_local(|| proved.receipt()));
}

#[divan::bench]
fn receipt_verify(bencher: Bencher) {
    with_proved(|proved| {
        let verify = |text: String| Receipt::parse(&text).expect("its form").verify(&proved.trust).expect("it holds");
        bencher.with_inputs(|| proved.receipt()).bench_local_values(verify);
    });
}

#[divan::bench]
fn state_proof_make(bencher: Bencher) {
    with_proved(|proved| {
        let (_, proof) = proved.state();
        *STATE_PROOF.lock().expect("one thread") =
            Some([proof.siblings.len() * size_of::<Hash>(), proof.to_bytes().len()]);
        bencher.bench_local(|| proved.state().1.to_bytes());
    });
}

#[divan::bench]
fn state_proof_verify(bencher: Bencher) {
    with_proved(|proved| {
        let verify = |(id, file): (String, Vec<u8>)| {
            let proof = StateProof::parse(&file).expect("its form");
            proof.verify(&proved.trust, COLLECTION, &id).expect("it holds")
        };
        let file = || {
            let (id, proof) = proved.state();
            (id, proof.to_bytes())
        };
        bencher.with_inputs(file).bench_local_values(verify);
    });
}
