//! Print how long an event takes: from when its transaction was due at one organisation to its arrival at the others.

use crate::listen::listen;
use crate::load::Load;
use clap::Args;
use countersign_testnet::{Network, NodeRecord, Options, operations_account};
use std::error::Error;
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
pub fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    // The SDK makes its connections on the runtime around it.
    let _context = runtime.enter();
    let mut network = Network::start(Options { organisations: arguments.organisations, ..Options::default() })?;
    let mut load = Load::prepare(&mut network)?;
    let keys = (0..arguments.organisations).map(|n| api_key(&network, n)).collect::<Result<Vec<_>, _>>()?;
    println!(
        "{} organisations, 256-byte documents, certified events at all the other organisations, {} s a round",
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
fn api_key(network: &Network, n: usize) -> Result<String, Box<dyn Error>> {
    let NodeRecord { organisation, folder, .. } = &network.nodes()[n];
    let (account, folder) = (operations_account(organisation), folder.display().to_string());
    let create = ["api-key", "create", "--folder", &folder, "--account", &account, "--read", "*"];
    Ok(network.cli(&account, &create)?.ok()?.stdout.trim().to_owned())
}

fn print_latencies(over: &str, rate: u32, latencies: &[Duration]) {
    let at = |share: f64| {
        let place = (latencies.len() as f64 * share) as usize;
        latencies
            .get(place.min(latencies.len().saturating_sub(1)))
            .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    };
    println!(
        "{over:>6} {rate:>6} {:>9} {:>8.1} {:>8.1} {:>8.1} {:>8.1}",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}
