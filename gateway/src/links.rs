//! Write the addresses of the explorer's pages.

use countersign_proof::Hash;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but what RFC 3986 calls unreserved.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) fn block(height: u64) -> String {
    format!("/explorer/blocks/{height}")
}

pub(crate) fn older_blocks(before: u64) -> String {
    format!("/explorer?before={before}")
}

pub(crate) fn block_from(height: u64, leaf: u64) -> String {
    format!("{}?from={leaf}", block(height))
}

pub(crate) fn transaction(id: &Hash) -> String {
    format!("/explorer/transactions/{id}")
}

pub(crate) fn transaction_from(id: &Hash, operation: usize) -> String {
    format!("{}?from={operation}", transaction(id))
}

pub(crate) fn receipt(id: &Hash) -> String {
    format!("/explorer/transactions/{id}/receipt")
}

pub(crate) fn collections_after(after: &str) -> String {
    format!("/explorer/documents?after={}", encoded(after))
}

pub(crate) fn collection(name: &str) -> String {
    format!("/explorer/documents/{}", encoded(name))
}

pub(crate) fn collection_after(name: &str, after: &str) -> String {
    format!("{}?after={}", collection(name), encoded(after))
}

pub(crate) fn document(collection: &str, id: &str) -> String {
    format!("/explorer/document?collection={}&id={}", encoded(collection), encoded(id))
}

pub(crate) fn version(collection: &str, id: &str, version: u64) -> String {
    format!("{}&version={version}", document(collection, id))
}

pub(crate) fn version_before(collection: &str, id: &str, shown: u64, before: u64) -> String {
    format!("{}&before={before}", version(collection, id, shown))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &RESERVED).to_string()
}
