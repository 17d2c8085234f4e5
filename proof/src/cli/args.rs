//! Declare what a verification is given: files, anchors of trust, claims.

use crate::Hash;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What to verify.
#[derive(Debug, Subcommand)]
pub enum VerifyCommand {
    /// Check a receipt: that its leaf is on the ledger, and who signed for it
    Receipt(Receipt),
    /// Check a state proof: what a document held at a height, or that it was absent
    State(State),
    /// Check a history proof: that a list of a document's versions is complete
    History(History),
    /// Check a consistency proof: that one certified log is the beginning of another
    Consistency(File),
    /// Check a trust bundle: follow the membership from genesis to its last epoch
    Trust(TrustFile),
    /// Check evidence: that an organisation signed statements that contradict each other. Of a false seal it says who
    /// signed, and ends with 13: `countersign audit --level full` shows the rest
    Evidence(File),
}

/// Where trust comes from, and how the answer is given.
#[derive(Debug, Args)]
pub struct Claims {
    /// The ledger's genesis file [env: COUNTERSIGN_GENESIS, where nothing else gives one]
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    pub genesis: Option<PathBuf>,
    /// The hash the genesis must have, as you were told it
    #[arg(long, value_name = "HEX", value_parser = hash, help_heading = "Trust")]
    pub genesis_hash: Option<Hash>,
    /// A trust bundle, which leads from the genesis to later epochs
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    pub trust: Option<PathBuf>,
    /// An epoch that you pinned, instead of the genesis
    #[arg(long, value_name = "FILE", conflicts_with_all = ["genesis", "genesis_hash"], help_heading = "Trust")]
    pub epoch: Option<PathBuf>,
    /// A C2SP policy that you chose, instead of the genesis: it names keys and a quorum, but follows no epochs
    #[arg(long, value_name = "FILE", requires = "origin", help_heading = "Trust",
        conflicts_with_all = ["genesis", "genesis_hash", "epoch", "trust"])]
    pub policy: Option<PathBuf>,
    /// The ledger that the policy is for: <ledger>/<genesis hash>
    #[arg(long, requires = "policy", help_heading = "Trust")]
    pub origin: Option<String>,
    /// Where the newest verified checkpoint is remembered [default: in your state folder]
    #[arg(long, value_name = "FILE", help_heading = "Memory")]
    pub memory: Option<PathBuf>,
    /// Remember nothing, and compare with nothing
    #[arg(long, conflicts_with = "memory", help_heading = "Memory")]
    pub no_memory: bool,
    /// A consistency proof that joins what is verified to the checkpoint remembered
    #[arg(long, value_name = "FILE", conflicts_with = "no_memory", help_heading = "Memory")]
    pub joined_by: Option<PathBuf>,
    /// Print the answer as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// One file and nothing to claim of it.
#[derive(Debug, Args)]
pub struct File {
    #[command(flatten)]
    pub(super) claims: Claims,
    /// The file; - for the standard input
    pub(super) file: PathBuf,
}

/// A receipt, and what it should be of.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  receipt --genesis genesis.json --genesis-hash b22b... flight.tlog-proof")]
pub struct Receipt {
    #[command(flatten)]
    pub(super) claims: Claims,
    /// The transaction it must be of
    #[arg(long, value_name = "HEX", value_parser = hash, help_heading = "Claims")]
    pub(super) transaction: Option<Hash>,
    /// A file with the very leaf it must be of
    #[arg(long, value_name = "FILE", help_heading = "Claims")]
    pub(super) leaf: Option<PathBuf>,
    /// The receipt (tlog-proof, JSON or exhibit); - for the standard input
    pub(super) file: PathBuf,
}

/// A state proof, and the document it is of.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  state --genesis-hash b22b... --collection flights --id UA1545 UA1545.exhibit")]
pub struct State {
    #[command(flatten)]
    pub(super) claims: Claims,
    #[command(flatten)]
    pub(super) document: Document,
    /// A file with the very value it must have held
    #[arg(long, value_name = "FILE", conflicts_with = "absent", help_heading = "Claims")]
    pub(super) value: Option<PathBuf>,
    /// It must have been absent: never there, or deleted
    #[arg(long, help_heading = "Claims")]
    pub(super) absent: bool,
    /// The proof; - for the standard input
    pub(super) file: PathBuf,
}

/// A history proof, and the document and the heights it is of.
#[derive(Debug, Args)]
pub struct History {
    #[command(flatten)]
    pub(super) claims: Claims,
    #[command(flatten)]
    pub(super) document: Document,
    /// It must be complete from this height on
    #[arg(long, value_name = "HEIGHT", help_heading = "Claims")]
    pub(super) from: Option<u64>,
    /// It must be complete up to this height
    #[arg(long, value_name = "HEIGHT", help_heading = "Claims")]
    pub(super) to: Option<u64>,
    /// The proof; - for the standard input
    pub(super) file: PathBuf,
}

/// A trust bundle.
#[derive(Debug, Args)]
pub struct TrustFile {
    #[command(flatten)]
    pub(super) claims: Claims,
    /// Write the last epoch to this file, to pin it
    #[arg(long, value_name = "FILE")]
    pub(super) pin: Option<PathBuf>,
    /// The bundle; - for the standard input
    pub(super) file: PathBuf,
}

/// Which document; a proof of absence does not name it, so the caller does.
#[derive(Debug, Args)]
pub struct Document {
    /// The document's collection
    #[arg(long, help_heading = "Claims")]
    pub(super) collection: String,
    /// The document's id
    #[arg(long, help_heading = "Claims")]
    pub(super) id: String,
}

impl VerifyCommand {
    pub(super) fn claims(&self) -> &Claims {
        match self {
            VerifyCommand::Receipt(of) => &of.claims,
            VerifyCommand::State(of) => &of.claims,
            VerifyCommand::History(of) => &of.claims,
            VerifyCommand::Trust(of) => &of.claims,
            VerifyCommand::Consistency(of) | VerifyCommand::Evidence(of) => &of.claims,
        }
    }

    pub(super) fn file(&self) -> &PathBuf {
        match self {
            VerifyCommand::Receipt(of) => &of.file,
            VerifyCommand::State(of) => &of.file,
            VerifyCommand::History(of) => &of.file,
            VerifyCommand::Trust(of) => &of.file,
            VerifyCommand::Consistency(of) | VerifyCommand::Evidence(of) => &of.file,
        }
    }
}

fn hash(text: &str) -> Result<Hash, String> {
    Hash::from_hex("hash", text).map_err(|error| error.to_string())
}
