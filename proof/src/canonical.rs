//! Read I-JSON strictly and write canonical JSON (RFC 7493, RFC 8785).

use crate::ProofError;
use crate::json_writer::write_value;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use std::fmt;

/// The largest magnitude of a number: 2^53 - 1. Above it two different integers share one double.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// The canonical bytes of `value` (RFC 8785).
///
/// # Panics
/// When `value` holds a map whose keys are not strings or a non-finite number: our types have neither.
pub fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    canonical_value(&serde_json::to_value(value).expect("our types have string keys and finite numbers"))
}

/// The canonical bytes of a JSON value.
pub fn canonical_value(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write_value(&mut out, value);
    out
}

/// Parses I-JSON of at most `depth_max` nested arrays and objects: no duplicate names, no number beyond
/// ±(2^53-1), no lone surrogate. A number that is whole becomes an integer, so that equal values are equal.
pub fn parse_json(field: &'static str, bytes: &[u8], depth_max: usize) -> Result<Value, ProofError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth_left: depth_max, depth_max }
        .deserialize(&mut reader)
        .map_err(|e| ProofError::malformed(field, e.to_string()))?;
    reader.end().map_err(|e| ProofError::malformed(field, e.to_string()))?;
    Ok(value)
}

/// Parses bytes that must already be canonical into `T`. What does not re-encode to itself is refused: white space,
/// another order or number form, and a member left out that is null.
pub fn parse_canonical<T: DeserializeOwned + Serialize>(
    field: &'static str,
    bytes: &[u8],
    depth_max: usize,
) -> Result<T, ProofError> {
    let value = parse_json(field, bytes, depth_max)?;
    let parsed: T = serde_json::from_value(value).map_err(|e| ProofError::malformed(field, e.to_string()))?;
    if canonical(&parsed) != bytes { Err(not_canonical(field)) } else { Ok(parsed) }
}

/// Parses the bytes of a JSON value, which must already be canonical.
pub fn parse_canonical_value(field: &'static str, bytes: &[u8], depth_max: usize) -> Result<Value, ProofError> {
    let value = parse_json(field, bytes, depth_max)?;
    if canonical_value(&value) != bytes { Err(not_canonical(field)) } else { Ok(value) }
}

fn not_canonical(field: &'static str) -> ProofError {
    ProofError::malformed(field, "not in canonical form (RFC 8785), or a member is left out")
}

#[derive(Clone, Copy)]
struct Strict {
    depth_left: usize,
    depth_max: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Strict, E> {
        let too_deep = || E::custom(format_args!("nested more than {} levels deep", self.depth_max));
        let depth_left = self.depth_left.checked_sub(1).ok_or_else(too_deep)?;
        Ok(Strict { depth_left, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("I-JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > INTEGER_MAX {
            return Err(E::custom("a number beyond 2^53-1; write it as a string"));
        }
        Ok(Value::from(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > INTEGER_MAX {
            return Err(E::custom("a number beyond 2^53-1; write it as a string"));
        }
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        if !value.is_finite() || value.abs() > INTEGER_MAX as f64 {
            return Err(E::custom("a number beyond 2^53-1; write it as a string"));
        }
        if value.fract() == 0.0 {
            return Ok(Value::from(value as i64));
        }
        Ok(Value::Number(Number::from_f64(value).expect("finite")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            match members.entry(name) {
                Entry::Vacant(place) => drop(place.insert(value)),
                Entry::Occupied(taken) => {
                    return Err(A::Error::custom(format!("duplicate member {:?}", taken.key())));
                }
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse_json("document", text.as_bytes(), 4).expect_err(text).to_string()
    }

    #[test]
    fn what_is_not_i_json_is_refused() {
        assert!(refused(r#"{"a":1,"a":2}"#).contains("duplicate member \"a\""));
        assert!(refused("9007199254740992").contains("2^53-1"));
        assert!(refused("-9007199254740992").contains("2^53-1"));
        assert!(refused("1e300").contains("2^53-1"));
        assert!(refused("[[[[[]]]]]").contains("nested more than 4 levels deep"));
        for text in ["1e400", "NaN", r#""\ud800""#, "\u{feff}{}", "{} {}", "", "[1,]"] {
            refused(text);
        }
    }

    #[test]
    fn equal_numbers_have_one_form() {
        for text in ["5", "5.0", "50e-1"] {
            assert_eq!(parse_json("n", text.as_bytes(), 1).expect(text), Value::from(5));
        }
        assert_eq!(canonical(&parse_json("n", b"-0", 1).expect("zero")), b"0");
        assert_eq!(canonical(&parse_json("n", b"1.5e-7", 1).expect("float")), b"1.5e-7");
    }

    #[test]
    fn canonical_sorts_by_utf16() {
        let value = parse_json("o", "{\"\u{fb33}\":1,\"\u{1f600}\":2,\"a\":3}".as_bytes(), 1).expect("object");
        assert_eq!(canonical(&value), "{\"a\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}".as_bytes());
    }

    #[test]
    fn bytes_that_do_not_re_encode_to_themselves_are_refused() {
        assert!(parse_canonical::<Value>("d", br#"{"b":1,"a":2}"#, 4).is_err());
        assert!(parse_canonical::<Value>("d", br#"{"a": 2}"#, 4).is_err());
        assert!(parse_canonical::<Value>("d", br#"{"a":2.0}"#, 4).is_err());
        assert!(parse_canonical::<Value>("d", br#"{"a":2}"#, 4).is_ok());
    }

    #[test]
    fn a_member_left_out_is_not_one_that_is_null() {
        #[derive(Debug, serde::Deserialize, Serialize)]
        struct Document {
            a: Option<u64>,
        }
        assert_eq!(parse_canonical::<Document>("d", br#"{"a":null}"#, 4).expect("whole").a, None);
        parse_canonical::<Document>("d", b"{}", 4).expect_err("left out");
    }
}
