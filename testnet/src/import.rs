//! Run `countersign import` beside other things, and read what it recorded.

use crate::answer::tail;
use crate::layout::text;
use crate::{Network, TestnetError, wait_until};
use serde::Deserialize;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

const SHOWN_BYTES_MAX: usize = 2_000;

/// What to import, as whom.
#[derive(Debug, Clone)]
pub struct ImportPlan {
    /// Who signs.
    pub account: String,
    /// Into which collection.
    pub collection: String,
    /// Which member of a row is the document's id.
    pub id_field: String,
    /// The rows, one JSON document a line.
    pub rows: PathBuf,
    /// Where to record each row's answer; the summary and the errors go beside it.
    pub results: PathBuf,
    /// Rows a second at most.
    pub rate: Option<u64>,
}

/// One line of the results: what became of a row.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RowResult {
    /// The document's id.
    pub id: String,
    /// The transaction that carried it, hex; none for a row that never was one.
    pub transaction: Option<String>,
    /// `applied`, `rejected`, `refused` or `unknown`.
    pub outcome: String,
    /// From the first send to the answer.
    pub ms: f64,
}

impl RowResult {
    /// Whether the network has answered that the row is on the ledger.
    pub fn is_applied(&self) -> bool {
        self.outcome == "applied"
    }
}

/// What an import says at its end.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ImportSummary {
    /// Rows read.
    pub rows: u64,
    /// On the ledger.
    pub applied: u64,
    /// Executed and found invalid.
    pub rejected: u64,
    /// Sendings beyond the first of a row: after a lost node, a refusal for the moment, or silence.
    pub repeats: u64,
}

/// A running import. Dropping it kills it.
#[derive(Debug)]
pub struct Import {
    plan: ImportPlan,
    child: Child,
}

impl Import {
    /// Starts it, or goes on with one that has recorded results already, through the account's own node, with all others to fall back on.
    pub fn start(network: &Network, plan: ImportPlan) -> Result<Import, TestnetError> {
        let own = network.node_of(&plan.account);
        let mut arguments: Vec<String> =
            ["import", "--json", "--collection", &plan.collection, "--id-field", &plan.id_field, "--results"]
                .map(str::to_owned)
                .to_vec();
        arguments.push(text(&plan.results).to_owned());
        arguments.extend(plan.rate.iter().flat_map(|rate| ["--rate".to_owned(), rate.to_string()]));
        for step in 0..network.nodes().len() {
            let node = &network.nodes()[(own + step) % network.nodes().len()];
            arguments.extend(["--node".to_owned(), node.api_url()]);
        }
        arguments.push(text(&plan.rows).to_owned());
        let create = |path: PathBuf| File::create(&path).map_err(TestnetError::file(&path));
        let mut command = network.client(&plan.account, own).command(&arguments);
        command.env_remove("COUNTERSIGN_NODE").stdin(Stdio::null());
        command.stdout(create(beside(&plan, "summary"))?).stderr(create(beside(&plan, "errors"))?);
        let child = command.spawn().map_err(TestnetError::file(network.binary()))?;
        Ok(Import { plan, child })
    }

    /// Whether it still works.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end, whatever its exit code.
    pub fn wait(&mut self, within: Duration) -> Result<Option<i32>, TestnetError> {
        let what = format!("the import of {} ends", self.plan.account);
        wait_until(&what, within, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            Ok(None) => Err(format!("{} rows are answered", self.results().map_or(0, |r| r.len()))),
            Err(e) => Err(e.to_string()),
        })
    }

    /// Waits for its end, which must be a good one: every row is on the ledger.
    pub fn finish(&mut self, within: Duration) -> Result<ImportSummary, TestnetError> {
        let code = self.wait(within)?;
        let command = format!("import {}", self.plan.rows.display());
        let summary = read(&beside(&self.plan, "summary"))?;
        if code != Some(0) {
            let output = format!("{summary}{}", read(&beside(&self.plan, "errors"))?);
            let output = tail(&output, SHOWN_BYTES_MAX).to_owned();
            return Err(TestnetError::Command { command, ended: format!("code {code:?}"), output });
        }
        let wrong = |e| TestnetError::Answer { command, reason: format!("{e} in {summary}") };
        serde_json::from_str(&summary).map_err(wrong)
    }

    /// What is recorded by now, a row once for each run that gave it an answer. A last line that is not whole yet is left out.
    pub fn results(&self) -> Result<Vec<RowResult>, TestnetError> {
        let recorded = if self.plan.results.exists() { read(&self.plan.results)? } else { String::new() };
        let whole = recorded.rfind('\n').map_or("", |end| &recorded[..end]);
        whole.lines().map(|line| self.parse(line)).collect()
    }

    fn parse(&self, line: &str) -> Result<RowResult, TestnetError> {
        let wrong =
            |e| TestnetError::Answer { command: "import --results".to_owned(), reason: format!("{e} in {line}") };
        serde_json::from_str(line).map_err(wrong)
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        // One that has ended is reaped already; then both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn beside(plan: &ImportPlan, what: &str) -> PathBuf {
    plan.results.with_extension(what)
}

fn read(path: &Path) -> Result<String, TestnetError> {
    fs::read_to_string(path).map_err(TestnetError::file(path))
}
