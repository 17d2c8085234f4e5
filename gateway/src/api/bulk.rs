//! Take many documents as lines of JSON, each its own transaction, and report on each.

use super::Api;
use super::asked::{Wait, body_bytes, media_type};
use super::catalogue::Served;
use super::signing::Intent;
use super::write::{Recorded, recorded};
use crate::identity::Caller;
use crate::limits::{BULK_AT_ONCE_MAX, BULK_BYTES_MAX, BULK_REQUESTS_MAX, BULK_ROWS_MAX};
use crate::problem::Problem;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use countersign_proof::limits::JSON_DEPTH_MAX;
use countersign_proof::operation::Change;
use countersign_proof::{Operation, Put, canonical, check_document_id, parse_json, plain_hash};
use countersign_proto::v1;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) const NDJSON: &str = "application/x-ndjson";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BulkAsked {
    /// A JSON pointer to the member whose text is the id. Without one a row is `{"id":...,"value":{...}}`.
    id: Option<String>,
    /// `create`, the default, or `put`.
    mode: Option<String>,
}

/// What became of the rows.
#[derive(Debug, Serialize)]
struct Report {
    rows: usize,
    applied: usize,
    failed: usize,
    /// Every row, in order.
    report: Vec<Row>,
}

/// What became of one row.
#[derive(Debug, Serialize)]
struct Row {
    /// Its line, from 1.
    row: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<Recorded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// `POST /v1/collections/{c}/bulk`. A row's nonce comes from the row itself: the same file again changes nothing.
pub(crate) async fn bulk(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    asked: Result<Query<BulkAsked>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Path(collection) = path.map_err(|e| Problem::field("path", e.body_text()))?;
    let asked = super::document::query(asked)?;
    let put = match asked.mode.as_deref() {
        None | Some("create") => false,
        Some("put") => true,
        Some(other) => return Err(Problem::field("mode", format_args!("{other:?} is neither create nor put"))),
    };
    let served = api.writable(&caller, &collection)?;
    let found = media_type(&headers);
    if found != NDJSON {
        let detail = format!("Content-Type {found:?}; this takes {NDJSON}");
        return Err(Problem::new("MEDIA_TYPE", detail).at("Content-Type"));
    }
    let busy = || {
        let detail = format!("this node has {BULK_REQUESTS_MAX} bulk requests under way; try again");
        Problem::new("OVERLOADED", detail).retry(std::time::Duration::from_secs(1))
    };
    let _room = api.bulks.clone().try_acquire_owned().map_err(|_| busy())?;
    let bytes = body_bytes(body, BULK_BYTES_MAX).await?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|row| !row.trim_ascii().is_empty());
    let rows: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
    if rows.len() > BULK_ROWS_MAX {
        return Err(Problem::new("TOO_LARGE", format!("body: {} rows, at most {BULK_ROWS_MAX}", rows.len())).at("body"));
    }
    let wait = Wait::of(&headers);
    let job = Job { api: &api, caller: &caller, served: &served, id: asked.id.as_deref(), put, wait };
    let report: Vec<Row> = futures::stream::iter(rows.into_iter().enumerate())
        .map(|(at, row)| job.row(at + 1, row))
        .buffered(BULK_AT_ONCE_MAX)
        .collect()
        .await;
    let failed = report.iter().filter(|row| row.problem.is_some()).count();
    Ok(Json(Report { rows: report.len(), applied: report.len() - failed, failed, report }).into_response())
}

struct Job<'a> {
    api: &'a Api,
    caller: &'a Caller,
    served: &'a Served,
    id: Option<&'a str>,
    put: bool,
    wait: Wait,
}

impl Job<'_> {
    async fn row(&self, row: usize, bytes: Vec<u8>) -> Row {
        let (id, value) = match self.parse(&bytes) {
            Ok(parsed) => parsed,
            Err(problem) => return Row { row, id: None, transaction: None, problem: Some(problem) },
        };
        match self.submit(&id, &value).await {
            Ok(transaction) => Row { row, id: Some(id), transaction: Some(transaction), problem: None },
            Err(problem) => Row { row, id: Some(id), transaction: None, problem: Some(problem) },
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<(String, Value), Problem> {
        let mut value = parse_json("row", bytes, JSON_DEPTH_MAX)?;
        let id = match self.id {
            Some(pointer) => value
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| Problem::field("id", format_args!("the row has no text at {pointer:?}")))?,
            None => {
                let wrong = || Problem::field("row", "not {\"id\":...,\"value\":{...}}; or name ?id=<JSON pointer>");
                let members = value.as_object_mut().ok_or_else(wrong)?;
                let (id, inner) = (members.remove("id"), members.remove("value"));
                if let Some(other) = members.keys().next() {
                    return Err(Problem::field(
                        other.as_str(),
                        "a row has `id` and `value` alone; ?mode says what to do",
                    ));
                }
                let (Some(Value::String(id)), Some(inner)) = (id, inner) else { return Err(wrong()) };
                value = inner;
                id
            }
        };
        check_document_id("id", &id)?;
        self.served.check_value(&value)?;
        Ok((id, value))
    }

    async fn submit(&self, id: &str, value: &Value) -> Result<Recorded, Problem> {
        let bytes = canonical(value);
        let of = (if self.put { "put" } else { "create" }, &self.served.name, id, plain_hash(&bytes));
        let key = format!("row {}", plain_hash(&canonical(&of)));
        let change = if self.put { Change::Put(Put { value: bytes, key: Vec::new() }) } else { Change::Create(bytes) };
        let (collection, id) = (self.served.name.clone(), id.to_owned());
        let operation = Operation { collection, id, precondition: None, change: Some(change) };
        let signed = self.api.sign_for(self.caller, Intent::Key(&key), vec![operation])?;
        let mut overloaded = 0;
        loop {
            match self.api.submit(signed.bytes.clone(), self.wait).await {
                Ok(response) if response.outcome() == v1::Outcome::Rejected => return Err(Problem::rejected(response)),
                Ok(response) => return Ok(recorded(&response)),
                // Rows wait their turn rather than fail: the same bytes are the same transaction.
                Err(problem) if problem.code() == "OVERLOADED" && overloaded < 50 => {
                    overloaded += 1;
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                Err(problem) => return Err(problem),
            }
        }
    }
}
