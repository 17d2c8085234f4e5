//! Read documents: one, its versions, a collection.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{self, json_of};
use crate::proofs::write_proof;
use clap::{Args, ValueEnum};
use countersign_client::v1::Document;
use countersign_client::{At, Client, ClientError, Consistency, ProvenDocument};
use countersign_proof::{StateAnswer, VersionRecord};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
#[command(
    after_help = "Without --proof the answer is the node's word; with it, it is verified against the genesis and the proof is kept.

Examples:
  countersign get flights UA1545
  countersign get flights UA1545 --proof UA1545.proof --json"
)]
pub struct Get {
    collection: String,
    id: String,
    /// The version with this number
    #[arg(long, value_name = "N", conflicts_with_all = ["height", "proof"])]
    version: Option<u64>,
    /// The version in force after this block
    #[arg(long, value_name = "N")]
    height: Option<u64>,
    /// How fresh and how sure it must be
    #[arg(long, value_enum, default_value = "certified", conflicts_with = "proof")]
    consistency: ConsistencyName,
    /// Ask for a state proof, verify it, and write it to this file
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// Write an exhibit: the proof with its trust bundle
    #[arg(long, requires = "proof")]
    exhibit: bool,
    /// Print everything as JSON, not only the value
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ConsistencyName {
    /// Sees every transaction acknowledged before the read, on any node
    Linearizable,
    /// Sees only what a quorum countersigned
    Certified,
    /// What this node has applied, certified or not
    Local,
}

#[derive(Debug, Args)]
pub struct History {
    collection: String,
    id: String,
    /// The first version
    #[arg(long, value_name = "N", default_value_t = 1)]
    from_version: u64,
    /// Ask for a proof that the list is complete, verify it, and write it to this file
    #[arg(long, value_name = "FILE", conflicts_with = "from_version")]
    proof: Option<PathBuf>,
    /// Write an exhibit: the proof with its trust bundle
    #[arg(long, requires = "proof")]
    exhibit: bool,
    /// With --proof: the first height
    #[arg(long, value_name = "N", default_value_t = 0, requires = "proof")]
    from_height: u64,
    /// With --proof: the last height [default: the newest certified]
    #[arg(long, value_name = "N", requires = "proof")]
    to_height: Option<u64>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub struct List {
    collection: String,
    /// Only ids after this one
    #[arg(long, value_name = "ID", default_value = "")]
    after: String,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

const PAGE_SIZE_MAX: usize = 1000;

pub async fn get(command: &Get) -> Result<(), Failure> {
    let client = command.connection.client()?;
    let at = match (command.version, command.height) {
        (Some(version), _) => At::Version(version),
        (None, Some(height)) => At::Height(height),
        (None, None) => At::Newest,
    };
    if let Some(file) = &command.proof {
        let proven = client.get_proven_document(&command.collection, &command.id, at).await?;
        write_proof(&client, file, &proven.file, command.exhibit).await?;
        return print_proven(command, &proven);
    }
    let consistency = match command.consistency {
        ConsistencyName::Linearizable => Consistency::Linearizable,
        ConsistencyName::Certified => Consistency::CertifiedRead,
        ConsistencyName::Local => Consistency::Local,
    };
    let response = client.get_document(&command.collection, &command.id, at, consistency).await?;
    let document = response.document.as_ref().expect("an absent one is an error");
    if command.json {
        let mut all = document_json(document);
        all["certified"] = response.certified.into();
        all["read_height"] = response.read_height.into();
        return output::line(all);
    }
    eprintln!("version {} of height {}, read at height {}", document.version, document.height, response.read_height);
    if !document.redacted.is_empty() {
        eprintln!("without {}, which access rules keep from this account", document.redacted.join(", "));
    }
    print_value(command, document.deleted, &json_of(&document.value))
}

fn print_proven(command: &Get, proven: &ProvenDocument) -> Result<(), Failure> {
    let (height, time) = (proven.proof.seal().height, proven.proof.seal().time);
    let (record, value, deleted) = match proven.proof.answer() {
        StateAnswer::Present { record, value: None } if !command.json => {
            return print_redacted(command, record, height);
        }
        StateAnswer::Present { record, value } => (Some(record), value.clone(), false),
        StateAnswer::Deleted { record } => (Some(record), None, true),
        StateAnswer::Absent => (None, None, false),
    };
    if command.json {
        return output::line(json!({
            "absent": record.is_none(), "collection": command.collection, "deleted": deleted, "id": command.id,
            "proved_at_height": height, "proved_at_time_ms": time, "record": record, "value": value,
            "redacted": record.is_some() && !deleted && value.is_none(),
        }));
    }
    eprintln!("proved at height {height}, {}", output::utc(time / 1000));
    if record.is_none() {
        return Err(proved_absent(command));
    }
    print_value(command, deleted, &value.unwrap_or(Value::Null))
}

/// A proof without the value, for an account from whom access rules keep some of it.
fn print_redacted(command: &Get, record: &VersionRecord, height: u64) -> Result<(), Failure> {
    let value = record.value.map(|hash| hash.to_string()).unwrap_or_default();
    eprintln!("proved at height {height}: {}/{} is in version {}", command.collection, command.id, record.version);
    output::line(format_args!("value not verifiable: redacted; its hash is {value}"))
}

fn proved_absent(command: &Get) -> Failure {
    let detail = format!("{}/{} never was, as is proved", command.collection, command.id);
    ClientError::NotFound { detail }.into()
}

fn print_value(command: &Get, deleted: bool, value: &Value) -> Result<(), Failure> {
    if deleted {
        let detail = format!("{}/{} is deleted", command.collection, command.id);
        return Err(ClientError::NotFound { detail }.into());
    }
    output::line(format_args!("{value:#}"))
}

pub async fn history(command: &History) -> Result<(), Failure> {
    let client = command.connection.client()?;
    if let Some(file) = &command.proof {
        return prove_history(command, &client, file).await;
    }
    let mut next = Some(command.from_version);
    while let Some(from) = next {
        let page = client.get_history(&command.collection, &command.id, from, PAGE_SIZE_MAX as u32).await?;
        page.versions.iter().try_for_each(|document| print_one(document, command.json))?;
        next = page.next_version;
    }
    Ok(())
}

async fn prove_history(command: &History, client: &Client, file: &Path) -> Result<(), Failure> {
    let (from, to) = (command.from_height, command.to_height);
    let (proof, history) = client.history_proof(&command.collection, &command.id, from, to).await?;
    write_proof(client, file, &proof, command.exhibit).await?;
    let (from, to) = history.heights();
    eprintln!("proved: {} versions, all that were written at heights {from} to {to}", history.versions().len());
    for (record, value) in history.versions() {
        let (version, height) = (record.version, record.height);
        if command.json {
            output::line(json!({ "record": record, "value": value }))?;
        } else {
            let value = value.as_ref().map_or("deleted".to_owned(), Value::to_string);
            output::line(format_args!("{}\tversion {version}\theight {height}\t{value}", record.id))?;
        }
    }
    Ok(())
}

pub async fn list(command: &List) -> Result<(), Failure> {
    let client = command.connection.client()?;
    let (mut after, mut left) = (command.after.clone(), command.limit);
    while left > 0 {
        let page = client.list_documents(&command.collection, &after, left.min(PAGE_SIZE_MAX) as u32).await?;
        page.documents.iter().take(left).try_for_each(|document| print_one(document, command.json))?;
        left = left.saturating_sub(page.documents.len());
        if page.next_after.is_empty() || page.next_after == after {
            break;
        }
        after = page.next_after;
    }
    Ok(())
}

fn print_one(document: &Document, json: bool) -> Result<(), Failure> {
    if json {
        return output::line(document_json(document));
    }
    let value = if document.deleted { "deleted".to_owned() } else { json_of(&document.value).to_string() };
    let without = match &document.redacted[..] {
        [] => String::new(),
        pointers => format!("\twithout {}", pointers.join(", ")),
    };
    let (id, version, height) = (&document.id, document.version, document.height);
    output::line(format_args!("{id}\tversion {version}\theight {height}\t{value}{without}"))
}

/// A document with all that the API says of it.
pub fn document_json(document: &Document) -> Value {
    json!({
        "collection": document.collection, "deleted": document.deleted, "height": document.height,
        "id": document.id, "transaction": hex::encode(&document.transaction_id),
        "redacted": document.redacted, "value": json_of(&document.value), "version": document.version,
    })
}
