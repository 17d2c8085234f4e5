//! Let this node witness other logs, under a key and a memory of its own; and let witnesses outside cosign its ledger.

mod config;
mod opened;
mod push;

pub use config::{FollowedLog, OutsideWitness, WitnessConfig};
pub use opened::init_witness;
pub(crate) use opened::open;
pub(crate) use push::{Cosigned, pushes, reached, run};
