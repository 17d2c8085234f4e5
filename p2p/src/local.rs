//! Brings an authenticated stream into force, for every task of one node.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::info;

use crate::connection::Connection;
use crate::counters::Counters;
use crate::hub::Event;
use crate::service::OpenServices;
use crate::{Directory, Lane, Limits, Stream};

/// What every task of one transport knows; cheap to clone.
#[derive(Clone)]
pub(crate) struct Local {
    pub(crate) name: Arc<str>,
    pub(crate) genesis: [u8; 32],
    pub(crate) limits: Limits,
    pub(crate) directory: watch::Receiver<Arc<Directory>>,
    pub(crate) services: Arc<OpenServices>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) hub: mpsc::Sender<Event>,
    /// Changes, or loses its sender, when the transport ends. Shutdown waits until every clone is gone.
    pub(crate) stop: watch::Receiver<()>,
}

/// A stream after TLS and both hellos.
pub(crate) struct Session {
    pub(crate) peer: String,
    pub(crate) tls_key: [u8; 32],
    pub(crate) lane: Lane,
    pub(crate) stream: Box<dyn Stream>,
}

impl Local {
    /// Carries frames for the session until it ends.
    pub(crate) async fn serve(&self, session: Session) {
        let Session { peer, tls_key, lane, stream } = session;
        let (stop, stopped) = oneshot::channel();
        let (connection, link) = Connection::open(self.clone(), peer.clone(), stream, stopped);
        info!(peer, ?lane, "connected");
        let joined = Event::Joined { peer: peer.clone(), lane, tls_key, link: link.clone(), stop };
        // The hub is gone only when the transport ends, and then so is this.
        if self.hub.send(joined).await.is_err() {
            return;
        }
        let reason = connection.run().await;
        info!(peer, ?lane, %reason, "disconnected");
        let _ = self.hub.send(Event::Left { peer, lane, link }).await;
    }
}

#[cfg(test)]
impl Local {
    pub(crate) const TEST_GENESIS: [u8; 32] = [3; 32];

    /// A node without peers or hub.
    pub(crate) fn for_test(services: crate::Services, limits: Limits) -> Local {
        Local {
            name: "local".into(),
            genesis: Local::TEST_GENESIS,
            limits,
            directory: watch::channel(Arc::default()).1,
            services: Arc::new(services.open(limits.service_bytes_max)),
            counters: Arc::default(),
            hub: mpsc::channel(1).0,
            stop: watch::channel(()).1,
        }
    }
}
