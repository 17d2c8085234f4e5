//! Hold GraphQL to what it promises, over a ledger in memory: types, reads, the past, limits, sockets.

mod common;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use common::{Network, Site, create, operation};
use countersign_gateway::{ApiKey, ApiKeys, Progress, serve};
use countersign_proof::operation::Change;
use countersign_proof::{Operation, Unit};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tower::ServiceExt;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

async fn post(site: &Site, headers: &[(&str, &str)], body: String) -> Answer {
    let request =
        headers.iter().fold(Request::post("/graphql"), |request, (name, value)| request.header(*name, *value));
    let request = request.body(Body::from(body)).expect("a request");
    let response = site.router.clone().oneshot(request).await.expect("a router never fails");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 64 << 20).await.expect("answers are bounded");
    Answer { status: parts.status, headers: parts.headers, body: serde_json::from_slice(&bytes).expect("JSON") }
}

/// Asks a query as acme.example/ops.
async fn ask(site: &Site, token: &str, query: &str) -> Value {
    asked(site, token, json!({ "query": query })).await.body
}

async fn asked(site: &Site, token: &str, request: Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &bearer[..]), ("content-type", "application/json")];
    post(site, &headers, request.to_string()).await
}

/// The first error of an answer: its code and its sentence.
fn error(answer: &Value) -> (String, String) {
    let error = &answer["errors"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&error["extensions"]["code"]), text(&error["message"]))
}

#[tokio::test]
async fn documents_are_read_in_types_by_id_in_pages_and_in_the_past() {
    let mut network = Network::found();
    network.append(vec![create("a", r#"{"pallets":1}"#), create("b", r#"{"pallets":2,"port":"RTM"}"#)]);
    network.append(vec![operation("a", Change::Replace(r#"{"pallets":5000000000}"#.into()))]);
    let (site, token) = (network.typed_site(), network.token());
    let answer = ask(
        &site,
        &token,
        "{ shipments(id: \"a\") { id collection version height deleted redacted value { pallets } json readHeight certified }
           old: shipments(id: \"a\", version: 1) { value { pallets } }
           then: shipments(id: \"a\", height: 1) { value { pallets } }
           none: shipments(id: \"x\") { id }
           shipmentsCount { count readHeight } some: shipmentsCount(filter: {_: 1}) { count }
           shipmentsSum(pointer: \"/pallets\", height: 1) { sum count skipped readHeight }
           shipmentsVersions(id: \"a\", first: 1) { next versions { version json } } }",
    );
    let answer = answer.await;
    assert_eq!(
        answer["data"]["shipments"],
        json!({
            "id": "a", "collection": "shipments", "version": 2, "height": 2, "deleted": false, "redacted": [],
            "value": {"pallets": 5_000_000_000_u64}, "json": {"pallets": 5_000_000_000_u64}, "readHeight": 2, "certified": true
        })
    );
    assert_eq!(answer["data"]["old"], json!({"value": {"pallets": 1}}));
    assert_eq!(answer["data"]["then"], json!({"value": {"pallets": 1}}));
    assert_eq!(answer["data"]["none"], Value::Null);
    assert_eq!(answer["data"]["shipmentsCount"], json!({"count": 2, "readHeight": 2}));
    assert_eq!(answer["data"]["shipmentsSum"], json!({"sum": 3, "count": 2, "skipped": 0, "readHeight": 1}));
    assert_eq!(
        answer["data"]["shipmentsVersions"],
        json!({"next": 2, "versions": [{"version": 1, "json": {"pallets": 1}}]})
    );
    // What is wrong is null, with the only error there is.
    assert_eq!(
        (&answer["data"]["some"], answer["errors"].as_array().map(Vec::len)),
        (&Value::Null, Some(1)),
        "{answer}"
    );
    assert_eq!(answer["errors"][0]["path"], json!(["some"]));
    assert_eq!(answer["errors"][0]["extensions"]["code"], "MALFORMED");
    let filter = json!({"query": "query($f: JSON) { shipmentsCount(filter: $f) { count } }",
                        "variables": {"f": {"/port": {"eq": "RTM"}}}});
    assert_eq!(asked(&site, &token, filter).await.body["data"]["shipmentsCount"]["count"], 1);
}

#[tokio::test]
async fn pages_join_to_one_list_of_one_height() {
    let mut network = Network::found();
    let ids: Vec<String> = (0..25).map(|n| format!("s-{n:02}")).collect();
    network.append(ids.iter().map(|id| create(id, r#"{"pallets":1}"#)).collect());
    let token = network.token();
    let (mut found, mut after) = (Vec::new(), Value::Null);
    let list = "query($after: String) { shipmentsList(first: 10, after: $after) {
                  edges { cursor node { id } } pageInfo { hasNextPage endCursor } readHeight } }";
    loop {
        let site = network.typed_site();
        let answer = asked(&site, &token, json!({"query": list, "variables": {"after": after}})).await.body;
        let page = &answer["data"]["shipmentsList"];
        assert_eq!(page["readHeight"], 1, "{answer}");
        let edges = page["edges"].as_array().expect("edges");
        found.extend(edges.iter().map(|edge| edge["node"]["id"].as_str().expect("an id").to_owned()));
        assert_eq!(page["pageInfo"]["endCursor"], edges.last().expect("a page is not empty")["cursor"]);
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
        network.append(vec![create(&format!("s-{}-later", found.len()), r#"{"pallets":1}"#)]);
    }
    assert_eq!(found, ids);
}

#[tokio::test]
async fn whoever_is_not_known_gets_nothing_not_even_the_schema() {
    let site = Network::found().typed_site();
    let json = ("content-type", "application/json");
    let body = json!({"query": "{ __schema { types { name } } }"}).to_string();
    let refused = post(&site, &[json], body.clone()).await;
    assert_eq!((refused.status, error(&refused.body).0), (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED".into()));
    assert_eq!(refused.headers["content-type"], "application/json");
    assert!(refused.headers.contains_key("www-authenticate"));
    let new = [json, ("accept", "application/graphql-response+json"), ("authorization", "Bearer a.b.c")];
    let refused = post(&site, &new, body).await;
    assert_eq!(refused.headers["content-type"], "application/graphql-response+json");
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_reads_and_writes_what_its_scope_covers() {
    let mut network = Network::found();
    network.append(vec![create("a", r#"{"pallets":1}"#)]);
    let folder = tempfile::tempdir().expect("a folder");
    let (file, mut keys) = (folder.path().join("api-keys.json"), ApiKeys::default());
    let scope = |read: &[&str]| ApiKey {
        account: "acme.example/ops".into(),
        expires_ms: 9_007_199_254_740_991,
        per_day: 0,
        per_second: 0,
        read: read.iter().map(|name| (*name).to_owned()).collect(),
        sha256: String::new(),
        write: Vec::new(),
    };
    let (_, reader) = keys.issue(&[1; 32], scope(&["shipments"]));
    let (_, stranger) = keys.issue(&[2; 32], scope(&["others"]));
    keys.write(&file).expect("written");
    let (site, _tell) = network.followed_site(Some(file));
    let read = "{ shipments(id: \"a\") { id } shipmentsList { nodes { id } } shipmentsVersions(id: \"a\") { next } }";
    assert_eq!(ask(&site, &reader, read).await.get("errors"), None);
    let hidden = ask(&site, &stranger, read).await;
    assert_eq!(hidden["data"], json!({"shipments": null, "shipmentsList": null, "shipmentsVersions": null}));
    assert_eq!(error(&hidden).0, "PERMISSION_DENIED");
    for write in [
        "createShipments(id: \"b\", value: {pallets: 1}) { transaction { id } }",
        "putShipments(id: \"b\", value: {pallets: 1}) { transaction { id } }",
        "patchShipments(id: \"a\", value: {pallets: 1}) { transaction { id } }",
        "deleteShipments(id: \"a\") { transaction { id } }",
        "transaction(operations: [{op: \"delete\", collection: \"shipments\", id: \"a\"}]) { id }",
    ] {
        let refused = ask(&site, &reader, &format!("mutation {{ {write} }}")).await;
        assert_eq!(error(&refused).0, "PERMISSION_DENIED", "{write}: {refused}");
    }
}

/// Bad input: what it is, the request's body, and what the refusal says.
fn bad_input() -> Vec<(&'static str, String, &'static str)> {
    let query = |text: String| json!({ "query": text }).to_string();
    let deep = |n: usize| format!("{}a{}", "{a".repeat(n), "}".repeat(n));
    let count = "shipmentsCount{count}";
    let aliases = |n: usize| (0..n).map(|n| format!("a{n}:{count}\n")).collect::<String>();
    let tiny = |n: usize| "a:id ".repeat(n);
    let bomb = (0..25).map(|n| format!("fragment f{n} on Query {{ ...f{0} ...f{0} }}\n", n + 1)).collect::<String>();
    let variables = |value: &str| {
        format!(r#"{{"query":"query($f:JSON){{shipmentsCount(filter:$f){{count}}}}","variables":{{"f":{value}}}}}"#)
    };
    let told = format!(
        "{{__type(name:\"Query\"){{fields{{{}}}}}}}",
        (0..600).map(|n| format!("a{n}:name ")).collect::<String>()
    );
    vec![
        ("depth 100", query(format!("{{shipments(id:\"a\"){}}}", deep(100))), "nested deeper than 48"),
        ("depth 40", query(format!("{{shipments(id:\"a\"){}}}", deep(40))), "nested deeper than 32 selections"),
        ("depth 30,000", query(deep(20_000)), "nested deeper than 48"),
        ("lists 30,000 deep", query(format!("{{a(b:{})}}", "[".repeat(30_000))), "nested deeper than 48"),
        ("10,000 aliases", query(format!("{{{}}}", aliases(10_000))), "at most 65536"),
        ("10,000 short aliases", query(format!("{{shipments(id:\"a\"){{{}}}}}", tiny(10_000))), "more than 4096 words"),
        ("20 aliases of a count", query(format!("{{{}}}", aliases(20))), "costs more than 10000"),
        (
            "rows and fields",
            query(format!("{{shipmentsList(first:1000){{nodes{{{}}}}}}}", tiny(20))),
            "costs more than 10000",
        ),
        (
            "a fragment in itself",
            query("{...f} fragment f on Query {...g} fragment g on Query {...f}".into()),
            "f -> g -> f",
        ),
        ("a fragment not used", query("{__typename} fragment f on Query {...f}".into()), "no operation uses"),
        (
            "a bomb of fragments",
            query(format!("{{...f0}} {bomb} fragment f25 on Query {{__typename}}")),
            "costs more than",
        ),
        ("1 MB", query(format!("{{__typename}}#{}", "x".repeat(1 << 20))), "at most 65536"),
        ("a batch of 1,000", json!(vec![json!({"query": "{__typename}"}); 1_000]).to_string(), "one operation"),
        (
            "the schema of types of types",
            query("{__schema{types{fields{type{fields{name}}}}}}".into()),
            "one of them on a path",
        ),
        ("much of the schema", query(told), "more than 500 selections"),
        (
            "a name twice",
            query("{shipmentsCount(filter:{_:{eq:1},_:{eq:2}}){count}}".into()),
            "has the name \"_\" twice",
        ),
        ("a name twice in variables", variables(r#"{"/a":{"eq":1},"/a":{"eq":2}}"#), "body"),
        ("2^53+1 in variables", variables(r#"{"/a":{"eq":9007199254740993}}"#), "body"),
        ("variables 200 deep", variables(&format!("{}1{}", "[".repeat(200), "]".repeat(200))), "body"),
        ("a lone surrogate", variables(r#""\ud800""#), "body"),
        ("a lone surrogate in the query", query("{shipments(id:\"\\ud800\"){id}}".into()), "query"),
        ("a number without end", query("{shipmentsCount(filter:1e999){count}}".into()), "query"),
        ("two subscriptions", query("subscription{a:changes{id} b:changes{id}}".into()), "exactly one field"),
        ("a subscription", query("subscription{changes{id}}".into()), "needs a WebSocket"),
        ("a field that is not there", query("{flights{id}}".into()), "flights"),
        ("an Int53 too large", query("{shipments(id:\"a\",version:9007199254740993){id}}".into()), "Int53"),
        ("no JSON", "{".into(), "body"),
        ("no query", "{}".into(), "query"),
        ("text", "\"{__typename}\"".into(), "body"),
    ]
}

/// The time that this thread, on which all of a test runs, has been computing.
fn busy() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(text.split(' ').next().and_then(|text| text.parse().ok()).expect("nanoseconds"))
}

#[tokio::test]
async fn what_costs_too_much_is_refused_at_once_and_named() {
    let mut network = Network::found();
    network.append(vec![create("a", r#"{"pallets":1}"#)]);
    let (site, token) = (network.typed_site(), network.token());
    // The schema is made once, when somebody asks.
    assert_eq!(ask(&site, &token, "{__typename}").await["data"]["__typename"], "Query");
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &bearer[..]), ("content-type", "application/json")];
    for (what, body, says) in bad_input() {
        let begun = busy();
        let answer = post(&site, &headers, body).await;
        let took = busy() - begun;
        let (code, message) = error(&answer.body);
        assert!(message.contains(says), "{what}: {message}");
        assert!(matches!(&code[..], "TOO_LARGE" | "MALFORMED"), "{what}: {code}");
        assert_eq!(answer.body["errors"][0]["extensions"]["retryable"], false, "{what}");
        assert!(answer.body.get("data").is_none_or(Value::is_null), "{what}: {}", answer.body);
        assert!(took < Duration::from_millis(50), "{what}: took {took:?}");
    }
    let dear = json!({"query": "{a}"}).to_string();
    let new = [headers[0], headers[1], ("accept", "application/graphql-response+json")];
    assert_eq!(post(&site, &new, dear.clone()).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(post(&site, &headers, dear.clone()).await.status, StatusCode::OK);
    assert_eq!(post(&site, &headers, "{".into()).await.status, StatusCode::BAD_REQUEST);
    let plain = [headers[0], ("content-type", "text/plain")];
    let refused = post(&site, &plain, dear).await;
    assert_eq!((refused.status, error(&refused.body).0), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "MEDIA_TYPE".into()));
}

/// The query that tools ask first (graphql-js, `getIntrospectionQuery`).
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name }
  subscriptionType { name } types { ...FullType } directives { name description locations args { ...InputValue } } } }
  fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description
    args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue }
    interfaces { ...TypeRef } enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
    possibleTypes { ...TypeRef } }
  fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
  fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

#[tokio::test]
async fn the_schema_tells_of_itself_to_whom_it_knows() {
    let network = Network::found();
    let answer = ask(&network.typed_site(), &network.token(), INTROSPECTION).await;
    assert_eq!(answer.get("errors"), None, "{}", answer["errors"]);
    let types = answer["data"]["__schema"]["types"].as_array().expect("types");
    let of = |name: &str| types.iter().find(|found| found["name"] == name).unwrap_or_else(|| panic!("{name}"));
    let fields: Vec<&str> =
        of("Query")["fields"].as_array().expect("fields").iter().filter_map(|field| field["name"].as_str()).collect();
    let expected = ["transaction", "shipments", "shipmentsList", "shipmentsCount", "shipmentsSum", "shipmentsVersions"];
    assert_eq!(fields, expected);
    assert_eq!(of("Shipments")["fields"][0]["type"]["name"], "Int53");
}

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A site that listens, and what ends it.
struct Listening {
    address: String,
    tell: watch::Sender<Progress>,
    _end: oneshot::Sender<()>,
}

async fn listen(network: &Network, api_keys: Option<std::path::PathBuf>) -> Listening {
    let (site, tell) = network.followed_site(api_keys);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("ws://{}/graphql", listener.local_addr().expect("an address"));
    let (end, ended) = oneshot::channel::<()>();
    tokio::spawn(async move {
        // Whether it is told or dropped.
        serve(listener, site.router, None, async { drop(ended.await) }).await.expect("served");
    });
    Listening { address, tell, _end: end }
}

async fn connect(address: &str, protocol: &str, token: Option<&str>) -> Result<Client, Error> {
    let mut request = address.into_client_request().expect("an address");
    request.headers_mut().insert("sec-websocket-protocol", protocol.parse().expect("a value"));
    if let Some(token) = token {
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a value"));
    }
    tokio_tungstenite::connect_async(request).await.map(|(client, _)| client)
}

async fn open(address: &str) -> Client {
    connect(address, "graphql-transport-ws", None).await.expect("upgraded")
}

async fn send(client: &mut Client, message: Value) {
    client.send(Message::text(message.to_string())).await.expect("sent");
}

/// The next message, or the code of the close frame.
async fn next(client: &mut Client) -> Result<Value, u16> {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(30), client.next()).await.expect("something comes");
        match message {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
            Some(Ok(Message::Close(frame))) => return Err(frame.map_or(0, |frame| frame.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(0),
        }
    }
}

async fn begin(client: &mut Client, token: &str) {
    send(client, json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {token}")}})).await;
    assert_eq!(next(client).await, Ok(json!({"type": "connection_ack"})));
}

fn subscribe(id: &str, query: &str) -> Value {
    json!({"id": id, "type": "subscribe", "payload": {"query": query}})
}

#[tokio::test]
async fn changes_arrive_in_order_and_go_on_from_their_cursor() {
    let mut network = Network::found();
    network.append(vec![create("a", r#"{"pallets":1}"#)]);
    let site = listen(&network, None).await;
    let mut client = open(&site.address).await;
    begin(&mut client, &network.token()).await;
    let all = "subscription { shipmentsChanged(cursor: \"\") { cursor time kind id leaf before { value { pallets } } after { value { pallets } version } } }";
    send(&mut client, subscribe("1", all)).await;
    let first = next(&mut client).await.expect("a change");
    let change = &first["payload"]["data"]["shipmentsChanged"];
    assert_eq!(
        (&first["id"], &first["type"], &change["kind"]),
        (&json!("1"), &json!("next"), &json!("CREATED")),
        "{first}"
    );
    assert_eq!((&change["before"], &change["after"]["value"]), (&Value::Null, &json!({"pallets": 1})));
    let cursor = change["cursor"].as_str().expect("a cursor").to_owned();

    network.append(vec![operation("a", Change::Replace(r#"{"pallets":2}"#.into()))]);
    network.append(vec![operation("a", Change::Delete(Unit {}))]);
    site.tell.send(network.progress()).expect("the site listens");
    let updated = next(&mut client).await.expect("a change");
    let change = &updated["payload"]["data"]["shipmentsChanged"];
    assert_eq!((&change["kind"], &change["before"]["value"]["pallets"]), (&json!("UPDATED"), &json!(1)));
    let deleted = next(&mut client).await.expect("a change");
    assert_eq!(deleted["payload"]["data"]["shipmentsChanged"]["kind"], "DELETED");
    assert_eq!(deleted["payload"]["data"]["shipmentsChanged"]["after"]["value"], Value::Null);

    // The untyped one resumes at the same place; a query goes beside it.
    let rest = format!(
        "subscription {{ changes(collections: [\"shipments\"], cursor: \"{cursor}\") {{ kind collection before {{ json }} }} }}"
    );
    send(&mut client, subscribe("2", &rest)).await;
    let resumed = next(&mut client).await.expect("a change");
    let expected = json!({"kind": "UPDATED", "collection": "shipments", "before": {"json": {"pallets": 1}}});
    assert_eq!((&resumed["id"], &resumed["payload"]["data"]["changes"]), (&json!("2"), &expected));
    assert_eq!(next(&mut client).await.expect("a change")["payload"]["data"]["changes"]["kind"], "DELETED");
    send(&mut client, json!({"id": "1", "type": "complete"})).await;
    send(&mut client, subscribe("1", "{ shipmentsCount { count } }")).await;
    let answer = next(&mut client).await.expect("an answer");
    assert_eq!(answer, json!({"id": "1", "type": "next", "payload": {"data": {"shipmentsCount": {"count": 0}}}}));
    assert_eq!(next(&mut client).await, Ok(json!({"id": "1", "type": "complete"})));
    send(&mut client, json!({"type": "ping"})).await;
    assert_eq!(next(&mut client).await, Ok(json!({"type": "pong"})));
    // Who closes is answered.
    let mut leaving = open(&site.address).await;
    begin(&mut leaving, &network.token()).await;
    let normal = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    leaving.close(Some(normal)).await.expect("sent");
    assert_eq!(next(&mut leaving).await, Err(1000));
    // A node that stops says so, with the cursor to go on from.
    let Listening { tell, .. } = site;
    drop(tell);
    let end = next(&mut client).await.expect("an error");
    assert_eq!((&end["id"], &end["type"]), (&json!("2"), &json!("error")), "{end}");
    assert_eq!(end["payload"][0]["extensions"]["code"], "UNAVAILABLE");
    assert!(end["payload"][0]["extensions"]["cursor"].is_string(), "{end}");
}

#[tokio::test]
async fn a_socket_is_closed_with_the_code_that_says_why() {
    let network = Network::found();
    let (site, token) = (listen(&network, None).await, network.token());
    let init =
        |token: &str| json!({"type": "connection_init", "payload": {"Authorization": format!("Bearer {token}")}});
    let never = "subscription { changes { id } }";
    for (what, messages, code) in [
        ("a stranger", vec![init("a.b.c")], 4403),
        ("nobody", vec![json!({"type": "connection_init"})], 4403),
        ("too early", vec![subscribe("1", never)], 4401),
        ("twice", vec![init(&token), init(&token)], 4429),
        ("one id for two", vec![init(&token), subscribe("1", never), subscribe("1", never)], 4409),
        ("an unknown message", vec![init(&token), json!({"type": "start"})], 4400),
        ("no id", vec![init(&token), json!({"type": "subscribe", "payload": {"query": never}})], 4400),
    ] {
        let mut client = open(&site.address).await;
        for message in messages {
            send(&mut client, message).await;
        }
        let end = loop {
            if let Err(code) = next(&mut client).await {
                break code;
            }
        };
        assert_eq!(end, code, "{what}");
    }
    let refused = |result: Result<Client, Error>| match result {
        Err(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(connect(&site.address, "graphql-ws", None).await), 400, "the older protocol");
    assert_eq!(refused(connect(&site.address, "graphql-transport-ws", Some("a.b.c")).await), 401);
    // Who has said it in the header need not say it again; what is wrong with one operation ends that one.
    let mut client = connect(&site.address, "graphql-transport-ws", Some(&token)).await.expect("upgraded");
    send(&mut client, json!({"type": "connection_init"})).await;
    assert_eq!(next(&mut client).await, Ok(json!({"type": "connection_ack"})));
    send(&mut client, subscribe("1", "subscription { changes(cursor: \"99.0\") { id } }")).await;
    let error = next(&mut client).await.expect("an error");
    assert_eq!((&error["type"], &error["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("OUT_OF_RANGE")));
    for id in 0..40 {
        send(&mut client, subscribe(&format!("s{id}"), never)).await;
    }
    let error = next(&mut client).await.expect("an error");
    assert_eq!(error["payload"][0]["extensions"]["code"], "TOO_MANY_SUBSCRIPTIONS", "{error}");
    assert_eq!(error["id"], "s32");
}

#[tokio::test]
async fn a_socket_that_says_nothing_is_closed() {
    let network = Network::found();
    let site = listen(&network, None).await;
    let mut client = open(&site.address).await;
    let begun = Instant::now();
    assert_eq!(next(&mut client).await, Err(4408));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// Large documents, which no kernel's buffers hold.
fn flood(network: &mut Network, blocks: usize) {
    let text = "x".repeat(200 << 10);
    for block in 0..blocks {
        let large =
            |n: usize| -> Operation { create(&format!("{block}-{n}"), &format!(r#"{{"pallets":1,"text":"{text}"}}"#)) };
        network.append(vec![large(0), large(1)]);
    }
}

#[tokio::test]
async fn a_reader_who_does_not_read_is_cut_off_and_told_where_to_go_on() {
    let mut network = Network::found();
    flood(&mut network, 50);
    let site = listen(&network, None).await;
    let mut client = open(&site.address).await;
    begin(&mut client, &network.token()).await;
    send(&mut client, subscribe("1", "subscription { changes(cursor: \"\") { cursor after { json } } }")).await;
    tokio::time::sleep(Duration::from_secs(13)).await;
    let (mut last, mut count) = (String::new(), 0);
    let told = loop {
        match next(&mut client).await {
            Ok(message) if message["type"] == "next" => {
                last = message["payload"]["data"]["changes"]["cursor"].as_str().expect("a cursor").to_owned();
                count += 1;
            }
            other => break other.expect("an error"),
        }
    };
    assert!(count > 0 && count < 100, "{count} changes");
    assert_eq!((&told["id"], &told["type"]), (&json!("1"), &json!("error")));
    let extensions = &told["payload"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["retryable"]), (&json!("TOO_SLOW"), &json!(true)));
    assert_eq!(extensions["cursor"], last, "the last that came");
    assert_eq!(next(&mut client).await, Err(1013));
}
