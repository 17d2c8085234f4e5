//! Issue, list and revoke the API keys of a node: its operator's own, in its folder.

use crate::connection::now_ms;
use crate::failure::Failure;
use crate::output::{self, duration};
use clap::{Args, Subcommand};
use countersign_client::key_file;
use countersign_node::{API_KEYS_FILE, ApiKey, ApiKeys};
use countersign_proof::{check_account, organisation_of};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Issue a key; it is printed once and kept nowhere
    Create(CreateApiKey),
    /// List the keys there are, one a line, without their secrets
    List {
        /// The node's folder
        #[arg(long)]
        folder: PathBuf,
    },
    /// Revoke a key; a node that runs refuses it within a second
    Revoke {
        /// The node's folder
        #[arg(long)]
        folder: PathBuf,
        /// The key's id
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "A caller with the key speaks for the account on the HTTP side of this node. What it writes is signed by the
node's gateway account, with the caller recorded on the ledger.

Example:
  countersign api-key create --folder ua --account ua.example/app --read '*' --write flights --expires 2160h"
)]
pub struct CreateApiKey {
    /// The node's folder
    #[arg(long)]
    folder: PathBuf,
    /// The account it speaks for, of the node's organisation; it need not be on the ledger
    #[arg(long)]
    account: String,
    /// The collections it may read; '*' for all
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    read: Vec<String>,
    /// The collections it may write; '*' for all
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    write: Vec<String>,
    /// How long it holds
    #[arg(long, value_name = "TIME", default_value = "2160h", value_parser = duration)]
    expires: Duration,
    /// Requests a second; 0 for no limit but the node's
    #[arg(long, default_value_t = 0)]
    per_second: u32,
    /// Requests a day; 0 for no quota
    #[arg(long, default_value_t = 0)]
    per_day: u64,
}

pub fn run(command: &ApiKeyCommand) -> Result<(), Failure> {
    match command {
        ApiKeyCommand::Create(command) => create(command),
        ApiKeyCommand::List { folder } => list(folder),
        ApiKeyCommand::Revoke { folder, id } => revoke(folder, id),
    }
}

/// The node's file of keys, and what is in it.
fn read(folder: &Path) -> Result<(PathBuf, ApiKeys), Failure> {
    if !folder.join("node.toml").exists() {
        return Err(Failure::usage("--folder", format!("{} holds no node", folder.display())));
    }
    let path = folder.join(API_KEYS_FILE);
    let keys = ApiKeys::read(&path).map_err(|e| Failure::Other(e.to_string()))?;
    Ok((path, keys))
}

fn create(command: &CreateApiKey) -> Result<(), Failure> {
    let CreateApiKey { folder, account, read: readable, write, expires, per_second, per_day } = command;
    check_account("--account", account).map_err(|e| Failure::Usage(e.to_string()))?;
    let organisation = countersign_node::organisation_of_folder(folder).map_err(|e| Failure::Other(e.to_string()))?;
    if organisation_of(account) != organisation {
        return Err(Failure::usage(
            "--account",
            format!("{account} is no account of {organisation}, whose node this is"),
        ));
    }
    let (path, mut keys) = read(folder)?;
    let lifetime_ms = u64::try_from(expires.as_millis()).unwrap_or(u64::MAX);
    let secret = key_file::generate()?.seed();
    let key = ApiKey {
        account: account.clone(),
        expires_ms: now_ms().saturating_add(lifetime_ms).min(countersign_proof::INTEGER_MAX),
        per_day: *per_day,
        per_second: *per_second,
        read: readable.clone(),
        sha256: String::new(),
        write: write.clone(),
    };
    let (_, text) = keys.issue(&secret, key);
    keys.write(&path).map_err(|e| Failure::Usage(e.to_string()))?;
    output::line(text)
}

fn list(folder: &Path) -> Result<(), Failure> {
    for (id, key) in read(folder)?.1.keys {
        output::line(json!({
            "id": id,
            "account": key.account,
            "expires_ms": key.expires_ms,
            "per_day": key.per_day,
            "per_second": key.per_second,
            "read": key.read,
            "write": key.write,
        }))?;
    }
    Ok(())
}

fn revoke(folder: &Path, id: &str) -> Result<(), Failure> {
    let (path, mut keys) = read(folder)?;
    if keys.keys.remove(id).is_none() {
        return Err(Failure::usage("ID", format!("no key {id:?}; `countersign api-key list` shows those there are")));
    }
    keys.write(&path).map_err(|e| Failure::Other(e.to_string()))
}
