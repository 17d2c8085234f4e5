//! Route the typed API's paths.

use super::{Api, bulk, document, events, list, openapi, transaction};
use crate::graphql;
use crate::problem::Problem;
use axum::Router;
use axum::routing::{get, post};

/// Every path of the typed API with its methods: what the documents of the API and the test of who may do what are
/// compared with.
pub const API_ROUTES: [(&str, &[&str]); 13] = [
    ("/openapi.json", &["GET"]),
    ("/graphql", &["GET", "POST"]),
    ("/v1/collections", &["GET"]),
    ("/v1/collections/{collection}", &["GET"]),
    ("/v1/collections/{collection}/documents", &["GET", "PUT"]),
    ("/v1/collections/{collection}/documents/{id}", &["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ("/v1/collections/{collection}/documents/{id}/versions", &["GET"]),
    ("/v1/collections/{collection}/bulk", &["POST"]),
    ("/v1/collections/{collection}/count", &["GET"]),
    ("/v1/collections/{collection}/sum", &["GET"]),
    ("/v1/transactions", &["POST"]),
    ("/v1/transactions/{id}", &["GET"]),
    ("/v1/events", &["GET"]),
];

/// `/v1/...`, `/graphql` and `/openapi.json`.
pub(crate) fn router<S: Clone + Send + Sync + 'static>(api: Api) -> Router<S> {
    let document =
        get(document::get).post(document::create).put(document::put).patch(document::patch).delete(document::delete);
    Router::new()
        .route("/openapi.json", get(openapi::openapi))
        .route("/graphql", get(graphql::upgrade).post(graphql::ask))
        .route("/v1/collections", get(list::collections))
        .route("/v1/collections/{collection}", get(list::collection))
        .route("/v1/collections/{collection}/documents", get(list::documents).put(document::put_by_key))
        .route("/v1/collections/{collection}/documents/{id}", document)
        .route("/v1/collections/{collection}/documents/{id}/versions", get(document::versions))
        .route("/v1/collections/{collection}/bulk", post(bulk::bulk))
        .route("/v1/collections/{collection}/count", get(list::count))
        .route("/v1/collections/{collection}/sum", get(list::sum))
        .route("/v1/transactions", post(transaction::submit))
        .route("/v1/transactions/{id}", get(transaction::status))
        .route("/v1/events", get(events::events))
        .route("/v1/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .with_state(api)
}

async fn unknown() -> Problem {
    Problem::not_found("there is no such resource; /openapi.json describes those there are")
}

async fn wrong_method() -> Problem {
    Problem::new("METHOD_NOT_ALLOWED", "the resource has no such method; the header Allow names those it has")
}
