//! Keep what was measured while a ledger grew.

use crate::Failure;
use crate::machine::Machine;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A whole invocation.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) began: String,
    pub(super) ended: String,
    pub(super) settings: Settings,
    pub(super) steps: Vec<Step>,
    pub(super) network: Option<Grown>,
}

/// Under what it was measured.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    pub(super) command: String,
    pub(super) documents: String,
    pub(super) organisations: usize,
    pub(super) accounts: usize,
    pub(super) measured: u64,
    pub(super) operations: u64,
    pub(super) block: u64,
}

/// One ledger with so many documents.
#[derive(Debug, Default, Serialize)]
pub(super) struct Step {
    pub(super) documents: u64,
    pub(super) transactions: u64,
    pub(super) leaves: u64,
    /// From the step before to where the measured part begins.
    pub(super) fill_seconds: f64,
    pub(super) per_second: f64,
    /// CPU of the process a transaction, the database's threads with it.
    pub(super) cpu_us: f64,
    /// Time on the one thread a transaction.
    pub(super) part_us: BTreeMap<String, f64>,
    pub(super) close_seconds: f64,
    pub(super) start_seconds: f64,
    pub(super) read_us: Spread,
    /// A path from a leaf to the newest root.
    pub(super) inclusion_us: Spread,
    /// The same with leaf and note, as a file.
    pub(super) receipt_us: Spread,
    pub(super) receipt_verify_us: Spread,
    pub(super) receipt_bytes: u64,
    pub(super) state_us: Spread,
    pub(super) state_verify_us: Spread,
    /// The largest file, its document and the receipt of its seal in it.
    pub(super) state_bytes: u64,
    /// Hashes of the longest way from a document to the state's root.
    pub(super) state_siblings: u64,
    pub(super) disk_bytes: u64,
    pub(super) memory_bytes: u64,
}

/// Times in microseconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Spread {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// A network of separate processes, before and after it grew.
#[derive(Debug, Serialize)]
pub(super) struct Grown {
    pub(super) documents: u64,
    pub(super) preload_seconds: f64,
    pub(super) first: Round,
    pub(super) last: Round,
}

/// Certified transactions, 1,024 in flight.
#[derive(Debug, Serialize)]
pub(super) struct Round {
    /// Documents before it.
    pub(super) documents: u64,
    pub(super) figures: BTreeMap<String, f64>,
}

impl Report {
    /// Throughput at the last step over that at the first, in percent.
    pub(super) fn kept_percent(&self) -> Option<f64> {
        let [first, .., last] = &self.steps[..] else { return None };
        Some(100.0 * last.per_second / first.per_second)
    }

    /// Writes it as JSON.
    pub(super) fn write(&self, path: &Path) -> Result<(), Failure> {
        let mut value = serde_json::to_value(self)?;
        value["kept_percent"] = self.kept_percent().into();
        Ok(fs::write(path, serde_json::to_string_pretty(&value)? + "\n")?)
    }
}

impl Step {
    /// On disk, all that the database keeps.
    pub(super) fn bytes_each(&self) -> f64 {
        self.disk_bytes as f64 / self.transactions as f64
    }
}

impl Spread {
    pub(super) fn of(mut times: Vec<f64>) -> Spread {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or(0.0);
        Spread { p50: at(0.5), p99: at(0.99) }
    }
}

impl Grown {
    /// In percent of the throughput before it grew.
    pub(super) fn kept_percent(&self) -> f64 {
        100.0 * self.last.per_second() / self.first.per_second()
    }
}

impl Round {
    pub(super) fn per_second(&self) -> f64 {
        self.figures.get("per_second").copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_read_off_the_sorted_times() {
        let spread = Spread::of((0..1_000).rev().map(f64::from).collect());
        assert_eq!((spread.p50, spread.p99), (500.0, 990.0));
        let none = Spread::of(Vec::new());
        assert_eq!((none.p50, none.p99), (0.0, 0.0));
    }
}
