//! Serve one document: read it, its versions, make it, set it, patch it, delete it.

use super::Api;
use super::asked::{Condition, json_body, number};
use super::operation::Key;
use super::read::{ReadAsked, Seen};
use super::write::Write;
use crate::identity::Caller;
use crate::limits::{API_ROWS_MAX, PAGE_BYTES_MAX};
use crate::problem::Problem;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use countersign_proof::operation::Change;
use countersign_proof::{Put, Unit, canonical, check_document_id};
use serde::{Deserialize, Serialize};
use serde_json::Value;

type Named = Result<Path<(String, String)>, PathRejection>;

pub(crate) const JSON: &str = "application/json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const ROWS_DEFAULT: u64 = 100;
/// Versions read in one go.
const VERSIONS_AT_ONCE: usize = 16;

fn named(path: Named) -> Result<(String, String), Problem> {
    let Path((collection, id)) = path.map_err(|e| Problem::field("path", e.body_text()))?;
    check_document_id("id", &id)?;
    Ok((collection, id))
}

pub(crate) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(asked)| asked).map_err(|e| Problem::field("query", e.body_text()))
}

/// `"3"`: the version as an entity tag.
pub(crate) fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).expect("digits in quotes")
}

/// `GET /v1/collections/{c}/documents/{id}`.
pub(crate) async fn get(
    State(api): State<Api>,
    caller: Caller,
    path: Named,
    asked: Result<Query<ReadAsked>, QueryRejection>,
) -> Result<Response, Problem> {
    let (collection, id) = named(path)?;
    let asked = query(asked)?;
    let served = api.collection(&collection)?;
    let answered = api.answer(&caller, &served, &id, &asked).await?;
    let tag = etag(answered.seen.version);
    Ok(([(ETAG, tag)], Json(answered)).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VersionsAsked {
    from: Option<String>,
    limit: Option<String>,
}

/// A page of a document's versions, oldest first.
#[derive(Serialize)]
pub(crate) struct Versions {
    pub(crate) versions: Vec<Seen>,
    /// The first version of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<u64>,
}

/// The rows of a page, as asked for, within what is allowed.
pub(crate) fn rows(limit: Option<&str>) -> Result<usize, Problem> {
    let rows = limit.map_or(Ok(ROWS_DEFAULT), |text| number("limit", text))?;
    if (1..=API_ROWS_MAX).contains(&rows) {
        return Ok(usize::try_from(rows).expect("it is small"));
    }
    Err(Problem::field("limit", format_args!("{rows}, not from 1 to {API_ROWS_MAX}")))
}

/// `GET /v1/collections/{c}/documents/{id}/versions`: certified ones, oldest first.
pub(crate) async fn versions(
    State(api): State<Api>,
    caller: Caller,
    path: Named,
    asked: Result<Query<VersionsAsked>, QueryRejection>,
) -> Result<Response, Problem> {
    let (collection, id) = named(path)?;
    let asked = query(asked)?;
    let versions = api.versions(&caller, &collection, &id, asked.from.as_deref(), asked.limit.as_deref())?;
    Ok(Json(versions).into_response())
}

/// `POST /v1/collections/{c}/documents/{id}`: a new document.
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    path: Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (collection, id) = named(path)?;
    let value = api.whole_value(&caller, &collection, &headers, body).await?;
    api.write_one(&caller, &headers, Write::new(collection, id, Change::Create(canonical(&value)))).await
}

/// `PUT`: the whole value, whether or not the document is there.
pub(crate) async fn put(
    State(api): State<Api>,
    caller: Caller,
    path: Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (collection, id) = named(path)?;
    let condition = Condition::of(&headers)?;
    let value = api.whole_value(&caller, &collection, &headers, body).await?;
    let put = Change::Put(Put { value: canonical(&value), key: Vec::new() });
    api.write_one(&caller, &headers, Write::new(collection, id, put).only_if(condition)).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyAsked {
    /// The unique key of the collection.
    key: String,
    /// The id of the document if it is made.
    id: Option<String>,
}

/// `PUT /v1/collections/{c}/documents?key=/ticketNumber`: the whole value of the document that holds the value's key.
pub(crate) async fn put_by_key(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    asked: Result<Query<KeyAsked>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Path(collection) = path.map_err(|e| Problem::field("path", e.body_text()))?;
    let KeyAsked { key, id } = query(asked)?;
    id.as_ref().map_or(Ok(()), |id| check_document_id("id", id))?;
    let condition = Condition::of(&headers)?;
    let key = Key::parse(&key)?.pointers();
    let served = api.writable(&caller, &collection)?;
    let unknown = || Problem::field("key", format_args!("{} is no unique key of {collection:?}", key.join(", ")));
    let index = served.compiled.schema.indexes().unique(&key).ok_or_else(unknown)?;
    let value = api.whole_value(&caller, &collection, &headers, body).await?;
    if index.key(&value).is_none() {
        let detail = format!("body: the document has no scalar at each of {}", index.shown());
        return Err(Problem::new("INVALID_VALUE", detail).at("body"));
    }
    let put = Change::Put(Put { value: canonical(&value), key });
    api.write_one(&caller, &headers, Write::by_key(collection, id, put).only_if(condition)).await
}

/// `PATCH`: a merge patch (RFC 7396).
pub(crate) async fn patch(
    State(api): State<Api>,
    caller: Caller,
    path: Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (collection, id) = named(path)?;
    let condition = Condition::of(&headers)?;
    api.writable(&caller, &collection)?;
    let patch = json_body(&headers, body, &[MERGE_PATCH, JSON], api.document_bytes_max()?).await?;
    let change = Change::Patch(canonical(&patch));
    api.write_one(&caller, &headers, Write::new(collection, id, change).only_if(condition)).await
}

/// `DELETE`: the document goes, its versions stay.
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    path: Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (collection, id) = named(path)?;
    let condition = Condition::of(&headers)?;
    api.writable(&caller, &collection)?;
    api.write_one(&caller, &headers, Write::new(collection, id, Change::Delete(Unit {})).only_if(condition)).await
}

impl Api {
    /// Certified versions from one on.
    pub(crate) fn versions(
        &self,
        caller: &Caller,
        collection: &str,
        id: &str,
        from: Option<&str>,
        limit: Option<&str>,
    ) -> Result<Versions, Problem> {
        self.collection(collection)?;
        caller.check_read(collection)?;
        let absent = || Problem::not_found(format!("no document {id:?} in {collection:?}"));
        let rows = rows(limit)?;
        let from = from.map_or(Ok(1), |text| number("from", text))?.max(1);
        let head = self.door.progress.borrow().published;
        let (mut seen, mut room, mut next) = (Vec::new(), PAGE_BYTES_MAX, Some(from));
        while let Some(from) = next.filter(|_| seen.len() < rows && room > 0) {
            let limit = VERSIONS_AT_ONCE.min(rows - seen.len());
            let versions = self.reader.history(collection, id, from, limit + 1)?;
            let certified = versions.into_iter().filter(|version| version.record.height <= head);
            next = None;
            for (at, version) in certified.enumerate() {
                if at == limit || room == 0 {
                    next = Some(version.record.version);
                    break;
                }
                if let Some(version) = self.see(caller, version)? {
                    room = room.saturating_sub(version.bytes());
                    seen.push(version);
                }
            }
        }
        if seen.is_empty() && from == 1 {
            return Err(absent());
        }
        Ok(Versions { versions: seen, next })
    }

    /// A whole document from the body, which must satisfy the schema: bad data is refused before it is ordered.
    pub(crate) async fn whole_value(
        &self,
        caller: &Caller,
        collection: &str,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Value, Problem> {
        let served = self.writable(caller, collection)?;
        let value = json_body(headers, body, &[JSON], self.document_bytes_max()?).await?;
        served.check_value(&value)?;
        Ok(value)
    }
}
