//! Read the files of a verification and make of them a proof and a trust.

use super::args::Claims;
use super::failure::CliFailure;
use crate::limits::{HISTORY_BYTES_MAX, TRUST_BYTES_MAX};
use crate::refusal::At;
use crate::{Check, Exhibit, Genesis, PinnedEpoch, ProofError, Trust, TrustBundle, parse_policy};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The largest file that is read: an exhibit with a history proof.
const FILE_BYTES_MAX: usize = TRUST_BYTES_MAX + 2 * HISTORY_BYTES_MAX;

/// A proof file and what it is judged under.
pub(super) struct Sources {
    /// The proof itself, out of its exhibit.
    pub(super) proof: Vec<u8>,
    pub(super) trust: Trust,
    /// The genesis hash was given, not only a file that says what it is.
    pub(super) anchored: bool,
}

/// Reads a file up to the largest that any proof can be.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CliFailure> {
    let failed = |e: std::io::Error| CliFailure::Usage(format!("{}: cannot be read: {e}", path.display()));
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(path).map_err(failed)?),
    };
    let mut bytes = Vec::new();
    source.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(CliFailure::Usage(format!("{}: longer than {FILE_BYTES_MAX} bytes", path.display())));
    }
    Ok(bytes)
}

impl Sources {
    /// Reads the proof file, and establishes trust: the genesis hash, the pinned epoch or the policy first, then epoch by epoch.
    pub(super) fn read(claims: &Claims, file: &Path) -> Result<Sources, CliFailure> {
        let bytes = read(file)?;
        let exhibit = is_kind(&bytes, "exhibit").then(|| Exhibit::parse(&bytes)).transpose().at(Check::File)?;
        let given = claims.trust.as_deref().map(read).transpose()?;
        let given = given.map(|bytes| TrustBundle::parse(&bytes)).transpose().at(Check::Epochs)?;
        let (proof, enclosed) = match exhibit {
            Some(exhibit) => (exhibit.proof.into_bytes(), Some(exhibit.trust)),
            None if is_kind(&bytes, "trust-bundle") => {
                let bundle = TrustBundle::parse(&bytes).at(Check::File)?;
                (bytes, Some(bundle))
            }
            None => (bytes, None),
        };
        let mut trust = anchor(claims, given.as_ref().or(enclosed.as_ref()))?;
        for bundle in given.iter().chain(&enclosed) {
            bundle.extend(&mut trust)?;
        }
        Ok(Sources { proof, trust, anchored: claims.genesis_hash.is_some() || claims.epoch.is_some() })
    }
}

/// What trust begins with. A bundle's own genesis counts only under a hash that the caller gives.
fn anchor(claims: &Claims, bundle: Option<&TrustBundle>) -> Result<Trust, CliFailure> {
    if let (Some(path), Some(origin)) = (&claims.policy, &claims.origin) {
        return policy(&read(path)?, origin).map_err(|e| CliFailure::Usage(format!("{}: {e}", path.display())));
    }
    if let Some(path) = &claims.epoch {
        return Ok(Trust::from_epoch(PinnedEpoch::parse(&read(path)?).at(Check::Epochs)?));
    }
    // Not clap's `env`: it would make of the variable an argument that conflicts with the anchor that was named.
    let enough = claims.genesis_hash.is_some() && bundle.is_some();
    let of_environment = || std::env::var_os("COUNTERSIGN_GENESIS").filter(|_| !enough).map(PathBuf::from);
    let file = claims.genesis.clone().or_else(of_environment).map(|path| read(&path)).transpose()?;
    let genesis = match (&claims.genesis_hash, file, bundle) {
        (Some(hash), Some(file), _) => Genesis::parse_expecting(&file, hash).at(Check::Genesis)?,
        (None, Some(file), _) => Genesis::parse(&file).at(Check::Genesis)?,
        (Some(hash), None, Some(bundle)) => bundle.genesis(hash)?,
        (Some(_), None, None) => {
            let needed = "--genesis-hash alone is not enough for this file: give --genesis, --trust, or an exhibit";
            return Err(CliFailure::Usage(needed.into()));
        }
        (None, None, _) => {
            return Err(CliFailure::Usage(
                "what is trusted? give --genesis-hash, --genesis, --epoch or --policy".into(),
            ));
        }
    };
    if let Some(bundle) = bundle {
        bundle.genesis(&genesis.hash())?;
    }
    Ok(Trust::from_genesis(&genesis))
}

fn policy(bytes: &[u8], origin: &str) -> Result<Trust, ProofError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ProofError::malformed("policy", "not UTF-8 text"))?;
    Trust::from_policy(origin, parse_policy(text)?)
}

/// Whether the bytes look like one of our JSON files of this kind; only a hint, the parser decides.
pub(super) fn is_kind(bytes: &[u8], kind: &str) -> bool {
    let value = serde_json::from_slice::<KindOnly>(bytes);
    value.is_ok_and(|value| value.kind == kind)
}

#[derive(serde::Deserialize)]
struct KindOnly {
    kind: String,
}
