//! Write canonical JSON (RFC 8785) straight into bytes.
//!
//! Every node writes every record, leaf and document of every transaction, so this is on the hot path: one pass, one
//! buffer, and no map to sort members that are in order already. The tests hold it against serde_json_canonicalizer.

use crate::{Hash, INTEGER_MAX};
use serde_json::{Map, Number, Value};
use std::cmp::Ordering;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends the canonical bytes of a value.
pub(crate) fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
        Value::Object(members) => write_object(out, members),
    }
}

fn write_object(out: &mut Vec<u8>, members: &Map<String, Value>) {
    let in_order = members.keys().zip(members.keys().skip(1)).all(|(a, b)| by_utf16(a, b) == Ordering::Less);
    let mut writer = Members::begin(out);
    if in_order {
        members.iter().for_each(|(name, value)| write_value(writer.name(name), value));
    } else {
        let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
        sorted.sort_unstable_by(|(a, _), (b, _)| by_utf16(a, b));
        sorted.into_iter().for_each(|(name, value)| write_value(writer.name(name), value));
    }
    writer.end();
}

/// Members are ordered by the UTF-16 code units of their names. Only beyond the basic plane does that differ from the order
/// of their bytes.
fn by_utf16(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// A number as ECMAScript writes it: a double, of which every integer within ±(2^53-1) is one.
fn write_number(out: &mut Vec<u8>, number: &Number) {
    match number.as_i64() {
        Some(integer) if integer.unsigned_abs() <= INTEGER_MAX => write_integer(out, integer),
        _ => {
            let double = number.as_f64().expect("a number of ours is an integer or a finite double");
            out.extend_from_slice(ryu_js::Buffer::new().format_finite(double).as_bytes());
        }
    }
}

fn write_integer(out: &mut Vec<u8>, integer: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
}

/// Appends a string with its quotes.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !matches!(byte, 0..=0x1f | b'"' | b'\\') {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
    out.push(b'"');
}

/// The canonical array of these bytes as hexadecimal strings.
pub(crate) fn hex_array<'a>(items: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + items.len() * 131);
    out.push(b'[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_hex(&mut out, item);
    }
    out.push(b']');
    out
}

/// The members of one object, given in their order.
pub(crate) struct Members<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Members<'a> {
    pub(crate) fn begin(out: &'a mut Vec<u8>) -> Members<'a> {
        out.push(b'{');
        Members { out, first: true }
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    /// Writes the name, and gives the place for its value.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        write_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn string(mut self, name: &str, value: &str) -> Members<'a> {
        write_string(self.name(name), value);
        self
    }

    pub(crate) fn number(mut self, name: &str, value: u64) -> Members<'a> {
        write_number(self.name(name), &Number::from(value));
        self
    }

    pub(crate) fn hash(mut self, name: &str, value: &Hash) -> Members<'a> {
        write_hex(self.name(name), &value.0);
        self
    }

    /// A hash, or null.
    pub(crate) fn nullable_hash(mut self, name: &str, value: Option<&Hash>) -> Members<'a> {
        match value {
            Some(hash) => write_hex(self.name(name), &hash.0),
            None => self.name(name).extend_from_slice(b"null"),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Numbers without a pattern, the same at every run.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.0 >> 11
        }

        fn below(&mut self, bound: u64) -> u64 {
            (self.next() >> 20) % bound
        }

        fn text(&mut self) -> String {
            let pool = [
                'a',
                'B',
                '"',
                '\\',
                '\n',
                '\u{8}',
                '\u{c}',
                '\u{1f}',
                '\u{7f}',
                'é',
                '\u{fb33}',
                '\u{1f600}',
                '\u{ffff}',
            ];
            (0..self.below(6)).map(|_| pool[self.below(pool.len() as u64) as usize]).collect()
        }

        fn value(&mut self, depth: u64) -> Value {
            match self.below(if depth == 0 { 6 } else { 8 }) {
                0 => Value::Null,
                1 => Value::Bool(self.below(2) == 1),
                2 => Value::from(self.next() as i64 - (1 << 52)),
                3 => Value::from(f64::from_bits(self.next() << 11 | self.next() & 0x7ff)),
                4 => Value::from(self.below(2_000) as f64 / 8.0),
                5 => Value::from(self.text()),
                6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
                _ => Value::Object((0..self.below(5)).map(|_| (self.text(), self.value(depth - 1))).collect()),
            }
        }
    }

    #[test]
    fn what_is_written_is_what_another_implementation_writes() {
        let mut numbers = Numbers(7);
        for _ in 0..20_000 {
            let value = numbers.value(3);
            let mut written = Vec::new();
            write_value(&mut written, &value);
            let theirs = serde_json_canonicalizer::to_vec(&value).expect("finite");
            assert_eq!(String::from_utf8(written), String::from_utf8(theirs), "{value:?}");
        }
    }

    #[test]
    fn the_ends_of_what_a_number_may_be() {
        let numbers = [0, 1, -1, INTEGER_MAX as i64, -(INTEGER_MAX as i64), i64::MAX, i64::MIN];
        let doubles = [0.0, -0.0, 1e21, 1e-7, 5e-324, f64::MAX, 0.1, 123456789.125, 9007199254740993.0];
        let all = numbers.into_iter().map(Value::from).chain(doubles.into_iter().map(Value::from));
        for value in all.chain([json!(u64::MAX)]) {
            let mut written = Vec::new();
            write_value(&mut written, &value);
            assert_eq!(written, serde_json_canonicalizer::to_vec(&value).expect("finite"), "{value}");
        }
    }
}
