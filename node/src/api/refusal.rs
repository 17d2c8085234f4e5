//! Turn refusals into gRPC statuses with machine-readable details: the one table of codes.

use countersign_gateway::Problem;
use countersign_ledger::LedgerError;
use countersign_ledger::store::kv::KvError;
use countersign_proof::ProofError;
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// How soon there may be a leader again.
const LEADER_AGAIN: Duration = Duration::from_millis(200);

/// Why a call is turned away. Nothing of it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The machine's word for it.
    pub(crate) reason: Cow<'static, str>,
    /// One sentence for a person, which names the field and the limit.
    pub(crate) detail: String,
    /// The field that is wrong.
    pub(crate) field: Option<Cow<'static, str>>,
    /// When a retry can help.
    pub(crate) retry: Option<Duration>,
    /// What else a machine may want to know.
    pub(crate) facts: Vec<(&'static str, String)>,
}

impl Refusal {
    /// Nobody leads, or who does cannot be asked; it may be otherwise in a moment.
    pub(crate) fn no_leader(detail: &str) -> Refusal {
        Refusal::new("UNAVAILABLE", detail).retry(LEADER_AGAIN)
    }

    pub(crate) fn new(reason: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Refusal {
        Refusal { reason: reason.into(), detail: detail.into(), field: None, retry: None, facts: Vec::new() }
    }

    pub(crate) fn field(reason: &'static str, field: &'static str, detail: impl Into<String>) -> Refusal {
        Refusal { field: Some(field.into()), ..Refusal::new(reason, detail) }
    }

    pub(crate) fn retry(mut self, after: Duration) -> Refusal {
        self.retry = Some(after);
        self
    }

    pub(crate) fn fact(mut self, name: &'static str, value: impl ToString) -> Refusal {
        self.facts.push((name, value.to_string()));
        self
    }

    fn code(&self) -> Code {
        match &*self.reason {
            "MALFORMED" | "OTHER_LEDGER" => Code::InvalidArgument,
            "TOO_LARGE"
            | "OVERLOADED"
            | "TOO_MANY_SUBSCRIPTIONS"
            | "SLOW_READER"
            | "RATE_LIMITED"
            | "QUOTA_EXCEEDED" => Code::ResourceExhausted,
            "FALSE_SIGNATURE" | "UNAUTHENTICATED" => Code::Unauthenticated,
            "PERMISSION_DENIED" => Code::PermissionDenied,
            "NONCE_REUSED" => Code::AlreadyExists,
            "NOT_FOUND" | "UNKNOWN_COLLECTION" => Code::NotFound,
            "NOT_CERTIFIED_YET" | "PROOF_UNAVAILABLE" | "INDEX_REQUIRED" => Code::FailedPrecondition,
            "OUT_OF_RANGE" => Code::OutOfRange,
            "UNAVAILABLE" => Code::Unavailable,
            _ => Code::Internal,
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Status {
        let facts: HashMap<String, String> =
            refusal.facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut details = ErrorDetails::with_error_info(refusal.reason.clone(), "countersign", facts);
        if let Some(field) = &refusal.field {
            details.add_bad_request_violation(&**field, &refusal.detail);
        }
        if let Some(after) = refusal.retry {
            details.set_retry_info(Some(after));
        }
        Status::with_error_details(refusal.code(), refusal.detail, details)
    }
}

/// What the gateway found, in the words of gRPC.
impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal {
            field: problem.wrong_field().map(|field| field.to_owned().into()),
            retry: problem.retry_after(),
            ..Refusal::new(problem.code().to_owned(), problem.detail())
        }
    }
}

impl From<ProofError> for Refusal {
    fn from(error: ProofError) -> Refusal {
        let detail = error.to_string();
        match error {
            ProofError::TooLarge { field, actual, max } => {
                Refusal::field("TOO_LARGE", field, detail).fact("actual", actual).fact("limit", max)
            }
            ProofError::Mismatch { field: "body.genesis", .. } => {
                Refusal::field("OTHER_LEDGER", "body.genesis", detail)
            }
            ProofError::Malformed { field, .. } | ProofError::Mismatch { field, .. } => {
                Refusal::field("MALFORMED", field, detail)
            }
            ProofError::FalseSignature { .. } | ProofError::NoQuorum { .. } | ProofError::NoPolicyQuorum { .. } => {
                Refusal::new("FALSE_SIGNATURE", detail)
            }
        }
    }
}

/// A store that fails under a read is our fault; the pipeline meets it too, and stops the node.
impl From<KvError> for Refusal {
    fn from(error: KvError) -> Refusal {
        tracing::error!(%error, "a read failed");
        Refusal::new("INTERNAL", "the node's store failed; its log says why")
    }
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Refusal {
        tracing::error!(%error, "a read failed");
        Refusal::new("INTERNAL", "the node's ledger failed; its log says why")
    }
}
