//! Run the network bench for a few seconds, so that it is there when its numbers are wanted.

use serde_json::Value;
use std::process::Command;

#[test]
fn a_short_run_measures_checks_and_writes_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let (json, charts) = (folder.path().join("report.json"), folder.path().join("charts"));
    let ended = Command::new(env!("CARGO_BIN_EXE_countersign-bench"))
        .args(["network", "--seconds", "1", "--preload", "1000", "--in-flight", "1,16", "--runs", "1"])
        .args(["--level", "certified,committed", "--accounts", "16", "--overload-waiting", "2000"])
        .arg("--json")
        .arg(&json)
        .arg("--svg")
        .arg(&charts)
        .output()
        .expect("the bench starts");
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{}\n{printed}", String::from_utf8_lossy(&ended.stderr));
    for line in ["certified transactions checked against", "p50 certified, 1 in flight", "goodput at 10 times the peak"]
    {
        assert!(printed.contains(line), "no {line:?} in\n{printed}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("JSON");
    let rows = report["rows"].as_array().expect("rows");
    // Two numbers in flight at two levels, half of the peak, the overload.
    assert_eq!(rows.len(), 6, "{rows:?}");
    let mut counted = 0.0;
    for row in rows {
        let median = |name: &str| row["figures"][name]["median"].as_f64().unwrap_or_default();
        for figure in ["per_second", "p50_ms", "cpu_us.all", "cpu_us.node-3", "part_us.apply", "part_us.api_and_rest"] {
            assert!(median(figure) > 0.0, "{figure} of {row}");
        }
        assert!(median("p50_ms") <= median("p99_ms") && median("p99_ms") <= median("p999_ms"), "{row}");
        counted += median("per_second");
    }
    let checked = |what: &str| report["checked"][what].as_f64().unwrap_or_default();
    assert!(checked("transactions") > counted / 2.0 && checked("certificates") >= 6.0, "{}", report["checked"]);
    for chart in ["throughput.svg", "latency.svg", "cpu.svg"] {
        assert!(std::fs::read_to_string(charts.join(chart)).expect(chart).ends_with("</svg>\n"));
    }
}
