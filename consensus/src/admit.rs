//! Let the node look at proposals before an append of them is acknowledged.

use crate::Position;

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
}
