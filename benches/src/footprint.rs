//! Print what a network takes that does nothing: CPU, memory, and how soon a node is there again.

use crate::Failure;
use crate::machine::Machine;
use crate::setup::Stage;
use crate::usage::{cpu_of, disk_of, memory_of};
use clap::Args;
use countersign_testnet::Network;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

const ORGANISATIONS: usize = 3;
/// Until what a load leaves behind is done: the last blocks' countersigning, and the store's own tidying up.
const SETTLES: Duration = Duration::from_secs(10);
const MIB: f64 = 1024.0 * 1024.0;
const CPU_PERCENT_MAX: f64 = 1.0;
const MEMORY_MIB_MAX: f64 = 100.0;
const START_S_MAX: f64 = 3.0;

/// Nodes are measured fresh, and again after a load, when nobody asks them for anything. Then one is killed and started:
/// until it answers.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Documents that are loaded between.
    #[arg(long, default_value_t = 100_000)]
    documents: usize,
    /// How long nothing happens while it is measured.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Write everything here too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The largest of all nodes.
#[derive(serde::Serialize)]
struct Idle {
    documents: usize,
    cpu_percent: f64,
    memory_mib: f64,
    disk_mib: f64,
}

/// Starts a network, and prints.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut stage = Stage::start(ORGANISATIONS, ORGANISATIONS, Duration::ZERO)?;
    let machine = Machine::here();
    println!("{machine}");
    println!("{ORGANISATIONS} nodes, the largest of them; idle for {} s", arguments.seconds);
    println!("{:>10} {:>14} {:>12} {:>10}", "documents", "% of a core", "memory MiB", "disk MiB");
    let fresh = idle(&mut stage.network, 0, arguments.seconds)?;
    stage.runtime.block_on(stage.load.preload(arguments.documents))?;
    let loaded = idle(&mut stage.network, arguments.documents, arguments.seconds)?;
    let begun = Instant::now();
    stage.network.kill(0)?;
    stage.network.restart(0)?;
    let start_seconds = begun.elapsed().as_secs_f64();
    println!("killed, started and answering again: {start_seconds:.2} s\n");
    target("CPU of an idle node, % of a core", CPU_PERCENT_MAX, fresh.cpu_percent.max(loaded.cpu_percent));
    target("memory of a fresh node, MiB", MEMORY_MIB_MAX, fresh.memory_mib);
    target("start-up, s", START_S_MAX, start_seconds);
    if let Some(path) = &arguments.json {
        let report = serde_json::json!({
            "machine": machine, "fresh": fresh, "loaded": loaded, "start_seconds": start_seconds
        });
        fs::write(path, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    Ok(())
}

fn idle(network: &mut Network, documents: usize, seconds: u64) -> Result<Idle, Failure> {
    sleep(SETTLES);
    let pids = (0..ORGANISATIONS).map(|n| network.pid(n).ok_or("a node does not run"));
    let pids = pids.collect::<Result<Vec<u32>, _>>()?;
    let before: Vec<Duration> = pids.iter().map(|pid| cpu_of(*pid)).collect();
    sleep(Duration::from_secs(seconds));
    let spent = pids.iter().zip(before).map(|(pid, before)| cpu_of(*pid).saturating_sub(before)).max();
    let most = |of: &dyn Fn(usize) -> u64| (0..ORGANISATIONS).map(of).max().unwrap_or(0) as f64 / MIB;
    let idle = Idle {
        documents,
        cpu_percent: 100.0 * spent.unwrap_or_default().as_secs_f64() / seconds.max(1) as f64,
        memory_mib: most(&|n| memory_of(pids[n]).now),
        disk_mib: most(&|n| disk_of(&network.nodes()[n].folder)),
    };
    let Idle { cpu_percent, memory_mib, disk_mib, .. } = &idle;
    println!("{documents:>10} {cpu_percent:>14.2} {memory_mib:>12.0} {disk_mib:>10.0}");
    Ok(idle)
}

fn target(what: &str, wanted: f64, measured: f64) {
    let verdict = if measured <= wanted { "met" } else { "not met" };
    println!("{what:<36} <= {wanted:.0}, measured {measured:.2}: {verdict}");
}
