//! Left out: notice a leader that orders everyone else's transactions, ask the members for help, and refuse it in the end.
//!
//! ```text
//!  owned here, no leaf for 2 s ─▶ the leader is asked directly, and says that it has it
//!     still no leaf ── LEFT_OUT_MAX and ROOMY_BLOCKS_MIN ──▶ told to every member, who owns it too, as this node does once more
//!     of those: still no leaf ── the same once more ──▶ the leader's Raft requests are refused
//! ```
//!
//! An honest leader puts all that waits into its next block, so blocks with room to spare that leave out what it took long
//! before are its choice.

use crate::NodeError;
use crate::limits::{BATCH_TRANSACTIONS_MAX, COMPLAINTS_A_NODE_MAX};
use countersign_ledger::store::Reader;
use countersign_proof::Limits;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

/// Blocks looked at in one go.
const BLOCKS_AT_ONCE: usize = 64;

/// How far a transaction that is owned here has come with the leader of now.
pub(crate) enum Waits {
    /// It is handed to the mempool, which forwards it with others, sooner or later.
    Forwarded { since: Instant },
    /// The leader was asked directly; the answer says whether it took it.
    Asked(oneshot::Receiver<bool>),
    /// The leader has it: blocks above this height were not looked at yet, and so many of those before had room for it.
    Taken { since: Instant, above: u64, roomy: usize },
    /// The members were told.
    Told,
}

impl Waits {
    pub(crate) fn begin() -> Waits {
        Waits::Forwarded { since: Instant::now() }
    }
}

/// Room for what members complain about: each has its own.
#[derive(Clone, Default)]
pub(crate) struct Complaints(Arc<Mutex<BTreeMap<String, Arc<Semaphore>>>>);

impl Complaints {
    /// A place for one more of this member's transactions; none while it has used up its own.
    pub(crate) fn room(&self, node: &str) -> Option<OwnedSemaphorePermit> {
        let mut rooms = self.0.lock().expect("no panic under the lock");
        let room = rooms.entry(node.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(COMPLAINTS_A_NODE_MAX)));
        room.clone().try_acquire_owned().ok()
    }
}

/// How many blocks of this leader and term above a height had room for one more transaction, and how far was looked: a
/// look is bounded, the next one goes on from there.
pub(crate) fn roomy_blocks(
    reader: &Reader,
    above: u64,
    (leader, term): (&str, u64),
    has_room: impl Fn(&[Vec<u8>]) -> bool,
) -> Result<(usize, u64), NodeError> {
    let (mut roomy, mut seen) = (0, above);
    for height in (above + 1..).take(BLOCKS_AT_ONCE) {
        let (Some(seal), Some(block)) = (reader.seal(height)?, reader.block(height)?) else { break };
        let by_leader = seal.proposer.as_deref() == Some(leader) && seal.term == term;
        roomy += usize::from(by_leader && has_room(&block.proposal.transactions));
        seen = height;
    }
    Ok((roomy, seen))
}

/// Whether one more transaction of so many bytes would have fitted.
pub(crate) fn has_room(transactions: &[Vec<u8>], bytes: usize, limits: &Limits) -> bool {
    let there: usize = transactions.iter().map(Vec::len).sum();
    transactions.len() < BATCH_TRANSACTIONS_MAX && (there + bytes) as u64 <= limits.proposal_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_block_leaves_nothing_out() {
        let limits = Limits::DEFAULT;
        assert!(has_room(&[vec![0; 100]], 100, &limits));
        assert!(!has_room(&vec![vec![0; 1]; BATCH_TRANSACTIONS_MAX], 100, &limits));
        assert!(!has_room(&[vec![0; limits.proposal_bytes as usize - 99]], 100, &limits));
    }

    #[test]
    fn a_member_that_complains_of_everything_uses_up_its_own_room() {
        let complaints = Complaints::default();
        let held: Vec<_> = std::iter::from_fn(|| complaints.room("liar/1")).take(1_000).collect();
        assert_eq!(held.len(), COMPLAINTS_A_NODE_MAX);
        assert!(complaints.room("a/1").is_some());
        drop(held);
        assert!(complaints.room("liar/1").is_some());
    }
}
