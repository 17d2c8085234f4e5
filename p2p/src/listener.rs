//! Admits peers that dial us.

use std::collections::VecDeque;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::hello::Hello;
use crate::limits::{ACCEPT_PAUSE, HANDSHAKE_DEADLINE, HANDSHAKES_MAX};
use crate::local::{Local, Session};
use crate::tls::key_of_peer;
use crate::{Listener, P2pError, Stream};

/// The door: takes sockets, and gives each a bounded time to show a key.
pub(crate) struct Door {
    local: Local,
    listener: Box<dyn Listener>,
    config: Arc<ServerConfig>,
    /// One for each handshake in progress, oldest first; dropping it ends that handshake.
    ///
    /// The oldest gives way, because one that lasts is more likely an idler than a member: to shut members out, a stranger
    /// must open [`HANDSHAKES_MAX`] sockets within a round trip, not within the deadline.
    strangers: VecDeque<oneshot::Sender<()>>,
}

impl Door {
    pub(crate) fn new(local: Local, listener: Box<dyn Listener>, config: Arc<ServerConfig>) -> Self {
        Door { local, listener, config, strangers: VecDeque::new() }
    }

    /// Runs until the transport stops, which also ends the handshakes in progress.
    pub(crate) async fn run(mut self) {
        let mut stop = self.local.stop.clone();
        loop {
            tokio::select! {
                biased;
                _ = stop.changed() => return,
                accepted = self.listener.accept() => match accepted {
                    Ok(stream) => self.admit(stream),
                    Err(error) => {
                        warn!(%error, "accept failed");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn admit(&mut self, stream: Box<dyn Stream>) {
        self.strangers.retain(|stranger| !stranger.is_closed());
        if self.strangers.len() >= HANDSHAKES_MAX {
            self.strangers.pop_front();
        }
        let (stranger, evicted) = oneshot::channel();
        self.strangers.push_back(stranger);
        tokio::spawn(welcome(self.local.clone(), self.config.clone(), stream, evicted));
    }
}

/// Serves the peer behind a stream once it is known who that is.
async fn welcome(local: Local, config: Arc<ServerConfig>, stream: Box<dyn Stream>, mut evicted: oneshot::Receiver<()>) {
    let known = tokio::select! {
        biased;
        _ = &mut evicted => Err(P2pError::Stopped),
        known = timeout(HANDSHAKE_DEADLINE, greet(&local, config, stream)) => {
            known.unwrap_or(Err(P2pError::HandshakeDeadline))
        }
    };
    // From here on it is no stranger, and newcomers no longer push it out.
    drop(evicted);
    match known {
        Ok(session) => local.serve(session).await,
        Err(reason) => {
            local.counters.handshake_refused();
            debug!(%reason, "handshake refused");
        }
    }
}

/// Listens first: our hello goes only to a member of our network that may dial us.
async fn greet(local: &Local, config: Arc<ServerConfig>, stream: Box<dyn Stream>) -> Result<Session, P2pError> {
    let mut stream = TlsAcceptor::from(config).accept(stream).await?;
    let tls_key = key_of_peer(stream.get_ref().1)?;
    let theirs = Hello::read(&mut stream).await?;
    check(local, &theirs, &tls_key)?;
    let ours = Hello { genesis: local.genesis, lane: theirs.lane, name: local.name.to_string() };
    ours.write(&mut stream).await?;
    Ok(Session { peer: theirs.name, tls_key, lane: theirs.lane, stream: Box::new(stream) })
}

fn check(local: &Local, theirs: &Hello, tls_key: &[u8; 32]) -> Result<(), P2pError> {
    if theirs.genesis != local.genesis {
        return Err(P2pError::WrongGenesis);
    }
    let admitted = local.directory.borrow().admits(&theirs.name, tls_key);
    let dials_us = *theirs.name < *local.name;
    if admitted && dials_us { Ok(()) } else { Err(P2pError::WrongPeer(theirs.name.clone())) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use rustls::pki_types::ServerName;
    use tokio::io::AsyncReadExt;
    use tokio::sync::watch;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    use super::*;
    use crate::tls::Tls;
    use crate::{
        Directory, FRAME_HEADER_BYTES, Identity, Lane, MemoryNetwork, Peer, Services, Sockets, Transport, start,
        tls_key_of,
    };

    const GENESIS: [u8; 32] = [1; 32];
    const SERVER_SEED: [u8; 32] = [20; 32];
    const MEMBER_SEED: [u8; 32] = [10; 32];
    /// Of a member whose name sorts after the server's.
    const LATER_SEED: [u8; 32] = [30; 32];

    fn directory() -> watch::Receiver<Arc<Directory>> {
        let peer = |address: &str, seed| Peer { address: address.into(), tls_key: tls_key_of(&seed) };
        let peers = [("a/1", peer("a", MEMBER_SEED)), ("b/1", peer("b", SERVER_SEED)), ("c/1", peer("c", LATER_SEED))];
        let peers = peers.map(|(name, peer)| (name.to_string(), peer));
        watch::channel(Arc::new(Directory::new(BTreeMap::from(peers)).expect("valid"))).1
    }

    async fn server(network: &MemoryNetwork) -> Transport {
        let identity = Identity { name: "b/1".into(), genesis: GENESIS, tls_seed: SERVER_SEED };
        start(identity, directory(), Arc::new(network.sockets("b")), "b", Services::new()).await.expect("starts")
    }

    /// A TLS client that does as it likes after the handshake.
    async fn connect(network: &MemoryNetwork, seed: [u8; 32]) -> TlsStream<Box<dyn Stream>> {
        let stream = network.sockets("a").connect("b").await.expect("a pipe");
        let config = Tls::new(&seed, directory()).and_then(|tls| tls.dialling("b/1")).expect("a configuration");
        let name = ServerName::try_from("countersign").expect("a name");
        TlsConnector::from(config).connect(name, stream).await.expect("the server shows a key of the directory")
    }

    /// All that the server says before it closes.
    async fn all_it_says(stream: &mut TlsStream<Box<dyn Stream>>) -> (Vec<u8>, std::io::Result<usize>) {
        let mut said = Vec::new();
        let end = timeout(Duration::from_secs(30), stream.read_to_end(&mut said)).await.expect("closes in time");
        (said, end)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_fails_in_tls_and_gets_no_byte_of_ours() {
        let network = MemoryNetwork::default();
        let server = server(&network).await;
        let mut stranger = connect(&network, [99; 32]).await;
        // The stranger even says a perfect hello.
        let _ = Hello { genesis: GENESIS, lane: Lane::Control, name: "a/1".into() }.write(&mut stranger).await;
        let (said, end) = all_it_says(&mut stranger).await;
        assert_eq!(said, b"");
        let alert = end.expect_err("a TLS alert, not a close");
        assert!(alert.to_string().contains("alert"), "{alert}");
        assert_eq!(server.counts().handshakes_refused, 1);
        assert!(server.connected().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_whose_hello_is_not_its_own_gets_no_byte_of_ours() {
        let network = MemoryNetwork::default();
        let server = server(&network).await;
        let hellos = [
            (MEMBER_SEED, [2; 32], "a/1"),
            (MEMBER_SEED, GENESIS, "b/1"),
            (MEMBER_SEED, GENESIS, "a/2"),
            // True, but it is the server that dials this one.
            (LATER_SEED, GENESIS, "c/1"),
        ];
        for (seed, genesis, name) in hellos {
            let mut member = connect(&network, seed).await;
            let hello = Hello { genesis, lane: Lane::Control, name: name.into() };
            hello.write(&mut member).await.expect("is taken");
            assert_eq!(all_it_says(&mut member).await.0, b"", "{name}");
        }
        assert_eq!(server.counts().handshakes_refused, 4);
        // The same client with its own hello gets in, so the refusals above were about the hello.
        join(&network, Lane::Control).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_connection_of_one_peer_and_lane_replaces_the_first() {
        let network = MemoryNetwork::default();
        let server = server(&network).await;
        let mut first = join(&network, Lane::Control).await;
        let mut bulk = join(&network, Lane::Bulk).await;
        let mut second = join(&network, Lane::Control).await;
        let ended = timeout(Duration::from_secs(1), first.read_u8()).await.expect("before any ping is due");
        assert!(ended.is_err());
        assert_eq!(server.connected(), [("a/1".to_string(), Lane::Control), ("a/1".to_string(), Lane::Bulk)]);
        for open in [&mut bulk, &mut second] {
            let ping = timeout(Duration::from_secs(5), open.read_u32()).await.expect("a ping is due");
            assert_eq!(ping.expect("still open") as usize, FRAME_HEADER_BYTES);
        }
    }

    /// A member that has said hello and was answered.
    async fn join(network: &MemoryNetwork, lane: Lane) -> TlsStream<Box<dyn Stream>> {
        let mut member = connect(network, MEMBER_SEED).await;
        Hello { genesis: GENESIS, lane, name: "a/1".into() }.write(&mut member).await.expect("is taken");
        let answer = Hello::read(&mut member).await.expect("an answer");
        assert_eq!(answer, Hello { genesis: GENESIS, lane, name: "b/1".into() });
        member
    }

    #[tokio::test(start_paused = true)]
    async fn idle_strangers_run_into_the_deadline_and_do_not_keep_a_member_out() {
        let network = MemoryNetwork::default();
        let server = server(&network).await;
        let mut idle = Vec::new();
        for _ in 0..2 * HANDSHAKES_MAX {
            idle.push(network.sockets("a").connect("b").await.expect("a pipe"));
            tokio::task::yield_now().await;
        }
        join(&network, Lane::Bulk).await;
        for mut stranger in idle {
            let read = timeout(2 * HANDSHAKE_DEADLINE, stranger.read_u8()).await.expect("closed by the deadline");
            assert!(read.is_err());
        }
        assert_eq!(server.counts().handshakes_refused, 2 * HANDSHAKES_MAX as u64);
    }
}
