//! Print what proofs cost: bytes, time to verify, proofs made a second.

use crate::log::{Log, document};
use clap::Args;
use countersign_proof::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Everything is in memory and on one thread; files are read from their bytes each time, as a stranger reads them.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Leaves of the log, and documents of its state
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..))]
    leaves: u64,
    /// Organisations, all of which sign: one table each
    #[arg(long, value_delimiter = ',', default_value = "4,7")]
    signers: Vec<usize>,
    /// Changes of membership on the log
    #[arg(long, default_value_t = 10)]
    changes: u64,
    /// Each time is the median of so many
    #[arg(long, default_value_t = 501)]
    runs: usize,
}

/// Prints the tables, and how fast proofs are made.
pub fn run(arguments: &Arguments) {
    let Arguments { leaves, changes, runs, .. } = *arguments;
    println!("{leaves} leaves, {changes} changes of membership, 256-byte documents, times the median of {runs} runs");
    for signers in &arguments.signers {
        let log = Log::new(*signers, leaves, changes);
        println!("\n{:<34} {:>9} {:>22}", format!("{signers} signers"), "bytes", "parsed and verified us");
        print_table(&log, changes as usize, runs);
        print_made(&log, leaves);
    }
}

fn print_table(log: &Log, changes: usize, runs: usize) {
    let whole = log.bundle(changes).verify(&log.hash()).expect("it holds");
    let (collection, id) = document();
    let print = |name: &str, file: &[u8], verify: &dyn Fn(&[u8])| {
        let time = median(runs, || verify(black_box(file)));
        println!("{name:<34} {:>9} {:>22}", file.len(), time.as_micros());
    };
    let receipt = log.receipt();
    print("receipt", receipt.to_string().as_bytes(), &|file| {
        let text = std::str::from_utf8(file).expect("text");
        black_box(Receipt::parse(text).expect("its form").verify(&whole).expect("it holds"));
    });
    print("receipt as JSON", &receipt.to_json().expect("JSON"), &|file| {
        black_box(Receipt::from_json(file).expect("its form").verify(&whole).expect("it holds"));
    });
    print("COSE receipt of one node", &log.cose().to_bytes(), &|file| {
        let cose = CoseReceipt::parse(file).expect("its form");
        black_box(cose.verify_leaf(&whole, &receipt.leaf).expect("it holds"));
    });
    print("state proof", &log.state().to_bytes(), &|file| {
        black_box(StateProof::parse(file).expect("its form").verify(&whole, collection, id).expect("it holds"));
    });
    print("history proof of 10 versions", &log.history().to_bytes(), &|file| {
        black_box(HistoryProof::parse(file).expect("its form").verify(&whole, collection, id).expect("it holds"));
    });
    print("consistency proof", &log.consistency().to_bytes(), &|file| {
        black_box(ConsistencyProof::parse(file).expect("its form").verify(&whole).expect("it holds"));
    });
    for count in [0, 1, changes] {
        print(&format!("trust bundle, changes: {count}"), &log.bundle(count).to_bytes(), &|file| {
            black_box(TrustBundle::parse(file).expect("its form").verify(&log.hash()).expect("it holds"));
        });
    }
}

/// The paths alone: a node reads them from its store, and the note is there already.
fn print_made(log: &Log, leaves: u64) {
    let a_second = |make: &dyn Fn(u64)| {
        let (count, start) = (100_000, Instant::now());
        (0..count).for_each(make);
        count as f64 / start.elapsed().as_secs_f64()
    };
    let spread = |n: u64| n * 7_919 % leaves;
    let inclusion = a_second(&|n| drop(black_box(log.path(spread(n), leaves))));
    let consistency = a_second(&|n| drop(black_box(log.joining(spread(n) + 1, leaves))));
    println!("{:<34} {inclusion:>9.0} a second", "inclusion paths made");
    println!("{:<34} {consistency:>9.0} a second", "consistency paths made");
}

/// The middle one of so many runs.
fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[runs / 2]
}
