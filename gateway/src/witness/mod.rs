//! Witness other logs: cosign the checkpoints that follow what was cosigned before (C2SP tlog-witness).
//!
//! ```text
//!  POST /add-checkpoint ─▶ parse, known log, its signature ─▶ follows the newest? ─▶ kept durably ─▶ cosignature
//!                          nothing held                       └─────── one at a time ───────┘
//! ```
//!
//! What may be cosigned is decided in `countersign_proof` ([`countersign_proof::AddCheckpoint`] and what it becomes);
//! here stand the memory of what was cosigned, the order of requests, and HTTP.

mod heads;
mod router;
mod service;

pub use heads::{WITNESS_LOCK, WitnessStore, init_heads};
pub(crate) use router::router;
pub use service::{Witness, WitnessSetup, WitnessTrouble};
