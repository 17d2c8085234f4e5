//! Write, sign and check the genesis of a ledger.

use crate::access::access_rule;
use crate::connection::{now_ms, read_genesis};
use crate::failure::Failure;
use crate::node_init::NodeDescription;
use crate::output::{self, name_and_value, public_key, read_file, read_json};
use clap::{Args, Subcommand};
use countersign_proof::{
    Collection, FoundingOrganisation, Genesis, GenesisDocument, Limits, PublicKey, canonical, parse_canonical,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub enum GenesisCommand {
    /// Write a genesis and print its hash and origin
    New(NewGenesis),
    /// Add one founder's signature to the file beside the genesis
    Sign(SignGenesis),
    /// Check a genesis and that every founder signed it
    Check(CheckGenesis),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  countersign genesis new --ledger flights.example \\
    --organisation ua.example=ed25519:0c1d... --node-file ua.json \\
    --organisation dl.example=ed25519:77ab... --node-file dl.json \\
    --account ua.example/ops=ed25519:5a2e... \\
    --collection flights=flight.schema.json:dl.example,ua.example --out genesis.json")]
pub struct NewGenesis {
    /// The ledger's name
    #[arg(long)]
    ledger: String,
    /// A founder and the public half of its governance key
    #[arg(long, value_name = "ORG=KEY", value_parser = name_and_value, required = true)]
    organisation: Vec<(String, String)>,
    /// What `countersign node init` wrote: one file for each founder
    #[arg(long, value_name = "FILE", required = true)]
    node_file: Vec<PathBuf>,
    /// An account and a key of it; repeat it for several keys
    #[arg(long, value_name = "ACCOUNT=KEY", value_parser = name_and_value)]
    account: Vec<(String, String)>,
    /// A collection, the file of its JSON Schema, and the organisations that may write to it, or the file of its rule
    #[arg(long, value_name = "NAME=FILE:ORG,ORG|RULE.json", value_parser = name_and_value)]
    collection: Vec<(String, String)>,
    /// Limits that differ from the defaults: document_bytes, transaction_bytes, proposal_bytes
    #[arg(long, value_name = "NAME=BYTES", value_parser = name_and_value, value_delimiter = ',')]
    limits: Vec<(String, String)>,
    /// The genesis time, milliseconds since 1970; now if not given
    #[arg(long, value_name = "MS")]
    time: Option<u64>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub struct SignGenesis {
    /// The genesis
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The founder that signs
    #[arg(long, value_name = "ORG")]
    organisation: String,
    /// Its governance key file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The signatures' file; those of other founders in it are kept
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub struct CheckGenesis {
    /// The genesis
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,
    /// The founders' signatures
    #[arg(long, value_name = "FILE")]
    signatures: PathBuf,
}

pub fn run(command: &GenesisCommand) -> Result<(), Failure> {
    match command {
        GenesisCommand::New(command) => new(command),
        GenesisCommand::Sign(command) => sign(command),
        GenesisCommand::Check(command) => check(command),
    }
}

fn new(command: &NewGenesis) -> Result<(), Failure> {
    let document = GenesisDocument {
        accounts: accounts(&command.account)?,
        collections: collections(&command.collection)?,
        ledger: command.ledger.clone(),
        limits: limits(&command.limits)?,
        organisations: organisations(&command.organisation, &command.node_file)?,
        quorum: "(n+f+1)/2".into(),
        rules: 1,
        time: command.time.unwrap_or_else(now_ms),
        v: 1,
    };
    let bytes = canonical(&document);
    let genesis = Genesis::parse(&bytes).map_err(|e| Failure::Usage(e.to_string()))?;
    output::write_file(&command.out, &bytes)?;
    print(&genesis)
}

fn sign(command: &SignGenesis) -> Result<(), Failure> {
    let genesis = read_genesis(&command.genesis)?;
    let key = output::key(&command.key)?;
    let founder = genesis.document().organisations.get(&command.organisation);
    let founder = founder.ok_or_else(|| Failure::usage("--organisation", "is no founder of this genesis"))?;
    if founder.governance != key.public() {
        let reason = format!("is {}, but the genesis names {}", key.public(), founder.governance);
        return Err(Failure::usage("--key", reason));
    }
    let mut signatures: BTreeMap<String, String> = match std::fs::exists(&command.out) {
        Ok(true) => parse_canonical("signatures", &read_file(&command.out)?, 2)
            .map_err(|e| Failure::malformed(&command.out, &e))?,
        _ => BTreeMap::new(),
    };
    signatures.insert(command.organisation.clone(), hex::encode(genesis.sign(&key)));
    output::write_file(&command.out, &canonical(&signatures))?;
    let missing: Vec<&str> = genesis.document().organisations.keys().map(String::as_str).collect();
    let missing: Vec<&str> = missing.into_iter().filter(|name| !signatures.contains_key(*name)).collect();
    print(&genesis)?;
    output::line(format_args!("signed by     {}", command.organisation))?;
    output::line(format_args!(
        "still missing {}",
        if missing.is_empty() { "nobody".into() } else { missing.join(", ") }
    ))
}

fn check(command: &CheckGenesis) -> Result<(), Failure> {
    let genesis = read_genesis(&command.genesis)?;
    let signatures = read_file(&command.signatures)?;
    genesis.check_signatures(&signatures).map_err(|e| Failure::Unverified(e.to_string()))?;
    print(&genesis)?;
    let founders: Vec<&str> = genesis.document().organisations.keys().map(String::as_str).collect();
    output::line(format_args!("signed by     {}", founders.join(", ")))
}

fn print(genesis: &Genesis) -> Result<(), Failure> {
    output::line(format_args!("genesis hash  {}", genesis.hash()))?;
    output::line(format_args!("origin        {}", genesis.origin()))
}

fn accounts(given: &[(String, String)]) -> Result<BTreeMap<String, Vec<PublicKey>>, Failure> {
    let mut accounts: BTreeMap<String, Vec<PublicKey>> = BTreeMap::new();
    for (account, key) in given {
        let keys = accounts.entry(account.clone()).or_default();
        keys.push(public_key(key).map_err(|e| Failure::usage("--account", e))?);
        keys.sort();
    }
    Ok(accounts)
}

fn collections(given: &[(String, String)]) -> Result<BTreeMap<String, Collection>, Failure> {
    let mut collections = BTreeMap::new();
    for (name, rest) in given {
        let wrong = || {
            Failure::usage(
                "--collection",
                format!("{rest:?}: write NAME=SCHEMA_FILE:ORG,ORG or NAME=SCHEMA_FILE:RULE.json"),
            )
        };
        let (file, write) = rest.rsplit_once(':').ok_or_else(wrong)?;
        // A rule is a file; organisations have no path.
        let rule = write.ends_with(".json").then(|| Path::new(write));
        let writers: Vec<String> = write.split(',').map(str::to_owned).collect();
        let collection = Collection { access: access_rule(rule, &writers)?, schema: read_json(Path::new(file))? };
        if collections.insert(name.clone(), collection).is_some() {
            return Err(Failure::usage("--collection", format!("{name:?} stands twice")));
        }
    }
    Ok(collections)
}

fn limits(given: &[(String, String)]) -> Result<Limits, Failure> {
    let mut limits = Limits::DEFAULT;
    for (name, bytes) in given {
        let bytes: u64 = bytes.parse().map_err(|_| Failure::usage("--limits", format!("{bytes:?} is no number")))?;
        match name.as_str() {
            "document_bytes" => limits.document_bytes = bytes,
            "transaction_bytes" => limits.transaction_bytes = bytes,
            "proposal_bytes" => limits.proposal_bytes = bytes,
            _ => {
                let known = "document_bytes, transaction_bytes, proposal_bytes";
                return Err(Failure::usage("--limits", format!("{name:?} is none of {known}")));
            }
        }
    }
    Ok(limits)
}

fn organisations(
    given: &[(String, String)],
    node_files: &[PathBuf],
) -> Result<BTreeMap<String, FoundingOrganisation>, Failure> {
    let mut organisations = BTreeMap::new();
    for (name, key) in given {
        let governance = public_key(key).map_err(|e| Failure::usage("--organisation", e))?;
        let organisation = FoundingOrganisation { governance, nodes: BTreeMap::new() };
        if organisations.insert(name.clone(), organisation).is_some() {
            return Err(Failure::usage("--organisation", format!("{name:?} stands twice")));
        }
    }
    for file in node_files {
        let node: NodeDescription =
            serde_json::from_value(read_json(file)?).map_err(|e| Failure::file(file, "used", &e))?;
        let organisation = organisations.get_mut(&node.organisation).ok_or_else(|| {
            Failure::usage("--node-file", format!("{}: no --organisation {}", file.display(), node.organisation))
        })?;
        if organisation.nodes.insert(node.node.clone(), node.keys).is_some() {
            return Err(Failure::usage("--node-file", format!("{}: its node stands twice", file.display())));
        }
    }
    Ok(organisations)
}
