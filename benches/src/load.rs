//! Sign transactions beforehand and keep a number of them under way.

use crate::usage::cpu_of;
use countersign_client::{BulkOptions, BulkResult, BulkRow, Client, Config, Level, TransactionBuilder, key_file};
use countersign_proof::{Genesis, KeyPair};
use countersign_testnet::{Network, operations_account};
use serde_json::json;
use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

pub const COLLECTION: &str = "records";
const DOCUMENT_BYTES: usize = 256;
/// More than a round uses: what is left over is signed for nothing.
const SIGNED_A_SECOND: usize = 12_000;
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Clients of one network, one an organisation, each at its own node.
pub struct Load {
    /// Each with its account and the account's key.
    pub clients: Vec<(Client, String, KeyPair)>,
    genesis: Genesis,
    pids: Vec<u32>,
    /// The number of the newest document.
    pub next: u64,
}

/// What one round measured.
pub struct Round {
    latencies: Vec<Duration>,
    elapsed: Duration,
    nodes: Duration,
    client: Duration,
}

impl Load {
    /// The next document's transaction, signed by the account of organisation `n`.
    pub fn sign_one(&mut self, n: usize) -> Result<BulkRow, Box<dyn Error>> {
        let (_, account, key) = &self.clients[n];
        self.next += 1;
        let name = format!("record-{:09}", self.next);
        let signed = TransactionBuilder::new(self.genesis.hash())
            .create(COLLECTION, &name, &document(self.next))
            .without_expiry()
            .sign(&[(account, key)])?;
        Ok(BulkRow { tag: self.next, name, transaction_id: signed.id, bytes: signed.bytes })
    }

    /// Defines the collection and makes the clients.
    pub fn prepare(network: &mut Network) -> Result<Load, Box<dyn Error>> {
        let schema = network.layout().root().join("records.schema.json");
        fs::write(&schema, schema_of_records().to_string())?;
        network.define_collection(COLLECTION, &schema)?;
        let genesis = Genesis::parse(&fs::read(network.layout().genesis())?)?;
        let mut clients = Vec::new();
        let mut pids = Vec::new();
        for (n, node) in network.nodes().to_vec().iter().enumerate() {
            let account = operations_account(&node.organisation);
            let key = key_file::read(&network.layout().account_key(&account))?;
            let config = Config {
                nodes: vec![node.api_url()],
                genesis: genesis.clone(),
                account: account.clone(),
                key: key.clone(),
                tls_keys: Vec::new(),
            };
            clients.push((Client::new(config)?, account, key));
            pids.push(network.pid(n).ok_or("a node is not running")?);
        }
        Ok(Load { clients, genesis, pids, next: 0 })
    }

    /// Keeps `in_flight` transactions under way for this long, evenly over all nodes.
    pub async fn run(&mut self, in_flight: usize, lasts: Duration) -> Result<Round, Box<dyn Error>> {
        let used = self.clients.len().min(in_flight);
        let rows: Vec<Vec<BulkRow>> = (0..used).map(|n| self.sign(n, lasts, used)).collect::<Result<_, _>>()?;
        let nodes = |pids: &[u32]| pids.iter().map(|pid| cpu_of(*pid)).sum::<Duration>();
        let (nodes_before, client_before) = (nodes(&self.pids), cpu_of(std::process::id()));
        let begun = Instant::now();
        let mut rounds = Vec::new();
        for (n, rows) in rows.into_iter().enumerate() {
            let share = in_flight / used + usize::from(n < in_flight % used);
            rounds.push(tokio::spawn(submit(self.clients[n].0.clone(), rows, share, begun + lasts)));
        }
        let mut latencies = Vec::new();
        for round in rounds {
            for result in round.await? {
                // Only what a quorum countersigned counts; anything else is a failed run, not a slow one.
                result.result.map_err(|e| format!("{}: {e}", result.name))?;
                latencies.push(result.elapsed);
            }
        }
        latencies.sort();
        let elapsed = begun.elapsed();
        let (nodes_after, client_after) = (nodes(&self.pids), cpu_of(std::process::id()));
        Ok(Round { latencies, elapsed, nodes: nodes_after - nodes_before, client: client_after - client_before })
    }

    fn sign(&mut self, n: usize, lasts: Duration, used: usize) -> Result<Vec<BulkRow>, Box<dyn Error>> {
        let count = SIGNED_A_SECOND * lasts.as_secs() as usize / used;
        (0..count).map(|_| self.sign_one(n)).collect()
    }
}

async fn submit(client: Client, rows: Vec<BulkRow>, in_flight: usize, until: Instant) -> Vec<BulkResult> {
    let (feed, fed) = mpsc::channel(1);
    let (results, mut known) = mpsc::channel(1024);
    let options = BulkOptions { level: Level::Certified, in_flight, rate: None, timeout: TIMEOUT };
    let submitting = tokio::spawn(async move { client.submit_bulk(fed, results, options).await });
    let feeding = tokio::spawn(async move {
        for row in rows {
            if Instant::now() >= until || feed.send(row).await.is_err() {
                return;
            }
        }
    });
    let mut all = Vec::new();
    while let Some(result) = known.recv().await {
        all.push(result);
    }
    drop((submitting.await, feeding.await));
    all
}

fn document(number: u64) -> serde_json::Value {
    let mut document = json!({
        "id": format!("record-{number:09}"),
        "sender": "ua.example",
        "receiver": "port.example",
        "amount": "1200.00",
        "currency": "USD",
        "pieces": number % 1000,
        "day": "2013-01-01",
        "status": "open",
        "note": "",
    });
    let bytes = countersign_proof::canonical(&document).len();
    document["note"] = "x".repeat(DOCUMENT_BYTES - bytes).into();
    document
}

fn schema_of_records() -> serde_json::Value {
    let text = json!({"type": "string", "maxLength": 256});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "sender", "receiver", "amount", "currency", "pieces", "day", "status"],
        "properties": {
            "id": {"type": "string", "pattern": "^record-[0-9]{9}$"},
            "sender": text, "receiver": text, "amount": text, "currency": text, "day": text, "note": text,
            "pieces": {"type": "integer", "minimum": 0},
            "status": {"enum": ["open", "closed"]},
        },
    })
}

impl Round {
    /// Certified transactions a second.
    pub fn certified_per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that this share of the transactions did not pass.
    pub fn percentile_ms(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    }

    /// CPU of all nodes together, a transaction.
    pub fn nodes_micros_per_transaction(&self) -> f64 {
        self.nodes.as_micros() as f64 / self.latencies.len().max(1) as f64
    }

    /// CPU of this load generator, a transaction.
    pub fn client_micros_per_transaction(&self) -> f64 {
        self.client.as_micros() as f64 / self.latencies.len().max(1) as f64
    }
}
