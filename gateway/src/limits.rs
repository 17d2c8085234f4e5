//! Name every maximum of the HTTP side.

use countersign_proof::limits::{DOCUMENT_ID_BYTES_MAX, LEAF_BYTES_MAX};
use std::time::Duration;

/// Rows of one page.
pub(crate) const ROWS_MAX: usize = 50;
/// Rows of one page when each row costs reading a whole document.
pub(crate) const DOCUMENT_ROWS_MAX: usize = 20;
/// Bytes of JSON shown on one page, before escaping.
pub(crate) const SHOWN_BYTES_MAX: usize = 64 << 10;
/// Proofs of state and history, trust bundles, that are made at once; the others wait.
pub(crate) const PROOFS_AT_ONCE_MAX: usize = 4;
/// Versions of a history proof that is asked for here.
pub(crate) const PROVED_VERSIONS_MAX: u64 = 256;
/// Hashes of a full tile, entries of a full bundle (c2sp.org/tlog-tiles).
pub(crate) const TILE_WIDTH: u64 = 256;
/// Bytes of an entry bundle, before compression.
const BUNDLE_BYTES_MAX: usize = 2 << 20;
/// Bytes of a request's path and query.
pub(crate) const URI_BYTES_MAX: usize = 2048;
/// Bytes of a collection's name with its `$`.
pub(crate) const COLLECTION_BYTES_MAX: usize = 65;
/// Bytes of a search: `<collection>/<id>` is the longest.
pub(crate) const SEARCH_BYTES_MAX: usize = COLLECTION_BYTES_MAX + 1 + DOCUMENT_ID_BYTES_MAX;
/// Open connections.
pub(crate) const CONNECTIONS_MAX: u32 = 1_024;
/// Bytes of a request's head; hyper buffers no more.
pub(crate) const HEAD_BYTES_MAX: usize = 16 << 10;
/// Seconds to wait for a request's head, also on an idle connection.
pub(crate) const HEAD_SECONDS_MAX: u64 = 10;
/// Seconds to wait for a request's body.
pub(crate) const BODY_SECONDS_MAX: u64 = 10;
/// Seconds until a connection is asked to end, so that nobody keeps one for ever. A stream of events lives no longer: its
/// reader resumes from the cursor.
pub(crate) const CONNECTION_SECONDS_MAX: u64 = 3_600;
/// Seconds that an answer under way has to finish after that.
pub(crate) const FAREWELL_SECONDS_MAX: u64 = 10;
/// Times in a row that accepting may fail, a second apart, before serving ends.
pub(crate) const ACCEPT_FAILURES_MAX: u32 = 30;

/// Bytes of an `Idempotency-Key`.
pub(crate) const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Seconds that a write may wait for its level.
pub(crate) const WAIT_SECONDS_MAX: u64 = 120;
/// Rows of one page of the typed API.
pub(crate) const API_ROWS_MAX: u64 = 1_000;
/// Documents that one list, count or sum reads.
pub(crate) const SCAN_DOCUMENTS_MAX: usize = 10_000;
/// Bytes of a filter.
pub(crate) const FILTER_BYTES_MAX: usize = 1_024;
/// Bytes of a request with a transaction.
pub(crate) const TRANSACTION_BYTES_MAX: usize = 2 << 20;
/// Bytes of a bulk request.
pub(crate) const BULK_BYTES_MAX: usize = 16 << 20;
/// Rows of a bulk request.
pub(crate) const BULK_ROWS_MAX: usize = 20_000;
/// Rows of a bulk request that are under way at once.
pub(crate) const BULK_AT_ONCE_MAX: usize = 128;
/// Open streams of events.
pub(crate) const STREAMS_MAX: usize = 512;
/// Bytes after which a page of documents ends, whatever its rows.
pub(crate) const PAGE_BYTES_MAX: usize = 4 << 20;
/// Bulk requests that are read and executed at once; more are refused.
pub(crate) const BULK_REQUESTS_MAX: usize = 4;
/// Collections that one stream names.
pub(crate) const STREAM_COLLECTIONS_MAX: usize = 64;
/// Events that wait for one reader.
pub(crate) const EVENTS_WAITING_MAX: usize = 8;
/// A reader that takes no event for so long is cut off; it resumes from its cursor.
pub(crate) const READER_STALL_MAX: Duration = Duration::from_secs(10);

/// Bytes of a GraphQL document.
pub(crate) const QUERY_BYTES_MAX: usize = 64 << 10;
/// Words and signs of a GraphQL document: its parser takes time for each.
pub(crate) const QUERY_TOKENS_MAX: usize = 4_096;
/// Open brackets of a GraphQL document, one in the other: its parser takes stack for each.
pub(crate) const QUERY_BRACKETS_MAX: usize = 48;
/// Selections of a GraphQL operation, one in the other, its fragments put in their places.
pub(crate) const QUERY_DEPTH_MAX: usize = 32;
/// What a GraphQL request may cost: a field 1 for each row it is in, and what `graphql::cost` says for those that read more.
pub(crate) const QUERY_COST_MAX: usize = 10_000;
/// Fields that one GraphQL answer resolves, and what it may tell of its own schema with them.
pub(crate) const RESOLVED_FIELDS_MAX: usize = 1_000_000;
/// Bytes of documents in one GraphQL answer.
pub(crate) const ANSWER_BYTES_MAX: usize = 2 * PAGE_BYTES_MAX;
/// Fields that the types of all collections have in GraphQL; what goes beyond is JSON.
pub(crate) const SCHEMA_FIELDS_MAX: usize = 20_000;
/// Open WebSockets. They hold no seat of [`CONNECTIONS_MAX`], and each subscription in them is one of [`STREAMS_MAX`].
pub(crate) const SOCKETS_MAX: usize = 512;
/// Operations under way on one WebSocket.
pub(crate) const SOCKET_OPERATIONS_MAX: usize = 32;
/// A WebSocket that does not say who calls within this time is closed.
pub(crate) const SOCKET_INIT_MAX: Duration = Duration::from_secs(5);
/// A WebSocket is asked this often whether somebody is there, and closed after three times without a sign.
pub(crate) const SOCKET_PING_EVERY: Duration = Duration::from_secs(20);

const _: () = assert!(QUERY_DEPTH_MAX <= QUERY_BRACKETS_MAX);
const _: () = assert!(PAGE_BYTES_MAX < ANSWER_BYTES_MAX, "a page fits into an answer");
const _: () = assert!(2 * STREAMS_MAX <= CONNECTIONS_MAX as usize, "streams never take the seats of all others");
const _: () = assert!(DOCUMENT_ROWS_MAX <= ROWS_MAX);
const _: () = assert!(TILE_WIDTH as usize * (2 + LEAF_BYTES_MAX) <= BUNDLE_BYTES_MAX, "a request reads no more");
const _: () = assert!(3 * SEARCH_BYTES_MAX + 256 <= URI_BYTES_MAX, "our own longest link, percent-encoded, must fit");
const _: () = assert!(URI_BYTES_MAX < HEAD_BYTES_MAX, "else hyper answers before our page can");
const _: () = assert!(HEAD_BYTES_MAX >= 8192, "hyper's minimum");
