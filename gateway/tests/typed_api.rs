//! Hold the typed API's routes, description, lists and past to what they promise, over a ledger in memory.

mod common;

use axum::http::{Request, StatusCode};
use common::{Answer, Network, Site, create, operation};
use countersign_gateway::API_ROUTES;
use countersign_proof::Unit;
use countersign_proof::operation::Change;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// The paths of the routes, for the one collection there is.
fn routes() -> impl Iterator<Item = (String, &'static [&'static str])> {
    let of_shipments = |path: &str| path.replace("/{collection}/", "/shipments/");
    API_ROUTES.into_iter().map(move |(path, methods)| (of_shipments(path), methods))
}

async fn json(site: &Site, token: &str, address: &str) -> (StatusCode, Value) {
    let request = Request::get(address).header("authorization", format!("Bearer {token}"));
    let Answer { status, bytes, .. } = site.ask(request).await;
    (status, serde_json::from_slice(&bytes).expect("JSON"))
}

async fn described(site: &Site) -> Value {
    serde_json::from_slice(&site.bytes("/openapi.json").await).expect("JSON")
}

#[tokio::test]
async fn every_route_has_its_methods_and_no_other_and_asks_who_calls() {
    let site = Network::found().typed_site();
    for (path, methods) in routes() {
        let path = path.replace("{collection}", "shipments").replace("{id}", "1");
        for method in METHODS {
            let answer = site.ask(Request::builder().method(method).uri(&path)).await;
            let expected = match methods.contains(&method) {
                true if path == "/openapi.json" => StatusCode::OK,
                true => StatusCode::UNAUTHORIZED,
                false => StatusCode::METHOD_NOT_ALLOWED,
            };
            assert_eq!(answer.status, expected, "{method} {path}");
            if expected == StatusCode::METHOD_NOT_ALLOWED {
                let allowed = answer.headers["allow"].to_str().expect("ASCII").to_owned();
                assert!(methods.iter().all(|method| allowed.contains(method)), "{method} {path}: {allowed}");
            }
        }
    }
    assert_eq!(site.status("/v1/no-such-thing").await, 404);
    let long = site.ask(Request::get(format!("/v1/collections/{}", "x".repeat(4096)))).await;
    assert_eq!(
        (long.status.as_u16(), &long.headers["content-type"]),
        (414, &"application/problem+json".parse().expect("a value"))
    );
}

#[tokio::test]
async fn the_description_has_every_route_and_no_other() {
    let described = described(&Network::found().typed_site()).await;
    let paths = described["paths"].as_object().expect("paths");
    let found: BTreeMap<&str, BTreeSet<String>> = paths
        .iter()
        .map(|(path, operations)| {
            let methods = operations.as_object().expect("operations").keys().map(|method| method.to_uppercase());
            (&path[..], methods.collect())
        })
        .collect();
    // GraphQL tells of itself.
    let routes: Vec<_> = routes().filter(|(path, _)| path != "/openapi.json" && path != "/graphql").collect();
    let expected: BTreeMap<&str, BTreeSet<String>> =
        routes.iter().map(|(path, methods)| (&path[..], methods.iter().map(|m| (*m).to_owned()).collect())).collect();
    assert_eq!(found, expected);
    let mut ids = BTreeSet::new();
    let operations = paths.values().flat_map(|operations| operations.as_object().expect("operations").values());
    for operation in operations {
        assert!(ids.insert(operation["operationId"].to_string()), "{} stands twice", operation["operationId"]);
    }
    follow(&described, &described);
}

/// Every reference of the document leads somewhere in it.
fn follow(part: &Value, document: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(pointer) = members.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(&pointer[1..]).is_some(), "{pointer} leads nowhere");
            }
            members.values().for_each(|part| follow(part, document));
        }
        Value::Array(parts) => parts.iter().for_each(|part| follow(part, document)),
        _ => {}
    }
}

#[tokio::test]
async fn pages_join_to_one_list_of_one_height_whatever_comes_between() {
    let mut network = Network::found();
    let ids: Vec<String> = (0..150).map(|n| format!("s-{n:03}")).collect();
    network.append(ids.iter().map(|id| create(id, r#"{"pallets":1}"#)).collect());
    network.append(ids.iter().step_by(3).map(|id| operation(id, Change::Delete(Unit {}))).collect());
    let (token, alive) = (network.token(), ids.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(_, id)| id));
    let alive: Vec<&String> = alive.collect();
    for limit in [1, 7, 64, 99, 100, 101] {
        let (mut found, mut next, mut gone) = (Vec::new(), String::new(), Vec::new());
        loop {
            let site = network.typed_site();
            let address = format!("/v1/collections/shipments/documents?limit={limit}{next}");
            let (status, page) = json(&site, &token, &address).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            let documents = page["documents"].as_array().expect("documents");
            found.extend(documents.iter().map(|document| document["id"].as_str().expect("an id").to_owned()));
            let Some(cursor) = page["next"].as_str() else { break };
            assert_eq!(documents.len(), limit, "only the last page is shorter");
            next = format!("&cursor={cursor}");
            // What comes and goes in between is not of the first page's height.
            let id = format!("s-{limit}-{}", found.len());
            network.append(vec![create(&id, r#"{"pallets":1}"#)]);
            gone.push(id);
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), alive, "by {limit}");
        if !gone.is_empty() {
            network.append(gone.iter().map(|id| operation(id, Change::Delete(Unit {}))).collect());
        }
    }
}

#[tokio::test]
async fn the_past_is_read_by_version_height_and_time_and_the_future_is_refused() {
    let mut network = Network::found();
    let founded = network.ledger.chain().time;
    network.append(vec![create("a", r#"{"pallets":1}"#)]);
    network.append(vec![operation("a", Change::Replace(r#"{"pallets":2}"#.into()))]);
    network.append(vec![operation("a", Change::Delete(Unit {}))]);
    let (site, token) = (network.typed_site(), network.token());
    let document = "/v1/collections/shipments/documents/a";
    // Blocks of this network are a second apart.
    for (asked, pallets) in [
        ("version=1".to_owned(), Some(1)),
        ("version=2".to_owned(), Some(2)),
        ("height=1".to_owned(), Some(1)),
        ("height=2".to_owned(), Some(2)),
        (format!("time={}", founded + 1000), Some(1)),
        (format!("time={}", founded + 2999), Some(2)),
        ("height=0".to_owned(), None),
        (format!("time={founded}"), None),
        (format!("time={}", founded + 3000), None),
        ("consistency=local".to_owned(), None),
    ] {
        let (status, answer) = json(&site, &token, &format!("{document}?{asked}")).await;
        assert_eq!(status.as_u16(), if pallets.is_some() { 200 } else { 404 }, "{asked}: {answer}");
        assert_eq!(answer["value"]["pallets"].as_u64(), pallets, "{asked}");
    }
    let before = format!("{document}?time={}", founded - 1);
    for wrong in [
        "height=4",
        "height=18446744073709551615",
        "height=-1",
        "height=1&version=1",
        "version=x",
        "other=1",
        "consistency=perhaps",
        "proof=yes",
        "time=yesterday",
        "height=01",
    ] {
        let (status, answer) = json(&site, &token, &format!("{document}?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}: {answer}");
    }
    assert_eq!(json(&site, &token, &before).await.0, StatusCode::BAD_REQUEST);
    let (_, versions) = json(&site, &token, &format!("{document}/versions?limit=2")).await;
    assert_eq!((versions["versions"].as_array().map(Vec::len), &versions["next"]), (Some(2), &json!(3)));
    let (_, rest) = json(&site, &token, &format!("{document}/versions?from=3")).await;
    assert_eq!((&rest["versions"][0]["deleted"], rest.get("next")), (&json!(true), None));
    let forged = "/v1/collections/shipments/documents?cursor=OTkgYQ";
    assert_eq!(json(&site, &token, forged).await.1["code"], "OUT_OF_RANGE", "a cursor of height 99");
}
