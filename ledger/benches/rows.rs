//! Measure what a transaction costs the ledger's database: CPU to append it, bytes on disk, CPU to ask for it again.
//!
//! Run: `cargo bench -p countersign-ledger --bench rows`. Signatures are made and not checked; parsing is not counted.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Bench, account_pair, on, pair};
use countersign_ledger::store::{CacheSize, Ledger, Position, Reader, open_database};
use countersign_ledger::{Chain, Judged, judge};
use countersign_proof::{
    Body, Genesis, Hash, Limits, Membership, Proposal, ProposalHeader, Signer, canonical, inclusion_proof, operation,
    plain_hash,
};
use prost::Message;
use rocksdb::{BottommostLevelCompaction, Cache, CompactOptions, DB, Env, Options};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: u64 = 8;
const ROUND_BLOCKS: u64 = 25;
const BLOCK_TRANSACTIONS: u64 = 500;
const DOCUMENT_BYTES: usize = 256;
const ACCOUNT: &str = "acme.example/ops";
/// Of a clock tick in `/proc`: Linux tells every program 100 a second.
const TICK_US: f64 = 10_000.0;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let mut run = Run::begin(&path);
    let transactions = (ROUNDS * ROUND_BLOCKS * BLOCK_TRANSACTIONS) as f64;
    let (mut all_us, mut thread_us) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        let judged: Vec<Judged> = (0..ROUND_BLOCKS).map(|_| run.next_block()).collect();
        let (all, thread) = (process_cpu_us(), thread_cpu_us());
        for block in judged {
            run.append(block);
        }
        (all_us, thread_us) = (all_us + process_cpu_us() - all, thread_us + thread_cpu_us() - thread);
    }
    println!(
        "append: {:.2} us of CPU a transaction, {:.2} of the writer's thread",
        all_us / transactions,
        thread_us / transactions
    );
    reads(&run.ledger.reader(), run.made);
    drop(run);
    sizes(&path, transactions);
}

/// The ledger, and the chain of proposals ahead of it.
struct Run {
    genesis: Genesis,
    membership: Arc<Membership>,
    limits: Limits,
    ledger: Ledger,
    chain: Chain,
    made: u64,
    index: u64,
}

impl Run {
    fn begin(path: &Path) -> Run {
        let genesis = common::genesis();
        let mut ledger =
            Ledger::open(Arc::new(open_database(path, CacheSize::default()).expect("opens")), &genesis).expect("opens");
        let (membership, limits) = ledger.in_force().expect("reads");
        let chain = ledger.chain().clone();
        Run { genesis, membership, limits, ledger, chain, made: 0, index: 0 }
    }

    fn next_block(&mut self) -> Judged {
        let first = self.made;
        self.made += BLOCK_TRANSACTIONS;
        let transactions: Vec<Vec<u8>> = (first..self.made).map(|number| transaction(&self.genesis, number)).collect();
        let header = ProposalHeader {
            count: transactions.len() as u64,
            height: self.chain.height + 1,
            origin: self.genesis.origin(),
            previous: self.chain.digest,
            proposer: "acme.example/1".into(),
            term: 1,
            time: self.chain.time + 30,
            transactions: ProposalHeader::transactions_hash(transactions.iter().map(Vec::as_slice)),
            v: 1,
        };
        let bytes = Proposal::sign(&header, transactions, &pair("acme.example/1/proposal")).encode_to_vec();
        let (origin, hash) = (self.genesis.origin(), self.genesis.hash());
        let judged = judge(&bytes, 1, &self.chain, &origin, &hash, &self.membership, &self.limits).expect("valid");
        (self.chain.height, self.chain.digest, self.chain.time) = (header.height, judged.digest, header.time);
        judged
    }

    fn append(&mut self, judged: Judged) {
        self.index += 1;
        let appended = self.ledger.append(Position { term: 1, index: self.index }, judged).expect("appends");
        assert_eq!(appended.block.versions.len() as u64, BLOCK_TRANSACTIONS, "every transaction is applied");
    }
}

/// An id as clients make them: the ids of a crowd come in no order.
fn document_id(number: u64) -> String {
    hexadecimal(&[number])[..24].to_owned()
}

fn hexadecimal(seed: &[u64]) -> String {
    plain_hash(format!("{seed:?}").as_bytes()).to_string()
}

fn transaction(genesis: &Genesis, number: u64) -> Vec<u8> {
    let mut document = json!({ "pallets": number, "note": "" });
    let missing = DOCUMENT_BYTES - canonical(&document).len();
    // Hexadecimal, as ids and hashes are: it compresses to half and no further.
    let note: String = (0..4).map(|part| hexadecimal(&[number, part])).collect();
    document["note"] = note[..missing].into();
    let public_key = account_pair(ACCOUNT).public().as_bytes().to_vec();
    let body = Body {
        genesis: genesis.hash().0.to_vec(),
        nonce: plain_hash(&number.to_le_bytes()).0[..16].to_vec(),
        operations: vec![on("shipments", &document_id(number), operation::Change::Create(canonical(&document)))],
        signers: vec![Signer { account: ACCOUNT.into(), public_key }],
        ..Body::default()
    };
    Bench::sign(&body)
}

fn reads(reader: &Reader, made: u64) {
    const TIMES: u64 = 20_000;
    let size = reader.chain().expect("reads").size;
    let any = |at: u64| u64::from_be_bytes(plain_hash(&at.to_be_bytes()).0[..8].try_into().expect("eight"));
    let hit = |at| reader.document("shipments", &document_id(any(at) % made)).expect("reads").is_some();
    let miss = |at| reader.document("shipments", &document_id(made + at)).expect("reads").is_none();
    let id_miss = |at: u64| reader.find(&Hash(plain_hash(&at.to_be_bytes()).0)).expect("reads").is_none();
    let root = |_| reader.log_root(size).is_ok();
    let older = |at: u64| reader.log_root(2 + any(at) % (size - 2)).is_ok();
    let proof = |at: u64| inclusion_proof(reader, any(at) % size, size).is_ok();
    let cases: [(&str, &dyn Fn(u64) -> bool); 6] = [
        ("a document", &hit),
        ("an absent document", &miss),
        ("an absent transaction id", &id_miss),
        ("the newest root", &root),
        ("any root", &older),
        ("an inclusion proof", &proof),
    ];
    for (what, ask) in cases {
        let before = Instant::now();
        assert!((0..TIMES).all(ask), "{what}");
        println!("read: {:.2} us {what}", before.elapsed().as_secs_f64() * 1e6 / TIMES as f64);
    }
}

/// Compacts every family, with the options it was made with, and says what is left of it.
fn sizes(path: &Path, transactions: f64) {
    let cache = Cache::new_lru_cache(8 << 20);
    let env = Env::new().expect("an environment");
    let (options, families) = Options::load_latest(path, env, false, cache).expect("its options");
    let names: Vec<String> = families.iter().map(|family| family.name().to_owned()).collect();
    let db = DB::open_cf_descriptors(&options, path, families).expect("opens");
    let mut whole = CompactOptions::default();
    // Else files that only move down keep the compression of where they were.
    whole.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    let mut total = 0;
    for name in names {
        let family = db.cf_handle(&name).expect("it was listed");
        db.flush_cf(family).expect("flushes");
        db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &whole);
        let bytes = db.property_int_value_cf(family, "rocksdb.live-sst-files-size").expect("a property").unwrap_or(0);
        let rows = db.property_int_value_cf(family, "rocksdb.estimate-num-keys").expect("a property").unwrap_or(0);
        total += bytes;
        if rows as f64 > transactions / 1000.0 {
            println!(
                "disk: {name:>16} {:7.1} bytes {:6.3} rows a transaction",
                bytes as f64 / transactions,
                rows as f64 / transactions
            );
        }
    }
    println!("disk: {:.1} bytes a transaction", total as f64 / transactions);
}

/// User and system time of the process: the database's threads with it.
fn process_cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit(')').next().expect("a name in brackets").split_whitespace().skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().expect("a number") * TICK_US).sum()
}

fn thread_cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    stat.split(' ').next().expect("a field").parse::<f64>().expect("a number") / 1000.0
}
