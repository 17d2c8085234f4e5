//! Stream changes as CloudEvents 1.0 over Server-Sent Events.

use super::Api;
use super::document::query;
use super::read::Seen;
use crate::feed::{Changed, Fed, Feed, Wanted};
use crate::identity::Caller;
use crate::limits::{EVENTS_WAITING_MAX, READER_STALL_MAX, SOCKETS_MAX, STREAMS_MAX};
use crate::problem::Problem;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EventsAsked {
    collections: Option<String>,
    cursor: Option<String>,
    filter: Option<String>,
}

/// A CloudEvent (v1.0, JSON format).
#[derive(Debug, Serialize)]
pub(crate) struct CloudEvent {
    specversion: &'static str,
    /// The cursor: unique in the source, and what resumes after this event.
    pub(crate) id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    time: String,
    datacontenttype: &'static str,
    data: Data,
}

#[derive(Debug, Serialize)]
struct Data {
    /// The leaf of the transaction.
    leaf: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Seen>,
}

/// `GET /v1/events?collections=a,b&filter=...&cursor=...`; `Last-Event-ID` goes before `cursor`.
pub(crate) async fn events(
    State(api): State<Api>,
    caller: Caller,
    asked: Result<Query<EventsAsked>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = query(asked)?;
    let resumed = headers.get("last-event-id").and_then(|header| header.to_str().ok());
    let cursor = resumed.or(asked.cursor.as_deref()).unwrap_or("now");
    let wanted = wanted(asked.collections.as_deref(), asked.filter.as_deref())?;
    let permit = api.stream_permit()?;
    let origin = api.origin.clone();
    let feed = api.feeds.open(caller, wanted, cursor)?;
    let (events, stream) = mpsc::channel(EVENTS_WAITING_MAX);
    tokio::spawn(send(feed, origin, events, permit));
    let mut response = Sse::new(ReceiverStream::new(stream)).into_response();
    // A proxy that buffers would turn a stream into a page that never ends.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

/// What a reader wants to hear of, from its text.
fn wanted(collections: Option<&str>, filter: Option<&str>) -> Result<Wanted, Problem> {
    let names = collections.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    Wanted::new(names.map(str::to_owned).collect(), filter)
}

impl Api {
    /// Room for one more open stream.
    pub(crate) fn stream_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.streams.clone().try_acquire_owned().map_err(|_| {
            Problem::new("TOO_MANY_SUBSCRIPTIONS", format!("this node has {STREAMS_MAX} open streams"))
                .retry(Duration::from_secs(1))
        })
    }

    /// Room for one more WebSocket.
    pub(crate) fn socket_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.sockets.clone().try_acquire_owned().map_err(|_| {
            Problem::new("TOO_MANY_SUBSCRIPTIONS", format!("this node has {SOCKETS_MAX} open WebSockets"))
                .retry(Duration::from_secs(1))
        })
    }

    /// Is ready when the node stops.
    pub(crate) async fn stopped(&self) {
        let mut progress = self.door.progress.clone();
        while progress.changed().await.is_ok() {}
    }
}

/// Sends until the reader is gone, is too slow, or may no longer read. What it has not read it resumes from its cursor.
async fn send(
    mut feed: Feed,
    origin: String,
    events: mpsc::Sender<Result<Event, Infallible>>,
    _permit: OwnedSemaphorePermit,
) {
    loop {
        let next = tokio::select! {
            biased;
            () = events.closed() => return,
            next = feed.next() => next,
        };
        let (event, ends) = match next {
            Ok(fed) => (event(&origin, fed), false),
            Err(problem) => (ending(&problem), true),
        };
        let sent = tokio::time::timeout(READER_STALL_MAX, events.send(Ok(event))).await;
        if ends || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

fn event(origin: &str, fed: Fed) -> Event {
    let event = Event::default().id(&fed.cursor);
    match fed.changed {
        None => event.event("progress").data("{}"),
        Some(changed) => {
            let event_json = serde_json::to_string(&cloud_event(origin, fed.cursor, changed)).expect("plain data");
            event.event("change").data(event_json)
        }
    }
}

/// The last event of a stream that the node ends: why.
fn ending(problem: &Problem) -> Event {
    Event::default().event("problem").data(serde_json::to_string(problem).expect("plain data"))
}

/// A change as a CloudEvent.
pub(crate) fn cloud_event(origin: &str, cursor: String, changed: Changed) -> CloudEvent {
    let kind = format!("countersign.document.{}", changed.kind());
    let (collection, id) = changed.document();
    let subject = format!("{collection}/{id}");
    let Changed { leaf, time_ms, before, after } = changed;
    let (before, after) = (before.map(Seen::from), after.map(Seen::from));
    CloudEvent {
        specversion: "1.0",
        id: cursor,
        source: format!("urn:countersign:{origin}"),
        kind,
        subject,
        time: rfc3339(time_ms),
        datacontenttype: "application/json",
        data: Data { leaf, before, after },
    }
}

/// Milliseconds since 1970 as RFC 3339.
pub(crate) fn rfc3339(ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
