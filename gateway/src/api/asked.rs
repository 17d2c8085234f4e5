//! Parse the headers and parameters that the API's requests share: each with its form and its maximum.

use crate::limits::{BODY_SECONDS_MAX, IDEMPOTENCY_KEY_BYTES_MAX, WAIT_SECONDS_MAX};
use crate::problem::Problem;
use axum::body::{Body, to_bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use countersign_proof::limits::JSON_DEPTH_MAX;
use countersign_proof::{INTEGER_MAX, parse_json};
use countersign_proto::v1;
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How far a write must have come before its answer, and how long to wait for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) level: v1::Level,
    pub(crate) timeout: Duration,
    /// What to answer as `Preference-Applied`.
    pub(crate) named: Option<&'static str>,
}

impl Wait {
    /// From `Prefer: wait=committed|certified|all`, or `wait=<seconds>` (RFC 7240). What is not known is ignored.
    pub(crate) fn of(headers: &HeaderMap) -> Wait {
        let mut wait = Wait { level: v1::Level::Certified, timeout: Duration::from_secs(10), named: None };
        let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| value.split([',', ';'])) {
            match preference.trim() {
                "wait=committed" => (wait.level, wait.named) = (v1::Level::Committed, Some("wait=committed")),
                "wait=certified" => (wait.level, wait.named) = (v1::Level::Certified, Some("wait=certified")),
                "wait=all" => (wait.level, wait.named) = (v1::Level::All, Some("wait=all")),
                other => {
                    if let Some(seconds) = other.strip_prefix("wait=").and_then(|text| text.parse::<u64>().ok()) {
                        wait.timeout = Duration::from_secs(seconds.clamp(1, WAIT_SECONDS_MAX));
                    }
                }
            }
        }
        wait
    }
}

/// The `Idempotency-Key`: 1 to 255 visible ASCII characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(header) = headers.get("idempotency-key") else { return Ok(None) };
    keyed("Idempotency-Key", header.to_str().unwrap_or_default()).map(Some)
}

/// A caller's key for a request, however it came.
pub(crate) fn keyed<'a>(field: &str, text: &'a str) -> Result<&'a str, Problem> {
    let fits = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    let wrong = || Problem::field(field, format_args!("not 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"));
    if fits { Ok(text) } else { Err(wrong()) }
}

/// What must hold of the document, from `If-Match` and `If-None-Match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    None,
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match: "<version>"`.
    Version(u64),
}

impl Condition {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Condition, Problem> {
        match (headers.get(IF_MATCH), headers.get(IF_NONE_MATCH)) {
            (None, None) => Ok(Condition::None),
            (Some(_), Some(_)) => Err(Problem::field("If-Match", "given together with If-None-Match")),
            (None, Some(header)) if header.as_bytes() == b"*" => Ok(Condition::Absent),
            (None, Some(_)) => Err(Problem::field("If-None-Match", "only * can be asked for")),
            (Some(header), None) => {
                let text = header.to_str().unwrap_or_default();
                let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                let version = quoted.and_then(|text| number("If-Match", text).ok()).filter(|version| *version > 0);
                version.map(Condition::Version).ok_or_else(|| Problem::field("If-Match", "not one \"<version>\""))
            }
        }
    }
}

/// A whole number in its one decimal form.
pub(crate) fn number(field: &'static str, text: &str) -> Result<u64, Problem> {
    let number = text.parse::<u64>().ok().filter(|n| *n <= INTEGER_MAX && n.to_string() == text);
    number.ok_or_else(|| Problem::field(field, "not a whole number from 0 to 2^53-1"))
}

/// A point in time: RFC 3339, or milliseconds since 1970.
pub(crate) fn time_ms(field: &'static str, text: &str) -> Result<u64, Problem> {
    if let Ok(ms) = number(field, text) {
        return Ok(ms);
    }
    let wrong = || Problem::field(field, "neither RFC 3339 (2026-11-24T10:00:00Z) nor milliseconds since 1970");
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).map_err(|_| wrong())
}

/// The media type of the body, without its parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|header| header.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The body's bytes, at most so many, within the time there is for it.
pub(crate) async fn body_bytes(body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let reading = tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), to_bytes(body, bytes_max)).await;
    let late = |_| Problem::new("TIMEOUT", format!("body: not read within {BODY_SECONDS_MAX} s"));
    let bytes = reading.map_err(late)?.map_err(|error| {
        use std::error::Error;
        let too_long = error.source().is_some_and(|source| source.to_string().contains("length limit"));
        match too_long {
            true => Problem::new("TOO_LARGE", format!("body: more than {bytes_max} bytes")).at("body"),
            false => Problem::field("body", "broken off"),
        }
    })?;
    Ok(bytes.to_vec())
}

/// The body as I-JSON, where its type says that it is.
pub(crate) async fn json_body(
    headers: &HeaderMap,
    body: Body,
    types: &[&str],
    bytes_max: usize,
) -> Result<Value, Problem> {
    let found = media_type(headers);
    if !types.contains(&&found[..]) {
        let detail = format!("Content-Type {found:?}; this takes {}", types.join(" or "));
        return Err(Problem::new("MEDIA_TYPE", detail).at("Content-Type"));
    }
    let bytes = body_bytes(body, bytes_max).await?;
    Ok(parse_json("body", &bytes, JSON_DEPTH_MAX)?)
}
