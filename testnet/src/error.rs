//! Say why a network could not be made, driven or believed.

use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What went wrong, for the person who runs the test or the script.
#[derive(Debug, Error)]
pub enum TestnetError {
    /// The `countersign` binary is nowhere.
    #[error(
        "no countersign binary at {looked}; type `cargo build --release -p countersign-cli`, or name it in COUNTERSIGN_BIN"
    )]
    NoBinary {
        /// The places that were tried.
        looked: String,
    },
    /// A file or folder of ours.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A command ended otherwise than it had to.
    #[error("`countersign {command}` ended with {ended}: {output}")]
    Command {
        /// The arguments.
        command: String,
        /// The exit code, or how else it ended.
        ended: String,
        /// The end of what it printed.
        output: String,
    },
    /// A command printed what this crate cannot read.
    #[error("`countersign {command}` printed something else than expected: {reason}")]
    Answer {
        /// The arguments.
        command: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something did not become true in time.
    #[error("not within {seconds} s: {what}; last seen: {seen}")]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// Why it was not true at the last look.
        seen: String,
    },
    /// A node's process ended by itself.
    #[error("node {node} ended by itself; the end of its log:\n{log}")]
    NodeEnded {
        /// Which one.
        node: String,
        /// The last lines.
        log: String,
    },
    /// Another process took a port between choice and use; choosing again helps.
    #[error("node {node} found one of its ports taken")]
    PortTaken {
        /// Which one.
        node: String,
    },
    /// The caller asked for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// Something that this project promises was seen not to hold.
    #[error("does not hold: {0}")]
    Broken(String),
}

impl TestnetError {
    /// For `map_err` on file operations.
    pub fn file(path: &Path) -> impl FnOnce(io::Error) -> TestnetError {
        let path = path.to_owned();
        |source| TestnetError::File { path, source }
    }
}

/// Turns a claim into an error when it is false.
pub(crate) fn hold(claim: bool, otherwise: impl FnOnce() -> String) -> Result<(), TestnetError> {
    if claim { Ok(()) } else { Err(TestnetError::Broken(otherwise())) }
}
