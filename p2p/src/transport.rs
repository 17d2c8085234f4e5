//! Gives the node one handle to call and tell its peers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::counters::Counters;
use crate::directory::check_name;
use crate::hub::{Hub, Links};
use crate::limits::HUB_EVENTS_MAX;
use crate::link::Link;
use crate::listener::Door;
use crate::local::Local;
use crate::tls::Tls;
use crate::{CallError, Counts, Directory, Identity, Lane, Limits, P2pError, Services, Sockets};

/// Connections to all peers of the directory, kept up until the last clone is dropped or [`Self::shutdown`]. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    links: watch::Receiver<Arc<Links>>,
    stop: Arc<watch::Sender<()>>,
    counters: Arc<Counters>,
    listen_address: Arc<str>,
}

/// [`start_with_limits`] with the default [`Limits`].
pub async fn start(
    identity: Identity,
    directory: watch::Receiver<Arc<Directory>>,
    sockets: Arc<dyn Sockets>,
    listen: &str,
    services: Services,
) -> Result<Transport, P2pError> {
    start_with_limits(identity, directory, sockets, listen, services, Limits::default()).await
}

/// Listens on `listen`, and dials every peer whose name sorts after ours, whenever the directory changes.
///
/// Must run within a tokio runtime. Errs on a name, limits or an address that cannot be used; after it returns, nothing
/// that peers or the network do ends the transport.
pub async fn start_with_limits(
    identity: Identity,
    directory: watch::Receiver<Arc<Directory>>,
    sockets: Arc<dyn Sockets>,
    listen: &str,
    services: Services,
    limits: Limits,
) -> Result<Transport, P2pError> {
    check_name(&identity.name)?;
    limits.check()?;
    let tls = Tls::new(&identity.tls_seed, directory.clone())?;
    let config = tls.accepting()?;
    let bound = sockets.bind(listen).await;
    let listener = bound.map_err(|source| P2pError::Bind { address: listen.to_string(), source })?;
    let listen_address = listener.address().into();

    let (events, hub_events) = mpsc::channel(HUB_EVENTS_MAX);
    let (stop, stopped) = watch::channel(());
    let counters = Arc::<Counters>::default();
    let local = Local {
        name: identity.name.into(),
        genesis: identity.genesis,
        limits,
        directory,
        services: Arc::new(services.open(limits.service_bytes_max)),
        counters: counters.clone(),
        hub: events,
        stop: stopped,
    };
    let (hub, links) = Hub::new(local.clone(), sockets, tls, hub_events);
    tokio::spawn(hub.run());
    tokio::spawn(Door::new(local, listener, config).run());
    Ok(Transport { links, stop: Arc::new(stop), counters, listen_address })
}

impl Transport {
    /// Asks `service` of the peer `to`, and waits at most `deadline` for the answer.
    ///
    /// Errs at once with `Unreachable` while there is no connection, `Busy` while a queue is full, and `TooLong`. The call
    /// may be dropped at any time; the peer may then still serve it.
    pub async fn call(
        &self,
        to: &str,
        lane: Lane,
        service: u8,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, CallError> {
        let (answer_to, answer) = oneshot::channel();
        self.link(to, lane)?.send(service, body, Some(answer_to))?;
        match timeout(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            // The connection ended and took the question with it.
            Ok(Err(_)) => Err(CallError::Unreachable),
            Err(_) => Err(CallError::Timeout),
        }
    }

    /// Sends one way, without waiting. `Ok` says that it was queued, not that it arrives; tells on one lane arrive in order.
    pub fn tell(&self, to: &str, lane: Lane, service: u8, body: Bytes) -> Result<(), CallError> {
        self.link(to, lane)?.send(service, body, None)
    }

    /// The address we listen on, with the real port where port 0 was asked for.
    pub fn listen_address(&self) -> &str {
        &self.listen_address
    }

    /// The links in force now, in the order of names.
    pub fn connected(&self) -> Vec<(String, Lane)> {
        let links = self.links.borrow();
        links.iter().flat_map(|(peer, lanes)| lanes.keys().map(|lane| (peer.clone(), *lane))).collect()
    }

    /// What was dropped or turned away so far.
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Closes everything, and returns when all sockets are closed. Calls that wait, and all later ones, err `Unreachable`.
    pub async fn shutdown(&self) {
        self.stop.send_replace(());
        self.stop.closed().await;
    }

    fn link(&self, to: &str, lane: Lane) -> Result<Link, CallError> {
        let links = self.links.borrow();
        links.get(to).and_then(|lanes| lanes.get(&lane)).cloned().ok_or(CallError::Unreachable)
    }
}
