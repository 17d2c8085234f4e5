//! Make changes of documents.

use super::Odd;
use countersign_proof::operation::Change;
use countersign_proof::precondition::Condition;
use countersign_proof::{Append, Increment, Operation, Precondition, Put, Unit, canonical};
use serde_json::{Value, json};

const IDS: [&str; 6] = ["a", "b", "c", "d/é", "*", "a b"];

impl Odd {
    /// An operation on a document of `collection`.
    pub fn operation(&mut self, collection: &str, definition: &Value) -> Operation {
        let schema = &definition["schema"];
        let mut value = self.document(schema);
        if definition["access"]["named"] != "none" && self.below(5) > 0 {
            self.name_readers(&mut value);
        }
        let bytes = canonical(&value);
        let change = match self.below(14) {
            0..=2 => Change::Create(bytes),
            3 | 4 | 12 | 13 => Change::Put(Put { value: bytes, key: Vec::new() }),
            5 => Change::Put(Put { value: bytes, key: self.key(schema) }),
            6 => Change::Replace(bytes),
            7 | 8 => Change::Patch(canonical(&self.patch(value))),
            9 => Change::Delete(Unit {}),
            10 => {
                Change::Increment(Increment { pointer: self.way(schema), by: self.pick(&[1, -1, i64::MAX, 1 << 53]) })
            }
            _ => Change::Append(Append { pointer: self.way(schema), value: canonical(&self.value(2)) }),
        };
        let id = self.pick(&IDS).to_owned();
        let precondition = if self.once_in(6) { Some(self.precondition()) } else { None };
        Operation { collection: collection.to_owned(), id, precondition, change: Some(change) }
    }

    fn name_readers(&mut self, document: &mut Value) {
        let all = ["*", "acme.example", "bolt.example", "cargo.example"];
        let some = |odd: &mut Odd| all.into_iter().filter(|_| odd.once_in(2)).collect::<Vec<_>>();
        let owners = self.pick(&["acme.example", "bolt.example"]);
        let names = json!({ "owners": [owners], "readers": some(self), "writers": some(self) });
        if let Some(members) = document.as_object_mut() {
            members.insert("$access".to_owned(), if self.once_in(10) { self.value(1) } else { names });
        }
    }

    fn patch(&mut self, mut document: Value) -> Value {
        if let Some(members) = document.as_object_mut() {
            members.retain(|_, _| self.once_in(2));
            for value in members.values_mut() {
                if self.once_in(6) {
                    *value = Value::Null;
                }
            }
        }
        document
    }

    /// A unique key of the schema, or none of them.
    fn key(&mut self, schema: &Value) -> Vec<String> {
        let keys = schema["x-unique"].as_array().filter(|keys| !keys.is_empty() && !self.once_in(8));
        match keys.map(|keys| self.pick(keys)) {
            Some(Value::String(pointer)) => vec![pointer],
            Some(Value::Array(parts)) => parts.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => vec![self.pointer()],
        }
    }

    fn precondition(&mut self) -> Precondition {
        let condition = match self.below(3) {
            0 => Condition::Absent(Unit {}),
            1 => Condition::Version(self.below(5) as u64),
            _ => {
                let word = self.pick(&["eq", "ne", "lt", "ge", "exists"]);
                let with = if word == "exists" { json!(true) } else { self.scalar() };
                Condition::Predicate(canonical(&json!({ self.pointer(): { word: with } })))
            }
        };
        Precondition { condition: Some(condition) }
    }
}
