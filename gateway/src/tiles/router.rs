//! Route the public paths of the log.

use super::bundle::bundle;
use super::checkpoint::{checkpoint, witnessed};
use super::hashes::hashes;
use super::path::{BUNDLES, TILES};
use super::plain::Plain;
use super::policy::policy;
use crate::explorer::Explorer;
use crate::refusal::Refusal;
use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

/// `/checkpoint`, `/policy` and what is under `/tile/`: readable from every web page, refused in plain text.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(node: Explorer) -> Router<S> {
    // Hashes cannot be compressed. The node's processor has better work than the last percent.
    let compressed = CompressionLayer::new().quality(CompressionLevel::Fastest);
    Router::new()
        .route("/checkpoint", get(checkpoint).with_state(node.clone()))
        .route("/checkpoint/witnessed", get(witnessed).with_state(node.clone()))
        .route("/policy", get(policy))
        .route(TILES, get(hashes))
        .route(&format!("{TILES}{{*path}}"), get(hashes))
        .route(&format!("{BUNDLES}{{*path}}"), get(bundle).layer(compressed))
        .method_not_allowed_fallback(|| async { Plain::from(Refusal::Method) })
        .layer(map_response(open))
        .with_state(node.reader)
}

/// What every client may read, the pages of other sites may read too.
async fn open(mut response: Response) -> Response {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
