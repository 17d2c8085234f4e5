//! Read the operations of a transaction from JSON.

use crate::problem::Problem;
use countersign_proof::operation::Change;
use countersign_proof::precondition::Condition;
use countersign_proof::{Append, Increment, Operation, Precondition, Put, Unit, canonical};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One operation as JSON: `{"op":"create","collection":"flights","id":"UA1","value":{...}}`.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
enum JsonOperation {
    Create { collection: String, id: String, value: Value },
    Put { collection: String, id: String, value: Value, key: Option<Key>, r#if: Option<If> },
    Replace { collection: String, id: String, value: Value, r#if: Option<If> },
    Patch { collection: String, id: String, value: Value, r#if: Option<If> },
    Delete { collection: String, id: String, r#if: Option<If> },
    Increment { collection: String, id: String, pointer: String, by: i64, r#if: Option<If> },
    Append { collection: String, id: String, pointer: String, value: Value, r#if: Option<If> },
}

/// A unique key, as a schema declares it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Key {
    /// One JSON pointer.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Key {
    /// From a parameter: a JSON pointer, or an array of them as JSON.
    pub(crate) fn parse(text: &str) -> Result<Key, Problem> {
        let wrong = || Problem::field("key", "neither a JSON pointer nor a JSON array of them");
        let key = match text.starts_with('[') {
            true => Key::Many(serde_json::from_str(text).map_err(|_| wrong())?),
            false => Key::One(text.to_owned()),
        };
        match &key {
            Key::Many(pointers) if pointers.is_empty() => Err(wrong()),
            _ => Ok(key),
        }
    }

    pub(crate) fn pointers(self) -> Vec<String> {
        match self {
            Key::One(pointer) => vec![pointer],
            Key::Many(pointers) => pointers,
        }
    }
}

/// What must hold before: exactly one of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum If {
    /// `{"absent":true}`.
    Absent(bool),
    /// `{"version":3}`.
    Version(u64),
    /// `{"predicate":{"/status":{"eq":"open"}}}`.
    Predicate(Map<String, Value>),
}

/// The operation that `value` says, and its form aside nothing of it is judged.
pub(crate) fn operation(value: Value) -> Result<Operation, Problem> {
    let parsed: JsonOperation =
        serde_json::from_value(value).map_err(|error| Problem::field("operations", error.to_string()))?;
    let (collection, id, condition, change) = match parsed {
        JsonOperation::Create { collection, id, value } => (collection, id, None, Change::Create(canonical(&value))),
        JsonOperation::Put { collection, id, value, key, r#if } => {
            let key = key.map_or_else(Vec::new, Key::pointers);
            (collection, id, r#if, Change::Put(Put { value: canonical(&value), key }))
        }
        JsonOperation::Replace { collection, id, value, r#if } => {
            (collection, id, r#if, Change::Replace(canonical(&value)))
        }
        JsonOperation::Patch { collection, id, value, r#if } => {
            (collection, id, r#if, Change::Patch(canonical(&value)))
        }
        JsonOperation::Delete { collection, id, r#if } => (collection, id, r#if, Change::Delete(Unit {})),
        JsonOperation::Increment { collection, id, pointer, by, r#if } => {
            (collection, id, r#if, Change::Increment(Increment { pointer, by }))
        }
        JsonOperation::Append { collection, id, pointer, value, r#if } => {
            (collection, id, r#if, Change::Append(Append { pointer, value: canonical(&value) }))
        }
    };
    let precondition = condition.map(precondition).transpose()?;
    Ok(Operation { collection, id, precondition, change: Some(change) })
}

fn precondition(condition: If) -> Result<Precondition, Problem> {
    let condition = match condition {
        If::Absent(true) => Condition::Absent(Unit {}),
        If::Absent(false) => return Err(Problem::field("operations.if.absent", "can only be true")),
        If::Version(version) => Condition::Version(version),
        If::Predicate(predicate) => Condition::Predicate(canonical(&predicate)),
    };
    Ok(Precondition { condition: Some(condition) })
}
