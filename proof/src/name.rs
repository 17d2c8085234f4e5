//! Check the names of ledgers, organisations, nodes, accounts, collections and documents.

use crate::limits::{DOCUMENT_ID_BYTES_MAX, NAME_BYTES_MAX};
use crate::{Hash, ProofError};

/// The collections that begin with `$`: what the ledger keeps about itself.
pub const SYSTEM_COLLECTIONS: [&str; 7] =
    ["$accounts", "$members", "$nodes", "$organisations", "$proposals", "$rules", "$schemas"];

/// A ledger, an organisation, or the last part of a node or account: `[a-z0-9][a-z0-9.-]{0,63}`.
pub fn check_name(field: &'static str, name: &str) -> Result<(), ProofError> {
    let first = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let rest = |b: u8| first(b) || b == b'.' || b == b'-';
    check_form(field, name, "[a-z0-9][a-z0-9.-]{0,63}", first, rest)
}

/// A collection of documents: `[a-z][a-z0-9_.-]{0,63}`. System collections are not among them.
pub fn check_collection(field: &'static str, name: &str) -> Result<(), ProofError> {
    let first = |b: u8| b.is_ascii_lowercase();
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'.' | b'-');
    check_form(field, name, "[a-z][a-z0-9_.-]{0,63}", first, rest)
}

fn check_form(
    field: &'static str,
    name: &str,
    form: &str,
    first: impl Fn(u8) -> bool,
    rest: impl Fn(u8) -> bool,
) -> Result<(), ProofError> {
    let bytes = name.as_bytes();
    let fits = bytes.len() <= NAME_BYTES_MAX
        && bytes.first().is_some_and(|b| first(*b))
        && bytes.iter().skip(1).all(|b| rest(*b));
    if fits { Ok(()) } else { Err(ProofError::malformed(field, format!("{name:?} does not match {form}"))) }
}

/// A node: `<organisation>/<name>`.
pub fn check_node(field: &'static str, node: &str) -> Result<(), ProofError> {
    let (organisation, name) = node
        .split_once('/')
        .ok_or_else(|| ProofError::malformed(field, format!("{node:?} is not <organisation>/<name>")))?;
    check_name(field, organisation)?;
    check_name(field, name)
}

/// An account: the organisation itself, or `<organisation>/<name>`.
pub fn check_account(field: &'static str, account: &str) -> Result<(), ProofError> {
    if account.contains('/') { check_node(field, account) } else { check_name(field, account) }
}

/// The organisation of a checked account or node.
pub fn organisation_of(account: &str) -> &str {
    account.split_once('/').map_or(account, |(organisation, _)| organisation)
}

/// What a version record may be of: a collection of documents, or one of the system's.
pub(crate) fn check_any_collection(field: &'static str, name: &str) -> Result<(), ProofError> {
    if SYSTEM_COLLECTIONS.contains(&name) { Ok(()) } else { check_collection(field, name) }
}

/// The genesis hash in an origin, `<ledger>/<64 hex>`.
pub(crate) fn genesis_of(field: &'static str, origin: &str) -> Result<Hash, ProofError> {
    let wrong = || ProofError::malformed(field, format!("{origin:?} is not <ledger>/<genesis hash>"));
    let (ledger, genesis) = origin.split_once('/').ok_or_else(wrong)?;
    check_name(field, ledger)?;
    Hash::from_hex(field, genesis)
}

/// A document id: 1 to 256 bytes of UTF-8 without U+0000-001F and U+007F-009F.
pub fn check_document_id(field: &'static str, id: &str) -> Result<(), ProofError> {
    if id.is_empty() {
        return Err(ProofError::malformed(field, "empty"));
    }
    ProofError::check_max(field, id.len(), DOCUMENT_ID_BYTES_MAX)?;
    if id.chars().any(|c| c.is_control()) {
        return Err(ProofError::malformed(field, "holds a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_forms() {
        for name in ["a", "0", "ua.example", "a-b.c", &"a".repeat(64)] {
            check_name("name", name).expect(name);
        }
        for name in ["", "A", ".a", "-a", "a_b", "a/b", "ä", "$a", &"a".repeat(65)] {
            check_name("name", name).expect_err(name);
        }
        for account in ["ua.example", "ua.example/ops"] {
            check_account("account", account).expect(account);
        }
        for account in ["ua.example/", "/ops", "a/b/c", ""] {
            check_account("account", account).expect_err(account);
        }
        for id in ["x", "ä/..", "urn:epc:id:sgln:1", &"x".repeat(256)] {
            check_document_id("id", id).expect(id);
        }
        for id in ["", "\u{0}", "a\u{7f}", "a\u{9f}", "a\nb", &"x".repeat(257)] {
            check_document_id("id", id).expect_err(id);
        }
    }
}
