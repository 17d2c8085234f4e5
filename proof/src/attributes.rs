//! Check the attributes of an organisation: what its members say of it, and rules of access rely on.

use crate::limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTE_TEXTS_MAX, ATTRIBUTES_MAX, NAME_BYTES_MAX};
use crate::{INTEGER_MAX, ProofError};
use serde_json::Value;

/// Checks that `attributes` is a flat object, such as `{"code":"UA","roles":["carrier"]}`: names `[a-z][a-z0-9_]{0,63}`,
/// each with a text, an integer, true or false, or a list of texts, ascending and each once.
pub fn check_attributes(field: &'static str, attributes: &Value) -> Result<(), ProofError> {
    let members = attributes.as_object().ok_or_else(|| ProofError::malformed(field, "not an object"))?;
    ProofError::check_max(field, members.len(), ATTRIBUTES_MAX)?;
    for (name, value) in members {
        if !is_name(name) {
            return Err(ProofError::malformed(field, format!("{name:?} does not match [a-z][a-z0-9_]{{0,63}}")));
        }
        check_value(field, name, value)?;
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    name.len() <= NAME_BYTES_MAX && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(rest)
}

fn check_value(field: &'static str, name: &str, value: &Value) -> Result<(), ProofError> {
    let wrong = |reason: &str| Err(ProofError::malformed(field, format!("{name:?} {reason}")));
    match value {
        Value::Bool(_) => Ok(()),
        Value::String(text) => ProofError::check_max(field, text.len(), ATTRIBUTE_BYTES_MAX),
        Value::Number(number) if number.as_i64().is_some_and(|n| n.unsigned_abs() <= INTEGER_MAX) => Ok(()),
        Value::Array(items) => {
            ProofError::check_max(field, items.len(), ATTRIBUTE_TEXTS_MAX)?;
            let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            if texts.len() != items.len() {
                return wrong("lists what is not a text");
            }
            if !texts.is_sorted_by(|a, b| a < b) {
                return wrong("lists texts that are not ascending, or one twice");
            }
            texts.iter().try_for_each(|text| ProofError::check_max(field, text.len(), ATTRIBUTE_BYTES_MAX))
        }
        _ => wrong("is not a text, an integer, true or false, or a list of texts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn attributes_are_flat_and_bounded() {
        let check = |attributes: Value| check_attributes("attributes", &attributes).map_err(|e| e.to_string());
        assert_eq!(check(json!({})), Ok(()));
        assert_eq!(check(json!({"code": "UA", "roles": ["carrier", "shipper"], "tier": -2, "iata": true})), Ok(()));
        for (wrong, why) in [
            (json!([]), "not an object"),
            (json!({"Code": "UA"}), "does not match"),
            (json!({"": "UA"}), "does not match"),
            (json!({"a.b": "UA"}), "does not match"),
            (json!({"a": null}), "is not a text"),
            (json!({"a": 1.5}), "is not a text"),
            (json!({"a": {"b": 1}}), "is not a text"),
            (json!({"a": ["x", 1]}), "not a text"),
            (json!({"a": ["x", "x"]}), "twice"),
            (json!({"a": ["y", "x"]}), "ascending"),
            (json!({"a": "x".repeat(257)}), "256"),
            (json!({"a": ["x".repeat(257)]}), "256"),
            (json!({"a": (0..65).map(|n| format!("{n:02}")).collect::<Vec<_>>()}), "64"),
            (Value::Object((0..33).map(|n| (format!("a{n}"), json!(1))).collect()), "32"),
        ] {
            let said = check(wrong.clone()).expect_err("malformed");
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}
