//! Who may do what: every method of every route of the HTTP side, asked by each of eight identities.
//!
//! The routes come from `API_ROUTES`: one that is not in the matrix fails it, so that none is forgotten.

mod common;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use common::{Network, Site, create};
use countersign_gateway::{API_ROUTES, ApiKey, ApiKeys};
use serde_json::{Value, json};
use tower::ServiceExt;

const FOR_EVER: u64 = 9_007_199_254_740_991;

/// What a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// Any caller who is known.
    Known,
    ReadA,
    WriteA,
}

/// One request to a route, with what it needs. A: shipments; B: berths.
struct Probe {
    address: String,
    method: &'static str,
    content_type: &'static str,
    body: Value,
    needs: Needs,
}

/// What a method of a route is asked.
fn probes(path: &str, method: &'static str) -> Vec<Probe> {
    let probe = |more: &str, body: Value, needs| Probe {
        address: path.replace("{collection}", "shipments").replace("{id}", "a") + more,
        method,
        content_type: "application/json",
        body,
        needs,
    };
    let empty = || Value::Null;
    match (path, method) {
        ("/openapi.json", "GET") => vec![probe("", empty(), Needs::Nothing)],
        ("/graphql", "GET") => vec![probe("", empty(), Needs::Known)],
        ("/graphql", "POST") => vec![
            probe("", json!({"query": "{ shipments(id: \"a\") { id } }"}), Needs::ReadA),
            probe("", json!({"query": "{ shipmentsList { nodes { id } } }"}), Needs::ReadA),
            probe("", json!({"query": "{ shipmentsCount { count } }"}), Needs::ReadA),
            probe("", json!({"query": "{ shipmentsSum(pointer: \"/pallets\") { sum } }"}), Needs::ReadA),
            probe("", json!({"query": "{ shipmentsVersions(id: \"a\") { next } }"}), Needs::ReadA),
            probe("", json!({"query": "{ __schema { queryType { name } } }"}), Needs::Known),
            probe(
                "",
                json!({"query": "mutation { deleteShipments(id: \"a\") { transaction { id } } }"}),
                Needs::WriteA,
            ),
            probe(
                "",
                json!({"query": "mutation { createShipments(id: \"b\", value: {pallets: 1}) { transaction { id } } }"}),
                Needs::WriteA,
            ),
            probe(
                "",
                json!({"query": "mutation { putShipments(id: \"b\", value: {pallets: 1}) { transaction { id } } }"}),
                Needs::WriteA,
            ),
            probe(
                "",
                json!({"query": "mutation { patchShipments(id: \"a\", value: {pallets: 1}) { transaction { id } } }"}),
                Needs::WriteA,
            ),
        ],
        ("/v1/collections", "GET") => vec![probe("", empty(), Needs::Known)],
        ("/v1/collections/{collection}", "GET") => vec![probe("", empty(), Needs::ReadA)],
        ("/v1/collections/{collection}/documents", "GET") => {
            vec![probe("", empty(), Needs::ReadA), probe("?filter=%7B%7D", empty(), Needs::ReadA)]
        }
        ("/v1/collections/{collection}/documents", "PUT") => {
            vec![probe("?key=/pallets", json!({"pallets": 1}), Needs::WriteA)]
        }
        ("/v1/collections/{collection}/documents/{id}", "GET") => {
            let more = ["", "?version=1", "?height=1", "?proof=true", "?consistency=local"];
            more.map(|more| probe(more, empty(), Needs::ReadA)).into()
        }
        ("/v1/collections/{collection}/documents/{id}", "DELETE") => vec![probe("", empty(), Needs::WriteA)],
        ("/v1/collections/{collection}/documents/{id}", "POST" | "PUT" | "PATCH") => {
            vec![probe("", json!({"pallets": 1}), Needs::WriteA)]
        }
        ("/v1/collections/{collection}/bulk", "POST") => {
            let bulk = probe("", json!({"id": "a", "value": {"pallets": 1}}), Needs::WriteA);
            vec![Probe { content_type: "application/x-ndjson", ..bulk }]
        }
        ("/v1/collections/{collection}/sum", "GET") => vec![probe("?pointer=/pallets", empty(), Needs::ReadA)],
        ("/v1/collections/{collection}/documents/{id}/versions" | "/v1/collections/{collection}/count", "GET") => {
            vec![probe("", empty(), Needs::ReadA)]
        }
        ("/v1/transactions", "POST") => {
            let delete = json!({"operations": [{"op": "delete", "collection": "shipments", "id": "a"}]});
            vec![probe("", delete, Needs::WriteA)]
        }
        ("/v1/transactions/{id}", "GET") => vec![probe("", empty(), Needs::Known)],
        // A cursor that is none: whoever may listen is told so, and no stream stays open.
        ("/v1/events", "GET") => vec![probe("?collections=shipments&cursor=none", empty(), Needs::ReadA)],
        _ => panic!("{method} {path} is not in the matrix: say what it needs"),
    }
}

/// Who asks, with his credential and what he may.
struct Identity {
    name: &'static str,
    credential: Option<String>,
    may: &'static [Needs],
}

fn identities(network: &Network, keys: &mut ApiKeys) -> Vec<Identity> {
    let key = |read: &[&str], write: &[&str], expires_ms| ApiKey {
        account: "acme.example/ops".into(),
        expires_ms,
        per_day: 0,
        per_second: 0,
        read: read.iter().map(|name| (*name).to_owned()).collect(),
        sha256: String::new(),
        write: write.iter().map(|name| (*name).to_owned()).collect(),
    };
    let (all, a, b) = (["*"], ["shipments"], ["berths"]);
    let (_, expired) = keys.issue(&[1; 32], key(&all, &all, 1));
    let (revoked_id, revoked) = keys.issue(&[2; 32], key(&all, &all, FOR_EVER));
    keys.keys.remove(&revoked_id);
    let (_, unknown) = ApiKeys::default().issue(&[3; 32], key(&all, &all, FOR_EVER));
    let (_, reader) = keys.issue(&[4; 32], key(&a, &[], FOR_EVER));
    let (_, writer) = keys.issue(&[5; 32], key(&a, &a, FOR_EVER));
    let (_, other) = keys.issue(&[6; 32], key(&b, &b, FOR_EVER));
    let whole = &[Needs::Known, Needs::ReadA, Needs::WriteA];
    let identity = |name, credential, may| Identity { name, credential, may };
    vec![
        identity("nobody", None, &[]),
        identity("unknown key", Some(unknown), &[]),
        identity("expired key", Some(expired), &[]),
        identity("revoked key", Some(revoked), &[]),
        identity("reader of A", Some(reader), &[Needs::Known, Needs::ReadA]),
        identity("writer of A", Some(writer), whole),
        identity("account of B", Some(other), &[Needs::Known]),
        identity("governance", Some(network.token_of("acme.example")), whole),
    ]
}

/// The codes of an answer, also of one that carries errors in its body.
async fn codes(site: &Site, identity: &Identity, probe: &Probe) -> (StatusCode, Vec<String>) {
    let mut request = Request::builder().method(probe.method).uri(&probe.address);
    if let Some(credential) = &identity.credential {
        request = request.header("authorization", format!("Bearer {credential}"));
    }
    let body = if probe.body.is_null() { Body::empty() } else { Body::from(probe.body.to_string()) };
    let request = request.header("content-type", probe.content_type).body(body).expect("a request");
    let response = site.router.clone().oneshot(request).await.expect("a router never fails");
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 4 << 20).await.expect("bounded");
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let coded = errors.iter().map(|error| &error["extensions"]["code"]).chain([&answer["code"]]);
    (status, coded.filter_map(Value::as_str).map(str::to_owned).collect())
}

#[tokio::test]
async fn every_method_of_every_route_is_open_to_whom_it_is_meant_for_and_to_nobody_else() {
    let mut network = Network::found();
    let schema = json!({"properties": {"pallets": {"type": "integer"}}, "type": "object"});
    network.define("berths", &schema);
    network.append(vec![create("a", r#"{"pallets":1}"#)]);
    let folder = tempfile::tempdir().expect("a folder");
    let (file, mut keys) = (folder.path().join("api-keys.json"), ApiKeys::default());
    let identities = identities(&network, &mut keys);
    keys.write(&file).expect("written");
    let (site, _tell) = network.followed_site(Some(file));
    let (mut allowed, mut denied) = (0, 0);
    for (path, methods) in API_ROUTES {
        for probe in methods.iter().flat_map(|method| probes(path, method)) {
            for identity in &identities {
                let (status, codes) = codes(&site, identity, &probe).await;
                let turned_away = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status)
                    || codes.iter().any(|code| ["UNAUTHENTICATED", "PERMISSION_DENIED"].contains(&&code[..]));
                let may = probe.needs == Needs::Nothing || identity.may.contains(&probe.needs);
                let asked = format!("{} {} {} by {}", probe.method, probe.address, probe.body, identity.name);
                assert_eq!(!turned_away, may, "{asked}: {status} {codes:?}");
                if !may && identity.may.is_empty() {
                    assert_eq!(status, StatusCode::UNAUTHORIZED, "{asked}");
                }
                if may { allowed += 1 } else { denied += 1 }
            }
        }
    }
    assert!(allowed >= 90 && denied >= 150, "{allowed} allowed, {denied} denied");
}
