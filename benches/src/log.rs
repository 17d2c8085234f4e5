//! Make a log of many leaves in memory, with changes of membership, and the proofs over it.

use countersign_proof::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Every complete subtree's hash, level by level.
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

/// A ledger whose members all sign everything.
pub struct Log {
    genesis: Genesis,
    memberships: Vec<Membership>,
    organisations: Vec<String>,
    /// The index of each seal that changes the membership, and the last.
    seals: Vec<u64>,
    leaves: u64,
    tree: Levels,
    state: StateTree,
    versions: Vec<EarlierVersion>,
}

const COLLECTION: &str = "records";
const DOCUMENT: &str = "record-000000001";
const DOCUMENT_BYTES: usize = 256;
/// Of the document that is asked about.
const VERSIONS: u64 = 10;

impl Log {
    /// A log of `leaves`, each a transaction's but for a seal after every so many; as many other documents.
    pub fn new(signers: usize, leaves: u64, changes: u64) -> Log {
        let organisations: Vec<String> = (1..=signers).map(|n| format!("organisation-{n}.example")).collect();
        let genesis = genesis(&organisations);
        let memberships = memberships(&genesis, changes);
        let seals: Vec<u64> = (1..=changes + 1).map(|n| n * leaves / (changes + 1) - 1).collect();
        let versions = versions();
        let mut state = StateTree::default();
        (0..leaves).for_each(|n| state.insert(plain_hash(&n.to_be_bytes()), plain_hash(b"record")));
        state.insert(state_key(COLLECTION, DOCUMENT), versions[0].record.hash());
        let root = state.root();
        let leaf_at = |index: u64| match seals.binary_search(&index) {
            Ok(epoch) => seal(&memberships, epoch, index, root),
            Err(_) => transaction(index),
        };
        let tree = Levels::new((0..leaves).map(|index| leaf_hash(&leaf_at(index))).collect());
        Log { genesis, memberships, organisations, seals, leaves, tree, state, versions }
    }

    /// The genesis hash, which is all that a verifier of the bundle needs.
    pub fn hash(&self) -> Hash {
        self.genesis.hash()
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint { origin: self.genesis.origin(), size, root: ok(log_root(&self.tree, size)) }
    }

    /// Signed by every organisation, and by one as the log.
    fn note(&self, size: u64) -> String {
        let checkpoint = self.checkpoint(size);
        let cosigned = |name: &String| {
            let (node, key) = (format!("{name}/1"), pair(&format!("{name}/1/cosign")));
            let cosignature = checkpoint.cosign(&node, 1_763_892_001, &key);
            cosignature.to_note_signature(&VerifierKey::cosigner(&node, key.public()))
        };
        let log = checkpoint.log_signature(&self.log_key());
        let signatures = std::iter::once(log).chain(self.organisations.iter().map(cosigned)).collect();
        Note { text: checkpoint.to_text(), signatures }.to_string()
    }

    fn log_key(&self) -> KeyPair {
        pair(&format!("{}/1/log", self.organisations[0]))
    }

    fn receipt_of(&self, leaf: Vec<u8>, index: u64, size: u64) -> Receipt {
        Receipt { leaf, index, path: self.path(index, size), note: self.note(size) }
    }

    fn seal(&self, epoch: usize) -> Receipt {
        let index = self.seals[epoch];
        self.receipt_of(seal(&self.memberships, epoch, index, self.state.root()), index, index + 1)
    }

    /// An inclusion path.
    pub fn path(&self, index: u64, size: u64) -> Vec<Hash> {
        ok(inclusion_proof(&self.tree, index, size))
    }

    /// A consistency path.
    pub fn joining(&self, old: u64, new: u64) -> Vec<Hash> {
        ok(consistency_proof(&self.tree, old, new))
    }

    /// The receipt of a transaction two thirds down the log.
    pub fn receipt(&self) -> Receipt {
        let index = self.leaves * 2 / 3 - 11;
        self.receipt_of(transaction(index), index, self.leaves)
    }

    /// The same from one node alone.
    pub fn cose(&self) -> CoseReceipt {
        CoseReceipt::of_receipt(&self.receipt(), &self.log_key()).expect("it holds")
    }

    /// What one document held after the last block.
    pub fn state(&self) -> StateProof {
        let (_, siblings) = self.state.prove(&state_key(COLLECTION, DOCUMENT));
        let EarlierVersion { record, salt, value } = self.versions[0].clone();
        StateProof {
            kind: StateProofKind::StateProof,
            neighbour: None,
            record: Some(record),
            salt,
            seal: self.seal(self.seals.len() - 1).to_string(),
            siblings,
            v: 1,
            value,
        }
    }

    /// All its versions.
    pub fn history(&self) -> HistoryProof {
        let (earlier, to) = (self.versions[1..].to_vec(), self.seals.len() as u64);
        HistoryProof { earlier, from: 0, kind: "history-proof".into(), state: self.state(), to, v: 1 }
    }

    /// That the log of half the size is the beginning of the whole.
    pub fn consistency(&self) -> ConsistencyProof {
        let (old, new) = (self.leaves / 2 - 3, self.leaves);
        ConsistencyProof::new(self.note(old), self.note(new), self.joining(old, new))
    }

    /// From the genesis over so many changes.
    pub fn bundle(&self, changes: usize) -> TrustBundle {
        let change =
            |epoch: usize| Change { members: self.memberships[epoch + 1].clone(), seal: self.seal(epoch).to_string() };
        TrustBundle::new(&self.genesis, (0..changes).map(change).collect())
    }
}

/// What a state proof and a history proof are asked about.
pub fn document() -> (&'static str, &'static str) {
    (COLLECTION, DOCUMENT)
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
        ledger: "proofs.example".into(),
        limits: Limits::DEFAULT,
        organisations: organisations.iter().map(founding).collect(),
        quorum: "(n+f+1)/2".into(),
        rules: 1,
        time: 1_763_892_000_000,
        v: 1,
    };
    Genesis::parse(&canonical(&document)).expect("a genesis")
}

/// Each change gives the first organisation another proposal key.
fn memberships(genesis: &Genesis, changes: u64) -> Vec<Membership> {
    let mut all = vec![genesis.membership()];
    for epoch in 1..=changes {
        let last = all.last().expect("one");
        let mut next = Membership { epoch, previous: last.hash(), ..last.clone() };
        let first = next.organisations.values_mut().next().expect("an organisation");
        first.nodes.get_mut("1").expect("its voter").proposal = pair(&format!("proposal {epoch}")).public();
        all.push(next);
    }
    all
}

fn transaction(index: u64) -> Vec<u8> {
    let hash = |what: &str| plain_hash(format!("{what} {index}").as_bytes());
    let leaf = TransactionLeaf {
        body: hash("body"),
        by: "organisation-1.example/operations".into(),
        code: None,
        height: index,
        id: hash("id"),
        outcome: Outcome::Applied,
        signatures: hash("signatures"),
        v: 1,
        writes: Some(hash("writes")),
    };
    Leaf::Transaction(leaf).to_bytes()
}

/// The seal that ends an epoch, or the last of the log.
fn seal(memberships: &[Membership], epoch: usize, index: u64, state: Hash) -> Vec<u8> {
    let members = memberships[epoch].hash();
    let seal = SealLeaf {
        first: index + 1 - 1000.min(index),
        height: epoch as u64 + 1,
        leaves: 1000.min(index),
        members,
        next_members: memberships.get(epoch + 1).map_or(members, Membership::hash),
        previous: plain_hash(b"previous"),
        proposal: plain_hash(b"proposal"),
        proposer: Some("organisation-1.example/1".into()),
        rules: 1,
        state,
        term: 1,
        time: 1_763_892_000_000,
        v: 1,
    };
    Leaf::Seal(seal).to_bytes()
}

/// Newest first, all of the first block.
fn versions() -> Vec<EarlierVersion> {
    let mut all: Vec<EarlierVersion> = Vec::new();
    for version in 1..=VERSIONS {
        let mut value = json!({"status": "open", "version": version, "note": ""});
        value["note"] = "x".repeat(DOCUMENT_BYTES - canonical(&value).len()).into();
        let salt = salt(&version.to_be_bytes(), COLLECTION, DOCUMENT);
        let record = VersionRecord {
            collection: COLLECTION.into(),
            height: 1,
            id: DOCUMENT.into(),
            previous: all.first().map(|last| last.record.hash()),
            transaction: plain_hash(&version.to_be_bytes()),
            v: 1,
            value: Some(value_hash(&salt, &canonical(&value))),
            version,
        };
        all.insert(0, EarlierVersion { record, salt: Some(salt), value: Some(value) });
    }
    all
}
