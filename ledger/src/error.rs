//! Say what stops a node: a store that failed or a ledger that contradicts itself.

use crate::store::kv::KvError;
use countersign_proof::ProofError;
use thiserror::Error;

/// An error of this crate. All of them stop the node; what a client did wrong is a [`crate::Rejection`].
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The disk failed, or holds what we did not write.
    #[error(transparent)]
    Store(#[from] KvError),
    /// The genesis is not one, or not the one this folder was made for.
    #[error("genesis: {0}")]
    Genesis(String),
    /// Another build wrote the database.
    #[error(
        "the ledger database has layout {found}, this build reads and writes layout {implemented}: install the build that \
         wrote it, or rebuild the node from the others (docs/operations.md)"
    )]
    Layout {
        /// The number in the database; the first layout, which carried none, is 1.
        found: u32,
        /// The one we know.
        implemented: u32,
    },
    /// Bytes of the ledger itself do not have their form.
    #[error("the ledger holds malformed bytes: {0}")]
    Malformed(#[from] ProofError),
    /// The state tree refused.
    #[error("state tree: {0}")]
    StateTree(String),
    /// This build does not implement the rules in force.
    #[error("the ledger runs under rules {in_force}, this build implements {implemented}: install a newer release")]
    UnknownRules {
        /// The number in the state.
        in_force: u64,
        /// The newest we know.
        implemented: u64,
    },
}
