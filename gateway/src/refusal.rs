//! Answer a request that gets no page: what is wrong, and the HTTP code of it.

use crate::explorer::Frame;
use crate::limits::URI_BYTES_MAX;
use crate::show::visible;
use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use countersign_ledger::LedgerError;
use countersign_ledger::store::kv::KvError;
use countersign_proof::ProofError;
use thiserror::Error;

/// Why a request gets no page.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// The client must correct a field.
    #[error("{field}: {reason}")]
    Field { field: &'static str, reason: String },
    /// The client must shorten the address.
    #[error("the address has {0} bytes, at most {URI_BYTES_MAX} are read")]
    AddressTooLong(usize),
    /// Nothing on this ledger has that name.
    #[error("{0}")]
    Missing(String),
    /// Nothing here can be written.
    #[error("this page can only be read (GET)")]
    Method,
    /// The operator must look at the node.
    #[error("the node could not read its ledger; its log says why")]
    Store(#[from] KvError),
    /// The operator must look at the node.
    #[error("the node could not read its ledger; its log says why")]
    Ledger(#[from] LedgerError),
    /// The node is stopping.
    #[error("the node is stopping")]
    Ended,
    /// The operator must look: the store holds what it never accepted.
    #[error("the node could not read its ledger; its log says why")]
    Malformed(#[from] ProofError),
    /// A template of ours failed.
    #[error("the page could not be made")]
    Template(#[from] askama::Error),
}

impl Refusal {
    pub(crate) fn field(field: &'static str, reason: impl Into<String>) -> Refusal {
        Refusal::Field { field, reason: reason.into() }
    }

    fn status(&self) -> StatusCode {
        match self {
            Refusal::Field { .. } => StatusCode::BAD_REQUEST,
            Refusal::AddressTooLong(_) => StatusCode::URI_TOO_LONG,
            Refusal::Missing(_) => StatusCode::NOT_FOUND,
            Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Ended => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Store(_) | Refusal::Ledger(_) | Refusal::Malformed(_) | Refusal::Template(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The code and the sentence to answer with, once what an operator must see is logged.
    pub(crate) fn into_status_and_sentence(self) -> (StatusCode, String) {
        self.log();
        (self.status(), visible(&self.to_string()))
    }

    fn log(&self) {
        match self {
            Refusal::Store(error) => tracing::error!(%error, "the ledger could not be read"),
            Refusal::Ledger(error) => tracing::error!(%error, "the ledger could not be read"),
            Refusal::Malformed(error) => tracing::error!(%error, "the ledger holds malformed bytes"),
            Refusal::Template(error) => tracing::error!(%error, "a template failed"),
            _ => {}
        }
    }
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage {
    frame: Frame,
    status: StatusCode,
    sentence: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, sentence) = self.into_status_and_sentence();
        let page = RefusalPage { frame: Frame::default(), status, sentence: sentence.clone() };
        match page.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => (status, sentence).into_response(),
        }
    }
}
