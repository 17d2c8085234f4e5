//! Check that nothing is said before it is durable, and that a restart goes on where the ledger stands.
#![allow(missing_docs)]

mod support;

use countersign_consensus::{Consensus, ConsensusError, FAMILIES, FlushGate, Flushing, Position, Settings};
use countersign_ledger::store::kv::{Batch, Family, Kv, KvError, Pair};
use countersign_ledger::store::{MemoryKv, RocksKv};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::*;
use tokio::sync::watch;

/// A gate that tests close and open.
struct Gate(watch::Sender<bool>);

impl Gate {
    fn set(&self, open: bool) {
        self.0.send_replace(open);
    }
}

impl FlushGate for Gate {
    fn pass(&self) -> BoxFuture<'_, ()> {
        let mut open = self.0.subscribe();
        async move { drop(open.wait_for(|open| *open).await) }.boxed()
    }
}

fn threaded(id: u64) -> Settings {
    // Long enough that a closed gate causes no election while a test looks.
    Settings { flushing: Flushing::Thread, election_ms_min: 10_000, election_ms_max: 20_000, ..quick(id) }
}

/// Three nodes whose flushes wait at gates; the first is made leader.
async fn gated() -> (Vec<Node>, Vec<Arc<Gate>>, u64) {
    let net = Arc::new(Net::default());
    let (mut nodes, mut gates) = (Vec::new(), Vec::new());
    for id in 1..=3 {
        let gate = Arc::new(Gate(watch::Sender::new(true)));
        let settings = Settings { gate: Some(gate.clone()), ..threaded(id) };
        nodes.push(Node::start(&net, settings, Arc::new(MemoryKv::new()), None).await);
        gates.push(gate);
    }
    nodes[0].consensus.initialize(BTreeSet::from([1, 2, 3])).await.expect("founded");
    let (at, term) = leader(&nodes).await;
    assert_eq!(at, 0);
    for node in &nodes {
        // Nothing older is on its way when a gate closes: it would keep back what follows.
        node.see(|seen| seen.iter().any(|seen| matches!(seen, Seen::Blank(_)))).await;
    }
    (nodes, gates, term)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_before_a_majority_has_flushed_it() {
    let (nodes, gates, term) = gated().await;
    gates.iter().for_each(|gate| gate.set(false));
    let mut outcome = nodes[0].consensus.propose(term, numbered(7)).expect("room");
    let index = written(&nodes[0], 0).await;
    for node in &nodes[1..] {
        written(node, index).await;
    }
    // All three have written it, none has flushed it.
    assert_eq!((&mut outcome).now_or_never(), None);
    for node in &nodes {
        assert!(node.consensus.status().appended_index < index);
        assert!(node.consensus.status().committed.is_none_or(|committed| committed.index < index));
    }
    let acknowledged = nodes[0].consensus.status().replicated;
    let others = acknowledged.iter().filter(|(id, _)| *id != 1);
    assert!(
        others.clone().count() == 2 && others.clone().all(|(_, matched)| *matched < Some(index)),
        "{acknowledged:?}"
    );
    gates.iter().for_each(|gate| gate.set(true));
    let position = tokio::time::timeout(DEADLINE, outcome).await.expect("in time").expect("committed");
    assert_eq!(position, Position { term, index });
    assert_eq!(proposals(&nodes[2].see_proposals(1).await), [7]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_others_committed_is_not_handed_on_before_our_own_flush() {
    let (nodes, gates, term) = gated().await;
    gates[0].set(false);
    let mut outcome = nodes[0].consensus.propose(term, numbered(7)).expect("room");
    nodes[1].see_proposals(1).await;
    let committed = nodes[1].consensus.status().committed.expect("committed");
    poll(|| nodes[0].consensus.status().committed >= Some(committed)).await;
    assert_eq!((&mut outcome).now_or_never(), None);
    assert!(*nodes[0].consensus.appended().borrow() < committed.index);
    assert!(proposals(&nodes[0].seen.borrow()).is_empty());
    gates[0].set(true);
    tokio::time::timeout(DEADLINE, outcome).await.expect("in time").expect("committed");
    nodes[0].see_proposals(1).await;
}

/// One node proposes 20, stops, and starts again with its ledger in the middle and at the beginning.
async fn restarts(open: impl Fn() -> Arc<dyn Kv>, crash: impl Fn()) {
    let net = Arc::new(Net::default());
    let settings = || Settings { flushing: Flushing::Thread, ..quick(1) };
    let pristine = open();
    assert!(Consensus::is_pristine(pristine.clone()).expect("it opens"));
    drop(pristine);
    let mut nodes = vec![Node::start(&net, settings(), open(), None).await];
    nodes[0].consensus.initialize(BTreeSet::from([1])).await.expect("founded");
    let (_, term) = leader(&nodes).await;
    propose(&nodes[0], term, 0..20).await;
    let before = nodes[0].see_proposals(20).await;
    nodes.remove(0).stop().await;
    crash();
    assert!(!Consensus::is_pristine(open()).expect("it opens"));
    let middle = position_of(&before, 9);
    for (applied, first) in [(Some(middle), 10), (None, 0)] {
        let mut nodes = vec![Node::start(&net, settings(), open(), applied).await];
        let (_, now) = leader(&nodes).await;
        assert!(now > term, "a leader is not restored");
        let after = nodes[0].see_proposals(20 - first).await;
        assert_eq!(proposals(&after), (first as u64..20).collect::<Vec<_>>());
        assert!(matches!(after[0], Seen::Proposal(_, _) | Seen::Membership(Position { index: 0, .. })));
        nodes.remove(0).stop().await;
    }
    let beyond = Position { term, index: 1_000 };
    let refused = Consensus::start(settings(), open(), Arc::new(Nowhere), Some(beyond)).await;
    assert!(matches!(refused.err(), Some(ConsensusError::LedgerBeyondLog { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_hands_on_exactly_what_the_ledger_lacks() {
    let kv = Arc::new(MemoryKv::new());
    restarts(|| kv.clone(), || ()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_that_was_committed() {
    let kv = Arc::new(MemoryKv::new());
    restarts(|| kv.clone(), || kv.crash()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_from_rocksdb_finds_the_lock_released_and_hands_on_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    // Opening twice is refused by RocksDB: each start shows that the stop before it let go.
    restarts(|| Arc::new(RocksKv::open(folder.path(), &FAMILIES).expect("the lock is free")), || ()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failed_sync_ends_the_node_for_good() {
    let net = Arc::new(Net::default());
    let kv = Arc::new(Failing { kv: MemoryKv::new(), fail_next: AtomicBool::new(false) });
    let settings = Settings { flushing: Flushing::Thread, ..quick(1) };
    let nodes = vec![Node::start(&net, settings, kv.clone(), None).await];
    nodes[0].consensus.initialize(BTreeSet::from([1])).await.expect("founded");
    let (_, term) = leader(&nodes).await;
    propose(&nodes[0], term, 0..3).await;
    let appended = *nodes[0].consensus.appended().borrow();
    kv.fail_next.store(true, Ordering::SeqCst);
    let outcome = nodes[0].consensus.propose(term, numbered(3)).expect("room");
    let reason = tokio::time::timeout(DEADLINE, nodes[0].consensus.died()).await.expect("it dies");
    assert!(reason.contains("no space"), "{reason}");
    assert!(tokio::time::timeout(DEADLINE, outcome).await.expect("answered").is_err());
    // The disk works again; the node does not.
    assert!(!kv.fail_next.load(Ordering::SeqCst));
    if let Ok(late) = nodes[0].consensus.propose(term, numbered(4)) {
        assert!(tokio::time::timeout(DEADLINE, late).await.expect("answered").is_err());
    }
    assert_eq!(*nodes[0].consensus.appended().borrow(), appended);
    assert_eq!(proposals(&nodes[0].seen.borrow()), [0, 1, 2]);
}

/// A disk of which one sync fails.
struct Failing {
    kv: MemoryKv,
    fail_next: AtomicBool,
}

impl Kv for Failing {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.kv.get(family, key)
    }
    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        self.kv.scan(family, from, to, limit)
    }
    fn scan_back(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        self.kv.scan_back(family, from, to, limit)
    }
    fn write(&self, batch: Batch) -> Result<(), KvError> {
        self.kv.write(batch)
    }
    fn sync(&self) -> Result<(), KvError> {
        if self.fail_next.swap(false, Ordering::SeqCst) {
            return Err(KvError::Database { path: "test".into(), message: "no space".into() });
        }
        self.kv.sync()
    }
}

/// Waits until the node has written more than it has flushed, and at least up to `index`; returns its last index.
async fn written(node: &Node, index: u64) -> u64 {
    let flushed = *node.consensus.appended().borrow();
    poll(|| node.consensus.status().last_log_index >= Some(index.max(flushed + 1))).await;
    node.consensus.status().last_log_index.expect("written")
}

async fn poll(done: impl Fn() -> bool) {
    let polled = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, polled).await.expect("in time");
}
