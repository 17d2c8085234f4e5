//! Names what can go wrong, by who must act.

use std::io;

use crate::{Lane, Limits};

/// Why a transport did not start (operator) or a connection ended (nobody: it is dialled again).
#[derive(Debug, thiserror::Error)]
pub enum P2pError {
    /// The operator's listen address cannot be used.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// As given to [`crate::start`].
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The operator's limits exclude each other.
    #[error("limits that cannot hold together: {0:?}")]
    Limits(Limits),
    /// A name that is empty or too long for a hello.
    #[error("a name of {0} bytes")]
    Name(usize),
    /// More peers than [`crate::PEERS_MAX`].
    #[error("a directory of {0} peers")]
    DirectorySize(usize),
    /// Two peers of one TLS key could each pass for the other.
    #[error("{first} and {second} have one TLS key")]
    SharedKey {
        /// The name that sorts first.
        first: String,
        /// The other.
        second: String,
    },
    /// The TLS library refused our configuration, or the handshake failed.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
    /// The connection broke.
    #[error("connection: {0}")]
    Io(#[from] io::Error),
    /// Connecting, TLS and hellos took too long.
    #[error("no handshake within the deadline")]
    HandshakeDeadline,
    /// The peer named in the hello is not the one whose key finished the handshake, or may not dial us.
    #[error("{0:?} is not who this connection may belong to")]
    WrongPeer(String),
    /// The peer is of another network.
    #[error("another genesis")]
    WrongGenesis,
    /// The peer speaks another version of this protocol.
    #[error("protocol version {0}")]
    WrongVersion(u8),
    /// The peer answered for another lane than the one dialled.
    #[error("lane {0:?} was not asked for")]
    WrongLane(Lane),
    /// The peer announced more than the limit.
    #[error("a frame of {0} bytes")]
    FrameTooLong(usize),
    /// The peer's bytes do not parse.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The peer closed the connection.
    #[error("closed by the peer")]
    Closed,
    /// Nothing was heard for too long.
    #[error("the peer is silent")]
    Silent,
    /// The peer takes none of our bytes.
    #[error("the peer does not read")]
    Stalled,
    /// The link was replaced, its peer left the directory, or the transport was shut down.
    #[error("no longer in force")]
    Stopped,
}

/// What a call or a tell came to when it did not succeed.
///
/// After [`Self::Unreachable`] or [`Self::Timeout`] the peer may or may not have served the call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no connection to that peer on that lane, or it broke before the answer.
    #[error("unreachable")]
    Unreachable,
    /// A queue here or at the peer is full; try later.
    #[error("busy")]
    Busy,
    /// The body does not fit into a frame; nothing was sent.
    #[error("{length} bytes where {max} are allowed")]
    TooLong {
        /// Of the body given.
        length: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The deadline passed first.
    #[error("no answer within the deadline")]
    Timeout,
    /// The peer's service said no, and why.
    #[error("refused: {0}")]
    Refused(String),
}
