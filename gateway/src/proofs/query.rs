//! Read the parameters of an address; one that is not known there is refused.

use crate::refusal::Refusal;
use crate::tiles::Plain;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Parameters of type `T`, which denies unknown fields: whoever misspells one must not take another answer for his own.
pub(crate) struct Strict<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Strict<T> {
    type Rejection = Plain;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Strict<T>, Plain> {
        let refused = |e: axum::extract::rejection::QueryRejection| Refusal::field("query", e.body_text());
        Ok(Strict(Query::from_request_parts(parts, state).await.map_err(refused)?.0))
    }
}

/// Of a receipt.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfReceipt {
    /// Under a checkpoint of at least this size.
    #[serde(default)]
    pub(super) checkpoint_size: u64,
}

/// Of a state proof.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfState {
    /// After this block; the newest certified one if not given.
    pub(super) height: Option<u64>,
}

/// Of a history proof.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfHistory {
    #[serde(default)]
    pub(super) from: u64,
    /// The newest certified height if not given.
    pub(super) to: Option<u64>,
}

/// Of a consistency proof.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfConsistency {
    pub(super) old: u64,
    /// The newest certified size if not given.
    pub(super) new: Option<u64>,
}

/// Where nothing can be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}
