//! Run networks of three nodes in virtual time, each from a seed, with faults, twice, and compare the runs.

mod alarm;
mod canon;
mod clients;
mod founding;
mod host;
mod power;
mod random;
mod slow;
mod trace;
mod verdict;
mod world;

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use tokio::runtime::{Builder, RngSeed};
use world::{Counts, Faults, Run};

#[derive(Parser)]
#[command(name = "simulate", about)]
struct Arguments {
    /// How many seeds; 10, or 1 when the first is named.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them.
    #[arg(long)]
    seed: Option<u64>,
    /// Nothing but crashes between a line of the sign lock and its signature: seeds until there were so many.
    #[arg(long, value_name = "CRASHES", conflicts_with = "seeds")]
    signing: Option<u64>,
    /// Leave the traces here.
    #[arg(long)]
    traces: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    alarm::listen();
    let first = arguments.seed.unwrap_or(1);
    let seeds = arguments.seeds.unwrap_or(if arguments.seed.is_some() { 1 } else { 10 });
    let seeds = if arguments.signing.is_some() { u64::from(u32::MAX) } else { seeds };
    let (mut total, mut ran) = (Counts::default(), 0);
    for seed in first..first + seeds {
        if arguments.signing.is_some_and(|enough| total.signing_crashes >= enough) {
            break;
        }
        ran += 1;
        match twice(seed, &arguments) {
            Ok(counts) => total.add(&counts),
            Err(failure) => {
                eprintln!(
                    "\nseed {seed} is red: {failure}\nbring it back: testnet/simulate --seed {seed}{}",
                    signing(&arguments)
                );
                return ExitCode::FAILURE;
            }
        }
    }
    println!("all {ran} held: {}", total.shown());
    // A run set that exercised nothing proves nothing; one seed alone may be quiet.
    if seeds != 1 && arguments.signing.is_none() && (total.leader_changes == 0 || total.crashes == 0 || total.cuts == 0)
    {
        eprintln!("no leader change, no crash or no cut in all of them: the faults do not reach the network");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn signing(arguments: &Arguments) -> &'static str {
    if arguments.signing.is_some() { " --signing 1" } else { "" }
}

/// Runs a seed twice; the second run must repeat the first to the byte.
fn twice(seed: u64, arguments: &Arguments) -> Result<Counts, String> {
    let began = Instant::now();
    let faults = if arguments.signing.is_some() { Faults::Signing } else { Faults::Mixed };
    let first = once(seed, faults);
    if let Some(folder) = &arguments.traces {
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        std::fs::write(folder.join(format!("{seed}.ndjson")), &first.trace).map_err(|e| e.to_string())?;
    }
    if let Some(failure) = first.failure {
        return Err(failure);
    }
    let second = once(seed, faults);
    if first.trace != second.trace {
        let lines = first.trace.lines().zip(second.trace.lines()).enumerate();
        let differs = lines.filter(|(_, (one, other))| one != other).map(|(at, pair)| (at + 1, pair)).next();
        return Err(format!("two runs differ, first at this line: {differs:#?}"));
    }
    let (counts, wall) = (first.counts, began.elapsed().as_secs_f64());
    println!(
        "seed {seed}: {}, trace {}, {wall:.1} s for both runs",
        counts.shown(),
        &trace::hash(&first.trace).to_string()[..16]
    );
    Ok(counts)
}

fn once(seed: u64, faults: Faults) -> Run {
    let rng = RngSeed::from_bytes(&seed.to_be_bytes());
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).rng_seed(rng).build();
    runtime.expect("a runtime of one thread").block_on(world::run(seed, faults))
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.blocks += other.blocks;
        self.transactions += other.transactions;
        self.leader_changes += other.leader_changes;
        self.crashes += other.crashes;
        self.lost_writes += other.lost_writes;
        self.signing_crashes += other.signing_crashes;
        self.cuts += other.cuts;
        self.restarts += other.restarts;
        self.catch_ups += other.catch_ups;
        self.virtual_ms += other.virtual_ms;
    }

    fn shown(&self) -> String {
        format!(
            "{} blocks, {} transactions, {} leader changes, {} crashes ({} writes lost, {} between lock and signature), {} cuts, {} restarts, \
             {} catch-ups, {:.1} s virtual",
            self.blocks,
            self.transactions,
            self.leader_changes,
            self.crashes,
            self.lost_writes,
            self.signing_crashes,
            self.cuts,
            self.restarts,
            self.catch_ups,
            self.virtual_ms as f64 / 1e3,
        )
    }
}
