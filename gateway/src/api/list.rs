//! Serve collections: what there is, pages of documents, counts and sums, at one height.

use super::Api;
use super::asked::number;
use super::catalogue::Served;
use super::document::{query, rows};
use super::read::Seen;
use crate::feed::parse_filter;
use crate::identity::Caller;
use crate::limits::{PAGE_BYTES_MAX, SCAN_DOCUMENTS_MAX};
use crate::problem::Problem;
use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use countersign_ledger::index::{Index, IndexKey};
use countersign_ledger::store::{Entry, Seek};
use countersign_ledger::{Filter, Version};
use countersign_proof::{INTEGER_MAX, check_document_id};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Documents read in one go.
const READ_AT_ONCE: usize = 64;

fn named(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    Ok(path.map_err(|e| Problem::field("path", e.body_text()))?.0)
}

/// `GET /v1/collections`.
pub(crate) async fn collections(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let collections = api.collections()?;
    let readable = collections.by_name.values().filter(|served| caller.check_read(&served.name).is_ok());
    let shown: Vec<Value> = readable.map(|served| show(served)).collect();
    Ok(Json(json!({ "collections": shown })).into_response())
}

/// `GET /v1/collections/{c}`.
pub(crate) async fn collection(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let served = api.collection(&named(path)?)?;
    caller.check_read(&served.name)?;
    Ok(Json(show(&served)).into_response())
}

fn show(served: &Served) -> Value {
    json!({
        "name": served.name,
        "version": served.version,
        "schema": served.definition,
        "access": served.access,
    })
}

/// What a list, a count and a sum are over.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ListAsked {
    pub(crate) consistency: Option<String>,
    pub(crate) cursor: Option<String>,
    pub(crate) filter: Option<String>,
    pub(crate) height: Option<String>,
    pub(crate) limit: Option<String>,
    pub(crate) pointer: Option<String>,
    pub(crate) sort: Option<String>,
    pub(crate) time: Option<String>,
}

/// A page of documents, in one order.
#[derive(Serialize)]
pub(crate) struct Page {
    pub(crate) documents: Vec<Seen>,
    /// What to give as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// The height that was read; the following pages are of it too.
    pub(crate) read_height: u64,
}

impl Page {
    /// What to give as `cursor` to go on after this document.
    pub(crate) fn cursor(&self, document: &Seen) -> String {
        Cursor { height: self.read_height, after: document.id.clone() }.text()
    }
}

/// How many documents there are.
#[derive(Serialize)]
pub(crate) struct Counted {
    pub(crate) count: u64,
    pub(crate) read_height: u64,
}

/// What integers add up to.
#[derive(Serialize)]
pub(crate) struct Summed {
    pub(crate) sum: i64,
    pub(crate) count: u64,
    /// Documents without an integer there.
    pub(crate) skipped: u64,
    pub(crate) read_height: u64,
}

/// Where a list goes on: of which height, after which document. It holds no key: what that is, is looked up as the caller
/// sees it.
struct Cursor {
    height: u64,
    after: String,
}

impl Cursor {
    fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{} {}", self.height, self.after))
    }

    fn parse(text: &str) -> Result<Cursor, Problem> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| not_a_cursor())?;
        let text = String::from_utf8(bytes).map_err(|_| not_a_cursor())?;
        let (height, after) = text.split_once(' ').ok_or_else(not_a_cursor)?;
        check_document_id("cursor", after).map_err(|_| not_a_cursor())?;
        Ok(Cursor { height: number("cursor", height)?, after: after.to_owned() })
    }
}

/// One pass over documents of a collection at one height, as the caller sees them.
struct Scan<'a> {
    api: &'a Api,
    caller: &'a Caller,
    served: &'a Served,
    filter: Option<Filter>,
    height: u64,
    /// The document to go on after.
    after: String,
    way: Way<'a>,
    read: usize,
}

/// Which documents are read, and in which order.
enum Way<'a> {
    /// All of them, by id.
    All,
    /// Those that an index has for the filter and the order that were asked for.
    Indexed { index: &'a Index, seek: Seek },
}

/// Something read on the way: the document of an id, where it was there and may match.
struct Row {
    id: String,
    version: Option<Version>,
    /// The key it stands under.
    key: Option<IndexKey>,
}

/// Why a scan has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its taker has enough.
    Enough,
    /// There is no more.
    Last,
    /// It has read as much as one request may.
    Budget,
}

impl Scan<'_> {
    /// Gives each document that matches, until `take` says that it has enough, which leaves that one out.
    async fn each(&mut self, mut take: impl FnMut(Seen) -> bool) -> Result<End, Problem> {
        while self.read < SCAN_DOCUMENTS_MAX {
            let rows = self.rows()?;
            let full = rows.len() == READ_AT_ONCE;
            self.read += rows.len();
            for Row { id, version, key } in rows {
                let seen = self.matching(version, key.as_ref())?;
                let matched = seen.is_some();
                if seen.is_some_and(|seen| !take(seen)) {
                    return Ok(End::Enough);
                }
                // Behind what was read, not only what was given, so that a page that reads in vain is not read again. In an
                // index that would tell where a document stands that the caller may not see.
                if matched || matches!(self.way, Way::All) {
                    self.after = id;
                }
            }
            if !full {
                return Ok(End::Last);
            }
            // Reading blocks; others use these threads too.
            tokio::task::yield_now().await;
        }
        Ok(End::Budget)
    }

    fn rows(&mut self) -> Result<Vec<Row>, Problem> {
        let (reader, collection, height) = (&self.api.reader, &self.served.name, self.height);
        let Way::Indexed { seek, .. } = &mut self.way else {
            let rows = reader.documents_at(collection, &self.after, height, READ_AT_ONCE)?;
            return Ok(rows.into_iter().map(|(id, version)| Row { id, version, key: None }).collect());
        };
        let row = |Entry { id, key, holds }: Entry| {
            let version = if holds { reader.document_at(collection, &id, height)? } else { None };
            Ok(Row { id, version, key: Some(key) })
        };
        reader.seek(seek, READ_AT_ONCE)?.into_iter().map(row).collect()
    }

    /// The filter judges what the caller sees, and so does the order: what is hidden from him has no place in it, for a place
    /// between two documents whose values he sees would tell him the value.
    fn matching(&self, version: Option<Version>, key: Option<&IndexKey>) -> Result<Option<Seen>, Problem> {
        let Some(version) = version else { return Ok(None) };
        let Some(seen) = self.api.see(self.caller, version)? else { return Ok(None) };
        let value = seen.value.as_ref();
        let placed = match &self.way {
            Way::All => true,
            Way::Indexed { index, .. } => value.and_then(|value| index.key(value)).as_ref() == key,
        };
        let holds = |filter: &Filter| value.is_some_and(|value| filter.holds(value));
        Ok((placed && self.filter.as_ref().is_none_or(holds)).then_some(seen))
    }

    /// Gives every document that matches; errs where they are too many to read.
    async fn all(&mut self, mut take: impl FnMut(Seen)) -> Result<(), Problem> {
        let end = self.each(|seen| {
            take(seen);
            true
        });
        match end.await? {
            End::Budget => Err(self.index_required()),
            End::Enough | End::Last => Ok(()),
        }
    }

    fn index_required(&self) -> Problem {
        let pointer = self.filter.as_ref().and_then(|filter| filter.pointers().next().map(str::to_owned));
        let what = pointer.map_or("the whole collection".to_owned(), |pointer| format!("the filter at {pointer:?}"));
        let why = match &self.way {
            Way::All => format!("more than {SCAN_DOCUMENTS_MAX} documents read, and no index serves it"),
            Way::Indexed { index, .. } => {
                format!("more than {SCAN_DOCUMENTS_MAX} entries of the index {} read: narrow it", index.shown())
            }
        };
        Problem::new("INDEX_REQUIRED", format!("{what} needs {why}")).at("filter")
    }

    /// Goes on after the document that a cursor names, where the caller sees it.
    fn go_on(&mut self) -> Result<(), Problem> {
        let Way::Indexed { index, seek } = &mut self.way else { return Ok(()) };
        if self.after.is_empty() {
            return Ok(());
        }
        let version = self.api.reader.document_at(&self.served.name, &self.after, self.height)?;
        let seen = version.map(|version| self.api.see(self.caller, version)).transpose()?.flatten();
        let key = seen.and_then(|seen| index.key(&seen.value?)).ok_or_else(not_a_cursor)?;
        seek.after(&key, &self.after);
        Ok(())
    }
}

fn not_a_cursor() -> Problem {
    Problem::field("cursor", "not one that a page of this list gave")
}

/// `/departure`, or `-/departure` from the last to the first.
fn sorting(text: &str) -> Result<(&str, bool), Problem> {
    let (pointer, descending) = text.strip_prefix('-').map_or((text, false), |pointer| (pointer, true));
    match pointer.starts_with('/') {
        true => Ok((pointer, descending)),
        false => Err(Problem::field("sort", "neither a JSON pointer nor - and a JSON pointer")),
    }
}

impl Served {
    /// The way to the documents that match a filter, in an order.
    fn way(&self, filter: Option<&Filter>, sort: Option<&str>, height: u64) -> Result<Way<'_>, Problem> {
        let sort = sort.map(sorting).transpose()?;
        let (pointer, descending) = sort.map_or((None, false), |(pointer, descending)| (Some(pointer), descending));
        match (self.compiled.schema.indexes().plan(filter, pointer), pointer) {
            (Some(plan), _) => {
                Ok(Way::Indexed { index: plan.index, seek: Seek::new(&self.name, &plan, descending, height) })
            }
            (None, None) => Ok(Way::All),
            (None, Some(pointer)) => {
                let detail = format!(
                    "sort at {pointer:?}: no index of {:?} has it last, after nothing but what the filter compares by eq",
                    self.name
                );
                Err(Problem::new("INDEX_REQUIRED", detail).at("sort"))
            }
        }
    }
}

impl Api {
    async fn scan<'a>(
        &'a self,
        caller: &'a Caller,
        served: &'a Served,
        asked: &ListAsked,
    ) -> Result<Scan<'a>, Problem> {
        caller.check_read(&served.name)?;
        let filter = asked.filter.as_deref().map(parse_filter).transpose()?;
        let head = self.read_height(asked.consistency.as_deref()).await?;
        let (height, after) = match &asked.cursor {
            None => (self.point_in_time(head, asked.height.as_deref(), asked.time.as_deref())?, String::new()),
            Some(_) if asked.height.is_some() || asked.time.is_some() => {
                return Err(Problem::field("cursor", "given together with height or time: it names its own height"));
            }
            Some(text) => {
                let Cursor { height, after } = Cursor::parse(text)?;
                if height > head {
                    let detail = format!("cursor of height {height}: this read goes up to {head}");
                    return Err(Problem::new("OUT_OF_RANGE", detail).at("cursor"));
                }
                (height, after)
            }
        };
        let way = served.way(filter.as_ref(), asked.sort.as_deref(), height)?;
        let mut scan = Scan { api: self, caller, served, filter, height, after, way, read: 0 };
        scan.go_on()?;
        Ok(scan)
    }

    /// A pass over all that matches, in no order.
    async fn scan_all<'a>(
        &'a self,
        caller: &'a Caller,
        served: &'a Served,
        asked: &ListAsked,
    ) -> Result<Scan<'a>, Problem> {
        match asked.sort {
            Some(_) => Err(Problem::field("sort", "what is counted or added up has no order")),
            None => self.scan(caller, served, asked).await,
        }
    }

    /// A page.
    pub(crate) async fn page(&self, caller: &Caller, served: &Served, asked: &ListAsked) -> Result<Page, Problem> {
        let limit = rows(asked.limit.as_deref())?;
        let mut scan = self.scan(caller, served, asked).await?;
        let (mut documents, mut room) = (Vec::new(), PAGE_BYTES_MAX);
        let end = scan.each(|seen| {
            if documents.len() == limit || room == 0 {
                return false;
            }
            room = room.saturating_sub(seen.bytes());
            documents.push(seen);
            true
        });
        let end = end.await?;
        // A page with a cursor is never empty, and its cursor never leads to nothing but by the end of what may be read.
        if end == End::Budget && documents.is_empty() {
            return Err(scan.index_required());
        }
        let (height, after) = (scan.height, scan.after);
        let next = (end != End::Last).then(|| Cursor { height, after }.text());
        Ok(Page { documents, next, read_height: height })
    }

    /// How many documents match.
    pub(crate) async fn count(&self, caller: &Caller, served: &Served, asked: &ListAsked) -> Result<Counted, Problem> {
        let mut scan = self.scan_all(caller, served, asked).await?;
        let mut count = 0_u64;
        scan.all(|_| count += 1).await?;
        Ok(Counted { count, read_height: scan.height })
    }

    /// What the integers at `pointer` add up to. What is none there is counted as skipped.
    pub(crate) async fn sum(&self, caller: &Caller, served: &Served, asked: &ListAsked) -> Result<Summed, Problem> {
        let pointer = asked.pointer.clone().ok_or_else(|| Problem::field("pointer", "a JSON pointer is needed"))?;
        let mut scan = self.scan_all(caller, served, asked).await?;
        let (mut sum, mut count, mut skipped) = (0_i128, 0, 0);
        let adding = scan.all(|seen| {
            let value = seen.value.as_ref().and_then(|value| value.pointer(&pointer));
            match value.and_then(Value::as_i64) {
                Some(integer) => (sum, count) = (sum + i128::from(integer), count + 1),
                None => skipped += 1,
            }
        });
        adding.await?;
        let exact = i64::try_from(sum).ok().filter(|sum| sum.unsigned_abs() <= INTEGER_MAX);
        let beyond = || Problem::new("OUT_OF_RANGE", format!("the sum {sum} is beyond 2^53-1")).at("pointer");
        Ok(Summed { sum: exact.ok_or_else(beyond)?, count, skipped, read_height: scan.height })
    }
}

/// `GET /v1/collections/{c}/documents`: a page.
pub(crate) async fn documents(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    asked: Result<Query<ListAsked>, QueryRejection>,
) -> Result<Response, Problem> {
    let served = api.collection(&named(path)?)?;
    Ok(Json(api.page(&caller, &served, &query(asked)?).await?).into_response())
}

/// `GET /v1/collections/{c}/count`.
pub(crate) async fn count(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    asked: Result<Query<ListAsked>, QueryRejection>,
) -> Result<Response, Problem> {
    let served = api.collection(&named(path)?)?;
    Ok(Json(api.count(&caller, &served, &query(asked)?).await?).into_response())
}

/// `GET /v1/collections/{c}/sum?pointer=/amount`: of integers.
pub(crate) async fn sum(
    State(api): State<Api>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    asked: Result<Query<ListAsked>, QueryRejection>,
) -> Result<Response, Problem> {
    let served = api.collection(&named(path)?)?;
    Ok(Json(api.sum(&caller, &served, &query(asked)?).await?).into_response())
}
