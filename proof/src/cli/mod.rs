//! Verify proof files offline from the command line: the code behind `countersign-verify` and `countersign verify`.
//!
//! ```text
//!  files ─▶ sources (trust) ─▶ judge (checks, in order) ─▶ memory (never below) ─▶ report
//! ```
//!
//! There is one way to a yes: a [`crate::Trust`] that certifies the checkpoint, and a verified type that only the
//! checks can make.

mod args;
mod failure;
mod judge;
mod memory;
mod report;
mod sources;

pub use args::{Claims, VerifyCommand};
pub use failure::CliFailure;
pub use report::{Report, utc};

/// What `--help` says of exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0   verified, and every claim given was proved
  2   the command line or a file it names is not usable
  11  not verified: one line names the check that failed (file, genesis, epochs, quorum, log-signature, inclusion, leaf,
      state, history, consistency, evidence, claim)
  12  not verified: it lies below the newest checkpoint that was verified here before, or beside it
  13  the signatures hold, but only re-execution can show the rest: evidence of a false seal is decided by
      `countersign audit --level full`, which executes the ledger again and names the first height that differs

Nothing but the files named is read, and no network is used.";

/// What `--json` prints of the command, and the exit code it ends with: for whoever verifies many files in one process.
pub fn answer(command: &VerifyCommand) -> (serde_json::Value, u8) {
    match judge::judge(command) {
        Ok(report) if report.needs_execution => (report.to_json(), CliFailure::NeedsExecution.exit_code()),
        Ok(report) => (report.to_json(), 0),
        Err(failure) => (failure.to_json(), failure.exit_code()),
    }
}

/// Verifies what the command names and prints the report, or says which check failed.
pub fn run(command: &VerifyCommand) -> Result<(), CliFailure> {
    let judged = judge::judge(command);
    let printed = match (&judged, command.claims().json) {
        (Ok(report), true) => report::print(&format!("{}\n", report.to_json())),
        (Ok(report), false) => report::print(&report.to_string()),
        (Err(failure), true) if failure.exit_code() > 2 => report::print(&format!("{}\n", failure.to_json())),
        (Err(_), _) => Ok(()),
    };
    // The verdict first: whoever closes the output early must not turn a no into a yes.
    match judged {
        Err(failure) => Err(failure),
        Ok(report) if report.needs_execution => Err(CliFailure::NeedsExecution),
        Ok(_) => printed,
    }
}
