//! Say what is written: 256-byte documents of ten typed fields, under an access rule that judges every write.

use countersign_proof::{Access, canonical};
use serde_json::{Value, json};

/// The collection of them.
pub const COLLECTION: &str = "records";
/// Canonical bytes of every document.
pub const DOCUMENT_BYTES: usize = 256;

/// What a bench prints about them.
pub const IN_WORDS: &str = "documents of 256 canonical bytes, ten typed fields, a pattern; Cedar judges each write twice: \
                            the document is created by its sender or receiver, its field note is the sender's alone";

/// Ten fields of six types, one with a pattern.
pub fn schema() -> Value {
    let party = json!({"type": "string", "maxLength": 64});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "sender", "receiver", "amount", "currency", "pieces", "weight", "day", "insured"],
        "properties": {
            "id": {"type": "string", "pattern": "^record-[0-9]{9}$"},
            "sender": party,
            "receiver": party,
            "amount": {"type": "integer", "minimum": 0},
            "currency": {"enum": ["EUR", "USD"]},
            "pieces": {"type": "integer", "minimum": 1, "maximum": 1000},
            "weight": {"type": "number", "minimum": 0},
            "day": {"type": "string", "minLength": 10, "maxLength": 10},
            "insured": {"type": "boolean"},
            "note": {"type": "string", "maxLength": 256},
        },
    })
}

/// Both parties create and change; every member reads; only the sender reads or writes the note. As every policy that a
/// write meets looks at the document, none of its answers is remembered from an earlier one.
pub fn access() -> Access {
    let party = "context.document.sender == principal.organisation.name || \
                 context.document.receiver == principal.organisation.name";
    let rule = json!({
        "engine": "cedar/v1",
        "fields": ["note"],
        "named": "none",
        "policies": {
            "members_read": "permit(principal, action == Action::\"read\", resource is Document);",
            "parties_write":
                format!("permit(principal, action in Action::\"write\", resource is Document) when {{ {party} }};"),
            "the_note_is_the_senders": "permit(principal, action, resource == Field::\"note\") \
                                        when { context.document.sender == principal.organisation.name };",
        },
    });
    serde_json::from_value(rule).expect("an access rule")
}

/// The id of a document.
pub fn id(number: u64) -> String {
    format!("record-{number:09}")
}

/// `record-000000123` to 123.
pub fn number_of(id: &str) -> Option<u64> {
    id.strip_prefix("record-")?.parse().ok()
}

/// A document of exactly [`DOCUMENT_BYTES`] canonical bytes.
pub fn document(number: u64, sender: &str, receiver: &str) -> Value {
    let mut document = json!({
        "id": id(number),
        "sender": sender,
        "receiver": receiver,
        "amount": number * 7,
        "currency": "USD",
        "pieces": 1 + number % 1000,
        "weight": 12.5,
        "day": "2013-01-01",
        "insured": number.is_multiple_of(2),
        "note": "",
    });
    let bytes = canonical(&document).len();
    document["note"] = "x".repeat(DOCUMENT_BYTES - bytes).into();
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_has_exactly_its_bytes_and_ten_fields() {
        for number in [1, 2, 999, 1_000, 123_456_789] {
            let document = document(number, "ua.example", "port.example");
            assert_eq!(canonical(&document).len(), DOCUMENT_BYTES);
            assert_eq!(document.as_object().map(serde_json::Map::len), Some(10));
            assert_eq!(number_of(&id(number)), Some(number));
        }
    }
}
