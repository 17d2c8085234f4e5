//! Explore every state of the countersigning protocol for small networks.
//!
//! Why, what it found and what was decided on it: `docs/decisions/2026-11-24-echo-before-signing.md`. Every network of
//! [`runs`] is explored to its end; `testnet/check-model` does so, and prints how many states that were.
//!
//! What keeps the graph small, and is no restriction:
//! - Messages are sets of what was told; whoever has not heard one may hear it later, or never. So loss, delay,
//!   repetition, reordering and pulling are one and the same.
//! - A liar has said everything to everybody from the start, because no guard ever needs *fewer* messages. A silent liar is one
//!   nobody hears; where silence matters, [`claims::Claim::SilenceHarmless`] asks what the honest can do alone.
//! - Of nodes with equal seats it is not told which is which (`Network::sorted`; a test compares both ways).
//!
//! What the model leaves out:
//! - Raft: terms, elections, votes, log truncation, commitment. Each honest node is handed one value a height; a lying leader
//!   hands any to anybody, at every height, also where the members would already have refused it by the chain of proposals. So
//!   more than 2 values, and evidence, are left out too.
//! - What a value is: execution, seals, transactions. A root *is* its prefix; hashes do not collide, signatures are not forged.
//! - Time: a cosignature's time, its refresh, and the check of a proposal's time.
//! - Sizes: one block, one leaf; height and size are one number.
//! - Key rotation, revocation and rejoining with another key; so a node that was stopped stays stopped.
//! - Observers, the purge of the log, the limit on uncertified blocks, a network that continues another.
//! - More than one crash (any node), one restore (always of the same node) or two re-syncs in a history; and of two kinds in
//!   one history only a restore with a re-sync.
//! - A log without end: there is a last block, which all sign sooner or later. Whether aligned heights certify often enough
//!   while blocks keep coming is not asked.
//! - A torn sign lock or echo record: each line is whole or not there, and what was flushed stays.
//! - What a message costs, and every network larger than the ones listed.

pub mod claims;
pub mod explore;
pub mod moves;
pub mod network;
pub mod quorum;
pub mod root;
pub mod runs;
pub mod state;
pub mod tally;
