//! Name every maximum of this crate.

/// A request or entry whose term is further above ours than this is refused: terms are used up one at a time.
pub const TERMS_AHEAD_MAX: u64 = 1_000;

/// Entries of one append.
pub const APPEND_ENTRIES_MAX: u64 = 16;

/// Nodes of one membership, voters and observers.
pub const MEMBERS_MAX: usize = 1_024;

/// Voter sets of one membership: one, or two while it changes.
pub const VOTER_SETS_MAX: usize = 2;

/// Appends and votes waiting for the flusher.
pub(crate) const FLUSH_QUEUE_MAX: usize = 1_024;

/// Committed ranges waiting for the apply station. At this number openraft stops, and with it this follower.
pub(crate) const APPLY_QUEUE_MAX: u64 = 65_536;

/// Requests waiting for openraft.
pub(crate) const API_QUEUE_MAX: u64 = 4_096;

/// Entries read at once to be applied or replayed.
pub(crate) const READ_ENTRIES_MAX: u64 = 64;
