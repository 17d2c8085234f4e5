//! Decide what a valid ledger is: schemas, rules, execution, blocks; and keep it on disk.
//!
//! Everything but [`store`] is pure: state, time and bytes come in as arguments, a block comes out, and two nodes
//! given the same bytes make the same bytes. [`store`] writes each block with its indexes in one atomic batch.
//!
//! ```text
//!  proposal bytes ─▶ judge ─▶ verify ─▶ execute ─▶ store::Ledger::append
//!                    form,     ZIP-215   documents,   one write
//!                    chain     batches   leaves, seal
//! ```

pub mod access;
mod by_document;
mod definition;
mod document;
mod epoch;
mod error;
mod execute;
mod filter;
mod frontier;
mod governance;
pub mod index;
mod judge;
mod memo;
mod proposals;
mod rejection;
pub mod schema;
mod state;
pub mod store;
mod verify;

pub use definition::{Definition, DefinitionError};
pub use error::LedgerError;
pub use execute::{Block, Chain, Executed, Executor, Fate};
pub use filter::Filter;
pub use frontier::Frontier;
pub use judge::{Judged, Opened, Skip, judge, open};
pub use proposals::{Approval, Closed, ProposalRecord, ProposalState};
pub use rejection::{Code, Rejection};
pub use schema::Violation;
pub use state::{IdUse, StateReader, Version, Written};
pub use verify::{verify_batch, verify_one};
