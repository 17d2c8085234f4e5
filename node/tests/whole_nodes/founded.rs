//! Found a ledger in memory, for tests that start whole nodes on virtual time.

use countersign_consensus::{Flushing, Settings};
use countersign_ledger::store::MemoryKv;
use countersign_node::{
    Files, Identity, MemoryFiles, Node, NodeSecrets, Seams, SignLock, TokioClock, VoterSecrets, start,
};
use countersign_p2p::{Directory, MemoryNetwork, Peer};
use countersign_proof::operation::Change;
use countersign_proof::{
    Access, Body, Collection, FoundingNode, FoundingOrganisation, Genesis, GenesisDocument, KeyPair, Limits, Operation,
    Signer, canonical, plain_hash,
};
use countersign_proto::v1;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

const COLLECTION: &str = "things";
const BEGAN_MS: u64 = 1_763_892_000_000;
const NAMES: [&str; 4] = ["acme.example", "bolt.example", "cargo.example", "liar.example"];

/// What outlives a node.
#[derive(Clone)]
pub struct Disks {
    pub ledger: Arc<MemoryKv>,
    pub raft: Arc<MemoryKv>,
    pub files: Arc<dyn Files>,
}

/// Organisations of one node each, on wires of memory.
pub struct Founded {
    pub genesis: Genesis,
    pub network: MemoryNetwork,
    pub secrets: Vec<NodeSecrets>,
    accounts: Vec<KeyPair>,
    clock: TokioClock,
}

impl Founded {
    pub fn new(organisations: usize) -> Founded {
        let mut seed = 0;
        let mut pair = || {
            seed += 1;
            KeyPair::from_seed(&[seed; 32])
        };
        let (mut secrets, mut accounts, mut founding) = (Vec::new(), Vec::new(), BTreeMap::new());
        for name in &NAMES[..organisations] {
            let voter = VoterSecrets { cosign: pair(), log: pair(), proposal: pair() };
            let (governance, tls, account) = (pair(), pair(), pair());
            let node = FoundingNode {
                address: address(name),
                cosign: voter.cosign.public(),
                log: voter.log.public(),
                proposal: voter.proposal.public(),
                tls: tls.public(),
            };
            let nodes = BTreeMap::from([("1".to_owned(), node)]);
            founding.insert((*name).to_owned(), FoundingOrganisation { governance: governance.public(), nodes });
            secrets.push(NodeSecrets { tls, voter: Some(voter) });
            accounts.push(account);
        }
        let names = || NAMES[..organisations].iter().map(|name| (*name).to_owned());
        let schema = json!({ "properties": { "number": { "type": "integer" } }, "type": "object" });
        let collection = Collection { access: Access::WritersV1 { write: names().collect() }, schema };
        let document = GenesisDocument {
            accounts: names().zip(&accounts).map(|(n, key)| (format!("{n}/ops"), vec![key.public()])).collect(),
            collections: BTreeMap::from([(COLLECTION.to_owned(), collection)]),
            ledger: "hostile.example".to_owned(),
            limits: Limits::DEFAULT,
            organisations: founding,
            quorum: "(n+f+1)/2".to_owned(),
            rules: 1,
            time: BEGAN_MS,
            v: 1,
        };
        let genesis = Genesis::parse(&canonical(&document)).expect("a genesis that we made");
        Founded {
            genesis,
            network: MemoryNetwork::default(),
            secrets,
            accounts,
            clock: TokioClock::starting_at(BEGAN_MS),
        }
    }

    pub fn organisation(&self, n: usize) -> &'static str {
        NAMES[n]
    }

    pub fn name(&self, n: usize) -> String {
        format!("{}/1", NAMES[n])
    }

    pub fn address(&self, n: usize) -> String {
        address(NAMES[n])
    }

    pub fn directory(&self) -> Directory {
        let peer = |n: usize| Peer { address: self.address(n), tls_key: *self.secrets[n].tls.public().as_bytes() };
        let peers = (0..self.secrets.len()).map(|n| (self.name(n), peer(n))).collect();
        Directory::new(peers).expect("valid")
    }

    /// Empty disks with the sign lock of a node.
    pub fn disks(&self, n: usize) -> Disks {
        let files = Arc::new(MemoryFiles::default());
        let voter = self.secrets[n].voter.as_ref().expect("every founder votes");
        SignLock::create(&*files, voter.cosign.public()).expect("empty files");
        Disks { ledger: Arc::new(MemoryKv::new()), raft: Arc::new(MemoryKv::new()), files }
    }

    pub async fn start(&self, n: usize, disks: Disks) -> Node {
        let consensus = Settings {
            heartbeat_ms: 100,
            election_ms_min: 500,
            election_ms_max: 1_000,
            flushing: Flushing::Inline,
            ..Settings::new(0)
        };
        let identity = Identity {
            node: self.name(n),
            secrets: self.secrets[n].clone(),
            genesis: self.genesis.clone(),
            listen: self.address(n),
        };
        let seams = Seams {
            ledger: disks.ledger,
            raft: disks.raft,
            files: disks.files,
            clock: Arc::new(self.clock),
            sockets: Arc::new(self.network.sockets(&self.address(n))),
            cache: Default::default(),
            verifier_threads: 0,
            vouched: Default::default(),
            consensus,
            stations: Handle::current(),
        };
        tokio::time::timeout(Duration::from_secs(60), start(identity, seams)).await.expect("in time").expect("starts")
    }
}

fn address(name: &str) -> String {
    format!("ledger.{name}:7400")
}

/// The bytes of a transaction that creates a document.
pub fn transaction(founded: &Founded, n: usize, account: &str, id: &str) -> Vec<u8> {
    let key = &founded.accounts[n];
    let change = Change::Create(canonical(&json!({ "number": 1 })));
    let operation =
        Operation { collection: COLLECTION.into(), id: id.into(), precondition: None, change: Some(change) };
    let body = Body {
        genesis: founded.genesis.hash().0.to_vec(),
        nonce: plain_hash(id.as_bytes()).0[..16].to_vec(),
        expires_ms: 0,
        caller: String::new(),
        operations: vec![operation],
        signers: vec![Signer { account: account.to_owned(), public_key: key.public().as_bytes().to_vec() }],
    };
    body.sign(&[key])
}

/// Submits until it is certified: while there is no leader an answer may be unknown.
pub async fn submit(node: &Node, transaction: Vec<u8>) {
    loop {
        let request = v1::SubmitRequest {
            transaction: transaction.clone(),
            level: v1::Level::Certified.into(),
            timeout_ms: 5_000,
            sequence: 0,
        };
        let answer = node.submit(request).await.expect("is taken");
        if answer.level() == v1::Level::Certified && answer.outcome() == v1::Outcome::Applied {
            return;
        }
        assert_ne!(answer.outcome(), v1::Outcome::Rejected, "{answer:?}");
    }
}
