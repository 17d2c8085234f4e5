//! Run the commands that submit against nodes that refuse and go down.

#[path = "../../client/tests/mock/mod.rs"]
mod mock;

use mock::{ACCOUNT, Mock, genesis, key};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        std::fs::write(folder.path("genesis.json"), genesis().bytes()).expect("written");
        countersign_client::key_file::write(&folder.path("ops.key"), &key(2)).expect("written");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn run(&self, nodes: &[&str], line: &str) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.env("COUNTERSIGN_NODE", nodes.join(",")).env("COUNTERSIGN_ACCOUNT", ACCOUNT);
        command.env("COUNTERSIGN_GENESIS", "genesis.json").env("COUNTERSIGN_KEY", "ops.key");
        command.current_dir(self.0.path()).args(line.split_whitespace()).output().await.expect("it runs")
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn a_submission_ends_with_the_code_of_its_outcome() {
    let folder = Folder::new();
    std::fs::write(folder.path("d.json"), "{}").expect("written");
    let node = Mock::default().serve().await;
    let output = folder.run(&[&node], "submit --create flights UA1 --json d.json --save t --receipt r").await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let output = folder.run(&[&node], "verify receipt --no-memory r --json").await;
    assert_eq!(json(&output)["verified"], true);
    let again = folder.run(&[&node], "submit --file t --output-json").await;
    assert_eq!((json(&again)["outcome"].as_str(), json(&again)["leaf"].as_u64()), (Some("applied"), Some(0)));
    let rejected = folder.run(&[&node], "submit --increment flights bad /n -1").await;
    assert_eq!(rejected.status.code(), Some(3));
    let unreachable = folder.run(&["https://127.0.0.1:1"], "submit --delete flights UA1 --timeout 300ms").await;
    assert_eq!(unreachable.status.code(), Some(5), "{}", String::from_utf8_lossy(&unreachable.stderr));
    let silent = Mock { silence_ms: 60_000, ..Mock::default() }.serve().await;
    let unknown = folder.run(&[&silent], "submit --file t --timeout 300ms").await;
    assert_eq!(unknown.status.code(), Some(6), "{}", String::from_utf8_lossy(&unknown.stderr));
    assert_eq!(folder.run(&[&node], "submit --create flights UA1").await.status.code(), Some(2));
}

#[tokio::test]
async fn an_import_is_exactly_once_through_reconnections_and_repetition() {
    let folder = Folder::new();
    let rows: String = (0..300).map(|n| format!("{{\"id\":\"{}{n}\"}}\n", if n == 7 { "bad" } else { "UA" })).collect();
    std::fs::write(folder.path("rows.ndjson"), format!("{rows}\n{{\"no id\":1}}\n")).expect("written");
    let one = Mock { stream_length: Some(60), refuse_every: Some(25), ..Mock::default() };
    let two = Mock { stream_length: Some(90), executed: one.executed.clone(), ..Mock::default() };
    let nodes = [one.serve().await, two.serve().await];
    let nodes = [&nodes[0][..], &nodes[1][..]];
    let line = "import --collection flights --id-field id --in-flight 32 --json --results results.ndjson rows.ndjson";

    let output = folder.run(&nodes, line).await;
    let first = json(&output);
    assert_eq!((output.status.code(), &first["applied"], &first["rejected"]), (Some(4), &299.into(), &1.into()));
    assert_eq!((&first["refused"], &first["unknown"], &first["rows"]), (&1.into(), &0.into(), &301.into()));
    assert!(first["repeats"].as_u64() > Some(0), "nothing was repeated: nothing was tested");
    assert_eq!(one.executed.lock().expect("quiet").len(), 300);
    let results = lines(&folder.path("results.ndjson"));
    assert_eq!(results.len(), 301);
    let malformed = results.iter().find(|r| r["line"] == 302).expect("the last line");
    assert_eq!((&malformed["code"], &malformed["transaction"]), (&"MALFORMED_ROW".into(), &Value::Null));

    // Run again, the answered rows are skipped; without the results they give the same leaves.
    let output = folder.run(&nodes, line).await;
    assert_eq!((&json(&output)["skipped"], &json(&output)["applied"]), (&300.into(), &0.into()));
    std::fs::rename(folder.path("results.ndjson"), folder.path("before.ndjson")).expect("renamed");
    let output = folder.run(&nodes, line).await;
    assert_eq!((&json(&output)["skipped"], &json(&output)["applied"]), (&0.into(), &299.into()));
    assert_eq!(one.executed.lock().expect("quiet").len(), 300);
    let leaf = |results: &[Value]| results.iter().find(|r| r["id"] == "UA42").expect("a row")["leaf"].clone();
    assert_eq!(leaf(&lines(&folder.path("before.ndjson"))), leaf(&lines(&folder.path("results.ndjson"))));
}
