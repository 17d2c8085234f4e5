//! Run the bench of a growing ledger with a few thousand documents, so that it is there when its numbers are wanted.

use serde_json::Value;
use std::process::{Command, Output};

fn scale(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign-bench")).arg("scale").args(arguments).output().expect("it starts")
}

#[test]
fn a_small_ledger_is_grown_measured_and_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("report.json");
    let (json_text, folder_text) = (json.to_str().expect("UTF-8"), folder.path().to_str().expect("UTF-8"));
    let ended = scale(
        &[
            ["--documents", "3000", "--steps", "1000,10000", "--measured", "500", "--block", "100"].as_slice(),
            &["--operations", "5", "--folder", folder_text, "--json", json_text],
        ]
        .concat(),
    );
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{}\n{printed}", String::from_utf8_lossy(&ended.stderr));
    for line in
        ["transactions a second", "throughput of the first step that is kept", "bytes of a receipt, the largest"]
    {
        assert!(printed.contains(line), "no {line:?} in\n{printed}");
    }
    let report: Value = serde_json::from_slice(&std::fs::read(&json).expect("written")).expect("JSON");
    let steps = report["steps"].as_array().expect("steps");
    let of = |name: &str| steps.iter().map(|step| step[name].as_f64().unwrap_or_default()).collect::<Vec<f64>>();
    assert_eq!(of("documents"), [1000.0, 3000.0], "a step above the end is left out");
    // 500 documents, five a transaction, and 500 alone; then 1,500 and 500.
    assert_eq!(of("transactions"), [100.0 + 500.0, 600.0 + 300.0 + 500.0]);
    // Each with a leaf; a seal for each of 10 blocks, then of 20 more; genesis and its seal.
    assert_eq!(of("leaves"), [600.0 + 10.0 + 2.0, 1400.0 + 30.0 + 2.0]);
    for step in steps {
        for figure in ["per_second", "cpu_us", "start_seconds", "disk_bytes", "memory_bytes", "state_siblings"] {
            assert!(step[figure].as_f64().is_some_and(|value| value > 0.0), "{figure} of {step}");
        }
        for figure in ["read_us", "inclusion_us", "receipt_us", "receipt_verify_us", "state_us", "state_verify_us"] {
            let at = |share: &str| step[figure][share].as_f64().unwrap_or_default();
            assert!(0.0 < at("p50") && at("p50") <= at("p99"), "{figure} of {step}");
        }
        let parts: f64 = step["part_us"].as_object().expect("parts").values().filter_map(Value::as_f64).sum();
        let each = 1e6 / step["per_second"].as_f64().unwrap_or_default();
        assert!((0.5 * each..1.01 * each).contains(&parts), "the parts of {each} us are {parts} us");
    }
    // Seven cosignatures of 76 bytes and one of the log, all in base64, and their names.
    assert!(of("receipt_bytes").into_iter().all(|bytes| (1_000.0..4_000.0).contains(&bytes)), "{steps:?}");
    assert!(of("receipt_bytes")[0] < of("receipt_bytes")[1], "the path grows with the log");
    let kept = 100.0 * of("per_second")[1] / of("per_second")[0];
    assert!((report["kept_percent"].as_f64().unwrap_or_default() - kept).abs() < 1e-6, "{}", report["kept_percent"]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "the ledger is gone again");
}

/// Some of the state's pages are in rows by then, and some are not: the ledger is opened again at each step, and every
/// proof made there is verified.
#[test]
fn a_ledger_with_some_pages_saved_opens_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let sizes = ["--documents", "80000", "--steps", "40000,80000", "--measured", "200", "--block", "500"];
    let rest = ["--operations", "50", "--folder", folder.path().to_str().expect("UTF-8")];
    let ended = scale(&[sizes.as_slice(), &rest].concat());
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_disk_that_is_too_small_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = scale(&["--documents", "1000000000000", "--folder", folder.path().to_str().expect("UTF-8")]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("twice that must be free"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn steps_without_room_for_what_is_measured_are_refused() {
    let ended = scale(&["--documents", "2000", "--steps", "1900", "--measured", "200"]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success() && said.contains("between 1900 and 2000"), "{said}");
}
