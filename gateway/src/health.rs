//! Answer whether the node does its work, for load balancers and supervisors.

use crate::explorer::Explorer;
use axum::extract::State;
use axum::http::StatusCode;

pub(crate) async fn health(State(explorer): State<Explorer>) -> (StatusCode, String) {
    match explorer.trouble() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
