//! Print what a network of separate processes does under load, and what other systems do on the same machine.

mod bench;
mod plan;
mod table;

use crate::peers::Kind;
use crate::{Failure, charts, targets};
use bench::Bench;
use clap::{Args, ValueEnum};
use countersign_client::Level;
use std::path::PathBuf;

/// Each organisation's node is a process of its own, with TLS and fsync. Transactions are signed beforehand, by accounts
/// spread evenly over the organisations, and handed in over one connection a node. A latency goes from when a transaction
/// was handed in (closed loop) or was due (open loop) to its answer. After each round every transaction counted is found
/// in the log, under certificates that hold.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Organisations, each with one node; a third is there to be refused.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=16))]
    organisations: u8,
    /// Accounts that sign in turn; what follows the first number is measured at the largest number in flight only.
    #[arg(long, value_delimiter = ',', default_value = "256,8")]
    accounts: Vec<usize>,
    /// Documents that are there before.
    #[arg(long, default_value_t = 100_000)]
    preload: usize,
    /// Transactions under way at once, one round each.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256,1024")]
    in_flight: Vec<usize>,
    /// To which nodes; both is all, and the leader at 64 and 1024 in flight.
    #[arg(long, value_enum, default_value_t = To::Both)]
    to: To,
    /// How long a word and its answer take between two nodes, as if they stood that far apart; clients are beside theirs.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000))]
    round_trip_ms: u64,
    /// What counts as an answer.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "certified")]
    level: Vec<Promise>,
    /// Open loops, certified, at these many a second.
    #[arg(long, value_delimiter = ',')]
    rates: Vec<u64>,
    /// An open loop relative to the peak that the run has just measured.
    #[arg(long, value_enum, default_value_t = Open::Half)]
    open: Open,
    /// Offer so many times the peak; 0 for not at all.
    #[arg(long, default_value_t = 10)]
    overload: u32,
    /// How many wait at the clients then, over all nodes; more than the nodes take in.
    #[arg(long, default_value_t = 65_536)]
    overload_waiting: usize,
    /// How long a round lasts.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often everything is measured; medians are printed.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Measure another system in turn with ours.
    #[arg(long, value_enum)]
    peer: Vec<Kind>,
    /// Write everything here too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw charts in this folder.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    All,
    Leader,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Open {
    Half,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Promise {
    Committed,
    Certified,
}

impl Promise {
    fn level(self) -> Level {
        match self {
            Promise::Committed => Level::Committed,
            Promise::Certified => Level::Certified,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Promise::Committed => "COMMITTED",
            Promise::Certified => "CERTIFIED",
        }
    }
}

/// Measures all that is asked for, and prints it.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut bench = Bench::start(arguments.clone())?;
    let report = bench.measure()?;
    drop(bench);
    table::print(&report);
    targets::print(&report);
    if let Some(path) = &arguments.json {
        report.write(path)?;
    }
    arguments.svg.iter().try_for_each(|folder| charts::draw(&report, folder))
}
