//! Print how long an event takes: from when its transaction was due at one organisation to its arrival at the others.

use crate::Failure;
use crate::latency::Latencies;
use crate::listen::listen;
use crate::setup::Stage;
use clap::Args;
use countersign_testnet::{Network, NodeRecord, operations_account};
use std::time::Duration;

/// Transactions of 256-byte documents are handed in at a fixed rate, in turn at every organisation's node, whether the
/// answers before have come or not. At every node a subscriber listens, over gRPC and over Server-Sent Events. A latency is
/// counted from the moment the transaction was due, and to the certified event at another organisation.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Organisations, each with one node.
    #[arg(long, default_value_t = 4)]
    organisations: usize,
    /// Transactions a second, one round each.
    #[arg(long, value_delimiter = ',', default_value = "100,500")]
    rates: Vec<u32>,
    /// How long a round lasts.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
}

/// Starts a network, and prints two lines a round.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let Stage { mut load, network, runtime } =
        Stage::start(arguments.organisations, arguments.organisations, Duration::ZERO)?;
    let keys = (0..arguments.organisations).map(|n| api_key(&network, n)).collect::<Result<Vec<_>, _>>()?;
    println!("{}", crate::records::IN_WORDS);
    println!(
        "{} organisations, certified events at all the other organisations, {} s a round",
        arguments.organisations, arguments.seconds
    );
    println!(
        "{:>6} {:>6} {:>9} {:>8} {:>8} {:>8} {:>8}",
        "over", "rate/s", "events", "p50 ms", "p99 ms", "p99.9", "max"
    );
    for rate in arguments.rates {
        let lasts = Duration::from_secs(arguments.seconds);
        let round = runtime.block_on(listen(&mut load, &network, &keys, rate, lasts))?;
        print_latencies("gRPC", rate, &round.grpc);
        print_latencies("SSE", rate, &round.sse);
    }
    Ok(())
}

/// A key to listen at node `n` over HTTP.
fn api_key(network: &Network, n: usize) -> Result<String, Failure> {
    let NodeRecord { organisation, folder, .. } = &network.nodes()[n];
    let (account, folder) = (operations_account(organisation), folder.display().to_string());
    let create = ["api-key", "create", "--folder", &folder, "--account", &account, "--read", "*"];
    Ok(network.cli(&account, &create)?.ok()?.stdout.trim().to_owned())
}

fn print_latencies(over: &str, rate: u32, latencies: &Latencies) {
    println!(
        "{over:>6} {rate:>6} {:>9} {:>8.1} {:>8.1} {:>8.1} {:>8.1}",
        latencies.answered(),
        latencies.ms(0.5),
        latencies.ms(0.99),
        latencies.ms(0.999),
        latencies.ms(1.0)
    );
}
