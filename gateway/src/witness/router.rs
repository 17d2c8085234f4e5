//! Route the paths of the witness, and choose the HTTP code of each refusal.

use super::service::{NotCosigned, Witness, WitnessTrouble};
use crate::asked::Named;
use crate::limits::BODY_SECONDS_MAX;
use crate::refusal::Refusal;
use crate::tiles::{Plain, newest, text};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use countersign_proof::WitnessRefusal;
use countersign_proof::limits::ADD_CHECKPOINT_BYTES_MAX;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// `/add-checkpoint`, and `/witnessed/<SHA-256 of the origin>/checkpoint` for monitors.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(witness: Arc<Witness>) -> Router<S> {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint).layer(DefaultBodyLimit::max(ADD_CHECKPOINT_BYTES_MAX)))
        .route("/witnessed/{origin}/checkpoint", get(witnessed))
        .method_not_allowed_fallback(|| async {
            text(StatusCode::METHOD_NOT_ALLOWED, "POST /add-checkpoint, GET the others\n".into())
        })
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, request: Request) -> Response {
    let read = timeout(Duration::from_secs(BODY_SECONDS_MAX), Bytes::from_request(request, &())).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return unread(&rejection),
        Err(_) => {
            let sentence = format!("body: not here after {BODY_SECONDS_MAX} seconds\n");
            return text(StatusCode::REQUEST_TIMEOUT, sentence);
        }
    };
    let Ok(body) = std::str::from_utf8(&body) else {
        return text(StatusCode::BAD_REQUEST, "body: not UTF-8\n".into());
    };
    match witness.add_checkpoint(body).await {
        Ok(line) => text(StatusCode::OK, line),
        Err(NotCosigned::Refused(WitnessRefusal::OtherSize { newest })) => conflict(newest),
        Err(refusal) => text(status(&refusal), format!("{refusal}\n")),
    }
}

fn unread(rejection: &BytesRejection) -> Response {
    let sentence = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => format!("body: more than {ADD_CHECKPOINT_BYTES_MAX} bytes\n"),
        _ => format!("body: {}\n", rejection.body_text()),
    };
    text(rejection.status(), sentence)
}

/// The codes that C2SP tlog-witness asks for.
fn status(refusal: &NotCosigned) -> StatusCode {
    match refusal {
        NotCosigned::Refused(WitnessRefusal::Malformed(_) | WitnessRefusal::OldAboveNew { .. }) => {
            StatusCode::BAD_REQUEST
        }
        NotCosigned::Refused(WitnessRefusal::UnknownOrigin(_)) => StatusCode::NOT_FOUND,
        NotCosigned::Refused(WitnessRefusal::NotSigned(_)) => StatusCode::FORBIDDEN,
        NotCosigned::Refused(WitnessRefusal::OtherSize { .. }) => StatusCode::CONFLICT,
        NotCosigned::Refused(WitnessRefusal::Inconsistent(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        NotCosigned::Trouble(WitnessTrouble::Stopped) => StatusCode::SERVICE_UNAVAILABLE,
        NotCosigned::Trouble(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The size alone, so that the sender can try again from it.
fn conflict(newest: u64) -> Response {
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("text/x.tlog.size"))];
    (StatusCode::CONFLICT, kind, format!("{newest}\n")).into_response()
}

async fn witnessed(State(witness): State<Arc<Witness>>, Named(origin): Named) -> Result<Response, Plain> {
    let none = || Refusal::Missing("no checkpoint of a log with this SHA-256 of its origin is cosigned here".into());
    Ok(newest(witness.newest(&origin).await.ok_or_else(none)?))
}
