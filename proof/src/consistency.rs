//! Prove that one certified log is the beginning of another.

use crate::limits::{JSON_DEPTH_MAX, PROOF_BYTES_MAX};
use crate::refusal::At;
use crate::{
    CertifiedCheckpoint, Check, Hash, ProofError, Refusal, Trust, canonical, parse_canonical, verify_consistency,
};
use serde::{Deserialize, Serialize};

/// A consistency proof file; canonical JSON with `"kind":"consistency-proof"`. Nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// What file this is: `consistency-proof`.
    pub kind: String,
    /// The checkpoint note of the larger log.
    pub new: String,
    /// The checkpoint note of the smaller one.
    pub old: String,
    /// The hashes that join them (RFC 6962).
    pub path: Vec<Hash>,
    /// The form of this proof: 1.
    pub v: u64,
}

/// Two certified checkpoints of one history. There is no other way to make one.
#[derive(Debug, Clone)]
pub struct VerifiedConsistency {
    old: CertifiedCheckpoint,
    new: CertifiedCheckpoint,
}

impl ConsistencyProof {
    /// The proof that joins two checkpoint notes.
    pub fn new(old: String, new: String, path: Vec<Hash>) -> ConsistencyProof {
        ConsistencyProof { kind: "consistency-proof".into(), new, old, path, v: 1 }
    }

    /// Reads a consistency proof file.
    pub fn parse(bytes: &[u8]) -> Result<ConsistencyProof, ProofError> {
        ProofError::check_max("consistency proof", bytes.len(), PROOF_BYTES_MAX)?;
        let proof: ConsistencyProof = parse_canonical("consistency proof", bytes, JSON_DEPTH_MAX)?;
        if proof.kind != "consistency-proof" || proof.v != 1 {
            return Err(ProofError::malformed("consistency proof", "not a consistency proof of version 1"));
        }
        Ok(proof)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Checks both checkpoints, each under the epoch that covers it, and that the path joins their roots.
    pub fn verify(&self, trust: &Trust) -> Result<VerifiedConsistency, Refusal> {
        let (old, new) = (trust.certify(&self.old)?, trust.certify(&self.new)?);
        let (from, to) = (old.checkpoint(), new.checkpoint());
        let joined = verify_consistency(from.size, &from.root, to.size, &self.path).at(Check::Consistency)?;
        Check::Consistency.same("consistency proof.old", &from.root, &joined.0)?;
        Check::Consistency.same("consistency proof.new", &to.root, &joined.1)?;
        Ok(VerifiedConsistency { old, new })
    }
}

impl VerifiedConsistency {
    /// The smaller log.
    pub fn smaller(&self) -> &CertifiedCheckpoint {
        &self.old
    }

    /// The larger one, which begins with it.
    pub fn larger(&self) -> &CertifiedCheckpoint {
        &self.new
    }
}
