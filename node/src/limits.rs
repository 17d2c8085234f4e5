//! Name every maximum of a node.

use std::time::Duration;

/// Transactions this node owns: taken from callers and not answered yet. Of all nodes together about as many as the network
/// orders in a second or two: whoever comes later is told so at once, rather than after his patience.
pub const OWNED_MAX: usize = 4_096;
/// Bytes of the transactions this node owns.
pub const OWNED_BYTES_MAX: usize = 64 << 20;
/// Transactions waiting for their order on the leader.
pub const MEMPOOL_TRANSACTIONS_MAX: usize = 65_536;
/// Bytes of the transactions waiting for their order on the leader.
pub const MEMPOOL_BYTES_MAX: usize = 128 << 20;
/// Transactions of one batch that the mempool gives on.
pub const BATCH_TRANSACTIONS_MAX: usize = 2_000;
/// Bytes of one forwarded batch: well below a frame.
pub const FORWARD_BYTES_MAX: usize = 4 << 20;
/// Proposals a leader has in flight before execution caught up.
pub const PROPOSALS_AHEAD_MAX: u64 = 4;
/// Between two proposals while the first is not certified: what comes meanwhile shares a block.
pub const PROPOSE_EVERY: Duration = Duration::from_millis(15);
/// How long the first of a crowd waits for the others, once their last block is certified.
pub const GATHER_MAX: Duration = Duration::from_millis(2);
/// Between two proposals of a crowd that does not come back as a whole: many who each come when they like share blocks.
pub const CROWD_EVERY: Duration = Duration::from_millis(8);
/// Up to so many transactions in the last block and waiting are no crowd.
pub const CROWD_MIN: usize = 4;
/// Blocks without a certificate after which only governance is proposed.
pub const UNCERTIFIED_BLOCKS_MAX: u64 = 1_000;
/// Sizes for which echoes of one node are kept.
pub const ECHOES_AHEAD_MAX: usize = 2_048;
/// Echoes in one message.
pub const ECHOES_TOLD_MAX: usize = 256;
/// Echoes of members waiting to be heard.
pub const ECHOES_WAITING_MAX: usize = 4_096;
/// How far ahead of our own clock a proposal's time may be when it comes.
pub const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(10);
/// How long the Raft requests of a member are refused that broke the rules of leading.
pub const DISTRUST_FOR: Duration = Duration::from_secs(30);
/// How long a leader may leave out what it took before the others are asked for help, and then before they refuse it.
pub const LEFT_OUT_MAX: Duration = Duration::from_secs(5);
/// Blocks with room to spare that a leader must have made in that time: one that is idle or full leaves nothing out.
pub const ROOMY_BLOCKS_MIN: usize = 16;
/// Transactions of one complaining member that this node owns for it.
pub const COMPLAINTS_A_NODE_MAX: usize = 16;
/// How long this node owns a transaction that another member complained about.
pub const COMPLAINT_OWNED_FOR: Duration = Duration::from_secs(60);
/// Headers remembered, to notice a second one for the same term and height.
pub const HEADERS_REMEMBERED_MAX: usize = 4_096;
/// Evidence files kept against one node: a liar must not use up the room for evidence against others.
pub const EVIDENCE_A_NODE_MAX: usize = 8;
/// Contradictions that wait for a certificate to be proved by.
pub const SUSPICIONS_MAX: usize = 256;
/// Seals waiting to be signed.
pub const SEALS_WAITING_MAX: usize = 1_024;
/// Cosignatures waiting to be counted.
pub const COSIGNATURES_WAITING_MAX: usize = 4_096;
/// Sizes for which cosignatures of one node are kept until they are certified or passed.
pub const COSIGNATURES_AHEAD_MAX: usize = 4_096;
/// Cosignatures waiting that no certificate waits for.
pub const COSIGNATURES_LATE_MAX: usize = 1_024;
/// How often they are looked at.
pub const LATE_EVERY: Duration = Duration::from_millis(10);
/// Cosignatures in one answer to a pull.
pub const COSIGNATURES_PULLED_MAX: usize = 1_000;
/// Bytes of blocks in one answer of catch-up.
pub const CATCH_UP_BYTES_MAX: usize = 4 << 20;
/// Requests on one submission stream that are not answered yet.
pub const STREAM_IN_FLIGHT_MAX: usize = 1_024;
/// Rows of one page.
pub const PAGE_ROWS_MAX: u32 = 1_000;
/// Documents read for one page of them: access rules may hide most.
pub const LIST_DOCUMENTS_READ_MAX: usize = 10_000;
/// Rows of one page when the caller does not say.
pub const PAGE_ROWS_DEFAULT: u32 = 100;
/// Open subscriptions.
pub const SUBSCRIPTIONS_MAX: usize = 256;
/// Events that wait for one subscriber; each may hold two documents.
pub const SUBSCRIPTION_EVENTS_WAITING_MAX: usize = 32;
/// Concurrent requests on one gRPC connection.
pub const REQUESTS_PER_CONNECTION_MAX: u32 = 2_048;
/// Handshakes of gRPC connections under way at once.
pub const API_HANDSHAKES_MAX: usize = 256;
/// How long a gRPC client may take for its TLS handshake.
pub const API_HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Bytes of one gRPC message: a transaction and its envelope.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// How long a caller waits when it does not say.
pub const WAIT_DEFAULT: Duration = Duration::from_secs(10);
/// How long a caller may wait.
pub const WAIT_MAX: Duration = Duration::from_secs(120);
/// Silence after which an owned transaction is forwarded again.
pub const FORWARD_AGAIN: Duration = Duration::from_secs(2);
/// How long a linearizable read may wait for the leader and for execution.
pub const READ_DEADLINE: Duration = Duration::from_secs(5);
/// Linearizable reads that wait to share a question to the leader; whoever comes then waits to be taken.
pub const READS_WAITING_MAX: usize = 1_024;
/// Such questions under way at once: few enough that every member may ask the leader so.
pub const READ_QUESTIONS_MAX: usize = 4;
/// How long a subscriber may leave an event unread.
pub const SUBSCRIBER_STALL_MAX: Duration = Duration::from_secs(30);
