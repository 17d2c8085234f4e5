//! Collect latencies of one round, and read percentiles off them. Shared with benches/peers.

use std::time::{Duration, Instant};

/// What a round counts: what is answered after its beginning has settled, and before it ends.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// From here on answers count.
    pub begin: Instant,
    /// Nothing is begun from here on, and no answer counts.
    pub end: Instant,
}

impl Window {
    /// A round from now on: its first tenth, half a second at the most, does not count.
    pub fn of(now: Instant, lasts: Duration) -> Window {
        Window { begin: now + (lasts / 10).min(Duration::from_millis(500)), end: now + lasts }
    }

    /// A round that takes as long to settle as it lasts then: queues fill up first.
    #[allow(dead_code, reason = "this file belongs to two programs")]
    pub fn settled(now: Instant, lasts: Duration) -> Window {
        Window { begin: now + lasts, end: now + 2 * lasts }
    }

    /// Whether it ended before its beginning had settled.
    #[allow(dead_code, reason = "this file belongs to two programs")]
    pub fn is_empty(&self) -> bool {
        self.end <= self.begin
    }

    /// Seconds of it.
    pub fn seconds(&self) -> f64 {
        self.end.duration_since(self.begin).as_secs_f64()
    }
}

/// The latencies of one round.
#[derive(Debug, Default)]
pub struct Latencies {
    within: Vec<Duration>,
    answered: u64,
}

impl Latencies {
    /// Takes one that was answered at this moment.
    pub fn add(&mut self, window: Window, at: Instant, latency: Duration) {
        self.answered += 1;
        if (window.begin..window.end).contains(&at) {
            self.within.push(latency);
        }
    }

    /// Takes those of another task.
    #[allow(dead_code, reason = "this file belongs to two programs")]
    pub fn join(&mut self, other: Latencies) {
        self.answered += other.answered;
        self.within.extend(other.within);
    }

    /// Must come before percentiles are read.
    pub fn sort(&mut self) {
        self.within.sort_unstable();
    }

    /// How many were answered, before and after the window too.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Answers a second of the window.
    pub fn per_second(&self, window: Window) -> f64 {
        self.within.len() as f64 / window.seconds()
    }

    /// Milliseconds that this share of them did not pass; 0 for none at all.
    pub fn ms(&self, share: f64) -> f64 {
        let place = (self.within.len() as f64 * share) as usize;
        let latency = self.within.get(place.min(self.within.len().saturating_sub(1)));
        latency.map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }
}
