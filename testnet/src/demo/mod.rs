//! Show the whole: four companies share flights, the leader dies in the middle, every claim is checked.

mod crash;
mod flights;
mod misbehave;
mod proofs;
mod receipts;
mod refusals;
mod report;

pub use flights::schema as flight_schema;
pub use misbehave::{MISBEHAVIOURS, misbehave};
pub use report::Report;

use crate::error::hold;
use crate::{Import, ImportPlan, Layout, Network, Options, RowResult, TestnetError, operations_account};
use flights::Flight;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const COLLECTION: &str = "flights";
const ID_FIELD: &str = "flightId";
const IMPORT_WITHIN: Duration = Duration::from_secs(900);
const AGREE_WITHIN: Duration = Duration::from_secs(180);
/// A few rows would be in before a crash could hit them, so they are slowed down to last this long.
const IMPORT_SECONDS_MIN: u64 = 12;
/// Above this many rows no slowing is needed.
const UNHURRIED_ROWS: usize = 20_000;

/// What to show.
#[derive(Debug, Clone, Default)]
pub struct DemoOptions {
    /// At most this many rows; all there are without it.
    pub rows: Option<usize>,
    /// Leaves the network's folder behind.
    pub keep: bool,
}

/// Runs it; an error says which claim did not hold.
pub fn run(options: &DemoOptions) -> Result<Report, TestnetError> {
    let begun = Instant::now();
    let flights = flights::load(options.rows)?;
    say(&format!("starting four organisations for {} flights", flights.len()));
    let mut network = Network::start(Options::default())?;
    say(&format!("running in {}", network.layout().root().display()));
    let shown = show(&mut network, &flights, begun);
    if shown.is_err() || options.keep {
        network.keep_folder();
    }
    if shown.is_err() {
        network.print_logs();
    }
    shown
}

fn show(network: &mut Network, flights: &[Flight], begun: Instant) -> Result<Report, TestnetError> {
    let work = WorkFolder::make(network.layout())?;
    say("defining the collection, signed by a quorum of organisations");
    network.define_collection(COLLECTION, &flights::schema())?;
    refusals::show(network, &flights[0], &work)?;

    say("importing through four nodes; the leader will be killed");
    let started = Instant::now();
    let mut imports = start_imports(network, flights, &work)?;
    let crash = crash::kill_and_restart_leader(network, &mut imports, flights.len() as u64)?;
    let summaries = imports.iter_mut().map(|i| i.finish(IMPORT_WITHIN)).collect::<Result<Vec<_>, _>>()?;
    let import_seconds = started.elapsed().as_secs_f64();
    let results = imports.iter().map(Import::results).collect::<Result<Vec<_>, _>>()?.concat();

    say("waiting for all four nodes to certify the same height");
    let agreement = network.wait_agreement(AGREE_WITHIN)?;
    check_every_row_once(network, flights, &results)?;
    let rows = sample(flights, &results)?;
    let verified = receipts::show(network, &rows, &work)?;
    let nodes = network.nodes().len();
    let proofs = proofs::show(network, rows[0], &work)?;
    Ok(Report {
        rows: flights.len() as u64,
        summaries,
        latencies_ms: results.iter().map(|r| r.ms).collect(),
        import_seconds,
        crash,
        agreement,
        nodes,
        receipts: verified,
        proofs,
        elapsed: begun.elapsed(),
    })
}

fn start_imports(network: &Network, flights: &[Flight], work: &WorkFolder) -> Result<Vec<Import>, TestnetError> {
    let mut by_signer: BTreeMap<String, Vec<&Flight>> = BTreeMap::new();
    for flight in flights {
        by_signer.entry(operations_account(flight.organisation())).or_default().push(flight);
    }
    let all = flights.len();
    let start = |(account, flights): (String, Vec<&Flight>)| {
        let organisation = flights[0].organisation();
        let rows = work.file(&format!("{organisation}.ndjson"));
        let lines: String = flights.iter().map(|flight| format!("{}\n", flight.line)).collect();
        fs::write(&rows, lines).map_err(TestnetError::file(&rows))?;
        let plan = ImportPlan {
            account,
            collection: COLLECTION.to_owned(),
            id_field: ID_FIELD.to_owned(),
            rows,
            results: work.file(&format!("{organisation}.results.ndjson")),
            rate: rate(flights.len(), all),
        };
        Import::start(network, plan)
    };
    by_signer.into_iter().map(start).collect()
}

/// Rows a second for one of the imports, so that all take long enough for a crash to hit them.
fn rate(of_one: usize, all: usize) -> Option<u64> {
    (all < UNHURRIED_ROWS).then(|| (of_one as u64).div_ceil(IMPORT_SECONDS_MIN))
}

/// Every flight is there once, as it was sent, and each has an answer that says so.
fn check_every_row_once(network: &Network, flights: &[Flight], results: &[RowResult]) -> Result<(), TestnetError> {
    say("comparing every document with its row");
    let applied = results.iter().filter(|r| r.is_applied()).count();
    hold(applied == flights.len(), || format!("{applied} of {} rows are answered as applied", flights.len()))?;
    let documents = network.client(&operations_account(flights[0].organisation()), 0).documents(COLLECTION)?;
    hold(documents.len() == flights.len(), || format!("{} documents came of {} rows", documents.len(), flights.len()))?;
    let by_id: BTreeMap<&str, &Flight> = flights.iter().map(|flight| (flight.id.as_str(), flight)).collect();
    for document in &documents {
        let row = by_id.get(document.id.as_str()).map(|flight| &flight.value);
        hold(document.version == 1 && row == Some(&document.value), || {
            format!("document {} is its row, written once: version {}", document.id, document.version)
        })?;
    }
    Ok(())
}

/// One answered row of each organisation, from different places of the files.
fn sample<'a>(
    flights: &'a [Flight],
    results: &'a [RowResult],
) -> Result<Vec<(&'a Flight, &'a RowResult)>, TestnetError> {
    let answers: BTreeMap<&str, &RowResult> = results.iter().map(|r| (r.id.as_str(), r)).collect();
    let mut by_organisation: BTreeMap<&str, Vec<&Flight>> = BTreeMap::new();
    for flight in flights {
        by_organisation.entry(flight.organisation()).or_default().push(flight);
    }
    let picked = by_organisation.values().enumerate().map(|(n, of_one)| of_one[(of_one.len() - 1) * n / 3]);
    let with_answer = picked.map(|flight| answers.get(flight.id.as_str()).map(|answer| (flight, *answer)));
    with_answer.collect::<Option<Vec<_>>>().ok_or_else(|| TestnetError::Broken("every row has an answer".to_owned()))
}

/// A folder of the demo's own files beside the network's.
struct WorkFolder(PathBuf);

impl WorkFolder {
    fn make(layout: &Layout) -> Result<WorkFolder, TestnetError> {
        let folder = layout.root().join("demo");
        fs::create_dir(&folder).map_err(TestnetError::file(&folder))?;
        Ok(WorkFolder(folder))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn say(what: &str) {
    println!("demo: {what}");
}
