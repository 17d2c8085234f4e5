//! Run the commands that need no node: keys, genesis, and receipts of the golden ledger.

use countersign_ledger::store::kv::{Batch, Kv};
use countersign_ledger::store::{CacheSize, open_database};
use prost::Message;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn vectors() -> Value {
    let path = "../proof/tests/vectors/ledger.json";
    serde_json::from_slice(&std::fs::read(path).expect("the vectors")).expect("JSON")
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).expect(path)
}

fn countersign(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for name in ["NODE", "GENESIS", "ACCOUNT", "KEY", "TLS_KEY"] {
        command.env_remove(format!("COUNTERSIGN_{name}"));
    }
    command.current_dir(folder).args(line.split_whitespace()).output().expect("it runs")
}

fn ok(folder: &Path, line: &str) -> String {
    let output = countersign(folder, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn fails(folder: &Path, line: &str, code: i32) -> String {
    let output = countersign(folder, line);
    let message = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(code), "{line}: {message}");
    message
}

#[test]
fn receipts_of_the_golden_ledger_are_verified_offline() {
    let (v, folder) = (vectors(), tempfile::tempdir().expect("a folder"));
    let folder = folder.path();
    std::fs::write(folder.join("genesis.json"), text(&v, "/genesis")).expect("written");
    let hash = text(&v, "/genesis_hash");
    for name in ["applied", "rejected", "seal", "genesis", "exact_quorum"] {
        let receipt = text(&v, &format!("/checkpoint_1/receipt_{name}"));
        std::fs::write(folder.join("r"), receipt).expect("written");
        let said = ok(folder, &format!("verify receipt --no-memory --genesis genesis.json --genesis-hash {hash} r"));
        let signed = if name == "exact_quorum" { "by 3 of 4" } else { "by 4 of 4" };
        assert!(said.contains(signed) && said.contains("of a log of 5") && said.contains("not proved"), "{said}");
    }
    let json = ok(folder, "verify receipt --no-memory --genesis genesis.json --json r");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["leaf"]["outcome"], "applied");
    assert_eq!(json["signers"].as_object().expect("an object").len(), 3);
}

#[test]
fn an_altered_receipt_or_another_genesis_ends_with_11_and_one_line() {
    let (v, folder) = (vectors(), tempfile::tempdir().expect("a folder"));
    let folder = folder.path();
    std::fs::write(folder.join("genesis.json"), text(&v, "/genesis")).expect("written");
    let receipt = text(&v, "/checkpoint_1/receipt_exact_quorum").as_bytes();
    for at in [0, 40, receipt.len() / 2, receipt.len() - 30, receipt.len() - 1] {
        let mut altered = receipt.to_vec();
        altered[at] ^= 1;
        std::fs::write(folder.join("r"), altered).expect("written");
        let message = fails(folder, "verify receipt --no-memory --genesis genesis.json r", 11);
        assert!(message.starts_with("countersign: not verified, ") && message.lines().count() == 1, "{message}");
    }
    std::fs::write(folder.join("r"), receipt).expect("written");
    let other = "0".repeat(64);
    fails(folder, &format!("verify receipt --no-memory --genesis genesis.json --genesis-hash {other} r"), 11);
    fails(folder, "verify receipt --no-memory --genesis nowhere.json r", 2);
}

#[test]
fn founders_make_keys_nodes_and_a_signed_genesis() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    std::fs::write(folder.join("schema.json"), r#"{ "type": "object" }"#).expect("written");
    let mut line = "genesis new --ledger flights.example --collection flights=schema.json:ua.example,dl.example \
                    --limits document_bytes=65536 --out genesis.json"
        .to_owned();
    for name in ["ua", "dl"] {
        let key = ok(folder, &format!("key new --out {name}.key"));
        assert_eq!(key, ok(folder, &format!("key show {name}.key")));
        let node = format!("node init --folder {name} --node {name}.example/1 --address h:{}", name.len() + 7000);
        let shown = ok(folder, &format!("{node} --api 127.0.0.1:1 --out {name}.json"));
        assert_eq!(shown.trim_end(), std::fs::read_to_string(folder.join(format!("{name}.json"))).expect("there"));
        fails(folder, &format!("{node} --api 127.0.0.1:1"), 2);
        line += &format!(" --organisation {name}.example={} --node-file {name}.json", key.trim_end());
    }
    let ops = ok(folder, "key new --out ops.key");
    let said = ok(folder, &format!("{line} --account ua.example/ops={ops}"));
    let hash = said.lines().next().and_then(|l| l.strip_prefix("genesis hash  ")).expect("the hash").to_owned();
    assert!(said.contains(&format!("origin        flights.example/{hash}")));
    let bytes = std::fs::read(folder.join("genesis.json")).expect("there");
    assert_eq!(countersign_proof::plain_hash(&bytes).to_string(), hash);
    let sign = "genesis sign --genesis genesis.json --out s.json";
    fails(folder, &format!("{sign} --organisation ua.example --key dl.key"), 2);
    ok(folder, &format!("{sign} --organisation ua.example --key ua.key"));
    fails(folder, "genesis check --genesis genesis.json --signatures s.json", 11);
    ok(folder, &format!("{sign} --organisation dl.example --key dl.key"));
    ok(folder, "genesis check --genesis genesis.json --signatures s.json");
    let node: toml::Table = std::fs::read_to_string(folder.join("ua/node.toml")).expect("there").parse().expect("TOML");
    assert_eq!(node["listen"].as_str(), Some("h:7002"));
    let token = ok(folder, "token new --genesis genesis.json --account ua.example/ops --key ops.key");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let origin = format!("flights.example/{hash}");
    countersign_proto::Token::parse(token.trim_end(), &origin, now).expect("a token that holds");
}

/// Founds a ledger of two and gives the genesis hash; the node folder of the first is complete.
fn found(folder: &Path) -> String {
    std::fs::write(folder.join("schema.json"), r#"{ "type": "object" }"#).expect("written");
    let mut line =
        "genesis new --ledger flights.example --collection flights=schema.json:ua.example --out genesis.json"
            .to_owned();
    for name in ["ua", "dl"] {
        let key = ok(folder, &format!("key new --out {name}.key"));
        let node = format!("node init --folder {name} --node {name}.example/1 --address 127.0.0.1:{}", name.len());
        ok(folder, &format!("{node} --api 127.0.0.1:0 --out {name}.json"));
        line += &format!(" --organisation {name}.example={} --node-file {name}.json", key.trim_end());
    }
    let said = ok(folder, &format!("{line} --account ua.example/ops={}", ok(folder, "key new --out ops.key")));
    for name in ["ua", "dl"] {
        let sign = "genesis sign --genesis genesis.json --out genesis.signatures.json";
        ok(folder, &format!("{sign} --organisation {name}.example --key {name}.key"));
    }
    for name in ["genesis.json", "genesis.signatures.json"] {
        std::fs::copy(folder.join(name), folder.join("ua").join(name)).expect("copied");
    }
    said.lines().next().and_then(|l| l.strip_prefix("genesis hash  ")).expect("the hash").to_owned()
}

/// The beginning of the row from which a ledger is opened (docs/formats.md).
#[derive(Clone, PartialEq, prost::Message)]
struct Tip {
    #[prost(uint32, tag = "9")]
    layout: u32,
}

#[test]
fn a_node_that_does_not_start_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let run = format!("node run --folder ua --genesis-hash {}", found(folder));
    let config = folder.join("ua/node.toml");
    let good = std::fs::read_to_string(&config).expect("there");
    for (line, named) in
        [("cache_mib = 47", "47 MiB of cache are not from 48 to 1048576"), ("cash_mib = 64", "cash_mib")]
    {
        std::fs::write(&config, format!("{line}\n{good}")).expect("written");
        let said = fails(folder, &run, 10);
        assert!(said.contains("node.toml") && said.contains(line) && said.contains(named), "{said}");
    }
    std::fs::write(&config, format!("cache_mib = 48\n{good}")).expect("written");
    let ledger = folder.join("ua/ledger-0");
    let database = open_database(&ledger, CacheSize::default()).expect("made");
    let mut batch = Batch::default();
    batch.put("meta", b"tip", Tip { layout: 4 }.encode_to_vec());
    database.write(batch).and_then(|()| database.sync()).expect("written");
    drop(database);
    let said = fails(folder, &run, 11);
    assert!(said.contains("layout 4") && said.contains("docs/operations.md"), "{said}");
    let database = open_database(&ledger, CacheSize::default()).expect("opens");
    assert_eq!(
        database.get("meta", b"tip").expect("reads"),
        Some(Tip { layout: 4 }.encode_to_vec()),
        "it is left as it was"
    );
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    ok(folder.path(), "key new --out k");
    std::fs::set_permissions(folder.path().join("k"), PermissionsExt::from_mode(0o644)).expect("chmod");
    assert!(fails(folder.path(), "key show k", 2).contains("chmod 600 k"));
}

#[test]
fn what_a_new_schema_breaks_is_said_offline() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("writes");
    write("1.json", r#"{"properties":{"a":{"type":"integer"}},"additionalProperties":false}"#);
    write("2.json", r#"{"properties":{"a":{"type":"number"},"b":{}},"additionalProperties":false}"#);
    write("no.json", r#"{"type":7}"#);
    assert!(ok(folder, "collection compare --old 1.json --new 2.json").contains("nothing breaks"));
    let output = countersign(folder, "collection compare --old 2.json --new 1.json");
    let told = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("/properties/a/type: the type number was allowed"), "{told}");
    assert!(told.contains("/properties/b: it is gone"), "{told}");
    assert!(fails(folder, "collection compare --old 1.json --new no.json", 2).contains("no.json"));
}
