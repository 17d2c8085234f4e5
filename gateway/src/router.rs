//! Route requests to pages under one set of security headers.

use crate::api::{self, Api, ApiSetup};
use crate::explorer::{self, Explorer};
use crate::health::health;
use crate::limits::URI_BYTES_MAX;
use crate::metrics::metrics;
use crate::problem::Problem;
use crate::proofs::{self, Proofs};
use crate::refusal::Refusal;
use crate::sight::{Governed, Sight};
use crate::tiles;
use crate::view::NodeView;
use crate::witness::{self, Witness};
use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use countersign_ledger::store::Reader;
use countersign_proof::{Genesis, KeyPair};
use std::sync::Arc;
use tokio::sync::watch;

/// No script runs, nothing is loaded from elsewhere, nobody frames us.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";
const STYLE: &str = include_str!("../templates/style.css");

/// What the HTTP side is made from.
pub struct Served {
    /// The node's ledger.
    pub reader: Reader,
    /// The genesis of it.
    pub genesis: Arc<Genesis>,
    /// The node's log key, for COSE receipts over certified roots; none at an observer.
    pub log: Option<KeyPair>,
    /// What the node publishes of itself.
    pub view: watch::Receiver<Arc<NodeView>>,
    /// The typed API, where there is one.
    pub api: Option<ApiSetup>,
    /// The witness of other logs, where there is one.
    pub witness: Option<Arc<Witness>>,
}

/// The HTTP side of a node: `/explorer` and what is under it, `/checkpoint`, `/policy`, `/tile/...`, `/proofs/...`,
/// `/trust-bundle`, `/metrics`, `/health`; and `/add-checkpoint` where there is a witness.
///
/// Every other request reads; none waits on the node. Reads block for well under a millisecond a row and pages are bounded,
/// so they run where they are asked, and a simulation sees them in one order. When the sender of `view` is dropped,
/// `/health` says that the node has stopped.
pub fn router(served: Served) -> Router {
    let Served { reader, genesis, log, view, api, witness } = served;
    let governed = api.as_ref().map(|setup| {
        let progress = setup.door.progress.clone();
        Arc::new(move || progress.borrow().governed) as Governed
    });
    let sight = Sight::new(reader.clone(), governed);
    let make = |setup| api::router(Api::new(reader.clone(), sight.clone(), genesis.clone(), setup));
    let api = api.map_or_else(Router::new, make);
    let witness = witness.map_or_else(Router::new, witness::router);
    let proofs = Proofs::new(reader.clone(), sight.clone(), genesis, log);
    let node = Explorer::new(reader, sight, view);
    Router::new()
        .route("/", get(|| async { Redirect::to("/explorer") }))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/explorer", get(explorer::overview))
        .route("/explorer/", get(|| async { Redirect::to("/explorer") }))
        .route("/explorer/style.css", get(|| async { ([(CONTENT_TYPE, "text/css; charset=utf-8")], STYLE) }))
        .route("/explorer/blocks/{height}", get(explorer::block))
        .route("/explorer/transactions/{id}", get(explorer::transaction))
        .route("/explorer/transactions/{id}/receipt", get(explorer::receipt))
        .route("/explorer/documents", get(explorer::collections))
        .route("/explorer/documents/{collection}", get(explorer::documents))
        .route("/explorer/document", get(explorer::document))
        .route("/explorer/search", get(explorer::search))
        .merge(tiles::router(node.clone()))
        .merge(proofs::router(proofs))
        .merge(api)
        .merge(witness)
        .fallback(|| async { Refusal::Missing("there is no such page".into()) })
        .method_not_allowed_fallback(|| async { Refusal::Method })
        .layer(from_fn(guard))
        .with_state(node)
}

/// Turns away an address that is too long and puts the security headers on every answer.
async fn guard(request: Request, next: Next) -> Response {
    let bytes = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    let mut response = match bytes {
        ..=URI_BYTES_MAX => next.run(request).await,
        // Programs are told in their own words.
        _ if ["/v1/", "/graphql"].iter().any(|path| request.uri().path().starts_with(path)) => {
            Problem::new("ADDRESS_TOO_LONG", Refusal::AddressTooLong(bytes).to_string()).into_response()
        }
        _ => Refusal::AddressTooLong(bytes).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // What may be kept says so itself.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
