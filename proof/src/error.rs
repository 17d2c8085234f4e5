//! Say what is wrong with bytes that somebody gave us.

use thiserror::Error;

/// Why bytes are not what they claim to be. The sender must act; nothing of ours is at fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProofError {
    /// A member, line or field does not have its form.
    #[error("{field}: {reason}")]
    Malformed {
        /// Which part.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Something is longer, deeper or more than its maximum.
    #[error("{field}: {actual} is more than the maximum of {max}")]
    TooLarge {
        /// Which part.
        field: &'static str,
        /// How much was given.
        actual: usize,
        /// How much is allowed.
        max: usize,
    },
    /// A signature that must hold does not.
    #[error("{field}: the signature is false")]
    FalseSignature {
        /// Whose, or over what.
        field: String,
    },
    /// Two things that must be equal are not.
    #[error("{field}: expected {expected}, found {found}")]
    Mismatch {
        /// Which part.
        field: &'static str,
        /// What it had to be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Too few organisations countersigned.
    #[error("certificate: {signed} of the {quorum} organisations needed in epoch {epoch} have countersigned")]
    NoQuorum {
        /// Under whose membership it was counted.
        epoch: u64,
        /// Distinct organisations with a valid cosignature.
        signed: usize,
        /// How many are needed.
        quorum: usize,
    },
    /// Not those countersigned whom the policy asks for.
    #[error("certificate: the {signed} witnesses of the policy that have countersigned are not the quorum it asks for")]
    NoPolicyQuorum {
        /// Witnesses of the policy with a valid cosignature.
        signed: usize,
    },
}

impl ProofError {
    pub(crate) fn malformed(field: &'static str, reason: impl Into<String>) -> ProofError {
        ProofError::Malformed { field, reason: reason.into() }
    }

    pub(crate) fn mismatch(field: &'static str, expected: impl ToString, found: impl ToString) -> ProofError {
        ProofError::Mismatch { field, expected: expected.to_string(), found: found.to_string() }
    }

    /// Refuses `actual` above `max`.
    pub(crate) fn check_max(field: &'static str, actual: usize, max: usize) -> Result<(), ProofError> {
        if actual > max { Err(ProofError::TooLarge { field, actual, max }) } else { Ok(()) }
    }
}
