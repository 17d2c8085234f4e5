//! Govern: define collections, set accounts, admit and remove nodes.

use crate::access::access_rule;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{name_and_value, public_key, read_json};
use crate::submit::{Sending, send, sign_with};
use clap::Args;
use countersign_client::TransactionBuilder;
use countersign_proof::{Collection, PublicKey};
use std::path::PathBuf;

/// What every act of governance takes.
#[derive(Debug, Args)]
pub struct Approved {
    /// A further signer that approves, and its key file
    #[arg(long, value_name = "ACCOUNT=FILE", value_parser = name_and_value)]
    approve: Vec<(String, String)>,
    #[command(flatten)]
    sending: Sending,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(after_help = "The governance accounts of a quorum sign: --account and each --approve.

Example:
  countersign collection define --name flights --schema flight.schema.json --write ua.example,dl.example \\
    --account ua.example --key ua.key --approve dl.example=dl.key --approve aa.example=aa.key")]
pub struct DefineCollection {
    /// The collection's name
    #[arg(long)]
    name: String,
    /// The file of its JSON Schema
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,
    /// Every member reads it, and these organisations write to it
    #[arg(long, value_name = "ORG,ORG", value_delimiter = ',', required_unless_present = "access")]
    write: Vec<String>,
    /// Or its access rule, as `countersign access template` prints one
    #[arg(long, value_name = "FILE", conflicts_with = "write")]
    access: Option<PathBuf>,
    #[command(flatten)]
    approved: Approved,
}

#[derive(Debug, Args)]
#[command(after_help = "The organisation's own governance account signs.

Example:
  countersign account set --target ua.example/ops --public-key ed25519:5a2e... --account ua.example --key ua.key")]
pub struct SetAccount {
    /// The account to register or change
    #[arg(long, value_name = "ACCOUNT")]
    target: String,
    /// Its keys from now on
    #[arg(long, value_name = "ed25519:HEX", value_parser = public_key, num_args = 1.., required_unless_present = "close")]
    public_key: Vec<PublicKey>,
    /// Take all its keys away
    #[arg(long, conflicts_with = "public_key")]
    close: bool,
    #[command(flatten)]
    approved: Approved,
}

#[derive(Debug, Args)]
#[command(after_help = "The organisation's own governance account signs. A node that is new becomes an observer.")]
pub struct AdmitNode {
    /// The node, <organisation>/<name>
    #[arg(long, value_name = "ORG/NAME")]
    target: String,
    /// Where the other members reach it
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Its TLS key
    #[arg(long, value_name = "ed25519:HEX", value_parser = public_key)]
    tls: PublicKey,
    /// It comes back with an empty log: give it a new Raft id
    #[arg(long)]
    rejoin: bool,
    #[command(flatten)]
    approved: Approved,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The organisation's own governance account signs. A voter leaves only by a change of membership."
)]
pub struct RemoveNode {
    /// The node, <organisation>/<name>
    #[arg(long, value_name = "ORG/NAME")]
    target: String,
    #[command(flatten)]
    approved: Approved,
}

impl Approved {
    /// A client for the caller.
    pub fn client(&self) -> Result<countersign_client::Client, Failure> {
        self.connection.client()
    }
}

pub async fn define_collection(command: &DefineCollection) -> Result<(), Failure> {
    let access = access_rule(command.access.as_deref(), &command.write)?;
    let definition = Collection { access, schema: read_json(&command.schema)? };
    govern(&command.approved, |builder| builder.define_collection(&command.name, &definition)).await
}

pub async fn set_account(command: &SetAccount) -> Result<(), Failure> {
    govern(&command.approved, |builder| builder.set_account(&command.target, &command.public_key)).await
}

pub async fn admit_node(command: &AdmitNode) -> Result<(), Failure> {
    let AdmitNode { target, address, tls, rejoin, approved } = command;
    govern(approved, |builder| builder.set_node(target, address, tls, *rejoin)).await
}

pub async fn remove_node(command: &RemoveNode) -> Result<(), Failure> {
    govern(&command.approved, |builder| builder.remove_node(&command.target)).await
}

pub async fn govern(
    approved: &Approved,
    operation: impl FnOnce(TransactionBuilder) -> TransactionBuilder,
) -> Result<(), Failure> {
    let client = approved.connection.client()?;
    let builder = operation(TransactionBuilder::new(client.genesis().hash()));
    let transaction = sign_with(builder, &approved.connection, &approved.approve)?;
    send(&client, transaction.bytes, &approved.sending).await
}
