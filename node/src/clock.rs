//! Tell the time: the node's one way to it.

use std::time::{SystemTime, UNIX_EPOCH};

/// A clock. Only proposals, cosignatures and tokens are stamped with it; no verdict of execution reads it.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that follows tokio's time from a given start: in a simulation, virtual time.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    start_ms: u64,
    started: tokio::time::Instant,
}

impl TokioClock {
    /// A clock that shows `start_ms` now.
    pub fn starting_at(start_ms: u64) -> TokioClock {
        TokioClock { start_ms, started: tokio::time::Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now_ms(&self) -> u64 {
        self.start_ms + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
