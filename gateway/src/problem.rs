//! Answer what cannot be done as `application/problem+json` (RFC 9457): the one table of codes.

use crate::door::Refused;
use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_ledger::store::kv::KvError;
use countersign_ledger::{LedgerError, Violation};
use countersign_proof::ProofError;
use countersign_proto::v1;
use serde::Serialize;
use serde_json::{Map, Value};
use std::time::Duration;

/// Why a request has no other answer. Everything in it may be shown to the caller.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Problem {
    // Boxed: every answer carries room for it, and few hold one.
    said: Box<Said>,
}

/// What a problem says. Its members are those of RFC 9457 and our own.
#[derive(Debug, Clone, Serialize)]
struct Said {
    /// `urn:countersign:problem:<code>`.
    #[serde(rename = "type")]
    kind: String,
    /// The code in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The machine's word for it.
    code: String,
    /// One sentence for a person, which names the field and the limit.
    detail: String,
    /// The field of the request that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Where the document is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pointers: Vec<Pointer>,
    /// Which operation of a transaction, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<u32>,
    /// Whether the same request can succeed later.
    retryable: bool,
    /// When to try again, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// The id of the document that holds the unique key.
    #[serde(skip_serializing_if = "Option::is_none")]
    existing: Option<String>,
    /// The transaction that was recorded, or whose nonce was used.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<String>,
    /// The block of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
}

/// One place in a document.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pointer {
    /// A JSON pointer into the document.
    pub(crate) pointer: String,
    /// The keyword of the schema that it breaks, or `access`.
    pub(crate) keyword: String,
}

impl Problem {
    pub(crate) fn new(code: impl Into<String>, detail: impl Into<String>) -> Problem {
        let code = code.into();
        let (status, title) = table(&code);
        let said = Said {
            kind: format!("urn:countersign:problem:{code}"),
            title,
            status: status.as_u16(),
            code,
            detail: detail.into(),
            field: None,
            pointers: Vec::new(),
            operation: None,
            retryable: false,
            retry_after_ms: None,
            existing: None,
            transaction: None,
            height: None,
        };
        Problem { said: Box::new(said) }
    }

    /// The machine's word for it.
    pub fn code(&self) -> &str {
        &self.said.code
    }

    /// The sentence for a person.
    pub fn detail(&self) -> &str {
        &self.said.detail
    }

    /// The field of the request that is wrong.
    pub fn wrong_field(&self) -> Option<&str> {
        self.said.field.as_deref()
    }

    /// When a retry can help.
    pub fn retry_after(&self) -> Option<Duration> {
        self.said.retry_after_ms.map(Duration::from_millis)
    }

    /// All that it says, by name.
    pub(crate) fn members(&self) -> Map<String, Value> {
        match serde_json::to_value(&self.said) {
            Ok(Value::Object(members)) => members,
            _ => unreachable!("plain data"),
        }
    }

    /// A field of the request that is wrong.
    pub(crate) fn field(field: impl Into<String>, reason: impl std::fmt::Display) -> Problem {
        let field = field.into();
        Problem::new("MALFORMED", format!("{field}: {reason}")).at(&field)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new("NOT_FOUND", detail)
    }

    pub(crate) fn at(mut self, field: &str) -> Problem {
        self.said.field = Some(field.to_owned());
        self
    }

    pub(crate) fn retry(mut self, after: Duration) -> Problem {
        self.said.retryable = true;
        self.said.retry_after_ms = Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        self
    }

    pub(crate) fn violations(mut self, violations: Vec<Violation>) -> Problem {
        let pointer = |v: Violation| Pointer { pointer: v.pointer, keyword: v.keyword };
        self.said.pointers = violations.into_iter().map(pointer).collect();
        self
    }

    /// A transaction that was executed and found invalid.
    pub(crate) fn rejected(response: v1::SubmitResponse) -> Problem {
        let pointer = |v: v1::Violation| Pointer { pointer: v.pointer, keyword: v.keyword };
        let mut problem = Problem::new(response.code, response.detail);
        problem.said.pointers = response.violations.into_iter().map(pointer).collect();
        problem.said.operation = response.operation;
        problem.said.existing = response.existing;
        problem.said.transaction = Some(hex::encode(&response.transaction_id));
        problem.said.height = response.height;
        problem
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.said.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Each code with its HTTP status and its title. What is not listed is our fault.
fn table(code: &str) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match code {
        "MALFORMED" => (S::BAD_REQUEST, "The request is malformed"),
        "OTHER_LEDGER" => (S::BAD_REQUEST, "The transaction is of another ledger"),
        "INDEX_REQUIRED" => (S::BAD_REQUEST, "The query needs an index"),
        "OUT_OF_RANGE" => (S::BAD_REQUEST, "Out of range"),
        "UNAUTHENTICATED" => (S::UNAUTHORIZED, "Who calls is not known"),
        "FALSE_SIGNATURE" => (S::BAD_REQUEST, "A signature is false"),
        "PERMISSION_DENIED" => (S::FORBIDDEN, "The caller may not do this here"),
        "UNAUTHORIZED" => (S::FORBIDDEN, "The rules of the collection do not allow it"),
        "NOT_FOUND" => (S::NOT_FOUND, "Not found"),
        "UNKNOWN_COLLECTION" => (S::NOT_FOUND, "No such collection"),
        "METHOD_NOT_ALLOWED" => (S::METHOD_NOT_ALLOWED, "The resource has no such method"),
        "ALREADY_EXISTS" => (S::CONFLICT, "It exists already"),
        "NONCE_REUSED" => (S::CONFLICT, "Another request used this Idempotency-Key"),
        "KEY_IN_USE" => (S::CONFLICT, "The key has been used"),
        "VERSION_CONFLICT" => (S::PRECONDITION_FAILED, "The document is in another version"),
        "PRECONDITION_FAILED" => (S::PRECONDITION_FAILED, "The precondition does not hold"),
        "TOO_LARGE" => (S::PAYLOAD_TOO_LARGE, "Larger than the limit"),
        "ADDRESS_TOO_LONG" => (S::URI_TOO_LONG, "The address is too long"),
        "MEDIA_TYPE" => (S::UNSUPPORTED_MEDIA_TYPE, "The content type is not understood"),
        "SCHEMA_VIOLATION" => (S::UNPROCESSABLE_ENTITY, "The document does not satisfy its schema"),
        "INVALID_VALUE" => (S::UNPROCESSABLE_ENTITY, "The operation does not fit the value"),
        "RESERVED_NAME" => (S::UNPROCESSABLE_ENTITY, "The name is reserved"),
        "BREAKING_CHANGE" => (S::UNPROCESSABLE_ENTITY, "The schema would break what is there"),
        "EXPIRED" => (S::CONFLICT, "The transaction expired before it was ordered"),
        "OVERLOADED" | "RATE_LIMITED" | "QUOTA_EXCEEDED" => (S::TOO_MANY_REQUESTS, "Too many requests"),
        "TOO_MANY_SUBSCRIPTIONS" => (S::TOO_MANY_REQUESTS, "Too many open streams"),
        "TOO_SLOW" => (S::REQUEST_TIMEOUT, "The reader took too long"),
        "TIMEOUT" => (S::REQUEST_TIMEOUT, "The request took too long"),
        "UNAVAILABLE" | "NOT_CERTIFIED_YET" => (S::SERVICE_UNAVAILABLE, "Not available now"),
        "NO_GATEWAY_ACCOUNT" => (S::NOT_IMPLEMENTED, "This node signs for nobody"),
        _ => (S::INTERNAL_SERVER_ERROR, "The node failed"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry) = (self.status(), self.said.retry_after_ms);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(ms) = retry {
            headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"countersign\""));
        }
        response
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Problem {
        let fact = |name: &str| refused.facts.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let (transaction, height) = (fact("transaction_id"), fact("height").and_then(|text| text.parse().ok()));
        let mut problem = Problem::new(refused.code, refused.detail);
        problem.said.transaction = transaction;
        problem.said.height = height;
        problem.said.field = refused.field;
        match refused.retry {
            Some(after) => problem.retry(after),
            None => problem,
        }
    }
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Problem {
        let detail = error.to_string();
        match error {
            ProofError::TooLarge { field, .. } => Problem::new("TOO_LARGE", detail).at(field),
            ProofError::Malformed { field, .. } | ProofError::Mismatch { field, .. } => {
                Problem::new("MALFORMED", detail).at(field)
            }
            _ => Problem::new("MALFORMED", detail),
        }
    }
}

impl From<KvError> for Problem {
    fn from(error: KvError) -> Problem {
        tracing::error!(%error, "the ledger could not be read");
        Problem::new("INTERNAL", "the node could not read its ledger; its log says why")
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Problem {
        tracing::error!(%error, "the ledger could not be read");
        Problem::new("INTERNAL", "the node could not read its ledger; its log says why")
    }
}
