//! Make schemas, and documents that have a chance to satisfy them.

use super::Odd;
use serde_json::{Map, Value, json};

impl Odd {
    /// A whole definition.
    pub fn definition(&mut self) -> Value {
        let schema = self.root();
        json!({ "access": self.access(&schema), "schema": schema })
    }

    /// The same with something changed.
    pub fn evolved(&mut self, definition: &Value) -> Value {
        let mut next = definition.clone();
        if self.once_in(2) {
            next["access"] = self.access(&definition["schema"]);
        }
        if let Some(members) = next["schema"].as_object_mut() {
            match self.below(6) {
                0 => drop(members.insert("title".to_owned(), self.scalar())),
                1 => drop(members.remove("required")),
                2 => drop(members.remove("additionalProperties")),
                3 => {
                    let (name, schema) = (self.name(), self.schema(2));
                    if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
                        properties.insert(name, schema);
                    }
                }
                4 => drop(members.insert("x-unique".to_owned(), json!([self.pointer()]))),
                _ => {}
            }
        }
        next
    }

    fn root(&mut self) -> Value {
        if self.once_in(10) {
            return self.schema(3);
        }
        let mut root = self.object(3);
        root.insert("type".to_owned(), json!("object"));
        if self.once_in(2) {
            let defs: Map<String, Value> =
                ["p", "q", "a/b"].iter().map(|name| ((*name).to_owned(), self.schema(2))).collect();
            root.insert("$defs".to_owned(), Value::Object(defs));
        }
        if self.once_in(8) {
            let draft =
                self.pick(&["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"]);
            root.insert("$schema".to_owned(), json!(draft));
        }
        let root = Value::Object(root);
        let mut keyed = root.clone();
        for keyword in ["x-unique", "x-indexes"] {
            if self.once_in(2) {
                keyed[keyword] = self.keys(&root);
            }
        }
        keyed
    }

    fn keys(&mut self, root: &Value) -> Value {
        match self.below(16) {
            0 => self.value(1),
            1 => json!([[self.pointer(), self.pointer()], self.pointer()]),
            _ => {
                let mut keys: Vec<String> = (0..1 + self.below(2)).map(|_| self.way(root)).collect();
                keys.sort();
                keys.dedup();
                if self.once_in(4) { json!([keys]) } else { json!(keys) }
            }
        }
    }

    /// A pointer that a schema knows of, as far as it goes.
    pub fn way(&mut self, root: &Value) -> String {
        let (mut schema, mut pointer) = (root, String::new());
        for _ in 0..4 {
            schema = schema["$ref"].as_str().and_then(|r| root.pointer(r.strip_prefix('#')?)).unwrap_or(schema);
            if let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) {
                let at = self.below(properties.len());
                let (name, inner) = properties.iter().nth(at).expect("there");
                pointer += &format!("/{}", name.replace('~', "~0").replace('/', "~1"));
                schema = inner;
            } else if schema["type"] == "array" {
                pointer += if self.once_in(2) { "/0" } else { "/1" };
                schema = &schema["items"];
            } else {
                break;
            }
        }
        if pointer.is_empty() { self.pointer() } else { pointer }
    }

    pub fn schema(&mut self, depth: usize) -> Value {
        let inner = depth.saturating_sub(1);
        let typed = |name: &str, mut members: Map<String, Value>| {
            members.insert("type".to_owned(), json!(name));
            Value::Object(members)
        };
        match self.below(if depth == 0 { 9 } else { 18 }) {
            0 => json!(self.below(3) > 0),
            1 => json!({}),
            2 => self.string(),
            3 => self.number(),
            4 => json!({ "type": self.pick(&["string", "integer", "number", "boolean", "null"]) }),
            5 => json!({ "type": self.pick(&[["string", "null"], ["integer", "array"], ["object", "boolean"]]) }),
            6 => json!({ "enum": [self.scalar(), self.value(1), self.scalar()] }),
            7 => json!({ "const": self.value(1) }),
            8 => self.reference(),
            9..=11 => {
                let members = self.object(inner);
                typed("object", members)
            }
            12..=14 => {
                let members = self.array(inner);
                typed("array", members)
            }
            15 => {
                let word = self.pick(&["allOf", "anyOf", "oneOf"]);
                json!({ word: [self.schema(inner), self.schema(inner)] })
            }
            16 => json!({ "if": self.schema(inner), "then": self.schema(inner), "else": self.schema(inner) }),
            _ => json!({ "not": self.schema(inner) }),
        }
    }

    fn reference(&mut self) -> Value {
        let places = [
            "#/$defs/p",
            "#/$defs/p",
            "#/$defs/q",
            "#/$defs/a~1b",
            "#",
            "#/properties/a",
            "#/nothing",
            "#name",
            "urn:x",
            "",
            "#/$defs/%70",
        ];
        let at = self.pick(&places);
        if self.once_in(4) { json!({ "$ref": at, "maxLength": 3 }) } else { json!({ "$ref": at }) }
    }

    fn string(&mut self) -> Value {
        let mut schema = json!({ "type": "string" });
        match self.below(5) {
            0 => schema["maxLength"] = json!(self.pick(&[0_u64, 1, 600, (1 << 53) - 1])),
            1 => schema["pattern"] = json!(self.pick(&["^a*b$", "(a+)+$", "^(?!x)", "[", "\\p{L}", "(?<=a)b", ""])),
            2 => schema["format"] = json!("date-time"),
            _ => {}
        }
        schema
    }

    fn number(&mut self) -> Value {
        let mut schema = json!({ "type": self.pick(&["integer", "number"]) });
        let word = self.pick(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "x"]);
        schema[word] = json!(self.pick(&[9_007_199_254_740_991.0, 0.1, 1.0, 5e-324, 3.0]));
        schema
    }

    fn object(&mut self, depth: usize) -> Map<String, Value> {
        let mut schema = Map::new();
        let properties: Map<String, Value> = (0..self.below(6)).map(|_| (self.name(), self.schema(depth))).collect();
        let required: Vec<String> = properties.keys().filter(|_| self.once_in(4)).cloned().collect();
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        schema.insert("properties".to_owned(), Value::Object(properties));
        let name = self.name();
        let more = match self.below(16) {
            0 => json!({ "patternProperties": { "^[a-n]": self.schema(depth), "^$": {} } }),
            1 => json!({ "propertyNames": { "maxLength": 4 } }),
            2 => json!({ "unevaluatedProperties": self.schema(depth) }),
            3 => json!({ "dependentRequired": { name: ["a"] }, "minProperties": 1 }),
            4 => json!({ "dependentSchemas": { name: self.schema(depth) } }),
            5 => json!({ "maxProperties": 5, "$anchor": "name" }),
            6 => json!({ "$id": "urn:inner", "allOf": [self.schema(depth)] }),
            7..=9 => json!({ "additionalProperties": false }),
            10 => json!({ "additionalProperties": self.schema(depth) }),
            _ => json!({}),
        };
        schema.extend(more.as_object().expect("members").clone());
        schema
    }

    fn array(&mut self, depth: usize) -> Map<String, Value> {
        let schema = match self.below(9) {
            0 => json!({}),
            1 => json!({ "prefixItems": [self.schema(depth), self.schema(depth)], "items": self.schema(depth) }),
            2 => json!({ "items": [self.schema(depth)], "additionalItems": false }),
            3 => json!({ "items": { "type": "array", "items": self.schema(depth) } }),
            4 => json!({ "contains": self.schema(depth), "minContains": self.below(2), "maxContains": 2 }),
            5 => json!({ "uniqueItems": true, "unevaluatedItems": self.schema(depth) }),
            _ => json!({ "items": self.schema(depth) }),
        };
        schema.as_object().expect("members").clone()
    }

    /// A document that the schema may allow, with now and then something odd in it.
    pub fn document(&mut self, schema: &Value) -> Value {
        let mut document = self.sample(schema, schema, 5);
        if !document.is_object() && !self.once_in(12) {
            document = self.members(2);
        }
        if let Some(members) = document.as_object_mut()
            && self.once_in(4)
        {
            members.insert(self.name(), self.value(3));
        }
        document
    }

    fn sample(&mut self, schema: &Value, root: &Value, depth: usize) -> Value {
        if depth == 0 || self.once_in(40) {
            return self.scalar();
        }
        let target = schema["$ref"].as_str().and_then(|text| root.pointer(text.strip_prefix('#')?));
        if let Some(target) = target {
            return self.sample(target, root, depth - 1);
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        for word in ["enum", "allOf", "anyOf", "oneOf"] {
            if let Some(parts) = schema[word].as_array().filter(|parts| !parts.is_empty()) {
                let part = self.pick(parts);
                return if word == "enum" { part } else { self.sample(&part, root, depth - 1) };
            }
        }
        let kind = match &schema["type"] {
            Value::String(name) => name.clone(),
            Value::Array(names) => self.pick(names).as_str().unwrap_or_default().to_owned(),
            _ if schema.get("properties").is_some() => "object".to_owned(),
            _ => String::new(),
        };
        match &kind[..] {
            "string" => json!(self.text()),
            "integer" => json!(self.below(5)),
            "number" => json!(self.pick(&[0.5, 1.0, 2.0])),
            "boolean" => json!(self.once_in(2)),
            "null" => Value::Null,
            "object" => self.sample_object(schema, root, depth),
            "array" => self.sample_array(schema, root, depth),
            _ => self.value(2),
        }
    }

    fn sample_object(&mut self, schema: &Value, root: &Value, depth: usize) -> Value {
        let mut members = Map::new();
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            let needed = schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
            if needed || self.below(4) > 0 {
                members.insert(name.clone(), self.sample(inner, root, depth - 1));
            }
        }
        Value::Object(members)
    }

    fn sample_array(&mut self, schema: &Value, root: &Value, depth: usize) -> Value {
        let prefix = schema["prefixItems"].as_array().or(schema["items"].as_array()).cloned().unwrap_or_default();
        let elements =
            (0..self.below(4)).map(|at| self.sample(prefix.get(at).unwrap_or(&schema["items"]), root, depth - 1));
        Value::Array(elements.collect())
    }
}
