//! Run a node in this process.

use crate::failure::Failure;
use crate::output::hash;
use clap::Args;
use countersign_proof::Hash;
use std::path::PathBuf;

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

/// The one call of `countersign_node::run(&folder, genesis_hash)`; the node crate is not linked yet.
pub async fn run(command: &RunNode) -> Result<(), Failure> {
    let (folder, genesis_hash) = (command.folder.display(), command.genesis_hash);
    Err(Failure::Other(format!("{folder}: this build has no node (genesis hash {genesis_hash:?})")))
}
