//! Answer programs in plain text.

use crate::refusal::Refusal;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// A refusal without a page around its sentence.
pub(crate) struct Plain(Refusal);

impl<E: Into<Refusal>> From<E> for Plain {
    fn from(error: E) -> Plain {
        Plain(error.into())
    }
}

impl IntoResponse for Plain {
    fn into_response(self) -> Response {
        let (status, sentence) = self.0.into_status_and_sentence();
        text(status, format!("{sentence}\n"))
    }
}

/// A text that the next certificate may change.
pub(crate) fn newest(body: String) -> Response {
    let mut response = text(StatusCode::OK, body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Bytes that stay what they are.
pub(super) fn immutable(bytes: Vec<u8>) -> Response {
    let cached = (CACHE_CONTROL, "public, max-age=31536000, immutable");
    ([(CONTENT_TYPE, "application/octet-stream"), cached], bytes).into_response()
}

/// A sentence, or lines, for programs.
pub(crate) fn text(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
