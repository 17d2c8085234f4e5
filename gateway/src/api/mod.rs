//! Serve the typed API: every collection on the ledger as REST, described by OpenAPI, and what GraphQL shares with it.
//!
//! ```text
//!  request ─▶ Caller ─▶ Catalogue ─▶ read: Reader, as the rules let the caller see it ─▶ typed JSON
//!             identity   schema      write: sign as the gateway account ─▶ Door ─▶ the node's pipeline
//! ```

mod asked;
mod bulk;
mod catalogue;
mod document;
mod events;
mod list;
mod openapi;
mod operation;
mod read;
mod router;
mod signing;
mod transaction;
mod write;

pub(crate) use asked::{Condition, Wait, body_bytes, keyed, media_type};

pub(crate) use catalogue::{Collections, Served};
pub(crate) use document::{ROWS_DEFAULT, Versions};
pub(crate) use events::rfc3339;

pub(crate) use list::{Counted, ListAsked, Page, Summed};
pub(crate) use openapi::{Named, embeds, names};
pub(crate) use read::{Answered, CONSISTENCIES, ReadAsked, Seen, json_bytes};
pub use router::API_ROUTES;
pub(crate) use router::router;
pub use signing::GatewayAccount;
pub(crate) use transaction::Status;
pub(crate) use write::{Recorded, Write, Written, recorded};

use crate::door::Door;
use crate::feed::Feeds;
use crate::identity::Callers;
use crate::sight::Sight;
use catalogue::Catalogue;
use countersign_ledger::store::Reader;
use countersign_proof::Genesis;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What the typed API is made from.
pub struct ApiSetup {
    /// The way into the node.
    pub door: Door,
    /// Who calls. Writes are signed for callers of the node's own organisation only.
    pub callers: Callers,
    /// The account that signs for callers who cannot; without one the API only reads.
    pub account: Option<GatewayAccount>,
}

/// What every handler may look at.
#[derive(Clone)]
pub(crate) struct Api {
    reader: Reader,
    sight: Sight,
    genesis: Arc<Genesis>,
    origin: String,
    pub(crate) callers: Callers,
    pub(crate) feeds: Feeds,
    door: Door,
    account: Option<Arc<GatewayAccount>>,
    catalogue: Arc<Catalogue>,
    streams: Arc<Semaphore>,
    bulks: Arc<Semaphore>,
    sockets: Arc<Semaphore>,
}

impl Api {
    pub(crate) fn new(reader: Reader, sight: Sight, genesis: Arc<Genesis>, setup: ApiSetup) -> Api {
        let ApiSetup { door, callers, account } = setup;
        let progress = door.progress.clone();
        Api {
            origin: genesis.origin(),
            catalogue: Arc::new(Catalogue::default()),
            account: account.map(Arc::new),
            bulks: Arc::new(Semaphore::new(crate::limits::BULK_REQUESTS_MAX)),
            sockets: Arc::new(Semaphore::new(crate::limits::SOCKETS_MAX)),
            streams: Arc::new(Semaphore::new(crate::limits::STREAMS_MAX)),
            feeds: Feeds { reader: reader.clone(), sight: sight.clone(), callers: callers.clone(), progress },
            reader,
            sight,
            genesis,
            callers,
            door,
        }
    }
}

impl AsRef<Callers> for Api {
    fn as_ref(&self) -> &Callers {
        &self.callers
    }
}
