//! Serve the HTTP side of a node: explorer, tiles, metrics, health; and witness other logs.
//!
//! All but the witness reads: the ledger through a `Reader`, the node through the [`NodeView`] it publishes. Nothing is
//! handed back to the node, so an open browser can slow no station of the pipeline. The [`Witness`] has a key and a
//! file of its own, and knows nothing of this node's ledger.
//!
//! ```text
//!  store::Reader ─┐
//!  NodeView ──────┼─▶ router ─▶ serve ─▶ browsers, auditors, Prometheus, load balancers, other logs
//!  Witness ───────┘   pages     connections, bounded
//!                     tiles
//! ```

mod api;
mod asked;
mod door;
mod explorer;
mod feed;
mod graphql;
mod health;
mod identity;
mod limits;
mod links;
mod metrics;
mod problem;
mod proofs;
mod refusal;
mod router;
mod serve;
mod show;
mod sight;
mod tiles;
mod view;
mod witness;

pub use api::{API_ROUTES, ApiSetup, GatewayAccount};
pub use door::{Ask, Door, Progress, Refused};
pub use feed::{Changed, Fed, Feed, Feeds, Wanted};
pub use identity::{
    API_KEYS_FILE, ApiKey, ApiKeys, ApiKeysError, Caller, Callers, ISSUERS_MAX, Issuer, IssuerKeys, JwkSet, NowMs,
    Presented, Vouched,
};
pub use problem::Problem;
pub use router::{Served, router};
pub use serve::serve;
pub use sight::{Governed, NOT_VERIFIABLE, Sight, Sighted};
pub use view::{CursorView, NodeView, PeerView, WitnessView};
pub use witness::{WITNESS_LOCK, Witness, WitnessSetup, WitnessStore, WitnessTrouble, init_heads};
