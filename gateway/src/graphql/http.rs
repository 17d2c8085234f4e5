//! Answer GraphQL over HTTP, and upgrade to WebSocket.

use super::answer::refusal;
use super::gate;
use super::socket::Socket;
use crate::api::{Api, body_bytes, media_type};
use crate::identity::credential;
use crate::limits::{QUERY_BYTES_MAX, TRANSACTION_BYTES_MAX};
use crate::problem::Problem;
use async_graphql::Response as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::header::{ACCEPT, CONTENT_TYPE, ORIGIN};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

const JSON: &str = "application/json";
const GRAPHQL_JSON: &str = "application/graphql-response+json";
/// The subprotocol of the socket (github.com/enisdenjo/graphql-ws, PROTOCOL.md).
const PROTOCOL: &str = "graphql-transport-ws";
/// Bytes that wait for a reader beyond which it is cut off: a whole answer and what TCP has not taken.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// `POST /graphql`: one operation.
pub(crate) async fn ask(State(api): State<Api>, headers: HeaderMap, extensions: Extensions, body: Body) -> Response {
    let kind = accepted(&headers);
    match answer(&api, &headers, &extensions, body).await {
        Ok(answer) => executed(kind, &answer),
        Err(Unanswered::Request(problem)) => refused(kind, problem, None),
        // Older clients take no answer but 200 for one that GraphQL itself gives.
        Err(Unanswered::Query(problem)) => refused(kind, problem, (kind == JSON).then_some(StatusCode::OK)),
    }
}

/// `GET /graphql`: a WebSocket. Who calls may also be said in its first message, for browsers send no header there.
pub(crate) async fn upgrade(
    State(api): State<Api>,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match open(api, &headers, &extensions, upgrade) {
        Ok(response) => response,
        Err(problem) => refused(accepted(&headers), problem, None),
    }
}

fn open(
    api: Api,
    headers: &HeaderMap,
    extensions: &Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let Ok(upgrade) = upgrade else {
        api.callers.caller(headers, extensions)?;
        return Err(Problem::field("Upgrade", "GET opens a WebSocket; POST asks a query"));
    };
    // Of its own accord a browser sends what it remembers, a certificate too, for whichever page asks.
    let credential = match headers.contains_key(ORIGIN) {
        true => None,
        false => credential(headers, extensions).ok(),
    };
    if let Some(credential) = &credential {
        api.callers.caller_of(credential)?;
    }
    let upgrade = upgrade.protocols([PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return Err(Problem::field("Sec-WebSocket-Protocol", format_args!("this speaks {PROTOCOL}")));
    }
    let permit = api.socket_permit()?;
    let upgrade = upgrade
        .max_message_size(TRANSACTION_BYTES_MAX)
        .max_frame_size(TRANSACTION_BYTES_MAX)
        .max_write_buffer_size(WAITING_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| async move {
        Socket::new(api, socket, credential).converse().await;
        drop(permit);
    }))
}

/// Why there is no answer.
enum Unanswered {
    /// The request is none.
    Request(Problem),
    /// The request is one, its query is refused.
    Query(Problem),
}

async fn answer(api: &Api, headers: &HeaderMap, extensions: &Extensions, body: Body) -> Result<Answer, Unanswered> {
    let read = async {
        let caller = api.callers.caller(headers, extensions)?;
        let found = media_type(headers);
        if found != JSON {
            return Err(
                Problem::new("MEDIA_TYPE", format!("Content-Type {found:?}; this takes {JSON}")).at("Content-Type")
            );
        }
        let bytes = body_bytes(body, TRANSACTION_BYTES_MAX + QUERY_BYTES_MAX).await?;
        Ok((caller, gate::json("body", &bytes)?))
    };
    let (caller, request) = read.await.map_err(Unanswered::Request)?;
    let operation = gate::operation(api, caller, request).map_err(Unanswered::Query)?;
    if operation.subscribes {
        let detail = format!("query: a subscription needs a WebSocket: GET /graphql with the subprotocol {PROTOCOL}");
        return Err(Unanswered::Query(Problem::new("MALFORMED", detail).at("query")));
    }
    Ok(operation.answer().await)
}

/// The media type of the answer: the older one unless the other is asked for.
fn accepted(headers: &HeaderMap) -> &'static str {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    if accepts.into_iter().any(|value| value.contains(GRAPHQL_JSON)) { GRAPHQL_JSON } else { JSON }
}

fn executed(kind: &'static str, answer: &Answer) -> Response {
    let not_begun = answer.data == async_graphql::Value::Null && !answer.errors.is_empty();
    let status = if not_begun && kind == GRAPHQL_JSON { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let body = serde_json::to_vec(answer).expect("plain data");
    (status, [(CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

/// A problem in GraphQL's form, with the status and the headers that it has in REST.
fn refused(kind: &'static str, problem: Problem, status: Option<StatusCode>) -> Response {
    let body = serde_json::to_vec(&refusal(&problem)).expect("plain data");
    let mut response = problem.into_response();
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
    *response.body_mut() = body.into();
    response
}
