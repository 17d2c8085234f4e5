//! Read the flights, and say which organisation signs which.

use crate::TestnetError;
use crate::repository::repository;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One row.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub id: String,
    /// The row as it stands in the file.
    pub line: String,
    /// The row, parsed.
    pub value: Value,
}

impl Flight {
    /// The carrier, if it is a member of the network; else the airport's operator.
    pub fn organisation(&self) -> &'static str {
        match self.value["carrier"].as_str() {
            Some("UA") => "ua.example",
            Some("B6") => "b6.example",
            Some("DL") => "dl.example",
            _ => "port.example",
        }
    }
}

/// Where the JSON Schema of a flight lies.
pub fn schema() -> PathBuf {
    crate_folder().join("data/flight.schema.json")
}

/// A month of flights when it lies beside the repository, else the sample that the repository carries.
pub(super) fn load(rows_max: Option<usize>) -> Result<Vec<Flight>, TestnetError> {
    let month = crate_folder().join("../../shared/data/flights/flights-2013-01.ndjson.gz");
    let sample = crate_folder().join("data/flights-sample.ndjson");
    let (from, text) = if month.exists() { (&month, unpack(&month)?) } else { (&sample, read(&sample)?) };
    let lines = text.lines().take(rows_max.unwrap_or(usize::MAX));
    let flights = lines.map(|line| parse(from, line)).collect::<Result<Vec<_>, _>>()?;
    if flights.is_empty() {
        Err(TestnetError::Usage("the demo needs a flight or more".to_owned()))
    } else {
        Ok(flights)
    }
}

fn parse(file: &Path, line: &str) -> Result<Flight, TestnetError> {
    let wrong = |reason: String| TestnetError::Usage(format!("{}: {reason} in {line}", file.display()));
    let value: Value = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
    let id = value[super::ID_FIELD].as_str().ok_or_else(|| wrong("no id".to_owned()))?.to_owned();
    Ok(Flight { id, line: line.to_owned(), value })
}

fn unpack(file: &Path) -> Result<String, TestnetError> {
    let output = Command::new("gzip").arg("-dc").arg(file).output().map_err(TestnetError::file(file))?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success());
    text.ok_or_else(|| TestnetError::Usage(format!("gzip cannot unpack {}", file.display())))
}

fn read(file: &Path) -> Result<String, TestnetError> {
    fs::read_to_string(file).map_err(TestnetError::file(file))
}

fn crate_folder() -> PathBuf {
    repository().join("testnet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn the_sample_gives_every_organisation_a_hundred_flights() {
        let file = crate_folder().join("data/flights-sample.ndjson");
        let text = read(&file).expect("the repository carries it");
        let flights: Vec<Flight> = text.lines().map(|line| parse(&file, line).expect("a flight")).collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        flights.iter().for_each(|flight| *counts.entry(flight.organisation()).or_default() += 1);
        assert_eq!(counts.values().copied().collect::<Vec<_>>(), [100; 4], "{counts:?}");
        assert_eq!(flights.iter().map(|f| &f.id).collect::<BTreeSet<_>>().len(), 400, "ids are unique");
    }
}
