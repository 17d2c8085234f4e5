//! Queue verified transactions: batches for the order station on the leader, for the leader elsewhere.

use crate::frames::{SERVICE_FORWARD, Transactions, encode};
use crate::limits::*;
use crate::members::Members;
use crate::verifier::Verified;
use countersign_consensus::Leadership;
use countersign_p2p::{Lane, Transport};
use countersign_proof::{Hash, Transaction};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

const FORWARD_DEADLINE: Duration = Duration::from_secs(2);
/// Batches on their way to the leader.
const FORWARDS_MAX: usize = 4;

/// What waits for its order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MempoolSize {
    /// Transactions.
    pub transactions: usize,
    /// Their bytes.
    pub bytes: usize,
}

/// The queue. Its owner is one task; whoever took a transaction from a caller sends it again when it is lost here.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Transaction>>,
    ids: BTreeSet<Hash>,
    bytes: usize,
}

impl Queue {
    /// Takes a transaction, unless it waits already or there is no room.
    fn push(&mut self, transaction: Arc<Transaction>) {
        let room = self.waiting.len() < MEMPOOL_TRANSACTIONS_MAX && self.bytes < MEMPOOL_BYTES_MAX;
        if room && self.ids.insert(transaction.id) {
            self.bytes += transaction.bytes.len();
            self.waiting.push_back(transaction);
        }
    }

    /// The oldest, as many as fit. A transaction that must stand alone comes alone.
    fn batch(&mut self, bytes_max: usize) -> Vec<Arc<Transaction>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(next) = self.waiting.front() {
            bytes += next.bytes.len();
            let alone = next.stands_alone() && !batch.is_empty();
            if batch.len() == BATCH_TRANSACTIONS_MAX || (bytes > bytes_max && !batch.is_empty()) || alone {
                break;
            }
            let next = self.waiting.pop_front().expect("there is a front");
            self.ids.remove(&next.id);
            self.bytes -= next.bytes.len();
            let alone = next.stands_alone();
            batch.push(next);
            if alone {
                break;
            }
        }
        batch
    }

    fn size(&self) -> MempoolSize {
        MempoolSize { transactions: self.waiting.len(), bytes: self.bytes }
    }
}

pub(crate) struct Mempool {
    pub(crate) incoming: mpsc::Receiver<Verified>,
    pub(crate) order: mpsc::Sender<Vec<Arc<Transaction>>>,
    /// How many batches the order station has asked for: each is drawn when it is wanted, and has all that waits then.
    pub(crate) wanted: watch::Receiver<u64>,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) transport: Transport,
    pub(crate) size: watch::Sender<MempoolSize>,
    /// Bytes of transactions in one proposal.
    pub(crate) proposal_bytes_max: usize,
}

impl Mempool {
    pub(crate) async fn run(mut self) {
        let mut queue = Queue::default();
        let forwards = Arc::new(Semaphore::new(FORWARDS_MAX));
        let mut given = 0;
        loop {
            let is_wanted = *self.wanted.borrow_and_update() > given;
            let leads = self.leadership.borrow_and_update().here;
            let may_forward = !leads && !queue.waiting.is_empty() && self.leader().is_some();
            tokio::select! {
                biased;
                changed = self.leadership.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                // An observer has no order station, and never leads.
                changed = self.wanted.changed(), if leads => {
                    if changed.is_err() {
                        return;
                    }
                }
                permit = self.order.reserve(), if leads && is_wanted && !queue.waiting.is_empty() => {
                    let Ok(permit) = permit else { return };
                    permit.send(queue.batch(self.proposal_bytes_max));
                    given += 1;
                }
                permit = forwards.clone().acquire_owned(), if may_forward => {
                    let permit = permit.expect("never closed");
                    let sending = self.forward(queue.batch(FORWARD_BYTES_MAX));
                    tokio::spawn(async move {
                        sending.await;
                        drop(permit);
                    });
                }
                taken = self.incoming.recv() => {
                    let Some(taken) = taken else { return };
                    queue.push(taken.shared());
                    // What else is there already belongs in the same batch.
                    while let Ok(more) = self.incoming.try_recv() {
                        queue.push(more.shared());
                    }
                }
            }
            self.size.send_replace(queue.size());
        }
    }

    fn leader(&self) -> Option<String> {
        let leader = self.leadership.borrow().leader?;
        self.members.borrow().name_of(leader).map(str::to_owned)
    }

    /// Sends a batch to the leader. What gets lost is sent again by its owner.
    fn forward(&self, batch: Vec<Arc<Transaction>>) -> impl Future<Output = ()> + Send + use<> {
        let (transport, leader) = (self.transport.clone(), self.leader());
        let body = encode(&Transactions { transactions: batch.iter().map(|t| t.bytes.clone()).collect() });
        async move {
            let Some(leader) = leader else { return };
            if let Err(error) = transport.call(&leader, Lane::Bulk, SERVICE_FORWARD, body, FORWARD_DEADLINE).await {
                tracing::debug!(leader, %error, "transactions not forwarded");
            }
        }
    }
}
