//! Govern real nodes as companies do: one organisation proposes, the others approve each by itself, and the APIs change live.
//!
//! These tests drive the `countersign` binary: `./check` builds it first.

use countersign_testnet::answer::code;
use countersign_testnet::{Answer, Network, Options, governance_account, operations_account, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);
const DOCUMENTS: &str = "/v1/collections/readings/documents";

fn schema(properties: Value) -> Value {
    json!({"type": "object", "required": ["value"], "properties": properties, "additionalProperties": false})
}

/// Writes a file into the network's folder and gives its path.
fn file(network: &Network, name: &str, value: &Value) -> String {
    let path = network.layout().root().join(name);
    fs::write(&path, value.to_string()).expect("the network's folder can be written");
    path.to_string_lossy().into_owned()
}

/// Runs a command as the governance account of organisation `n`, at its own node.
fn govern(network: &Network, n: usize, arguments: &[&str]) -> Answer {
    let account = governance_account(&network.nodes()[n].organisation);
    network.client(&account, n).run(arguments).expect("it runs")
}

fn done(answer: Answer) -> String {
    answer.ok().expect("done").stdout
}

/// An API key of node `n`.
fn api_key(network: &Network, n: usize) -> String {
    let node = &network.nodes()[n];
    let (account, folder) = (format!("{}/app", node.organisation), node.folder.display().to_string());
    let create =
        ["api-key", "create", "--folder", &folder, "--account", &account, "--read", "*", "--write", "readings"];
    done(govern(network, n, &create)).trim().to_owned()
}

/// The status and body of one HTTP request to node `n`.
fn http(network: &Network, n: usize, key: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", network.nodes()[n].http_port)).expect("the node listens");
    stream.set_read_timeout(Some(WITHIN)).expect("a timeout");
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n");
    let request = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status"), body.to_owned())
}

fn described(network: &Network, n: usize, key: &str) -> bool {
    http(network, n, key, "GET", "/openapi.json", "").1.contains("\"fahrenheit\"")
}

#[test]
fn organisations_approve_one_after_the_other_and_the_apis_change_live() {
    let network = Network::start(Options::default()).expect("four nodes start");
    let first = schema(json!({"value": {"type": "integer"}}));
    let first = file(&network, "readings.schema.json", &first);
    network.define_collection("readings", Path::new(&first)).expect("a quorum defines the collection");
    let key = api_key(&network, 0);
    let post = |id: &str, value: Value| {
        let body = json!({"value": value, "fahrenheit": 70});
        let body = if id == "old" { json!({"value": value}) } else { body };
        http(&network, 0, &key, "POST", &format!("{DOCUMENTS}/{id}"), &body.to_string()).0
    };
    assert_eq!(post("old", json!(1)), 201);
    assert_eq!(post("early", json!(1)), 422);

    let second = schema(json!({"value": {"type": "number"}, "fahrenheit": {"type": "number"}}));
    let second = file(&network, "readings-2.schema.json", &second);
    let id = proposes(&network, &second);
    others_approve(&network, &id, &key);
    assert_eq!(post("new", json!(1.5)), 201);
    let (status, old) = http(&network, 0, &key, "GET", &format!("{DOCUMENTS}/old"), "");
    assert!(status == 200 && old.contains("\"value\":1"), "{status} {old}");

    refuses_what_breaks(&network, &first);
    sets_and_withdraws(&network);
}

/// One organisation proposes; nothing has changed, and another sees it.
fn proposes(network: &Network, schema: &str) -> String {
    let evolve = ["collection", "evolve", "--name", "readings", "--schema", schema];
    assert!(done(govern(network, 0, &[&evolve[..], &["--check"]].concat())).contains("nothing breaks"));
    let said = done(govern(network, 0, &[&evolve[..], &["--propose", "--open-days", "2"]].concat()));
    let line = said.lines().find_map(|line| line.strip_prefix("proposal ")).expect("it says where it stands");
    let (id, rest) = line.split_once(' ').expect("an id");
    assert!(rest.starts_with("open\tevolve_collection readings\tapproved by ua.example\t"), "{rest}");
    wait_until("the third node lists it", WITHIN, || {
        let listed = govern(network, 2, &["proposal", "list"]).stdout;
        if listed.contains(id) { Ok(()) } else { Err(listed) }
    })
    .expect("a proposal is seen everywhere");
    id.to_owned()
}

fn others_approve(network: &Network, id: &str, key: &str) {
    let ops = operations_account(&network.nodes()[1].organisation);
    let alone = network.client(&ops, 1).run(&["proposal", "approve", id]).expect("it runs");
    let alone = alone.expect_code(code::REJECTED).expect("not a governance account");
    assert!(alone.stderr.contains("UNAUTHORIZED"), "{}", alone.stderr);
    assert!(done(govern(network, 1, &["proposal", "approve", id])).contains(" open\t"));
    let twice = govern(network, 1, &["proposal", "approve", id]).expect_code(code::REJECTED).expect("once each");
    assert!(twice.stderr.contains("ALREADY_EXISTS"), "{}", twice.stderr);
    assert!(!described(network, 0, key));
    let shown = done(govern(network, 3, &["proposal", "show", id]));
    assert!(shown.contains("needs      3 of 4 organisations") && shown.contains("\"fahrenheit\""), "{shown}");
    assert!(done(govern(network, 2, &["proposal", "approve", id])).contains(" executed\t"));
    wait_until("the description has changed", WITHIN, || {
        if described(network, 0, key) { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .expect("the API evolves live");
    let (_, page) = http(network, 0, key, "GET", &format!("/explorer/transactions/{id}"), "");
    assert!(page.contains("propose") && page.contains("evolve_collection"), "{page}");
    let (status, page) = http(network, 0, key, "GET", "/explorer/documents/%24proposals", "");
    assert!(status == 200 && page.contains(id), "{status} {page}");
    let late = govern(network, 3, &["proposal", "approve", id]).expect_code(code::REJECTED).expect("it is executed");
    assert!(late.stderr.contains("PRECONDITION_FAILED"), "{}", late.stderr);
}

/// The way back would make documents invalid: said, and nothing recorded.
fn refuses_what_breaks(network: &Network, first: &str) {
    let before = network.status(0).expect("a status").tree_size;
    let evolve = ["collection", "evolve", "--name", "readings", "--schema", first, "--propose"];
    let refused = govern(network, 0, &evolve).expect_code(code::REFUSED).expect("it breaks");
    for place in ["/properties/fahrenheit: it is gone", "/properties/value/type: the type number was allowed"] {
        assert!(refused.stdout.contains(place), "{}", refused.stdout);
    }
    assert_eq!(network.status(0).expect("a status").tree_size, before);
}

/// What is said of an organisation, by a file of operations; and a proposal that its proposer takes back.
fn sets_and_withdraws(network: &Network) {
    let port = &network.nodes()[3].organisation;
    let attributes = file(network, "port.json", &json!({"code": "PO", "roles": ["airport"]}));
    let set = ["organisation", "set", "--target", port, "--attributes", &attributes];
    govern(network, 3, &set).expect_code(code::REJECTED).expect("not by itself");
    let operations = json!([{"set_organisation": {"organisation": port, "attributes": {"code": "PO"}}}]);
    let operations = file(network, "operations.json", &operations);
    let said = done(govern(network, 1, &["proposal", "create", "--operations", &operations, "--output-json"]));
    let said: Value = serde_json::from_str(&said).expect("JSON");
    let id = said["transaction"].as_str().expect("an id");
    govern(network, 0, &["proposal", "withdraw", id]).expect_code(code::REJECTED).expect("not its proposer");
    assert!(done(govern(network, 1, &["proposal", "withdraw", id])).contains(" withdrawn\t"));
    let listed = done(govern(network, 1, &["proposal", "list"]));
    assert!(!listed.contains(id), "{listed}");
    assert!(done(govern(network, 1, &["proposal", "list", "--all"])).contains(id));
    let said = done(govern(network, 1, &[&set[..], &["--propose"]].concat()));
    let id = said.lines().find_map(|line| line.strip_prefix("proposal ")?.split(' ').next()).expect("an id");
    for n in [0, 2] {
        done(govern(network, n, &["proposal", "approve", id]));
    }
    let document = done(govern(network, 3, &["get", "$organisations", port]));
    let document: Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!(document, json!({"attributes": {"code": "PO", "roles": ["airport"]}}));
}
