//! Name the check that a proof did not pass.

use crate::ProofError;
use std::fmt;
use thiserror::Error;

/// The checks of a verifier, in the order in which they are made. None is ever skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The file has the form of what it claims to be.
    File,
    /// The genesis has the hash that the caller trusts.
    Genesis,
    /// Each epoch follows the one before, certified by both.
    Epochs,
    /// Every signature line by a known key holds, and enough organisations countersigned, each counted once.
    Quorum,
    /// A node of a member signed as the log.
    LogSignature,
    /// The path leads from the leaf to the certified root.
    Inclusion,
    /// The leaf, or the seal, has its form and says what the proof needs.
    Leaf,
    /// The state root of the seal holds what is claimed.
    State,
    /// The versions follow each other without a gap.
    History,
    /// The smaller log is the beginning of the larger one.
    Consistency,
    /// The two statements contradict each other, and one key made both.
    Evidence,
    /// What was proved is what the caller asked about.
    Claim,
    /// Nothing below the newest checkpoint that was ever verified here is believed.
    Memory,
}

impl Check {
    /// The check's name in messages and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Check::File => "file",
            Check::Genesis => "genesis",
            Check::Epochs => "epochs",
            Check::Quorum => "quorum",
            Check::LogSignature => "log-signature",
            Check::Inclusion => "inclusion",
            Check::Leaf => "leaf",
            Check::State => "state",
            Check::History => "history",
            Check::Consistency => "consistency",
            Check::Evidence => "evidence",
            Check::Claim => "claim",
            Check::Memory => "memory",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a proof is not believed: the first check that failed, and how.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{check}: {error}")]
pub struct Refusal {
    /// The check.
    pub check: Check,
    /// What is wrong.
    pub error: ProofError,
}

/// Says under which check an error falls.
pub(crate) trait At<T> {
    fn at(self, check: Check) -> Result<T, Refusal>;
}

impl<T> At<T> for Result<T, ProofError> {
    fn at(self, check: Check) -> Result<T, Refusal> {
        self.map_err(|error| Refusal { check, error })
    }
}

impl Check {
    /// A refusal for a part that does not have its form or is not what it must be.
    pub(crate) fn refuse<T>(self, field: &'static str, reason: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal { check: self, error: ProofError::malformed(field, reason) })
    }

    /// Refuses unless the two are equal.
    pub(crate) fn same<T: PartialEq + ToString>(
        self,
        field: &'static str,
        expected: &T,
        found: &T,
    ) -> Result<(), Refusal> {
        if expected == found {
            Ok(())
        } else {
            Err(ProofError::mismatch(field, expected.to_string(), found.to_string())).at(self)
        }
    }
}

/// What is malformed before any check of a proof is the file's fault.
impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Refusal {
        Refusal { check: Check::File, error }
    }
}

impl From<Refusal> for ProofError {
    fn from(refusal: Refusal) -> ProofError {
        refusal.error
    }
}
