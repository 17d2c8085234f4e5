//! Counts what is dropped, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a transport has dropped or turned away since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tells from peers for which a service had no room, or which named no service.
    pub tells_dropped: u64,
    /// Calls from peers answered Busy.
    pub calls_busy: u64,
    /// Accepted sockets that did not become a connection.
    pub handshakes_refused: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    tells_dropped: AtomicU64,
    calls_busy: AtomicU64,
    handshakes_refused: AtomicU64,
}

impl Counters {
    pub(crate) fn tell_dropped(&self) {
        self.tells_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn call_busy(&self) {
        self.calls_busy.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn handshake_refused(&self) {
        self.handshakes_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        Counts {
            tells_dropped: self.tells_dropped.load(Ordering::Relaxed),
            calls_busy: self.calls_busy.load(Ordering::Relaxed),
            handshakes_refused: self.handshakes_refused.load(Ordering::Relaxed),
        }
    }
}
