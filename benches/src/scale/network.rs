//! Grow a network of three processes, and measure it before and after.

use super::report::{Grown, Round};
use crate::Failure;
use crate::checked::Checker;
use crate::drive::{Drive, Pace};
use crate::setup::Stage;
use crate::snapshot::{PUBLISHED_EVERY, Snapshot, Watched, wait_quiet};
use countersign_client::Level;
use countersign_proof::Trust;
use std::time::Duration;

const ORGANISATIONS: usize = 3;
const IN_FLIGHT: usize = 1_024;
/// More a second than we expect: they are signed beforehand.
const SIGNED_A_SECOND: u64 = 20_000;
/// Documents of one preload: its transactions are in memory at once.
const PRELOADED_AT_ONCE: usize = 100_000;

/// Measures, preloads up to so many documents, and measures again.
pub(super) fn grow(documents: usize, accounts: usize, seconds: u64) -> Result<Grown, Failure> {
    let mut stage = Stage::start(ORGANISATIONS, accounts, Duration::ZERO)?;
    let nodes = Watched::all(&mut stage.network)?;
    let trust = Trust::from_genesis(stage.load.genesis());
    let mut checker = Checker::new(trust, nodes.iter().map(Watched::http_port).collect());
    let mut there = 0;
    let first = round(&mut stage, &nodes, &mut checker, &mut there, accounts, seconds)?;
    let mut preload = Duration::ZERO;
    while there < documents as u64 {
        let part = PRELOADED_AT_ONCE.min(documents - there as usize);
        preload += stage.runtime.block_on(stage.load.preload(part))?;
        there += part as u64;
        eprintln!("three nodes: {there} of {documents} documents");
    }
    let last = round(&mut stage, &nodes, &mut checker, &mut there, accounts, seconds)?;
    Ok(Grown { documents: last.documents, preload_seconds: preload.as_secs_f64(), first, last })
}

fn round(
    stage: &mut Stage,
    nodes: &[Watched],
    checker: &mut Checker,
    there: &mut u64,
    accounts: usize,
    seconds: u64,
) -> Result<Round, Failure> {
    let rows = stage.load.sign((SIGNED_A_SECOND * seconds) as usize + IN_FLIGHT, accounts)?;
    wait_quiet(nodes)?;
    let before = Snapshot::take(nodes)?;
    let (pace, lasts) = (Pace::Closed { in_flight: IN_FLIGHT }, Duration::from_secs(seconds));
    let (drive, clients) = (Drive { pace, level: Level::Certified, lasts }, stage.load.clients.clone());
    let driving = stage.runtime.spawn(async move { drive.run(&clients, rows).await });
    let driven = stage.runtime.block_on(driving)??;
    std::thread::sleep(PUBLISHED_EVERY);
    let after = Snapshot::take(nodes)?;
    driven.all_applied()?;
    if driven.ran_out {
        return Err("the signed transactions did not last to the end of the round".into());
    }
    checker.check(&driven.applied)?;
    let mut figures = after.since(&before, driven.latencies.answered());
    figures.insert("per_second".into(), driven.latencies.per_second(driven.window));
    figures.insert("p50_ms".into(), driven.latencies.ms(0.5));
    figures.insert("p99_ms".into(), driven.latencies.ms(0.99));
    let documents = *there;
    *there += driven.applied.len() as u64;
    Ok(Round { documents, figures })
}
