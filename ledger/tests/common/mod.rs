//! Make transactions and proposals of the vectors' ledger for tests.

#![allow(dead_code)] // Each test binary uses its own part.

use countersign_ledger::store::{Appended, Ledger, MemoryKv, Position};
use countersign_ledger::{Skip, judge, verify_batch};
use countersign_proof::*;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

pub const ACME: &str = "acme.example";
pub const BOLT: &str = "bolt.example";
pub const CARGO: &str = "cargo.example";

pub fn vectors() -> &'static Value {
    static VECTORS: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../../proof/tests/vectors/ledger.json")).expect("JSON"));
    &VECTORS
}

pub fn genesis() -> Genesis {
    Genesis::parse(vectors()["genesis"].as_str().expect("text").as_bytes()).expect("the genesis")
}

/// The key pair that the vectors list under this name.
pub fn pair(name: &str) -> KeyPair {
    let vectors = vectors();
    let seed = vectors["keys"][name]["seed"].as_str().unwrap_or_else(|| panic!("no key {name}"));
    KeyPair::from_seed(&hex::decode(seed).expect("hexadecimal").try_into().expect("32 bytes"))
}

pub fn account_pair(account: &str) -> KeyPair {
    if account.contains('/') { pair(account) } else { pair(&format!("{account}/governance")) }
}

pub struct Bench {
    pub ledger: Ledger,
    pub genesis: Genesis,
    nonce: u128,
    index: u64,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::over(Arc::new(MemoryKv::new()))
    }

    pub fn over(kv: Arc<dyn countersign_ledger::store::kv::Kv>) -> Bench {
        let genesis = genesis();
        let ledger = Ledger::open(kv, &genesis).expect("opens");
        let index = ledger.position().map_or(0, |p| p.index);
        Bench { ledger, genesis, nonce: u128::from(index) << 64, index }
    }

    pub fn body(&mut self, accounts: &[&str], operations: Vec<Operation>) -> Body {
        self.nonce += 1;
        Body {
            genesis: self.genesis.hash().0.to_vec(),
            nonce: self.nonce.to_be_bytes().to_vec(),
            operations,
            signers: accounts
                .iter()
                .map(|account| Signer {
                    account: (*account).to_owned(),
                    public_key: account_pair(account).public().as_bytes().to_vec(),
                })
                .collect(),
            ..Body::default()
        }
    }

    pub fn sign(body: &Body) -> Vec<u8> {
        let pairs: Vec<KeyPair> = body.signers.iter().map(|s| account_pair(&s.account)).collect();
        body.sign(&pairs.iter().collect::<Vec<_>>())
    }

    pub fn transaction(&mut self, accounts: &[&str], operations: Vec<Operation>) -> Vec<u8> {
        Bench::sign(&self.body(accounts, operations))
    }

    pub fn header(&self, transactions: &[Vec<u8>]) -> ProposalHeader {
        let chain = self.ledger.chain();
        ProposalHeader {
            count: transactions.len() as u64,
            height: chain.height + 1,
            origin: self.genesis.origin(),
            previous: chain.digest,
            proposer: "acme.example/1".into(),
            term: 1,
            time: chain.time + 1000,
            transactions: ProposalHeader::transactions_hash(transactions.iter().map(Vec::as_slice)),
            v: 1,
        }
    }

    pub fn judge_proposal(&mut self, proposal: &Proposal, term: u64) -> Result<countersign_ledger::Judged, Skip> {
        let (membership, limits) = self.ledger.in_force().expect("reads");
        let bytes = prost::Message::encode_to_vec(proposal);
        let chain = self.ledger.chain().clone();
        judge(&bytes, term, &chain, &self.genesis.origin(), &self.genesis.hash(), &membership, &limits)
    }

    pub fn append(&mut self, transactions: Vec<Vec<u8>>) -> Appended {
        let header = self.header(&transactions);
        let proposal = Proposal::sign(&header, transactions, &pair("acme.example/1/proposal"));
        let judged = self.judge_proposal(&proposal, 1).expect("valid");
        assert!(
            verify_batch(&judged.transactions.iter().map(|t| &**t).collect::<Vec<_>>()).into_iter().all(|holds| holds)
        );
        self.index += 1;
        self.ledger.append(Position { term: 1, index: self.index }, judged).expect("appends")
    }

    /// Executes one transaction in a block of its own and gives its code, none when it was applied.
    pub fn run(&mut self, accounts: &[&str], operations: Vec<Operation>) -> Option<String> {
        let transaction = self.transaction(accounts, operations);
        let appended = self.append(vec![transaction]);
        let Leaf::Transaction(leaf) = Leaf::parse(&appended.block.leaves[0]).expect("a leaf") else { panic!("a leaf") };
        leaf.code
    }

    pub fn value(&self, collection: &str, id: &str) -> Option<Value> {
        self.ledger
            .reader()
            .document(collection, id)
            .expect("reads")
            .and_then(|version| version.value.as_deref().cloned())
    }
}

pub fn on(collection: &str, id: &str, change: operation::Change) -> Operation {
    Operation { collection: collection.into(), id: id.into(), precondition: None, change: Some(change) }
}

pub fn create(id: &str, value: Value) -> Operation {
    on("shipments", id, operation::Change::Create(canonical(&value)))
}

pub fn pallets(id: &str, pallets: u64) -> Operation {
    create(id, json!({ "pallets": pallets }))
}

pub fn governance(change: operation::Change) -> Operation {
    Operation { change: Some(change), ..Operation::default() }
}

pub fn when(mut operation: Operation, condition: precondition::Condition) -> Operation {
    operation.precondition = Some(Precondition { condition: Some(condition) });
    operation
}
