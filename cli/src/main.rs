//! Run the `countersign` command: keys, genesis, nodes, transactions, reads, proofs.

mod access;
mod api_key;
mod args;
mod audit;
mod connection;
mod evolve;
mod failure;
mod genesis;
mod governance;
mod import;
mod key;
mod membership;
mod node_init;
mod node_run;
mod output;
mod proofs;
mod proposal;
mod read;
mod receipt;
mod status;
mod submit;
mod watch;
mod witness;

use args::{Cli, Command, NodeCommand};
use clap::Parser;
use countersign_proof::cli::CliFailure;
use failure::Failure;
use std::process::ExitCode;

/// A node makes many small values for each transaction, on several threads: glibc's allocator took a fifth of its CPU.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    if let Command::Node(NodeCommand::Run(command)) = &command {
        return node_run::run(command);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(run(command));
            // Not waiting for a thread that waits for input.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Failure::Other(format!("no runtime: {error}"))),
    };
    match result {
        Ok(()) | Err(Failure::PipeClosed | Failure::Verify(CliFailure::PipeClosed)) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("countersign: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    use args::{
        AccountCommand, CollectionCommand, ConsistencyCommand, EvidenceCommand, MembershipCommand, OrganisationCommand,
        ProposalCommand, ReceiptCommand, TokenCommand, TrustCommand, WitnessCommand,
    };
    match command {
        Command::Key(command) => key::run(&command),
        Command::Genesis(command) => genesis::run(&command),
        Command::Node(NodeCommand::Init(command)) => node_init::run(&command),
        Command::Witness(WitnessCommand::Init(command)) => witness::init(&command),
        Command::Node(NodeCommand::Run(_)) => unreachable!("main runs it, without a runtime around it"),
        Command::Node(NodeCommand::Admit(command)) => governance::admit_node(&command).await,
        Command::Node(NodeCommand::Remove(command)) => governance::remove_node(&command).await,
        Command::Collection(CollectionCommand::Define(command)) => governance::define_collection(&command).await,
        Command::Collection(CollectionCommand::Evolve(command)) => evolve::evolve(&command).await,
        Command::Collection(CollectionCommand::Compare(command)) => evolve::compare(&command),
        Command::Organisation(OrganisationCommand::Set(command)) => governance::set_organisation(&command).await,
        Command::Proposal(ProposalCommand::Create(command)) => proposal::create(&command).await,
        Command::Proposal(ProposalCommand::Approve(command)) => proposal::approve(&command).await,
        Command::Proposal(ProposalCommand::Withdraw(command)) => proposal::withdraw(&command).await,
        Command::Proposal(ProposalCommand::List(command)) => proposal::list(&command).await,
        Command::Proposal(ProposalCommand::Show(command)) => proposal::show(&command).await,
        Command::Account(AccountCommand::Set(command)) => governance::set_account(&command).await,
        Command::Submit(command) => submit::run(&command).await,
        Command::Import(command) => import::run(command).await,
        Command::Get(command) => read::get(&command).await,
        Command::History(command) => read::history(&command).await,
        Command::List(command) => read::list(&command).await,
        Command::Watch(command) => watch::run(&command).await,
        Command::Receipt(ReceiptCommand::Get(command)) => receipt::run(&command).await,
        Command::Verify(command) => Ok(countersign_proof::cli::run(&command)?),
        Command::Trust(TrustCommand::Get(command)) => proofs::trust(&command).await,
        Command::Consistency(ConsistencyCommand::Get(command)) => proofs::consistency(&command).await,
        Command::Evidence(EvidenceCommand::List(command)) => proofs::evidence(&command).await,
        Command::Membership(MembershipCommand::Show(command)) => membership::show(&command).await,
        Command::Membership(MembershipCommand::Admit(command)) => membership::admit(&command).await,
        Command::Membership(MembershipCommand::Activate(command)) => membership::activate(&command).await,
        Command::Audit(command) => audit::run(&command).await,
        Command::Status(command) => status::run(&command).await,
        Command::Access(command) => access::run(&command),
        Command::ApiKey(command) => api_key::run(&command),
        Command::Token(TokenCommand::New(command)) => connection::new_token(&command),
    }
}
