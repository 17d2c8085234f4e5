//! Print numbers, each by a command of its own.

mod charts;
mod checked;
mod drive;
mod events;
mod footprint;
mod founded;
mod http;
mod indexes;
mod latency;
mod listen;
mod load;
mod log;
mod machine;
mod network;
mod peers;
mod proofs;
mod reads;
mod records;
mod report;
mod scale;
mod setup;
mod snapshot;
mod taking;
mod targets;
mod usage;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::path::PathBuf;

/// Why a bench has no numbers.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Print numbers; each script in benches/ runs one of these commands
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Throughput, latency, CPU, memory and disk of a network of separate processes under load
    Network(network::Arguments),
    /// Draw the charts of a file that `network --json` wrote
    Charts {
        /// The file
        file: PathBuf,
        /// The folder for the charts
        folder: PathBuf,
    },
    /// How long a certified event takes to the other organisations, at a fixed rate of transactions
    Events(events::Arguments),
    /// What unique keys and indexes cost a write and save a read
    Indexes(indexes::Arguments),
    /// What an idle network takes, and how soon a node is there again
    Footprint(footprint::Arguments),
    /// What a read costs a node and its client
    Reads(reads::Arguments),
    /// Bytes of each kind of proof at a million leaves, the time to verify it, and proofs made a second
    Proofs(proofs::Arguments),
    /// Throughput, reads, proofs, start-up and disk of one ledger as it grows to ten million documents
    Scale(scale::Arguments),
}

/// As a node has it, so that what is measured in this process is what a node would take.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Failure> {
    match Arguments::parse().command {
        Command::Network(arguments) => network::run(arguments),
        Command::Charts { file, folder } => charts::draw(&report::Report::read(&file)?, &folder),
        Command::Events(arguments) => events::run(arguments),
        Command::Scale(arguments) => scale::run(&arguments),
        Command::Indexes(arguments) => {
            indexes::run(&arguments);
            Ok(())
        }
        Command::Footprint(arguments) => footprint::run(arguments),
        Command::Reads(arguments) => reads::run(arguments),
        Command::Proofs(arguments) => {
            proofs::run(&arguments);
            Ok(())
        }
    }
}
