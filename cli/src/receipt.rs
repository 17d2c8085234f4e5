//! Fetch a receipt, verify it, and keep it.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{self, duration, hash};
use clap::{ArgGroup, Args};
use countersign_client::ReceiptOf;
use countersign_proof::Hash;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("of").required(true).args(["transaction", "leaf", "height"])),
    after_help = "Example:\n  countersign receipt get --transaction 4f0c... --out flight.receipt"
)]
pub struct GetReceipt {
    /// That of a transaction
    #[arg(long, value_name = "HEX", value_parser = hash)]
    transaction: Option<Hash>,
    /// That of the leaf at this index
    #[arg(long, value_name = "N")]
    leaf: Option<u64>,
    /// That of the seal of this block
    #[arg(long, value_name = "N")]
    height: Option<u64>,
    /// How long to wait for it to be there and certified
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    wait: Duration,
    /// The file to write; - for the standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(command: &GetReceipt) -> Result<(), Failure> {
    let of = match (command.transaction, command.leaf, command.height) {
        (Some(id), ..) => ReceiptOf::Transaction(id),
        (None, Some(index), _) => ReceiptOf::Leaf(index),
        (None, None, height) => ReceiptOf::Height(height.expect("one of the three is required")),
    };
    let proven = command.connection.client()?.receipt(of, command.wait).await?;
    output::write_file(&command.out, proven.receipt.as_bytes())?;
    let (index, size) = (proven.proof.index(), proven.proof.certified().checkpoint().size);
    let organisations: Vec<&str> = proven.proof.certified().signers().keys().map(String::as_str).collect();
    eprintln!("verified: leaf {index} of {size}, countersigned by {}", organisations.join(", "));
    Ok(())
}
