//! Print numbers, each by a command of its own.

mod events;
mod indexes;
mod listen;
mod load;
mod log;
mod network;
mod proofs;
mod usage;

use clap::{Parser, Subcommand};
use std::error::Error;

/// Print numbers; each script in benches/ runs one of these commands
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Certified transactions a second of a network of separate processes, in a closed loop
    Network(network::Arguments),
    /// How long a certified event takes to the other organisations, at a fixed rate of transactions
    Events(events::Arguments),
    /// What unique keys and indexes cost a write and save a read
    Indexes(indexes::Arguments),
    /// Bytes of each kind of proof at a million leaves, the time to verify it, and proofs made a second
    Proofs(proofs::Arguments),
}

fn main() -> Result<(), Box<dyn Error>> {
    match Arguments::parse().command {
        Command::Network(arguments) => network::run(arguments),
        Command::Events(arguments) => events::run(arguments),
        Command::Indexes(arguments) => {
            indexes::run(&arguments);
            Ok(())
        }
        Command::Proofs(arguments) => {
            proofs::run(&arguments);
            Ok(())
        }
    }
}
