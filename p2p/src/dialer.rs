//! Keeps one connection to one peer on one lane.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tracing::debug;

use crate::hello::Hello;
use crate::limits::{HANDSHAKE_DEADLINE, REDIAL_PAUSE_MAX, REDIAL_PAUSE_MIN};
use crate::local::{Local, Session};
use crate::sockets::Sockets;
use crate::tls::{Tls, key_of_peer};
use crate::{Lane, P2pError};

/// Dials one (peer, lane) for as long as the directory names the peer.
pub(crate) struct Dialer {
    local: Local,
    sockets: Arc<dyn Sockets>,
    tls: Tls,
    peer: String,
    lane: Lane,
}

impl Dialer {
    pub(crate) fn new(local: Local, sockets: Arc<dyn Sockets>, tls: Tls, peer: String, lane: Lane) -> Self {
        Dialer { local, sockets, tls, peer, lane }
    }

    /// Runs until `stopped` loses its sender; a connection in progress ends with it.
    pub(crate) async fn run(self, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            biased;
            _ = stopped => {}
            () = self.keep_connected() => {}
        }
    }

    async fn keep_connected(&self) {
        let mut pause = REDIAL_PAUSE_MIN;
        loop {
            match timeout(HANDSHAKE_DEADLINE, self.dial()).await.unwrap_or(Err(P2pError::HandshakeDeadline)) {
                Ok(session) => {
                    pause = REDIAL_PAUSE_MIN;
                    self.local.serve(session).await;
                }
                Err(reason) => debug!(peer = self.peer, lane = ?self.lane, %reason, "not connected"),
            }
            sleep(pause + self.local.limits.redial_jitter).await;
            pause = longer(pause);
        }
    }

    /// Connects, and speaks first: the other side says nothing to one it does not know.
    async fn dial(&self) -> Result<Session, P2pError> {
        // Read at every attempt, so that a new address or key is used as soon as it is known.
        let address = self.local.directory.borrow().get(&self.peer).map(|peer| peer.address.clone());
        let address = address.ok_or_else(|| P2pError::WrongPeer(self.peer.clone()))?;
        let stream = self.sockets.connect(&address).await?;
        // TLS wants a name; it is not sent, and the key alone decides.
        let name = ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED));
        let mut stream = TlsConnector::from(self.tls.dialling(&self.peer)?).connect(name, stream).await?;
        let tls_key = key_of_peer(stream.get_ref().1)?;
        let ours = Hello { genesis: self.local.genesis, lane: self.lane, name: self.local.name.to_string() };
        ours.write(&mut stream).await?;
        let theirs = Hello::read(&mut stream).await?;
        self.check(&theirs)?;
        Ok(Session { peer: self.peer.clone(), tls_key, lane: self.lane, stream: Box::new(stream) })
    }

    fn check(&self, theirs: &Hello) -> Result<(), P2pError> {
        if theirs.genesis != self.local.genesis {
            return Err(P2pError::WrongGenesis);
        }
        if theirs.name != self.peer {
            return Err(P2pError::WrongPeer(theirs.name.clone()));
        }
        if theirs.lane != self.lane { Err(P2pError::WrongLane(theirs.lane)) } else { Ok(()) }
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(REDIAL_PAUSE_MAX)
}
