//! Say the operations of a transaction: each kind with its own members and no others, as `api/operation.rs` reads them.

use super::schema::Components;
use countersign_proof::limits::OPERATIONS_MAX;
use serde_json::{Value, json};

/// Each kind, what it needs beside its collection and id, and what it may have.
const OPERATIONS: [(&str, &[&str], &[&str]); 7] = [
    ("create", &["value"], &[]),
    ("put", &["value"], &["key", "if"]),
    ("replace", &["value"], &["if"]),
    ("patch", &["value"], &["if"]),
    ("delete", &[], &["if"]),
    ("increment", &["pointer", "by"], &["if"]),
    ("append", &["pointer", "value"], &["if"]),
];

/// Adds `Operations`, a component for each kind, and what must hold before.
pub(super) fn add(components: &mut Components) {
    let mut kinds = Vec::new();
    for (op, needed, allowed) in OPERATIONS {
        let name = format!("Operation{}{}", op[..1].to_ascii_uppercase(), &op[1..]);
        kinds.push(json!({ "$ref": format!("#/components/schemas/{name}") }));
        components.insert(name, kind(op, needed, allowed));
    }
    let list = json!({ "type": "array", "minItems": 1, "maxItems": OPERATIONS_MAX, "items": { "oneOf": kinds } });
    let all = json!({
        "type": "object",
        "required": ["operations"],
        "additionalProperties": false,
        "properties": { "operations": list }
    });
    components.insert("Operations".into(), all);
    let condition = json!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": false,
        "properties": {
            "absent": { "type": "boolean", "enum": [true] },
            "version": { "type": "integer", "minimum": 0 },
            "predicate": { "type": "object", "additionalProperties": true }
        }
    });
    components.insert("OperationIf".into(), condition);
}

fn kind(op: &str, needed: &[&str], allowed: &[&str]) -> Value {
    let text = || json!({ "type": "string" });
    let members = json!({
        "value": {},
        "pointer": text(),
        "by": { "type": "integer" },
        "key": { "anyOf": [text(), { "type": "array", "items": text() }] },
        "if": { "$ref": "#/components/schemas/OperationIf" }
    });
    let mut required = vec!["op", "collection", "id"];
    required.extend(needed);
    let mut properties = json!({ "op": { "type": "string", "enum": [op] }, "collection": text(), "id": text() });
    for name in needed.iter().chain(allowed) {
        properties[*name] = members[*name].clone();
    }
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::operation::operation;

    #[test]
    fn what_is_described_is_what_is_read() {
        let members = json!({"value": {}, "pointer": "/a", "by": 1, "key": "/a", "if": {"version": 1}});
        let members = members.as_object().expect("an object");
        for (op, needed, allowed) in OPERATIONS {
            let mut least = json!({"op": op, "collection": "c", "id": "i"});
            needed.iter().for_each(|name| least[*name] = members[*name].clone());
            assert!(operation(least.clone()).is_ok(), "{least}");
            for (name, value) in members {
                let mut other = least.clone();
                if needed.contains(&name.as_str()) {
                    other.as_object_mut().expect("an object").remove(name);
                    assert!(operation(other.clone()).is_err(), "{other}");
                } else {
                    other[name] = value.clone();
                    assert_eq!(operation(other.clone()).is_ok(), allowed.contains(&name.as_str()), "{other}");
                }
            }
        }
    }
}
