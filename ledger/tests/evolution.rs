//! What a new schema breaks: each rule both ways, and random schemas against random documents.

use countersign_ledger::schema::{Schema, breaks};
use serde_json::{Map, Value, json};

fn found(old: &Value, new: &Value) -> Vec<String> {
    Schema::compile(old).expect("the old schema compiles");
    Schema::compile(new).expect("the new schema compiles");
    let mut pointers: Vec<String> = breaks(old, new).into_iter().map(|b| b.pointer).collect();
    pointers.dedup();
    pointers
}

fn allowed(old: Value, new: Value) {
    assert_eq!(found(&old, &new), [""; 0], "{old} to {new}");
}

fn broken(old: Value, new: Value, at: &str) {
    assert_eq!(found(&old, &new), [at], "{old} to {new}");
}

/// Allowed in this direction and broken, there, in the other.
fn widens(narrow: Value, wide: Value, at: &str) {
    allowed(narrow.clone(), wide.clone());
    broken(wide, narrow, at);
}

#[test]
fn bounds_types_and_values_may_only_widen() {
    widens(json!({"type": "integer"}), json!({"type": "number"}), "/type");
    widens(json!({"type": "string"}), json!({"type": ["null", "string"]}), "/type");
    widens(json!({"type": "string"}), json!({}), "/type");
    widens(json!({"enum": ["a", 1]}), json!({"enum": [1, "a", null]}), "/enum");
    widens(json!({"const": "a"}), json!({"enum": ["a", "b"]}), "/const");
    widens(json!({"enum": [{"a": 1}]}), json!({"type": "object"}), "/enum");
    widens(json!({"minimum": 2}), json!({"minimum": 1.5}), "/minimum");
    widens(json!({"exclusiveMinimum": 1}), json!({"minimum": 1}), "/exclusiveMinimum");
    widens(json!({"maximum": 1}), json!({"exclusiveMaximum": 2}), "/maximum");
    widens(json!({"maxLength": 3}), json!({"maxLength": 4}), "/maxLength");
    widens(json!({"minItems": 1}), json!({"minItems": 0}), "/minItems");
    widens(json!({"required": ["a", "b"]}), json!({"required": ["a"]}), "/required");
    widens(json!({"uniqueItems": true}), json!({"uniqueItems": false}), "/uniqueItems");
    widens(json!({"pattern": "^a"}), json!({}), "/pattern");
    widens(json!({"multipleOf": 4}), json!({}), "/multipleOf");
    broken(json!({"multipleOf": 4}), json!({"multipleOf": 2}), "/multipleOf");
    broken(json!({"pattern": "^ab"}), json!({"pattern": "^a"}), "/pattern");
    widens(
        json!({"dependentRequired": {"a": ["b", "c"]}}),
        json!({"dependentRequired": {"a": ["c"]}}),
        "/dependentRequired",
    );
    // The ledger asserts no format, but whoever makes a client from the schema reads by it.
    widens(json!({"type": "string", "format": "date"}), json!({"type": "string"}), "/format");
}

#[test]
fn properties_come_only_where_nothing_could_be_under_their_name() {
    let closed = |properties: Value| json!({"properties": properties, "additionalProperties": false});
    widens(closed(json!({"a": {}})), closed(json!({"a": {}, "b/c": {"type": "string"}})), "/properties/b~1c");
    broken(
        json!({"properties": {"a": {}}}),
        json!({"properties": {"a": {}, "b": {"type": "string"}}}),
        "/properties/b",
    );
    allowed(json!({"properties": {"a": {}}}), json!({"properties": {"a": {}, "b": {"title": "anything"}}}));
    // A property that is no longer described is anything.
    allowed(json!({"properties": {"a": {"type": "string"}}}), json!({}));
    let texts = json!({"type": "string"});
    let others = json!({"additionalProperties": texts});
    allowed(others.clone(), json!({"additionalProperties": texts, "properties": {"a": texts}}));
    broken(others, json!({"additionalProperties": texts, "properties": {"a": {"type": "null"}}}), "/properties/a/type");
    let patterned = |inner: Value| json!({"patternProperties": {"^x": inner}, "additionalProperties": false});
    widens(patterned(json!({"type": "integer"})), patterned(json!({"type": "number"})), "/patternProperties/^x/type");
    let both = json!({"patternProperties": {"^x": {"type": "null"}}, "additionalProperties": false, "properties": {"xa": texts}});
    broken(patterned(json!({"type": "null"})), both, "/properties/xa");
    broken(json!({}), json!({"patternProperties": {"^x": {"type": "null"}}}), "/patternProperties/^x");
    widens(
        json!({"propertyNames": {"maxLength": 1}}),
        json!({"propertyNames": {"maxLength": 2}}),
        "/propertyNames/maxLength",
    );
}

#[test]
fn what_applies_in_place_is_compared_by_its_place() {
    let (a, b) = (json!({"type": "string"}), json!({"type": "null"}));
    widens(json!({"anyOf": [a]}), json!({"anyOf": [a, b]}), "/anyOf");
    widens(json!({"allOf": [a, b]}), json!({"allOf": [a]}), "/allOf");
    broken(json!({"oneOf": [a]}), json!({"oneOf": [a, b]}), "/oneOf");
    widens(json!({"oneOf": [a]}), json!({}), "/oneOf");
    broken(json!({"oneOf": [a]}), json!({"oneOf": [{"type": ["string", "null"]}]}), "/oneOf/0/type");
    widens(json!({"not": {}}), json!({"not": {"type": "string"}}), "/not/type");
    let when = |then: Value| json!({"if": {"required": ["a"]}, "then": then, "else": {"maxProperties": 1}});
    widens(when(json!({"required": ["b"]})), when(json!({})), "/then/required");
    broken(when(json!({})), json!({"if": {"required": ["b"]}, "else": {"maxProperties": 1}}), "/if/required");
    widens(json!({"dependentSchemas": {"a": {"required": ["b"]}}}), json!({}), "/dependentSchemas/a");
    widens(json!({"contains": {"type": "integer"}}), json!({"contains": {"type": "number"}}), "/contains/type");
    widens(
        json!({"contains": {"type": "null"}, "minContains": 2}),
        json!({"contains": {"type": "null"}}),
        "/minContains",
    );
}

#[test]
fn elements_are_compared_with_what_applied_to_them() {
    let (text, nothing) = (json!({"type": "string"}), json!({"type": "null"}));
    widens(json!({"items": text}), json!({"items": {"type": ["string", "null"]}}), "/items/type");
    allowed(json!({"items": text}), json!({"prefixItems": [text], "items": text}));
    broken(json!({"items": text}), json!({"prefixItems": [nothing], "items": text}), "/prefixItems/0/type");
    allowed(json!({"prefixItems": [text], "items": false}), json!({"prefixItems": [text, nothing], "items": false}));
    broken(json!({"prefixItems": [text]}), json!({"prefixItems": [text, nothing]}), "/prefixItems/1/type");
    let old = |schema: Value| {
        let Value::Object(mut members) = schema else { panic!("an object") };
        members.insert("$schema".into(), json!("http://json-schema.org/draft-07/schema#"));
        Value::Object(members)
    };
    allowed(
        old(json!({"items": [text], "additionalItems": false})),
        old(json!({"items": [text, nothing], "additionalItems": false})),
    );
    // Beside a reference nothing counts in draft-07: it hides the bound, and without it the bound would show.
    let hidden = json!({"definitions": {"a": {}}, "properties": {"p": {"$ref": "#/definitions/a", "maxLength": 1}}});
    let shown = json!({"properties": {"p": {"maxLength": 1}}});
    broken(old(hidden), old(shown), "/properties/p/maxLength");
    broken(old(json!({})), json!({}), "/$schema");
}

#[test]
fn references_are_followed() {
    let list = |item: Value| {
        json!({"$defs": {"node": {
            "properties": {"next": {"$ref": "#/$defs/node"}, "item": item}, "additionalProperties": false
        }}, "$ref": "#/$defs/node"})
    };
    widens(list(json!({"type": "integer"})), list(json!({"type": "number"})), "/$defs/node/properties/item/type");
    let inlined = json!({"properties": {"a": {"type": "string"}}});
    let referred = json!({"properties": {"a": {"$ref": "#/$defs/text"}}, "$defs": {"text": {"type": "string"}}});
    allowed(inlined.clone(), referred.clone());
    allowed(referred.clone(), inlined);
    // What is defined and not used says nothing.
    let mut more = referred.clone();
    more["$defs"]["unused"] = json!({"type": "null"});
    allowed(referred, more);
    for keyword in ["unevaluatedProperties", "unevaluatedItems"] {
        let schema = |title: &str| json!({keyword: false, "title": title});
        allowed(schema("a"), schema("a"));
        broken(schema("a"), schema("b"), "");
    }
    let anchored = |max: u64| json!({"$ref": "#a", "$defs": {"a": {"$anchor": "a", "maxLength": max}}});
    broken(anchored(1), anchored(2), "");
}

#[test]
fn annotations_change_freely_and_how_documents_are_kept_does_not() {
    let schema = |title: &str, unit: &str| json!({"title": title, "default": title, "x-unit": unit, "type": "object"});
    allowed(schema("a", "kg"), schema("b", "t"));
    broken(json!({"x-unique": ["/a"]}), json!({"x-unique": ["/b"]}), "/x-unique");
    broken(json!({}), json!({"x-indexes": ["/b"]}), "/x-indexes");
    broken(json!({}), json!({"made-up": 1}), "/made-up");
    allowed(json!({"made-up": 1}), json!({}));
}

#[test]
fn what_is_told_is_bounded_and_so_is_the_work() {
    let many = |kind: &str| {
        let properties: Map<String, Value> =
            (0..100).map(|n| (format!("{n:03}{}", "x".repeat(300)), json!({"type": kind}))).collect();
        json!({"properties": properties})
    };
    let told = breaks(&many("string"), &many("null"));
    assert_eq!(told.len(), 16);
    assert!(told.iter().all(|b| b.pointer.len() < 160 && b.reason.len() < 300));
    // Each of many places refers to one with many members: compared once.
    let properties: Map<String, Value> = (0..1500).map(|n| (format!("p{n}"), json!({"type": "string"}))).collect();
    let places: Map<String, Value> = (0..1500).map(|n| (format!("q{n}"), json!({"$ref": "#/$defs/wide"}))).collect();
    let wide = json!({"$defs": {"wide": {"properties": properties}}, "properties": places});
    allowed(wide.clone(), wide.clone());
    // And where they cannot be told apart it ends: each place of the new schema is another one.
    let empty: Map<String, Value> = (0..1500).map(|n| (format!("q{n}"), json!({"maxProperties": 9999}))).collect();
    let mut bounded = wide;
    bounded["$defs"]["wide"]["maxProperties"] = json!(9999);
    assert_eq!(found(&bounded, &json!({"properties": empty})), [""]);
}

/// SplitMix64: the same documents on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn document(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(5) as i64 - 1),
            3 => self.of(&[json!(0.5), json!(1.5)]),
            4 => json!(self.of(&["", "a", "ab", "b"])),
            5 | 6 => Value::Array((0..self.below(4)).map(|_| self.document(depth - 1)).collect()),
            _ => {
                let names = ["a", "ab", "b", "c"];
                let kept: Vec<&str> = names.into_iter().filter(|_| self.below(2) == 0).collect();
                Value::Object(kept.into_iter().map(|name| (name.to_owned(), self.document(depth - 1))).collect())
            }
        }
    }

    fn schema(&mut self, depth: usize) -> Value {
        if self.below(8) == 0 {
            return json!(self.below(3) != 0);
        }
        let mut members = Map::new();
        for _ in 0..=self.below(3) {
            let (keyword, value) = self.keyword(depth);
            members.insert(keyword.to_owned(), value);
        }
        Value::Object(members)
    }

    fn names(&mut self) -> Value {
        let names = ["a", "ab", "b", "c"].into_iter().filter(|_| self.below(3) == 0);
        json!(names.collect::<Vec<_>>())
    }

    fn schemas(&mut self, depth: usize) -> Value {
        Value::Array((0..=self.below(2)).map(|_| self.schema(depth - 1)).collect())
    }

    fn map(&mut self, names: &[&str], depth: usize) -> Value {
        let kept: Vec<&&str> = names.iter().filter(|_| self.below(2) == 0).collect();
        Value::Object(kept.into_iter().map(|name| ((*name).to_owned(), self.schema(depth - 1))).collect())
    }

    fn keyword(&mut self, depth: usize) -> (&'static str, Value) {
        let types = ["null", "boolean", "integer", "number", "string", "array", "object"];
        match self.below(if depth == 0 { 14 } else { 34 }) {
            0 | 1 => ("type", json!(self.of(&types))),
            2 => ("type", if self.below(2) == 0 { json!(["integer", "string"]) } else { json!(["number", "object"]) }),
            3 => ("enum", if self.below(2) == 0 { json!([1, "a"]) } else { json!([1, "a", null, {"a": 1}]) }),
            4 => ("const", self.of(&[json!(1), json!("a"), json!({})])),
            5 => (self.of(&["minimum", "exclusiveMinimum"]), json!(self.below(3))),
            6 => (self.of(&["maximum", "exclusiveMaximum"]), json!(self.below(3))),
            7 => (self.of(&["minLength", "minItems", "minProperties"]), json!(self.below(3))),
            8 => (self.of(&["maxLength", "maxItems", "maxProperties"]), json!(self.below(3))),
            9 => ("required", self.names()),
            10 => ("uniqueItems", json!(self.below(2) == 0)),
            11 => ("pattern", json!(self.of(&["^a", "b$"]))),
            12 => ("dependentRequired", json!({self.of(&["a", "b"]): self.names()})),
            13 => ("$ref", json!(self.of(&["#/$defs/x", "#/$defs/y"]))),
            14..=17 => ("properties", self.map(&["a", "ab", "b", "c"], depth)),
            18 => ("patternProperties", self.map(&["^a", "b$"], depth)),
            19 | 20 => ("additionalProperties", if self.below(2) == 0 { json!(false) } else { self.schema(depth - 1) }),
            21 => ("propertyNames", self.schema(depth - 1)),
            22 | 23 => ("items", self.schema(depth - 1)),
            24 => ("prefixItems", self.schemas(depth)),
            25 => ("contains", self.schema(depth - 1)),
            26 => (self.of(&["minContains", "maxContains"]), json!(self.below(3))),
            27 => ("allOf", self.schemas(depth)),
            28 => ("anyOf", self.schemas(depth)),
            29 => ("oneOf", self.schemas(depth)),
            30 => ("not", self.schema(depth - 1)),
            31 => ("if", self.schema(depth - 1)),
            32 => (self.of(&["then", "else"]), self.schema(depth - 1)),
            _ => ("dependentSchemas", self.map(&["a", "b"], depth)),
        }
    }

    /// A schema close to this one: somewhere in it a keyword comes, goes or changes.
    fn near(&mut self, schema: &Value, depth: usize) -> Value {
        let Value::Object(members) = schema else { return self.schema(depth) };
        let mut members = members.clone();
        let inner: Vec<String> =
            members.iter().filter(|(_, v)| v.is_object() || v.is_array()).map(|(k, _)| k.clone()).collect();
        if depth > 0 && !inner.is_empty() && self.below(3) != 0 {
            let keyword = self.of(&inner);
            let changed = match &members[&keyword] {
                Value::Array(items) if items.iter().all(Value::is_object) && !items.is_empty() => {
                    let (mut items, at) = (items.clone(), self.below(items.len()));
                    items[at] = self.near(&items[at], depth - 1);
                    Some(Value::Array(items))
                }
                Value::Object(named) if matches!(&keyword[..], "properties" | "patternProperties" | "$defs") => {
                    let mut named = named.clone();
                    let names: Vec<String> = named.keys().cloned().collect();
                    if names.is_empty() || (keyword != "$defs" && self.below(4) == 0) {
                        named.insert("c".to_owned(), self.schema(depth - 1));
                    } else {
                        let name = self.of(&names);
                        let one = self.near(&named[&name], depth - 1);
                        named.insert(name, one);
                    }
                    Some(Value::Object(named))
                }
                value
                    if value.is_object()
                        && !matches!(&keyword[..], "const" | "dependentRequired" | "dependentSchemas") =>
                {
                    Some(self.near(value, depth - 1))
                }
                _ => None,
            };
            if let Some(changed) = changed {
                members.insert(keyword, changed);
                return Value::Object(members);
            }
        }
        let kept: Vec<String> = members.keys().filter(|keyword| !keyword.starts_with("$defs")).cloned().collect();
        if !kept.is_empty() && self.below(2) == 0 {
            members.remove(&self.of(&kept));
        } else {
            let (keyword, value) = self.keyword(depth);
            members.insert(keyword.to_owned(), value);
        }
        Value::Object(members)
    }

    fn root(&mut self, draft7: bool) -> Value {
        let Value::Object(mut members) = self.schema(3) else { return self.root(draft7) };
        members.insert("$defs".to_owned(), json!({"x": self.schema(1), "y": self.schema(0)}));
        if draft7 {
            members.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        }
        Value::Object(members)
    }
}

#[test]
fn whatever_was_valid_stays_valid_where_nothing_breaks() {
    let mut random = Random(20_261_127);
    let (mut kept, mut judged, mut witnessed) = (0, 0, 0);
    for round in 0..6_000 {
        let old = random.root(round % 4 == 0);
        let new = (0..=random.below(2)).fold(old.clone(), |schema, _| random.near(&schema, 3));
        let (Ok(before), Ok(after)) = (Schema::compile(&old), Schema::compile(&new)) else { continue };
        let breaks = breaks(&old, &new);
        kept += usize::from(breaks.is_empty() && old != new);
        let mut witness = false;
        for _ in 0..60 {
            let document = random.document(3);
            if before.validate(&document).is_err() {
                continue;
            }
            judged += usize::from(breaks.is_empty());
            let stays = after.validate(&document).is_ok();
            witness |= !stays;
            assert!(stays || !breaks.is_empty(), "round {round}: {document}\n{old}\n{new}");
        }
        witnessed += usize::from(witness);
    }
    // It had something to find, and looked.
    assert!(kept > 500 && judged > 5_000 && witnessed > 300, "{kept} {judged} {witnessed}");
}
