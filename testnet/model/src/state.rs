//! Hold what the honest nodes have on disk and in memory, and what they have told the others.

use crate::network::{Budget, Echo, Network, Restore, Resync, Rule};
use crate::root::{Height, Root, Roots, Value};

/// The node of one honest organisation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// Durable: its Raft log, flushed before it is applied.
    pub log: Root,
    /// Durable: the last (height, root) it decided to sign.
    pub lock: Root,
    /// Durable, with [`Echo::Recorded`]: the last (height, root) it echoed.
    pub echo_record: Root,
    /// Durable: it holds the double certificate of the change.
    pub holds_change: bool,
    /// In memory: how far it has applied its log.
    pub applied: Height,
    /// In memory: one bit for each height it may sign, having heard enough echoes of its own root there.
    pub ready: u8,
    /// In memory: it has started and not yet asked the others for its own signatures.
    pub unchecked: bool,
    /// For good: the others held a signature ahead of its lock, so it signs no more.
    pub retired: bool,
    /// Told: its echoes. Whoever has not heard one may hear it at any later time.
    pub echoed: Roots,
    /// Told: its cosignatures.
    pub signed: Roots,
    /// How far it holds the restorable node's cosignatures; only where [`crate::network::Peers::MayHold`].
    pub held: Height,
}

/// A whole network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// One node a seat.
    pub nodes: Vec<Node>,
    /// What may still go wrong.
    pub left: Budget,
}

impl Node {
    fn new() -> Node {
        Node {
            log: Root::GENESIS,
            lock: Root::GENESIS,
            echo_record: Root::GENESIS,
            holds_change: false,
            applied: 0,
            ready: 0,
            unchecked: false,
            retired: false,
            echoed: Roots::default(),
            signed: Roots::default(),
            held: 0,
        }
    }

    /// Whether a lock was written whose signature nobody was sent.
    pub fn owes_signature(&self) -> bool {
        self.lock != Root::GENESIS && !self.signed.contains(self.lock)
    }

    /// The one check against reorder, rewrite, fork and restored backup; not before our log is applied that far.
    pub fn stands_by_its_lock(&self, network: &Network) -> bool {
        self.applied >= self.lock.height() && (!network.keeps(Rule::OwnRoot) || self.log.extends(self.lock))
    }

    /// Of the heights it may sign, the most aligned; those below it are covered by it.
    pub fn aligned(&self) -> Option<Height> {
        let waiting = (self.lock.height() + 1..=self.applied).filter(|height| self.ready >> height & 1 == 1);
        waiting.max_by_key(|height| (height.trailing_zeros(), *height))
    }

    /// Flushes a value, applies it and echoes the root.
    pub fn append(&mut self, value: Value, network: &Network) {
        self.log = self.log.then(value);
        self.applied += 1;
        self.echo(network);
    }

    fn echo(&mut self, network: &Network) {
        match network.echo {
            Echo::Off => {}
            Echo::OfLog => (1..=self.log.height()).for_each(|height| self.echoed.insert(self.log.at(height))),
            Echo::Recorded => {
                let record = self.echo_record;
                if self.log.height() > record.height() && self.log.extends(record) {
                    // Recorded before it is told.
                    self.echo_record = self.log;
                    self.echoed.insert(self.log);
                }
            }
        }
    }

    /// Loses what is in memory.
    pub fn restart(&mut self, network: &Network) {
        self.applied = 0;
        self.ready = 0;
        if network.keeps(Rule::SignLock) {
            self.unchecked = true;
        } else {
            self.lock = Root::GENESIS;
        }
    }

    /// Goes back to an earlier log, and with the whole disk to the lock it had then.
    pub fn restore(&mut self, log: Root, lock: Root, network: &Network) {
        if network.restore == Restore::Disk {
            self.echo_record = log;
            self.lock = lock;
        }
        self.log = log;
        self.holds_change = false;
        self.restart(network);
    }

    /// Leaves its log for another history. Only what proves that no other can win moves the echo record with it.
    pub fn resync(&mut self, root: Root, network: &Network) {
        self.log = root;
        self.applied = root.height();
        self.ready = 0;
        // An echo above it, of the same history, was made all the same: forgotten, it could be made against.
        let keeps = network.keeps(Rule::HigherEcho) && self.echo_record.agrees(root);
        if network.resync == Resync::ToQuorum && !keeps {
            self.echo_record = Root::GENESIS;
        }
        self.echo(network);
    }

    /// Grows with every move but those of the budget.
    fn progress(&self) -> u32 {
        let told = self.echoed.len() + self.signed.len();
        let flags = u32::from(self.holds_change) + u32::from(self.retired) + u32::from(!self.unchecked) * 2;
        let heights = u32::from(self.log.height() + self.applied + self.held);
        told + flags + heights + self.ready.count_ones() + 16 * u32::from(self.lock.height())
    }
}

impl State {
    /// Nothing has happened.
    pub fn new(network: &Network) -> State {
        State { nodes: vec![Node::new(); network.seats.len()], left: network.budget }
    }

    /// A number that grows with every move, so that no history goes round in a circle.
    pub fn progress(&self, network: &Network) -> u32 {
        let sum = |budget: Budget| u32::from(budget.crashes + budget.restores + budget.resyncs);
        let spent = sum(network.budget) - sum(self.left);
        spent * 10_000 + self.nodes.iter().map(Node::progress).sum::<u32>()
    }

    /// Of states that differ only in which of equal nodes is which, the one that stands for all.
    pub fn sort(&mut self, network: &Network) {
        let mut from = 0;
        for same in network.seats.chunk_by(|a, b| a == b) {
            let to = from + same.len();
            self.nodes[from..to].sort_unstable();
            from = to;
        }
    }
}
