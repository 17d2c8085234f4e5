//! Write and read the leaves of the Merkle log.

use crate::json_writer::Members;
use crate::limits::{CODE_BYTES_MAX, JSON_DEPTH_MAX, LEAF_BYTES_MAX};
use crate::{Hash, ProofError, canonical, check_account, check_node, parse_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry of the Merkle log; canonical JSON of at most 4 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Leaf {
    /// Leaf 0: which genesis this is.
    Genesis(GenesisLeaf),
    /// A transaction that was executed.
    Transaction(TransactionLeaf),
    /// The end of a block.
    Seal(SealLeaf),
}

/// Leaf 0 of every ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisLeaf {
    /// The genesis hash.
    pub genesis: Hash,
    /// The form of this leaf: 1.
    pub v: u64,
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All its operations took effect.
    Applied,
    /// It was executed, found invalid, and changed nothing.
    Rejected,
}

/// A transaction's place in history, whether it was applied or rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionLeaf {
    /// The hash of the signed body.
    pub body: Hash,
    /// The first signer's account.
    pub by: String,
    /// Why it was rejected: `[A-Z][A-Z0-9_]{0,63}`; absent when applied.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// The block's height.
    pub height: u64,
    /// The transaction id.
    pub id: Hash,
    /// Applied or rejected.
    pub outcome: Outcome,
    /// SHA-256 of the canonical array of signatures.
    pub signatures: Hash,
    /// The form of this leaf: 1.
    pub v: u64,
    /// SHA-256 of the canonical array of record hashes; absent when rejected.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub writes: Option<Hash>,
}

/// The last leaf of a block: its header, state root and membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealLeaf {
    /// The index of the block's first leaf.
    pub first: u64,
    /// The block's height.
    pub height: u64,
    /// How many leaves the block has, this one among them.
    pub leaves: u64,
    /// The hash of the membership document in force.
    pub members: Hash,
    /// The hash of the membership document in force from the next block.
    pub next_members: Hash,
    /// The leaf hash of the seal before; the genesis hash at height 0.
    pub previous: Hash,
    /// The digest of the proposal; the genesis hash at height 0.
    pub proposal: Hash,
    /// Who proposed it; null at height 0 and nowhere else.
    pub proposer: Option<String>,
    /// The number of the rules in force.
    pub rules: u64,
    /// The root of the state after the block.
    pub state: Hash,
    /// The Raft term of the proposal.
    pub term: u64,
    /// The proposal's time, milliseconds since 1970.
    pub time: u64,
    /// The form of this leaf: 1.
    pub v: u64,
}

impl SealLeaf {
    /// The index of this leaf.
    pub fn index(&self) -> u64 {
        self.first + self.leaves - 1
    }

    /// The size of the log after this leaf.
    pub fn tree_size(&self) -> u64 {
        self.first + self.leaves
    }
}

impl Leaf {
    /// The canonical bytes, which are what is hashed.
    ///
    /// # Panics
    /// When they are longer than a leaf may be: every part of ours is bounded well below.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = match self {
            Leaf::Genesis(_) => canonical(self),
            Leaf::Transaction(leaf) => leaf.to_bytes(),
            Leaf::Seal(leaf) => leaf.to_bytes(),
        };
        assert!(bytes.len() <= LEAF_BYTES_MAX, "a leaf of {} bytes", bytes.len());
        bytes
    }

    /// Reads a leaf, refusing unknown kinds, versions and members, and bytes that are not canonical.
    pub fn parse(bytes: &[u8]) -> Result<Leaf, ProofError> {
        ProofError::check_max("leaf", bytes.len(), LEAF_BYTES_MAX)?;
        let Value::Object(mut members) = parse_json("leaf", bytes, JSON_DEPTH_MAX)? else {
            return Err(ProofError::malformed("leaf", "not an object"));
        };
        let kind = members.remove("kind");
        let rest = Value::Object(members);
        let malformed = |e: serde_json::Error| ProofError::malformed("leaf", e.to_string());
        let leaf = match kind.as_ref().and_then(Value::as_str) {
            Some("genesis") => Leaf::Genesis(serde_json::from_value(rest).map_err(malformed)?),
            Some("transaction") => Leaf::Transaction(serde_json::from_value(rest).map_err(malformed)?),
            Some("seal") => Leaf::Seal(serde_json::from_value(rest).map_err(malformed)?),
            _ => return Err(ProofError::malformed("leaf.kind", "unknown")),
        };
        if leaf.to_bytes() != bytes {
            return Err(ProofError::malformed("leaf", "not in canonical form (RFC 8785), or a member is left out"));
        }
        leaf.check()?;
        Ok(leaf)
    }

    /// Checks that a leaf stands where it says it does: a seal at the end of its block, a genesis at the beginning of
    /// its own ledger.
    pub(crate) fn check_place(&self, index: u64, origin: &str) -> Result<(), ProofError> {
        match self {
            Leaf::Seal(seal) if seal.index() != index => Err(ProofError::mismatch("seal.leaves", seal.index(), index)),
            Leaf::Genesis(leaf) if index != 0 || !origin.ends_with(&format!("/{}", leaf.genesis)) => {
                Err(ProofError::malformed("leaf.genesis", format!("is not the genesis of {origin}, or not leaf 0")))
            }
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), ProofError> {
        let v = match self {
            Leaf::Genesis(leaf) => leaf.v,
            Leaf::Transaction(leaf) => leaf.v,
            Leaf::Seal(leaf) => leaf.v,
        };
        if v != 1 {
            return Err(ProofError::mismatch("leaf.v", 1, v));
        }
        match self {
            Leaf::Genesis(_) => Ok(()),
            Leaf::Transaction(leaf) => leaf.check(),
            Leaf::Seal(leaf) => leaf.check(),
        }
    }
}

impl TransactionLeaf {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let mut members = Members::begin(&mut out).hash("body", &self.body).string("by", &self.by);
        if let Some(code) = &self.code {
            members = members.string("code", code);
        }
        let outcome = match self.outcome {
            Outcome::Applied => "applied",
            Outcome::Rejected => "rejected",
        };
        members = members
            .number("height", self.height)
            .hash("id", &self.id)
            .string("kind", "transaction")
            .string("outcome", outcome)
            .hash("signatures", &self.signatures)
            .number("v", self.v);
        if let Some(writes) = &self.writes {
            members = members.hash("writes", writes);
        }
        members.end();
        out
    }

    fn check(&self) -> Result<(), ProofError> {
        check_account("leaf.by", &self.by)?;
        match (self.outcome, &self.code, self.writes) {
            (Outcome::Applied, None, Some(_)) => Ok(()),
            (Outcome::Rejected, Some(code), None) if is_code(code) => Ok(()),
            _ => Err(ProofError::malformed("leaf.outcome", "applied goes with writes, rejected with a code")),
        }
    }
}

impl SealLeaf {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(768);
        let members = Members::begin(&mut out)
            .number("first", self.first)
            .number("height", self.height)
            .string("kind", "seal")
            .number("leaves", self.leaves)
            .hash("members", &self.members)
            .hash("next_members", &self.next_members)
            .hash("previous", &self.previous)
            .hash("proposal", &self.proposal);
        match &self.proposer {
            Some(proposer) => members.string("proposer", proposer),
            None => members.nullable_hash("proposer", None),
        }
        .number("rules", self.rules)
        .hash("state", &self.state)
        .number("term", self.term)
        .number("time", self.time)
        .number("v", self.v)
        .end();
        out
    }

    fn check(&self) -> Result<(), ProofError> {
        if self.leaves == 0 || self.rules == 0 {
            return Err(ProofError::malformed("leaf.leaves and .rules", "count from 1"));
        }
        if let Some(proposer) = &self.proposer {
            check_node("leaf.proposer", proposer)?;
        }
        if self.proposer.is_none() != (self.height == 0) {
            return Err(ProofError::malformed("leaf.proposer", "null at height 0 and nowhere else"));
        }
        Ok(())
    }
}

fn is_code(code: &str) -> bool {
    let bytes = code.as_bytes();
    bytes.len() <= CODE_BYTES_MAX
        && bytes.first().is_some_and(u8::is_ascii_uppercase)
        && bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain_hash;

    #[test]
    fn a_leaf_is_written_as_its_own_members_say() {
        let hash = plain_hash(b"x");
        let applied = TransactionLeaf {
            body: hash,
            by: "ua.example/ops".into(),
            code: None,
            height: 12,
            id: hash,
            outcome: Outcome::Applied,
            signatures: hash,
            v: 1,
            writes: Some(hash),
        };
        let code = Some("SCHEMA_VIOLATION".to_owned());
        let rejected = TransactionLeaf { code, outcome: Outcome::Rejected, writes: None, ..applied.clone() };
        let seal = SealLeaf {
            first: 1234,
            height: 12,
            leaves: 57,
            members: hash,
            next_members: hash,
            previous: hash,
            proposal: hash,
            proposer: Some("ua.example/1".into()),
            rules: 1,
            state: hash,
            term: 3,
            time: 1_763_892_000_123,
            v: 1,
        };
        let founding = SealLeaf { height: 0, proposer: None, ..seal.clone() };
        let leaves = [Leaf::Transaction(applied), Leaf::Transaction(rejected), Leaf::Seal(seal), Leaf::Seal(founding)];
        for leaf in leaves {
            assert_eq!(leaf.to_bytes(), canonical(&leaf), "{leaf:?}");
            assert_eq!(Leaf::parse(&leaf.to_bytes()).expect("its own"), leaf);
        }
    }
}
