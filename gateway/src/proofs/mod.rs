//! Hand out proof files: receipts, state, history, consistency, trust.
//!
//! Each is one file that verifies offline. They are made by the same functions of the `Reader` as the gRPC answers, and
//! cut at the newest certified size. They show documents to whoever asks, as the explorer does.

mod consistency;
mod document;
mod form;
mod query;
mod receipt;
mod router;
mod source;

pub(crate) use query::Strict;
pub(crate) use router::router;
pub(crate) use source::Proofs;
