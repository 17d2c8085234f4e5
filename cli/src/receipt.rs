//! Fetch a receipt, verify it, and keep it.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{self, duration, hash};
use crate::proofs::write_proof;
use clap::{ArgGroup, Args};
use countersign_client::ReceiptOf;
use countersign_proof::Hash;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("of").required(true).args(["transaction", "leaf", "height"])),
    after_help = "Example:\n  countersign receipt get --transaction 4f0c... --out flight.tlog-proof"
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
    /// Write the leaf's bytes beside it
    #[arg(long, value_name = "FILE")]
    leaf_out: Option<PathBuf>,
    /// Under a checkpoint of at least this size, such as the newest one you verified
    #[arg(long, value_name = "SIZE", default_value_t = 0)]
    checkpoint_size: u64,
    /// Write an exhibit: the receipt with its trust bundle, so that one file and the genesis hash suffice
    #[arg(long)]
    exhibit: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(command: &GetReceipt) -> Result<(), Failure> {
    let of = match (command.transaction, command.leaf, command.height) {
        (Some(id), ..) => ReceiptOf::Transaction(id),
        (None, Some(index), _) => ReceiptOf::Leaf(index),
        (None, None, height) => ReceiptOf::Height(height.expect("one of the three is required")),
    };
    let client = command.connection.client()?;
    let proven = client.receipt_under(of, command.checkpoint_size, command.wait).await?;
    if let Some(path) = &command.leaf_out {
        let leaf = countersign_proof::Receipt::parse(&proven.receipt).map_err(|e| Failure::Other(e.to_string()))?.leaf;
        output::write_file(path, &leaf)?;
    }
    write_proof(&client, &command.out, proven.receipt.as_bytes(), command.exhibit).await?;
    let (index, size) = (proven.proof.index(), proven.proof.certified().checkpoint().size);
    let organisations: Vec<&str> = proven.proof.certified().signers().keys().map(String::as_str).collect();
    eprintln!("verified: leaf {index} of {size}, countersigned by {}", organisations.join(", "));
    Ok(())
}
