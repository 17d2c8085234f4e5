//! Keep what became of each row, so that an import can be resumed.

use crate::failure::Failure;
use countersign_proof::Hash;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// One line of the results file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowResult {
    /// The row's line, from 1.
    pub line: u64,
    /// The document's id.
    pub id: String,
    /// applied, rejected, refused or unknown.
    pub outcome: String,
    /// Why, if it was not applied.
    pub code: Option<String>,
    /// The same in one sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// The transaction; null for a row that is none.
    pub transaction: Option<Hash>,
    /// Its leaf.
    pub leaf: Option<u64>,
    /// Its block.
    pub height: Option<u64>,
    /// From the first sending to the answer.
    pub ms: u64,
}

/// A results file that is open to be continued.
pub struct Results {
    path: PathBuf,
    file: BufWriter<File>,
    answered: HashMap<u64, Hash>,
}

impl Results {
    /// Opens the file, made if need be, and reads what it holds. A last line that a crash cut short is cut off.
    pub fn open(path: &Path) -> Result<Results, Failure> {
        let failed = |e: std::io::Error| Failure::file(path, "used for results", &e);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let (answered, end) = read(path, &file)?;
        file.set_len(end).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        Ok(Results { path: path.to_owned(), file: BufWriter::new(file), answered })
    }

    /// By line: the transactions with a definite answer. Refused and unknown ones are worth another try.
    pub fn answered(&self) -> HashMap<u64, Hash> {
        self.answered.clone()
    }

    /// Adds a line.
    pub fn write(&mut self, row: &RowResult) -> Result<(), Failure> {
        let line = serde_json::to_string(row).expect("plain members");
        writeln!(self.file, "{line}").map_err(|e| Failure::file(&self.path, "written", &e))
    }

    /// Hands what was written to the operating system.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|e| Failure::file(&self.path, "written", &e))
    }
}

/// The answered rows, and where the last whole line ends.
fn read(path: &Path, file: &File) -> Result<(HashMap<u64, Hash>, u64), Failure> {
    let (mut answered, mut end, mut number) = (HashMap::new(), 0, 0);
    let mut lines = BufReader::new(file);
    let mut line = String::new();
    loop {
        line.clear();
        let read = lines.read_line(&mut line).map_err(|e| Failure::file(path, "read", &e))?;
        if !line.ends_with('\n') {
            return Ok((answered, end));
        }
        (end, number) = (end + read as u64, number + 1);
        let wrong = |e| Failure::Usage(format!("{}: line {number} is no result of an import: {e}", path.display()));
        let row: RowResult = serde_json::from_str(&line).map_err(wrong)?;
        if let (Some(id), "applied" | "rejected") = (row.transaction, &row.outcome[..]) {
            answered.insert(row.line, id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, outcome: &str) -> RowResult {
        let transaction = Some(Hash([line as u8; 32]));
        let (id, outcome) = (format!("R-{line}"), outcome.to_owned());
        RowResult { line, id, outcome, code: None, detail: None, transaction, leaf: None, height: None, ms: 1 }
    }

    #[test]
    fn a_resumed_import_knows_its_definite_answers_and_drops_a_torn_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("results.ndjson");
        let mut results = Results::open(&path).expect("made");
        for (line, outcome) in [(1, "applied"), (2, "refused"), (3, "rejected"), (4, "unknown")] {
            results.write(&row(line, outcome)).expect("written");
        }
        results.flush().expect("written");
        drop(results);
        let whole = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, format!("{whole}{{\"line\":5,\"outc")).expect("torn");
        let mut results = Results::open(&path).expect("resumed");
        assert_eq!(results.answered(), HashMap::from([(1, Hash([1; 32])), (3, Hash([3; 32]))]));
        results.write(&row(2, "applied")).expect("written");
        results.flush().expect("written");
        let lines = std::fs::read_to_string(&path).expect("text");
        assert_eq!(lines.lines().count(), 5);
        assert!(lines.starts_with(&whole));
    }

    #[test]
    fn another_file_is_not_taken_for_results() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("flights.ndjson");
        std::fs::write(&path, "{\"flightId\":\"UA1\"}\n").expect("written");
        assert!(Results::open(&path).err().expect("refused").to_string().contains("line 1"));
        assert_eq!(std::fs::read(&path).expect("there").len(), 19);
    }
}
