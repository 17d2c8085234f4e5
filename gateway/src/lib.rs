//! Serve the HTTP side of a node: explorer, tiles, metrics, health.
//!
//! Everything here reads: the ledger through a `Reader`, the node through the [`NodeView`] it publishes. Nothing is
//! handed back to the node, so an open browser can slow no station of the pipeline.
//!
//! ```text
//!  store::Reader ─┐
//!                 ├─▶ router ─▶ serve ─▶ browsers, auditors, Prometheus, load balancers
//!  NodeView ──────┘   pages     connections, bounded
//!                     tiles
//! ```

mod asked;
mod explorer;
mod health;
mod limits;
mod links;
mod metrics;
mod refusal;
mod router;
mod serve;
mod show;
mod tiles;
mod view;

pub use router::router;
pub use serve::serve;
pub use view::{CursorView, NodeView, PeerView};
