//! Read the keys that a schema declares: `x-unique` and `x-indexes` at its root.

use super::{Index, Indexes};
use crate::schema::SchemaError;
use crate::schema::limits::{INDEXES_MAX, UNIQUE_KEYS_MAX};
use countersign_proof::check_pointer;
use countersign_proof::limits::KEY_POINTERS_MAX;
use serde_json::Value;
use std::collections::BTreeSet;

const SCALARS: [&str; 4] = ["string", "number", "integer", "boolean"];

impl Indexes {
    /// Reads the keywords of `schema`, a valid JSON Schema.
    ///
    /// # Errors
    /// When one does not have its form, passes a maximum, stands twice, or leads to what can be no scalar.
    pub(crate) fn declared(schema: &Value) -> Result<Indexes, SchemaError> {
        let mut indexes = Indexes::default();
        for (keyword, unique, keys_max) in [("x-unique", true, UNIQUE_KEYS_MAX), ("x-indexes", false, INDEXES_MAX)] {
            let Some(keys) = schema.get(keyword) else { continue };
            let keys = keys.as_array().ok_or_else(|| wrong(format!("/{keyword}"), "not an array of keys"))?;
            if keys.len() > keys_max {
                return Err(wrong(format!("/{keyword}"), format!("{} keys, at most {keys_max}", keys.len())));
            }
            for (at, key) in keys.iter().enumerate() {
                let place = format!("/{keyword}/{at}");
                let pointers = pointers(schema, &place, key)?;
                if indexes.iter().any(|index| index.pointers == pointers) {
                    return Err(wrong(place, "declared twice; a unique key is an index too"));
                }
                indexes.all.push(Index::new(pointers, unique));
            }
        }
        Ok(indexes)
    }
}

fn wrong(pointer: String, reason: impl Into<String>) -> SchemaError {
    SchemaError::Key { pointer, reason: reason.into() }
}

/// One pointer as a string, or an array of them.
fn pointers(schema: &Value, place: &str, key: &Value) -> Result<Vec<String>, SchemaError> {
    let checked = |place: String, part: &Value| {
        let pointer = part.as_str().ok_or_else(|| wrong(place.clone(), "not a JSON pointer as a string"))?;
        check_pointer("key", pointer).map_err(|_| wrong(place.clone(), "not a JSON pointer (RFC 6901)"))?;
        leads_to_a_scalar(schema, pointer).map_err(|reason| wrong(place, format!("{pointer:?} {reason}")))?;
        Ok(pointer.to_owned())
    };
    let Value::Array(parts) = key else {
        return Ok(vec![checked(place.to_owned(), key)?]);
    };
    if parts.is_empty() || parts.len() > KEY_POINTERS_MAX {
        let reason = format!("{} pointers, not from 1 to {KEY_POINTERS_MAX}", parts.len());
        return Err(wrong(place.to_owned(), reason));
    }
    let numbered = parts.iter().enumerate().map(|(at, part)| checked(format!("{place}/{at}"), part));
    let pointers = numbered.collect::<Result<Vec<String>, SchemaError>>()?;
    match pointers.iter().collect::<BTreeSet<_>>().len() == pointers.len() {
        true => Ok(pointers),
        false => Err(wrong(place.to_owned(), "a pointer stands twice")),
    }
}

/// Errs where the schema lets no document have a scalar at `pointer`. What it leaves open, and what only more than
/// `$ref`, `allOf`, `properties` and `items` could tell, passes: such a document has no key, and no harm is done.
fn leads_to_a_scalar(root: &Value, pointer: &str) -> Result<(), String> {
    if pointer.is_empty() {
        return Err("leads to the document itself".into());
    }
    let mut judging = always(root, vec![root]);
    for token in pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")) {
        let mut inside = Vec::new();
        for schema in judging {
            let holders: &[&str] = if token.parse::<u32>().is_ok() { &["object", "array"] } else { &["object"] };
            if !allows(schema, holders) {
                return Err(format!("leads nowhere: what would hold {token:?} is no {}", holders.join(" or ")));
            }
            match part(schema, &token) {
                Part::Never => return Err(format!("leads nowhere: the schema allows no {token:?} there")),
                Part::Judged(schema) => inside.push(schema),
                Part::Open => {}
            }
        }
        judging = always(root, inside);
    }
    match judging.iter().all(|schema| allows(schema, &SCALARS)) {
        true => Ok(()),
        false => Err(format!("leads to no {}", SCALARS.join(", "))),
    }
}

/// These schemas, with all that always judge the same value through `allOf` and references within the root.
fn always<'s>(root: &'s Value, mut pending: Vec<&'s Value>) -> Vec<&'s Value> {
    let reference_alone = root["$schema"].as_str().is_some_and(|draft| draft.contains("draft-07"));
    let (mut seen, mut judging) = (BTreeSet::new(), Vec::new());
    while let Some(schema) = pending.pop() {
        // Below an `$id` of its own, references mean something else.
        let foreign = schema.get("$id").is_some() && !std::ptr::eq(schema, root);
        if foreign || !seen.insert(std::ptr::from_ref(schema)) {
            continue;
        }
        let reference = schema.get("$ref").and_then(Value::as_str);
        pending.extend(reference.and_then(|text| root.pointer(text.strip_prefix('#')?)));
        if !(reference_alone && reference.is_some()) {
            pending.extend(schema.get("allOf").and_then(Value::as_array).into_iter().flatten());
            judging.push(schema);
        }
    }
    judging
}

fn allows(schema: &Value, types: &[&str]) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => types.contains(&&name[..]),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(|name| types.contains(&name)),
        _ => *schema != Value::Bool(false),
    }
}

enum Part<'s> {
    /// No document that the schema allows has it.
    Never,
    /// It is judged by this.
    Judged(&'s Value),
    /// The schema does not say, or says it in ways that are not looked at.
    Open,
}

/// What a schema says of the member or element under `token`.
fn part<'s>(schema: &'s Value, token: &str) -> Part<'s> {
    let Value::Object(keywords) = schema else { return Part::Open };
    let elements = keywords.get("type").and_then(Value::as_str) == Some("array");
    let judged = match elements {
        true if keywords.contains_key("prefixItems") || keywords.get("items").is_some_and(Value::is_array) => None,
        true => keywords.get("items"),
        false => match keywords.get("properties").and_then(|properties| properties.get(token)) {
            Some(property) => Some(property),
            None if keywords.contains_key("patternProperties") => None,
            None => keywords.get("additionalProperties"),
        },
    };
    match judged {
        Some(Value::Bool(false)) => Part::Never,
        Some(schema) => Part::Judged(schema),
        None => Part::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shipments(keywords: Value) -> Value {
        let mut schema = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "number": {"type": "string"},
                "count": {"type": ["integer", "null"]},
                "carrier": {"$ref": "#/$defs/carrier"},
                "legs": {"type": "array", "items": {"type": "object", "properties": {"to": {"type": "string"}}}},
                "free": true,
                "never": false,
                "nothing": {"type": "null"},
                "bare": {"type": "array"},
                "pinned": {"allOf": [{"type": "object"}], "properties": {"a/b": {"const": 1}}}
            },
            "$defs": {"carrier": {"type": "object", "properties": {"code": {"type": "string"}}}}
        });
        schema.as_object_mut().expect("an object").extend(keywords.as_object().expect("keywords").clone());
        schema
    }

    #[test]
    fn keys_are_read_from_both_keywords() {
        let keywords = json!({
            "x-unique": ["/number", ["/carrier/code", "/count"]],
            "x-indexes": [["/count"], "/legs/0/to", "/free/deep", "/pinned/a~1b", "/bare/0"]
        });
        let indexes = Indexes::declared(&shipments(keywords)).expect("declared");
        let found: Vec<_> = indexes.iter().map(|index| (index.shown(), index.is_unique())).collect();
        let expected = [
            ("/number", true),
            ("/carrier/code, /count", true),
            ("/count", false),
            ("/legs/0/to", false),
            ("/free/deep", false),
            ("/pinned/a~1b", false),
            ("/bare/0", false),
        ];
        assert_eq!(found, expected.map(|(shown, unique)| (shown.to_owned(), unique)));
        assert!(indexes.unique(&["/number".to_owned()]).is_some());
        assert!(indexes.unique(&["/count".to_owned()]).is_none(), "an index is no unique key");
        assert_eq!(Indexes::declared(&json!(true)), Ok(Indexes::default()));
    }

    /// Every node judges a definition while it executes: one that brings it down brings down the ledger.
    #[test]
    fn no_schema_brings_a_node_down() {
        let odd = [
            json!(true),
            json!(false),
            json!({}),
            json!({"type": "array"}),
            json!({"type": ["array", "object"]}),
            json!({"type": "array", "items": false}),
            json!({"type": "array", "items": [{}]}),
            json!({"type": "array", "prefixItems": []}),
            json!({"type": "object", "properties": {"x": false}, "patternProperties": {}}),
            json!({"type": "object", "additionalProperties": {"type": "array"}}),
            json!({"allOf": [], "$ref": "#"}),
            json!({"allOf": [{"$ref": "#/properties/p"}, {"$id": "urn:x", "type": "string"}]}),
            json!({"enum": [[]], "const": null}),
        ];
        for part in &odd {
            for inner in &odd {
                let mut outer = part.clone();
                if let Some(members) = outer.as_object_mut() {
                    members.entry("items").or_insert_with(|| inner.clone());
                    members.entry("properties").or_insert_with(|| json!({"x": inner}));
                }
                for pointer in ["/p", "/p/0", "/p/x", "/p/0/0", "/p/x/0", "/p/x/x", "/q/0", "/p/4294967296", "/p/~0~1"]
                {
                    for part in [part, &outer] {
                        // Refused or not, it is an answer.
                        drop(Indexes::declared(&json!({"properties": {"p": part}, "x-unique": [pointer]})));
                    }
                }
            }
        }
    }

    #[test]
    fn each_wrong_declaration_is_refused_at_its_place() {
        let many = |count: usize| (0..count).map(|n| json!(format!("/free/{n}"))).collect::<Vec<_>>();
        for (keywords, place, reason) in [
            (json!({"x-unique": "/number"}), "/x-unique", "not an array"),
            (json!({"x-unique": many(9)}), "/x-unique", "9 keys, at most 8"),
            (json!({"x-indexes": many(9)}), "/x-indexes", "9 keys, at most 8"),
            (json!({"x-unique": [many(5)]}), "/x-unique/0", "5 pointers, not from 1 to 4"),
            (json!({"x-unique": [[]]}), "/x-unique/0", "0 pointers"),
            (json!({"x-unique": [["/number", "/number"]]}), "/x-unique/0", "a pointer stands twice"),
            (json!({"x-unique": ["/number", "/number"]}), "/x-unique/1", "declared twice"),
            (json!({"x-unique": ["/number"], "x-indexes": [["/number"]]}), "/x-indexes/0", "declared twice"),
            (json!({"x-unique": [["/number", 7]]}), "/x-unique/0/1", "not a JSON pointer"),
            (json!({"x-unique": ["number"]}), "/x-unique/0", "not a JSON pointer"),
            (json!({"x-unique": ["/a~2"]}), "/x-unique/0", "not a JSON pointer"),
            (json!({"x-unique": [""]}), "/x-unique/0", "the document itself"),
            (json!({"x-unique": ["/nombre"]}), "/x-unique/0", "allows no \"nombre\""),
            (json!({"x-unique": ["/never"]}), "/x-unique/0", "allows no \"never\""),
            (json!({"x-unique": ["/number/deep"]}), "/x-unique/0", "is no object"),
            (json!({"x-unique": ["/carrier"]}), "/x-unique/0", "leads to no string"),
            (json!({"x-unique": ["/pinned"]}), "/x-unique/0", "leads to no string"),
            (json!({"x-unique": ["/legs"]}), "/x-unique/0", "leads to no string"),
            (json!({"x-unique": ["/legs/first/to"]}), "/x-unique/0", "is no object"),
            (json!({"x-unique": ["/nothing"]}), "/x-unique/0", "leads to no string"),
        ] {
            let error = Indexes::declared(&shipments(keywords.clone())).expect_err(&keywords.to_string()).to_string();
            assert!(error.starts_with(&format!("{place:?}: ")) && error.contains(reason), "{keywords}: {error}");
        }
    }

    #[test]
    fn references_that_go_round_end() {
        let schema = json!({
            "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"properties": {"next": {"$ref": "#/$defs/a"}}}},
            "$ref": "#/$defs/a",
            "x-indexes": ["/next/next/next/next"]
        });
        assert!(Indexes::declared(&schema).is_ok());
    }
}
