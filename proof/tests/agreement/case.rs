//! Judge cases by both command lines and compare what they say.

use crate::model::Model;
use clap::Parser;
use countersign_proof::cli::{VerifyCommand, answer};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A command line, and the files it names as `@<name>`.
#[derive(Clone)]
pub struct Case {
    words: Vec<String>,
    files: Vec<(&'static str, Vec<u8>)>,
}

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: VerifyCommand,
}

impl Case {
    /// Of a line of words; no word holds a space.
    pub fn new(line: &str, files: &[(&'static str, Vec<u8>)]) -> Case {
        Case { words: line.split(' ').map(str::to_owned).collect(), files: files.to_vec() }
    }

    /// With one more option, whose value may hold anything.
    pub fn with(mut self, option: &str, value: &str) -> Case {
        self.words.extend([option.to_owned(), value.to_owned()]);
        self
    }
}

/// A folder with the files that most cases share.
pub struct Desk(TempDir);

impl Desk {
    pub fn new(model: &Model) -> Desk {
        let desk = Desk(TempDir::new().expect("a folder"));
        let put = |name: &str, bytes: Vec<u8>| std::fs::write(desk.0.path().join(name), bytes).expect("written");
        put("genesis", model.genesis.bytes().to_vec());
        put("trust", model.bundle().to_bytes());
        put("epoch", model.pinned().to_bytes());
        put("receipt", model.receipt(model.seals[5].first, model.seals[5].tree_size()).to_string().into_bytes());
        put("old", model.receipt(2, model.seals[3].tree_size()).to_string().into_bytes());
        desk
    }

    /// What `countersign-verify --json` says, and its exit code.
    pub fn judge(&self, case: &Case) -> (Value, u8) {
        let words = self.words(case, self.0.path());
        judge(&words)
    }

    /// Judges all cases twice. Returns what the comparison says of them.
    ///
    /// # Panics
    /// When the two verifiers differ on one, or Node.js is not there.
    pub fn agree(&self, what: &str, cases: &[Case]) -> String {
        let kept = std::env::var_os("COUNTERSIGN_KEEP").map(PathBuf::from);
        let folder = kept.unwrap_or_else(|| self.0.path().to_owned()).join(what);
        let mut lines = String::new();
        for (number, case) in cases.iter().enumerate() {
            let own = folder.join(number.to_string());
            std::fs::create_dir_all(&own).expect("a folder");
            let words = self.words(case, &own);
            let (said, code) = judge(&words);
            lines += &format!("{}\n", json!({"code": code, "said": said, "words": words}));
        }
        let path = folder.join("cases");
        std::fs::write(&path, lines).expect("written");
        let script = Path::new("js/test/agree.js");
        let output = Command::new("node").arg(script).arg(&path).output();
        let output = output.expect("Node.js 20 or newer, with which the second verifier runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{what}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout).trim_end().to_owned()
    }

    /// Writes the case's own files into `own`; the others lie in the desk's folder.
    fn words(&self, case: &Case, own: &Path) -> Vec<String> {
        for (name, bytes) in &case.files {
            std::fs::write(own.join(name), bytes).expect("written");
        }
        let path = |name: &str| {
            let folder = if case.files.iter().any(|(own, _)| *own == name) { own } else { self.0.path() };
            folder.join(name).to_str().expect("UTF-8").to_owned()
        };
        case.words.iter().map(|word| word.strip_prefix('@').map_or_else(|| word.clone(), path)).collect()
    }
}

fn judge(words: &[String]) -> (Value, u8) {
    let program = "countersign-verify".to_owned();
    let words = std::iter::once(&program).chain(words).cloned().chain(["--no-memory".to_owned()]);
    match Line::try_parse_from(words) {
        Ok(line) => answer(&line.command),
        Err(error) => (json!({"reason": error.to_string(), "verified": false}), 2),
    }
}
