//! Govern: define collections, set accounts and organisations, admit and remove nodes.

use crate::access::access_rule;
use crate::connection::{Connection, now_ms};
use crate::failure::Failure;
use crate::output::{name_and_value, public_key, read_json};
use crate::proposal;
use crate::submit::{Sending, send, sign_with};
use clap::Args;
use countersign_client::TransactionBuilder;
use countersign_proof::{Collection, PublicKey};
use std::path::PathBuf;

const DAY_MS: u64 = 86_400_000;

/// What every act of governance takes.
#[derive(Debug, Args)]
pub struct Approved {
    /// A further signer that approves, and its key file
    #[arg(long, value_name = "ACCOUNT=FILE", value_parser = name_and_value)]
    approve: Vec<(String, String)>,
    /// Only propose it: the other organisations approve it later, each by itself, with `proposal approve`
    #[arg(long)]
    propose: bool,
    /// With --propose: how many days the others have
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u64).range(1..=90), requires = "propose")]
    open_days: u64,
    #[command(flatten)]
    sending: Sending,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The governance accounts of a quorum sign: --account and each --approve. Where their keys do not lie in one place,
--propose it, and the others approve one after the other.

Example:
  countersign collection define --name flights --schema flight.schema.json --write ua.example,dl.example \\
    --account ua.example --key ua.key --approve dl.example=dl.key --approve aa.example=aa.key"
)]
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
#[command(
    after_help = "The attributes are what rules of access say of an organisation: a flat object, such as {\"code\":\"UA\",\"roles\":[\"carrier\"]}.
They replace those there were. As they give rights, the governance accounts of a quorum sign: --account and each
--approve; or --propose it, and the others approve one after the other.

Example:
  countersign organisation set --target ua.example --attributes ua.json --propose --account dl.example --key dl.key"
)]
pub struct SetOrganisation {
    /// The organisation, a member
    #[arg(long, value_name = "ORG")]
    target: String,
    /// The file of its attributes from now on
    #[arg(long, value_name = "FILE")]
    attributes: PathBuf,
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

    /// How to sign, send and print.
    pub fn parts(&self) -> (&Connection, &[(String, String)], &Sending) {
        (&self.connection, &self.approve, &self.sending)
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

pub async fn set_organisation(command: &SetOrganisation) -> Result<(), Failure> {
    let attributes = read_json(&command.attributes)?;
    govern(&command.approved, |builder| builder.set_organisation(&command.target, &attributes)).await
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
    if approved.propose {
        let expires = now_ms().saturating_add(approved.open_days * DAY_MS);
        return proposal::submit(&client, builder.proposed(expires)?, approved).await;
    }
    let transaction = sign_with(builder, &approved.connection, &approved.approve)?;
    send(&client, transaction.bytes, &approved.sending).await
}
