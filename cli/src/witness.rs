//! Prepare a node to witness other logs.

use crate::failure::Failure;
use crate::node_init::new_key;
use crate::output;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    after_help = "The folder gets keys/witness.key and witness.lock, which holds what the key has cosigned: never delete,
copy or restore it. Then name the logs in node.toml, under [witness] and [[witness.logs]], and give the key that is
printed to them.

Example:
  countersign witness init --folder ua --name witness.ua.example/1"
)]
pub struct InitWitness {
    /// The node's folder
    #[arg(long)]
    folder: PathBuf,
    /// The witness's name, the same as in node.toml: a host of yours, a slash and a word
    #[arg(long)]
    name: String,
}

/// The key first: a crash before its memory is made leaves a key that nobody has seen, and that no node runs with.
pub fn init(command: &InitWitness) -> Result<(), Failure> {
    new_key(&command.folder.join("keys"), "witness")?;
    let key = countersign_node::init_witness(&command.folder, &command.name);
    output::line(key.map_err(|e| Failure::Other(e.to_string()))?)
}
