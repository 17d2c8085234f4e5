//! Name the fields in which a mutant differs from its original, those of the files inside it too.

use countersign_proof::{Checkpoint, Note, NoteSignature, Trust, VerifierKey};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The fields that differ. Signature lines are told apart by what a verifier owes them:
/// `lines:unknown` (by no key in force), `lines:known`, `lines:order`, `lines:repeated`.
pub fn differences(trust: &Trust, original: &[u8], mutant: &[u8]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    compare(trust, &open_bytes(original), &open_bytes(mutant), String::new(), &mut found);
    found
}

fn open_bytes(bytes: &[u8]) -> Value {
    match (std::str::from_utf8(bytes), serde_json::from_slice(bytes)) {
        (_, Ok(json)) => open_json(json),
        (Ok(text), _) => open_text(text),
        _ => json!("not text"),
    }
}

fn open_json(value: Value) -> Value {
    match value {
        Value::String(text) => open_text(&text),
        Value::Array(items) => items.into_iter().map(open_json).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, open_json(value))).collect(),
        other => other,
    }
}

/// A receipt, a note or a proof inside an exhibit is taken apart.
fn open_text(text: &str) -> Value {
    if let (true, Some((head, note))) = (text.starts_with("c2sp.org/tlog-proof@v1\n"), text.split_once("\n\n")) {
        let lines: Vec<&str> = head.split('\n').collect();
        return json!({"extra": lines.get(1), "index": lines.get(2), "note": open_text(note), "path": lines.get(3..)});
    }
    match (Note::parse(text), serde_json::from_str(text)) {
        (Ok(note), _) => {
            let lines: Vec<String> = note.signatures.iter().map(NoteSignature::to_line).collect();
            json!({"lines": lines, "text": note.text})
        }
        (_, Ok(Value::Object(json))) => open_json(Value::Object(json)),
        _ => json!(text),
    }
}

fn compare(trust: &Trust, one: &Value, other: &Value, path: String, found: &mut BTreeSet<String>) {
    match (one, other) {
        _ if one == other => {}
        (Value::Object(a), Value::Object(b)) if a.contains_key("lines") && b.contains_key("lines") => {
            lines(trust, a["text"].as_str().unwrap_or_default(), (&a["lines"], &b["lines"]), found);
            compare(trust, &a["text"], &b["text"], "note.text".into(), found);
        }
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match (a.get(name), b.get(name)) {
                    (Some(one), Some(other)) => compare(trust, one, other, path, found),
                    // A member left out is not one that is null.
                    _ => drop(found.insert(path)),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| compare(trust, a, b, format!("{path}[]"), found));
        }
        _ => {
            found.insert(path);
        }
    }
}

fn lines(trust: &Trust, text: &str, (one, other): (&Value, &Value), found: &mut BTreeSet<String>) {
    let list = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).expect("lines") };
    let (one, other) = (list(one), list(other));
    let (a, b): (BTreeSet<&String>, BTreeSet<&String>) = (one.iter().collect(), other.iter().collect());
    for line in a.symmetric_difference(&b) {
        found.insert(if in_force(trust, text, line) { "lines:known".into() } else { "lines:unknown".into() });
    }
    if a == b {
        found.insert(if one.len() == other.len() { "lines:order".into() } else { "lines:repeated".into() });
    }
}

/// Whether the line names a key that is in force at the size of its checkpoint.
fn in_force(trust: &Trust, text: &str, line: &str) -> bool {
    let (Ok(checkpoint), Ok(note)) = (Checkpoint::parse(text), Note::parse(&format!("{text}\n{line}"))) else {
        return true;
    };
    let is = |key: VerifierKey| key.name == note.signatures[0].name && key.id() == note.signatures[0].id;
    let of = |m: &countersign_proof::Membership| [m.cosign_keys(), m.log_keys(trust.origin())].concat();
    trust.in_force(checkpoint.size).into_iter().flat_map(of).any(is)
}
