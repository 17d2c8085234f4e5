//! Say a JSON Schema in the words of OpenAPI 3.0.3.
//!
//! 3.0 knows a part of JSON Schema. What it cannot say is left out, never bent: the result accepts all that the schema
//! accepts, so that every document satisfies it, and the ledger goes on judging by the schema itself. `format` is among
//! what is left out, for the ledger does not assert it: code made from the description would choke on what is on the ledger.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Levels of a schema that are said; below them anything goes.
const DEPTH_MAX: usize = 64;
/// Keywords whose meaning is the same in both.
const SAME: [&str; 13] = [
    "description",
    "default",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "multipleOf",
    "required",
];

/// Schemas by the name of their component.
pub(super) type Components = BTreeMap<String, Value>;

/// Says schemas of one collection; what they refer to inside themselves becomes a component of its own.
pub(super) struct Sayer<'a> {
    root: &'a Value,
    /// The component of the collection's document: what names of referred ones begin with.
    name: &'a str,
    components: &'a mut Components,
    /// Whether a part has a name of its own: what references mean is then another question here and there.
    embeds: bool,
}

impl<'a> Sayer<'a> {
    pub(super) fn new(root: &'a Value, name: &'a str, components: &'a mut Components) -> Sayer<'a> {
        let embeds = root.as_object().is_some_and(|root| root.values().any(embeds));
        Sayer { root, name, components, embeds }
    }

    /// The whole schema.
    pub(super) fn say(&mut self) -> Value {
        let root = self.root;
        self.schema(root, DEPTH_MAX)
    }

    fn schema(&mut self, schema: &Value, depth: usize) -> Value {
        let members = match schema {
            Value::Bool(false) => return json!({ "not": {} }),
            Value::Object(members) if depth > 0 => members,
            _ => return json!({}),
        };
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            return self.reference(reference);
        }
        let mut said = Map::new();
        for name in SAME {
            if let Some(value) = members.get(name) {
                said.insert(name.to_owned(), value.clone());
            }
        }
        // Tools name types after titles, of which two may be alike, in one schema or in those of two collections.
        if let Some(title) = members.get("title").filter(|_| !said.contains_key("description")) {
            said.insert("description".into(), title.clone());
        }
        if let Some(format) = members.get("format") {
            said.insert("x-format".into(), format.clone());
        }
        kind(members, &mut said);
        bounds(members, &mut said);
        self.inside(members, &mut said, depth - 1);
        Value::Object(said)
    }

    /// What applies to the members and elements of a value, or to the same value once more.
    fn inside(&mut self, members: &Map<String, Value>, said: &mut Map<String, Value>, depth: usize) {
        if let Some(Value::Object(properties)) = members.get("properties") {
            let each = |(name, inner): (&String, &Value)| (name.clone(), self.schema(inner, depth));
            said.insert("properties".into(), Value::Object(properties.iter().map(each).collect()));
        }
        // With patterns beside it, what is additional is another set here and there.
        if let Some(additional) =
            members.get("additionalProperties").filter(|_| !members.contains_key("patternProperties"))
        {
            let inner = if additional.is_boolean() { additional.clone() } else { self.schema(additional, depth) };
            said.insert("additionalProperties".into(), inner);
        }
        let plain_items = !members.contains_key("prefixItems") && !members.get("items").is_some_and(Value::is_array);
        let items = members.get("items").filter(|_| plain_items).map(|items| self.schema(items, depth));
        // An array needs `items` in 3.0.
        if said.get("type").is_some_and(|kind| kind == "array") || items.is_some() {
            said.insert("items".into(), items.unwrap_or_else(|| json!({})));
        }
        for name in ["allOf", "anyOf", "oneOf"] {
            let Some(Value::Array(schemas)) = members.get(name) else { continue };
            let inner: Vec<Value> = schemas.iter().map(|schema| self.schema(schema, depth)).collect();
            // One of several that were said more loosely than they are may be two of them: any of them then.
            let name = if name == "oneOf" { "anyOf" } else { name };
            match said.get_mut(name).and_then(Value::as_array_mut) {
                Some(_) => {
                    let both = said.entry("allOf").or_insert_with(|| json!([]));
                    both.as_array_mut().expect("made above").push(json!({ name: inner }));
                }
                None => drop(said.insert(name.into(), Value::Array(inner))),
            }
        }
    }

    /// A reference inside the schema, as one to a component; anything goes where it cannot be followed.
    fn reference(&mut self, reference: &str) -> Value {
        let Some(pointer) = reference.strip_prefix('#').filter(|_| !self.embeds) else { return json!({}) };
        let root = self.root;
        let Some(target) = root.pointer(pointer) else { return json!({}) };
        let last = pointer.rsplit('/').next().unwrap_or_default();
        let component = match pointer {
            "" => self.name.to_owned(),
            _ => format!("{}.{}.{:x}", self.name, word(last), short(pointer)),
        };
        if !pointer.is_empty() && !self.components.contains_key(&component) {
            // Before what is in it, which may refer to it again.
            self.components.insert(component.clone(), json!({}));
            let said = self.schema(target, DEPTH_MAX);
            self.components.insert(component.clone(), said);
        }
        json!({ "$ref": format!("#/components/schemas/{component}") })
    }
}

/// Adds beside each component of a collection's document what is left of it where any part may be hidden:
/// `<type_name>Seen` of the whole, and of what it refers to `<component>.seen`.
pub(super) fn without_hidden(type_name: &str, components: &mut Components) {
    let inner = format!("{type_name}.");
    let own = |name: &str| name == type_name || name.starts_with(&inner);
    let twin = |name: &str| if name == type_name { format!("{name}Seen") } else { format!("{name}.seen") };
    let rename = |name: &str| if own(name) { twin(name) } else { name.to_owned() };
    let twins: Vec<(String, Value)> = components
        .iter()
        .filter(|(name, _)| own(name))
        .map(|(name, said)| (twin(name), loosened(said, &rename)))
        .collect();
    components.extend(twins);
}

/// The same schema, for values of which members and elements may be missing.
fn loosened(said: &Value, rename: &impl Fn(&str) -> String) -> Value {
    let Value::Object(members) = said else { return said.clone() };
    let mut loose = Map::new();
    for (name, value) in members {
        let each = |value: &Value| loosened(value, rename);
        let kept = match (name.as_str(), value) {
            ("required" | "minItems" | "minProperties", _) => continue,
            ("enum", Value::Array(values)) if values.iter().any(|v| v.is_object() || v.is_array()) => continue,
            ("$ref", Value::String(reference)) => {
                let component = reference.strip_prefix("#/components/schemas/").unwrap_or(reference);
                json!(format!("#/components/schemas/{}", rename(component)))
            }
            ("properties", Value::Object(properties)) => {
                Value::Object(properties.iter().map(|(name, value)| (name.clone(), each(value))).collect())
            }
            ("items" | "additionalProperties", value) => each(value),
            ("allOf" | "anyOf", Value::Array(schemas)) => Value::Array(schemas.iter().map(each).collect()),
            (_, value) => value.clone(),
        };
        loose.insert(name.clone(), kept);
    }
    Value::Object(loose)
}

/// Whether a part of a schema is, or holds, one with an `$id`.
pub(crate) fn embeds(part: &Value) -> bool {
    match part {
        Value::Object(members) => members.contains_key("$id") || members.values().any(embeds),
        Value::Array(parts) => parts.iter().any(embeds),
        _ => false,
    }
}

/// `type` has one name in 3.0, and null is a flag.
fn kind(members: &Map<String, Value>, said: &mut Map<String, Value>) {
    let names: Vec<&str> = match members.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let values: Vec<&str> = names.iter().copied().filter(|name| *name != "null").collect();
    let nullable = names.len() > values.len();
    match &values[..] {
        [one] => {
            said.insert("type".into(), json!(one));
            if nullable {
                said.insert("nullable".into(), json!(true));
            }
        }
        [] if nullable => {
            said.insert("enum".into(), json!([Value::Null]));
            said.insert("nullable".into(), json!(true));
        }
        [] => {}
        several => {
            let each: Vec<Value> = several
                .iter()
                .map(|name| match *name {
                    "array" => json!({ "type": name, "items": {}, "nullable": nullable }),
                    _ => json!({ "type": name, "nullable": nullable }),
                })
                .collect();
            said.insert("anyOf".into(), json!(each));
        }
    }
    if let Some(value) = members.get("const") {
        said.insert("enum".into(), json!([value]));
    }
    // An enum is closed in 3.0 too: null must be named and allowed.
    let has_null = said.get("enum").and_then(Value::as_array).is_some_and(|values| values.contains(&Value::Null));
    if has_null {
        said.insert("nullable".into(), json!(true));
    }
}

/// Exclusive bounds are flags of the others in 3.0.
fn bounds(members: &Map<String, Value>, said: &mut Map<String, Value>) {
    for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        let number = |name: &str| members.get(name).filter(|value| value.is_number()).cloned();
        match (number(bound), number(exclusive)) {
            // The looser of the two, where both are given.
            (Some(inclusive), _) => drop(said.insert(bound.into(), inclusive)),
            (None, Some(limit)) => {
                said.insert(bound.into(), limit);
                said.insert(exclusive.into(), json!(true));
            }
            (None, None) => {}
        }
    }
}

/// Letters, digits and what a component's name may have beside them.
pub(super) fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' }).collect()
}

/// Tells pointers apart whose last words are alike.
fn short(text: &str) -> u32 {
    // FNV-1a: a name, not a proof.
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_hidden_is_not_required() {
        let schema = json!({
            "type": "object",
            "required": ["required", "legs"],
            "properties": {
                "required": {"type": "string", "minLength": 2},
                "legs": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/leg"}}
            },
            "$defs": {"leg": {"type": "object", "required": ["to"], "properties": {"to": {"enum": ["SFO"]}}}}
        });
        let (said, mut components) = say(schema);
        components.insert("Loan".into(), said);
        components.insert("Other".into(), json!({"required": ["x"]}));
        without_hidden("Loan", &mut components);
        let seen = &components["LoanSeen"];
        assert_eq!(seen["required"], Value::Null);
        assert_eq!(seen["properties"]["required"], json!({"type": "string", "minLength": 2}));
        assert_eq!(seen["properties"]["legs"]["minItems"], Value::Null);
        let leg = seen["properties"]["legs"]["items"]["$ref"].as_str().expect("a reference");
        let leg = &components[leg.strip_prefix("#/components/schemas/").expect("a component")];
        assert_eq!(leg, &json!({"type": "object", "properties": {"to": {"enum": ["SFO"]}}}));
        assert!(!components.contains_key("OtherSeen") && components["Loan"]["required"].is_array());
    }

    fn say(schema: Value) -> (Value, Components) {
        let mut components = Components::new();
        let said = Sayer::new(&schema, "Loan", &mut components).say();
        (said, components)
    }

    #[test]
    fn what_openapi_cannot_say_is_left_out_and_what_it_says_otherwise_is_said_so() {
        let (said, _) = say(json!({
            "type": "object",
            "properties": {
                "a": {"type": ["string", "null"], "pattern": "^x", "format": "date"},
                "b": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9},
                "c": {"const": "x"},
                "d": {"enum": ["x", null]},
                "e": {"type": "array"},
                "f": {"type": ["string", "integer"]},
                "g": false,
                "h": {"type": "null"},
                "i": {"if": {}, "then": {}, "contains": {}, "unevaluatedProperties": false}
            },
            "patternProperties": {"^x-": {}},
            "additionalProperties": false,
            "$comment": "inside"
        }));
        assert_eq!(
            said,
            json!({
                "type": "object",
                "properties": {
                    "a": {"type": "string", "nullable": true, "pattern": "^x", "x-format": "date"},
                    "b": {"type": "integer", "minimum": 0, "exclusiveMinimum": true, "maximum": 9},
                    "c": {"enum": ["x"]},
                    "d": {"enum": ["x", null], "nullable": true},
                    "e": {"type": "array", "items": {}},
                    "f": {"anyOf": [{"type": "string", "nullable": false}, {"type": "integer", "nullable": false}]},
                    "g": {"not": {}},
                    "h": {"enum": [null], "nullable": true},
                    "i": {}
                }
            })
        );
    }

    #[test]
    fn no_title_names_a_type() {
        let party = json!({"title": "Party", "description": "Who sends"});
        let (said, _) = say(json!({"title": "Problem", "properties": {"sender": party}}));
        assert_eq!(said, json!({"description": "Problem", "properties": {"sender": {"description": "Who sends"}}}));
    }

    #[test]
    fn references_become_components_and_circles_end() {
        let (said, components) = say(json!({
            "$defs": {"party": {"type": "object", "properties": {"of": {"$ref": "#/$defs/party"}, "all": {"$ref": "#"}}}},
            "properties": {"party": {"$ref": "#/$defs/party"}, "gone": {"$ref": "#/$defs/gone"}}
        }));
        let reference = said["properties"]["party"]["$ref"].as_str().expect("a reference").to_owned();
        let name = reference.strip_prefix("#/components/schemas/").expect("to a component");
        assert_eq!(components[name]["properties"]["of"]["$ref"], reference);
        assert_eq!(components[name]["properties"]["all"]["$ref"], "#/components/schemas/Loan");
        assert_eq!(said["properties"]["gone"], json!({}));
        assert_eq!(components.len(), 1);
        let embedded =
            json!({"$defs": {"a": {"$id": "other", "$ref": "#/x"}}, "properties": {"a": {"$ref": "#/$defs/a"}}});
        assert_eq!(say(embedded).0["properties"]["a"], json!({}), "what it refers to is not ours to say");
    }
}
