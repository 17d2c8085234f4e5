//! Keep what was measured: every figure of every run, with its median.

use crate::Failure;
use crate::checked::Checked;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What one round or more measured alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// `countersign`, or a peer.
    pub system: String,
    /// What an answer means: `CERTIFIED`, `COMMITTED`, or whatever the peer means by it.
    pub level: String,
    /// To which nodes: `all`, `leader`, `primary`.
    pub to: String,
    /// `closed`, `open`, `half`: open at half of the peak, `overload`.
    pub pace: String,
    /// Under way at once; 0 where no answer is waited for.
    pub in_flight: usize,
    /// A second; 0 where it follows from the answers.
    pub rate: u64,
    /// Accounts that sign; 0 where nobody does.
    pub accounts: usize,
}

/// One figure over all runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figure {
    pub median: f64,
    pub min: f64,
    pub max: f64,
    pub runs: Vec<f64>,
}

/// All figures of a case.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    #[serde(flatten)]
    pub case: Case,
    pub figures: BTreeMap<String, Figure>,
}

/// Under what it was measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Settings {
    pub command: String,
    pub organisations: usize,
    /// Between two nodes, added to what the machine takes.
    pub round_trip_ms: u64,
    pub seconds: u64,
    pub runs: usize,
    pub preload: usize,
    pub preload_seconds: f64,
    pub documents: String,
    /// What serves as each peer.
    pub peers: BTreeMap<String, String>,
}

/// A whole invocation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    pub machine: Machine,
    pub began: String,
    pub ended: String,
    pub settings: Settings,
    pub checked: Checked,
    /// From before the first round to after the last, over all transactions between.
    pub overall: BTreeMap<String, f64>,
    pub rows: Vec<Row>,
}

impl Report {
    /// Adds the figures of one run of a case.
    pub fn add(&mut self, case: Case, figures: BTreeMap<String, f64>) {
        let at = self.rows.iter().position(|row| row.case == case).unwrap_or_else(|| {
            self.rows.push(Row { case, figures: BTreeMap::new() });
            self.rows.len() - 1
        });
        for (name, value) in figures {
            self.rows[at].figures.entry(name).or_default().add(value);
        }
    }

    /// The first row like this.
    pub fn find(&self, like: impl Fn(&Case) -> bool) -> Option<&Row> {
        self.rows.iter().find(|row| like(&row.case))
    }

    /// The rows of a system in a closed loop, by what is under way; ours certified and with the accounts that most rows have.
    pub fn closed(&self, system: &str, to: &str) -> Vec<&Row> {
        let like = |case: &Case| {
            let ours = case.system == "countersign";
            let main = !ours || (case.level == "CERTIFIED" && case.accounts == self.accounts());
            case.system == system && case.to == to && case.pace == "closed" && main
        };
        self.rows.iter().filter(|row| like(&row.case)).collect()
    }

    /// The same with so many under way.
    pub fn closed_at(&self, system: &str, to: &str, in_flight: usize) -> Option<&Row> {
        self.closed(system, to).into_iter().find(|row| row.case.in_flight == in_flight)
    }

    /// What the first row has is what all but a few are measured with.
    fn accounts(&self) -> usize {
        self.rows.first().map_or(0, |row| row.case.accounts)
    }

    /// Writes it as JSON.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        Ok(fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// Reads it back.
    pub fn read(path: &Path) -> Result<Report, Failure> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }
}

impl Row {
    /// The median of a figure; 0 where it was not measured.
    pub fn median(&self, name: &str) -> f64 {
        self.figures.get(name).map_or(0.0, |figure| figure.median)
    }

    /// This row's figure over another's, run by run: both were measured in turn.
    pub fn ratio(&self, other: &Row, name: &str) -> Figure {
        let runs = |row: &Row| row.figures.get(name).map(|figure| figure.runs.clone()).unwrap_or_default();
        let mut ratio = Figure::default();
        for (ours, theirs) in runs(self).iter().zip(runs(other)).filter(|(_, theirs)| *theirs > 0.0) {
            ratio.add(ours / theirs);
        }
        ratio
    }
}

impl Figure {
    fn add(&mut self, value: f64) {
        self.runs.push(value);
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        (self.median, self.min, self.max) = ((low + high) / 2.0, sorted[0], sorted[sorted.len() - 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_a_ratio_goes_run_by_run() {
        let row = |values: [f64; 3]| {
            let mut figure = Figure::default();
            values.into_iter().for_each(|value| figure.add(value));
            let case = Case {
                system: "countersign".into(),
                level: "CERTIFIED".into(),
                to: "all".into(),
                pace: "closed".into(),
                in_flight: 1,
                rate: 0,
                accounts: 8,
            };
            Row { case, figures: [("per_second".to_owned(), figure)].into() }
        };
        let (ours, theirs) = (row([30.0, 10.0, 20.0]), row([10.0, 10.0, 40.0]));
        let of_ours = &ours.figures["per_second"];
        assert_eq!((of_ours.median, of_ours.min, of_ours.max), (20.0, 10.0, 30.0));
        assert_eq!(ours.ratio(&theirs, "per_second").runs, [3.0, 1.0, 0.5]);
        assert_eq!(ours.ratio(&theirs, "per_second").median, 1.0);
    }
}
