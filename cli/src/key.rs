//! Make and show keys.

use crate::failure::Failure;
use crate::output;
use clap::Subcommand;
use countersign_client::key_file;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key, write it to a file that only you can read, and print its public half
    New {
        /// The file to make; one that is there is never overwritten
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Print the public half of a key file
    Show {
        /// The key file
        file: PathBuf,
    },
}

pub fn run(command: &KeyCommand) -> Result<(), Failure> {
    let key = match command {
        KeyCommand::New { out } => {
            let key = key_file::generate()?;
            key_file::write(out, &key)?;
            key
        }
        KeyCommand::Show { file } => key_file::read(file)?,
    };
    output::line(key.public())
}
