//! Parse what a request asks for: each field with its form and its maximum.

use crate::limits::SEARCH_BYTES_MAX;
use crate::refusal::Refusal;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use countersign_proof::{Hash, INTEGER_MAX, ProofError, SYSTEM_COLLECTIONS, check_collection, check_document_id};
use serde::Deserialize;

/// Every parameter that a page of the explorer takes. Others are ignored; one given twice is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    after: Option<String>,
    before: Option<String>,
    collection: Option<String>,
    from: Option<String>,
    id: Option<String>,
    q: Option<String>,
    version: Option<String>,
}

impl Asked {
    /// Only ids after this one.
    pub(crate) fn after(&self) -> Result<&str, Refusal> {
        match given(&self.after) {
            Some(id) => document_id("after", id),
            None => Ok(""),
        }
    }

    /// Only numbers below this one, which is at least 1.
    pub(crate) fn before(&self) -> Result<Option<u64>, Refusal> {
        match optional("before", &self.before)? {
            Some(0) => Err(Refusal::field("before", "nothing is before 0")),
            before => Ok(before),
        }
    }

    /// Only rows from this number on.
    pub(crate) fn from(&self) -> Result<Option<u64>, Refusal> {
        optional("from", &self.from)
    }

    /// A version of a document.
    pub(crate) fn version(&self) -> Result<Option<u64>, Refusal> {
        optional("version", &self.version)
    }

    /// A collection.
    pub(crate) fn collection(&self) -> Result<Option<&str>, Refusal> {
        given(&self.collection).map(|name| collection("collection", name)).transpose()
    }

    /// A document's id.
    pub(crate) fn id(&self) -> Result<Option<&str>, Refusal> {
        given(&self.id).map(|id| document_id("id", id)).transpose()
    }

    /// What to search for.
    pub(crate) fn q(&self) -> Result<&str, Refusal> {
        let q = self.q.as_deref().unwrap_or_default().trim();
        if q.is_empty() {
            return Err(Refusal::field("q", "empty; give a height, a transaction id or <collection>/<id>"));
        }
        if q.len() > SEARCH_BYTES_MAX {
            return Err(Refusal::field("q", format!("{} bytes, at most {SEARCH_BYTES_MAX}", q.len())));
        }
        Ok(q)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked, Refusal> {
        let refused = |e: axum::extract::rejection::QueryRejection| Refusal::field("query", e.body_text());
        Ok(Query::from_request_parts(parts, state).await.map_err(refused)?.0)
    }
}

/// The one named part of a path, percent-decoded.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, Refusal> {
        let refused = |e: axum::extract::rejection::PathRejection| Refusal::field("path", e.body_text());
        Ok(Named(Path::from_request_parts(parts, state).await.map_err(refused)?.0))
    }
}

/// A whole number in its one decimal form.
pub(crate) fn number(field: &'static str, text: &str) -> Result<u64, Refusal> {
    let number = text.parse::<u64>().ok().filter(|n| *n <= INTEGER_MAX && n.to_string() == text);
    number.ok_or_else(|| Refusal::field(field, "not a whole number from 0 to 2^53-1"))
}

/// A transaction id.
pub(crate) fn transaction_id(text: &str) -> Result<Hash, Refusal> {
    Hash::from_hex("id", text).map_err(|e| malformed("id", &e))
}

/// A collection, the system's own among them.
pub(crate) fn collection<'a>(field: &'static str, name: &'a str) -> Result<&'a str, Refusal> {
    if !SYSTEM_COLLECTIONS.contains(&name) {
        check_collection(field, name).map_err(|e| malformed(field, &e))?;
    }
    Ok(name)
}

/// A document's id.
pub(crate) fn document_id<'a>(field: &'static str, id: &'a str) -> Result<&'a str, Refusal> {
    check_document_id(field, id).map_err(|e| malformed(field, &e))?;
    Ok(id)
}

fn malformed(field: &'static str, error: &ProofError) -> Refusal {
    let sentence = error.to_string();
    let reason = sentence.strip_prefix(&format!("{field}: ")).unwrap_or(&sentence);
    Refusal::field(field, reason)
}

fn optional(field: &'static str, text: &Option<String>) -> Result<Option<u64>, Refusal> {
    given(text).map(|text| number(field, text)).transpose()
}

/// A form sends the fields that were left empty.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
