//! What the tests of real nodes' APIs share: keys to call with, a collection to call about.
#![allow(dead_code, reason = "each test file uses a part")]

use countersign_proto::v1::ledger_client::LedgerClient;
use countersign_testnet::{Network, governance_account};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

const READ_WITHIN: Duration = Duration::from_secs(60);

/// A new API key of node `n`, for its organisation's account `app`.
pub fn api_key(network: &Network, n: usize, scope: &[&str]) -> String {
    let node = &network.nodes()[n];
    let (account, folder) = (format!("{}/app", node.organisation), node.folder.display().to_string());
    let fixed = ["api-key", "create", "--folder", &folder, "--account", &account];
    let answer = network.cli(&format!("{}/ops", node.organisation), &[&fixed[..], scope].concat());
    answer.expect("runs").ok().expect("a key").stdout.trim().to_owned()
}

/// Takes an API key of node `n` back.
pub fn revoke(network: &Network, n: usize, key: &str) {
    let node = &network.nodes()[n];
    let id = key.split('_').nth(1).expect("an id");
    let revoke = ["api-key", "revoke", "--folder", &node.folder.display().to_string(), id];
    network.cli(&format!("{}/ops", node.organisation), &revoke).expect("runs").ok().expect("revoked");
}

/// Defines a collection of readings, `{"value": 1, "unit": "C"}`, to which every organisation may write.
pub fn define_readings(network: &Network, collection: &str) {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["value"],
        "properties": {"value": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
        "additionalProperties": false
    });
    let file = write(network, "readings.schema.json", &schema);
    network.define_collection(collection, &file).expect("a quorum defines the collection");
}

/// Defines a collection by a schema and an access rule, which every organisation approves.
pub fn define_ruled(network: &Network, collection: &str, schema: &Value, access: &Value) {
    let schema = write(network, "ruled.schema.json", schema).display().to_string();
    let access = write(network, "ruled.access.json", access).display().to_string();
    let mut arguments: Vec<String> =
        ["collection", "define", "--name", collection, "--schema", &schema, "--access", &access]
            .map(str::to_owned)
            .into();
    for node in &network.nodes()[1..] {
        let account = governance_account(&node.organisation);
        let key = network.layout().account_key(&account).display().to_string();
        arguments.extend(["--approve".to_owned(), format!("{account}={key}")]);
    }
    let proposer = network.client(&governance_account(&network.nodes()[0].organisation), 0);
    proposer.run(&arguments).expect("runs").ok().expect("defined");
}

/// A file of JSON in the network's folder.
pub fn write(network: &Network, name: &str, value: &Value) -> PathBuf {
    let file = network.layout().root().join(name);
    fs::write(&file, value.to_string()).expect("the network's folder can be written");
    file
}

/// A stock client: it trusts the certificates that the node wrote, and knows nothing of the genesis.
pub async fn connect(network: &Network, n: usize) -> LedgerClient<Channel> {
    let node = &network.nodes()[n];
    let pem = fs::read(node.folder.join("api.pem")).expect("the node's certificates");
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)).domain_name("localhost");
    let endpoint = Channel::from_shared(node.api_url()).expect("an address").tls_config(tls).expect("certificates");
    LedgerClient::new(endpoint.connect().await.expect("the node listens"))
}

/// One request over HTTP: the status, and the body where it is JSON.
pub fn http(port: u16, key: &str, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the node listens");
    stream.set_read_timeout(Some(READ_WITHIN)).expect("a timeout");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: node\r\nX-Api-Key: {key}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // A body that is too large need not be taken whole before it is refused.
    let _refused = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {method} {path}: {text}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}
