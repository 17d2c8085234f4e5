//! Change a document's value and judge preconditions over it.

use crate::rejection::{Code, Rejection};
use countersign_proof::{INTEGER_MAX, NAMED_MEMBER, Named, operation::Change};
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::sync::Arc;

/// The document's value after `change`, none after a deletion. `argument` is the JSON the operation carries.
/// `named`: whether the collection's documents may have a `$access`.
pub(crate) fn change(
    current: Option<&Value>,
    change: &Change,
    argument: &Arc<Value>,
    named: Named,
) -> Result<Option<Arc<Value>>, Rejection> {
    let object = |value| object(value, named);
    if let Change::Create(_) = change {
        return match current {
            Some(_) => Err(Rejection::new(Code::AlreadyExists, "the document exists")),
            None => object(argument.clone()).map(Some),
        };
    }
    if let Change::Put(_) = change {
        return object(argument.clone()).map(Some);
    }
    let current = current.ok_or_else(|| Rejection::new(Code::NotFound, "the document does not exist"))?;
    match change {
        Change::Replace(_) => object(argument.clone()).map(Some),
        Change::Patch(_) => object(Arc::new(merge(current.clone(), argument))).map(Some),
        Change::Delete(_) => Ok(None),
        Change::Increment(increment) => add(current.clone(), &increment.pointer, increment.by).map(Arc::new).map(Some),
        Change::Append(append) => object(Arc::new(push(current.clone(), &append.pointer, argument)?)).map(Some),
        _ => unreachable!("governance is not a change of a document"),
    }
}

fn object(value: Arc<Value>, named: Named) -> Result<Arc<Value>, Rejection> {
    let Value::Object(members) = &*value else {
        return Err(Rejection::new(Code::InvalidValue, "a document is a JSON object"));
    };
    let mut own = members.iter().filter(|(name, _)| named == Named::None || *name != NAMED_MEMBER);
    let reserved = own.find_map(|(name, value)| reserved_name(name).or_else(|| reserved_member(value)));
    match reserved {
        Some(name) => Err(Rejection::new(Code::ReservedName, format!("the member name {name:?} begins with $"))),
        None => Ok(value),
    }
}

fn reserved_name(name: &str) -> Option<&str> {
    name.starts_with('$').then_some(name)
}

fn reserved_member(value: &Value) -> Option<&str> {
    match value {
        Value::Object(members) => {
            members.iter().find_map(|(name, value)| reserved_name(name).or_else(|| reserved_member(value)))
        }
        Value::Array(items) => items.iter().find_map(reserved_member),
        _ => None,
    }
}

/// RFC 7396.
fn merge(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut members = match target {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            let before = members.remove(name).unwrap_or(Value::Null);
            members.insert(name.clone(), merge(before, value));
        }
    }
    Value::Object(members)
}

fn add(mut document: Value, pointer: &str, by: i64) -> Result<Value, Rejection> {
    let wrong = |reason: &str| Rejection::new(Code::InvalidValue, format!("{pointer:?} {reason}"));
    let target = document.pointer_mut(pointer).ok_or_else(|| wrong("is not there"))?;
    let before = target.as_i64().ok_or_else(|| wrong("is not an integer"))?;
    let after = before.checked_add(by).filter(|sum| sum.unsigned_abs() <= INTEGER_MAX);
    *target = Value::from(after.ok_or_else(|| wrong("would leave ±(2^53-1)"))?);
    Ok(document)
}

fn push(mut document: Value, pointer: &str, element: &Value) -> Result<Value, Rejection> {
    let wrong = |reason: &str| Rejection::new(Code::InvalidValue, format!("{pointer:?} {reason}"));
    let target = document.pointer_mut(pointer).ok_or_else(|| wrong("is not there"))?;
    target.as_array_mut().ok_or_else(|| wrong("is not an array"))?.push(element.clone());
    Ok(document)
}

/// Whether every comparison of a checked predicate holds.
pub(crate) fn predicate_holds(document: &Value, predicate: &Value) -> bool {
    let comparisons = predicate.as_object().expect("checked when the transaction was parsed");
    comparisons.iter().all(|(pointer, comparison)| {
        let found = document.pointer(pointer);
        let comparison = comparison.as_object().expect("checked when the transaction was parsed");
        comparison.iter().all(|(name, with)| compare(found, name, with))
    })
}

fn compare(found: Option<&Value>, name: &str, with: &Value) -> bool {
    if name == "exists" {
        return Value::Bool(found.is_some()) == *with;
    }
    let Some(found) = found else {
        return name == "ne";
    };
    let order = order(found, with);
    match name {
        "eq" => found == with,
        "ne" => found != with,
        "lt" => order == Some(Ordering::Less),
        "le" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        "gt" => order == Some(Ordering::Greater),
        "ge" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        _ => unreachable!("checked when the transaction was parsed"),
    }
}

/// Numbers by value, strings by their bytes; anything else has no order.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        // Exact: every number of a document is an integer within 2^53 or a double.
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proof::{Append, Increment, Put, Unit};
    use serde_json::json;

    fn change(current: Option<&Value>, change: &Change, argument: &Value) -> Result<Option<Value>, Rejection> {
        let changed = super::change(current, change, &Arc::new(argument.clone()), Named::None)?;
        Ok(changed.map(Arc::unwrap_or_clone))
    }

    fn code(result: Result<Option<Value>, Rejection>) -> Code {
        result.expect_err("rejected").code
    }

    #[test]
    fn each_change_gives_its_value_or_its_code() {
        let document = json!({"n": 1, "list": [1], "deep": {"a": 1, "b": 2}});
        let patch = json!({"deep": {"a": null, "c": 3}, "list": null});
        let patched = change(Some(&document), &Change::Patch(vec![]), &patch);
        assert_eq!(patched, Ok(Some(json!({"n": 1, "deep": {"b": 2, "c": 3}}))));
        let increment = |pointer: &str, by| Change::Increment(Increment { pointer: pointer.into(), by });
        assert_eq!(
            change(Some(&document), &increment("/n", -3), &Value::Null).expect("adds").expect("a value")["n"],
            -2
        );
        assert_eq!(
            code(change(Some(&document), &increment("/n", INTEGER_MAX as i64), &Value::Null)),
            Code::InvalidValue
        );
        assert_eq!(code(change(Some(&document), &increment("/n", i64::MAX), &Value::Null)), Code::InvalidValue);
        assert_eq!(code(change(Some(&document), &increment("/list", 1), &Value::Null)), Code::InvalidValue);
        let append = |pointer: &str| Change::Append(Append { pointer: pointer.into(), value: vec![] });
        assert_eq!(
            change(Some(&document), &append("/list"), &json!(2)).expect("adds").expect("a value")["list"],
            json!([1, 2])
        );
        assert_eq!(code(change(Some(&document), &append("/n"), &json!(2))), Code::InvalidValue);
        assert_eq!(code(change(Some(&document), &append("/list"), &json!({"$x": 2}))), Code::ReservedName);
        assert_eq!(change(Some(&document), &Change::Delete(Unit {}), &Value::Null), Ok(None));
        assert_eq!(code(change(Some(&document), &Change::Create(vec![]), &json!({}))), Code::AlreadyExists);
        let put = Change::Put(Put { value: vec![], key: vec![] });
        assert_eq!(change(None, &put, &json!({"n": 2})), Ok(Some(json!({"n": 2}))));
        assert_eq!(change(Some(&document), &put, &json!({"n": 2})), Ok(Some(json!({"n": 2}))));
        assert_eq!(code(change(None, &put, &json!([]))), Code::InvalidValue);
        assert_eq!(code(change(None, &Change::Delete(Unit {}), &Value::Null)), Code::NotFound);
        assert_eq!(code(change(None, &Change::Create(vec![]), &json!([]))), Code::InvalidValue);
        assert_eq!(code(change(None, &Change::Create(vec![]), &json!({"a": [{"$veiled": "00"}]}))), Code::ReservedName);
    }

    #[test]
    fn predicates_compare_like_with_like() {
        let document = json!({"s": "open", "n": 5, "x": null});
        let holds = |predicate: Value| predicate_holds(&document, &predicate);
        assert!(holds(json!({"/s": {"eq": "open"}, "/n": {"ge": 5, "lt": 6}})));
        assert!(holds(json!({"/gone": {"exists": false, "ne": 1}, "/x": {"exists": true, "eq": null}})));
        assert!(!holds(json!({"/n": {"lt": "6"}})));
        assert!(!holds(json!({"/s": {"lt": "a"}})));
        assert!(!holds(json!({"/gone": {"eq": null}})));
    }
}
