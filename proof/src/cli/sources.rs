//! Read the files of a verification and make of them a proof and a trust.

use super::args::Claims;
use super::failure::CliFailure;
use crate::limits::EXHIBIT_BYTES_MAX;
use crate::refusal::At;
use crate::{Check, Exhibit, Genesis, PinnedEpoch, ProofError, Trust, TrustBundle, parse_policy_octets};
use std::io::Read;
use std::path::{Path, PathBuf};

/// In canonical form an exhibit begins so, and nothing else does.
const EXHIBIT_START: &[u8] = br#"{"kind":"exhibit","#;

/// What the file given to a command is.
#[derive(Debug, Clone, Copy)]
pub(super) enum FileIs {
    /// A proof, or an exhibit of one.
    Proof,
    /// A trust bundle. What an exhibit holds as its proof is followed by nobody, so that it is none.
    Bundle,
}

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
    source.take(EXHIBIT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    ProofError::check_max("file", bytes.len(), EXHIBIT_BYTES_MAX).at(Check::File)?;
    Ok(bytes)
}

impl Sources {
    /// Reads the proof file, and establishes trust: the genesis hash, the pinned epoch or the policy first, then epoch by epoch.
    pub(super) fn read(claims: &Claims, file: &Path, file_is: FileIs) -> Result<Sources, CliFailure> {
        let bytes = read(file)?;
        // Before anything is asked of the anchor: every file but a policy is text.
        std::str::from_utf8(&bytes).map_err(|_| ProofError::malformed("file", "not UTF-8 text")).at(Check::File)?;
        let given = claims.trust.as_deref().map(read).transpose()?;
        let given = given.map(|bytes| TrustBundle::parse(&bytes)).transpose().at(Check::Epochs)?;
        let (proof, enclosed) = match file_is {
            FileIs::Bundle => {
                let bundle = TrustBundle::parse(&bytes).at(Check::File)?;
                (bytes, Some(bundle))
            }
            FileIs::Proof if bytes.starts_with(EXHIBIT_START) => {
                let exhibit = Exhibit::parse(&bytes).at(Check::File)?;
                (exhibit.proof.into_bytes(), Some(exhibit.trust))
            }
            FileIs::Proof => (bytes, None),
        };
        let mut trust = anchor(claims, given.as_ref().or(enclosed.as_ref()))?;
        for bundle in given.iter().chain(&enclosed) {
            bundle.extend(&mut trust)?;
        }
        let anchored = claims.genesis_hash.is_some() || claims.epoch.is_some();
        Ok(Sources { proof, trust, anchored })
    }
}

/// What trust begins with. A bundle's own genesis counts only under a hash that the caller gives.
fn anchor(claims: &Claims, bundle: Option<&TrustBundle>) -> Result<Trust, CliFailure> {
    if let (Some(path), Some(origin)) = (&claims.policy, &claims.origin) {
        return Ok(Trust::from_policy(origin, parse_policy_octets(&read(path)?).at(Check::File)?).at(Check::File)?);
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
