//! Hold `limits.rs` to the table of maxima in docs/formats.md.

use countersign_proof::limits::*;
use std::collections::BTreeMap;

/// The rows `| `NAME` | maximum | of |`.
fn table() -> BTreeMap<String, u64> {
    let text = include_str!("../../docs/formats.md");
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix("_MAX`")?.to_owned();
        Some((name + "_MAX", number(cells.next()?)))
    };
    text.lines().filter_map(row).collect()
}

fn number(text: &str) -> u64 {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    match (digits, unit) {
        ("2^63-1", "") => (1 << 63) - 1,
        (digits, "") => digits.parse().expect(text),
        (digits, "KiB") => digits.parse::<u64>().expect(text) << 10,
        (digits, "MiB") => digits.parse::<u64>().expect(text) << 20,
        _ => panic!("{text}"),
    }
}

/// Each name with what the code has.
macro_rules! values {
    ($($name:ident)*) => { BTreeMap::from([$((stringify!($name).to_owned(), $name as u64)),*]) };
}

#[test]
fn the_table_of_the_document_is_what_the_code_has() {
    let values = values! {
        JSON_DEPTH_MAX DEFINITION_DEPTH_MAX STATE_DEPTH_MAX HISTORY_DEPTH_MAX BUNDLE_DEPTH_MAX EXHIBIT_DEPTH_MAX
        NAME_BYTES_MAX CODE_BYTES_MAX DOCUMENT_ID_BYTES_MAX ADDRESS_BYTES_MAX LEAF_BYTES_MAX NOTE_BYTES_MAX
        NOTE_SIGNATURES_MAX COSIGNATURE_TIME_MAX VKEY_BYTES_MAX PATH_HASHES_MAX CONSISTENCY_HASHES_MAX RECEIPT_BYTES_MAX
        RECEIPT_JSON_BYTES_MAX PROOF_BYTES_MAX STATE_SIBLINGS_MAX HISTORY_BYTES_MAX HISTORY_VERSIONS_MAX
        GENESIS_BYTES_MAX FOUNDERS_BYTES_MAX ORGANISATIONS_MAX ACCOUNT_KEYS_MAX REVOKED_KEYS_MAX EPOCHS_MAX
        EPOCH_BYTES_MAX TRUST_BYTES_MAX EXHIBIT_BYTES_MAX MEMORY_BYTES_MAX POLICY_BYTES_MAX POLICY_ITEMS_MAX
        ACCESS_FIELDS_MAX ACCESS_FIELD_BYTES_MAX ACCESS_POLICIES_MAX ACCESS_POLICY_BYTES_MAX ACCESS_NAMED_MAX
        ATTRIBUTES_MAX ATTRIBUTE_BYTES_MAX ATTRIBUTE_TEXTS_MAX PROPOSED_OPERATIONS_MAX PROPOSED_BYTES_MAX
        PROPOSED_DEPTH_MAX PROPOSAL_OPEN_MS_MAX PROPOSALS_OPEN_MAX KEY_POINTERS_MAX
        CALLER_BYTES_MAX SIGNERS_MAX OPERATIONS_MAX PREDICATE_MEMBERS_MAX PROPOSAL_TRANSACTIONS_MAX COSE_BYTES_MAX
        ADD_CHECKPOINT_HASHES_MAX ADD_CHECKPOINT_BYTES_MAX WITNESSED_TEXT_BYTES_MAX WITNESSED_LOGS_MAX WITNESSED_KEYS_MAX
    };
    assert_eq!(table(), values);
    let constants = include_str!("../src/limits.rs").lines().filter(|line| line.starts_with("pub const "));
    let named: Vec<&str> =
        constants.map(|line| line["pub const ".len()..].split(':').next().expect("a name")).collect();
    assert_eq!(named.len(), values.len(), "a maximum of limits.rs is not in the table");
    assert!(named.iter().all(|name| values.contains_key(*name)));
}
