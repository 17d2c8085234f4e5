//! Take transactions of several operations, signed here or by their author; tell what became of one.

use super::Api;
use super::asked::{Wait, body_bytes, idempotency_key, json_body, media_type};
use super::document::JSON;
use super::operation::operation;
use super::signing::{Intent, chance};
use super::write::{Recorded, Written, level_name, reached, recorded};
use crate::identity::Caller;
use crate::limits::TRANSACTION_BYTES_MAX;
use crate::problem::{Pointer, Problem};
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_ledger::store::RejectionDetail;
use countersign_proof::limits::OPERATIONS_MAX;
use countersign_proof::{Hash, Leaf, Limits, Outcome, Transaction};
use countersign_proto::v1;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// A signed transaction in its minimal form (docs/formats.md).
pub(crate) const SIGNED: &str = "application/vnd.countersign.transaction";

/// `POST /v1/transactions`: `{"operations":[...]}` to be signed here, or the bytes of a signed transaction.
pub(crate) async fn submit(
    State(api): State<Api>,
    headers: HeaderMap,
    extensions: Extensions,
    body: Body,
) -> Result<Response, Problem> {
    let wait = Wait::of(&headers);
    let bytes = match &media_type(&headers)[..] {
        // Its own signatures prove who speaks.
        SIGNED => body_bytes(body, TRANSACTION_BYTES_MAX).await?,
        _ => {
            let caller = api.callers.caller(&headers, &extensions)?;
            api.signed_operations(&caller, &headers, body).await?
        }
    };
    let response = api.submit_valid(bytes, wait).await?;
    let status = if reached(&response, wait) { StatusCode::OK } else { StatusCode::ACCEPTED };
    let transaction = recorded(&response);
    let place = HeaderValue::try_from(format!("/v1/transactions/{}", transaction.id)).expect("hex");
    Ok((status, [(LOCATION, place)], Json(Written { transaction, document: None })).into_response())
}

/// What became of a transaction.
#[derive(Serialize)]
pub(crate) struct Status {
    #[serde(flatten)]
    pub(crate) recorded: Recorded,
    /// The account that signed first.
    pub(crate) by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pointers: Vec<Pointer>,
    /// The id of the document that holds the unique key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) existing: Option<String>,
}

/// `GET /v1/transactions/{id}`. Not its operations: what they hold is read as documents, by the rules.
pub(crate) async fn status(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = path.map_err(|e| Problem::field("path", e.body_text()))?;
    Ok(Json(api.transaction_status(&caller, &id)?).into_response())
}

impl Api {
    /// What became of the transaction with this id, as far as the caller may know.
    pub(crate) fn transaction_status(&self, caller: &Caller, id: &str) -> Result<Status, Problem> {
        let id = Hash::from_hex("id", id)?;
        let absent = || Problem::not_found(format!("no transaction {id} has a place on the ledger here"));
        let used = self.reader.find(&id)?.ok_or_else(absent)?;
        let bytes = self.reader.leaf(used.leaf)?.ok_or_else(absent)?;
        let Leaf::Transaction(leaf) = Leaf::parse(&bytes)? else { return Err(absent()) };
        let progress = *self.door.progress.borrow();
        let level = if used.leaf < progress.everyone_size.min(progress.certified_size) {
            v1::Level::All
        } else if used.leaf < progress.certified_size {
            v1::Level::Certified
        } else {
            v1::Level::Committed
        };
        let own = countersign_proof::organisation_of(&leaf.by) == caller.organisation();
        // Why it was rejected may tell of a document: its own organisation alone reads it, within the caller's scope.
        let rejection = if own && self.covers(caller, &id)? { self.reader.rejection(used.leaf)? } else { None };
        let RejectionDetail { detail, violations, existing, .. } = rejection.unwrap_or_default();
        let recorded = Recorded {
            id: id.to_string(),
            outcome: if leaf.outcome == Outcome::Applied { "applied" } else { "rejected" },
            level: level_name(level),
            height: Some(leaf.height),
            leaf: Some(used.leaf),
            missing: Vec::new(),
        };
        let pointers = violations.into_iter().map(|v| Pointer { pointer: v.pointer, keyword: v.keyword }).collect();
        Ok(Status { recorded, by: leaf.by, code: leaf.code, detail, pointers, existing })
    }

    /// Whether the caller's scope covers to read every collection that a transaction names.
    fn covers(&self, caller: &Caller, id: &Hash) -> Result<bool, Problem> {
        let Some(found) = self.reader.transaction(id)? else { return Ok(false) };
        let bytes_max = Limits::MAX.transaction_bytes as usize;
        let transaction = Transaction::parse(found.bytes, &self.genesis.hash(), bytes_max)?;
        Ok(transaction.body.operations.iter().all(|operation| caller.check_read(&operation.collection).is_ok()))
    }

    async fn signed_operations(&self, caller: &Caller, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
        let mut body = json_body(headers, body, &[JSON], TRANSACTION_BYTES_MAX).await?;
        let members = body.as_object_mut().ok_or_else(|| Problem::field("body", "not an object"))?;
        let operations = match members.remove("operations") {
            Some(Value::Array(operations)) => operations,
            _ => return Err(Problem::field("operations", "a list of one operation or more is needed")),
        };
        if let Some(other) = members.keys().next() {
            return Err(Problem::field(other.as_str(), "no such member; `operations` is all there is"));
        }
        self.sign_operations(caller, idempotency_key(headers)?, operations)
    }

    /// Signs what `operations` say for a caller who may write to each collection in them.
    pub(crate) fn sign_operations(
        &self,
        caller: &Caller,
        key: Option<&str>,
        operations: Vec<Value>,
    ) -> Result<Vec<u8>, Problem> {
        if operations.is_empty() {
            return Err(Problem::field("operations", "a list of one operation or more is needed"));
        }
        if operations.len() > OPERATIONS_MAX {
            let detail = format!("operations: {}, at most {OPERATIONS_MAX}", operations.len());
            return Err(Problem::new("TOO_LARGE", detail).at("operations"));
        }
        let operations = operations.into_iter().map(operation).collect::<Result<Vec<_>, _>>()?;
        let collections: BTreeSet<&str> = operations.iter().map(|operation| &operation.collection[..]).collect();
        collections.into_iter().try_for_each(|collection| self.writable(caller, collection).map(drop))?;
        let intent = key.map_or_else(|| Intent::Once(chance()), Intent::Key);
        Ok(self.sign_for(caller, intent, operations)?.bytes)
    }
}
