//! Checks what transports promise each other, over TCP and over pipes that can be cut.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_p2p::{
    CallError, Directory, Identity, Incoming, Lane, Limits, MemoryNetwork, P2pError, Peer, Services, Sockets,
    TcpSockets, Transport, start, start_with_limits, tls_key_of,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

const GENESIS: [u8; 32] = [1; 32];
const ECHO: u8 = 1;
const INBOX: u8 = 2;
const SECOND: Duration = Duration::from_secs(1);
/// Long enough on a loaded machine, and never waited out when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory that a test can rewrite.
struct Membership {
    peers: BTreeMap<String, Peer>,
    sender: watch::Sender<Arc<Directory>>,
}

impl Membership {
    fn new(members: &[(&str, u8, &str)]) -> Self {
        let mut membership = Membership { peers: BTreeMap::new(), sender: watch::channel(Arc::default()).0 };
        members.iter().for_each(|(name, key, address)| membership.set(name, *key, address));
        membership
    }

    fn set(&mut self, name: &str, key: u8, address: &str) {
        let peer = Peer { address: address.into(), tls_key: tls_key_of(&[key; 32]) };
        self.peers.insert(name.into(), peer);
        self.publish();
    }

    fn remove(&mut self, name: &str) {
        self.peers.remove(name);
        self.publish();
    }

    fn publish(&self) {
        self.sender.send_replace(Arc::new(Directory::new(self.peers.clone()).expect("valid")));
    }

    fn watch(&self) -> watch::Receiver<Arc<Directory>> {
        self.sender.subscribe()
    }
}

type Answer = Result<Bytes, CallError>;

/// A transport with a service that echoes and one whose queue (of 4) the test holds.
struct Node {
    transport: Transport,
    inbox: mpsc::Receiver<Incoming>,
}

fn identity(name: &str, key: u8) -> Identity {
    Identity { name: name.into(), genesis: GENESIS, tls_seed: [key; 32] }
}

async fn node_of(
    identity: Identity,
    membership: &Membership,
    sockets: Arc<dyn Sockets>,
    listen: &str,
    limits: Limits,
) -> Node {
    let mut services = Services::new();
    let mut echo = services.register(ECHO, 256);
    let inbox = services.register(INBOX, 4);
    tokio::spawn(async move {
        while let Some(Incoming { from, body, reply, .. }) = echo.recv().await {
            let answer = [from.as_bytes(), b":", &body].concat();
            reply.into_iter().for_each(|reply| reply.ok(answer.clone().into()));
        }
    });
    let started = start_with_limits(identity, membership.watch(), sockets, listen, services, limits).await;
    Node { transport: started.expect("starts"), inbox }
}

async fn tcp(name: &str, key: u8, membership: &Membership) -> Node {
    node_of(identity(name, key), membership, Arc::new(TcpSockets), "127.0.0.1:0", Limits::default()).await
}

/// `a/1` and `b/1` over TCP, connected on both lanes.
async fn tcp_pair() -> (Node, Node, Membership) {
    let mut membership = Membership::new(&[("a/1", 10, "unknown:0")]);
    let a = tcp("a/1", 10, &membership).await;
    let b = tcp("b/1", 20, &membership).await;
    membership.set("b/1", 20, b.transport.listen_address());
    both_connected(&a, &b).await;
    (a, b, membership)
}

/// The same over pipes.
async fn memory_pair() -> (Node, Node, MemoryNetwork, Membership) {
    memory_pair_with(Limits::default()).await
}

async fn memory_pair_with(limits: Limits) -> (Node, Node, MemoryNetwork, Membership) {
    let network = MemoryNetwork::default();
    let membership = Membership::new(&[("a/1", 10, "a"), ("b/1", 20, "b")]);
    let a = node_of(identity("a/1", 10), &membership, Arc::new(network.sockets("a")), "a", limits).await;
    let b = node_of(identity("b/1", 20), &membership, Arc::new(network.sockets("b")), "b", limits).await;
    both_connected(&a, &b).await;
    (a, b, network, membership)
}

async fn both_connected(a: &Node, b: &Node) {
    until("both lanes are up", || a.lanes("b/1") == 2 && b.lanes("a/1") == 2).await;
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let poll = async {
        while !holds() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, poll).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

impl Node {
    fn lanes(&self, peer: &str) -> usize {
        self.transport.connected().iter().filter(|(name, _)| name == peer).count()
    }

    fn call(&self, to: &str, service: u8, body: &[u8]) -> impl Future<Output = Answer> + 'static {
        self.call_within(PATIENCE, to, service, body)
    }

    fn call_within(
        &self,
        deadline: Duration,
        to: &str,
        service: u8,
        body: &[u8],
    ) -> impl Future<Output = Answer> + use<> {
        let (transport, to, body) = (self.transport.clone(), to.to_string(), Bytes::copy_from_slice(body));
        async move { transport.call(&to, Lane::Control, service, body, deadline).await }
    }

    async fn receive(&mut self) -> Incoming {
        timeout(PATIENCE, self.inbox.recv()).await.expect("in time").expect("the transport runs")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_tells_go_both_ways_on_both_lanes() {
    let (mut a, mut b, _membership) = tcp_pair().await;
    for lane in Lane::ALL {
        for length in [0, 100, 5 << 20] {
            let body = Bytes::from(vec![7; length]);
            for (from, to, via) in [("a/1", "b/1", &a), ("b/1", "a/1", &b)] {
                let reply = via.transport.call(to, lane, ECHO, body.clone(), PATIENCE).await.expect("is answered");
                assert_eq!(reply, [from.as_bytes(), b":", &body].concat());
            }
        }
        a.transport.tell("b/1", lane, INBOX, Bytes::from_static(b"to b")).expect("is queued");
        b.transport.tell("a/1", lane, INBOX, Bytes::from_static(b"to a")).expect("is queued");
        let (at_a, at_b) = (a.receive().await, b.receive().await);
        assert_eq!((at_a.from.as_str(), &at_a.body[..], at_a.reply.is_none()), ("b/1", &b"to a"[..], true));
        assert_eq!((at_b.from.as_str(), &at_b.body[..], at_b.reply.is_none()), ("a/1", &b"to b"[..], true));
    }
}

#[tokio::test]
async fn many_calls_at_once_each_get_their_own_answer() {
    let (a, _b, _membership) = tcp_pair().await;
    let calls: Vec<_> = (0..200_u32).map(|i| (i, tokio::spawn(a.call("b/1", ECHO, &i.to_be_bytes())))).collect();
    for (i, call) in calls {
        let reply = call.await.expect("does not panic").expect("is answered");
        assert_eq!(reply, [b"a/1:".as_slice(), &i.to_be_bytes()].concat());
    }
}

#[tokio::test(start_paused = true)]
async fn both_sides_writing_more_than_the_pipe_holds_do_not_block_each_other() {
    let (a, b, _network, _membership) = memory_pair().await;
    let body = vec![7; 1 << 20];
    let calls: Vec<_> = (0..20)
        .flat_map(|_| [tokio::spawn(a.call("b/1", ECHO, &body)), tokio::spawn(b.call("a/1", ECHO, &body))])
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("does not panic").expect("is answered").len(), 4 + body.len());
    }
}

#[tokio::test]
async fn tells_on_one_lane_arrive_in_order() {
    let (a, mut b, _membership) = tcp_pair().await;
    for i in 0..1000_u32 {
        a.transport.tell("b/1", Lane::Bulk, INBOX, Bytes::copy_from_slice(&i.to_be_bytes())).expect("is queued");
        assert_eq!(b.receive().await.body, i.to_be_bytes().as_slice());
    }
}

#[tokio::test]
async fn a_peer_of_another_genesis_is_never_connected() {
    let mut membership = Membership::new(&[("a/1", 10, "unknown:0")]);
    let b = tcp("b/1", 20, &membership).await;
    membership.set("b/1", 20, b.transport.listen_address());
    let alien = Identity { genesis: [2; 32], ..identity("a/1", 10) };
    let a = node_of(alien, &membership, Arc::new(TcpSockets), "127.0.0.1:0", Limits::default()).await;
    until("several attempts were refused", || b.transport.counts().handshakes_refused >= 4).await;
    assert!(a.transport.connected().is_empty() && b.transport.connected().is_empty());
    assert_eq!(a.call("b/1", ECHO, b"").await, Err(CallError::Unreachable));
}

#[tokio::test]
async fn another_member_at_the_address_dialled_is_not_taken_for_the_peer() {
    let mut membership = Membership::new(&[("a/1", 10, "unknown:0"), ("b/1", 20, "unknown:0")]);
    let c = tcp("c/1", 30, &membership).await;
    membership.set("c/1", 30, c.transport.listen_address());
    membership.set("b/1", 20, c.transport.listen_address());
    let a = tcp("a/1", 10, &membership).await;
    until("a is connected to c, and refused to take it for b", || {
        a.lanes("c/1") == 2 && c.transport.counts().handshakes_refused >= 4
    })
    .await;
    assert_eq!(a.lanes("b/1"), 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_here_and_closes_the_connection_there() {
    let mut membership = Membership::new(&[("a/1", 10, "unknown:0")]);
    let a = tcp("a/1", 10, &membership).await;
    let small = Limits { frame_bytes_max: 64 << 10, ..Limits::default() };
    let b = node_of(identity("b/1", 20), &membership, Arc::new(TcpSockets), "127.0.0.1:0", small).await;
    membership.set("b/1", 20, b.transport.listen_address());
    both_connected(&a, &b).await;

    let max = small.body_bytes_max();
    let refused = b.call("a/1", ECHO, &vec![0; max + 1]).await;
    assert_eq!(refused, Err(CallError::TooLong { length: max + 1, max }));
    assert!(a.call("b/1", ECHO, &vec![0; max - 4]).await.is_ok(), "the longest reply that fits is taken");
    let unanswerable = a.call("b/1", ECHO, &vec![0; max]).await;
    assert!(matches!(unanswerable, Err(CallError::Refused(_))), "{unanswerable:?}");
    assert_eq!(a.call("b/1", ECHO, &vec![0; max + 1]).await, Err(CallError::Unreachable));
    both_connected(&a, &b).await;
}

#[tokio::test]
async fn a_peer_that_leaves_the_directory_is_disconnected_until_it_returns() {
    // Once the one that dials is removed, once the one that accepts.
    for gone in ["a/1", "b/1"] {
        let (a, b, mut membership) = tcp_pair().await;
        let address = b.transport.listen_address().to_string();
        let hanging = tokio::spawn(a.call("b/1", INBOX, b"never answered"));
        until("the call is out", || b.inbox.len() == 1).await;
        membership.remove(gone);
        until("both ends are closed", || a.lanes("b/1") == 0 && b.lanes("a/1") == 0).await;
        assert_eq!(hanging.await.expect("does not panic"), Err(CallError::Unreachable));
        let key = if gone == "a/1" { 10 } else { 20 };
        membership.set(gone, key, &address);
        both_connected(&a, &b).await;
    }
}

#[tokio::test]
async fn a_peer_whose_key_changed_is_disconnected_until_it_shows_the_new_one() {
    let (a, b, mut membership) = tcp_pair().await;
    let address = b.transport.listen_address().to_string();
    membership.set("b/1", 21, &address);
    until("the old key is closed", || a.lanes("b/1") == 0).await;
    b.transport.shutdown().await;
    let b = tcp("b/1", 21, &membership).await;
    membership.set("b/1", 21, b.transport.listen_address());
    both_connected(&a, &b).await;
}

#[tokio::test]
async fn a_restarted_peer_is_connected_again() {
    let (a, b, membership) = tcp_pair().await;
    let address = b.transport.listen_address().to_string();
    b.transport.shutdown().await;
    until("a has noticed", || a.lanes("b/1") == 0).await;
    assert_eq!(b.call("a/1", ECHO, b"").await, Err(CallError::Unreachable));
    let b = node_of(identity("b/1", 20), &membership, Arc::new(TcpSockets), &address, Limits::default()).await;
    both_connected(&a, &b).await;
    assert_eq!(a.call("b/1", ECHO, b"again").await.expect("is answered"), b"a/1:again".as_slice());
}

#[tokio::test]
async fn dropping_the_last_handle_closes_everything() {
    let (a, b, _membership) = tcp_pair().await;
    drop(b);
    until("a has noticed", || a.lanes("b/1") == 0).await;
}

#[tokio::test]
async fn an_address_in_use_or_limits_that_contradict_are_refused_at_start() {
    let (a, _b, membership) = tcp_pair().await;
    let taken = a.transport.listen_address();
    let again = start(identity("a/1", 10), membership.watch(), Arc::new(TcpSockets), taken, Services::new()).await;
    assert!(matches!(again, Err(P2pError::Bind { .. })));
    let limits = Limits { queue_bytes_max: 1 << 20, ..Limits::default() };
    let sockets = Arc::new(TcpSockets);
    let listen = "127.0.0.1:0";
    let contradiction =
        start_with_limits(identity("a/1", 10), membership.watch(), sockets, listen, Services::new(), limits).await;
    assert!(matches!(contradiction, Err(P2pError::Limits(_))));
}

#[tokio::test(start_paused = true)]
async fn a_full_service_queue_answers_busy_and_counts_dropped_tells() {
    let (a, mut b, _network, _membership) = memory_pair().await;
    let waiting: Vec<_> = (0..4).map(|_| tokio::spawn(a.call("b/1", INBOX, b"waits"))).collect();
    until("the queue is full", || b.inbox.len() == 4).await;
    assert_eq!(a.call("b/1", INBOX, b"one more").await, Err(CallError::Busy));
    a.transport.tell("b/1", Lane::Control, INBOX, Bytes::new()).expect("is queued here");
    until("the tell was dropped", || b.transport.counts().tells_dropped == 1).await;
    assert_eq!((b.inbox.len(), b.transport.counts().calls_busy), (4, 1));
    for call in waiting {
        b.receive().await.reply.expect("a call").ok(Bytes::from_static(b"at last"));
        assert_eq!(call.await.expect("does not panic").expect("is answered"), b"at last".as_slice());
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_holds_no_more_bytes_than_its_budget() {
    let limits = Limits { frame_bytes_max: 1 << 20, service_bytes_max: 1 << 20, ..Limits::default() };
    let (a, mut b, _network, _membership) = memory_pair_with(limits).await;
    let first = tokio::spawn(a.call("b/1", INBOX, &vec![0; 600 << 10]));
    until("the first is queued", || b.inbox.len() == 1).await;
    assert_eq!(a.call("b/1", INBOX, &vec![0; 600 << 10]).await, Err(CallError::Busy));
    b.receive().await.reply.expect("a call").ok(Bytes::new());
    assert!(first.await.expect("does not panic").is_ok());
    let third = tokio::spawn(a.call("b/1", INBOX, &vec![0; 600 << 10]));
    b.receive().await.reply.expect("a call").ok(Bytes::new());
    assert!(third.await.expect("does not panic").is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_refused_or_forgotten_or_unknown_call_says_so() {
    let (a, mut b, _network, _membership) = memory_pair().await;
    let refused = |reason: &str| Err(CallError::Refused(reason.into()));
    let call = tokio::spawn(a.call("b/1", INBOX, b""));
    b.receive().await.reply.expect("a call").err("not today");
    assert_eq!(call.await.expect("does not panic"), refused("not today"));
    let call = tokio::spawn(a.call("b/1", INBOX, b""));
    drop(b.receive().await);
    assert_eq!(call.await.expect("does not panic"), refused("not served"));
    assert_eq!(a.call("b/1", 99, b"").await, refused("no service 99"));
    assert_eq!(a.call("z/1", ECHO, b"").await, Err(CallError::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_costs_exactly_the_deadline() {
    let (a, mut b, _network, _membership) = memory_pair().await;
    let began = Instant::now();
    let stalled = a.transport.call("b/1", Lane::Bulk, INBOX, Bytes::new(), 7 * SECOND).await;
    assert_eq!((stalled, began.elapsed()), (Err(CallError::Timeout), 7 * SECOND));
    // The late answer is nobody's, and hurts nobody.
    b.receive().await.reply.expect("a call").ok(Bytes::from_static(b"late"));
    assert_eq!(a.call("b/1", ECHO, b"next").await.expect("is answered"), b"a/1:next".as_slice());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_stays_up() {
    let (a, b, _network, _membership) = memory_pair().await;
    let hanging = tokio::spawn(a.call_within(3600 * SECOND, "b/1", INBOX, b""));
    until("the call is out", || b.inbox.len() == 1).await;
    // An hour of nothing but pings; had the connection been replaced, the call would be Unreachable.
    assert_eq!(hanging.await.expect("does not panic"), Err(CallError::Timeout));
    assert_eq!((a.lanes("b/1"), b.lanes("a/1")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_cut_link_fails_its_calls_and_is_dialled_again_when_healed() {
    let (a, b, network, _membership) = memory_pair().await;
    let hanging = tokio::spawn(a.call("b/1", INBOX, b"cut off"));
    until("the call is out", || b.inbox.len() == 1).await;
    network.cut("b", "a");
    assert_eq!(hanging.await.expect("does not panic"), Err(CallError::Unreachable));
    until("both have noticed", || a.lanes("b/1") + b.lanes("a/1") == 0).await;
    sleep(60 * SECOND).await;
    assert_eq!(a.lanes("b/1") + b.lanes("a/1"), 0);
    network.heal("a", "b");
    let healed = Instant::now();
    both_connected(&a, &b).await;
    assert!(healed.elapsed() <= 2 * SECOND, "the pause between attempts is bounded: {:?}", healed.elapsed());
}
