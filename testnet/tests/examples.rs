//! Run every example as it stands: each says itself what must come of it, and ends with an error where something else does.
//!
//! These tests drive the `countersign` binary: `./check` builds it first.

use countersign_testnet::{Network, Options};
use std::process::Command;

#[test]
fn every_example_is_as_it_must_be() {
    let network = Network::start(Options::default()).expect("four nodes start");
    let folder = std::fs::canonicalize("../examples").expect("the examples");
    let mut examples: Vec<_> = std::fs::read_dir(&folder)
        .expect("the examples")
        .map(|entry| entry.expect("an entry").path().join("run"))
        .filter(|run| run.exists())
        .collect();
    examples.sort();
    assert!(examples.len() >= 3, "{examples:?}");
    let path = std::env::var("PATH").expect("a path");
    for run in examples {
        let output = Command::new(&run).envs(network.variables(&path)).output().expect("bash is there");
        let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}\n{told}\n{wrong}", run.display());
    }
}
