//! Order: on the leader, put batches under chained headers and propose them.

use crate::clock::Clock;
use crate::cursors::{Applied, Certified};
use crate::limits::{CROWD_EVERY, CROWD_MIN, GATHER_MAX, PROPOSALS_AHEAD_MAX, PROPOSE_EVERY, UNCERTIFIED_BLOCKS_MAX};
use crate::mempool::MempoolSize;
use countersign_consensus::{Consensus, Leadership, ProposeError, Proposed};
use countersign_proof::{Hash, KeyPair, Operation, Proposal, ProposalHeader, Transaction};
use futures::stream::{FuturesOrdered, StreamExt};
use prost::Message;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

pub(crate) struct Order {
    pub(crate) batches: mpsc::Receiver<Vec<Arc<Transaction>>>,
    /// How many batches were asked for.
    pub(crate) wanted: watch::Sender<u64>,
    /// How many came.
    pub(crate) taken: u64,
    /// What waits in the mempool.
    pub(crate) waiting: watch::Receiver<MempoolSize>,
    pub(crate) consensus: Consensus,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) certified: watch::Receiver<Certified>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) key: KeyPair,
    pub(crate) node: String,
    pub(crate) origin: String,
    /// What a leader knows of its own term; none while this node does not lead.
    pub(crate) lead: Option<Lead>,
}

/// The end of the chain that this leader is extending. It runs ahead of execution.
pub(crate) struct Lead {
    term: u64,
    height: u64,
    digest: Hash,
    time: u64,
    /// Nothing is proposed after a change of rules until it is applied at this height.
    alone_until: u64,
    in_flight: FuturesOrdered<Proposed>,
    /// When the last proposal was made.
    proposed: Option<Instant>,
    /// How many transactions it had.
    crowd: usize,
    /// Since when all that was proposed is certified.
    idle: Option<Idle>,
}

/// The moment at which all that was proposed was certified.
#[derive(Clone, Copy)]
struct Idle {
    since: Instant,
    /// So many wait once all have come back whose transactions the last block had.
    expected: usize,
}

impl Order {
    pub(crate) async fn run(mut self) {
        loop {
            self.follow_leadership();
            let ready = self.may_propose();
            let flying = self.lead.as_ref().is_some_and(|lead| !lead.in_flight.is_empty());
            // While another leads, batches that were handed over too late are dropped: their owners send them again.
            let drops = !self.leadership.borrow().here;
            let asked = *self.wanted.borrow() > self.taken;
            let pause = self.pause_until().filter(|_| ready && !asked);
            if ready && !asked && pause.is_none() {
                self.wanted.send_replace(self.taken + 1);
            }
            tokio::select! {
                biased;
                changed = self.leadership.changed() => if changed.is_err() { return },
                changed = self.applied.changed() => if changed.is_err() { return },
                changed = self.certified.changed() => if changed.is_err() { return },
                changed = self.waiting.changed(), if pause.is_some() => if changed.is_err() { return },
                () = sleep_until(pause.unwrap_or_else(Instant::now)), if pause.is_some() => {}
                Some(outcome) = next(&mut self.lead), if flying => self.landed(outcome),
                batch = self.batches.recv(), if ready || drops => {
                    let Some(batch) = batch else { return };
                    self.taken += 1;
                    self.propose(batch);
                }
            }
        }
    }

    /// A leader begins where the last valid proposal of its own log ends: when an entry of its term, its blank one
    /// first, is applied here.
    fn follow_leadership(&mut self) {
        let leadership = *self.leadership.borrow_and_update();
        let applied = self.applied.borrow_and_update().clone();
        self.certified.borrow_and_update();
        if !leadership.here {
            self.lead = None;
            return;
        }
        // What is known of an earlier term is no beginning for this one.
        self.lead = self.lead.take().filter(|lead| lead.term == leadership.term);
        if applied.skipped_term == leadership.term && self.lead.is_some() {
            tracing::warn!(term = leadership.term, "a proposal of this term was skipped: giving up the term");
            self.give_up();
            return;
        }
        let in_term = applied.position.is_some_and(|position| position.term == leadership.term);
        if in_term && self.lead.is_none() {
            tracing::info!(term = leadership.term, height = applied.chain.height, "leading");
            self.lead = Some(Lead {
                term: leadership.term,
                height: applied.chain.height,
                digest: applied.chain.digest,
                time: applied.chain.time,
                alone_until: 0,
                in_flight: FuturesOrdered::new(),
                proposed: None,
                crowd: 0,
                idle: None,
            });
        }
    }

    /// Until when the next proposal waits; none when it need not. A block costs every node the same whatever is in it, so
    /// that many small ones would be slower for everyone.
    ///
    /// While one is under way the next gathers what comes. When it is certified its callers come back with their next, all
    /// within a moment: those that wait already and the first of these wait for the others that long, so that two halves
    /// of a crowd become one. A crowd that does not come back as a whole, but each when he likes, waits until the nodes
    /// have rested half as long as the last block took. Whoever is alone waits for nobody.
    fn pause_until(&mut self) -> Option<Instant> {
        let waiting = self.waiting.borrow_and_update().transactions;
        let certified = self.certified.borrow().height;
        let lead = self.lead.as_mut()?;
        let proposed = lead.proposed?;
        let until = if certified < lead.height {
            proposed + PROPOSE_EVERY
        } else {
            let expected = lead.crowd + waiting;
            let idle = *lead.idle.get_or_insert_with(|| Idle { since: Instant::now(), expected });
            let gathered = idle.expected <= CROWD_MIN || waiting >= idle.expected - idle.expected / 8;
            let rest = idle.since.duration_since(proposed) / 2;
            (!gathered).then_some((idle.since + GATHER_MAX.max(rest)).max(proposed + CROWD_EVERY))?
        };
        (until > Instant::now()).then_some(until)
    }

    fn may_propose(&self) -> bool {
        let (applied, epochs) = {
            let applied = self.applied.borrow();
            (applied.chain.height, applied.epochs.clone())
        };
        // A leader whose organisation has left proposes nothing more; Raft's voters follow within a second.
        if epochs.trust.newest().membership.node(&self.node).is_none_or(|keys| keys.proposal != self.key.public()) {
            return false;
        }
        self.lead
            .as_ref()
            .is_some_and(|lead| lead.height < applied + PROPOSALS_AHEAD_MAX && lead.alone_until <= applied)
    }

    fn propose(&mut self, batch: Vec<Arc<Transaction>>) {
        let certified = self.certified.borrow().height;
        let Some(lead) = &mut self.lead else { return };
        let stalled = lead.height.saturating_sub(certified) >= UNCERTIFIED_BLOCKS_MAX;
        let batch: Vec<Arc<Transaction>> = batch.into_iter().filter(|t| !stalled || governs(t)).collect();
        if batch.is_empty() {
            return;
        }
        let alone = batch.iter().any(|transaction| transaction.stands_alone());
        let transactions: Vec<Vec<u8>> = batch.iter().map(|t| t.bytes.clone()).collect();
        let header = ProposalHeader {
            count: transactions.len() as u64,
            height: lead.height + 1,
            origin: self.origin.clone(),
            previous: lead.digest,
            proposer: self.node.clone(),
            term: lead.term,
            time: self.clock.now_ms().max(lead.time),
            transactions: ProposalHeader::transactions_hash(transactions.iter().map(Vec::as_slice)),
            v: 1,
        };
        let proposal = Proposal::sign(&header, transactions, &self.key);
        match self.consensus.propose(lead.term, proposal.encode_to_vec().into()) {
            Ok(proposed) => {
                lead.in_flight.push_back(proposed);
                lead.height = header.height;
                lead.digest = header.digest();
                lead.time = header.time;
                lead.proposed = Some(Instant::now());
                lead.crowd = batch.len();
                lead.idle = None;
                lead.alone_until = if alone { header.height } else { lead.alone_until };
            }
            // This header is signed: another one for its height would be a contradiction, so the term is over.
            Err(error) => self.lost(&error),
        }
    }

    fn landed(&mut self, outcome: Result<countersign_consensus::Position, ProposeError>) {
        if let Err(error) = outcome {
            self.lost(&error);
        }
    }

    fn lost(&mut self, error: &ProposeError) {
        tracing::info!(%error, "a proposal was not taken: giving up the term");
        self.give_up();
    }

    /// Never proposes again in this term.
    fn give_up(&mut self) {
        if let Some(lead) = &mut self.lead {
            lead.alone_until = u64::MAX;
            lead.in_flight = FuturesOrdered::new();
        }
        let consensus = self.consensus.clone();
        tokio::spawn(async move {
            if let Err(error) = consensus.give_up_term().await {
                tracing::debug!(%error, "the term is over already");
            }
        });
    }
}

async fn next(lead: &mut Option<Lead>) -> Option<Result<countersign_consensus::Position, ProposeError>> {
    lead.as_mut()?.in_flight.next().await
}

fn governs(transaction: &Transaction) -> bool {
    transaction.body.operations.iter().all(Operation::is_governance)
}
