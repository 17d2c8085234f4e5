//! Put opaque proposals in one order, on openraft; no other crate names an openraft type.
//!
//! ```text
//!   propose ─▶ openraft core ─▶ log store ─▶ flusher ─▶ disk
//!   receive ─▶      │               │            │
//!                   │               │            └─▶ appended
//!      Wire ◀───────┘               ▼
//!                             state machine ─▶ outlet ─▶ Committed ─▶ the node's apply station
//! ```
//!
//! Nothing is executed here and no proposal is looked into. An append or vote is acknowledged after it is synced;
//! an entry is handed on after a majority has it and our own log has flushed it. Snapshots hold no data: a node
//! behind the purged log is asked to fetch blocks ([`Entry::CatchUp`]).

mod admit;
mod committed;
mod consensus;
mod error;
mod flush;
mod govern;
pub mod limits;
mod log;
mod log_store;
mod network;
mod outlet;
mod position;
mod propose;
mod receive;
mod recover;
mod settings;
mod state_machine;
mod status;
#[cfg(test)]
mod storage_suite;
mod types;
mod wire;

pub use admit::{Admit, Offered, Ordered};
pub use committed::{Committed, Entry};
pub use consensus::Consensus;
pub use error::{ConsensusError, ProposeError, ReceiveError};
pub use flush::{FlushGate, Flushing};
pub use log::{FAMILIES, FAMILY_LOG, FAMILY_MEMBERSHIP, FAMILY_META};
pub use network::{Lane, Wire, WireError};
pub use position::Position;
pub use propose::Proposed;
pub use settings::Settings;
pub use status::{Leadership, Status};
