//! Run several nodes in one process over wires that can be cut.
#![allow(dead_code, missing_docs)]

use bytes::Bytes;
use countersign_consensus::{Committed, Consensus, Entry, Flushing, Lane, Position, Settings, Wire, WireError};
use countersign_ledger::store::kv::Kv;
use futures::FutureExt;
use futures::future::{BoxFuture, select_all};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Longer than any run takes; only a failure waits for it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// All nodes, and those that are cut off.
#[derive(Default)]
pub struct Net {
    nodes: Mutex<BTreeMap<u64, Consensus>>,
    cut: Mutex<BTreeSet<u64>>,
    /// The last append with entries that was sent.
    pub last_append: Mutex<Option<(u64, Bytes)>>,
}

impl Net {
    pub fn cut(&self, id: u64) {
        self.cut.lock().expect("no panic").insert(id);
    }

    pub fn heal(&self, id: u64) {
        self.cut.lock().expect("no panic").remove(&id);
    }

    /// Starts a node on this net.
    pub async fn join(
        self: &Arc<Net>,
        settings: Settings,
        kv: Arc<dyn Kv>,
        applied: Option<Position>,
    ) -> (Consensus, mpsc::Receiver<Committed>) {
        let id = settings.raft_id;
        let wire = Arc::new(From(id, self.clone()));
        let started = Consensus::start(settings, kv, wire, applied).await.expect("it starts");
        self.nodes.lock().expect("no panic").insert(id, started.0.clone());
        started
    }

    fn target(&self, from: u64, to: u64) -> Option<Consensus> {
        let cut = self.cut.lock().expect("no panic");
        let reachable = !cut.contains(&from) && !cut.contains(&to);
        reachable.then(|| self.nodes.lock().expect("no panic").get(&to).cloned()).flatten()
    }
}

struct From(u64, Arc<Net>);

impl Wire for From {
    fn call(&self, to: u64, lane: Lane, body: Bytes, deadline: Duration) -> BoxFuture<'_, Result<Bytes, WireError>> {
        async move {
            let target = self.1.target(self.0, to).ok_or(WireError::Unreachable)?;
            if lane == Lane::Bulk {
                *self.1.last_append.lock().expect("no panic") = Some((self.0, body.clone()));
            }
            let answer = tokio::time::timeout(deadline, target.receive(self.0, body)).await;
            self.1.target(self.0, to).ok_or(WireError::Unreachable)?;
            answer.map_err(|_| WireError::Unreachable)?.map_err(|e| WireError::Failed(e.to_string()))
        }
        .boxed()
    }
}

/// A wire to nobody.
pub struct Nowhere;

impl Wire for Nowhere {
    fn call(&self, _: u64, _: Lane, _: Bytes, _: Duration) -> BoxFuture<'_, Result<Bytes, WireError>> {
        async { Err(WireError::Unreachable) }.boxed()
    }
}

/// What a node was handed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Blank(Position),
    Proposal(Position, Bytes),
    Membership(Position),
    CatchUp(Position),
}

pub struct Node {
    pub id: u64,
    pub consensus: Consensus,
    pub seen: watch::Receiver<Vec<Seen>>,
    pub net: Arc<Net>,
}

/// Quick elections; syncs inside the append, so that virtual time can be used.
pub fn quick(id: u64) -> Settings {
    Settings {
        heartbeat_ms: 100,
        election_ms_min: 500,
        election_ms_max: 1_000,
        proposals_in_flight_max: 256,
        log_entries_kept: 0,
        flushing: Flushing::Inline,
        ..Settings::new(id)
    }
}

impl Node {
    pub async fn start(net: &Arc<Net>, settings: Settings, kv: Arc<dyn Kv>, applied: Option<Position>) -> Node {
        let id = settings.raft_id;
        let (consensus, committed) = net.join(settings, kv, applied).await;
        let (record, seen) = watch::channel(Vec::new());
        tokio::spawn(collect(committed, record));
        Node { id, consensus, seen, net: net.clone() }
    }

    /// Takes the node off the net and stops it.
    pub async fn stop(self) {
        self.net.nodes.lock().expect("no panic").remove(&self.id);
        self.consensus.shutdown().await;
    }

    /// Waits until what the node has seen satisfies `enough`.
    pub async fn see(&self, enough: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let mut seen = self.seen.clone();
        let waited = tokio::time::timeout(DEADLINE, seen.wait_for(|seen| enough(seen))).await;
        if let Ok(Ok(enough)) = waited {
            return enough.clone();
        }
        panic!("node {} has only seen {:?}; {:?}", self.id, self.seen.borrow(), self.consensus.status())
    }

    pub async fn see_proposals(&self, count: usize) -> Vec<Seen> {
        self.see(|seen| proposals(seen).len() >= count).await
    }
}

async fn collect(mut committed: mpsc::Receiver<Committed>, record: watch::Sender<Vec<Seen>>) {
    while let Some(Committed { position, entry }) = committed.recv().await {
        let seen = match entry {
            Entry::Blank => Seen::Blank(position),
            Entry::Proposal(bytes) => Seen::Proposal(position, bytes),
            Entry::Membership => Seen::Membership(position),
            Entry::CatchUp { to, done } => {
                done.send(Ok(())).expect("consensus waits");
                Seen::CatchUp(to)
            }
        };
        record.send_modify(|all| all.push(seen));
    }
}

/// The numbers of the proposals seen, in order.
pub fn proposals(seen: &[Seen]) -> Vec<u64> {
    let numbers = seen.iter().filter_map(|seen| match seen {
        Seen::Proposal(_, bytes) => Some(u64::from_be_bytes(bytes[..8].try_into().expect("a number"))),
        _ => None,
    });
    numbers.collect()
}

/// The position of the proposal `number`.
pub fn position_of(seen: &[Seen], number: u64) -> Position {
    let found = seen.iter().find_map(|seen| match seen {
        Seen::Proposal(position, bytes) if bytes[..] == number.to_be_bytes() => Some(*position),
        _ => None,
    });
    found.expect("it was seen")
}

pub fn numbered(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

/// Waits until one of `nodes` leads and has been handed its own blank entry; returns its place and its term.
pub async fn leader(nodes: &[Node]) -> (usize, u64) {
    tokio::time::timeout(DEADLINE, async {
        loop {
            let waits = nodes.iter().map(|node| {
                let mut leadership = node.consensus.leadership();
                async move { leadership.wait_for(|now| now.here).await.map(|now| now.term).expect("alive") }.boxed()
            });
            let (term, at, _) = select_all(waits).await;
            let mut leadership = nodes[at].consensus.leadership();
            let led = |seen: &[Seen]| seen.iter().any(|seen| matches!(seen, Seen::Blank(at) if at.term == term));
            tokio::select! {
                biased;
                _ = nodes[at].see(led) => return (at, term),
                _ = leadership.wait_for(|now| !now.here || now.term != term) => (),
            }
        }
    })
    .await
    .expect("a leader is elected")
}

/// Proposes the numbers, one after another without waiting, and waits for all positions.
pub async fn propose(node: &Node, term: u64, numbers: std::ops::Range<u64>) -> Vec<Position> {
    let sent: Vec<_> = numbers.map(|n| node.consensus.propose(term, numbered(n)).expect("room")).collect();
    let all = futures::future::try_join_all(sent);
    tokio::time::timeout(DEADLINE, all).await.expect("in time").expect("committed")
}

/// Founders with these ids, each on an empty store of its own.
pub async fn founders(net: &Arc<Net>, ids: &[u64], kv: impl Fn() -> Arc<dyn Kv>) -> Vec<Node> {
    let mut nodes = Vec::new();
    for id in ids {
        nodes.push(Node::start(net, quick(*id), kv(), None).await);
    }
    for node in &nodes {
        node.consensus.initialize(ids.iter().copied().collect()).await.expect("founded");
    }
    nodes
}
