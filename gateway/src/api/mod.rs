//! Serve the typed API: every collection on the ledger as REST, described by OpenAPI, and what GraphQL shares with it.
//!
//! ```text
//!  request ─▶ Caller ─▶ Catalogue ─▶ read: Reader, as the rules let the caller see it ─▶ typed JSON
//!             identity   schema      write: sign as the gateway account ─▶ Door ─▶ the node's pipeline
//! ```

mod asked;
mod bulk;
mod caller;
mod catalogue;
mod document;
mod events;
mod feed;
mod list;
mod openapi;
mod operation;
mod problem;
mod read;
mod router;
mod signing;
mod transaction;
mod write;

pub(crate) use asked::{Condition, Wait, body_bytes, keyed, media_type};
pub(crate) use caller::{Caller, credential};
pub(crate) use catalogue::{Collections, Served};
pub(crate) use document::{ROWS_DEFAULT, Versions};
pub(crate) use events::{rfc3339, wanted_of};
pub(crate) use feed::{Changed, Feed};
pub(crate) use list::{Counted, ListAsked, Page, Summed};
pub(crate) use openapi::{Named, embeds, names};
pub(crate) use problem::{Pointer, Problem};
pub(crate) use read::{Answered, CONSISTENCIES, ReadAsked, Seen, json_bytes};
pub use router::API_ROUTES;
pub(crate) use router::router;
pub use signing::GatewayAccount;
pub(crate) use transaction::Status;
pub(crate) use write::{Recorded, Write, Written, recorded};

use crate::api_keys::KeyRing;
use crate::door::Door;
use crate::sight::Sight;
use catalogue::Catalogue;
use countersign_ledger::store::Reader;
use countersign_proof::Genesis;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What the typed API is made from.
pub struct ApiSetup {
    /// The way into the node.
    pub door: Door,
    /// The organisation of the node: writes are signed for its callers only.
    pub organisation: String,
    /// The account that signs for callers who cannot; without one the API only reads.
    pub account: Option<GatewayAccount>,
    /// The file of API keys.
    pub api_keys: Option<PathBuf>,
}

/// What every handler may look at.
#[derive(Clone)]
pub(crate) struct Api {
    reader: Reader,
    sight: Sight,
    genesis: Arc<Genesis>,
    origin: String,
    organisation: String,
    door: Door,
    account: Option<Arc<GatewayAccount>>,
    key_ring: Arc<KeyRing>,
    catalogue: Arc<Catalogue>,
    streams: Arc<Semaphore>,
    bulks: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
}

impl Api {
    pub(crate) fn new(reader: Reader, sight: Sight, genesis: Arc<Genesis>, setup: ApiSetup) -> Api {
        let ApiSetup { door, organisation, account, api_keys } = setup;
        Api {
            origin: genesis.origin(),
            catalogue: Arc::new(Catalogue::default()),
            key_ring: Arc::new(KeyRing::new(api_keys)),
            account: account.map(Arc::new),
            bulks: Arc::new(Semaphore::new(crate::limits::BULK_REQUESTS_MAX)),
            sockets: Arc::new(Semaphore::new(crate::limits::SOCKETS_MAX)),
            streams: Arc::new(Semaphore::new(crate::limits::STREAMS_MAX)),
            reader,
            sight,
            genesis,
            organisation,
            door,
        }
    }
}
