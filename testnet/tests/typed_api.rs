//! Hold the typed API of real nodes to what it promises, as its callers meet it: HTTP, keys, streams, a crash.
//!
//! These tests drive the `countersign` binary: `./check` builds it first.

mod common;

use common::{api_key, define_readings, revoke};
use countersign_testnet::{Network, Options};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const READ_WITHIN: Duration = Duration::from_secs(60);
const LEADER_WITHIN: Duration = Duration::from_secs(60);
const COLLECTION: &str = "readings";

/// A caller of one node's HTTP side.
struct Caller {
    port: u16,
    key: String,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Caller {
    /// One with a new API key of the node.
    fn new(network: &Network, n: usize, scope: &[&str]) -> Caller {
        Caller { port: network.nodes()[n].http_port, key: api_key(network, n, scope) }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the node listens");
        stream.set_read_timeout(Some(READ_WITHIN)).expect("a timeout");
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {}\r\nConnection: close\r\n{more}\
             Content-Length: {}\r\n\r\n{body}",
            self.key,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        stream
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut bytes = Vec::new();
        self.send(method, path, headers, body).read_to_end(&mut bytes).expect("an answer");
        let text = String::from_utf8(bytes).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        Answer { status, head: head.to_lowercase(), body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    fn write(&self, method: &str, id: &str, headers: &[(&str, &str)], value: &Value) -> Answer {
        let headers = [&[("Content-Type", "application/json")], headers].concat();
        self.ask(method, &document(id), &headers, &value.to_string())
    }

    /// The first `count` changes of a stream from a cursor on: the cursor and subject of each.
    fn changes(&self, cursor: &str, count: usize) -> Vec<(String, String)> {
        let path = format!("/v1/events?collections={COLLECTION}&cursor={cursor}");
        let mut lines = BufReader::new(self.send("GET", &path, &[], "")).lines();
        let mut found = Vec::new();
        while found.len() < count {
            let line = lines.next().expect("the stream goes on").expect("a line");
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let event: Value = serde_json::from_str(data).expect("JSON");
            assert!(event.get("code").is_none(), "the stream ended: {event}");
            if event["specversion"] == "1.0" {
                let text = |name: &str| event[name].as_str().expect(name).to_owned();
                found.push((text("id"), text("subject")));
            }
        }
        found
    }
}

fn document(id: &str) -> String {
    format!("/v1/collections/{COLLECTION}/documents/{id}")
}

#[test]
fn a_collection_has_a_typed_api_from_the_moment_it_is_defined() {
    let mut network = Network::start(Options::default()).expect("four nodes start");
    let writer = Caller::new(&network, 0, &["--read", "*", "--write", COLLECTION]);
    assert_eq!(writer.get(&format!("/v1/collections/{COLLECTION}")).status, 404);
    define_readings(&network, COLLECTION);
    let described = writer.get("/openapi.json");
    assert_eq!(described.body["openapi"], "3.0.3");
    assert!(described.body["paths"].get(format!("/v1/collections/{COLLECTION}/documents/{{id}}")).is_some());

    refuses_bad_data(&network, &writer);
    let tag = writes_and_reads(&writer);
    executes_a_keyed_request_once(&mut network, &writer, &tag);
    tells_another_company(&network, &writer);
    keeps_keys_unique(&network);
    lets_in_whom_it_knows(&network, &writer);
}

/// Bad data is refused with its places, and nothing of it is on the ledger.
fn refuses_bad_data(network: &Network, writer: &Caller) {
    let size = network.status(0).expect("a status").tree_size;
    let bad = writer.write("POST", "a", &[], &json!({"value": "warm", "unit": "K"}));
    assert_eq!(bad.status, 422);
    assert!(bad.head.contains("content-type: application/problem+json"), "{}", bad.head);
    let places = json!([{"pointer": "/unit", "keyword": "enum"}, {"pointer": "/value", "keyword": "type"}]);
    assert_eq!(bad.body["pointers"], places);
    let json = [("Content-Type", "application/json")];
    for (body, why) in [
        (r#"{"value":1,"value":2}"#, "a name twice"),
        (r#"{"value":9007199254740993}"#, "2^53+1"),
        (r#"{"value":NaN}"#, "no JSON"),
        ("{\"value\":1,\"unit\":\"\\ud800\"}", "a lone surrogate"),
        (&"[".repeat(100), "too deep"),
        ("", "nothing"),
    ] {
        assert_eq!(writer.ask("POST", &document("a"), &json, body).status, 400, "{why}");
    }
    let large = format!("{{\"value\":1,\"unit\":\"{}\"}}", "x".repeat(300 << 10));
    assert_eq!(writer.ask("POST", &document("a"), &json, &large).status, 413);
    assert_eq!(writer.ask("POST", &document("a"), &[("Content-Type", "text/plain")], "{}").status, 415);
    assert_eq!(writer.ask("POST", "/v1/events", &[], "").status, 405);
    assert_eq!(network.status(0).expect("a status").tree_size, size, "nothing was recorded");
}

/// Create, conflict, read, patch on a version, delete; gives the last version's tag.
fn writes_and_reads(writer: &Caller) -> String {
    let made = writer.write("POST", "a", &[], &json!({"value": 1}));
    assert_eq!((made.status, &made.body["document"]["version"]), (201, &json!(1)));
    assert!(made.head.contains("etag: \"1\"") && made.head.contains("location: /v1/transactions/"), "{}", made.head);
    assert_eq!(writer.write("POST", "a", &[], &json!({"value": 2})).status, 409);
    let set = writer.write("PATCH", "a", &[("If-Match", "\"1\"")], &json!({"unit": "C"}));
    assert_eq!((set.status, &set.body["document"]["value"]), (200, &json!({"value": 1, "unit": "C"})));
    let stale = writer.write("PATCH", "a", &[("If-Match", "\"1\"")], &json!({"unit": "F"}));
    assert_eq!((stale.status, &stale.body["code"]), (412, &json!("VERSION_CONFLICT")));
    assert_eq!(writer.write("PUT", "b", &[], &json!({"value": 5})).status, 201);
    assert_eq!(writer.write("PUT", "b", &[], &json!({"value": 6})).status, 200);
    assert_eq!(writer.get(&format!("{}?version=1", document("b"))).body["value"], json!({"value": 5}));
    let proved = writer.get(&format!("{}?proof=true", document("b")));
    assert_eq!((proved.status, &proved.body["proof"]["kind"]), (200, &json!("state-proof")));
    assert_eq!(writer.ask("DELETE", &document("b"), &[], "").status, 200);
    assert_eq!(writer.get(&document("b")).status, 404);
    let list = format!("/v1/collections/{COLLECTION}");
    assert_eq!(writer.get(&format!("{list}/count")).body["count"], 1);
    assert_eq!(writer.get(&format!("{list}/count?filter=%7B%22/value%22:%7B%22gt%22:1%7D%7D")).body["count"], 0);
    let both = json!({"operations": [
        {"op": "increment", "collection": COLLECTION, "id": "a", "pointer": "/value", "by": 4},
        {"op": "delete", "collection": COLLECTION, "id": "b"}
    ]});
    let json = [("Content-Type", "application/json")];
    let none = writer.ask("POST", "/v1/transactions", &json, &both.to_string());
    assert_eq!((none.status, &none.body["operation"]), (404, &json!(1)), "all or none");
    assert_eq!(writer.get(&document("a")).body["value"]["value"], 1);
    "\"2\"".to_owned()
}

/// The key lives on the ledger: not even a node that was killed in between executes the request twice.
fn executes_a_keyed_request_once(network: &mut Network, writer: &Caller, tag: &str) {
    let keyed = [("Idempotency-Key", "order-17"), ("If-Match", tag)];
    let first = writer.write("PATCH", "a", &keyed, &json!({"value": 10}));
    assert_eq!(first.status, 200, "{}", first.body);
    network.kill(0).expect("killed");
    network.restart(0).expect("restarted");
    network.wait_leader(LEADER_WITHIN).expect("a leader");
    let again = writer.write("PATCH", "a", &keyed, &json!({"value": 10}));
    assert_eq!((again.status, &again.body["transaction"]["id"]), (200, &first.body["transaction"]["id"]));
    assert_eq!(again.body["document"]["version"], 3, "executed once");
    let other = writer.write("PATCH", "a", &keyed, &json!({"value": 11}));
    assert_eq!((other.status, &other.body["code"]), (409, &json!("NONCE_REUSED")));
    let wrong = writer.write("PATCH", "a", &[("Idempotency-Key", &"x".repeat(1024))], &json!({"value": 1}));
    assert_eq!(wrong.status, 400);
}

/// Another company's node tells of every change once, in order, from any cursor on.
fn tells_another_company(network: &Network, writer: &Caller) {
    let reader = Caller::new(network, 1, &["--read", "*"]);
    let rows: String = (0..50).map(|n| format!("{{\"id\":\"row-{n:02}\",\"value\":{{\"value\":{n}}}}}\n")).collect();
    let path = format!("/v1/collections/{COLLECTION}/bulk");
    let ndjson = [("Content-Type", "application/x-ndjson")];
    let report = writer.ask("POST", &path, &ndjson, &rows).body;
    assert_eq!((&report["applied"], &report["failed"]), (&json!(50), &json!(0)), "{report}");
    let again = writer.ask("POST", &path, &ndjson, &rows).body;
    assert_eq!(again["report"][7]["transaction"]["id"], report["report"][7]["transaction"]["id"]);
    // a and b before: made, patched twice; made, set, deleted.
    let all = reader.changes("", 56);
    assert_eq!(all.iter().filter(|(_, subject)| subject.contains("/row-")).count(), 50);
    for at in [0, 3, 20, 54] {
        assert_eq!(reader.changes(&all[at].0, 55 - at), all[at + 1..], "resumed after {}", all[at].0);
    }
}

/// Two companies add one key at once, each at its own node: one wins, the other is told whose it is.
fn keeps_keys_unique(network: &Network) {
    let schema = json!({
        "type": "object",
        "properties": {"number": {"type": "string"}, "seat": {"type": "integer"}},
        "x-unique": ["/number"],
        "x-indexes": ["/seat"]
    });
    let file = network.layout().root().join("tickets.schema.json");
    fs::write(&file, schema.to_string()).expect("the network's folder can be written");
    network.define_collection("tickets", &file).expect("a quorum defines the collection");
    let companies = [0, 1].map(|n| Caller::new(network, n, &["--read", "*", "--write", "tickets"]));
    let json = [("Content-Type", "application/json")];
    let tickets = "/v1/collections/tickets/documents";
    let within = std::time::Instant::now();
    // The definition is certified before the other company's node may have applied it.
    while companies.iter().any(|company| company.get("/v1/collections/tickets").status != 200) {
        assert!(within.elapsed() < READ_WITHIN, "every node has the collection");
        std::thread::sleep(Duration::from_millis(50));
    }
    for round in 0..10 {
        let body = json!({"number": format!("T-{round}"), "seat": round}).to_string();
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let add = |n: usize| {
                let (company, body) = (&companies[n], &body);
                scope.spawn(move || company.ask("POST", &format!("{tickets}/{round}-of-{n}"), &json, body))
            };
            let both = [add(0), add(1)];
            both.map(|thread| thread.join().expect("an answer")).into_iter().collect()
        });
        let winner = answers.iter().position(|answer| answer.status == 201).expect("one wins");
        let loser = &answers[1 - winner];
        assert_eq!((loser.status, &loser.body["code"]), (409, &json!("ALREADY_EXISTS")), "{}", loser.body);
        assert_eq!(loser.body["existing"], format!("{round}-of-{winner}"));
    }
    let company = &companies[1];
    let by_key = format!("{tickets}?key=/number");
    let set = company.ask("PUT", &by_key, &json, r#"{"number":"T-3","seat":33}"#);
    assert_eq!((set.status, &set.body["document"]["version"]), (200, &json!(2)), "{}", set.body);
    let keyed = [json[0], ("Idempotency-Key", "upsert-1")];
    let made = company.ask("PUT", &by_key, &keyed, r#"{"number":"T-new","seat":-1}"#);
    let again = company.ask("PUT", &by_key, &keyed, r#"{"number":"T-new","seat":-1}"#);
    assert_eq!((made.status, again.status), (201, 201), "{}", again.body);
    assert_eq!(made.body["transaction"]["id"], again.body["transaction"]["id"]);
    assert_eq!(made.body["document"]["id"], again.body["document"]["id"]);
    let named = company.ask("PUT", &format!("{by_key}&id=mine"), &json, r#"{"number":"T-mine"}"#);
    assert_eq!((named.status, &named.body["document"]["id"]), (201, &json!("mine")));
    let wrong = company.ask("PUT", &format!("{tickets}?key=/seat"), &json, r#"{"seat":1}"#);
    assert_eq!((wrong.status, &wrong.body["field"]), (400, &json!("key")));
    let found = company.get(&format!("{tickets}?filter=%7B%22/number%22:%7B%22eq%22:%22T-3%22%7D%7D")).body;
    assert_eq!(found["documents"][0]["value"]["seat"], 33, "{found}");
    let seats = company.get(&format!("{tickets}?sort=-/seat")).body;
    let seats: Vec<_> =
        seats["documents"].as_array().expect("a page").iter().map(|d| d["value"]["seat"].clone()).collect();
    assert_eq!(seats, [33, 9, 8, 7, 6, 5, 4, 2, 1, 0, -1]);
    says_who_holds_the_key_on_the_command_line(network, set.body["document"]["id"].as_str().expect("an id"));
}

fn says_who_holds_the_key_on_the_command_line(network: &Network, holder: &str) {
    let file = network.layout().root().join("ticket.json");
    fs::write(&file, r#"{"number":"T-3"}"#).expect("the network's folder can be written");
    let account = format!("{}/ops", network.nodes()[2].organisation);
    let create = ["submit", "--create", "tickets", "late", "--json", &file.display().to_string(), "--output-json"];
    let answer = network.cli(&account, &create).expect("runs");
    let said: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    assert_eq!((&said["code"], &said["existing"]), (&json!("ALREADY_EXISTS"), &json!(holder)), "{said}");
}

/// No key, an unknown one, one without the scope, one of another company's node, one that was revoked.
fn lets_in_whom_it_knows(network: &Network, writer: &Caller) {
    let strangers = ["", "csk_000000000000_00", "a.b.c"];
    for key in strangers {
        let stranger = Caller { port: writer.port, key: key.to_owned() };
        assert_eq!(stranger.get(&document("a")).status, 401, "{key:?}");
    }
    let blind = Caller::new(network, 0, &["--read", "others"]);
    assert_eq!(blind.get(&document("a")).status, 403);
    assert_eq!(blind.write("PUT", "a", &[], &json!({"value": 1})).status, 403);
    let elsewhere = Caller { port: network.nodes()[1].http_port, key: writer.key.clone() };
    assert_eq!(elsewhere.get(&document("a")).status, 401);
    ends_the_stream_of_a_revoked_key(network, writer);
    revoke(network, 0, &writer.key);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(writer.get(&document("a")).status, 401);
}

/// A stream that was open when its key was revoked ends with the reason, and says nothing of what came after.
fn ends_the_stream_of_a_revoked_key(network: &Network, writer: &Caller) {
    let reader = Caller::new(network, 1, &["--read", "*"]);
    let stream = reader.send("GET", "/v1/events?cursor=now", &[], "");
    assert_eq!(writer.write("PUT", "c", &[], &json!({"value": 1})).status, 201);
    let mut lines = BufReader::new(stream).lines();
    let mut data = || loop {
        let line = lines.next().expect("the stream goes on").expect("a line");
        if let Some(data) = line.strip_prefix("data: ").filter(|data| *data != "{}") {
            return serde_json::from_str::<Value>(data).expect("JSON");
        }
    };
    assert_eq!(data()["subject"], "readings/c");
    revoke(network, 1, &reader.key);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(writer.write("PUT", "d", &[], &json!({"value": 1})).status, 201);
    assert_eq!(data()["code"], "UNAUTHENTICATED");
    assert!(lines.all(|line| line.is_ok_and(|line| !line.contains("readings/d"))), "nothing after it");
}
