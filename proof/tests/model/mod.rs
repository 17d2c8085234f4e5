//! Make a small ledger of two epochs, with every kind of proof over it, from fixed seeds.

#![allow(dead_code)] // Each test that includes this uses a part of it.

use countersign_proof::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// The founders; in epoch 1 `dock` has left and `echo` has joined.
pub const FOUNDERS: [&str; 4] = ["acme.example", "bolt.example", "cargo.example", "dock.example"];
pub const JOINS: &str = "echo.example";
pub const LEAVES: &str = "dock.example";

/// The key pair of a role, from a seed that is the hash of its name.
pub fn pair(name: &str) -> KeyPair {
    KeyPair::from_seed(&plain_hash(format!("countersign test key {name}").as_bytes()).0)
}

pub fn ok<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
    }
}

/// A version with its value and salt.
pub type Kept = (VersionRecord, Option<Value>, Option<Hash>);

pub struct Model {
    pub genesis: Genesis,
    pub memberships: [Membership; 2],
    pub leaves: Vec<Vec<u8>>,
    pub seals: Vec<SealLeaf>,
    /// The state after each block.
    pub states: Vec<StateTree>,
    /// Every version of every document, oldest first.
    pub versions: BTreeMap<(String, String), Vec<Kept>>,
}

fn node_keys(organisation: &str) -> NodeKeys {
    let key = |role: &str| pair(&format!("{organisation}/1/{role}")).public();
    NodeKeys { cosign: key("cosign"), log: key("log"), proposal: key("proposal") }
}

fn genesis() -> Genesis {
    let organisation = |name: &&str| {
        let NodeKeys { cosign, log, proposal } = node_keys(name);
        let tls = pair(&format!("{name}/1/tls")).public();
        let node = FoundingNode { address: format!("{name}:7000"), cosign, log, proposal, tls };
        let nodes = BTreeMap::from([("1".to_owned(), node)]);
        ((*name).to_owned(), FoundingOrganisation { governance: pair(name).public(), nodes })
    };
    let document = GenesisDocument {
        accounts: BTreeMap::new(),
        collections: BTreeMap::new(),
        ledger: "proofs.example".into(),
        limits: Limits::DEFAULT,
        organisations: FOUNDERS.iter().map(organisation).collect(),
        quorum: "(n+f+1)/2".into(),
        rules: 1,
        time: 1_763_892_000_000,
        v: 1,
    };
    Genesis::parse(&canonical(&document)).expect("a genesis")
}

fn next_membership(current: &Membership, size: u64) -> Membership {
    let mut next = Membership { epoch: 1, previous: current.hash(), ..current.clone() };
    let left = next.organisations.remove(LEAVES).expect("a founder");
    next.revoked.insert(left.nodes["1"].cosign, size);
    let nodes = BTreeMap::from([("1".to_owned(), node_keys(JOINS))]);
    next.organisations.insert(JOINS.into(), Member { nodes });
    next
}

impl Model {
    pub fn new() -> Model {
        let genesis = genesis();
        let first = genesis.membership();
        let mut model = Model {
            memberships: [first.clone(), first],
            genesis,
            leaves: vec![],
            seals: vec![],
            states: vec![],
            versions: BTreeMap::new(),
        };
        let hash = model.genesis.hash();
        model.leaves.push(Leaf::Genesis(GenesisLeaf { genesis: hash, v: 1 }).to_bytes());
        model.seal(0, None);
        model.transaction(&[("S-1", Some(json!({"status": "packed", "weight": "12.5"})))], None);
        model.seal(1, None);
        model.transaction(&[], Some("VERSION_CONFLICT"));
        model.seal(1, None);
        model.transaction(&[("S-1", Some(json!({"status": "shipped"}))), ("S-2", Some(json!({"n": 1})))], None);
        model.seal(1, None);
        model.transaction(&[], None);
        let after = model.leaves.len() as u64 + 1;
        model.memberships[1] = next_membership(&model.memberships[0], after);
        model.seal(1, Some(model.memberships[1].hash()));
        model.transaction(&[("S-1", Some(json!({"status": "received"}))), ("S-2", None)], None);
        model.seal(1, None);
        model
    }

    fn transaction(&mut self, writes: &[(&str, Option<Value>)], code: Option<&str>) {
        let height = self.seals.len() as u64;
        let id = tagged_hash("transaction-id", &[&[height as u8; 32], &[7; 16]]);
        let mut records = Vec::new();
        for (document, value) in writes {
            let history = self.versions.entry(("shipments".into(), (*document).into())).or_default();
            let salt = value.as_ref().map(|_| salt(&[height as u8; 16], "shipments", document));
            let record = VersionRecord {
                collection: "shipments".into(),
                height,
                id: (*document).into(),
                previous: history.last().map(|(record, ..)| record.hash()),
                transaction: id,
                v: 1,
                value: value.as_ref().zip(salt).map(|(value, salt)| value_hash(&salt, &canonical(value))),
                version: history.len() as u64 + 1,
            };
            records.push(record.hash());
            history.push((record, value.clone(), salt));
        }
        let outcome = if code.is_some() { Outcome::Rejected } else { Outcome::Applied };
        let leaf = TransactionLeaf {
            body: plain_hash(&[height as u8]),
            by: "acme.example/ops".into(),
            code: code.map(str::to_owned),
            height,
            id,
            outcome,
            signatures: plain_hash(b"signatures"),
            v: 1,
            writes: code.is_none().then(|| plain_hash(&canonical(&records))),
        };
        self.leaves.push(Leaf::Transaction(leaf).to_bytes());
    }

    fn seal(&mut self, term: u64, next: Option<Hash>) {
        let height = self.seals.len() as u64;
        let first = self.seals.last().map_or(0, SealLeaf::tree_size);
        let mut state = StateTree::default();
        // A few other keys, so that ways have siblings and neighbours.
        for filler in 0..5u8 {
            state.insert(state_key("filler", &filler.to_string()), plain_hash(&[filler]));
        }
        for ((collection, id), history) in &self.versions {
            state.insert(state_key(collection, id), history.last().expect("one").0.hash());
        }
        let members = if height <= 4 { self.memberships[0].hash() } else { self.memberships[1].hash() };
        let hash = self.genesis.hash();
        let seal = SealLeaf {
            first,
            height,
            leaves: self.leaves.len() as u64 + 1 - first,
            members,
            next_members: next.unwrap_or(members),
            previous: self.seals.last().map_or(hash, |seal| leaf_hash(&Leaf::Seal(seal.clone()).to_bytes())),
            proposal: if height == 0 { hash } else { self.header(height, 1).digest() },
            proposer: (height > 0).then(|| "bolt.example/1".to_owned()),
            rules: 1,
            state: state.root(),
            term,
            time: 1_763_892_000_000 + height * 1000,
            v: 1,
        };
        self.leaves.push(Leaf::Seal(seal.clone()).to_bytes());
        self.seals.push(seal);
        self.states.push(state);
    }

    /// A proposal's header; `count` tells two of one height apart.
    pub fn header(&self, height: u64, count: u64) -> ProposalHeader {
        ProposalHeader {
            count,
            height,
            origin: self.genesis.origin(),
            previous: self.genesis.hash(),
            proposer: "bolt.example/1".into(),
            term: 1,
            time: 1_763_892_000_000 + height * 1000,
            transactions: plain_hash(&[height as u8]),
            v: 1,
        }
    }

    pub fn signed_header(&self, height: u64, count: u64) -> SignedHeader {
        let header = self.header(height, count);
        let signature = pair("bolt.example/1/proposal").sign(&header.signed_message());
        SignedHeader { header: String::from_utf8(canonical(&header)).expect("JSON"), signature: hex::encode(signature) }
    }

    pub fn hashes(&self) -> Vec<Hash> {
        self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect()
    }

    pub fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint { origin: self.genesis.origin(), size, root: ok(log_root(&self.hashes()[..], size)) }
    }

    /// The size at which epoch 0 ends.
    pub fn boundary(&self) -> u64 {
        self.seals[4].tree_size()
    }

    /// A note over any checkpoint, with the log signature of the first and the cosignatures of all.
    pub fn note_by(&self, checkpoint: &Checkpoint, organisations: &[&str]) -> String {
        let log = checkpoint.log_signature(&pair(&format!("{}/1/log", organisations[0])));
        let cosigned = organisations.iter().enumerate().map(|(at, organisation)| {
            let (node, key) = (format!("{organisation}/1"), pair(&format!("{organisation}/1/cosign")));
            let cosignature = checkpoint.cosign(&node, 1_763_892_001 + at as u64, &key);
            cosignature.to_note_signature(&VerifierKey::cosigner(&node, key.public()))
        });
        Note { text: checkpoint.to_text(), signatures: std::iter::once(log).chain(cosigned).collect() }.to_string()
    }

    /// The certificate of a size: exactly a quorum, or at the end of the epoch a quorum of both.
    pub fn note(&self, size: u64) -> String {
        let organisations: &[&str] = match size.cmp(&self.boundary()) {
            std::cmp::Ordering::Less => &FOUNDERS[1..],
            std::cmp::Ordering::Equal => &FOUNDERS[..3],
            std::cmp::Ordering::Greater => &["acme.example", "cargo.example", JOINS],
        };
        self.note_by(&self.checkpoint(size), organisations)
    }

    pub fn receipt(&self, index: u64, size: u64) -> Receipt {
        let path = ok(inclusion_proof(&self.hashes()[..], index, size));
        Receipt { leaf: self.leaves[index as usize].clone(), index, path, note: self.note(size) }
    }

    pub fn state_proof(&self, id: &str, height: usize, withhold: bool) -> StateProof {
        let seal = &self.seals[height];
        let key = state_key("shipments", id);
        let (end, siblings) = self.states[height].prove(&key);
        let version = self
            .versions
            .get(&("shipments".into(), id.into()))
            .and_then(|history| history.iter().rev().find(|(record, ..)| record.height <= height as u64));
        let shown = version.filter(|_| !withhold);
        StateProof {
            kind: StateProofKind::StateProof,
            neighbour: end.filter(|_| version.is_none()),
            record: version.map(|(record, ..)| record.clone()),
            salt: shown.and_then(|(_, _, salt)| *salt),
            seal: self.receipt(seal.index(), seal.tree_size()).to_string(),
            siblings,
            v: 1,
            value: shown.and_then(|(_, value, _)| value.clone()),
        }
    }

    pub fn history_proof(&self, id: &str, from: u64, to: u64) -> HistoryProof {
        let history = self.versions.get(&("shipments".into(), id.into())).cloned().unwrap_or_default();
        let mut earlier = Vec::new();
        let mut rest = history.iter().rev().peekable();
        while let (Some((after, ..)), Some((record, value, salt))) = (rest.next(), rest.peek()) {
            if after.height < from {
                break;
            }
            let within = from <= record.height && record.height <= to;
            let (salt, value) = if within { (*salt, value.clone()) } else { (None, None) };
            earlier.push(EarlierVersion { record: record.clone(), salt, value });
        }
        let state = self.state_proof(id, 5, false);
        HistoryProof { earlier, from, kind: "history-proof".into(), state, to, v: 1 }
    }

    pub fn consistency(&self, old: u64, new: u64) -> ConsistencyProof {
        let path = ok(consistency_proof(&self.hashes()[..], old, new));
        ConsistencyProof::new(self.note(old), self.note(new), path)
    }

    pub fn bundle(&self) -> TrustBundle {
        let seal = self.receipt(self.seals[4].index(), self.boundary()).to_string();
        TrustBundle::new(&self.genesis, vec![Change { members: self.memberships[1].clone(), seal }])
    }

    pub fn trust(&self) -> Trust {
        self.bundle().verify(&self.genesis.hash()).expect("the bundle holds")
    }

    pub fn pinned(&self) -> PinnedEpoch {
        PinnedEpoch {
            after: self.boundary(),
            kind: "epoch".into(),
            members: self.memberships[1].clone(),
            origin: self.genesis.origin(),
            v: 1,
        }
    }

    fn false_checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint { root: plain_hash(b"another history"), ..self.checkpoint(size) }
    }

    /// One of each kind, with the organisation that answers for it.
    pub fn evidence(&self) -> Vec<(&'static str, Evidence)> {
        let (small, large) = (self.seals[1].tree_size(), self.seals[3].tree_size());
        let alone = |checkpoint: &Checkpoint, organisation: &str| {
            let (node, key) = (format!("{organisation}/1"), pair(&format!("{organisation}/1/cosign")));
            checkpoint.cosign(&node, 1_763_892_009, &key).to_note(checkpoint, key.public())
        };
        let root = self.checkpoint(small).root;
        let path = ok(consistency_proof(&self.hashes()[..], small, large));
        let (wrong, right) = (self.false_checkpoint(small), self.checkpoint(small));
        let seal = self.receipt(self.seals[1].index(), small);
        let seal = Receipt { note: alone(&right, "acme.example"), ..seal };
        vec![
            ("bolt.example", Evidence::two_proposals(self.signed_header(2, 1), self.signed_header(2, 2))),
            ("cargo.example", {
                let (one, other) = (alone(&right, "cargo.example"), alone(&wrong, "cargo.example"));
                Evidence::two_cosignatures(one, other)
            }),
            ("cargo.example", {
                let new = alone(&self.checkpoint(large), "cargo.example");
                Evidence::fork(alone(&wrong, "cargo.example"), new, root, path.clone())
            }),
            ("dock.example", {
                Evidence::against_certificate(alone(&wrong, "dock.example"), self.note(large), root, path)
            }),
            ("acme.example", Evidence::false_seal(seal.to_string())),
        ]
    }
}
