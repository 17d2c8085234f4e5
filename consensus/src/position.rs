//! Name a place in the log.

use crate::types::LogId;
use std::fmt;

/// A place in the log: `index`, and the term of the leader that appended there.
///
/// Two committed entries with one index have one term. Index 0 is the founders' membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The term of the leader that appended the entry.
    pub term: u64,
    /// The place in the log, from 0, without gaps.
    pub index: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.index)
    }
}

impl Position {
    pub(crate) fn of(id: LogId) -> Position {
        Position { term: id.committed_leader_id().term, index: id.index() }
    }

    pub(crate) fn id(self) -> LogId {
        LogId::new_term_index(self.term, self.index)
    }
}
