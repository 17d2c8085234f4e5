//! Give every way to fail one line and one exit code.

use super::report::visible;
use crate::{Check, ProofError, Refusal};
use serde_json::{Value, json};
use thiserror::Error;

/// Why there is no yes.
#[derive(Debug, Error)]
pub enum CliFailure {
    /// The command line or a file it names is not usable.
    #[error("{}", visible(.0))]
    Usage(String),
    /// A check failed.
    #[error("not verified, {}: {}", .0.check, visible(&.0.error.to_string()))]
    Refused(Refusal),
    /// The signatures hold; the rest needs re-execution.
    #[error("the signatures hold; whether the seal is false, only re-execution shows: countersign audit --level full")]
    NeedsExecution,
    /// Nobody reads our output any more.
    #[error("the output was closed")]
    PipeClosed,
}

impl CliFailure {
    /// As [`super::EXIT_CODES`] says.
    pub fn exit_code(&self) -> u8 {
        match self {
            CliFailure::PipeClosed => 0,
            CliFailure::Usage(_) => 2,
            CliFailure::Refused(refusal) if refusal.check == Check::Memory => 12,
            CliFailure::Refused(_) => 11,
            CliFailure::NeedsExecution => 13,
        }
    }

    pub(super) fn claim(field: &'static str, expected: impl ToString, found: impl ToString) -> CliFailure {
        let error = ProofError::mismatch(field, expected, found);
        CliFailure::Refused(Refusal { check: Check::Claim, error })
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            CliFailure::Refused(refusal) => {
                json!({"check": refusal.check.as_str(), "reason": refusal.error.to_string(), "verified": false})
            }
            other => json!({"check": null, "reason": other.to_string(), "verified": false}),
        }
    }
}

impl From<Refusal> for CliFailure {
    fn from(refusal: Refusal) -> CliFailure {
        CliFailure::Refused(refusal)
    }
}
