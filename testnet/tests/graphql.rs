//! Hold the GraphQL of real nodes to what it promises: a write at one organisation reaches a subscriber at another.
//!
//! These tests drive the `countersign` binary: `./check` builds it first.

mod common;

use common::{api_key, define_readings};
use countersign_testnet::{Network, Options};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

const READ_WITHIN: Duration = Duration::from_secs(60);

/// A caller of one node's GraphQL.
struct Caller {
    port: u16,
    key: String,
}

impl Caller {
    /// One with a new API key of the node.
    fn new(network: &Network, n: usize, scope: &[&str]) -> Caller {
        Caller { port: network.nodes()[n].http_port, key: api_key(network, n, scope) }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the node listens");
        stream.set_read_timeout(Some(READ_WITHIN)).expect("a timeout");
        stream
    }

    fn ask(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables}).to_string();
        let mut stream = self.connect();
        let request = format!(
            "POST /graphql HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (_, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    /// One mutation; what it gives.
    fn write(&self, field: &str, id: &str, more: &str, value: &Value) -> Value {
        let value_is_given = !value.is_null();
        let (declared, given) = if value_is_given { ("($value: JSON!)", ", value: $value") } else { ("", "") };
        let query = format!(
            "mutation{declared} {{ written: {field}(id: \"{id}\"{given}{more}) {{ \
             transaction {{ id outcome level height leaf missing }} document {{ version json }} }} }}"
        );
        self.ask(&query, if value_is_given { json!({ "value": value }) } else { json!({}) })
    }

    /// A connection that has said who it is.
    fn subscriber(&self) -> Subscriber {
        let mut request = "ws://node/graphql".into_client_request().expect("an address");
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a value"));
        let (socket, _) = tungstenite::client(request, self.connect()).expect("upgraded");
        let mut subscriber = Subscriber { socket };
        subscriber
            .send(json!({"type": "connection_init", "payload": {"authorization": format!("Bearer {}", self.key)}}));
        assert_eq!(subscriber.next(), json!({"type": "connection_ack"}));
        subscriber
    }
}

struct Subscriber {
    socket: WebSocket<TcpStream>,
}

impl Subscriber {
    fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).expect("sent");
    }

    fn next(&mut self) -> Value {
        loop {
            match self.socket.read().expect("a message") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn subscribe(&mut self, id: &str, query: &str) {
        self.send(json!({"id": id, "type": "subscribe", "payload": {"query": query}}));
    }

    /// The next change, as `changed`.
    fn change(&mut self) -> Value {
        let message = self.next();
        assert_eq!(message["type"], "next", "{message}");
        message["payload"]["data"]["changed"].clone()
    }
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
}

#[test]
fn a_write_at_one_organisation_reaches_a_subscriber_at_another() {
    let network = Network::start(Options::default()).expect("four nodes start");
    let writer = Caller::new(&network, 0, &["--read", "*", "--write", "*"]);
    let reader = Caller::new(&network, 1, &["--read", "*"]);
    assert!(
        writer.ask("{ readingsCount { count } }", json!({})).to_string().contains("readingsCount"),
        "not there yet"
    );
    define_readings(&network, "readings");
    let mut subscriber = reader.subscriber();
    let changed = "subscription { changed: readingsChanged(cursor: \"\") { kind id before { json } after { version value { value unit } } } }";
    subscriber.subscribe("1", changed);
    writes(&writer, &mut subscriber);
    refuses(&network, &writer, &reader);
    writes_once_under_a_key(&writer);
    writes_all_or_nothing(&writer);
    // Another collection is there from the moment it is defined.
    define_readings(&network, "cold-rooms");
    let made = writer.write("putColdRooms", "r1", "", &json!({"value": -20}));
    assert_eq!(made["data"]["written"]["transaction"]["outcome"], "APPLIED", "{made}");
    let read = "{ coldRooms(id: \"r1\") { value { value } certified } }";
    // Certified at the writer's node; the reader's may know of it a moment later.
    let since = Instant::now();
    let seen = loop {
        let seen = reader.ask(read, json!({}));
        if !seen["data"]["coldRooms"].is_null() || since.elapsed() > READ_WITHIN {
            break seen;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(seen["data"]["coldRooms"], json!({"value": {"value": -20}, "certified": true}), "{seen}");
    ends_the_subscription_of_a_revoked_key(&network, &writer, &reader);
}

/// Create, patch on a version, delete; the subscriber at the other organisation hears of each.
fn writes(writer: &Caller, subscriber: &mut Subscriber) {
    let made = writer.write("createReadings", "a", ", wait: CERTIFIED", &json!({"value": 1}));
    let written = &made["data"]["written"];
    assert_eq!(written["document"], json!({"version": 1, "json": {"value": 1}}), "{made}");
    let transaction = &written["transaction"];
    assert_eq!((&transaction["outcome"], &transaction["missing"]), (&json!("APPLIED"), &json!([])), "{transaction}");
    assert!(["CERTIFIED", "ALL"].iter().any(|level| transaction["level"] == *level), "{transaction}");
    let status = format!("{{ transaction(id: {}) {{ outcome height by }} }}", transaction["id"]);
    let status = writer.ask(&status, json!({}));
    assert_eq!(status["data"]["transaction"]["height"], transaction["height"], "{status}");
    let first = json!({"kind": "CREATED", "id": "a", "before": null, "after": {"version": 1, "value": {"value": 1, "unit": null}}});
    assert_eq!(subscriber.change(), first);
    let patched = writer.write("patchReadings", "a", ", ifVersion: 1", &json!({"unit": "C"}));
    assert_eq!(patched["data"]["written"]["document"]["json"], json!({"value": 1, "unit": "C"}), "{patched}");
    assert_eq!(subscriber.change()["after"], json!({"version": 2, "value": {"value": 1, "unit": "C"}}));
    let gone = writer.write("deleteReadings", "a", "", &Value::Null);
    assert_eq!(gone["data"]["written"]["document"], Value::Null, "{gone}");
    let last = json!({"kind": "DELETED", "id": "a", "before": {"json": {"value": 1, "unit": "C"}}, "after": {"version": 3, "value": null}});
    assert_eq!(subscriber.change(), last);
}

/// What is refused says why, and is not recorded.
fn refuses(network: &Network, writer: &Caller, reader: &Caller) {
    let put = writer.write("putReadings", "b", ", ifAbsent: true", &json!({"value": 5}));
    assert_eq!(put["data"]["written"]["document"]["version"], 1, "{put}");
    let size = network.status(0).expect("a status").tree_size;
    let bad = writer.write("createReadings", "c", "", &json!({"value": "warm", "unit": "K"}));
    let places = json!([{"pointer": "/unit", "keyword": "enum"}, {"pointer": "/value", "keyword": "type"}]);
    assert_eq!((code(&bad), &bad["errors"][0]["extensions"]["violations"]), ("SCHEMA_VIOLATION", &places), "{bad}");
    assert_eq!(bad["data"], json!({"written": null}));
    let large = writer.write("createReadings", "c", "", &json!({"value": 1, "unit": "x".repeat(300 << 10)}));
    assert_eq!(code(&large), "TOO_LARGE");
    let inexact = "mutation { createReadings(id: \"c\", value: {value: 9007199254740993}) { transaction { id } } }";
    assert_eq!(code(&writer.ask(inexact, json!({}))), "MALFORMED");
    assert_eq!(code(&reader.write("putReadings", "b", "", &json!({"value": 6}))), "PERMISSION_DENIED");
    assert_eq!(network.status(0).expect("a status").tree_size, size, "nothing was recorded");
    assert_eq!(code(&writer.write("createReadings", "b", "", &json!({"value": 6}))), "ALREADY_EXISTS");
    assert_eq!(
        code(&writer.write("putReadings", "b", ", ifAbsent: true", &json!({"value": 6}))),
        "PRECONDITION_FAILED"
    );
    let stale = writer.write("patchReadings", "b", ", ifVersion: 9", &json!({"value": 6}));
    assert_eq!(code(&stale), "VERSION_CONFLICT");
    assert!(stale["errors"][0]["extensions"]["transaction"].is_string(), "{stale}");
}

fn writes_once_under_a_key(writer: &Caller) {
    let keyed = ", idempotencyKey: \"order-17\"";
    let first = writer.write("patchReadings", "b", keyed, &json!({"value": 10}));
    let again = writer.write("patchReadings", "b", keyed, &json!({"value": 10}));
    assert_eq!(first["data"]["written"]["document"]["version"], 2, "{first}");
    assert_eq!(again["data"]["written"]["transaction"]["id"], first["data"]["written"]["transaction"]["id"], "{again}");
    assert_eq!(again["data"]["written"]["document"]["version"], 2, "executed once");
    assert_eq!(code(&writer.write("patchReadings", "b", keyed, &json!({"value": 11}))), "NONCE_REUSED");
}

fn writes_all_or_nothing(writer: &Caller) {
    let both = "mutation($operations: [JSON!]!) { transaction(operations: $operations) { outcome height } }";
    let operations = |last: &str| {
        json!({"operations": [
            {"op": "increment", "collection": "readings", "id": "b", "pointer": "/value", "by": 4},
            {"op": "delete", "collection": "readings", "id": last}
        ]})
    };
    let none = writer.ask(both, operations("x"));
    assert_eq!((code(&none), &none["errors"][0]["extensions"]["operation"]), ("NOT_FOUND", &json!(1)), "{none}");
    let value = "{ readings(id: \"b\") { value { value } } }";
    assert_eq!(writer.ask(value, json!({}))["data"]["readings"]["value"]["value"], 10);
    writer.write("putReadings", "x", "", &json!({"value": 1}));
    let done = writer.ask(both, operations("x"));
    assert_eq!(done["data"]["transaction"]["outcome"], "APPLIED", "{done}");
    assert_eq!(writer.ask(value, json!({}))["data"]["readings"]["value"]["value"], 14);
}

/// A subscription that was open when its key was revoked ends with the reason, and says nothing of what came after.
fn ends_the_subscription_of_a_revoked_key(network: &Network, writer: &Caller, reader: &Caller) {
    let mut subscriber = reader.subscriber();
    subscriber.subscribe("2", "subscription { changed: readingsChanged(cursor: \"\") { id } }");
    writer.write("putReadings", "d", "", &json!({"value": 1}));
    while subscriber.change() != json!({"id": "d"}) {}
    let node = &network.nodes()[1];
    let id = reader.key.split('_').nth(1).expect("an id");
    let revoke = ["api-key", "revoke", "--folder", &node.folder.display().to_string(), id];
    network.cli(&format!("{}/ops", node.organisation), &revoke).expect("runs").ok().expect("revoked");
    std::thread::sleep(Duration::from_millis(500));
    writer.write("putReadings", "e", "", &json!({"value": 1}));
    let end = subscriber.next();
    assert_eq!((&end["id"], &end["type"]), (&json!("2"), &json!("error")), "{end}");
    let extensions = &end["payload"][0]["extensions"];
    assert_eq!(extensions["code"], "UNAUTHENTICATED");
    assert!(extensions["cursor"].is_string(), "{end}");
    subscriber.subscribe("4", "{ readingsCount { count } }");
    let refused = subscriber.next();
    assert_eq!((&refused["id"], &refused["type"]), (&json!("4"), &json!("error")), "{refused}");
}
