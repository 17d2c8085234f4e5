//! Carries opaque frames between members over authenticated, bounded connections.
//!
//! ```text
//!                 Directory (watched: name -> address, TLS key)
//!                     │ who may connect
//!        dials        ▼            accepts
//!  dialer ──────▶ hello over ◀────── listener      one dialer a (peer, lane), by the name that sorts first
//!                TLS 1.3, raw
//!                 Ed25519 keys
//!                     │ joined / left
//!                     ▼
//!   Transport ◀───── hub           the only owner of "which link is in force"; published, never locked
//!       │ call, tell
//!       ▼
//!   connection ⇄ peer              one task a connection; queues bounded in frames and in bytes
//!       │ Incoming
//!       ▼
//!    service queues                full: a call is answered Busy, a tell is dropped and counted
//! ```
//!
//! A pair of nodes shares two connections, so that a megabyte of log on [`Lane::Bulk`] never stands in front of a vote on
//! [`Lane::Control`]. Time is tokio's, sockets come through [`Sockets`], and nothing here draws a random number except
//! TLS itself, so the crate runs unchanged in a simulation.

mod connection;
mod counters;
mod dialer;
mod directory;
mod error;
mod frame;
mod hello;
mod hub;
mod identity;
mod limits;
mod link;
mod listener;
mod local;
mod memory;
mod refusal;
mod service;
mod sockets;
mod tls;
mod transport;
mod verifier;

pub use counters::Counts;
pub use directory::{Directory, Peer};
pub use error::{CallError, P2pError};
pub use hello::Lane;
pub use identity::{Identity, tls_key_of};
pub use limits::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES, Limits, NAME_BYTES_MAX, PEERS_MAX};
pub use memory::{MemoryNetwork, MemorySockets};
pub use service::{Incoming, Reply, Services};
pub use sockets::{Listener, Sockets, Stream, TcpSockets};
pub use transport::{Transport, start, start_with_limits};
