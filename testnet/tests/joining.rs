//! Let nodes come late: an observer joins a running network, a voter returns behind the purged log.
//!
//! These tests drive the `countersign` binary: `./check` builds it first.

use countersign_testnet::{Client, Network, Options, operations_account, wait_until};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(120);
const COLLECTION: &str = "readings";
/// Raft entries kept behind a purge, so few that a node that sleeps for a moment needs the members' blocks.
const LOG_ENTRIES_KEPT: u64 = 20;
const BLOCKS_MISSED: u64 = 500;
/// Logs are purged every two seconds.
const PURGED_WITHIN: Duration = Duration::from_secs(5);

fn define_readings(network: &Network) {
    let schema = network.layout().root().join("readings.schema.json");
    fs::write(&schema, json!({"type": "object", "required": ["id"]}).to_string()).expect("writes");
    network.define_collection(COLLECTION, &schema).expect("a quorum defines the collection");
}

/// Imports so many rows one after the other: as many blocks.
fn import_one_by_one(network: &Network, rows: u64) {
    let lines: String = (0..rows).map(|n| format!("{}\n", json!({"id": format!("row-{n:05}"), "n": n}))).collect();
    let file = network.layout().root().join("rows.ndjson");
    fs::write(&file, lines).expect("writes");
    let results = network.layout().root().join("rows.results.ndjson");
    let (file, results) = (file.to_string_lossy(), results.to_string_lossy());
    let arguments =
        ["import", "--collection", COLLECTION, "--id-field", "id", "--in-flight", "1", "--results", &results, &file];
    let account = operations_account(&network.nodes()[0].organisation);
    network.cli(&account, &arguments).and_then(|answer| answer.ok()).expect("every row is applied");
}

#[test]
fn a_voter_behind_the_purged_log_catches_up_from_the_members() {
    let mut network = Network::start(Options::default()).expect("four nodes start");
    network.stop_all().expect("they stop");
    for node in network.nodes().to_vec() {
        let file = node.folder.join("node.toml");
        let text = fs::read_to_string(&file).expect("node.toml");
        fs::write(&file, format!("{text}log_entries_kept = {LOG_ENTRIES_KEPT}\n")).expect("writes");
    }
    network.restart_all().expect("they start");
    define_readings(&network);
    let late = 3;
    network.kill(late).expect("the voter dies");
    let before = network.wait_leader(WITHIN).and_then(|leader| network.status(leader)).expect("a leader");
    import_one_by_one(&network, BLOCKS_MISSED);
    let after = network.wait_leader(WITHIN).and_then(|leader| network.status(leader)).expect("a leader");
    let missed = after.applied.height - before.applied.height;
    assert!(missed >= BLOCKS_MISSED, "only {missed} blocks were missed");
    std::thread::sleep(PURGED_WITHIN);
    network.restart(late).expect("the voter returns");
    let agreed = network.wait_agreement(WITHIN).expect("all four agree");
    assert!(agreed.height >= after.applied.height);
    let log = fs::read_to_string(network.layout().log(&network.nodes()[late].organisation)).expect("its log");
    assert!(log.contains("catching up from members"), "the Raft log alone sufficed: nothing was tested");
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

fn countersign(network: &Network, arguments: &[&str]) -> String {
    let output = Command::new(network.binary()).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn an_observer_joins_from_the_genesis_and_reaches_the_same_root() {
    let mut network = Network::start(Options::default()).expect("four nodes start");
    define_readings(&network);
    import_one_by_one(&network, 20);
    let folder = network.layout().root().join("observer");
    let (address, api) = (free_address(), free_address());
    let place = folder.to_string_lossy().into_owned();
    let init = [
        "node",
        "init",
        "--observer",
        "--folder",
        &place,
        "--node",
        "ua.example/2",
        "--address",
        &address,
        "--api",
        &api,
    ];
    let described = countersign(&network, &init);
    let tls = described.trim().rsplit('\t').next().expect("its TLS key").to_owned();
    let admit = ["node", "admit", "--target", "ua.example/2", "--address", &address, "--tls", &tls];
    network.cli("ua.example", &admit).and_then(|answer| answer.ok()).expect("its organisation admits it");
    let _observer = run_observer(&network, &folder);
    let agreed = network.wait_agreement(WITHIN).expect("the voters agree");
    let client = Client::new(network.binary(), network.layout(), format!("https://{api}"), "ua.example/ops");
    wait_until("the observer reaches the voters", WITHIN, || {
        let output = client.command(&["status", "--json", "--tls-key", &tls]).output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let there = text.contains(&agreed.state_root) && text.contains(&format!("\"height\":{}", agreed.height));
        if there { Ok(()) } else { Err(text) }
    })
    .expect("the same root");
    // What it serves is read there, and what it is given is forwarded.
    let document = network.layout().root().join("document.json");
    fs::write(&document, r#"{"id":"from-the-observer"}"#).expect("writes");
    let document = document.to_string_lossy().into_owned();
    let submit = ["submit", "--tls-key", &tls, "--create", COLLECTION, "from-the-observer", "--json", &document];
    client.run(&submit).and_then(|answer| answer.ok()).expect("certified through the observer");
    client.run(&["get", COLLECTION, "from-the-observer", "--tls-key", &tls]).and_then(|a| a.ok()).expect("read there");
}

fn run_observer(network: &Network, folder: &Path) -> Running {
    for (from, name) in
        [(network.layout().genesis(), "genesis.json"), (network.layout().signatures(), "genesis.signatures.json")]
    {
        fs::copy(from, folder.join(name)).expect("the genesis is handed over");
    }
    let hash = countersign_proof::plain_hash(&fs::read(network.layout().genesis()).expect("the genesis")).to_string();
    let log: PathBuf = folder.join("log");
    let log = fs::File::create(log).expect("a log");
    let mut command = Command::new(network.binary());
    command.args(["node", "run", "--genesis-hash", &hash, "--folder"]).arg(folder);
    Running(command.stdout(Stdio::null()).stderr(log).spawn().expect("the observer starts"))
}
