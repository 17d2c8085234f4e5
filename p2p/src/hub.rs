//! Keeps the links in force equal to the directory.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::debug;

use crate::dialer::Dialer;
use crate::link::Link;
use crate::local::Local;
use crate::sockets::Sockets;
use crate::tls::Tls;
use crate::{Directory, Lane};

/// The links in force, as the hub publishes them.
pub(crate) type Links = BTreeMap<String, BTreeMap<Lane, Link>>;

/// What a connection tells the hub.
pub(crate) enum Event {
    Joined { peer: String, lane: Lane, tls_key: [u8; 32], link: Link, stop: oneshot::Sender<()> },
    Left { peer: String, lane: Lane, link: Link },
}

/// The only owner of which link is in force and which peers are dialled.
pub(crate) struct Hub {
    local: Local,
    sockets: Arc<dyn Sockets>,
    tls: Tls,
    events: mpsc::Receiver<Event>,
    links: watch::Sender<Arc<Links>>,
    in_force: BTreeMap<(String, Lane), InForce>,
    /// Dropping a value ends the dialer of that key.
    dialled: BTreeMap<(String, Lane), oneshot::Sender<()>>,
}

struct InForce {
    tls_key: [u8; 32],
    link: Link,
    /// Dropping it ends the connection.
    _stop: oneshot::Sender<()>,
}

impl Hub {
    pub(crate) fn new(
        local: Local,
        sockets: Arc<dyn Sockets>,
        tls: Tls,
        events: mpsc::Receiver<Event>,
    ) -> (Self, watch::Receiver<Arc<Links>>) {
        let (links, published) = watch::channel(Arc::default());
        let (in_force, dialled) = (BTreeMap::new(), BTreeMap::new());
        (Hub { local, sockets, tls, events, links, in_force, dialled }, published)
    }

    /// Runs until the transport stops; then nothing is in force and nothing is dialled.
    pub(crate) async fn run(mut self) {
        let mut stop = self.local.stop.clone();
        let mut directory = self.local.directory.clone();
        let mut directory_open = true;
        let mut current = directory.borrow_and_update().clone();
        self.follow(&current);
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => break,
                changed = directory.changed(), if directory_open => {
                    // Without its writer the directory stays as it is.
                    directory_open = changed.is_ok();
                    current = directory.borrow_and_update().clone();
                    self.follow(&current);
                }
                Some(event) = self.events.recv() => self.apply(event),
            }
        }
        self.links.send_replace(Arc::default());
    }

    /// Ends what the directory no longer allows, and dials whom it newly names.
    fn follow(&mut self, directory: &Directory) {
        self.in_force.retain(|(peer, _), in_force| directory.admits(peer, &in_force.tls_key));
        self.dialled.retain(|(peer, _), _| directory.get(peer).is_some());
        // The name that sorts first dials, so that a pair never connects twice.
        let ours = directory.iter().map(|(peer, _)| peer).filter(|peer| ***peer > *self.local.name);
        for (peer, lane) in ours.flat_map(|peer| Lane::ALL.map(|lane| (peer, lane))) {
            self.dialled.entry((peer.clone(), lane)).or_insert_with(|| {
                let (stop, stopped) = oneshot::channel();
                let dialer =
                    Dialer::new(self.local.clone(), self.sockets.clone(), self.tls.clone(), peer.clone(), lane);
                tokio::spawn(dialer.run(stopped));
                stop
            });
        }
        self.publish();
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Joined { peer, lane, tls_key, link, stop } => {
                // The directory may have changed since the handshake; dropping `stop` ends the connection.
                if !self.local.directory.borrow().admits(&peer, &tls_key) {
                    debug!(peer, ?lane, "left the directory while it connected");
                    return;
                }
                // An older link of the same peer and lane ends here: the peer has given it up.
                self.in_force.insert((peer, lane), InForce { tls_key, link, _stop: stop });
            }
            Event::Left { peer, lane, link } => {
                let key = (peer, lane);
                if self.in_force.get(&key).is_some_and(|in_force| in_force.link.is(&link)) {
                    self.in_force.remove(&key);
                }
            }
        }
        self.publish();
    }

    fn publish(&self) {
        let mut links = Links::new();
        for ((peer, lane), in_force) in &self.in_force {
            links.entry(peer.clone()).or_default().insert(*lane, in_force.link.clone());
        }
        self.links.send_replace(Arc::new(links));
    }
}
