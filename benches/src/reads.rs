//! Print what a read costs: documents, pages and history, from one node of a network.

use crate::Failure;
use crate::latency::{Latencies, Window};
use crate::machine::Machine;
use crate::records::{COLLECTION, id};
use crate::setup::Stage;
use crate::usage::cpu_of;
use clap::{Args, ValueEnum};
use countersign_client::{At, Client, ClientError, Config, Consistency, key_file};
use countersign_proof::Genesis;
use countersign_testnet::{Network, operations_account};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ORGANISATIONS: usize = 3;
/// A document lies anywhere: far enough from the one before that no block of the store is read twice in a row.
const STRIDE: u64 = 7_919;
const PAGE: u32 = 100;

/// Documents are loaded first. Then one node is read from in a closed loop, over gRPC and TLS as clients do.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Documents that are there before.
    #[arg(long, default_value_t = 100_000)]
    preload: usize,
    /// Reads under way at once, one round each.
    #[arg(long, value_delimiter = ',', default_value = "1,256")]
    in_flight: Vec<usize>,
    /// Connections that they share.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// How long a round lasts.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Write everything here too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Read {
    Local,
    Certified,
    Linearizable,
    Proven,
    Page,
    History,
}

/// One round.
#[derive(serde::Serialize)]
struct Row {
    read: String,
    node: &'static str,
    in_flight: usize,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    node_us: f64,
    client_us: f64,
}

/// Starts a network, and prints a line a round.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut stage = Stage::start(ORGANISATIONS, ORGANISATIONS, Duration::ZERO)?;
    stage.runtime.block_on(stage.load.preload(arguments.preload))?;
    let machine = Machine::here();
    println!("{machine}");
    println!("{} documents; {} s a round; client on the same cores", arguments.preload, arguments.seconds);
    println!(
        "{:<14} {:<9} {:>9} {:>10} {:>8} {:>8} {:>9} {:>10}",
        "read", "node", "in flight", "a second", "p50 ms", "p99 ms", "node us", "client us"
    );
    let leader = stage.network.leader()?;
    let mut rows = Vec::new();
    for (name, node) in [("leader", leader), ("follower", (leader + 1) % ORGANISATIONS)] {
        let clients = clients(&stage, node, arguments.connections)?;
        for read in Read::value_variants() {
            for in_flight in &arguments.in_flight {
                let row = round(&mut stage, &clients, (name, node), *read, *in_flight, &arguments)?;
                print(&row);
                rows.push(row);
            }
        }
    }
    target(&rows);
    if let Some(path) = &arguments.json {
        fs::write(
            path,
            serde_json::to_string_pretty(&serde_json::json!({ "machine": machine, "rows": rows }))? + "\n",
        )?;
    }
    Ok(())
}

/// So many of one node, each with a connection of its own.
fn clients(stage: &Stage, node: usize, count: usize) -> Result<Vec<Client>, Failure> {
    let network: &Network = &stage.network;
    let account = operations_account(&network.nodes()[node].organisation);
    let genesis = Genesis::parse(&fs::read(network.layout().genesis())?)?;
    let nodes = vec![network.nodes()[node].api_url()];
    let key = key_file::read(&network.layout().account_key(&account))?;
    let config = Config { nodes, genesis, account, key, tls_keys: Vec::new() };
    // The SDK makes its connections on the runtime around it.
    let _context = stage.runtime.enter();
    (0..count.max(1)).map(|_| Client::new(config.clone()).map_err(Failure::from)).collect()
}

fn round(
    stage: &mut Stage,
    clients: &[Client],
    (name, node): (&'static str, usize),
    read: Read,
    in_flight: usize,
    arguments: &Arguments,
) -> Result<Row, Failure> {
    let pid = stage.network.pid(node).ok_or("the node does not run")?;
    let window = Window::of(Instant::now(), Duration::from_secs(arguments.seconds));
    let (of_node, of_client) = (cpu_of(pid), cpu_of(std::process::id()));
    let documents = arguments.preload as u64;
    let readers: Vec<_> = (0..in_flight as u64)
        .map(|n| {
            let client = clients[n as usize % clients.len()].clone();
            let first = n * (documents / in_flight as u64).max(1);
            stage.runtime.spawn(read_on(client, read, window, first, documents))
        })
        .collect();
    let mut latencies = Latencies::default();
    for reader in readers {
        latencies.join(stage.runtime.block_on(reader)??);
    }
    latencies.sort();
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / latencies.answered().max(1) as f64;
    Ok(Row {
        read: format!("{read:?}").to_uppercase(),
        node: name,
        in_flight,
        per_second: latencies.per_second(window),
        p50_ms: latencies.ms(0.5),
        p99_ms: latencies.ms(0.99),
        node_us: each(cpu_of(pid).saturating_sub(of_node)),
        client_us: each(cpu_of(std::process::id()).saturating_sub(of_client)),
    })
}

/// Reads one document after the other until the round ends.
async fn read_on(
    client: Client,
    read: Read,
    window: Window,
    first: u64,
    documents: u64,
) -> Result<Latencies, ClientError> {
    let mut latencies = Latencies::default();
    let mut at = first;
    loop {
        let begun = Instant::now();
        if begun >= window.end {
            return Ok(latencies);
        }
        at = (at + STRIDE) % documents;
        // Documents are numbered from 1.
        read_one(&client, read, &id(at + 1)).await?;
        let now = Instant::now();
        latencies.add(window, now, now - begun);
    }
}

async fn read_one(client: &Client, read: Read, id: &str) -> Result<(), ClientError> {
    let document = |consistency| client.get_document(COLLECTION, id, At::Newest, consistency);
    match read {
        Read::Local => document(Consistency::Local).await.map(drop),
        Read::Certified => document(Consistency::CertifiedRead).await.map(drop),
        Read::Linearizable => document(Consistency::Linearizable).await.map(drop),
        Read::Proven => client.get_proven_document(COLLECTION, id, At::Newest).await.map(drop),
        Read::Page => client.list_documents(COLLECTION, id, PAGE).await.map(drop),
        Read::History => client.get_history(COLLECTION, id, 1, PAGE).await.map(drop),
    }
}

fn print(row: &Row) {
    println!(
        "{:<14} {:<9} {:>9} {:>10.0} {:>8.2} {:>8.2} {:>9.1} {:>10.1}",
        row.read, row.node, row.in_flight, row.per_second, row.p50_ms, row.p99_ms, row.node_us, row.client_us
    );
}

fn target(rows: &[Row]) {
    const WANTED: f64 = 50_000.0;
    let local = rows.iter().filter(|row| row.read == "LOCAL").max_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let Some(local) = local else { return };
    let verdict = if local.per_second >= WANTED { "met" } else { "not met" };
    println!(
        "\nLOCAL reads a second, client on the same cores: >= {WANTED:.0}, measured {:.0}: {verdict}",
        local.per_second
    );
    println!(
        "PROVEN: certified, with a state proof that the client verifies; PAGE: {PAGE} documents; node us, client us: CPU a read"
    );
    println!("a node with two cores to itself, by its CPU a LOCAL read: {:.0} a second", 2e6 / local.node_us);
}
