//! Prove what the state holds, or does not hold, under one document.

use crate::limits::{PROOF_BYTES_MAX, STATE_DEPTH_MAX};
use crate::name::check_any_collection;
use crate::refusal::At;
use crate::state_tree::{StateTree, bit, climb};
use crate::{
    Check, Hash, Leaf, ProofError, Receipt, Refusal, SealLeaf, Trust, VerifiedReceipt, VersionRecord, canonical,
    check_document_id, parse_canonical, plain_hash, state_key, value_hash,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A state proof file; canonical JSON with `"kind":"state-proof"`. Nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateProof {
    /// What file this is.
    pub kind: StateProofKind,
    /// For absence: the only leaf on the key's way, `[state key, record hash]`; null where the way ends empty.
    pub neighbour: Option<(Hash, Hash)>,
    /// The document's newest record; null for a document that never was.
    pub record: Option<VersionRecord>,
    /// The value's salt; null with the value.
    pub salt: Option<Hash>,
    /// The receipt of the seal that names the state root.
    pub seal: String,
    /// The hashes beside the key's way, leaf to root.
    pub siblings: Vec<Hash>,
    /// The form of this proof: 1.
    pub v: u64,
    /// The document; null for a reader without access, and when it is absent.
    pub value: Option<Value>,
}

/// The one kind of a state proof file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateProofKind {
    /// The only one.
    #[serde(rename = "state-proof")]
    StateProof,
}

/// What a state proof says of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum StateAnswer {
    /// It is there, in this version, with this value.
    Present {
        /// Its newest record.
        record: VersionRecord,
        /// Its value; none when the proof withholds it.
        value: Option<Value>,
    },
    /// It was deleted by this record.
    Deleted {
        /// Its newest record, whose value is null.
        record: VersionRecord,
    },
    /// It never was.
    Absent,
}

/// A state proof whose every check held. There is no other way to make one.
#[derive(Debug, Clone)]
pub struct VerifiedState {
    answer: StateAnswer,
    seal: SealLeaf,
    receipt: VerifiedReceipt,
}

impl StateProof {
    /// Reads a state proof file.
    pub fn parse(bytes: &[u8]) -> Result<StateProof, ProofError> {
        ProofError::check_max("state proof", bytes.len(), PROOF_BYTES_MAX)?;
        let proof: StateProof = parse_canonical("state proof", bytes, STATE_DEPTH_MAX)?;
        if proof.v != 1 {
            return Err(ProofError::mismatch("state proof.v", 1, proof.v));
        }
        Ok(proof)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Checks everything about the document `id` of `collection`: the seal's receipt, then the way to its state root.
    pub fn verify(&self, trust: &Trust, collection: &str, id: &str) -> Result<VerifiedState, Refusal> {
        // The caller's names, so that nothing is said to be absent that no ledger can hold.
        check_any_collection("collection", collection).at(Check::Claim)?;
        check_document_id("id", id).at(Check::Claim)?;
        let receipt = Receipt::parse(&self.seal).at(Check::File)?.verify(trust)?;
        let Leaf::Seal(seal) = receipt.leaf().clone() else {
            return Check::Leaf.refuse("state proof.seal", "the receipt is not of a seal");
        };
        let key = state_key(collection, id);
        let (end, answer) = self.end_of_way(&key, collection, id).at(Check::State)?;
        let root = climb(&key, end, &self.siblings).at(Check::State)?;
        Check::State.same("state proof.siblings", &seal.state, &root)?;
        Ok(VerifiedState { answer, seal, receipt })
    }

    fn end_of_way(&self, key: &Hash, collection: &str, id: &str) -> Result<(Hash, StateAnswer), ProofError> {
        let Some(record) = &self.record else {
            return Ok((self.end_of_absence(key)?, StateAnswer::Absent));
        };
        if self.neighbour.is_some() {
            return Err(ProofError::malformed("state proof.neighbour", "stands beside a record"));
        }
        if (record.collection.as_str(), record.id.as_str()) != (collection, id) {
            return Err(ProofError::mismatch(
                "state proof.record",
                format!("{collection}/{id}"),
                format!("{}/{}", record.collection, record.id),
            ));
        }
        record.check()?;
        let answer = self.answer_of(record)?;
        Ok((StateTree::leaf_node(key, &plain_hash(&record.preimage())), answer))
    }

    fn end_of_absence(&self, key: &Hash) -> Result<Hash, ProofError> {
        if self.value.is_some() || self.salt.is_some() {
            return Err(ProofError::malformed("state proof.value", "stands without a record"));
        }
        match self.neighbour {
            None => Ok(StateTree::EMPTY),
            Some((other, _)) if other == *key => {
                Err(ProofError::malformed("state proof.neighbour", "is the document itself"))
            }
            Some((other, record)) => {
                // The neighbour must lie on this key's way: the same bits down to where the way ends.
                let shared = (0..self.siblings.len().min(256)).all(|d| bit(&other, d) == bit(key, d));
                if !shared {
                    return Err(ProofError::malformed("state proof.neighbour", "does not lie on the document's way"));
                }
                Ok(StateTree::leaf_node(&other, &record))
            }
        }
    }

    fn answer_of(&self, record: &VersionRecord) -> Result<StateAnswer, ProofError> {
        check_value(record, self.salt.as_ref(), self.value.as_ref())?;
        let record = record.clone();
        Ok(match record.value {
            None => StateAnswer::Deleted { record },
            Some(_) => StateAnswer::Present { record, value: self.value.clone() },
        })
    }
}

/// Whether the value, where it is not withheld, is the one the record names.
pub(crate) fn check_value(
    record: &VersionRecord,
    salt: Option<&Hash>,
    value: Option<&Value>,
) -> Result<(), ProofError> {
    match (&record.value, value, salt) {
        (_, None, None) => Ok(()),
        (Some(expected), Some(value), Some(salt)) => {
            let found = value_hash(salt, &canonical(value));
            if found == *expected { Ok(()) } else { Err(ProofError::mismatch("proof.value", expected, found)) }
        }
        _ => Err(ProofError::malformed("proof.value", "value and salt go together, and with a record's value")),
    }
}

impl VerifiedState {
    /// What was proved of the document.
    pub fn answer(&self) -> &StateAnswer {
        &self.answer
    }

    /// The seal whose state root it was proved under.
    pub fn seal(&self) -> &SealLeaf {
        &self.seal
    }

    /// The seal's receipt.
    pub fn receipt(&self) -> &VerifiedReceipt {
        &self.receipt
    }
}
