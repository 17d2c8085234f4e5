//! Make documents at the edges of canonical JSON: numbers, strings, names, depths.

use crate::case::Case;
use crate::forged::sealed;
use crate::model::Model;
use crate::mutant::Seeded;
use countersign_proof::*;

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "5.0",
    "5e0",
    "1e1",
    "1E1",
    "0.1",
    "-0.1",
    ".5",
    "1.",
    "01",
    "+1",
    "1e-7",
    "1e-6",
    "0.000001",
    "1e21",
    "100000000000000000000",
    "9007199254740991",
    "9007199254740992",
    "-9007199254740991",
    "-9007199254740992",
    "9007199254740993",
    "9007199254740991.5",
    "4503599627370495.5",
    "4503599627370496.5",
    "18446744073709551615",
    "18446744073709551616",
    "5e-324",
    "4.9e-324",
    "2e-324",
    "1e-400",
    "1e400",
    "2.2250738585072014e-308",
    "0.30000000000000004",
    "0.1000000000000000055511151231257827",
    "333333333.33333325",
    "333333333.3333333",
    "1424953923781206.2",
    "NaN",
    "Infinity",
    "-",
    "1e",
    "1e+1",
    "123456789012345.67",
    "1.7976931348623157e+308",
    "0.00001",
    "1e-5",
];
const STRINGS: &[&str] = &[
    r#""""#,
    r#""a""#,
    r#""\u0061""#,
    r#""\n""#,
    r#""\u000a""#,
    r#""\u000A""#,
    r#""\b""#,
    r#""\u0008""#,
    r#""\f""#,
    r#""\u000b""#,
    r#""\u000B""#,
    r#""\/""#,
    r#""/""#,
    r#""\\""#,
    r#""\u005c""#,
    r#""\"""#,
    r#""\u007f""#,
    "\"\u{7f}\"",
    "\"\u{80}\"",
    r#""\u0080""#,
    "\"\u{2028}\"",
    r#""\u2028""#,
    "\"\u{feff}\"",
    "\"\u{fffe}\"",
    r#""\ud800""#,
    r#""\ud83d\ude00""#,
    "\"\u{1f600}\"",
    r#""\ude00\ud83d""#,
    r#""\ud83d""#,
    "\"\u{e9}\"",
    "\"e\u{301}\"",
    "\"\t\"",
    "\"\u{1f}\"",
    r#""\u001f""#,
    r#""\u001F""#,
    r#""\u0000""#,
    r#""\x41""#,
    "'a'",
    r#""\u00""#,
    "\"\u{10ffff}\"",
    "\"\u{d7ff}\u{e000}\"",
];
const NAMES: &[&str] = &[
    r#""a""#,
    r#""b""#,
    r#""""#,
    r#""10""#,
    r#""9""#,
    r#""__proto__""#,
    r#""constructor""#,
    r#""toString""#,
    "\"\u{1f600}\"",
    "\"\u{fb33}\"",
    "\"\u{e9}\"",
    r#""\u0061""#,
    r#""A""#,
    "\"\u{e000}\"",
    "\"\u{ffff}\"",
    r#""\n""#,
    r#""$a""#,
    "\"\u{10000}\"",
];
const WORDS: &[&str] =
    &["null", "true", "false", "True", "undefined", "nul", "[]", "{}", "[ ]", "{ }", "[1,]", "{,}", "[,1]"];

/// One text: sometimes a canonical one, more often nearly so.
fn text(seeded: &mut Seeded, depth: usize) -> String {
    let pick = |seeded: &mut Seeded, from: &[&str]| from[seeded.below(from.len())].to_owned();
    match seeded.below(if depth > 3 { 6 } else { 12 }) {
        0..=2 => pick(seeded, NUMBERS),
        3..=4 => pick(seeded, STRINGS),
        5 => pick(seeded, WORDS),
        6..=7 => {
            let items: Vec<String> = (0..seeded.below(3)).map(|_| text(seeded, depth + 1)).collect();
            format!("[{}]", items.join(if seeded.below(12) == 0 { ", " } else { "," }))
        }
        8 => {
            let levels = 85 + seeded.below(14);
            format!("{}{}", "[".repeat(levels), "]".repeat(levels))
        }
        _ => object(seeded, depth),
    }
}

/// Mostly in the order of UTF-16, which is that of RFC 8785, and mostly without a name twice.
fn object(seeded: &mut Seeded, depth: usize) -> String {
    let mut names: Vec<&str> = (0..seeded.below(5)).map(|_| NAMES[seeded.below(NAMES.len())]).collect();
    if seeded.below(8) != 0 {
        names.sort_by_key(|name| name.encode_utf16().collect::<Vec<_>>());
    }
    if seeded.below(8) != 0 {
        names.dedup();
    }
    let members: Vec<String> = names.iter().map(|name| format!("{name}:{}", text(seeded, depth + 1))).collect();
    format!("{{{}}}", members.join(","))
}

/// Documents of one state, each with a text as its value, under one seal.
pub fn cases(model: &Model, count: u64, seed: u64) -> Vec<Case> {
    let mut seeded = Seeded(seed.wrapping_mul(0x5eed));
    let salt = plain_hash(b"salt");
    let mut state = StateTree::default();
    let mut documents = Vec::new();
    let singles = [NUMBERS, STRINGS, WORDS].concat().into_iter().map(str::to_owned).collect::<Vec<_>>();
    let named = NAMES.iter().map(|name| format!("{{{name}:1}}"));
    let singles: Vec<String> = singles.into_iter().chain(named).collect();
    for number in 0..count as usize + singles.len() {
        let value = singles.get(number).cloned().unwrap_or_else(|| text(&mut seeded, 0));
        let id = format!("V-{number}");
        let record = VersionRecord {
            collection: "shipments".into(),
            height: 3,
            id: id.clone(),
            previous: None,
            transaction: plain_hash(b"transaction"),
            v: 1,
            value: Some(value_hash(&salt, value.as_bytes())),
            version: 1,
        };
        state.insert(record.state_key(), record.hash());
        documents.push((id, record, value));
    }
    let seal = sealed(model, state.root()).to_string();
    let trusted = format!("--genesis-hash {} --trust @trust", model.genesis.hash());
    let case = |(id, record, value): (String, VersionRecord, String)| {
        let (_, siblings) = state.prove(&record.state_key());
        let kind = StateProofKind::StateProof;
        let proof = StateProof {
            kind,
            neighbour: None,
            record: Some(record),
            salt: Some(salt),
            seal: seal.clone(),
            siblings,
            v: 1,
            value: None,
        };
        let file = String::from_utf8(proof.to_bytes()).expect("JSON");
        let file = file.replace(r#""value":null}"#, &format!(r#""value":{value}}}"#)).into_bytes();
        Case::new(&format!("state @file --collection shipments --id {id} {trusted}"), &[("file", file)])
    };
    documents.into_iter().map(case).collect()
}
