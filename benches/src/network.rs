//! Print certified transactions a second of a network of separate processes, in a closed loop.

use crate::load::{Load, Round};
use clap::Args;
use countersign_testnet::{Network, Options};
use std::error::Error;
use std::time::Duration;

/// Each organisation's node is a process of its own, with TLS and fsync; transactions of 256-byte documents are
/// signed beforehand by one account an organisation and submitted evenly to all nodes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Organisations, each with one node.
    #[arg(long, default_value_t = 4)]
    organisations: usize,
    /// Transactions under way at once, one round each.
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256")]
    in_flight: Vec<usize>,
    /// How long a round lasts.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// Starts a network, and prints a line a round.
pub fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // The SDK makes its connections on the runtime around it.
    let _context = runtime.enter();
    let mut network = Network::start(Options { organisations: arguments.organisations, ..Options::default() })?;
    let mut load = Load::prepare(&mut network)?;
    println!(
        "{} organisations, 256-byte documents, level CERTIFIED, {} s a round",
        arguments.organisations, arguments.seconds
    );
    println!(
        "{:>9} {:>12} {:>9} {:>9} {:>14} {:>14}",
        "in flight", "certified/s", "p50 ms", "p99 ms", "nodes us/tx", "client us/tx"
    );
    for in_flight in arguments.in_flight {
        let round = runtime.block_on(load.run(in_flight, Duration::from_secs(arguments.seconds)))?;
        print_round(in_flight, &round);
    }
    Ok(())
}

fn print_round(in_flight: usize, round: &Round) {
    println!(
        "{in_flight:>9} {:>12.0} {:>9.1} {:>9.1} {:>14.0} {:>14.0}",
        round.certified_per_second(),
        round.percentile_ms(50),
        round.percentile_ms(99),
        round.nodes_micros_per_transaction(),
        round.client_micros_per_transaction(),
    );
}
