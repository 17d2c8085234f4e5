//! Print what unique keys and indexes cost a write and save a read.

use clap::Args;
use countersign_ledger::store::{CacheSize, Ledger, Position, Seek, open_database};
use countersign_ledger::{Fate, Filter, Judged, schema::Schema};
use countersign_proof::operation::Change;
use countersign_proof::*;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One node's ledger alone, in RocksDB in a temporary folder, on one thread: execution, state tree and the one write a block.
/// Signatures, ordering and other nodes are not in it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Documents that are made, and then changed
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    documents: u64,
    /// Transactions of a block, of one document each
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    block: u64,
    /// Runs of each row, taken in turn; the table has their medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    runs: u64,
}

const COLLECTION: &str = "tickets";
const DECLARED: [(&str, usize, usize); 5] = [
    ("no key, no index", 0, 0),
    ("1 unique key", 1, 0),
    ("1 index", 0, 1),
    ("1 unique key, 1 index", 1, 1),
    ("8 and 8", 8, 8),
];

/// Prints the tables.
pub fn run(arguments: &Arguments) {
    let Arguments { documents, block, runs } = *arguments;
    println!("{documents} documents of about 400 bytes, {block} transactions a block, medians of {runs} runs\n");
    println!("{:<24} {:>14} {:>14} {:>14}", "", "make us", "change us", "delete us");
    let mut times = vec![Vec::new(); DECLARED.len()];
    for _ in 0..runs {
        for (at, (_, unique, indexes)) in DECLARED.iter().enumerate() {
            times[at].push(Bench::new(*unique, *indexes).write_all(documents, block));
        }
    }
    for ((name, ..), runs) in DECLARED.iter().zip(times) {
        let column = |of: usize| {
            let mut column: Vec<Duration> = runs.iter().map(|run| run[of]).collect();
            column.sort();
            column[column.len() / 2].as_nanos() as f64 / 1_000.0 / documents as f64
        };
        println!("{name:<24} {:>14.2} {:>14.2} {:>14.2}", column(0), column(1), column(2));
    }
    print_reads(documents, block);
}

fn print_reads(documents: u64, block: u64) {
    let mut bench = Bench::new(1, 1);
    bench.write(documents, block, |n| put(n, 0));
    let (reader, height) = (bench.ledger.reader(), bench.ledger.chain().height);
    let indexes = Schema::compile(&bench.schema).expect("ours");
    let one = |n: u64| {
        let filter = json!({"/unique/0": {"eq": format!("key {n}")}}).to_string();
        let filter = Filter::parse("filter", filter.as_bytes()).expect("ours");
        let plan = indexes.indexes().plan(Some(&filter), None).expect("its own key");
        let entries = reader.seek(&mut Seek::new(COLLECTION, &plan, false, height), 2).expect("reads");
        assert_eq!(entries.len(), 1, "the key is there once");
        assert!(reader.document_at(COLLECTION, &entries[0].id, height).expect("reads").is_some());
    };
    let start = Instant::now();
    let count = documents.min(10_000);
    (0..count).for_each(|n| one(n * 7_919 % documents));
    println!("\n{:<24} {:>14.2}", "found by key us", start.elapsed().as_nanos() as f64 / 1_000.0 / count as f64);
    let start = Instant::now();
    let (mut read, mut after) = (0, String::new());
    while let Some((last, _)) = {
        let rows = reader.documents_at(COLLECTION, &after, height, 64).expect("reads");
        read += rows.len();
        rows.into_iter().next_back()
    } {
        after = last;
    }
    assert_eq!(read as u64, documents);
    println!("{:<24} {:>14.2}", "found by reading all us", start.elapsed().as_nanos() as f64 / 1_000.0);
}

struct Bench {
    ledger: Ledger,
    genesis: Genesis,
    keys: Value,
    schema: Value,
    nonce: u128,
    /// Held for its drop.
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(unique: usize, indexes: usize) -> Bench {
        let vectors: Value =
            serde_json::from_str(include_str!("../../proof/tests/vectors/ledger.json")).expect("the vectors");
        let genesis = Genesis::parse(vectors["genesis"].as_str().expect("text").as_bytes()).expect("a genesis");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = open_database(folder.path(), CacheSize::default()).expect("an empty folder opens");
        let ledger = Ledger::open(Arc::new(database), &genesis).expect("a new ledger");
        let pointers = |name: &str, count: usize| (0..count).map(|n| format!("/{name}/{n}")).collect::<Vec<_>>();
        let schema = json!({
            "type": "object",
            "properties": {"unique": {"type": "array"}, "index": {"type": "array"}, "pad": {"type": "string"}},
            "x-unique": pointers("unique", unique),
            "x-indexes": pointers("index", indexes)
        });
        let keys = vectors["keys"].clone();
        let mut bench = Bench { ledger, genesis, keys, schema, nonce: 0, _folder: folder };
        let access = json!({"engine": "writers/v1", "write": ["acme.example"]});
        let definition = canonical(&json!({"access": access, "schema": bench.schema}));
        let define = Change::DefineCollection(DefineCollection { name: COLLECTION.into(), definition });
        let define = Operation { change: Some(define), ..Operation::default() };
        let define = bench.transaction(&["acme.example", "bolt.example", "cargo.example"], define);
        bench.append(vec![define]);
        bench
    }

    /// How long it took to make, change and delete all documents.
    fn write_all(&mut self, documents: u64, block: u64) -> [Duration; 3] {
        [
            self.write(documents, block, |n| put(n, 0)),
            self.write(documents, block, |n| put(n, 1)),
            self.write(documents, block, |n| on(n, Change::Delete(Unit {}))),
        ]
    }

    fn write(&mut self, documents: u64, block: u64, operation: impl Fn(u64) -> Operation) -> Duration {
        let numbers: Vec<u64> = (0..documents).collect();
        let blocks: Vec<Vec<Vec<u8>>> = numbers
            .chunks(usize::try_from(block).expect("it is small"))
            .map(|numbers| numbers.iter().map(|n| self.transaction(&["acme.example/ops"], operation(*n))).collect())
            .collect();
        blocks.into_iter().map(|transactions| self.append(transactions)).sum()
    }

    fn transaction(&mut self, accounts: &[&str], operation: Operation) -> Vec<u8> {
        self.nonce += 1;
        let key = |account: &&str| {
            let name = if account.contains('/') { (*account).to_owned() } else { format!("{account}/governance") };
            let seed = hex_of(self.keys[&name]["seed"].as_str().expect("a seed"));
            KeyPair::from_seed(&seed)
        };
        let pairs: Vec<KeyPair> = accounts.iter().map(key).collect();
        let signer = |(account, pair): (&&str, &KeyPair)| Signer {
            account: (*account).to_owned(),
            public_key: pair.public().as_bytes().to_vec(),
        };
        let body = Body {
            genesis: self.genesis.hash().0.to_vec(),
            nonce: self.nonce.to_be_bytes().to_vec(),
            operations: vec![operation],
            signers: accounts.iter().zip(&pairs).map(signer).collect(),
            ..Body::default()
        };
        body.sign(&pairs.iter().collect::<Vec<_>>())
    }

    /// Appends a block whose signatures nobody checks here, and says how long that took.
    fn append(&mut self, transactions: Vec<Vec<u8>>) -> Duration {
        let (chain, hash) = (self.ledger.chain().clone(), self.genesis.hash());
        let header = ProposalHeader {
            count: transactions.len() as u64,
            height: chain.height + 1,
            origin: self.genesis.origin(),
            previous: chain.digest,
            proposer: "acme.example/1".into(),
            term: 1,
            time: chain.time + 1_000,
            transactions: ProposalHeader::transactions_hash(transactions.iter().map(Vec::as_slice)),
            v: 1,
        };
        let parse = |bytes| Arc::new(Transaction::parse(bytes, &hash, 1 << 20).expect("ours"));
        let judged = Judged {
            header_bytes: canonical(&header),
            signature: vec![0; 64],
            digest: header.digest(),
            transactions: transactions.into_iter().map(parse).collect(),
            header,
        };
        let start = Instant::now();
        let appended = self.ledger.append(Position { term: 1, index: chain.height + 1 }, judged).expect("appends");
        let elapsed = start.elapsed();
        assert!(appended.block.executed.iter().all(|executed| executed.fate == Fate::Applied), "all of it holds");
        elapsed
    }
}

fn hex_of(text: &str) -> [u8; 32] {
    Hash::from_hex("seed", text).expect("64 hexadecimal digits").0
}

fn on(n: u64, change: Change) -> Operation {
    let id = format!("ticket-{n:09}");
    Operation { collection: COLLECTION.into(), id, precondition: None, change: Some(change) }
}

/// Every key and every indexed value is another in another `round`.
fn put(n: u64, round: u64) -> Operation {
    let text = |at: u64| if at == 0 && round == 0 { format!("key {n}") } else { format!("key {n} {at} {round}") };
    let value = json!({
        "unique": (0..8).map(text).collect::<Vec<_>>(),
        "index": (0..8).map(|at| n * 31 % 1_000 + at + round).collect::<Vec<_>>(),
        "pad": "x".repeat(200)
    });
    on(n, Change::Put(Put { value: canonical(&value), key: Vec::new() }))
}
