//! Carry a proof with the trust bundle it needs: one file and a genesis hash suffice.

use crate::limits::{EXHIBIT_BYTES_MAX, EXHIBIT_DEPTH_MAX, TRUST_BYTES_MAX};
use crate::{ProofError, TrustBundle, canonical, parse_canonical};
use serde::{Deserialize, Serialize};

/// An exhibit file; canonical JSON with `"kind":"exhibit"`. Nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exhibit {
    /// What file this is: `exhibit`.
    pub kind: String,
    /// The proof file, as text.
    pub proof: String,
    /// The trust bundle.
    pub trust: TrustBundle,
    /// The form of this file: 1.
    pub v: u64,
}

impl Exhibit {
    /// A proof file beside the bundle that leads to its epoch.
    pub fn new(proof: String, trust: TrustBundle) -> Exhibit {
        Exhibit { kind: "exhibit".into(), proof, trust, v: 1 }
    }

    /// Reads an exhibit file.
    pub fn parse(bytes: &[u8]) -> Result<Exhibit, ProofError> {
        ProofError::check_max("exhibit", bytes.len(), EXHIBIT_BYTES_MAX)?;
        let exhibit: Exhibit = parse_canonical("exhibit", bytes, EXHIBIT_DEPTH_MAX)?;
        if exhibit.kind != "exhibit" || exhibit.v != 1 || exhibit.trust.kind != "trust-bundle" || exhibit.trust.v != 1 {
            return Err(ProofError::malformed("exhibit", "not an exhibit of version 1"));
        }
        ProofError::check_max("exhibit.trust", exhibit.trust.to_bytes().len(), TRUST_BYTES_MAX)?;
        Ok(exhibit)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }
}
