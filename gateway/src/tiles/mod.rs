//! Serve the certified log to any C2SP client: checkpoint, tiles, entry bundles, policy (c2sp.org/tlog-tiles).
//!
//! Nothing beyond the newest certified size is served, so what is served never changes, and caches may keep it.

mod bundle;
mod checkpoint;
mod hashes;
mod path;
mod plain;
mod policy;
mod router;

pub(crate) use checkpoint::newest_certificate;
pub(crate) use plain::{Plain, newest, text};
pub(crate) use router::router;
