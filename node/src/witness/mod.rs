//! Let this node witness other logs, under a key and a memory of its own.

mod config;
mod opened;

pub use config::{FollowedLog, WitnessConfig};
pub use opened::init_witness;
pub(crate) use opened::open;
