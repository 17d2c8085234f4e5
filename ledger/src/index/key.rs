//! Encode scalars so that their bytes stand in the order of their values.

use serde_json::Value;

const FALSE: u8 = 0x10;
const TRUE: u8 = 0x11;
const NUMBER: u8 = 0x20;
const STRING: u8 = 0x30;
/// Stands above every key that begins with the bytes before it: no part and no id begins with it.
pub(crate) const ABOVE: u8 = 0xff;

/// The scalars of a document at an index's pointers, one after the other: `false < true < numbers < strings`, numbers by
/// value, strings by their UTF-8 bytes. No key is the beginning of another with as many parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexKey(Vec<u8>);

impl IndexKey {
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> IndexKey {
        IndexKey(bytes)
    }

    /// The encoding (docs/formats.md, "Keys of documents").
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a part; false, and nothing added, where it is no scalar or null.
    pub(crate) fn push(&mut self, part: &Value) -> bool {
        match part {
            Value::Bool(value) => self.0.push(if *value { TRUE } else { FALSE }),
            Value::Number(number) => {
                // Exact: every number of a document is an integer within 2^53 or a double.
                let Some(value) = number.as_f64() else { return false };
                self.0.push(NUMBER);
                self.0.extend(ordered(value).to_be_bytes());
            }
            Value::String(text) => {
                self.0.push(STRING);
                self.push_text(text);
            }
            Value::Null | Value::Array(_) | Value::Object(_) => return false,
        }
        true
    }

    /// A zero byte is written 00 ff, the end 00 01: so a text stands before those it begins.
    fn push_text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xff);
            }
        }
        self.0.extend([0, 1]);
    }

    /// The bytes below which no key has a further part of the same type as `part`, and those above which none has:
    /// for the types that have an order.
    pub(crate) fn bounds_of_type(&self, part: &Value) -> Option<(Vec<u8>, Vec<u8>)> {
        let tag = match part {
            Value::Number(_) => NUMBER,
            Value::String(_) => STRING,
            _ => return None,
        };
        Some(([&self.0[..], &[tag]].concat(), [&self.0[..], &[tag + 1]].concat()))
    }

    /// The bytes above every key that begins with this one.
    pub(crate) fn above(&self) -> Vec<u8> {
        [&self.0[..], &[ABOVE]].concat()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The bits of a double, which stand in its order as an unsigned number: a negative one is turned round, any other
/// moved above those.
fn ordered(value: f64) -> u64 {
    // -0.0 equals 0.0.
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(parts: &Value) -> Vec<u8> {
        let mut key = IndexKey::default();
        assert!(parts.as_array().expect("parts").iter().all(|part| key.push(part)), "{parts}");
        key.into_bytes()
    }

    #[test]
    fn bytes_stand_in_the_order_of_values() {
        let largest = (1_u64 << 53) - 1;
        let ascending = [
            json!([false]),
            json!([true]),
            json!([-1.797e308]),
            json!([-9_007_199_254_740_991_i64]),
            json!([-2]),
            json!([-1.5]),
            json!([-1e-300]),
            json!([0]),
            json!([5e-324]),
            json!([0.1]),
            json!([1]),
            json!([1.5]),
            json!([2]),
            json!([largest - 1]),
            json!([largest]),
            json!([1e300]),
            json!([""]),
            json!(["\0"]),
            json!(["\0\0"]),
            json!(["\0\u{1}"]),
            json!(["\u{1}"]),
            json!(["a"]),
            json!(["a\0"]),
            json!(["a\0b"]),
            json!(["a\u{1}"]),
            json!(["aa"]),
            json!(["b"]),
            json!(["é"]),
            json!(["\u{10ffff}"]),
        ];
        for pair in ascending.windows(2) {
            assert!(key(&pair[0]) < key(&pair[1]), "{} < {}", pair[0], pair[1]);
        }
        assert_eq!(key(&json!([0])), key(&json!([-0.0])));
        assert_eq!(key(&json!([5])), key(&json!([5.0])));
    }

    #[test]
    fn parts_are_told_apart_and_no_key_begins_another() {
        let keys = [
            json!(["a", "b"]),
            json!(["ab", ""]),
            json!(["", "ab"]),
            json!(["a\0", "b"]),
            json!(["a", "\0b"]),
            json!(["a", 1]),
            json!([1, "a"]),
            json!([true, false]),
        ];
        for (a, b) in keys.iter().flat_map(|a| keys.iter().map(move |b| (a, b))).filter(|(a, b)| a != b) {
            assert!(!key(a).starts_with(&key(b)), "{a} {b}");
        }
        assert!(key(&json!(["a", "zzz"])) < key(&json!(["aa", "a"])), "the first part decides");
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        assert_eq!(hex::encode(key(&json!(["A\0", 1, true]))), "304100ff000120bff000000000000011");
        assert_eq!(hex::encode(key(&json!([-1]))), "20400fffffffffffff");
        for nothing in [json!(null), json!([]), json!({})] {
            assert!(!IndexKey::default().push(&nothing), "{nothing}");
        }
    }
}
