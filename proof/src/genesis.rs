//! Read a ledger's genesis and derive what it founds: origin, membership, first documents.

use crate::hash::tagged;
use crate::limits::{
    ACCOUNT_KEYS_MAX, ADDRESS_BYTES_MAX, DEFINITION_DEPTH_MAX, FOUNDERS_BYTES_MAX, GENESIS_BYTES_MAX, ORGANISATIONS_MAX,
};
use crate::membership::QUORUM_FORMULA;
use crate::name::{check_account, check_collection, check_name, organisation_of};
use crate::{
    Access, Hash, KeyPair, Member, Membership, NodeKeys, ProofError, PublicKey, canonical, parse_canonical, plain_hash,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The genesis document. Its canonical bytes are the genesis; their hash names the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisDocument {
    /// Accounts beside the organisations' own, with their keys.
    pub accounts: BTreeMap<String, Vec<PublicKey>>,
    /// Collections that exist from the start.
    pub collections: BTreeMap<String, Collection>,
    /// The ledger's name.
    pub ledger: String,
    /// What every node must share.
    pub limits: Limits,
    /// The founders.
    pub organisations: BTreeMap<String, FoundingOrganisation>,
    /// The quorum's formula: `(n+f+1)/2`.
    pub quorum: String,
    /// The number of the first rules: 1.
    pub rules: u64,
    /// Milliseconds since 1970.
    pub time: u64,
    /// The form of this document: 1.
    pub v: u64,
}

/// Who may write to a collection, and what its documents look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    /// The access rule.
    pub access: Access,
    /// A JSON Schema.
    pub schema: Value,
}

/// Limits that all nodes must share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one document in canonical form.
    pub document_bytes: u64,
    /// Bytes of one proposal's transactions.
    pub proposal_bytes: u64,
    /// Bytes of one transaction.
    pub transaction_bytes: u64,
}

impl Limits {
    /// What fits most ledgers.
    pub const DEFAULT: Limits =
        Limits { document_bytes: 256 << 10, proposal_bytes: 4 << 20, transaction_bytes: 1 << 20 };

    /// The most that a build accepts, so that frames and buffers stay bounded.
    pub const MAX: Limits = Limits { document_bytes: 1 << 20, proposal_bytes: 4 << 20, transaction_bytes: 2 << 20 };

    /// Checks that each limit admits the smaller thing inside it and is within [`Limits::MAX`].
    pub fn check(&self) -> Result<(), ProofError> {
        let within = 1024 <= self.document_bytes
            && self.document_bytes <= self.transaction_bytes
            && self.transaction_bytes <= self.proposal_bytes
            && self.document_bytes <= Limits::MAX.document_bytes
            && self.transaction_bytes <= Limits::MAX.transaction_bytes
            && self.proposal_bytes <= Limits::MAX.proposal_bytes;
        let reason = format!("need 1024 <= document <= transaction <= proposal, within {:?}", Limits::MAX);
        if within { Ok(()) } else { Err(ProofError::malformed("limits", reason)) }
    }
}

/// A founder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundingOrganisation {
    /// The key of the account named as the organisation.
    pub governance: PublicKey,
    /// Its voter: exactly one.
    pub nodes: BTreeMap<String, FoundingNode>,
}

/// A founder's node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundingNode {
    /// Where the members reach it: `host:port`.
    pub address: String,
    /// Countersigns checkpoints.
    pub cosign: PublicKey,
    /// Signs checkpoints for the log.
    pub log: PublicKey,
    /// Signs proposals.
    pub proposal: PublicKey,
    /// Authenticates connections.
    pub tls: PublicKey,
}

/// A genesis that has its form, with its hash.
#[derive(Debug, Clone)]
pub struct Genesis {
    document: GenesisDocument,
    bytes: Vec<u8>,
    hash: Hash,
}

impl Genesis {
    /// Reads the canonical bytes of a genesis. The caller compares [`Genesis::hash`] with the hash he was given,
    /// or uses [`Genesis::parse_expecting`].
    pub fn parse(bytes: &[u8]) -> Result<Genesis, ProofError> {
        ProofError::check_max("genesis", bytes.len(), GENESIS_BYTES_MAX)?;
        let document: GenesisDocument = parse_canonical("genesis", bytes, DEFINITION_DEPTH_MAX)?;
        document.check()?;
        Ok(Genesis { document, bytes: bytes.to_vec(), hash: plain_hash(bytes) })
    }

    /// Reads a genesis that must have this hash.
    pub fn parse_expecting(bytes: &[u8], expected: &Hash) -> Result<Genesis, ProofError> {
        let genesis = Genesis::parse(bytes)?;
        if genesis.hash != *expected {
            return Err(ProofError::mismatch("genesis hash", expected, genesis.hash));
        }
        Ok(genesis)
    }

    /// The parsed document.
    pub fn document(&self) -> &GenesisDocument {
        &self.document
    }

    /// The canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the bytes.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// `<ledger>/<genesis hash>`: the first line of every checkpoint.
    pub fn origin(&self) -> String {
        format!("{}/{}", self.document.ledger, self.hash)
    }

    /// The membership of epoch 0.
    pub fn membership(&self) -> Membership {
        let keys = |node: &FoundingNode| NodeKeys { cosign: node.cosign, log: node.log, proposal: node.proposal };
        let member = |organisation: &FoundingOrganisation| Member {
            nodes: organisation.nodes.iter().map(|(name, node)| (name.clone(), keys(node))).collect(),
        };
        Membership {
            epoch: 0,
            organisations: self.document.organisations.iter().map(|(name, o)| (name.clone(), member(o))).collect(),
            previous: self.hash,
            quorum: QUORUM_FORMULA.to_owned(),
            revoked: BTreeMap::new(),
            v: 1,
        }
    }

    /// What each founder signs with its governance key.
    pub fn signed_message(&self) -> Vec<u8> {
        tagged("genesis", &self.hash.0)
    }

    /// A founder's signature, for the file beside the genesis.
    pub fn sign(&self, governance: &KeyPair) -> [u8; 64] {
        governance.sign(&self.signed_message())
    }

    /// Checks the file beside the genesis, canonical `{"<organisation>":"<signature hex>"}`: every founder signed.
    pub fn check_signatures(&self, file: &[u8]) -> Result<(), ProofError> {
        ProofError::check_max("genesis signatures", file.len(), FOUNDERS_BYTES_MAX)?;
        let signatures: BTreeMap<String, String> = parse_canonical("genesis signatures", file, 1)?;
        if !signatures.keys().eq(self.document.organisations.keys()) {
            return Err(ProofError::malformed("genesis signatures", "need exactly one of each founder"));
        }
        for (name, text) in &signatures {
            let signature = crate::hash::parse_hex::<64>("genesis signatures", text)?;
            let key = self.document.organisations[name].governance;
            if !key.verify_strict(&self.signed_message(), &signature) {
                return Err(ProofError::FalseSignature { field: format!("genesis of {name}") });
            }
        }
        Ok(())
    }

    /// The documents that genesis writes, in order of (collection, id), with their canonical values.
    pub fn first_documents(&self) -> Vec<(&'static str, String, Vec<u8>)> {
        let document = &self.document;
        let mut documents: BTreeMap<(&'static str, String), Value> = BTreeMap::new();
        for (account, keys) in &document.accounts {
            documents.insert(("$accounts", account.clone()), json!({ "keys": keys }));
        }
        let mut raft = 0;
        for (name, organisation) in &document.organisations {
            documents.insert(("$accounts", name.clone()), json!({ "keys": [organisation.governance] }));
            for (node, founding) in &organisation.nodes {
                raft += 1;
                let value = json!({ "address": founding.address, "raft": raft, "tls": founding.tls });
                documents.insert(("$nodes", format!("{name}/{node}")), value);
            }
        }
        let membership = serde_json::to_value(self.membership()).expect("plain data");
        documents.insert(("$members", "current".to_owned()), membership);
        let rules = json!({ "limits": document.limits, "rules": document.rules });
        documents.insert(("$rules", "ledger".to_owned()), rules);
        documents.insert(("$rules", "raft".to_owned()), json!({ "last": raft }));
        for (name, collection) in &document.collections {
            let value = serde_json::to_value(collection).expect("plain data");
            documents.insert(("$schemas", name.clone()), value);
        }
        documents.into_iter().map(|((collection, id), value)| (collection, id, canonical(&value))).collect()
    }
}

impl GenesisDocument {
    /// Checks names, counts, limits, and that no key stands twice in any role. The schemas are checked by the
    /// ledger, which can compile them.
    pub fn check(&self) -> Result<(), ProofError> {
        check_name("genesis.ledger", &self.ledger)?;
        self.limits.check()?;
        if self.v != 1 || self.rules != 1 {
            return Err(ProofError::mismatch(
                "genesis.v and .rules",
                "1 and 1",
                format!("{} and {}", self.v, self.rules),
            ));
        }
        if self.quorum != QUORUM_FORMULA {
            return Err(ProofError::mismatch("genesis.quorum", QUORUM_FORMULA, &self.quorum));
        }
        ProofError::check_max("genesis.organisations", self.organisations.len(), ORGANISATIONS_MAX)?;
        if self.organisations.is_empty() || self.time > crate::INTEGER_MAX {
            return Err(ProofError::malformed("genesis", "no organisation, or a time beyond 2^53-1"));
        }
        let mut keys = BTreeSet::new();
        for (name, organisation) in &self.organisations {
            organisation.check(name, &mut keys)?;
        }
        self.check_accounts(&mut keys)?;
        self.check_collections()
    }

    fn check_accounts(&self, keys: &mut BTreeSet<PublicKey>) -> Result<(), ProofError> {
        for (account, account_keys) in &self.accounts {
            check_account("genesis.accounts", account)?;
            if !account.contains('/') || !self.organisations.contains_key(organisation_of(account)) {
                return Err(ProofError::malformed("genesis.accounts", format!("{account:?} belongs to no founder")));
            }
            ProofError::check_max("genesis.accounts keys", account_keys.len(), ACCOUNT_KEYS_MAX)?;
            if account_keys.is_empty() {
                return Err(ProofError::malformed("genesis.accounts", format!("{account:?} has no key")));
            }
            account_keys.iter().try_for_each(|key| unique(keys, key))?;
        }
        Ok(())
    }

    fn check_collections(&self) -> Result<(), ProofError> {
        for (name, collection) in &self.collections {
            check_collection("genesis.collections", name)?;
            collection.access.check(|organisation| self.organisations.contains_key(organisation))?;
            if !collection.schema.is_object() {
                return Err(ProofError::malformed("genesis.collections.schema", "not an object"));
            }
        }
        Ok(())
    }
}

impl FoundingOrganisation {
    fn check(&self, name: &str, keys: &mut BTreeSet<PublicKey>) -> Result<(), ProofError> {
        check_name("genesis.organisations", name)?;
        unique(keys, &self.governance)?;
        if self.nodes.len() != 1 {
            return Err(ProofError::malformed(
                "genesis.organisations.nodes",
                format!("{name} needs exactly one voter"),
            ));
        }
        for (node, founding) in &self.nodes {
            check_name("genesis.organisations.nodes", node)?;
            ProofError::check_max("genesis.organisations.nodes.address", founding.address.len(), ADDRESS_BYTES_MAX)?;
            for key in [founding.cosign, founding.log, founding.proposal, founding.tls] {
                unique(keys, &key)?;
            }
        }
        Ok(())
    }
}

fn unique(keys: &mut BTreeSet<PublicKey>, key: &PublicKey) -> Result<(), ProofError> {
    if keys.insert(*key) { Ok(()) } else { Err(ProofError::malformed("genesis", format!("{key} stands twice"))) }
}
