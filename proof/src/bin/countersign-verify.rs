//! Verify Countersign's proof files offline: a small binary that shares no code with the node but the formats.

use clap::Parser;
use countersign_proof::cli::{EXIT_CODES, VerifyCommand, run};
use std::process::ExitCode;

/// Check proofs of a Countersign ledger offline
#[derive(Debug, Parser)]
#[command(name = "countersign-verify", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: VerifyCommand,
}

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("countersign-verify: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
