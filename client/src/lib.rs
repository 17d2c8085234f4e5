//! Sign, submit, subscribe, and verify every answer: the Rust SDK.
//!
//! A submission ends in one of four ways: it was **applied** or **rejected** ([`Answer`]), or **refused**
//! ([`ClientError::Refused`], nothing is recorded) or is **unknown** ([`ClientError::Unknown`]). A timeout or a
//! connection that broke is always *unknown*, never failed; the way out is to submit the same bytes again, to any
//! node, which is harmless because a transaction id is executed once at the most.
//! [`Client::submit_until_known`] does that.
//!
//! Nothing a node says is believed where a proof can be had: [`Client::submit_verified`], [`Client::receipt`] and
//! proven reads check against the genesis that the caller holds.

mod answer;
mod bulk;
mod client;
mod error;
pub mod key_file;
pub mod limits;
mod read;
mod submit;
mod subscription;
mod tls;
mod token;
mod transaction;

pub use answer::{Answer, Outcome, Rejection};
pub use bulk::{BulkOptions, BulkResult, BulkRow};
pub use client::{Client, Config};
pub use countersign_proto::v1;
pub use countersign_proto::v1::{Consistency, Level};
pub use error::ClientError;
pub use read::{At, ProvenDocument, ProvenReceipt, ReceiptOf};
pub use submit::VerifiedAnswer;
pub use subscription::Subscription;
pub use tls::PinnedKeys;
pub use token::bearer_token;
pub use transaction::{TransactionBuilder, import_nonce};
