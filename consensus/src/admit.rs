//! Let the node look at proposals before an append of them is acknowledged.

use crate::Position;
use std::collections::BTreeSet;

/// One proposal of an append, not yet taken.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    /// Where it would lie in the log.
    pub position: Position,
    /// The proposal, as the leader sent it.
    pub proposal: &'a [u8],
}

/// The node's verdict on an append, before openraft hears of it.
pub trait Admit: Send + Sync + 'static {
    /// Whether the append of the leader `from` of `term` may be taken. An error refuses it whole: nothing has changed then,
    /// and the leader sends it again. What is admitted here is judged once more, finally, when it is executed.
    fn admit(&self, from: u64, term: u64, offered: &[Offered<'_>]) -> Result<(), String>;

    /// Whether Raft's voters may become `offered` at a place in the log, from `before`. More than one set is a change under
    /// way: a majority of each is needed.
    fn admit_voters(&self, from: u64, at: Position, before: &[BTreeSet<u64>], offered: &[BTreeSet<u64>]) -> Ordered;
}

/// What the node says of a change of Raft's voters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ordered {
    /// The ledger orders it, or it lies below what is executed.
    Yes,
    /// What comes before it is not executed here yet: the append is taken up to it, and the leader sends the rest again.
    NotYet,
    /// The ledger does not: the append is refused.
    No(String),
}
