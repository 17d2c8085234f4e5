//! Sign one transaction, submit it and print what became of it.

use crate::connection::{Connection, now_ms};
use crate::failure::Failure;
use crate::output::{self, duration, name_and_value, read_file, read_json};
use clap::{ArgGroup, Args, ValueEnum};
use countersign_client::{Answer, Client, Level, Outcome, TransactionBuilder};
use countersign_proof::{Genesis, KeyPair, Limits, Transaction, parse_json};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("what").required(true)
        .args(["create", "put", "replace", "patch", "delete", "increment", "append", "file"])),
    group(ArgGroup::new("if").args(["if_version", "if_absent", "if_predicate"])),
    after_help = "A timeout or a broken connection is never a failure: the outcome is unknown (exit code 6) until the same bytes
are submitted again. That is done until the time is over; --save keeps the bytes to do so later.

Examples:
  countersign submit --create flights UA1545 --json flight.json --receipt flight.receipt
  echo '{\"status\":\"departed\"}' | countersign submit --patch flights UA1545 --json - --if-version 1
  countersign submit --put tickets new-id --json ticket.json --key-of /ticketNumber
  countersign submit --increment flights UA1545 /seats -1 --if '{\"/seats\":{\"gt\":0}}'
  countersign submit --file transaction.bin"
)]
pub struct Submit {
    /// Make a document from --json
    #[arg(long, num_args = 2, value_names = ["COLLECTION", "ID"], requires = "json_file")]
    create: Option<Vec<String>>,
    /// Set a document's whole value to --json, whether or not it is there
    #[arg(long, num_args = 2, value_names = ["COLLECTION", "ID"], requires = "json_file")]
    put: Option<Vec<String>>,
    /// With --put: set the document that holds the same unique key; the ID is for one that is made. Repeat it for each pointer of the key
    #[arg(long, value_name = "POINTER", requires = "put")]
    key_of: Vec<String>,
    /// Replace a document's whole value by --json
    #[arg(long, num_args = 2, value_names = ["COLLECTION", "ID"], requires = "json_file")]
    replace: Option<Vec<String>>,
    /// Merge --json into a document (RFC 7396)
    #[arg(long, num_args = 2, value_names = ["COLLECTION", "ID"], requires = "json_file")]
    patch: Option<Vec<String>>,
    /// Delete a document; its versions stay
    #[arg(long, num_args = 2, value_names = ["COLLECTION", "ID"])]
    delete: Option<Vec<String>>,
    /// Add to the integer at a JSON pointer
    #[arg(long, num_args = 4, value_names = ["COLLECTION", "ID", "POINTER", "BY"], allow_hyphen_values = true)]
    increment: Option<Vec<String>>,
    /// Add --json to the end of the array at a JSON pointer
    #[arg(long, num_args = 3, value_names = ["COLLECTION", "ID", "POINTER"], requires = "json_file")]
    append: Option<Vec<String>>,
    /// Submit a signed transaction's bytes as they are
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The document, patch or element; - for the standard input
    #[arg(long = "json", id = "json_file", value_name = "FILE")]
    json_file: Option<PathBuf>,
    /// Only if the newest version has this number
    #[arg(long, value_name = "N")]
    if_version: Option<u64>,
    /// Only if the document is not there
    #[arg(long)]
    if_absent: bool,
    /// Only if a predicate holds: JSON pointers to comparisons
    #[arg(long = "if", value_name = "JSON", id = "if_predicate")]
    if_predicate: Option<String>,
    /// On whose behalf: an opaque reference, never personal data
    #[arg(long)]
    caller: Option<String>,
    /// How long the transaction may be executed at all
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    expires: Duration,
    /// A further signer and its key file
    #[arg(long, value_name = "ACCOUNT=FILE", value_parser = name_and_value)]
    approve: Vec<(String, String)>,
    /// Keep the signed bytes in a file, before they are sent
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Fetch the receipt, verify it and write it to a file
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    sending: Sending,
    #[command(flatten)]
    connection: Connection,
}

/// How far to wait, how long, and how to print.
#[derive(Debug, Args)]
pub struct Sending {
    /// How far it must have come: ordered and executed, countersigned by a quorum, or by every organisation
    #[arg(long, value_enum, default_value = "certified")]
    pub level: LevelName,
    /// How long to wait, over all attempts and nodes
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// Print the answer as JSON
    #[arg(long = "output-json")]
    pub output_json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LevelName {
    Committed,
    Certified,
    All,
}

impl LevelName {
    pub fn level(self) -> Level {
        match self {
            LevelName::Committed => Level::Committed,
            LevelName::Certified => Level::Certified,
            LevelName::All => Level::All,
        }
    }
}

pub async fn run(command: &Submit) -> Result<(), Failure> {
    let client = command.connection.client()?;
    let bytes = match &command.file {
        Some(file) => read_file(file)?,
        None => sign(command, client.genesis())?.bytes,
    };
    if let Some(save) = &command.save {
        output::write_file(save, &bytes)?;
    }
    let Some(receipt) = &command.receipt else {
        return send(&client, bytes, &command.sending).await;
    };
    let verified = client.submit_verified(bytes, command.sending.timeout).await?;
    output::write_file(receipt, verified.receipt.as_bytes())?;
    print(&verified.answer, &command.sending)
}

fn sign(command: &Submit, genesis: &Genesis) -> Result<Transaction, Failure> {
    let builder = operation(command, TransactionBuilder::new(genesis.hash()))?;
    let builder = match (&command.if_version, command.if_absent, &command.if_predicate) {
        (Some(version), ..) => builder.if_version(*version),
        (None, true, _) => builder.if_absent(),
        (None, false, Some(predicate)) => {
            let predicate = parse_json("--if", predicate.as_bytes(), countersign_proof::limits::JSON_DEPTH_MAX);
            builder.if_predicate(&predicate.map_err(|e| Failure::Usage(e.to_string()))?)
        }
        (None, false, None) => builder,
    };
    let builder = match &command.caller {
        Some(caller) => builder.caller(caller),
        None => builder,
    };
    sign_with(builder.expires_in(command.expires), &command.connection, &command.approve)
}

fn operation(command: &Submit, builder: TransactionBuilder) -> Result<TransactionBuilder, Failure> {
    let json = match &command.json_file {
        Some(file) => read_json(file)?,
        None => Value::Null,
    };
    let parts = |given: &Option<Vec<String>>| given.clone().unwrap_or_default();
    Ok(if let [collection, id] = &parts(&command.create)[..] {
        builder.create(collection, id, &json)
    } else if let [collection, id] = &parts(&command.put)[..] {
        let key: Vec<&str> = command.key_of.iter().map(String::as_str).collect();
        builder.put_by_key(collection, id, &key, &json)
    } else if let [collection, id] = &parts(&command.replace)[..] {
        builder.replace(collection, id, &json)
    } else if let [collection, id] = &parts(&command.patch)[..] {
        builder.patch(collection, id, &json)
    } else if let [collection, id] = &parts(&command.delete)[..] {
        builder.delete(collection, id)
    } else if let [collection, id, pointer] = &parts(&command.append)[..] {
        builder.append(collection, id, pointer, &json)
    } else if let [collection, id, pointer, by] = &parts(&command.increment)[..] {
        let by = by.parse().map_err(|_| Failure::usage("--increment", format!("{by:?} is no integer")))?;
        builder.increment(collection, id, pointer, by)
    } else {
        return Err(Failure::Usage("give one operation".into()));
    })
}

/// Signs with the caller's account, then each approving one.
pub fn sign_with(
    builder: TransactionBuilder,
    connection: &Connection,
    approve: &[(String, String)],
) -> Result<Transaction, Failure> {
    let mut keys: Vec<(&str, KeyPair)> = vec![(&connection.caller.account, connection.caller.key_pair()?)];
    for (account, file) in approve {
        keys.push((account, output::key(Path::new(file))?));
    }
    let signers: Vec<(&str, &KeyPair)> = keys.iter().map(|(account, key)| (*account, key)).collect();
    Ok(builder.sign(&signers)?)
}

/// Submits until what became of it is known, and prints that.
pub async fn send(client: &Client, bytes: Vec<u8>, sending: &Sending) -> Result<(), Failure> {
    warn_of_expiry(&bytes, client.genesis());
    print(&client.submit_until_known(bytes, sending.level.level(), sending.timeout).await?, sending)
}

/// Bytes kept for later may have expired; the ledger says so too, but the transaction's id is then used up.
fn warn_of_expiry(bytes: &[u8], genesis: &Genesis) {
    let bytes_max = usize::try_from(Limits::MAX.transaction_bytes).expect("2 MiB");
    let Ok(transaction) = Transaction::parse(bytes.to_vec(), &genesis.hash(), bytes_max) else { return };
    if transaction.body.expires_ms != 0 && transaction.body.expires_ms < now_ms() {
        eprintln!("countersign: the transaction has expired; unless it was executed before, it is rejected");
    }
}

/// Prints what became of a transaction; errs when it was rejected, or did not get as far as was asked.
pub fn print(answer: &Answer, sending: &Sending) -> Result<(), Failure> {
    let level = format!("{:?}", answer.level).to_lowercase();
    let number = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
    let (outcome, rejection) = match &answer.outcome {
        Outcome::Applied => ("applied", None),
        Outcome::Rejected(rejection) => ("rejected", Some(rejection)),
    };
    if sending.output_json {
        output::line(json!({
            "code": rejection.map(|r| &r.code),
            "detail": rejection.map(|r| &r.detail),
            "existing": rejection.and_then(|r| r.existing.as_ref()),
            "height": answer.height,
            "leaf": answer.leaf_index,
            "level": level,
            "missing": answer.missing,
            "outcome": outcome,
            "transaction": answer.transaction_id,
        }))?;
    } else {
        let (leaf, height) = (number(answer.leaf_index), number(answer.height));
        output::line(format_args!("{outcome} {} leaf {leaf} height {height} level {level}", answer.transaction_id))?;
    }
    if !answer.reached(sending.level.level()) {
        let missing = answer.missing.join(", ");
        let asked = format!("{:?}", sending.level).to_lowercase();
        return Err(Failure::Unknown(format!("executed, but not {asked} in time; missing: {missing}")));
    }
    match rejection {
        Some(rejection) => Err(Failure::Rejected(rejection.to_string())),
        None => Ok(()),
    }
}
