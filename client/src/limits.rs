//! Name every maximum and wait of the SDK.

use std::time::Duration;

/// How long opening a connection to one node may take.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one read may take.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a node may wait for one submission.
pub const SUBMIT_TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// How long a node may wait for one submission of a bulk before we ask again.
pub const BULK_ANSWER_WAIT: Duration = Duration::from_secs(10);
/// How much longer than the node's own deadline we wait for its answer.
pub const ANSWER_GRACE: Duration = Duration::from_secs(3);
/// How long a silent connection is trusted before it is probed, and how long the probe may take.
pub const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long to wait before the first attempt after a failure; doubles up to [`BACKOFF_MAX`].
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait between two attempts.
pub const BACKOFF_MAX: Duration = Duration::from_secs(3);
/// Bytes of one answer.
pub const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Nodes of one configuration.
pub const NODES_MAX: usize = 64;
/// Transactions under way at once in a bulk submission.
pub const IN_FLIGHT_MAX: usize = 4096;
/// How long a transaction is valid unless the caller says otherwise.
pub const EXPIRY: Duration = Duration::from_secs(60);
/// Seconds that a token says it lives.
pub const TOKEN_SECONDS: u64 = 300;
/// Seconds by which a token is dated back, so that a clock ahead of the node's does not matter.
pub const TOKEN_SECONDS_BACK: u64 = 60;
/// Seconds after which a token is replaced.
pub const TOKEN_SECONDS_USED: u64 = 120;

const _: () = assert!(
    TOKEN_SECONDS_BACK + TOKEN_SECONDS_USED + 60 <= TOKEN_SECONDS,
    "a token in use outlives a clock that is a minute behind the node's"
);
const _: () = assert!(TOKEN_SECONDS <= countersign_proto::TOKEN_SECONDS_MAX);
