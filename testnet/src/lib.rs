//! Make networks on demand: one process a node, on this machine, with crashes when a test asks for them.
//!
//! Everything a node or client does goes through the `countersign` binary as a process of its own, as a company
//! would run it; nothing here links the node. [`Network`] is what tests use; the binary of this crate gives the
//! same to people (`testnet/up`, `testnet/demo`).

pub mod answer;
mod binary;
mod client;
mod define;
pub mod demo;
mod error;
mod found;
mod import;
mod layout;
mod membership;
mod network;
mod node_process;
mod organisations;
mod ports;
mod record;
mod relay;
mod repository;
mod run_within;
mod status;
mod variables;
mod wait;

pub use answer::Answer;
pub use binary::find_binary;
pub use client::{Client, Document};
pub use error::TestnetError;
pub use import::{Import, ImportPlan, ImportSummary, RowResult};
pub use layout::Layout;
pub use network::{Network, Options};
pub use organisations::{gateway_account, governance_account, operations_account, organisation_names};
pub use record::{NetworkRecord, NodeRecord};
pub use status::{Agreement, NodeStatus, Position};
pub use wait::wait_until;
