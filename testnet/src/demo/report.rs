//! Print what the demo has shown, in one block.

use super::crash::Crash;
use super::proofs::VerifiedProofs;
use super::receipts::VerifiedReceipts;
use crate::{Agreement, ImportSummary};
use std::fmt;
use std::time::Duration;

/// Figures of a demo in which every claim held.
#[derive(Debug, Clone)]
pub struct Report {
    pub(super) rows: u64,
    pub(super) summaries: Vec<ImportSummary>,
    pub(super) latencies_ms: Vec<f64>,
    pub(super) import_seconds: f64,
    pub(super) crash: Crash,
    pub(super) agreement: Agreement,
    pub(super) nodes: usize,
    pub(super) receipts: VerifiedReceipts,
    pub(super) proofs: VerifiedProofs,
    pub(super) elapsed: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |count: fn(&ImportSummary) -> u64| self.summaries.iter().map(count).sum::<u64>();
        let (p50, p99) = (percentile(&self.latencies_ms, 50), percentile(&self.latencies_ms, 99));
        let crash = &self.crash;
        let offline = if self.receipts.without_network { "without a network" } else { "with the network in reach (!)" };
        line(f, "rows in", self.rows)?;
        line(f, "applied", sum(|s| s.applied))?;
        line(f, "rejected", format!("{} of the rows, and 1 shown on purpose", sum(|s| s.rejected)))?;
        line(f, "repeats", sum(|s| s.repeats))?;
        line(f, "throughput", format!("{:.0} rows/s, the crash included", self.rows as f64 / self.import_seconds))?;
        line(f, "latency", format!("p50 {p50:.0} ms, p99 {p99:.0} ms, certified, the crash included"))?;
        line(
            f,
            "leader changes",
            format!(
                "{} -> {} in {:.1} s, terms {} -> {}",
                crash.killed,
                crash.successor,
                crash.without_leader.as_secs_f64(),
                crash.terms.0,
                crash.terms.1
            ),
        )?;
        let agreed = format!("{} (equal on {1} of {1})", self.agreement.state_root, self.nodes);
        line(f, &format!("state at {}", self.agreement.height), agreed)?;
        line(f, "receipts", format!("{} verified, one of them {offline}", self.receipts.count))?;
        line(f, "altered receipt", "refused")?;
        let proofs = &self.proofs;
        let by =
            if proofs.second_verifier { "countersign-verify and JavaScript" } else { "countersign-verify alone (!)" };
        line(
            f,
            "membership",
            format!("one joined, one left: {} epochs followed from the genesis hash", proofs.epochs),
        )?;
        line(f, "proofs", format!("{} kinds verified by {by}; altered, each refused", proofs.files))?;
        line(f, "audit", &proofs.audited)?;
        line(f, "elapsed", format!("{:.0} s", self.elapsed.as_secs_f64()))
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(f, "  {name:<18}{value}")
}

/// The smallest value that `percent` of the values do not exceed; 0 of none.
fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!((percentile(&values, 50), percentile(&values, 99)), (100.0, 198.0));
        assert_eq!((percentile(&[7.0], 99), percentile(&[], 99)), (7.0, 0.0));
    }
}
