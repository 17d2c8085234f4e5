//! Change who is a member: one joins, one leaves, and proofs of every epoch are verified from the genesis hash alone.
//!
//! These tests drive the `countersign` and `countersign-verify` binaries: `./check` builds them first.

use countersign_testnet::{Network, Options, operations_account};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(120);
const COLLECTION: &str = "readings";

fn define_readings(network: &Network) {
    let schema = network.layout().root().join("readings.schema.json");
    fs::write(&schema, json!({"type": "object"}).to_string()).expect("writes");
    network.define_collection(COLLECTION, &schema).expect("a quorum defines the collection");
}

/// Submits a document and writes the exhibit of its receipt.
fn write_and_prove(network: &Network, operation: &str, n: u64, exhibit: &str) {
    let file = network.layout().root().join("document.json");
    fs::write(&file, json!({ "n": n }).to_string()).expect("writes");
    let account = operations_account(&network.nodes()[0].organisation);
    let file = file.to_string_lossy().into_owned();
    let submit = ["submit", operation, COLLECTION, "R-1", "--json", &file, "--output-json", "--timeout", "60s"];
    let answer = network.cli(&account, &submit).and_then(|answer| answer.ok()).expect("certified");
    let answer: Value = serde_json::from_str(&answer.stdout).expect("JSON");
    let transaction = answer["transaction"].as_str().expect("an id").to_owned();
    let out = network.layout().root().join(exhibit).to_string_lossy().into_owned();
    let get = ["receipt", "get", "--transaction", &transaction, "--exhibit", "--out", &out];
    network.cli(&account, &get).and_then(|answer| answer.ok()).expect("a receipt");
}

/// Verifies in the network's folder with nothing but the file and the genesis hash.
fn verify(network: &Network, arguments: &[&str]) -> Value {
    let hash = countersign_proof::plain_hash(&fs::read(network.layout().genesis()).expect("the genesis")).to_string();
    let binary = network.binary().with_file_name("countersign-verify");
    let mut command = Command::new(binary);
    command.current_dir(network.layout().root()).env_clear().args(arguments);
    let output = command.args(["--no-memory", "--json", "--genesis-hash", &hash]).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Stops a process for a while.
fn pause(pid: u32, time: Duration) -> JoinHandle<()> {
    let signal = move |name: &str| {
        let status = Command::new("kill").args([name, &pid.to_string()]).status().expect("kill runs");
        assert!(status.success(), "{name} {pid}");
    };
    signal("-STOP");
    std::thread::spawn(move || {
        std::thread::sleep(time);
        signal("-CONT");
    })
}

#[test]
fn an_organisation_joins_another_leaves_and_proofs_follow_from_the_genesis_hash() {
    let mut network = Network::start(Options::default()).expect("four nodes start");
    define_readings(&network);
    write_and_prove(&network, "--create", 0, "epoch-0.json");
    network.join("sw.example").expect("a fifth joins");
    network.wait_agreement(WITHIN).expect("five agree");
    write_and_prove(&network, "--replace", 1, "epoch-1.json");
    let leaver = network.nodes().iter().position(|node| node.organisation == "b6.example").expect("it is there");
    let paused = pause(network.pid(leaver).expect("it runs"), Duration::from_millis(1_500));
    network.leave("b6.example").expect("one leaves, and its node learns of it although it is late");
    paused.join().expect("it went on");
    network.wait_agreement(WITHIN).expect("four agree");
    write_and_prove(&network, "--replace", 2, "epoch-2.json");
    for epoch in 0..3u64 {
        let said = verify(&network, &["receipt", &format!("epoch-{epoch}.json")]);
        assert_eq!(said["epoch"].as_u64(), Some(epoch), "{said}");
        assert_eq!(said["counts"][0]["organisations"].as_u64(), Some([4, 5, 4][epoch as usize]), "{said}");
    }
    let account = operations_account(&network.nodes()[0].organisation);
    let fetch = |arguments: &[&str]| network.cli(&account, arguments).and_then(|answer| answer.ok()).expect("fetched");
    let root = network.layout().root().to_string_lossy().into_owned();
    let out = |name: &str| format!("{root}/{name}");
    fetch(&["trust", "get", "--out", &out("trust.json")]);
    let said = verify(&network, &["trust", "trust.json"]);
    assert_eq!(said["epochs"].as_array().expect("epochs").len(), 3);
    fetch(&["history", COLLECTION, "R-1", "--proof", &out("history.json"), "--exhibit"]);
    let said = verify(&network, &["history", "--collection", COLLECTION, "--id", "R-1", "history.json"]);
    assert_eq!(said["versions"].as_array().expect("versions").len(), 3, "{said}");
    fetch(&["get", COLLECTION, "R-1", "--proof", &out("state.json"), "--exhibit"]);
    let said = verify(&network, &["state", "--collection", COLLECTION, "--id", "R-1", "state.json"]);
    assert_eq!(said["answer"]["value"]["n"].as_u64(), Some(2), "{said}");
    fetch(&["consistency", "get", "--old", "3", "--out", &out("consistency.json")]);
    verify(&network, &["consistency", "--trust", "trust.json", "consistency.json"]);
    let audit = fetch(&["audit", "--level", "full", "--json"]);
    let audit: Value = serde_json::from_str(&audit.stdout).expect("JSON");
    assert_eq!((audit["epochs"].as_u64(), audit["verified"].as_bool()), (Some(3), Some(true)), "{audit}");
    // What is restarted goes on in its epoch.
    network.stop_all().expect("they stop");
    network.restart_all().expect("they start");
    write_and_prove(&network, "--replace", 3, "again.json");
    assert_eq!(verify(&network, &["receipt", "again.json"])["epoch"].as_u64(), Some(2));
}
