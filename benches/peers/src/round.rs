//! Keep a number of writes under way for a time.

use crate::latency::{Latencies, Window};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::{Duration, Instant};

/// Bytes of a value, as of our documents.
const VALUE_BYTES: usize = 256;

/// What to measure.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Order {
    /// Writes under way at once.
    pub in_flight: usize,
    /// How long.
    pub seconds: u64,
    /// To the leader only, or evenly to all.
    pub to_leader: bool,
    /// The first number that no key has had.
    pub first: u64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Round {
    /// Writes that were answered, those at both ends among them.
    pub answered: u64,
    /// Those within the window, a second.
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
}

/// One client with one write under way.
pub trait Writer: Send + 'static {
    /// Writes a value under a key, and returns when the system says that it holds.
    fn write(
        &mut self,
        key: String,
        value: Vec<u8>,
    ) -> impl Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send;
}

/// Lets each writer write one after the other until the time is over. Any that fails fails the round.
pub async fn run<W: Writer>(writers: Vec<W>, order: Order) -> Result<Round, Box<dyn Error>> {
    let window = Window::of(Instant::now(), Duration::from_secs(order.seconds));
    let count = writers.len() as u64;
    let loops = writers.into_iter().enumerate().map(|(n, mut writer)| {
        tokio::spawn(async move {
            let (mut latencies, mut number) = (Latencies::default(), order.first + n as u64);
            while Instant::now() < window.end {
                let begun = Instant::now();
                let key = format!("record-{number:012}");
                writer.write(key, value(number)).await.map_err(|e| e.to_string())?;
                latencies.add(window, Instant::now(), begun.elapsed());
                number += count;
            }
            Ok::<_, String>(latencies)
        })
    });
    let mut all = Latencies::default();
    for running in loops.collect::<Vec<_>>() {
        all.join(running.await??);
    }
    all.sort();
    Ok(Round {
        answered: all.answered(),
        per_second: all.per_second(window),
        p50_ms: all.ms(0.5),
        p99_ms: all.ms(0.99),
        p999_ms: all.ms(0.999),
    })
}

/// The bytes under a key: no two alike.
fn value(number: u64) -> Vec<u8> {
    format!("{number:0>width$}", width = VALUE_BYTES).into_bytes()
}
