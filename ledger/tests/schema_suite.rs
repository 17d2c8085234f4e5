//! Check schemas against the official test suite and the schemas of shared/data.
use std::{
    fs,
    path::{Path, PathBuf},
};

use countersign_ledger::schema::{Schema, SchemaError, Violation, limits::WORK_MAX};
use jsonschema::{Draft, Registry};
use serde_json::Value;

/// Required cases of draft 2020-12 in shared/data.
const CASES: usize = 1_299;
/// Those of them whose schema is closed, so that it is compiled as any other schema.
const CASES_CLOSED: usize = 1_250;
/// The files whose other schemas refer to a remote, or are written in a draft of their own.
const OPEN: [&str; 3] = ["dynamicRef", "refRemote", "vocabulary"];
/// Events of shared/data/epcis.
const EVENTS: usize = 51;
/// Rows of shared/data/flights.
const FLIGHTS: usize = 27_004;

/// The folder in shared/data; without it the test fails in CI and is skipped elsewhere.
fn data(name: &str) -> Option<PathBuf> {
    let path = Path::new("../../shared/data").join(name);
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing", path.display());
    println!("skipped: {} is missing", path.display());
    None
}

fn json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The JSON files in `folder`, sorted; those in its folders too when `deep`.
fn files(folder: &Path, deep: bool) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() && deep {
            files.extend(self::files(&path, deep));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What the suite expects to find at http://localhost:1234.
fn remotes(suite: &Path) -> Registry<'static> {
    let folder = suite.join("remotes");
    let mut registry = Registry::new().draft(Draft::Draft202012);
    for path in files(&folder, true) {
        let name = path.strip_prefix(&folder).expect("it is in the folder").display().to_string();
        let remote = Draft::Draft202012.create_resource(json(&path));
        registry = registry.add(format!("http://localhost:1234/{name}"), remote).expect("the URI is one");
    }
    registry.prepare().expect("the remotes refer to each other only")
}

#[test]
fn every_required_case_of_the_test_suite_passes() {
    let Some(suite) = data("json-schema-test-suite") else { return };
    let remotes = remotes(&suite);
    let (mut cases, mut closed, mut failures) = (0, 0, Vec::new());
    for path in files(&suite.join("tests/draft2020-12"), false) {
        let name = path.file_stem().expect("a file has a name").display().to_string();
        for group in json(&path).as_array().expect("a file is an array of groups") {
            let tests = group["tests"].as_array().expect("a group has tests");
            let title = format!("{name}: {}", group["description"]);
            cases += tests.len();
            let compiled = match Schema::compile(&group["schema"]) {
                Ok(schema) => {
                    closed += tests.len();
                    Ok(schema)
                }
                Err(SchemaError::Reference { .. } | SchemaError::Dialect { .. }) if OPEN.contains(&&*name) => {
                    Schema::compile_with(&group["schema"], &remotes)
                }
                Err(error) => Err(error),
            };
            match compiled {
                Ok(schema) => failures.extend(tests.iter().filter_map(|test| failure(&schema, &title, test))),
                Err(error) => failures.push(format!("{title}: {error}")),
            }
        }
    }
    assert!(failures.is_empty(), "{} of {cases} fail:\n{}", failures.len(), failures.join("\n"));
    assert_eq!((cases, closed), (CASES, CASES_CLOSED), "the suite changed");
}

fn failure(schema: &Schema, title: &str, test: &Value) -> Option<String> {
    let verdict = schema.validate(&test["data"]);
    (Value::Bool(verdict.is_ok()) != test["valid"]).then(|| format!("{title}: {}: {verdict:?}", test["description"]))
}

/// The context the standard gives for a document of its own.
const EPCIS_CONTEXT: &str = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld";

#[test]
fn epcis_events_are_judged_by_the_standards_own_schema_unchanged() {
    let Some(epcis) = data("epcis") else { return };
    let standard = json(&epcis.join("EPCIS-JSON-Schema.json"));
    let schema = Schema::compile(&standard).expect("the standard's schema is within limits");
    let events = fs::read_to_string(epcis.join("events.ndjson")).expect("the events are there");
    let mut refused = Vec::new();
    for (line, event) in events.lines().enumerate() {
        let mut event: Value = serde_json::from_str(event).expect("an event is JSON");
        // The events were cut out of documents, and left their "@context" there; alone, the standard requires one of
        // each.
        let violations = schema.validate(&event).expect_err("it has no context");
        assert_eq!(violations, [Violation { pointer: String::new(), keyword: "required".to_owned() }], "line {line}");
        event["@context"] = Value::from(EPCIS_CONTEXT);
        refused.extend(schema.validate(&event).err().map(|violations| format!("{line}: {violations:?}")));
        assert!(
            schema.work(&event).expect("it is within limits") < WORK_MAX / 100,
            "line {line}: no room for larger ones"
        );
        event["eventTimeZoneOffset"] = Value::from("+1:00");
        assert!(schema.validate(&event).is_err(), "line {line}: the schema is vacuous");
    }
    assert_eq!(events.lines().count(), EVENTS);
    assert!(refused.is_empty(), "{} of {EVENTS}:\n{}", refused.len(), refused.join("\n"));
}

#[test]
fn flights_are_judged_by_their_schema() {
    let Some(flights) = data("flights") else { return };
    let schema = Schema::compile(&json(&flights.join("flight.schema.json"))).expect("the schema is within limits");
    let rows = std::process::Command::new("gzip").arg("-dc").arg(flights.join("flights-2013-01.ndjson.gz")).output();
    let rows = String::from_utf8(rows.expect("gzip runs").stdout).expect("rows are UTF-8");
    for (line, row) in rows.lines().enumerate() {
        let mut row: Value = serde_json::from_str(row).expect("a row is JSON");
        assert_eq!(schema.validate(&row), Ok(()), "line {line}");
        row["carrier"] = Value::from("u2!");
        assert!(schema.validate(&row).is_err(), "line {line}");
    }
    assert_eq!(rows.lines().count(), FLIGHTS);
}
