//! Propose to the other organisations, approve what they propose, and see how far it has come.

use crate::connection::{Connection, now_ms};
use crate::failure::Failure;
use crate::governance::Approved;
use crate::output::{self, hash, read_json, utc};
use crate::submit::{LevelName, Sending, print, sign_with};
use clap::Args;
use countersign_client::{At, Client, ClientError, TransactionBuilder};
use countersign_ledger::{ProposalRecord, ProposalState};
use countersign_proof::{Hash, StateAnswer, limits::PROPOSAL_OPEN_MS_MAX, proposed_hash};
use serde_json::{Value, json};
use std::path::PathBuf;

const COLLECTION: &str = "$proposals";
const PAGE_SIZE: u32 = 20;

#[derive(Debug, Args)]
#[command(
    after_help = "Your organisation's governance account signs, and so approves. The file is a JSON array of operations, all or none of which
are executed. Each other command of governance proposes its own operation with --propose.

Example:
  echo '[{\"set_organisation\":{\"organisation\":\"ua.example\",\"attributes\":{\"code\":\"UA\"}}}]' |
    countersign proposal create --operations - --open-days 30 --account dl.example --key dl.key"
)]
pub struct CreateProposal {
    /// The operations: define_collection, evolve_collection, set_organisation, set_account, set_node, remove_node, admit
    #[arg(long, value_name = "FILE")]
    operations: PathBuf,
    /// How many days the others have
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u64).range(1..=90))]
    open_days: u64,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Your organisation's governance account signs. What it approves is fetched with a proof, printed, and named in what is
signed. Look at it first with `proposal show`. An approval is not taken back; it counts while your account keeps the key.

Example:
  countersign proposal approve 4f0c... --account dl.example --key dl.key"
)]
pub struct ApproveProposal {
    /// The proposal: the id of the transaction that proposed it
    #[arg(value_name = "ID", value_parser = hash)]
    proposal: Hash,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Debug, Args)]
#[command(after_help = "The governance account of the organisation that proposed it signs.")]
pub struct WithdrawProposal {
    /// The proposal: the id of the transaction that proposed it
    #[arg(value_name = "ID", value_parser = hash)]
    proposal: Hash,
    #[command(flatten)]
    acting: Acting,
}

#[derive(Debug, Args)]
pub struct ListProposals {
    /// Those that are executed, withdrawn or expired, too
    #[arg(long)]
    all: bool,
    /// Print each as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub struct ShowProposal {
    /// The proposal: the id of the transaction that proposed it
    #[arg(value_name = "ID", value_parser = hash)]
    proposal: Hash,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Who acts, and how to send.
#[derive(Debug, Args)]
pub struct Acting {
    #[command(flatten)]
    sending: Sending,
    #[command(flatten)]
    connection: Connection,
}

pub async fn create(command: &CreateProposal) -> Result<(), Failure> {
    let operations = read_json(&command.operations)?;
    let expires = now_ms().saturating_add((command.open_days * 86_400_000).min(PROPOSAL_OPEN_MS_MAX));
    let client = command.acting.connection.client()?;
    let builder = TransactionBuilder::new(client.genesis().hash()).propose(&operations, expires);
    let Acting { sending, connection } = &command.acting;
    let id = act(&client, builder, connection, &[], sending).await?;
    say(&client, &id, sending).await
}

/// Submits a proposal that another command of governance has built, and says where it stands.
pub async fn submit(client: &Client, builder: TransactionBuilder, approved: &Approved) -> Result<(), Failure> {
    let (connection, approve, sending) = approved.parts();
    let id = act(client, builder, connection, approve, sending).await?;
    say(client, &id, sending).await
}

pub async fn approve(command: &ApproveProposal) -> Result<(), Failure> {
    let Acting { sending, connection } = &command.acting;
    let client = connection.client()?;
    let record = fetch(&client, &command.proposal).await?;
    let operations = &record.operations;
    eprintln!("{} proposes, and {} approves:\n{operations:#}", record.proposer, connection.caller.account);
    // Of what was printed, not of what the record says of itself.
    let builder = TransactionBuilder::new(client.genesis().hash()).approve(command.proposal, proposed_hash(operations));
    act(&client, builder, connection, &[], sending).await?;
    say(&client, &command.proposal, sending).await
}

pub async fn withdraw(command: &WithdrawProposal) -> Result<(), Failure> {
    let Acting { sending, connection } = &command.acting;
    let client = connection.client()?;
    let builder = TransactionBuilder::new(client.genesis().hash()).withdraw(command.proposal);
    act(&client, builder, connection, &[], sending).await?;
    say(&client, &command.proposal, sending).await
}

pub async fn list(command: &ListProposals) -> Result<(), Failure> {
    let client = command.connection.client()?;
    let mut after = String::new();
    loop {
        let page = client.list_documents(COLLECTION, &after, PAGE_SIZE).await?;
        for document in &page.documents {
            let record = parse(&document.id, output::json_of(&document.value))?;
            let state = state(&record);
            match (command.all || state == ProposalState::Open, command.json) {
                (false, _) => {}
                (true, true) => output::line(as_json(&document.id, &record))?,
                (true, false) => output::line(format_args!("{}\t{}", document.id, summary(&record)))?,
            }
        }
        if page.next_after.is_empty() || page.next_after == after {
            return Ok(());
        }
        after = page.next_after;
    }
}

pub async fn show(command: &ShowProposal) -> Result<(), Failure> {
    let client = command.connection.client()?;
    let record = fetch(&client, &command.proposal).await?;
    if command.json {
        return output::line(as_json(&command.proposal.to_string(), &record));
    }
    client.follow_epochs().await?;
    let trust = client.trust();
    let membership = &trust.newest().membership;
    output::line(format_args!("proposal   {}", command.proposal))?;
    output::line(format_args!("state      {}", name(state(&record))))?;
    output::line(format_args!("proposed   {} by {}", utc(record.proposed / 1000), record.proposer))?;
    output::line(format_args!("open until {}", utc(record.expires / 1000)))?;
    for (organisation, approval) in &record.approvals {
        let member = if membership.organisations.contains_key(organisation) { "" } else { ", no member any more" };
        output::line(format_args!("approved   {} by {organisation}{member}", utc(approval.time / 1000)))?;
    }
    if let Some(closed) = &record.closed {
        output::line(format_args!("closed     {} by transaction {}", utc(closed.time / 1000), closed.transaction))?;
    }
    let (quorum, members) = (membership.quorum(), membership.organisations.len());
    output::line(format_args!(
        "needs      {quorum} of {members} organisations; for an organisation's own keys, that one"
    ))?;
    output::line(format_args!("operations {}", record.operations_hash))?;
    output::line(format_args!("{:#}", record.operations))
}

/// Signs, submits and prints; gives the transaction's id. Errs when it was rejected.
async fn act(
    client: &Client,
    builder: TransactionBuilder,
    connection: &Connection,
    approve: &[(String, String)],
    sending: &Sending,
) -> Result<Hash, Failure> {
    let transaction = sign_with(builder, connection, approve)?;
    let answer = client.submit_until_known(transaction.bytes, sending.level.level(), sending.timeout).await?;
    print(&answer, sending)?;
    Ok(transaction.id)
}

/// Says where a proposal stands after what was done.
async fn say(client: &Client, id: &Hash, sending: &Sending) -> Result<(), Failure> {
    // What is only committed cannot be proved yet.
    if sending.output_json || sending.level == LevelName::Committed {
        return Ok(());
    }
    let record = fetch(client, id).await?;
    output::line(format_args!("proposal {id} {}", summary(&record)))?;
    if state(&record) == ProposalState::Open {
        eprintln!("the others approve it with: countersign proposal approve {id}");
    }
    Ok(())
}

/// The proposal, proved to be on the ledger.
async fn fetch(client: &Client, id: &Hash) -> Result<ProposalRecord, Failure> {
    let id = id.to_string();
    let proven = client.get_proven_document(COLLECTION, &id, At::Newest).await?;
    match proven.proof.answer() {
        StateAnswer::Present { value: Some(value), .. } => parse(&id, value.clone()),
        _ => Err(ClientError::NotFound { detail: format!("no proposal {id}") }.into()),
    }
}

fn parse(id: &str, value: Value) -> Result<ProposalRecord, Failure> {
    serde_json::from_value(value)
        .map_err(|e| Failure::Other(format!("this release does not know the proposal {id}: {e}")))
}

/// As it is on the ledger, and expired also where nobody has written that yet.
fn state(record: &ProposalRecord) -> ProposalState {
    match record.state {
        ProposalState::Open if now_ms() > record.expires => ProposalState::Expired,
        state => state,
    }
}

fn name(state: ProposalState) -> &'static str {
    match state {
        ProposalState::Open => "open",
        ProposalState::Executed => "executed",
        ProposalState::Withdrawn => "withdrawn",
        ProposalState::Expired => "expired",
    }
}

fn summary(record: &ProposalRecord) -> String {
    let operations: Vec<String> = record.operations.as_array().into_iter().flatten().map(words).collect();
    let approvals: Vec<&str> = record.approvals.keys().map(String::as_str).collect();
    let (state, until) = (name(state(record)), utc(record.expires / 1000));
    format!("{state}\t{}\tapproved by {}\topen until {until}", operations.join(", "), approvals.join(", "))
}

/// `evolve_collection flights`: what is done, and to what.
fn words(operation: &Value) -> String {
    let Some((kind, parts)) = operation.as_object().and_then(|members| members.iter().next()) else {
        return operation.to_string();
    };
    let named = ["name", "organisation", "account", "node"].iter().find_map(|member| parts[*member].as_str());
    format!("{kind} {}", named.unwrap_or_default()).trim_end().to_owned()
}

fn as_json(id: &str, record: &ProposalRecord) -> Value {
    let mut value = json!(record);
    value["id"] = id.into();
    value["state"] = name(state(record)).into();
    value
}
