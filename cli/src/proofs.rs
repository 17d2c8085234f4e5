//! Fetch what auditors keep: trust bundles, consistency proofs, evidence.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output;
use clap::Args;
use countersign_client::Client;
use countersign_proof::{Evidence, Exhibit, plain_hash};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign trust get --out trust.json")]
pub struct GetTrust {
    /// The file to write; - for the standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  countersign consistency get --old 120 --out grown.json")]
pub struct GetConsistency {
    /// The size of the smaller log; the next certified one is taken
    #[arg(long, value_name = "SIZE")]
    old: u64,
    /// The size of the larger log [default: the newest certified]
    #[arg(long, value_name = "SIZE", default_value_t = 0)]
    new: u64,
    /// The file to write; - for the standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub struct GetEvidence {
    /// Write each file into this folder, named by its hash
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub async fn trust(command: &GetTrust) -> Result<(), Failure> {
    let client = command.connection.client()?;
    let bundle = client.follow_epochs().await?;
    output::write_file(&command.out, &bundle.to_bytes())?;
    let newest = client.trust();
    eprintln!("verified: {} epochs, the last above size {}", newest.epochs().len(), newest.newest().after);
    Ok(())
}

pub async fn consistency(command: &GetConsistency) -> Result<(), Failure> {
    let (file, proof) = command.connection.client()?.consistency_proof(command.old, command.new).await?;
    output::write_file(&command.out, &file)?;
    let (old, new) = (proof.smaller().checkpoint().size, proof.larger().checkpoint().size);
    eprintln!("verified: the log of size {new} begins with the log of size {old}");
    Ok(())
}

/// Prints what holds, one line each; what a node gave that does not hold is said and left out.
pub async fn evidence(command: &GetEvidence) -> Result<(), Failure> {
    let client = command.connection.client()?;
    client.follow_epochs().await?;
    for found in client.evidence().await? {
        let verified = Evidence::parse(&found.file).map_err(|e| e.to_string());
        let verified = verified.and_then(|evidence| evidence.verify(&client.trust()).map_err(|e| e.to_string()));
        let hash = plain_hash(&found.file);
        match verified {
            Ok(verified) => output::line(format_args!("{hash}  {}  {}", verified.what(), verified.sentence()))?,
            Err(reason) => {
                eprintln!("countersign: the node gave evidence that does not hold: {reason}");
                continue;
            }
        }
        if let Some(folder) = &command.out {
            output::write_file(&folder.join(format!("{hash}.json")), &found.file)?;
        }
    }
    Ok(())
}

/// Writes a proof file, or the exhibit of it: with the trust bundle beside it one file and a genesis hash suffice.
pub async fn write_proof(client: &Client, out: &Path, proof: &[u8], exhibit: bool) -> Result<(), Failure> {
    if !exhibit {
        return output::write_file(out, proof);
    }
    let bundle = client.follow_epochs().await?;
    let text = String::from_utf8(proof.to_vec()).map_err(|_| Failure::Other("a proof is not text".into()))?;
    output::write_file(out, &Exhibit::new(text, bundle).to_bytes())
}
