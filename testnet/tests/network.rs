//! Hold networks of real processes to what the project promises, with crashes.
//!
//! These tests drive the `countersign` binary: `./check` builds it first. One network at a time: four nodes and
//! their clients are enough for a small machine, and a test that starves proves nothing.

use countersign_proof::canonical;
use countersign_testnet::{
    Import, ImportPlan, Network, Options, RowResult, TestnetError, operations_account, wait_until,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const AGREE_WITHIN: Duration = Duration::from_secs(120);
const FLOW_WITHIN: Duration = Duration::from_secs(120);
const IMPORT_WITHIN: Duration = Duration::from_secs(300);
const LEADER_WITHIN: Duration = Duration::from_secs(60);
const COLLECTION: &str = "readings";
/// Long enough at this rate for a crash to hit it.
const LOAD_ROWS: u64 = 4_000;
const LOAD_ROWS_A_SECOND: u64 = 200;
/// Leaves that must have come before the crash.
const LOAD_BEFORE_CRASH: u64 = 200;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A network and the right to be the only one.
struct Alone {
    network: Network,
    _turn: MutexGuard<'static, ()>,
}

fn start() -> Alone {
    // A test that failed while it had the turn has nothing to do with the next.
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    Alone { network: Network::start(Options::default()).expect("four nodes start"), _turn: turn }
}

fn write(network: &Network, name: &str, text: &str) -> PathBuf {
    let file = network.layout().root().join(name);
    fs::write(&file, text).expect("the network's folder can be written");
    file
}

fn define_readings(network: &Network) {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["id", "value"],
        "properties": {"id": {"type": "string"}, "value": {"type": "integer"}},
        "additionalProperties": false
    });
    let file = write(network, "readings.schema.json", &schema.to_string());
    network.define_collection(COLLECTION, &file).expect("a quorum defines the collection");
}

/// Creates a document as `organisation` through its own node and waits until it is certified.
fn create(network: &Network, organisation: &str, collection: &str, id: &str, value: &Value) {
    let file = write(network, "document.json", &value.to_string());
    let file = file.to_str().expect("a temporary folder's name is UTF-8");
    let arguments = ["submit", "--create", collection, id, "--json", file];
    let answer = network.cli(&operations_account(organisation), &arguments).and_then(|answer| answer.ok());
    answer.unwrap_or_else(|e| panic!("{organisation} creates {id}: {e}"));
}

fn organisations(network: &Network) -> Vec<String> {
    network.nodes().iter().map(|node| node.organisation.clone()).collect()
}

/// An import of `LOAD_ROWS` rows as the first organisation; a second run of it goes on with the first.
fn load(network: &Network) -> ImportPlan {
    let rows: String =
        (0..LOAD_ROWS).map(|n| format!("{}\n", json!({"id": format!("row-{n:05}"), "value": n}))).collect();
    ImportPlan {
        account: operations_account(&organisations(network)[0]),
        collection: COLLECTION.to_owned(),
        id_field: "id".to_owned(),
        rows: write(network, "load.ndjson", &rows),
        results: network.layout().root().join("load.results.ndjson"),
        rate: Some(LOAD_ROWS_A_SECOND),
    }
}

/// Starts the load and returns when part of it is on the ledger.
fn start_load(network: &mut Network) -> Import {
    let first = largest_tree(network);
    let mut import = Import::start(network, load(network)).expect("the import starts");
    wait_until("the load flows", FLOW_WITHIN, || {
        let leaves = largest_tree(network).saturating_sub(first);
        if leaves >= LOAD_BEFORE_CRASH { Ok(()) } else { Err(format!("{leaves} leaves")) }
    })
    .expect("the load flows");
    assert!(import.is_running(), "the import is to be hit by the crash, but is over already");
    import
}

fn largest_tree(network: &mut Network) -> u64 {
    network.statuses().iter().map(|status| status.tree_size).max().unwrap_or(0)
}

/// Every answered row is there with its value, written once; nothing is there that was not sent. Asked of each node.
fn assert_answered_rows_are_there_once(network: &Network, results: &[RowResult]) {
    let answered: Vec<&RowResult> = results.iter().filter(|row| row.is_applied()).collect();
    assert!(answered.len() as u64 >= LOAD_BEFORE_CRASH / 2, "only {} rows were answered", answered.len());
    for (n, node) in network.nodes().iter().enumerate() {
        let documents = network.client(&operations_account(&node.organisation), n).documents(COLLECTION);
        let documents = documents.unwrap_or_else(|e| panic!("{} lists: {e}", node.node));
        let by_id: BTreeMap<&str, _> = documents.iter().map(|d| (d.id.as_str(), d)).collect();
        assert_eq!(by_id.len(), documents.len(), "{} lists an id twice", node.node);
        for row in &answered {
            assert!(by_id.contains_key(row.id.as_str()), "{} lost {}, which was answered", node.node, row.id);
        }
        for document in documents.iter().filter(|d| d.id.starts_with("row-")) {
            let number: u64 = document.id["row-".len()..].parse().expect("our ids end with a number");
            assert_eq!(document.version, 1, "{} wrote {} more than once", node.node, document.id);
            assert_eq!(document.value, json!({"id": document.id, "value": number}), "{}", node.node);
        }
    }
}

#[test]
fn four_processes_agree() {
    let mut alone = start();
    let network = &mut alone.network;
    define_readings(network);
    let before = network.wait_agreement(AGREE_WITHIN).expect("agreement on the collection");
    for organisation in organisations(network) {
        create(network, &organisation, COLLECTION, &organisation, &json!({"id": organisation, "value": 1}));
    }
    let after = network.wait_agreement(AGREE_WITHIN).expect("agreement on the documents");
    assert!(after.height > before.height && after.tree_size > before.tree_size, "{before:?}, then {after:?}");
    assert_ne!(after.state_root, before.state_root);
    for (n, node) in network.nodes().iter().enumerate() {
        let documents = network.client(&operations_account(&node.organisation), n).documents(COLLECTION);
        assert_eq!(documents.expect("a list").len(), 4, "{}", node.node);
    }
}

#[test]
fn leader_killed_loses_nothing() {
    let mut alone = start();
    let network = &mut alone.network;
    define_readings(network);
    let mut import = start_load(network);
    let leader = network.wait_leader(LEADER_WITHIN).expect("a leader");
    network.kill(leader).expect("the leader dies");
    let successor = network.wait_leader(LEADER_WITHIN).expect("a successor");
    assert_ne!(successor, leader);
    assert!(import.is_running(), "the import is to live through the change, but is over already");
    network.restart(leader).expect("the old leader starts again");
    let summary = import.finish(IMPORT_WITHIN).expect("every row is answered as applied");
    assert_eq!((summary.applied, summary.rejected), (LOAD_ROWS, 0));
    network.wait_agreement(AGREE_WITHIN).expect("agreement with the old leader");
    let results = import.results().expect("the results");
    assert_eq!(results.iter().filter(|row| row.is_applied()).count() as u64, LOAD_ROWS);
    assert_answered_rows_are_there_once(network, &results);
}

#[test]
fn all_nodes_killed_at_once_under_load_lose_nothing_answered() {
    let mut alone = start();
    let network = &mut alone.network;
    define_readings(network);
    let mut import = start_load(network);
    network.kill_all().expect("all nodes die");
    network.restart_all().expect("all nodes start again and have a leader");
    // It may live through the outage or give up on it: what it was told counts either way.
    import.wait(IMPORT_WITHIN).expect("the import ends");
    create(network, "dl.example", COLLECTION, "afterwards", &json!({"id": "afterwards", "value": 1}));
    network.wait_agreement(AGREE_WITHIN).expect("agreement after the crash");
    assert_answered_rows_are_there_once(network, &import.results().expect("the results"));
    // The same rows again: those without an answer get one, the others are not written a second time.
    let mut again = Import::start(network, load(network)).expect("the import starts again");
    again.finish(IMPORT_WITHIN).expect("every row is answered as applied");
    network.wait_agreement(AGREE_WITHIN).expect("agreement at the end");
    assert_answered_rows_are_there_once(network, &again.results().expect("the results"));
    let documents = network.client("b6.example/ops", 1).documents(COLLECTION).expect("a list");
    assert_eq!(documents.len() as u64, LOAD_ROWS + 1);
}

#[test]
fn epcis_events_round_trip() {
    let Some(folder) = shared_folder("epcis") else { return };
    let mut alone = start();
    let network = &mut alone.network;
    let schema = write(network, "epcis.schema.json", &event_schema(&folder).to_string());
    network.define_collection("epcis", &schema).expect("the standard's own schema");
    let text = fs::read_to_string(folder.join("events.ndjson")).expect("the events");
    // Seven have no id of their own and some share one, so the line is the key.
    let events: BTreeMap<String, Value> =
        text.lines().enumerate().map(|(n, line)| (format!("line-{:02}", n + 1), parse(line))).collect();
    assert_eq!(events.len(), 51);
    let organisations = organisations(network);
    for (n, (id, event)) in events.iter().enumerate() {
        create(network, &organisations[n % organisations.len()], "epcis", id, event);
    }
    network.wait_agreement(AGREE_WITHIN).expect("agreement on the events");
    let documents = network.client("port.example/ops", 3).documents("epcis").expect("a list");
    let returned: BTreeMap<&str, Vec<u8>> = documents.iter().map(|d| (d.id.as_str(), canonical(&d.value))).collect();
    let sent: BTreeMap<&str, Vec<u8>> = events.iter().map(|(id, event)| (id.as_str(), canonical(event))).collect();
    assert_eq!(returned.len(), documents.len(), "an id is listed twice");
    assert!(returned == sent, "what comes back is not what was sent");
    assert_breaking_event_is_rejected(network);
}

/// The standard's definitions word for word, entered where it describes an event of a document: at its root it asks
/// each event for the `@context` that stands in the document's envelope (docs/decisions, schema limits).
fn event_schema(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("EPCIS-JSON-Schema.json")).expect("the schema");
    let standard = parse(&text);
    json!({
        "$schema": standard["$schema"],
        "$id": standard["$id"],
        "definitions": standard["definitions"],
        "allOf": [{"$ref": "#/definitions/EPCIS-Document-Event"}],
    })
}

/// Without this, a node that ignores the schema would pass.
fn assert_breaking_event_is_rejected(network: &Network) {
    let file = write(network, "breaking.json", &json!({"type": "ObjectEvent", "eventTime": "yesterday"}).to_string());
    let file = file.to_str().expect("a temporary folder's name is UTF-8");
    let answer = network.cli("ua.example/ops", &["submit", "--create", "epcis", "breaking", "--json", file]);
    let rejected = answer.and_then(|a| a.expect_code(countersign_testnet::answer::code::REJECTED));
    rejected.map_err(|e: TestnetError| e.to_string()).expect("an event that breaks the standard is rejected");
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).expect("an event is JSON")
}

/// A folder of the data that lies beside the repository. None, said in one line, when it does not.
fn shared_folder(name: &str) -> Option<PathBuf> {
    let folder = Path::new("../../shared/data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing", folder.display());
    println!("skipped: {} is missing", folder.display());
    None
}
