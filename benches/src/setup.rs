//! Start the network that a bench measures, with the clients that load it.

use crate::Failure;
use crate::load::Load;
use countersign_testnet::{Network, Options};
use std::time::Duration;
use tokio::runtime::Runtime;

/// A network of separate processes, each with TLS and fsync, and its load. They go in this order.
pub struct Stage {
    pub load: Load,
    pub network: Network,
    pub runtime: Runtime,
}

impl Stage {
    /// Founds it, with so many accounts that write, and this much time between two nodes.
    pub fn start(organisations: usize, accounts: usize, round_trip: Duration) -> Result<Stage, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut network = Network::start(Options { organisations, round_trip, ..Options::default() })?;
        let load = {
            // The SDK makes its connections on the runtime around it.
            let _context = runtime.enter();
            Load::prepare(&mut network, accounts)?
        };
        let mut stage = Stage { load, network, runtime };
        stage.runtime.block_on(stage.load.register())?;
        Ok(stage)
    }
}
