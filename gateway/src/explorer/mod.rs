//! Show the ledger to people: blocks, transactions, documents, as pages without scripts.

mod block;
mod collections;
mod document;
mod documents;
mod operation;
mod overview;
mod page;
mod receipt;
mod search;
mod transaction;

pub(crate) use block::block;
pub(crate) use collections::collections;
pub(crate) use document::document;
pub(crate) use documents::documents;
pub(crate) use overview::overview;
pub(crate) use page::{Explorer, Frame};
pub(crate) use receipt::receipt;
pub(crate) use search::search;
pub(crate) use transaction::transaction;
