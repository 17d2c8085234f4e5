//! Say what went wrong, and so who must act.

use countersign_proof::{Hash, ProofError};
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;
use tonic::{Code, ConnectError, Status};
use tonic_types::StatusExt;

/// Why there is no answer, or none that is believed.
#[derive(Debug, Clone, Error)]
pub enum ClientError {
    /// A key file that cannot be used. The caller must act.
    #[error("key file {}: {reason}", path.display())]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// Something the caller gave is not usable.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which part.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A transaction, genesis or document that does not have its form.
    #[error("{0}")]
    Malformed(ProofError),
    /// The node turned the request away; nothing is recorded.
    #[error("refused, {code}: {detail}")]
    Refused {
        /// The node's code.
        code: String,
        /// The same in one sentence.
        detail: String,
        /// When trying again can help; none when it cannot.
        retry: Option<Duration>,
    },
    /// The account may not do this, or the token does not hold.
    #[error("denied, {code}: {detail}")]
    Denied {
        /// The node's code.
        code: String,
        /// The same in one sentence.
        detail: String,
    },
    /// What was asked for is not there.
    #[error("not found: {detail}")]
    NotFound {
        /// What is not there.
        detail: String,
    },
    /// No node can be reached or serve; nothing was handed on.
    #[error("unavailable: {detail}")]
    Unavailable {
        /// Which node, and why.
        detail: String,
    },
    /// It is not known whether the transaction was recorded. Submit the same bytes again.
    #[error("unknown outcome of transaction {transaction_id}: {detail}; submit the same bytes again to learn it")]
    Unknown {
        /// The transaction.
        transaction_id: Hash,
        /// Why it is not known.
        detail: String,
    },
    /// A proof does not hold: the node lies, or speaks of another ledger.
    #[error("verification failed: {0}")]
    Unverified(ProofError),
    /// The node broke its own API, or failed.
    #[error("the node failed, {code}: {detail}")]
    Node {
        /// The node's code.
        code: String,
        /// The same in one sentence.
        detail: String,
    },
}

impl ClientError {
    pub(crate) fn invalid(field: &'static str, reason: impl Into<String>) -> ClientError {
        ClientError::Invalid { field, reason: reason.into() }
    }

    /// A proof or answer that says something else than it must.
    pub(crate) fn mismatch(field: &'static str, expected: impl ToString, found: impl ToString) -> ClientError {
        let (expected, found) = (expected.to_string(), found.to_string());
        ClientError::Unverified(ProofError::Mismatch { field, expected, found })
    }

    /// What a status means for a call that changes nothing.
    pub(crate) fn of_read(status: &Status) -> ClientError {
        let (code, detail) = (code_of(status), detail_of(status));
        match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted => {
                ClientError::Unavailable { detail }
            }
            Code::NotFound => ClientError::NotFound { detail },
            Code::Unauthenticated | Code::PermissionDenied => ClientError::Denied { code, detail },
            // tonic gives a connection that breaks under a call as Unknown.
            Code::Unknown => ClientError::Unavailable { detail },
            Code::Internal | Code::DataLoss | Code::Ok => ClientError::Node { code, detail },
            _ => ClientError::Refused { code, detail, retry: retry_of(status) },
        }
    }

    /// What a status means for a submission: only what proves that nothing was handed on is definite.
    pub(crate) fn of_submit(status: &Status, transaction_id: Hash) -> ClientError {
        let (code, detail) = (code_of(status), detail_of(status));
        match status.code() {
            _ if never_connected(status) => ClientError::Unavailable { detail },
            Code::Unauthenticated | Code::PermissionDenied => ClientError::Denied { code, detail },
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented => ClientError::Refused { code, detail, retry: retry_of(status) },
            _ => ClientError::Unknown { transaction_id, detail },
        }
    }

    /// Whether another node, or the same one later, may well answer.
    pub fn may_pass(&self) -> bool {
        match self {
            ClientError::Unavailable { .. } | ClientError::Unknown { .. } => true,
            ClientError::Refused { retry, .. } => retry.is_some(),
            _ => false,
        }
    }
}

/// The node's own code, or gRPC's.
fn code_of(status: &Status) -> String {
    match status.get_details_error_info() {
        Some(info) if info.domain == "countersign" => info.reason,
        _ => format!("{:?}", status.code()),
    }
}

fn detail_of(status: &Status) -> String {
    let mut detail = status.message().to_owned();
    let violations = status.get_details_bad_request().map(|b| b.field_violations).unwrap_or_default();
    for violation in violations {
        if !detail.contains(&violation.field) {
            detail = format!("{}: {detail}", violation.field);
        }
    }
    // The transport hides its reason one level down.
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let text = error.to_string();
        if !detail.contains(&text) {
            detail = format!("{detail}: {text}");
        }
        cause = error.source();
    }
    detail.replace('\n', " ")
}

fn retry_of(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

fn never_connected(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn a_status_says_who_must_act() {
        let mut details = ErrorDetails::with_error_info("OVERLOADED", "countersign", std::collections::HashMap::new());
        details.set_retry_info(Some(Duration::from_millis(40)));
        let status = Status::with_error_details(Code::ResourceExhausted, "the mempool is full", details);
        match ClientError::of_submit(&status, Hash([1; 32])) {
            ClientError::Refused { code, detail, retry } => {
                assert_eq!((&code[..], &detail[..]), ("OVERLOADED", "the mempool is full"));
                assert_eq!(retry, Some(Duration::from_millis(40)));
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_submission_without_a_definite_answer_is_unknown() {
        let unknown =
            |status: Status| matches!(ClientError::of_submit(&status, Hash([1; 32])), ClientError::Unknown { .. });
        for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Cancelled, Code::Unknown, Code::Internal] {
            assert!(unknown(Status::new(code, "gone")), "{code:?}");
        }
        assert!(!unknown(Status::invalid_argument("body.nonce")));
    }
}
