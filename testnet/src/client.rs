//! Run the `countersign` binary as one account at one node.

use crate::answer::Answer;
use crate::layout::text;
use crate::run_within::run_within;
use crate::{Layout, NodeStatus, TestnetError};
use serde::Deserialize;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Long enough for any command of the tests on a loaded machine.
const COMMAND_WITHIN: Duration = Duration::from_secs(120);
/// A node that is down or starting must not hold up those who poll it.
const STATUS_WITHIN: Duration = Duration::from_secs(10);
/// More than any test or demo makes, so that a list is whole.
const DOCUMENTS_MAX: &str = "1000000";
/// Whatever a person has set for himself must not reach the networks of tests.
const VARIABLES: [&str; 5] =
    ["COUNTERSIGN_NODE", "COUNTERSIGN_GENESIS", "COUNTERSIGN_ACCOUNT", "COUNTERSIGN_KEY", "COUNTERSIGN_TLS_KEY"];

/// The binary with the variables that say who talks to whom, or with none of them.
#[derive(Debug, Clone)]
pub struct Client {
    binary: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// A document as `countersign list` gives it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Document {
    /// Within its collection.
    pub id: String,
    /// From 1.
    pub version: u64,
    /// The document.
    pub value: serde_json::Value,
}

impl Client {
    /// For commands that talk to nobody.
    pub fn offline(binary: &Path) -> Client {
        Client { binary: binary.to_owned(), variables: Vec::new() }
    }

    /// As `account` of the network in `layout`, at the node that listens at `node_url`.
    pub fn new(binary: &Path, layout: &Layout, node_url: String, account: &str) -> Client {
        let variables = vec![
            ("COUNTERSIGN_NODE", node_url),
            ("COUNTERSIGN_GENESIS", text(&layout.genesis()).to_owned()),
            ("COUNTERSIGN_ACCOUNT", account.to_owned()),
            ("COUNTERSIGN_KEY", text(&layout.account_key(account)).to_owned()),
        ];
        Client { binary: binary.to_owned(), variables }
    }

    /// Trusts a node's TLS key that is not in the genesis.
    pub fn trusting(mut self, tls: Option<&str>) -> Client {
        self.variables.extend(tls.map(|tls| ("COUNTERSIGN_TLS_KEY", tls.to_owned())));
        self
    }

    /// The command, not yet started.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(&self.binary);
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.args(arguments).envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<Answer, TestnetError> {
        self.run_within(arguments, COMMAND_WITHIN)
    }

    /// Where the node stands.
    pub fn status(&self) -> Result<NodeStatus, TestnetError> {
        self.run_within(&["status", "--json"], STATUS_WITHIN)?.ok()?.json()
    }

    /// All documents of a collection, by id, as the node has applied them.
    pub fn documents(&self, collection: &str) -> Result<Vec<Document>, TestnetError> {
        let answer = self.run(&["list", collection, "--json", "--limit", DOCUMENTS_MAX])?.ok()?;
        let wrong = |e| TestnetError::Answer { command: answer.command.clone(), reason: format!("{e}") };
        answer.stdout.lines().map(|line| serde_json::from_str(line).map_err(wrong)).collect()
    }

    fn run_within<A: AsRef<OsStr>>(&self, arguments: &[A], within: Duration) -> Result<Answer, TestnetError> {
        let ended = run_within(&mut self.command(arguments), within).map_err(TestnetError::file(&self.binary))?;
        let words: Vec<_> = arguments.iter().map(|a| a.as_ref().to_string_lossy()).collect();
        let code = ended.status.and_then(|status| status.code());
        Ok(Answer { command: words.join(" "), code, stdout: ended.stdout, stderr: ended.stderr })
    }
}
