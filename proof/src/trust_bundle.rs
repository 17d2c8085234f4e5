//! Carry trust from a genesis hash to any epoch in one file.

use crate::limits::{BUNDLE_DEPTH_MAX, TRUST_BYTES_MAX};
use crate::name::genesis_of;
use crate::refusal::At;
use crate::{Change, Check, Genesis, Hash, ProofError, Refusal, Trust, canonical, parse_canonical};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A trust bundle file; canonical JSON with `"kind":"trust-bundle"`. Nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustBundle {
    /// Every change of membership, ascending.
    pub changes: Vec<Change>,
    /// The genesis document.
    pub genesis: Value,
    /// What file this is: `trust-bundle`.
    pub kind: String,
    /// The form of this file: 1.
    pub v: u64,
}

impl TrustBundle {
    /// The bundle of a genesis and the changes since.
    pub fn new(genesis: &Genesis, changes: Vec<Change>) -> TrustBundle {
        let genesis = serde_json::from_slice(genesis.bytes()).expect("a genesis is JSON");
        TrustBundle { changes, genesis, kind: "trust-bundle".into(), v: 1 }
    }

    /// Reads a trust bundle file.
    pub fn parse(bytes: &[u8]) -> Result<TrustBundle, ProofError> {
        ProofError::check_max("trust bundle", bytes.len(), TRUST_BYTES_MAX)?;
        let bundle: TrustBundle = parse_canonical("trust bundle", bytes, BUNDLE_DEPTH_MAX)?;
        if bundle.kind != "trust-bundle" || bundle.v != 1 {
            return Err(ProofError::malformed("trust bundle", "not a trust bundle of version 1"));
        }
        Ok(bundle)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// The genesis, when it has the hash that the caller trusts.
    pub fn genesis(&self, expected: &Hash) -> Result<Genesis, Refusal> {
        Genesis::parse_expecting(&canonical(&self.genesis), expected).at(Check::Genesis)
    }

    /// Follows every change from the genesis of this hash.
    pub fn verify(&self, genesis_hash: &Hash) -> Result<Trust, Refusal> {
        let mut trust = Trust::from_genesis(&self.genesis(genesis_hash)?);
        self.changes.iter().try_for_each(|change| trust.follow(change))?;
        Ok(trust)
    }

    /// Verifies the whole bundle from the genesis that the origin of `trust` names, and makes `trust` know its later
    /// epochs; see [`Trust::join`]. So a bundle of another ledger, or one that breaks off, is refused whatever is trusted.
    pub fn extend(&self, trust: &mut Trust) -> Result<(), Refusal> {
        let genesis = genesis_of("origin", trust.origin()).at(Check::Genesis)?;
        trust.join(&self.verify(&genesis)?)
    }
}
