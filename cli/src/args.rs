//! Declare the commands: noun, then verb.

use crate::access::AccessCommand;
use crate::api_key::ApiKeyCommand;
use crate::audit::Audit;
use crate::connection::Caller;
use crate::evolve::{CompareSchemas, EvolveCollection};
use crate::genesis::GenesisCommand;
use crate::governance::{AdmitNode, DefineCollection, RemoveNode, SetAccount, SetOrganisation};
use crate::import::Import;
use crate::key::KeyCommand;
use crate::membership::{ActivateMembership, AdmitMembership, ShowMembership};
use crate::node_init::InitNode;
use crate::node_run::RunNode;
use crate::proofs::{GetConsistency, GetEvidence, GetTrust};
use crate::proposal::{ApproveProposal, CreateProposal, ListProposals, ShowProposal, WithdrawProposal};
use crate::read::{Get, History, List};
use crate::receipt::GetReceipt;
use crate::status::ShowStatus;
use crate::submit::Submit;
use crate::watch::Watch;
use crate::witness::InitWitness;
use clap::{Parser, Subcommand};
use countersign_proof::cli::VerifyCommand;

const AFTER_HELP: &str = "\
Exit codes:
  0   done
  1   something else failed: not found, or a node broke its own rules
  2   the command line or a file it names is not usable
  3   rejected: executed, found invalid, and recorded so; nothing changed
  4   refused or denied: turned away at the door, nothing is recorded
  5   unavailable: no node could be reached
  6   unknown: no definite answer in time; submit the same bytes again, it is executed once at the most
  11  verification failed: a proof or certificate does not hold
  12  verification failed: below, or beside, the newest checkpoint that was verified here before
  13  evidence whose signatures hold, but which only re-execution can decide

Who calls is given by --node, --genesis, --account and --key, or by COUNTERSIGN_NODE, COUNTERSIGN_GENESIS,
COUNTERSIGN_ACCOUNT and COUNTERSIGN_KEY.

Examples:
  countersign submit --create flights UA1545 --json flight.json
  countersign import --collection flights --id-field flightId flights.ndjson --results results.ndjson
  countersign receipt get --transaction 4f0c... --out flight.tlog-proof
  countersign verify receipt --genesis genesis.json flight.tlog-proof";

/// Countersign: a ledger that companies run together and that anyone can check
#[derive(Debug, Parser)]
#[command(name = "countersign", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make and show keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Found a ledger: write, sign and check its genesis
    #[command(subcommand)]
    Genesis(GenesisCommand),
    /// Prepare and run a node; admit or remove an observer
    #[command(subcommand)]
    Node(NodeCommand),
    /// Prepare a node to witness other logs
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// Govern collections
    #[command(subcommand)]
    Collection(CollectionCommand),
    /// Govern accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Govern what is said of organisations
    #[command(subcommand)]
    Organisation(OrganisationCommand),
    /// Propose to the other organisations, and approve what they propose
    #[command(subcommand)]
    Proposal(ProposalCommand),
    /// Sign one transaction, submit it and wait for what becomes of it
    Submit(Box<Submit>),
    /// Submit each line of an NDJSON file as a document, exactly once however often it is run
    Import(Box<Import>),
    /// Read one document, with a proof if asked
    Get(Get),
    /// Read the versions of a document, oldest first
    History(History),
    /// Read the documents of a collection by id
    List(List),
    /// Follow certified changes as NDJSON, without gap or repetition
    Watch(Watch),
    /// Fetch receipts
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Fetch the trust bundle: the membership from genesis to the newest epoch
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Fetch proofs that one certified log is the beginning of another
    #[command(subcommand)]
    Consistency(ConsistencyCommand),
    /// Show what organisations have signed that contradicts itself
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Show and change who is a member
    #[command(subcommand)]
    Membership(MembershipCommand),
    /// Check proofs offline, with nothing but the genesis
    #[command(subcommand)]
    Verify(VerifyCommand),
    /// Download a ledger and judge it again from genesis
    Audit(Audit),
    /// Show where a node stands
    Status(ShowStatus),
    /// Make bearer tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Write access rules from templates, and explain what they decide
    #[command(subcommand)]
    Access(AccessCommand),
    /// Issue, list and revoke the API keys of a node
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
}

#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// Make a node's folder: its keys, its sign lock and node.toml
    Init(InitNode),
    /// Run a node
    Run(RunNode),
    /// Admit an observer, or change a node's address or TLS key
    Admit(AdmitNode),
    /// Remove an observer
    Remove(RemoveNode),
}

#[derive(Debug, Subcommand)]
pub enum WitnessCommand {
    /// Make the witness key and its memory in a node's folder, and print the key for the logs to know
    Init(InitWitness),
}

#[derive(Debug, Subcommand)]
pub enum CollectionCommand {
    /// Define a collection; a quorum of organisations must approve
    Define(DefineCollection),
    /// Replace a collection's schema, access rule or both, live; a quorum of organisations must approve
    Evolve(EvolveCollection),
    /// Say, offline, what one schema would break of another
    Compare(CompareSchemas),
}

#[derive(Debug, Subcommand)]
pub enum OrganisationCommand {
    /// Set an organisation's attributes; a quorum of organisations must approve
    Set(SetOrganisation),
}

#[derive(Debug, Subcommand)]
pub enum ProposalCommand {
    /// Propose operations from a file; any command of governance does so for its own with --propose
    Create(CreateProposal),
    /// Approve what is proposed; the last approval that it needs executes it
    Approve(ApproveProposal),
    /// Take back what your organisation has proposed
    Withdraw(WithdrawProposal),
    /// List what is proposed
    List(ListProposals),
    /// Show one proposal: what it would do, who approves, how many must
    Show(ShowProposal),
}

#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Register an account, replace its keys, or close it
    Set(SetAccount),
}

#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Fetch a receipt, verify it and write it to a file
    Get(GetReceipt),
}

#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Fetch the trust bundle, follow it from the genesis, and write it to a file
    Get(GetTrust),
}

#[derive(Debug, Subcommand)]
pub enum ConsistencyCommand {
    /// Fetch a consistency proof, verify it and write it to a file
    Get(GetConsistency),
}

#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// List the evidence a node holds, each verified here; and write the files
    List(GetEvidence),
}

#[derive(Debug, Subcommand)]
pub enum MembershipCommand {
    /// Show every epoch, and what is admitted
    Show(ShowMembership),
    /// Record the membership of the next epoch
    Admit(AdmitMembership),
    /// Bring in what was admitted
    Activate(ActivateMembership),
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Print a token for stock clients; it holds for about four minutes
    #[command(
        after_help = "Example:\n  grpcurl -insecure -H \"authorization: Bearer $(countersign token new)\" \\\n    \
                            127.0.0.1:7001 countersign.v1.Ledger/GetStatus"
    )]
    New(Caller),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
