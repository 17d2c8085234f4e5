//! Count what became of the rows, and how long they took.

use super::is_local;
use super::results::RowResult;
use crate::failure::Failure;
use countersign_client::{BulkResult, ClientError, Level, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

/// The numbers of one run.
pub struct Summary {
    level: Level,
    started: Instant,
    applied: u64,
    rejected: u64,
    refused: u64,
    unknown: u64,
    repeats: u64,
    skipped: u64,
    /// Rows by milliseconds; of those with an answer. As many entries as a row has milliseconds to take.
    times: BTreeMap<u64, u64>,
}

impl Summary {
    pub fn new(level: Level) -> Summary {
        let (applied, rejected, refused, unknown, repeats, skipped) = (0, 0, 0, 0, 0, 0);
        let (started, times) = (Instant::now(), BTreeMap::new());
        Summary { level, started, applied, rejected, refused, unknown, repeats, skipped, times }
    }

    /// Counts a row and gives its line. Applied and rejected mean that the level was reached.
    pub fn count(&mut self, row: BulkResult) -> RowResult {
        self.repeats += u64::from(row.sends.saturating_sub(1));
        let ms = u64::try_from(row.elapsed.as_millis()).unwrap_or(u64::MAX);
        let local = row.result.as_ref().is_err_and(is_local);
        let (leaf, height) = row.result.as_ref().map_or((None, None), |answer| (answer.leaf_index, answer.height));
        let (outcome, code, detail) = self.outcome(row.result);
        if outcome == "applied" || outcome == "rejected" {
            *self.times.entry(ms).or_default() += 1;
        }
        let transaction = (!local).then_some(row.transaction_id);
        RowResult {
            line: row.tag,
            id: row.name,
            outcome: outcome.to_owned(),
            code,
            detail,
            transaction,
            leaf,
            height,
            ms,
        }
    }

    fn outcome(
        &mut self,
        result: Result<countersign_client::Answer, ClientError>,
    ) -> (&'static str, Option<String>, Option<String>) {
        match result {
            Ok(answer) if !answer.reached(self.level) => {
                self.unknown += 1;
                let detail = format!("executed, but missing: {}", answer.missing.join(", "));
                ("unknown", Some("LEVEL_NOT_REACHED".into()), Some(detail))
            }
            Ok(answer) => match answer.outcome {
                Outcome::Applied => {
                    self.applied += 1;
                    ("applied", None, None)
                }
                Outcome::Rejected(rejection) => {
                    self.rejected += 1;
                    let detail = rejection.to_string();
                    ("rejected", Some(rejection.code), Some(detail))
                }
            },
            Err(error) => {
                let detail = Some(error.to_string());
                let (outcome, code) = match error {
                    ClientError::Refused { code, .. } | ClientError::Denied { code, .. } => ("refused", Some(code)),
                    ClientError::Unavailable { .. } => ("refused", Some("UNAVAILABLE".into())),
                    ref error if is_local(error) => ("refused", Some("MALFORMED_ROW".into())),
                    _ => ("unknown", None),
                };
                *(if outcome == "refused" { &mut self.refused } else { &mut self.unknown }) += 1;
                (outcome, code, detail)
            }
        }
    }

    /// Rows that an earlier run has the answers of.
    pub fn rows_skipped(&mut self, skipped: u64) {
        self.skipped = skipped;
    }

    /// What is worth showing while it runs.
    pub fn troubles(&self) -> String {
        format!(
            "rejected {}  refused {}  unknown {}  repeats {}",
            self.rejected, self.refused, self.unknown, self.repeats
        )
    }

    /// The summary as an object.
    pub fn to_json(&self) -> Value {
        json!({
            "applied": self.applied, "p50_ms": self.percentile(50), "p99_ms": self.percentile(99),
            "refused": self.refused, "rejected": self.rejected, "repeats": self.repeats, "rows": self.rows(),
            "seconds": self.seconds(), "skipped": self.skipped, "tx_per_second": self.rate(), "unknown": self.unknown,
        })
    }

    /// Whether every row was applied, and if not, the exit code.
    pub fn verdict(&self) -> Result<(), Failure> {
        let count = |n: u64, what: &str| format!("{n} of {} rows {what}", self.rows());
        if self.unknown > 0 {
            return Err(Failure::Unknown(count(self.unknown, "have no definite answer; run the same import again")));
        }
        if self.refused > 0 {
            return Err(Failure::Refused(count(self.refused, "were refused; see the results file")));
        }
        if self.rejected > 0 {
            return Err(Failure::Rejected(count(self.rejected, "were found invalid; see the results file")));
        }
        Ok(())
    }

    fn rows(&self) -> u64 {
        self.applied + self.rejected + self.refused + self.unknown + self.skipped
    }

    fn seconds(&self) -> f64 {
        (self.started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }

    fn rate(&self) -> f64 {
        let answered = (self.applied + self.rejected) as f64;
        (10.0 * answered / self.started.elapsed().as_secs_f64().max(0.001)).round() / 10.0
    }

    /// The least time within which so many of a hundred rows had their answer.
    fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.times.values().sum::<u64>() * percent).div_ceil(100);
        let mut seen = 0;
        let within = |(ms, count): (&u64, &u64)| {
            seen += count;
            (seen >= rank).then_some(*ms)
        };
        self.times.iter().find_map(within)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, applied, rejected, refused) = (self.rows(), self.applied, self.rejected, self.refused);
        write!(f, "{rows} rows: {applied} applied, {rejected} rejected, {refused} refused, {} unknown", self.unknown)?;
        write!(f, ", {} skipped, {} repeats; {} tx/s", self.skipped, self.repeats, self.rate())?;
        let ms = |percent| self.percentile(percent).map_or("-".to_owned(), |ms| ms.to_string());
        write!(f, ", p50 {} ms, p99 {} ms", ms(50), ms(99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let mut summary = Summary::new(Level::Certified);
        assert_eq!(summary.percentile(50), None);
        summary.times = (1..=200).map(|ms| (ms, 1)).collect();
        assert_eq!((summary.percentile(50), summary.percentile(99)), (Some(100), Some(198)));
    }
}
