//! Say what was proved, by whom, from which trust, and what was not.

use super::failure::CliFailure;
use super::memory::Known;
use super::sources::Sources;
use crate::{Anchor, CertifiedCheckpoint, Count, Leaf, Outcome};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::{ErrorKind, Write};

/// The answer to one verification that held.
#[derive(Debug)]
pub struct Report {
    origin: String,
    trusted_from: String,
    proved: Vec<String>,
    not_proved: Vec<String>,
    signed: Option<Signed>,
    memory: Option<String>,
    members: Map<String, Value>,
    /// The last step, re-execution, remains to be done.
    pub(super) needs_execution: bool,
}

#[derive(Debug)]
struct Signed {
    certified: CertifiedCheckpoint,
    counts: Vec<Count>,
}

impl Report {
    pub(super) fn of_ledger(sources: &Sources) -> Report {
        let trusted_from = match (sources.trust.anchor(), sources.anchored) {
            (Anchor::PinnedEpoch, _) => "the epoch you pinned".to_owned(),
            (Anchor::Policy, _) => "the policy file you gave".to_owned(),
            (Anchor::Genesis, true) => "the genesis hash you gave".to_owned(),
            (Anchor::Genesis, false) => "the genesis file alone; compare its hash with one you were told".to_owned(),
        };
        Report {
            origin: sources.trust.origin().to_owned(),
            trusted_from,
            proved: Vec::new(),
            not_proved: vec!["that what the members wrote is true".to_owned()],
            signed: None,
            memory: None,
            members: Map::new(),
            needs_execution: false,
        }
    }

    pub(super) fn new(sources: &Sources, certified: &CertifiedCheckpoint) -> Report {
        let mut report = Report::of_ledger(sources);
        match sources.trust.epochs().last().map(|newest| newest.membership.epoch) {
            Some(epoch) if certified.counts().iter().all(|count| count.epoch == epoch) => {
                report.leave_open(format!("that the membership of epoch {epoch} is still in force"));
            }
            Some(_) => {}
            None => report.leave_open("that the policy was ever the ledger's: it knows no epochs"),
        }
        report.signed = Some(Signed { certified: certified.clone(), counts: certified.counts().to_vec() });
        report
    }

    pub(super) fn prove(&mut self, sentence: impl Into<String>) {
        self.proved.push(visible(&sentence.into()));
    }

    pub(super) fn leave_open(&mut self, sentence: impl Into<String>) {
        self.not_proved.push(visible(&sentence.into()));
    }

    pub(super) fn put(&mut self, name: &str, value: impl Serialize) {
        self.members.insert(name.to_owned(), serde_json::to_value(value).expect("our types are JSON"));
    }

    pub(super) fn known(&mut self, known: &Known) {
        self.memory = Some(match known {
            Known::Off => "none: trusted from its anchor only".to_owned(),
            Known::Nothing => "nothing was verified here before: trusted from its anchor only".to_owned(),
            Known::Size(size) => format!("a checkpoint of size {size} was verified here before"),
        });
    }

    /// The report as one JSON object.
    pub fn to_json(&self) -> Value {
        let mut all = self.members.clone();
        all.insert("memory".into(), json!(self.memory));
        all.insert("not_proved".into(), json!(self.not_proved));
        all.insert("origin".into(), json!(self.origin));
        all.insert("proved".into(), json!(self.proved));
        all.insert("trusted_from".into(), json!(self.trusted_from));
        all.insert("verified".into(), json!(!self.needs_execution));
        if let Some(Signed { certified, counts }) = &self.signed {
            let count = |c: &Count| json!({"epoch": c.epoch, "organisations": c.organisations, "quorum": c.quorum, "signed": c.signed});
            all.insert("counts".into(), counts.iter().map(count).collect());
            all.insert("epoch".into(), json!(certified.epoch()));
            all.insert("root".into(), json!(certified.checkpoint().root));
            all.insert("signers".into(), json!(certified.signers()));
            all.insert("tree_size".into(), json!(certified.checkpoint().size));
        }
        Value::Object(all)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.needs_execution { "signatures hold, not yet verified" } else { "verified" };
        writeln!(f, "{verdict}\n  ledger         {}\n  trusted from   {}", self.origin, self.trusted_from)?;
        for (at, sentence) in self.proved.iter().enumerate() {
            writeln!(f, "  {}{sentence}", if at == 0 { "proved         " } else { "               " })?;
        }
        if let Some(Signed { certified, counts }) = &self.signed {
            let checkpoint = certified.checkpoint();
            writeln!(f, "  tree           of size {}, root {}", checkpoint.size, checkpoint.root)?;
            if counts.is_empty() {
                writeln!(f, "  countersigned  as the policy asks; no epoch: by policy")?;
            }
            for Count { epoch, signed, quorum, organisations } in counts {
                let line =
                    format!("by {signed} of {organisations} organisations of epoch {epoch}, {quorum} are needed");
                writeln!(f, "  countersigned  {line}")?;
            }
            for (node, time) in certified.signers().values().flatten() {
                writeln!(f, "    {node}  {}", utc(*time))?;
            }
        }
        if let Some(memory) = &self.memory {
            writeln!(f, "  memory         {memory}")?;
        }
        writeln!(f, "  not proved")?;
        self.not_proved.iter().try_for_each(|open| writeln!(f, "    {open}"))
    }
}

/// A leaf in one sentence.
pub(super) fn leaf_sentence(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Genesis(_) => "the ledger began with this genesis".to_owned(),
        Leaf::Transaction(t) => {
            let outcome = match (t.outcome, &t.code) {
                (Outcome::Rejected, Some(code)) => format!("rejected ({code})"),
                (Outcome::Rejected, None) => "rejected".to_owned(),
                (Outcome::Applied, _) => "applied".to_owned(),
            };
            format!("transaction {} by {} was {outcome} at height {}", t.id, t.by, t.height)
        }
        Leaf::Seal(s) => format!("block {} of {} leaves ended at {}", s.height, s.leaves, utc(s.time / 1000)),
    }
}

/// Text of a stranger for a terminal: what could begin a line, move the cursor or turn the order of reading is escaped.
pub(super) fn visible(text: &str) -> String {
    let moves = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if moves(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// Seconds since 1970 as `2026-11-23T10:00:00Z`.
pub fn utc(seconds: u64) -> String {
    // Days to a date in the proleptic Gregorian calendar: H. Hinnant, "chrono-compatible low-level date algorithms".
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) =
        (day_of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// Writes to the standard output; a reader that went away is no failure of ours.
pub(super) fn print(text: &str) -> Result<(), CliFailure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => CliFailure::PipeClosed,
        _ => CliFailure::Usage(format!("the output cannot be written: {e}")),
    })
}
