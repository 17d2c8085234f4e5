//! Run the benches of reads and of idle nodes for a moment, so that they are there when their numbers are wanted.

use serde_json::Value;
use std::process::Command;

/// What a bench writes with `--json`.
fn report(arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("report.json");
    let ended = Command::new(env!("CARGO_BIN_EXE_countersign-bench"))
        .args(arguments)
        .arg("--json")
        .arg(&json)
        .output()
        .expect("the bench starts");
    let (printed, errors) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{errors}\n{printed}");
    serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("JSON")
}

#[test]
fn every_kind_of_read_is_measured_at_both_nodes() {
    let report = report(&["reads", "--seconds", "1", "--preload", "500", "--in-flight", "128"]);
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2 * 6, "{rows:?}");
    for row in rows {
        let figure = |name: &str| row[name].as_f64().unwrap_or_default();
        assert!(figure("per_second") > 10.0 && figure("node_us") > 0.0, "{row}");
        assert!(0.0 < figure("p50_ms") && figure("p50_ms") <= figure("p99_ms"), "{row}");
    }
}

#[test]
fn an_idle_network_is_measured_fresh_and_loaded() {
    let report = report(&["footprint", "--seconds", "1", "--documents", "2000"]);
    let of = |state: &str, name: &str| report[state][name].as_f64().unwrap_or_default();
    // Not the disk: RocksDB takes more beforehand than so few documents need.
    assert!(of("fresh", "memory_mib") > 5.0 && of("fresh", "disk_mib") > 0.1, "{report}");
    assert!(of("loaded", "memory_mib") > of("fresh", "memory_mib"), "{report}");
    let start = report["start_seconds"].as_f64().unwrap_or_default();
    assert!(start > 0.01, "{report}");
}
