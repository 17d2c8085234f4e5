//! Print what growth costs: one ledger from its first document to ten million.

mod fill;
mod network;
mod probe;
mod report;
mod room;
mod table;

use crate::Failure;
use crate::founded::Founded;
use crate::machine::{Machine, now};
use crate::records;
use crate::taking::Taking;
use clap::Args;
use countersign_ledger::store::CacheSize;
use probe::Folder;
use report::{Report, Settings};
use std::path::PathBuf;
use std::sync::Arc;

/// One ledger in RocksDB, filled in this process by what a node does with a block that Raft has ordered, on one thread:
/// its header, the form and the signatures of its transactions, schema and access rule, state tree, seal, one write, and a
/// note of all organisations. Another thread signs the transactions meanwhile. What is measured at each step are the last
/// transactions up to it, of one document each, signed beforehand. Not in it: the Raft log, peers, clients.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Documents at the end
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    documents: u64,
    /// Where to stop and measure; those above --documents are left out, and its end is always one
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000,10000000")]
    steps: Vec<u64>,
    /// Transactions that are measured, the last before each step
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(100..))]
    measured: u64,
    /// Documents of one transaction between the measured parts: 1 lets the log grow as the documents do
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=50))]
    operations: u64,
    /// Documents of one block
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(50..=5_000))]
    block: u64,
    /// Organisations, all of which sign every note
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u8).range(2..=16))]
    organisations: u8,
    /// Accounts that write in turn
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    accounts: u16,
    /// MiB of memory for the ledger's state and rows, as in node.toml
    #[arg(long, default_value = "384", value_parser = cache)]
    cache_mib: CacheSize,
    /// Where to keep the ledger meanwhile; a temporary folder, which goes, is made in it
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Grow a network of three processes too, to so many documents; 0 for none
    #[arg(long, default_value_t = 0)]
    three_nodes: usize,
    /// How long each round lasts that measures the network
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Write everything here too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Fills, stops at each step, and prints.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let began = now();
    let steps = steps(arguments)?;
    let parent = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    room::check(&parent, arguments.documents)?;
    let temporary = tempfile::Builder::new().prefix("countersign-scale-").tempdir_in(&parent)?;
    let mut report = Report {
        machine: Machine::here(),
        began,
        ended: String::new(),
        settings: settings(arguments),
        steps: Vec::new(),
        network: None,
    };
    let folder = Folder { path: temporary.path().join("ledger"), arguments };
    let founded = Arc::new(Founded::new(arguments.organisations.into(), arguments.accounts.into()));
    let mut taking = Taking::open(&folder.path, founded, arguments.cache_mib)?;
    for step in steps {
        (taking, report.steps) = folder.step(taking, report.steps, step)?;
    }
    drop((taking, temporary));
    if arguments.three_nodes > 0 {
        report.network = Some(network::grow(arguments.three_nodes, arguments.accounts.into(), arguments.seconds)?);
    }
    report.ended = now();
    table::print(&report);
    arguments.json.iter().try_for_each(|path| report.write(path))
}

fn cache(mib: &str) -> Result<CacheSize, String> {
    CacheSize::try_from(mib.parse::<u64>().map_err(|e| e.to_string())?)
}

/// Ascending; before each there is room for what is measured.
fn steps(arguments: &Arguments) -> Result<Vec<u64>, Failure> {
    let mut steps: Vec<u64> = arguments.steps.iter().copied().filter(|step| *step < arguments.documents).collect();
    steps.push(arguments.documents);
    steps.sort_unstable();
    steps.dedup();
    let before = std::iter::once(0).chain(steps.iter().copied());
    match before.zip(&steps).find(|(before, step)| *step - before < arguments.measured) {
        Some((before, step)) => {
            let measured = arguments.measured;
            Err(format!("between {before} and {step} documents there are no {measured} to measure: --measured").into())
        }
        None => Ok(steps),
    }
}

fn settings(arguments: &Arguments) -> Settings {
    Settings {
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        documents: records::IN_WORDS.to_owned(),
        organisations: arguments.organisations.into(),
        accounts: arguments.accounts.into(),
        measured: arguments.measured,
        operations: arguments.operations,
        block: arguments.block,
    }
}
