//! Names every maximum of the crate.

use std::time::Duration;

use crate::P2pError;

/// The default of [`Limits::frame_bytes_max`].
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// Bytes of a frame that are not its body: genesis hash, kind, service, request id.
pub const FRAME_HEADER_BYTES: usize = 32 + 1 + 1 + 8;
/// The longest name of a peer, in bytes; its length is one byte in the hello.
pub const NAME_BYTES_MAX: usize = 255;
/// The most peers a directory holds; each costs two tasks and two connections.
pub const PEERS_MAX: usize = 1024;

/// The longest hello: version, genesis hash, lane, length of the name, name.
pub(crate) const HELLO_BYTES_MAX: usize = 1 + 32 + 1 + 1 + NAME_BYTES_MAX;
/// The most handshakes of not yet known parties at a time; the oldest gives way to the newest.
pub(crate) const HANDSHAKES_MAX: usize = 64;
/// The longest that connecting, TLS and both hellos may take together.
pub(crate) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// How often a connection looks at its own silence; the three counts below are in ticks, not in clock time, so that a
/// process that was paused does not blame its peers for it.
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// A ping is sent after this many ticks without a frame of ours.
pub(crate) const PING_TICKS: u32 = 3;
/// A connection is closed after this many ticks without a byte from the peer.
pub(crate) const SILENT_TICKS_MAX: u32 = 10;
/// A connection is closed after this many ticks in which the peer took none of the bytes that wait for it.
pub(crate) const STALLED_TICKS_MAX: u32 = 10;

/// Our calls without an answer, a connection.
pub(crate) const PENDING_CALLS_MAX: usize = 1024;
/// The peer's calls without an answer, a connection.
pub(crate) const SERVED_CALLS_MAX: usize = 1024;
/// A connection's memory grows by this much before bytes arrive to justify more.
pub(crate) const READ_STEP_BYTES: usize = 64 << 10;
/// A body below this is copied out of the read buffer, so that a kept vote does not keep a whole buffer alive.
pub(crate) const COPIED_BODY_BYTES_MAX: usize = 16 << 10;
/// A connection takes no further frame from its queues while this much is encoded and not yet written.
pub(crate) const WRITE_BUFFER_BYTES: usize = 256 << 10;
/// The longest reason carried by a refusal.
pub(crate) const REASON_BYTES_MAX: usize = 512;
/// Joins and leaves waiting for the hub.
pub(crate) const HUB_EVENTS_MAX: usize = 256;

/// The pause before the second attempt to dial; it doubles from there.
pub(crate) const REDIAL_PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause between two attempts to dial, before jitter.
pub(crate) const REDIAL_PAUSE_MAX: Duration = Duration::from_secs(1);
/// The pause after a failed accept, which usually means that the process is out of file descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const _: () = assert!(PING_TICKS * 3 < SILENT_TICKS_MAX, "a lost ping or two must not close a connection");
const _: () = assert!(FRAME_HEADER_BYTES + 1 + REASON_BYTES_MAX <= LEAST_FRAME_BYTES_MAX);

/// The smallest `frame_bytes_max` under which every refusal still fits.
const LEAST_FRAME_BYTES_MAX: usize = 1024;

/// What one transport may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest frame sent or taken, header included and length prefix not; all nodes of a network must agree on it.
    pub frame_bytes_max: usize,
    /// Frames waiting to be sent, a connection.
    pub queue_frames_max: usize,
    /// Bodies waiting to be sent, a connection, calls and replies each.
    pub queue_bytes_max: usize,
    /// Bodies waiting in the queue of one service.
    pub service_bytes_max: usize,
    /// Added to every pause before dialling again; give each node another value so that a restart is not a stampede.
    pub redial_jitter: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            frame_bytes_max: FRAME_BYTES_MAX,
            queue_frames_max: 1024,
            queue_bytes_max: 4 * FRAME_BYTES_MAX,
            service_bytes_max: 8 * FRAME_BYTES_MAX,
            redial_jitter: Duration::ZERO,
        }
    }
}

impl Limits {
    /// Refuses limits under which a frame that is allowed could never be sent or served.
    pub(crate) fn check(&self) -> Result<(), P2pError> {
        let frames = self.frame_bytes_max >= LEAST_FRAME_BYTES_MAX;
        let queue = self.queue_frames_max > 0 && self.queue_bytes_max >= self.frame_bytes_max;
        let service = self.service_bytes_max >= self.frame_bytes_max;
        // Budgets are semaphores, whose permits are taken as u32.
        let small = self.queue_bytes_max.max(self.service_bytes_max) <= u32::MAX as usize;
        if frames && queue && service && small { Ok(()) } else { Err(P2pError::Limits(*self)) }
    }

    /// The longest body that fits into a frame.
    pub fn body_bytes_max(&self) -> usize {
        self.frame_bytes_max - FRAME_HEADER_BYTES
    }
}
