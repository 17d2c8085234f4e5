//! Print what a receipt costs at a million leaves: bytes, time to verify, proofs a second.
//!
//! `cargo run --release -p countersign-proof --example proof_costs`

use countersign_proof::*;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};

const LEAVES: u64 = 1_000_000;

/// Every complete subtree's hash, level by level, in memory.
struct Levels(Vec<Vec<Hash>>);

impl Levels {
    fn new(leaves: Vec<Hash>) -> Levels {
        let mut levels = vec![leaves];
        while let Some(last) = levels.last().filter(|last| last.len() > 1) {
            let pairs = last.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            levels.push(pairs);
        }
        Levels(levels)
    }
}

impl LogTree for Levels {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[level as usize][index as usize])
    }
}

fn ok<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
    }
}

fn pair(name: &str) -> KeyPair {
    KeyPair::from_seed(&plain_hash(name.as_bytes()).0)
}

fn genesis(organisations: &[String]) -> Genesis {
    let founding = |name: &String| {
        let key = |role: &str| pair(&format!("{name}/1/{role}")).public();
        let (cosign, log, proposal, tls) = (key("cosign"), key("log"), key("proposal"), key("tls"));
        let node = FoundingNode { address: format!("{name}:7000"), cosign, log, proposal, tls };
        let founder =
            FoundingOrganisation { governance: key("governance"), nodes: BTreeMap::from([("1".into(), node)]) };
        (name.clone(), founder)
    };
    let document = GenesisDocument {
        accounts: BTreeMap::new(),
        collections: BTreeMap::new(),
        ledger: "costs.example".into(),
        limits: Limits::DEFAULT,
        organisations: organisations.iter().map(founding).collect(),
        quorum: "(n+f+1)/2".into(),
        rules: 1,
        time: 1_763_892_000_000,
        v: 1,
    };
    Genesis::parse(&canonical(&document)).expect("a genesis")
}

fn leaf(height: u64) -> Vec<u8> {
    let hash = |what: &str| plain_hash(format!("{what} {height}").as_bytes());
    let leaf = TransactionLeaf {
        body: hash("body"),
        by: "organisation-1.example/operations".into(),
        code: None,
        height,
        id: hash("id"),
        outcome: Outcome::Applied,
        signatures: hash("signatures"),
        v: 1,
        writes: Some(hash("writes")),
    };
    Leaf::Transaction(leaf).to_bytes()
}

/// A receipt that all of so many organisations have signed.
fn receipt(tree: &Levels, genesis: &Genesis, organisations: &[String], index: u64) -> Receipt {
    let checkpoint = Checkpoint { origin: genesis.origin(), size: LEAVES, root: ok(log_root(tree, LEAVES)) };
    let cosigned = |name: &String| {
        let (node, key) = (format!("{name}/1"), pair(&format!("{name}/1/cosign")));
        let cosignature = checkpoint.cosign(&node, 1_763_892_001, &key);
        cosignature.to_note_signature(&VerifierKey::cosigner(&node, key.public()))
    };
    let log = checkpoint.log_signature(&pair(&format!("{}/1/log", organisations[0])));
    let signatures = std::iter::once(log).chain(organisations.iter().map(cosigned)).collect();
    let note = Note { text: checkpoint.to_text(), signatures }.to_string();
    Receipt { leaf: leaf(index), index, path: ok(inclusion_proof(tree, index, LEAVES)), note }
}

/// The middle one of so many runs.
fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[runs / 2]
}

fn main() {
    let start = Instant::now();
    let tree = Levels::new((0..LEAVES).map(|index| leaf_hash(&leaf(index))).collect());
    println!("{LEAVES} leaves hashed, with all nodes above, in {:.1} s", start.elapsed().as_secs_f64());
    let index = 654_321;
    for count in [4, 7] {
        let organisations: Vec<String> = (1..=count).map(|n| format!("organisation-{n}.example")).collect();
        let genesis = genesis(&organisations);
        let trust = Trust::from_genesis(&genesis);
        let receipt = receipt(&tree, &genesis, &organisations, index);
        let (file, json) = (receipt.to_string(), receipt.to_json().expect("JSON"));
        let time = median(1001, || {
            let verified = Receipt::parse(black_box(&file)).expect("its form").verify(&trust).expect("it holds");
            black_box(verified);
        });
        let cose =
            CoseReceipt::of_receipt(&receipt, &pair("organisation-1.example/1/log")).expect("it holds").to_bytes();
        println!(
            "{count} signers: receipt {} bytes (path {}, leaf {}), as JSON {}, COSE of one node {}; parsed and verified in {} us",
            file.len(),
            receipt.path.len(),
            receipt.leaf.len(),
            json.len(),
            cose.len(),
            time.as_micros()
        );
    }
    let (proofs, start) = (100_000, Instant::now());
    for n in 0..proofs {
        black_box(ok(inclusion_proof(&tree, n * 7_919 % LEAVES, LEAVES)));
    }
    println!(
        "{:.0} inclusion proofs a second, one thread, nodes in memory",
        proofs as f64 / start.elapsed().as_secs_f64()
    );
}
