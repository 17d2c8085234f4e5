//! Make access rules: fields that lead somewhere and nowhere, policies that hold, fail and cost.

use super::{NAMES, Odd};
use serde_json::{Map, Value, json};

impl Odd {
    pub fn access(&mut self, schema: &Value) -> Value {
        if self.once_in(6) {
            let write =
                self.pick(&[&["acme.example", "bolt.example"][..], &["acme.example"], &[], &["nobody.example"]]);
            return json!({ "engine": "writers/v1", "write": write });
        }
        let mut fields: Vec<String> = (0..self.below(5)).map(|_| self.field(schema)).collect();
        if self.once_in(10) && !fields.is_empty() {
            let field = self.pick(&fields);
            let end = field.find(['.', '[']).filter(|end| *end > 0).unwrap_or(0);
            fields.push(format!("[{}]{}", json!(field[..end]), &field[end..]));
        }
        if !self.once_in(20) {
            fields.sort();
            fields.dedup();
        }
        let mut policies: Map<String, Value> =
            (0..1 + self.below(6)).map(|at| (format!("p{at}"), json!(self.policy(&fields)))).collect();
        if !self.once_in(3) {
            policies.insert("all".to_owned(), json!("permit(principal, action, resource);"));
        }
        let named = self.pick(&["none", "none", "none", "none", "optional", "optional", "required", "sometimes"]);
        json!({ "engine": "cedar/v1", "fields": fields, "named": named, "policies": policies })
    }

    /// The path of a field: along the schema, or anywhere.
    fn field(&mut self, schema: &Value) -> String {
        if self.once_in(12) {
            let odd =
                ["list[*][*].a", "[\"a\"]", "[\"list\"][*]", "a[\"$x\"]", "$access", "a[0]", "", "a..b", "list[*]a"];
            return self.pick(&odd).to_owned();
        }
        let mut path = String::new();
        let mut schema = schema;
        for _ in 0..=self.below(4) {
            let known: Vec<&String> = schema["properties"].as_object().into_iter().flat_map(Map::keys).collect();
            if schema["type"] == "array" || (!path.is_empty() && self.once_in(5)) {
                path += "[*]";
                schema = &schema["items"];
            } else {
                let name = if known.is_empty() || self.once_in(5) { self.name() } else { self.pick(&known).clone() };
                let plain = !name.is_empty() && !name.contains(['.', '[', ']', '"', '*']);
                match plain {
                    true if path.is_empty() => path += &name,
                    true => path += &format!(".{name}"),
                    false => path += &format!("[{}]", json!(name)),
                }
                schema = &schema["properties"][&name];
            }
        }
        path
    }

    fn policy(&mut self, fields: &[String]) -> String {
        if !fields.is_empty() && self.once_in(3) {
            return self.hiding(fields);
        }
        let effect = self.pick(&["permit", "permit", "permit", "permit", "forbid"]);
        let who = self.pick(&[
            "principal",
            "principal",
            "principal in Organisation::\"acme.example\"",
            "principal == Account::\"bolt.example/dispatch\"",
            "principal is Account",
        ]);
        let action = self.pick(&[
            "action",
            "action == Action::\"read\"",
            "action in Action::\"write\"",
            "action in [Action::\"create\", Action::\"update\"]",
            "action == Action::\"delete\"",
        ]);
        let resource = match self.below(5) {
            0 => "resource is Document".to_owned(),
            1 => "resource is Field".to_owned(),
            2 if !fields.is_empty() => format!("resource == Field::{}", json!(self.pick(fields))),
            3 if self.once_in(30) => "resource == Field::\"nothing\"".to_owned(),
            _ => "resource".to_owned(),
        };
        let mut policy = format!("{effect}({who}, {action}, {resource})");
        for _ in 0..self.below(3) {
            policy += &format!(" {} {{ {} }}", self.pick(&["when", "unless"]), self.truth(3));
        }
        if self.once_in(20) {
            policy += &" when{1<2}".repeat(self.pick(&[80, 200, 360]));
        }
        policy + ";"
    }

    /// A policy that keeps a field from some.
    fn hiding(&mut self, fields: &[String]) -> String {
        let field = json!(self.pick(fields));
        let unless = match self.below(4) {
            0 => self.truth(1),
            1 => "context.element.a == 1".to_owned(),
            2 => "context.document.b == principal.organisation.code".to_owned(),
            _ => "principal in Organisation::\"acme.example\"".to_owned(),
        };
        format!("forbid(principal, action == Action::\"read\", resource == Field::{field}) unless {{ {unless} }};")
    }

    /// An expression that is true or false, where it can be evaluated.
    fn truth(&mut self, depth: usize) -> String {
        let fact = self.fact();
        match self.below(if depth == 0 { 10 } else { 14 }) {
            0 => format!("{fact} == {}", self.thing(1)),
            1 => format!("{fact} != principal.organisation.code"),
            2 => format!("{fact} like {}", json!(self.pick(&["*", "a*", "*a*b", "\\*", "*a*a*a*a*a*b", ""]))),
            3 => format!("{fact}.contains({})", self.thing(1)),
            4 => format!("{fact}.{}({})", self.pick(&["containsAll", "containsAny"]), self.thing(2)),
            5 => format!("{fact} {} {}", self.pick(&["<", ">=", "<="]), self.thing(0)),
            6 => format!("context.{}", self.pick(&["reader", "writer", "owner"])),
            7 => "context.id like \"*a*\"".to_owned(),
            8 => {
                let whole = self.pick(&["context.document", "context.after", "context.current", "context"]);
                let name = self.pick(&["a", "b", "list", "document", "element", "after"]);
                format!("{whole} has {name}")
            }
            9 => format!("{fact}.isEmpty()"),
            10 => format!("!({})", self.truth(depth - 1)),
            11 => format!("if {} then {} else {}", self.truth(depth - 1), self.truth(0), self.truth(depth - 1)),
            _ => format!("({} {} {})", self.truth(depth - 1), self.pick(&["&&", "||"]), self.truth(depth - 1)),
        }
    }

    fn fact(&mut self) -> String {
        let of =
            self.pick(&["context.document", "context.document", "context.after", "context.current", "context.element"]);
        let name = self.pick(&NAMES[..]);
        match self.below(12) {
            0 => "principal.organisation.roles".to_owned(),
            1 => "context.element".to_owned(),
            2 => of.to_owned(),
            3 => format!("{of}.{}.{}", self.pick(&["a", "b"]), self.pick(&["a", "list"])),
            4 if self.once_in(20) => "context.nothing".to_owned(),
            _ => format!("{of}[{}]", json!(name)),
        }
    }

    fn thing(&mut self, depth: usize) -> String {
        match self.below(if depth == 0 { 5 } else { 9 }) {
            0 => self.pick(&["1", "-1", "9007199254740991", "9223372036854775807 + 1"]).to_owned(),
            1 => "true".to_owned(),
            2 => json!(self.pick(&["a", "AC", "open", "0.5"])).to_string(),
            3 => self.pick(&["principal.organisation.name", "principal", "principal.name"]).to_owned(),
            4 | 5 => self.fact(),
            6 => format!("{{a: {}, \"b\": 1}}", self.thing(depth - 1)),
            _ => format!("[{}, {}, \"a\"]", self.thing(depth - 1), self.thing(depth - 1)),
        }
    }
}
