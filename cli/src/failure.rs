//! Give every way to fail one line and one exit code.

use countersign_client::ClientError;
use countersign_proof::ProofError;
use countersign_proof::cli::CliFailure;
use std::path::Path;
use thiserror::Error;

/// Why the command did not do what it was asked.
#[derive(Debug, Error)]
pub enum Failure {
    /// The command line or a file it names is not usable.
    #[error("{0}")]
    Usage(String),
    /// A transaction was executed, found invalid and recorded as such.
    #[error("rejected, {0}")]
    Rejected(String),
    /// Some rows of an import were refused.
    #[error("{0}")]
    Refused(String),
    /// What became of it is not known, or it did not get as far as was asked.
    #[error("{0}")]
    Unknown(String),
    /// A proof does not hold.
    #[error("verification failed: {0}")]
    Unverified(String),
    /// What the verifier said.
    #[error("{0}")]
    Verify(#[from] CliFailure),
    /// What the SDK said.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// Nobody reads our output any more: not a failure of ours.
    #[error("the output was closed")]
    PipeClosed,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// As `countersign --help` says.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Other(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Rejected(_) => 3,
            Failure::Refused(_) => 4,
            Failure::Unknown(_) => 6,
            Failure::Unverified(_) => 11,
            Failure::PipeClosed => 0,
            Failure::Verify(failure) => failure.exit_code(),
            Failure::Client(error) => match error {
                ClientError::KeyFile { .. } | ClientError::Invalid { .. } | ClientError::Malformed(_) => 2,
                ClientError::Refused { .. } | ClientError::Denied { .. } => 4,
                ClientError::Unavailable { .. } => 5,
                ClientError::Unknown { .. } => 6,
                ClientError::Unverified(_) => 11,
                ClientError::NotFound { .. } | ClientError::Node { .. } => 1,
            },
        }
    }

    /// A file that cannot be read or written.
    pub fn file(path: &Path, what: &str, error: &dyn std::fmt::Display) -> Failure {
        Failure::Usage(format!("{}: cannot be {what}: {error}", path.display()))
    }

    /// Something the caller gave, named by its flag.
    pub fn usage(flag: &str, reason: impl std::fmt::Display) -> Failure {
        Failure::Usage(format!("{flag}: {reason}"))
    }

    /// Bytes in a file that are not what they must be.
    pub fn malformed(path: &Path, error: &ProofError) -> Failure {
        Failure::Usage(format!("{}: {error}", path.display()))
    }
}
