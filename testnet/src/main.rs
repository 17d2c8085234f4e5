//! Be the scripts of `testnet/`: a network that stays, and the demo.

use clap::{Parser, Subcommand};
use countersign_testnet::demo::{self, DemoOptions};
use countersign_testnet::{Network, Options, TestnetError, governance_account, operations_account};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Networks of Countersign nodes on this machine.
#[derive(Parser)]
#[command(name = "testnet")]
struct Arguments {
    /// The network's folder.
    #[arg(long, global = true, env = "COUNTERSIGN_TESTNET_FOLDER", default_value = ".testnet")]
    folder: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Starts a network, or what is stopped of it.
    Up {
        /// How many organisations a new network has [default: 4].
        #[arg(short = 'n', long)]
        organisations: Option<usize>,
    },
    /// Stops every node.
    Down,
    /// Shows each node's process and progress.
    Status,
    /// Kills a node without warning.
    Kill {
        /// Which one: 1 and on.
        node: usize,
    },
    /// Starts a node again, killing it first if it runs.
    Restart {
        /// Which one: 1 and on.
        node: usize,
    },
    /// Shows the end of a node's log.
    Logs {
        /// Which one: 1 and on.
        node: usize,
        /// Goes on as it grows.
        #[arg(short, long)]
        follow: bool,
    },
    /// Imports real flights with a crash in the middle and checks every claim.
    Demo {
        /// At most this many rows.
        #[arg(long, value_parser = clap::value_parser!(u32).range(40..))]
        rows: Option<u32>,
        /// Leaves the network's folder behind.
        #[arg(long)]
        keep: bool,
        /// Instead, lets one node lie and shows what becomes of it.
        #[arg(long, value_parser = demo::MISBEHAVIOURS, conflicts_with_all = ["rows", "keep"])]
        misbehave: Option<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testnet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), TestnetError> {
    let folder = std::path::absolute(&arguments.folder).map_err(TestnetError::file(&arguments.folder))?;
    let open = || Network::open(&folder, None);
    match &arguments.verb {
        Verb::Up { organisations } => up(folder, *organisations),
        Verb::Down => open()?.stop_all(),
        Verb::Status => print_status(&mut open()?),
        Verb::Kill { node } => {
            let mut network = open()?;
            let n = number(&network, *node)?;
            network.kill(n)
        }
        Verb::Restart { node } => {
            let mut network = open()?;
            let n = number(&network, *node)?;
            network.restart(n)
        }
        Verb::Logs { node, follow } => show_log(&open()?, *node, *follow),
        Verb::Demo { misbehave: Some(name), .. } => {
            let byzantine = std::env::var_os("COUNTERSIGN_BYZANTINE_BIN").map(PathBuf::from);
            demo::misbehave(name, byzantine.as_deref())
        }
        Verb::Demo { rows, keep, misbehave: None } => {
            let report = demo::run(&DemoOptions { rows: rows.map(|rows| rows as usize), keep: *keep })?;
            println!("\nevery claim held:\n{report}");
            Ok(())
        }
    }
}

fn up(folder: PathBuf, organisations: Option<usize>) -> Result<(), TestnetError> {
    let mut network = if Network::exists(&folder) {
        let mut network = Network::open(&folder, None)?;
        let there = network.nodes().len();
        if organisations.is_some_and(|wanted| wanted != there) {
            let folder = folder.display();
            return Err(TestnetError::Usage(format!("{folder} holds a network of {there}; remove it for another one")));
        }
        network.restart_all()?;
        network
    } else {
        let organisations = organisations.unwrap_or(Options::default().organisations);
        let network = Network::start_detached(Options { organisations, folder: Some(folder), ..Options::default() })?;
        network.define_collection("flights", &demo::flight_schema())?;
        network
    };
    print_status(&mut network)?;
    write_variables(&network)?;
    network.detach();
    Ok(())
}

fn print_status(network: &mut Network) -> Result<(), TestnetError> {
    println!(
        "{:<3}{:<18}{:<9}{:<7}{:<9}{:<11}{:<10}explorer",
        "n", "node", "pid", "term", "applied", "certified", "state"
    );
    for n in 0..network.nodes().len() {
        let pid = network.pid(n).map_or("stopped".to_owned(), |pid| pid.to_string());
        let node = network.nodes()[n].clone();
        let explorer = format!("http://127.0.0.1:{}/", node.http_port);
        let standing = match network.status(n) {
            Ok(s) => {
                let leads = if s.leader == node.node { "*" } else { "" };
                let root: String = s.state_root.chars().take(8).collect();
                format!(
                    "{:<7}{:<9}{:<11}{root:<10}",
                    format!("{}{leads}", s.term),
                    s.applied.height,
                    s.certified.height
                )
            }
            Err(_) => format!("{:<37}", "no answer"),
        };
        println!("{:<3}{:<18}{pid:<9}{standing}{explorer}", n + 1, node.node);
    }
    println!("(* leads)");
    Ok(())
}

/// Writes the file to source before using the network.
fn write_variables(network: &Network) -> Result<(), TestnetError> {
    let account = operations_account(&network.nodes()[0].organisation);
    let layout = network.layout();
    let export = |(name, value): (String, String)| format!("export {name}={value}\n");
    let exports: String = network.variables("$PATH").into_iter().map(export).collect();
    let variables = format!("# Source this to speak as {account}.\n{exports}");
    let file = layout.root().join("env");
    std::fs::write(&file, variables).map_err(TestnetError::file(&file))?;
    println!(
        "\nto speak as {account} (collection flights is defined; govern as {}):",
        governance_account(&network.nodes()[0].organisation)
    );
    println!("  source {}", file.display());
    Ok(())
}

fn show_log(network: &Network, node: usize, follow: bool) -> Result<(), TestnetError> {
    let n = number(network, node)?;
    let log = network.layout().log(&network.nodes()[n].organisation);
    let mut tail = Command::new("tail");
    tail.args(["-n", "200"]).args(follow.then_some("-F")).arg(&log);
    // Returns only when tail cannot be started.
    Err(TestnetError::File { path: PathBuf::from("tail"), source: tail.exec() })
}

/// From a person's 1 and on to ours.
fn number(network: &Network, node: usize) -> Result<usize, TestnetError> {
    let nodes = network.nodes().len();
    let wrong = || TestnetError::Usage(format!("the network has nodes 1 to {nodes}"));
    if (1..=nodes).contains(&node) { Ok(node - 1) } else { Err(wrong()) }
}
