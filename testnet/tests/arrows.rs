//! Keep the crates' arrows as docs/architecture.md draws them: forward only, and each library in its one place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

const ANY: &[&str] = &["proof", "ledger", "proto", "p2p", "consensus", "client", "gateway", "node", "cli", "testnet"];

/// Each crate and the crates it may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("proof", &[]),
    ("ledger", &["proof"]),
    ("proto", &["proof"]),
    ("p2p", &["proof"]),
    ("consensus", &["proof", "ledger", "p2p"]),
    ("client", &["proof", "proto"]),
    ("gateway", &["proof", "ledger", "proto"]),
    ("node", &["proof", "ledger", "proto", "p2p", "consensus", "client", "gateway"]),
    ("cli", &["proof", "ledger", "client", "node"]),
    ("testnet", ANY),
    ("benches", ANY),
];

/// A library, whether the libraries whose names begin with it and `-` are meant too, and the crates that may name it.
const PLACES: &[(&str, bool, &[&str])] = &[
    ("rocksdb", false, &["ledger"]),
    ("librocksdb-sys", false, &["ledger"]),
    ("openraft", true, &["consensus"]),
    ("tonic", true, &["proto", "client", "node"]),
    ("axum", false, &["gateway", "node"]),
];

/// Paths in the code and the folders they are confined to.
/// Where a crate may be named: in one place, and in the bench that looks at what lies on its disk.
const WORDS: &[(&str, &[&str])] =
    &[("rocksdb", &["ledger/src/store", "ledger/benches/rows.rs"]), ("openraft", &["consensus"])];

const FORBIDDEN_NAMES: [&str; 4] = ["utils", "common", "core", "types"];

fn root() -> PathBuf {
    // Cargo runs a test in its package's folder. The folder that was built in may be of another clone: clones share a target
    // folder, and then this would look at the wrong one.
    fs::canonicalize("..").expect("the crate lies in the workspace")
}

fn manifest(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn members() -> Vec<String> {
    let workspace = manifest(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().expect("the workspace lists its members").clone();
    members.iter().map(|member| member.as_str().expect("a folder").to_owned()).collect()
}

/// Everything that a manifest ships with, on all platforms or on one, by the library's own name. What only its tests
/// name is left out: a test may play the other side of a connection.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let tables =
        std::iter::once(manifest).chain(targets.into_iter().flat_map(|t| t.values().filter_map(Value::as_table)));
    tables.flat_map(dependencies_of_table).collect()
}

fn dependencies_of_table(table: &Table) -> Vec<String> {
    let kinds = ["dependencies", "build-dependencies"];
    let kinds = kinds.iter().filter_map(|kind| table.get(*kind)).filter_map(Value::as_table);
    kinds.flatten().map(|(name, detail)| own_name(name, detail)).collect()
}

fn own_name(name: &str, detail: &Value) -> String {
    detail.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()
}

/// What is wrong with the dependencies of one crate.
fn wrong_arrows(folder: &str, dependencies: &BTreeSet<String>) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == folder) else {
        return vec![format!("{folder} is not in the table of arrows")];
    };
    let ours = dependencies.iter().filter_map(|name| name.strip_prefix("countersign-"));
    let forbidden = ours.filter(|name| !allowed.contains(name)).map(|name| format!("{folder} -> {name}"));
    let misplaced = dependencies.iter().filter(|name| !may_name(folder, name));
    forbidden.chain(misplaced.map(|name| format!("{folder} names {name}"))).collect()
}

fn may_name(folder: &str, library: &str) -> bool {
    let is_meant = |name: &str, family: bool| {
        let rest = library.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || (family && rest.starts_with('-')))
    };
    let place = PLACES.iter().find(|(name, family, _)| is_meant(name, *family));
    place.is_none_or(|(_, _, folders)| folders.contains(&folder))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a folder can be read").path());
    paths
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| is_rust(path))
        .collect()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// Whether code, not a comment, has a path that begins with this crate: `word::`, where what stands before is
/// neither the rest of a longer name nor a module that it lies in.
fn names_crate(text: &str, word: &str) -> bool {
    let path = format!("{word}::");
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut before = code.flat_map(|line| line.match_indices(&path).map(move |(at, _)| &line[..at]));
    before.any(|before| {
        let before = before.strip_suffix("::").unwrap_or(before);
        !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn crates_depend_forward_only() {
    let members = members();
    assert!(members.len() >= 10, "only {members:?}");
    let wrong = members.iter().flat_map(|folder| {
        let dependencies = dependencies(&manifest(&root().join(folder).join("Cargo.toml")));
        wrong_arrows(folder, &dependencies)
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "forbidden: {wrong:?}");
}

#[test]
fn no_crate_is_a_drawer_for_everything() {
    for folder in members() {
        let name = folder.rsplit('/').next().expect("a split has a last part");
        assert!(!FORBIDDEN_NAMES.contains(&name), "{folder} says nothing about what is in it");
        let manifest = manifest(&root().join(&folder).join("Cargo.toml"));
        assert_eq!(manifest["package"]["name"].as_str(), Some(format!("countersign-{name}").as_str()));
    }
}

#[test]
fn rocksdb_and_openraft_stay_in_their_places() {
    let root = root();
    let files: Vec<PathBuf> = members().iter().flat_map(|folder| rust_files(&root.join(folder))).collect();
    for (word, places) in WORDS {
        let is_inside = |file: &Path| places.iter().any(|place| file.starts_with(root.join(place)));
        let named = |file: &&PathBuf| names_crate(&fs::read_to_string(file).expect("a source file"), word);
        let (inside, outside): (Vec<&PathBuf>, Vec<&PathBuf>) =
            files.iter().filter(named).partition(|file| is_inside(file));
        assert!(outside.is_empty(), "{word} is named in {outside:?}");
        assert!(!inside.is_empty(), "{word} is named nowhere: this test looks in the wrong place");
    }
}

#[test]
fn a_forbidden_arrow_is_found() {
    let of = |text: &str| dependencies(&text.parse().expect("TOML"));
    let upward = of("[dependencies]\ncountersign-node.workspace = true");
    assert_eq!(wrong_arrows("client", &upward), ["client -> node"]);
    assert!(of("[dev-dependencies]\ncountersign-node.workspace = true").is_empty());
    let renamed = of("[target.'cfg(unix)'.dependencies]\nstorage = { package = \"rocksdb\", version = \"1\" }");
    assert_eq!(wrong_arrows("node", &renamed), ["node names rocksdb"]);
    let family = of("[build-dependencies]\ntonic-health = \"1\"\nopenraft-rt = \"1\"");
    assert_eq!(wrong_arrows("cli", &family), ["cli names openraft-rt", "cli names tonic-health"]);
    assert_eq!(wrong_arrows("helpers", &BTreeSet::new()), ["helpers is not in the table of arrows"]);
    assert!(wrong_arrows("consensus", &of("[dependencies]\nopenraft = \"1\"")).is_empty());
}

#[test]
fn a_path_in_code_is_told_from_a_comment_and_from_another_name() {
    let path = |word: &str| format!("use {word}::DB;");
    assert!(names_crate(&path("rocksdb"), "rocksdb"));
    assert!(names_crate(&path("::rocksdb"), "rocksdb"));
    assert!(!names_crate(&format!("// {}", path("rocksdb")), "rocksdb"));
    assert!(!names_crate(&path("my_rocksdb"), "rocksdb"));
    assert!(!names_crate(&path("crate::rocksdb"), "rocksdb"));
}
