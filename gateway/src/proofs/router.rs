//! Route the paths of proof files.

use super::consistency::{consistency, trust_bundle};
use super::document::{history, state};
use super::receipt::receipt;
use super::source::Proofs;
use crate::refusal::Refusal;
use crate::tiles::Plain;
use axum::Router;
use axum::routing::get;

/// `/proofs/...` and `/trust-bundle`. They hold documents, so that pages of other sites may not read them.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(proofs: Proofs) -> Router<S> {
    Router::new()
        .route("/proofs/receipt/{transaction_id}", get(receipt))
        .route("/proofs/state/{collection}/{*id}", get(state))
        .route("/proofs/history/{collection}/{*id}", get(history))
        .route("/proofs/consistency", get(consistency))
        .route("/trust-bundle", get(trust_bundle))
        .method_not_allowed_fallback(|| async { Plain::from(Refusal::Method) })
        .with_state(proofs)
}
