//! Submit: own a caller's transaction until it has its answer.

use crate::NodeError;
use crate::cursors::{Applied, Certified};
use crate::distrust::Distrust;
use crate::frames::{SERVICE_COMPLAINT, SERVICE_FORWARD, Transactions, encode};
use crate::left_out::{Complaints, Waits, has_room, roomy_blocks};
use crate::limits::{COMPLAINT_OWNED_FOR, FORWARD_AGAIN, LEFT_OUT_MAX, ROOMY_BLOCKS_MIN, UNCERTIFIED_BLOCKS_MAX};
use crate::members::Members;
use crate::verifier::Verified;
use countersign_consensus::Leadership;
use countersign_ledger::Violation;
use countersign_ledger::store::{Reader, RejectionDetail};
use countersign_p2p::{Lane, Transport};
use countersign_proof::limits::OPERATIONS_MAX;
use countersign_proof::{Hash, Leaf, Limits, Operation, Outcome, TransactionLeaf};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;

/// How often the leader is looked at: blocks are read for it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const TICK: Duration = Duration::from_millis(20);
/// Leaves read in one go.
const LEAVES_AT_ONCE: usize = 4_096;

/// How far a transaction must have come before its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Ordered and executed here.
    Committed,
    /// Countersigned by a quorum.
    Certified,
    /// Countersigned by every organisation.
    All,
}

/// A transaction taken from a caller.
pub(crate) struct Submission {
    pub(crate) transaction: Verified,
    pub(crate) level: Level,
    pub(crate) deadline: Instant,
    /// Nobody waits where a member asked us to own it.
    pub(crate) answer: Option<oneshot::Sender<Answer>>,
    /// Its place among what this node may own, for callers or for members.
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Submission {
    /// One that is owned for a member, or for a caller who may give up.
    pub(crate) fn of_complaint(transaction: Verified, permit: OwnedSemaphorePermit) -> Submission {
        let deadline = Instant::now() + COMPLAINT_OWNED_FOR;
        Submission { transaction, level: Level::Committed, deadline, answer: None, permit }
    }
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has its leaf.
    Recorded(Box<Recorded>),
    /// Another body has the id; the first one's leaf.
    NonceReused {
        /// Where the first one's leaf stands.
        leaf_index: u64,
        /// Its block.
        height: u64,
    },
    /// The deadline passed first.
    Unknown,
}

/// A transaction that has its leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The leaf.
    pub leaf: TransactionLeaf,
    /// Where it stands.
    pub leaf_index: u64,
    /// The level reached.
    pub level: Level,
    /// Organisations missing for the level asked for.
    pub missing: Vec<String>,
    /// Why it was rejected.
    pub detail: String,
    /// Which operation.
    pub operation: Option<u32>,
    /// Where a document breaks its schema.
    pub violations: Vec<Violation>,
    /// The id of the document that holds the unique key.
    pub existing: Option<String>,
    /// Of a transaction with a put by key: the ids of what it wrote.
    pub ids: Vec<String>,
}

struct Owned {
    transaction: Verified,
    level: Level,
    deadline: Instant,
    answer: Option<oneshot::Sender<Answer>>,
    forwarded: Instant,
    waits: Waits,
    recorded: Option<(u64, TransactionLeaf)>,
    _permit: OwnedSemaphorePermit,
}

pub(crate) struct Submit {
    pub(crate) incoming: mpsc::Receiver<Submission>,
    pub(crate) mempool: mpsc::Sender<Verified>,
    pub(crate) reader: Reader,
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) certified: watch::Receiver<Certified>,
    pub(crate) cosigned: watch::Receiver<Arc<BTreeMap<String, u64>>>,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) transport: Transport,
    pub(crate) distrust: Distrust,
    pub(crate) complaints: Complaints,
    pub(crate) node: String,
    pub(crate) limits: Limits,
    pub(crate) desk: Desk,
}

/// What this node owns: by number, so that one id may be waited for twice.
#[derive(Default)]
pub(crate) struct Desk {
    owned: BTreeMap<u64, Owned>,
    by_id: BTreeMap<Hash, BTreeSet<u64>>,
    /// Those with a leaf that wait for a level, by the leaf's index and their own number.
    recorded: BTreeMap<Level, BTreeSet<(u64, u64)>>,
    next: u64,
    /// Leaves below this have been looked at.
    seen_size: u64,
    /// When the leader was last looked at.
    looked: Option<Instant>,
}

impl Submit {
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        self.desk.seen_size = self.applied.borrow().chain.size;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                changed = self.applied.changed() => if changed.is_err() { return Ok(()) } else { self.see_leaves()? },
                changed = self.certified.changed() => if changed.is_err() { return Ok(()) } else { self.raise_levels()? },
                changed = self.leadership.changed() => if changed.is_err() { return Ok(()) } else { self.forward_all() },
                taken = self.incoming.recv() => {
                    let Some(taken) = taken else { return Ok(()) };
                    self.own(taken)?;
                }
                _ = ticks.tick() => self.tick()?,
            }
        }
    }

    /// Registers the waiter, then looks the id up, then hands the transaction on: in this order no answer is missed.
    fn own(&mut self, submission: Submission) -> Result<(), NodeError> {
        let Submission { transaction, level, deadline, answer, permit } = submission;
        let number = self.desk.next;
        self.desk.next += 1;
        let id = transaction.transaction().id;
        let (forwarded, waits) = (Instant::now(), Waits::begin());
        let owned = Owned { transaction, level, deadline, answer, forwarded, waits, recorded: None, _permit: permit };
        self.desk.owned.insert(number, owned);
        self.desk.by_id.entry(id).or_default().insert(number);
        match self.reader.find(&id)? {
            Some(used) => {
                let bytes = self.reader.leaf(used.leaf)?.unwrap_or_default();
                self.record(&id, used.leaf, &bytes)?;
                self.raise_levels()?;
            }
            None => self.forward(number),
        }
        Ok(())
    }

    fn forward(&mut self, number: u64) {
        let Some(owned) = self.desk.owned.get_mut(&number) else { return };
        owned.forwarded = Instant::now();
        // When the mempool is full the transaction stays owned and is handed on at the next tick that finds room.
        if self.mempool.try_send(owned.transaction.clone()).is_err() {
            owned.forwarded -= FORWARD_AGAIN / 2;
        }
    }

    fn forward_all(&mut self) {
        self.leadership.borrow_and_update();
        let open: Vec<u64> =
            self.desk.owned.iter().filter(|(_, owned)| owned.recorded.is_none()).map(|(number, _)| *number).collect();
        for number in open {
            // Another leader is judged by its own blocks.
            self.desk.owned.entry(number).and_modify(|owned| owned.waits = Waits::begin());
            self.forward(number);
        }
    }

    /// Looks at every new leaf for one that is waited for.
    fn see_leaves(&mut self) -> Result<(), NodeError> {
        let size = self.applied.borrow_and_update().chain.size;
        while self.desk.seen_size < size {
            let first = self.desk.seen_size;
            let limit = usize::try_from(size - first).unwrap_or(usize::MAX).min(LEAVES_AT_ONCE);
            let leaves = self.reader.leaves(first, limit)?;
            for (index, bytes) in (first..).zip(&leaves) {
                if self.desk.by_id.is_empty() {
                    break;
                }
                if let Some(id) = leaf_id(bytes) {
                    self.record(&id, index, bytes)?;
                }
            }
            self.desk.seen_size = first + leaves.len() as u64;
        }
        self.raise_levels()
    }

    /// The id has its leaf: everyone who waits for it learns so.
    fn record(&mut self, id: &Hash, index: u64, bytes: &[u8]) -> Result<(), NodeError> {
        let Some(numbers) = self.desk.by_id.get(id).cloned() else { return Ok(()) };
        let leaf = match Leaf::parse(bytes) {
            Ok(Leaf::Transaction(leaf)) => leaf,
            other => return Err(NodeError::Halted(format!("leaf {index} is {other:?}"))),
        };
        for number in numbers {
            let Some(owned) = self.desk.owned.get_mut(&number) else { continue };
            if owned.transaction.transaction().body_hash != leaf.body {
                self.desk.answer(number, Answer::NonceReused { leaf_index: index, height: leaf.height });
                continue;
            }
            owned.recorded = Some((index, leaf.clone()));
            self.desk.recorded.entry(owned.level).or_default().insert((index, number));
        }
        Ok(())
    }

    /// Answers those whose level is reached.
    fn raise_levels(&mut self) -> Result<(), NodeError> {
        let certified = *self.certified.borrow_and_update();
        let everyone = certified.everyone.min(certified.size);
        for (level, size) in [(Level::Committed, u64::MAX), (Level::Certified, certified.size), (Level::All, everyone)]
        {
            while let Some(number) = self.desk.next_below(level, size) {
                self.answer_recorded(number, level, Vec::new())?;
            }
        }
        Ok(())
    }

    fn answer_recorded(&mut self, number: u64, level: Level, missing: Vec<String>) -> Result<(), NodeError> {
        let owned = self.desk.owned.get(&number);
        let recorded = owned.and_then(|owned| Some((owned.transaction.transaction(), owned.recorded.clone()?)));
        let Some((transaction, (leaf_index, leaf))) = recorded else { return Ok(()) };
        let ids = match transaction.body.operations.iter().any(Operation::is_by_key) {
            true => self.reader.changes_of(leaf.height, leaf_index, OPERATIONS_MAX)?,
            false => Vec::new(),
        };
        let ids = ids.into_iter().map(|change| change.version.record.id).collect();
        let rejection = match leaf.outcome {
            Outcome::Applied => None,
            Outcome::Rejected => self.reader.rejection(leaf_index)?,
        };
        let RejectionDetail { operation, detail, violations, existing } = rejection.unwrap_or_default();
        let recorded = Recorded { leaf, leaf_index, level, missing, detail, operation, violations, existing, ids };
        self.desk.answer(number, Answer::Recorded(Box::new(recorded)));
        Ok(())
    }

    /// Sends silent ones again and answers those whose deadline has passed.
    fn tick(&mut self) -> Result<(), NodeError> {
        let now = Instant::now();
        let mut again = Vec::new();
        let mut late = Vec::new();
        for (number, owned) in &self.desk.owned {
            if owned.deadline <= now || owned.answer.as_ref().is_some_and(oneshot::Sender::is_closed) {
                late.push((*number, owned.recorded.as_ref().map(|(index, _)| *index)));
            } else if owned.recorded.is_none() && owned.forwarded + FORWARD_AGAIN <= now {
                again.push(*number);
            }
        }
        again.into_iter().for_each(|number| self.forward(number));
        for (number, recorded) in late {
            match recorded {
                None => self.desk.answer(number, Answer::Unknown),
                Some(index) => {
                    let certified = self.certified.borrow().size > index;
                    let level = if certified { Level::Certified } else { Level::Committed };
                    let missing = self.missing(index);
                    self.answer_recorded(number, level, missing)?;
                }
            }
        }
        self.look_at_leader(now)
    }

    /// Whether the leader leaves out the one that has waited longest; the others wait behind it.
    fn look_at_leader(&mut self, now: Instant) -> Result<(), NodeError> {
        if self.desk.looked.is_some_and(|looked| now < looked + LOOK_AGAIN) {
            return Ok(());
        }
        self.desk.looked = Some(now);
        let Some((leader, term)) = self.other_leader() else { return Ok(()) };
        let open = |owned: &Owned| owned.recorded.is_none() && !matches!(owned.waits, Waits::Told);
        let oldest = self.desk.owned.iter_mut().find(|(_, owned)| open(owned));
        let Some((number, owned)) = oldest else { return Ok(()) };
        match &mut owned.waits {
            Waits::Forwarded { since } if *since + FORWARD_AGAIN <= now => {
                let (taken, answer) = oneshot::channel();
                let asking = ask(self.transport.clone(), leader, owned.transaction.transaction().bytes.clone());
                // Nobody may be left to hear it.
                tokio::spawn(async move { taken.send(asking.await).ok() });
                owned.waits = Waits::Asked(answer);
            }
            Waits::Asked(answer) => match answer.try_recv() {
                Ok(true) => {
                    let above = self.applied.borrow().chain.height;
                    owned.waits = Waits::Taken { since: now, above, roomy: 0 };
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
                _ => owned.waits = Waits::begin(),
            },
            Waits::Taken { since, above, roomy } if *since + LEFT_OUT_MAX <= now => {
                let bytes = owned.transaction.transaction().bytes.len();
                let room = |there: &[Vec<u8>]| has_room(there, bytes, &self.limits);
                let (more, seen) = roomy_blocks(&self.reader, *above, (&leader, term), room)?;
                (*above, *roomy) = (seen, *roomy + more);
                if *roomy >= ROOMY_BLOCKS_MIN {
                    let number = *number;
                    return self.left_out(number, &leader);
                }
            }
            Waits::Forwarded { .. } | Waits::Taken { .. } | Waits::Told => {}
        }
        Ok(())
    }

    /// Asks the members for help, once; where they were asked, refuses the leader.
    fn left_out(&mut self, number: u64, leader: &str) -> Result<(), NodeError> {
        let Some(owned) = self.desk.owned.get(&number) else { return Ok(()) };
        if owned.answer.is_some() {
            return self.complain(number);
        }
        let id = owned.transaction.transaction().id;
        self.distrust
            .refuse(leader, &format!("it leads, took transaction {id}, and leaves it out of blocks with room"));
        Ok(())
    }

    /// Who leads, when it is another and may propose: without certificates an honest leader proposes nothing.
    fn other_leader(&self) -> Option<(String, u64)> {
        let leadership = *self.leadership.borrow();
        let uncertified = self.applied.borrow().chain.height.saturating_sub(self.certified.borrow().height);
        let leader = leadership.leader.filter(|_| !leadership.here && uncertified < UNCERTIFIED_BLOCKS_MAX / 2)?;
        self.members.borrow().name_of(leader).map(|name| (name.to_owned(), leadership.term))
    }

    /// Asks every member to own a transaction too, and owns it once more itself: its caller may give up first.
    fn complain(&mut self, number: u64) -> Result<(), NodeError> {
        let Some(owned) = self.desk.owned.get_mut(&number) else { return Ok(()) };
        owned.waits = Waits::Told;
        let transaction = owned.transaction.clone();
        tracing::warn!(id = %transaction.transaction().id, "the leader leaves it out: asking the members for help");
        let body = encode(&Transactions { transactions: vec![transaction.transaction().bytes.clone()] });
        for name in self.members.borrow().nodes.keys().filter(|name| **name != self.node) {
            // Whoever does not hear it is not needed, as long as a quorum does.
            drop(self.transport.tell(name, Lane::Bulk, SERVICE_COMPLAINT, body.clone()));
        }
        let Some(permit) = self.complaints.room(&self.node) else { return Ok(()) };
        self.own(Submission::of_complaint(transaction, permit))
    }

    /// Organisations without a cosignature above this leaf.
    fn missing(&self, index: u64) -> Vec<String> {
        let cosigned = self.cosigned.borrow().clone();
        let members = self.members.borrow().clone();
        missing_above(&members, &cosigned, index)
    }
}

/// Gives the leader one transaction, and says whether it took it.
async fn ask(transport: Transport, leader: String, transaction: Vec<u8>) -> bool {
    let body = encode(&Transactions { transactions: vec![transaction] });
    transport.call(&leader, Lane::Bulk, SERVICE_FORWARD, body, FORWARD_AGAIN).await.is_ok()
}

/// Organisations none of whose nodes has cosigned a size above this leaf.
pub(crate) fn missing_above(members: &Members, cosigned: &BTreeMap<String, u64>, index: u64) -> Vec<String> {
    let signed: BTreeSet<&str> = cosigned
        .iter()
        .filter(|(_, size)| **size > index)
        .map(|(node, _)| countersign_proof::organisation_of(node))
        .collect();
    members.membership.organisations.keys().filter(|name| !signed.contains(&name[..])).cloned().collect()
}

impl Desk {
    /// The first that waits for this level and has its leaf below `size`; it waits no more.
    fn next_below(&mut self, level: Level, size: u64) -> Option<u64> {
        let waiting = self.recorded.get_mut(&level)?;
        let first = waiting.first().copied().filter(|(index, _)| *index < size)?;
        waiting.remove(&first);
        Some(first.1)
    }

    /// Answers and forgets one.
    fn answer(&mut self, number: u64, answer: Answer) {
        let Some(owned) = self.owned.remove(&number) else { return };
        if let Some(numbers) = self.by_id.get_mut(&owned.transaction.transaction().id) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_id.remove(&owned.transaction.transaction().id);
            }
        }
        if let Some((index, _)) = &owned.recorded
            && let Some(waiting) = self.recorded.get_mut(&owned.level)
        {
            waiting.remove(&(*index, number));
        }
        // A caller that went away has its answer on the ledger.
        owned.answer.map(|waiting| waiting.send(answer));
    }
}

/// The id of a transaction's leaf; none for a seal. Every leaf of every block passes here, so it is not parsed: leaves
/// are canonical, and before the member `id` stand only hashes, numbers and an account's name.
fn leaf_id(bytes: &[u8]) -> Option<Hash> {
    const MEMBER: &[u8] = b"\"id\":\"";
    let at = bytes.windows(MEMBER.len()).position(|window| window == MEMBER)? + MEMBER.len();
    let digits = std::str::from_utf8(bytes.get(at..at + 64)?).ok()?;
    Hash::from_hex("leaf.id", digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proof::plain_hash;

    #[test]
    fn the_id_of_a_leaf_is_found_without_parsing_it() {
        let id = plain_hash(b"id");
        let leaf = |code: Option<&str>| {
            let leaf = Leaf::Transaction(TransactionLeaf {
                body: plain_hash(b"body"),
                by: "id.example/id".into(),
                code: code.map(str::to_owned),
                height: 7,
                id,
                outcome: if code.is_some() { Outcome::Rejected } else { Outcome::Applied },
                signatures: plain_hash(b"signatures"),
                v: 1,
                writes: code.is_none().then_some(plain_hash(b"writes")),
            });
            leaf.to_bytes()
        };
        assert_eq!(leaf_id(&leaf(None)), Some(id));
        assert_eq!(leaf_id(&leaf(Some("EXPIRED"))), Some(id));
        assert_eq!(leaf_id(br#"{"first":1,"height":2,"kind":"seal"}"#), None);
    }
}
