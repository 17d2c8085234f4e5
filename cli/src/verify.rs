//! Check a receipt offline and say what it proves, and what it does not.

use crate::failure::Failure;
use crate::output::{self, hash, read_file, utc};
use clap::Args;
use countersign_proof::{Genesis, Hash, Leaf, Outcome, Receipt, VerifiedReceipt};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(
    after_help = "Nothing but the two files is used, and no network. Exit code 11 and one line when a check fails.

Example:
  countersign verify receipt --genesis genesis.json --genesis-hash b22b... flight.receipt"
)]
pub struct VerifyReceipt {
    /// The ledger's genesis file
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_GENESIS")]
    genesis: PathBuf,
    /// The hash the genesis must have, as you were told it
    #[arg(long, value_name = "HEX", value_parser = hash)]
    genesis_hash: Option<Hash>,
    /// Print what was proved as JSON
    #[arg(long)]
    json: bool,
    /// The receipt
    file: PathBuf,
}

pub fn run(command: &VerifyReceipt) -> Result<(), Failure> {
    let unverified = |e: countersign_proof::ProofError| Failure::Unverified(e.to_string());
    let genesis = read_file(&command.genesis)?;
    let genesis = match &command.genesis_hash {
        Some(expected) => Genesis::parse_expecting(&genesis, expected),
        None => Genesis::parse(&genesis),
    };
    let genesis = genesis.map_err(unverified)?;
    let text = String::from_utf8(read_file(&command.file)?)
        .map_err(|_| Failure::Unverified("receipt: not UTF-8 text".into()))?;
    let proof = Receipt::parse(&text).and_then(|r| r.verify(&genesis.origin(), &genesis.membership()));
    let proof = proof.map_err(unverified)?;
    if command.json { print_json(&genesis, &proof) } else { print(&genesis, &proof, command.genesis_hash.is_some()) }
}

/// What a valid receipt leaves open.
fn not_proved(proof: &VerifiedReceipt) -> Vec<String> {
    let mut open = vec!["that what the members wrote is true".to_owned()];
    match proof.leaf() {
        Leaf::Transaction(leaf) => {
            open.push(format!("what the transaction says: only that its body has the hash {}", leaf.body));
            open.push("what a document holds now: ask for a state proof".to_owned());
        }
        Leaf::Seal(_) => open.push("any one transaction or document of the block".to_owned()),
        Leaf::Genesis(_) => {}
    }
    open.push(format!("that the membership of epoch {} is still in force", proof.epoch()));
    open
}

fn print(genesis: &Genesis, proof: &VerifiedReceipt, hash_given: bool) -> Result<(), Failure> {
    let checkpoint = proof.certified().checkpoint();
    let trusted = if hash_given {
        "the hash you gave"
    } else {
        "the genesis file alone; compare its hash with one you were told"
    };
    output::line("verified")?;
    output::line(format_args!("  ledger         {}", genesis.origin()))?;
    output::line(format_args!("  trusted from   {trusted}"))?;
    output::line(format_args!("  proved         {}", sentence(proof.leaf())))?;
    output::line(format_args!("  leaf           {} of a log of {}", proof.index(), checkpoint.size))?;
    output::line(format_args!("  epoch          {}", proof.epoch()))?;
    let (signed, members) = (proof.certified().signers().len(), genesis.membership().organisations.len());
    let quorum = genesis.membership().quorum();
    output::line(format_args!("  countersigned  by {signed} of {members} organisations, {quorum} are needed"))?;
    for (node, time) in proof.certified().signers().values().flatten() {
        output::line(format_args!("    {node}  {}", utc(*time)))?;
    }
    output::line("  not proved")?;
    not_proved(proof).iter().try_for_each(|open| output::line(format_args!("    {open}")))
}

fn sentence(leaf: &Leaf) -> String {
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

fn print_json(genesis: &Genesis, proof: &VerifiedReceipt) -> Result<(), Failure> {
    let checkpoint = proof.certified().checkpoint();
    output::line(json!({
        "epoch": proof.epoch(),
        "genesis_hash": genesis.hash(),
        "index": proof.index(),
        "leaf": proof.leaf(),
        "not_proved": not_proved(proof),
        "origin": genesis.origin(),
        "quorum": genesis.membership().quorum(),
        "root": checkpoint.root,
        "signers": proof.certified().signers(),
        "tree_size": checkpoint.size,
        "verified": true,
    }))
}
