//! Submit each line of an NDJSON file as a document, exactly once however often it is run.

mod results;
mod rows;
mod summary;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{self, duration};
use crate::submit::LevelName;
use clap::{ArgGroup, Args};
use countersign_client::{BulkOptions, BulkResult, ClientError};
use indicatif::{ProgressBar, ProgressStyle};
use results::Results;
use rows::RowReader;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;
use summary::Summary;
use tokio::sync::mpsc::{self, Receiver};

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("ids").required(true).args(["id_field", "id_line"])),
    after_help = "Each row is one transaction that makes one document. Its nonce is made from the collection, the id and the row,
so the same row by the same key is the same transaction: importing again changes nothing and gives the first answers.
What is refused for the moment, unknown, or cut off by a lost node is sent again until the time for the row is over.

The results file has a line for each row: line, id, outcome, code, transaction, leaf, height, ms. Given again, rows that
were applied or rejected are skipped, the others are tried again. In the summary, repeats counts sendings beyond the
first. Exit code 0 if every row was applied; else 3 if any was rejected, 4 refused, 6 unknown.

Examples:
  zcat flights.ndjson.gz | countersign import --collection flights --id-field flightId -
  countersign import --collection events --id-line EPCIS- --rate 500 --results results.ndjson events.ndjson"
)]
pub struct Import {
    /// The collection to import into
    #[arg(long)]
    collection: String,
    /// The member, or JSON pointer, whose value is the document's id
    #[arg(long, value_name = "FIELD")]
    id_field: Option<String>,
    /// Ids are this prefix and the line's number
    #[arg(long, value_name = "PREFIX")]
    id_line: Option<String>,
    /// Where to write what became of each row; rows answered in it are skipped
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Transactions under way at once
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    in_flight: u32,
    /// Begin at most so many rows a second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How far a row must have come
    #[arg(long, value_enum, default_value = "certified")]
    level: LevelName,
    /// How long one row is tried for, over all attempts and nodes
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = duration)]
    timeout: Duration,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
    /// The rows, one JSON object a line; - for the standard input
    file: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(command: Box<Import>) -> Result<(), Failure> {
    let client = command.connection.client()?;
    let results = command.results.as_deref().map(Results::open).transpose()?;
    let answered = results.as_ref().map(Results::answered).unwrap_or_default();
    let reader = RowReader::new(&command, client.genesis().hash(), answered)?;
    let level = command.level.level();
    let options =
        BulkOptions { level, in_flight: command.in_flight as usize, rate: command.rate, timeout: command.timeout };
    let (rows, queue) = mpsc::channel(64);
    let (answers, answered) = mpsc::channel(256);
    let local = answers.clone();
    // Reading and signing are blocking work, on a thread of their own.
    let reading = tokio::task::spawn_blocking(move || reader.run(&rows, &local));
    let submitting = tokio::spawn(async move { client.submit_bulk(queue, answers, options).await });
    let mut summary = Summary::new(level);
    if let Err(failure) = record(answered, results, &mut summary).await {
        submitting.abort();
        return Err(failure);
    }
    let submitted = submitting.await.map_err(|e| Failure::Other(e.to_string()))?;
    // When submission ended early the reader may wait for input that never comes: it is left behind.
    let read = match submitted {
        Ok(()) => reading.await.map_err(|e| Failure::Other(e.to_string()))?,
        Err(_) => Ok(0),
    };
    summary.rows_skipped(*read.as_ref().unwrap_or(&0));
    output::line(if command.json { summary.to_json().to_string() } else { summary.to_string() })?;
    submitted?;
    read?;
    summary.verdict()
}

/// Takes the results as they come; ends when reader and submitter have both ended.
async fn record(
    mut answers: Receiver<BulkResult>,
    mut results: Option<Results>,
    summary: &mut Summary,
) -> Result<(), Failure> {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::no_length() } else { ProgressBar::hidden() };
    bar.set_style(ProgressStyle::with_template("{pos} rows  {per_sec}  {elapsed}  {msg}").expect("a template of ours"));
    while let Some(answer) = answers.recv().await {
        let mut next = Some(answer);
        while let Some(answer) = next {
            let row = summary.count(answer);
            if let Some(results) = &mut results {
                results.write(&row)?;
            }
            bar.inc(1);
            next = answers.try_recv().ok();
        }
        // Nothing waits: a good moment. What a crash loses of the file is submitted again, and is harmless.
        if let Some(results) = &mut results {
            results.flush()?;
        }
        bar.set_message(summary.troubles());
    }
    bar.finish_and_clear();
    Ok(())
}

/// A row that never was a transaction.
fn is_local(error: &ClientError) -> bool {
    matches!(error, ClientError::Malformed(_) | ClientError::Invalid { .. })
}
