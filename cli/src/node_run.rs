//! Run a node in this process.

use crate::output::hash;
use clap::Args;
use countersign_proof::Hash;
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[derive(Debug, Args)]
#[command(after_help = "Example:
  countersign node run --folder ua --genesis-hash $(sha256sum genesis.json | cut -d' ' -f1)")]
pub struct RunNode {
    /// The folder that `countersign node init` made
    #[arg(long)]
    pub folder: PathBuf,
    /// The hash of the genesis that may be served; the one in node.toml if not given
    #[arg(long, value_name = "HEX", value_parser = hash)]
    pub genesis_hash: Option<Hash>,
}

/// Runs it on runtimes of its own, and gives the process' exit code: 0 after SIGTERM, else the node's (docs/operations.md).
pub fn run(command: &RunNode) -> ExitCode {
    let filter = EnvFilter::try_from_env("COUNTERSIGN_LOG").unwrap_or_else(|_| EnvFilter::new("info,openraft=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    match countersign_node::run(&command.folder, command.genesis_hash) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("countersign: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
