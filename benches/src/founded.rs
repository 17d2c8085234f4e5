//! Found the ledger that one process measures alone: its organisations, the accounts that write, the standard collection.

use crate::records::{COLLECTION, access, document, id, schema};
use countersign_ledger::Chain;
use countersign_proof::operation::Change;
use countersign_proof::*;
use prost::Message;
use std::collections::BTreeMap;
use std::ops::Range;

/// The Raft term of every block.
pub const TERM: u64 = 1;
/// Milliseconds since 1970.
const BEGAN: u64 = 1_763_892_000_000;
/// From one block to the next.
const BLOCK_MS: u64 = 30;

/// An account that writes, and the organisation it writes to.
struct Author {
    account: String,
    organisation: String,
    receiver: String,
    key: KeyPair,
}

/// A genesis with the standard collection in it, and every key of it.
pub struct Founded {
    pub genesis: Genesis,
    /// So that nobody hashes the genesis for each transaction.
    pub hash: Hash,
    pub origin: String,
    organisations: Vec<String>,
    authors: Vec<Author>,
}

impl Founded {
    /// So many organisations, a node each, and accounts, spread evenly over them.
    pub fn new(organisations: usize, accounts: usize) -> Founded {
        let organisations: Vec<String> = (1..=organisations).map(|n| format!("organisation-{n}.example")).collect();
        let name = |n: usize| organisations[n % organisations.len()].clone();
        let author = |n: usize| {
            let account = format!("{}/writer-{n}", name(n));
            let key = pair(&account);
            Author { account, organisation: name(n), receiver: name(n + 1), key }
        };
        let authors: Vec<Author> = (0..accounts).map(author).collect();
        let document = GenesisDocument {
            accounts: authors.iter().map(|author| (author.account.clone(), vec![author.key.public()])).collect(),
            collections: BTreeMap::from([(COLLECTION.into(), Collection { access: access(), schema: schema() })]),
            ledger: "scale.example".into(),
            limits: Limits::DEFAULT,
            organisations: organisations.iter().map(founder).collect(),
            quorum: "(n+f+1)/2".into(),
            rules: 1,
            time: BEGAN,
            v: 1,
        };
        let genesis = Genesis::parse(&canonical(&document)).expect("a genesis");
        Founded { hash: genesis.hash(), origin: genesis.origin(), genesis, organisations, authors }
    }

    /// Creates these documents by one transaction; the accounts take turns. The same numbers give the same bytes.
    pub fn transaction(&self, numbers: Range<u64>) -> Vec<u8> {
        let turn = numbers.start / (numbers.end - numbers.start).max(1);
        let author = &self.authors[(turn % self.authors.len() as u64) as usize];
        let mut nonce = vec![0; 8];
        nonce.extend_from_slice(&numbers.start.to_be_bytes());
        let create = |number: u64| Operation {
            collection: COLLECTION.into(),
            id: id(number),
            precondition: None,
            change: Some(Change::Create(canonical(&document(number, &author.organisation, &author.receiver)))),
        };
        let body = Body {
            genesis: self.hash.0.to_vec(),
            nonce,
            operations: numbers.map(create).collect(),
            signers: vec![Signer {
                account: author.account.clone(),
                public_key: author.key.public().as_bytes().to_vec(),
            }],
            ..Body::default()
        };
        body.sign(&[&author.key])
    }

    /// What the leader proposes on top of `chain`: the bytes of a Raft entry.
    pub fn proposal(&self, chain: &Chain, transactions: Vec<Vec<u8>>) -> Vec<u8> {
        let proposer = format!("{}/1", self.organisations[0]);
        let header = ProposalHeader {
            count: transactions.len() as u64,
            height: chain.height + 1,
            origin: self.origin.clone(),
            previous: chain.digest,
            proposer: proposer.clone(),
            term: TERM,
            time: chain.time + BLOCK_MS,
            transactions: ProposalHeader::transactions_hash(transactions.iter().map(Vec::as_slice)),
            v: 1,
        };
        Proposal::sign(&header, transactions, &pair(&format!("{proposer}/proposal"))).encode_to_vec()
    }

    /// The note of a checkpoint, signed by every organisation, and by one as the log.
    pub fn note(&self, size: u64, root: Hash) -> String {
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root };
        let cosigned = |name: &String| {
            let (node, key) = (format!("{name}/1"), pair(&format!("{name}/1/cosign")));
            let cosignature = checkpoint.cosign(&node, BEGAN / 1000 + 1, &key);
            cosignature.to_note_signature(&VerifierKey::cosigner(&node, key.public()))
        };
        let log = checkpoint.log_signature(&pair(&format!("{}/1/log", self.organisations[0])));
        let signatures = std::iter::once(log).chain(self.organisations.iter().map(cosigned)).collect();
        Note { text: checkpoint.to_text(), signatures }.to_string()
    }
}

fn pair(name: &str) -> KeyPair {
    KeyPair::from_seed(&plain_hash(name.as_bytes()).0)
}

fn founder(name: &String) -> (String, FoundingOrganisation) {
    let key = |role: &str| pair(&format!("{name}/1/{role}")).public();
    let (cosign, log, proposal, tls) = (key("cosign"), key("log"), key("proposal"), key("tls"));
    let node = FoundingNode { address: format!("{name}:7000"), cosign, log, proposal, tls };
    let founder = FoundingOrganisation { governance: key("governance"), nodes: BTreeMap::from([("1".into(), node)]) };
    (name.clone(), founder)
}
