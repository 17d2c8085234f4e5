//! Hand transactions in at a fixed rate, and note when their events arrive at the other organisations.

use crate::load::{COLLECTION, Load, TIMEOUT};
use countersign_client::v1::event::What;
use countersign_client::{BulkOptions, Client, Level};
use countersign_testnet::{Network, NodeRecord};
use std::error::Error;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// How long the last event may take, and the first line of a stream.
const LAST_WITHIN: Duration = Duration::from_secs(30);
/// Subscribers are there before the first transaction.
const LEAD: Duration = Duration::from_secs(1);

/// One event at one organisation: over what, at whose node, of which transaction.
struct Arrived {
    over_sse: bool,
    node: usize,
    number: u64,
    at: Instant,
}

/// Latencies of one round, the smallest first.
pub struct Round {
    pub grpc: Vec<Duration>,
    pub sse: Vec<Duration>,
}

/// Hands `rate` transactions a second in for so long. Errs when one is not certified, or an event does not come.
pub async fn listen(
    load: &mut Load,
    network: &Network,
    keys: &[String],
    rate: u32,
    lasts: Duration,
) -> Result<Round, Box<dyn Error>> {
    let nodes = load.clients.len();
    let (first, count) = (load.next + 1, u64::from(rate) * lasts.as_secs());
    let mut rows = Vec::new();
    // In turn: transaction k is handed in at node k mod n.
    for k in 0..count {
        rows.push(load.sign_one(k as usize % nodes)?);
    }
    let (arrivals, mut arrived) = mpsc::channel(65_536);
    let mut listeners = Vec::new();
    for (n, node) in network.nodes().iter().enumerate() {
        listeners.push(tokio::spawn(over_grpc(load.clients[n].0.clone(), n, arrivals.clone())));
        listeners.push(tokio::spawn(over_sse(node.clone(), keys[n].clone(), n, arrivals.clone())));
    }
    drop(arrivals);
    let begin = Instant::now() + LEAD;
    let due = |k: u64| begin + Duration::from_secs(1) * (k as u32) / rate;
    let mut feeds = Vec::new();
    let mut submitting = Vec::new();
    for (client, _, _) in &load.clients {
        let (feed, fed) = mpsc::channel(4_096);
        let (results, known) = mpsc::channel(4_096);
        let options = BulkOptions { level: Level::Certified, in_flight: 4_096, rate: None, timeout: TIMEOUT };
        let client = client.clone();
        submitting.push(tokio::spawn(async move { client.submit_bulk(fed, results, options).await }));
        submitting.push(tokio::spawn(certified(known)));
        feeds.push(feed);
    }
    tokio::spawn(async move {
        for (k, row) in rows.into_iter().enumerate() {
            sleep_until(begin + Duration::from_secs(1) * (k as u32) / rate).await;
            if feeds[k % feeds.len()].send(row).await.is_err() {
                return;
            }
        }
    });
    let mut round = Round { grpc: Vec::new(), sse: Vec::new() };
    // Each transaction is heard of at every organisation but the one that handed it in, in both ways.
    for _ in 0..2 * count * (nodes as u64) {
        let within = lasts + LEAD + LAST_WITHIN;
        let Arrived { over_sse, node, number, at } =
            timeout(within, arrived.recv()).await.map_err(|_| "an event did not come")?.ok_or("a stream ended")?;
        let k = number.checked_sub(first).ok_or("an event of an earlier round")?;
        if k as usize % nodes != node {
            let latencies = if over_sse { &mut round.sse } else { &mut round.grpc };
            latencies.push(at.saturating_duration_since(due(k)));
        }
    }
    for submitted in submitting {
        submitted.await?.map_err(|e| e.to_string())?;
    }
    listeners.iter().for_each(|listener| listener.abort());
    round.grpc.sort();
    round.sse.sort();
    Ok(round)
}

/// Errs when a transaction was not certified.
async fn certified(
    mut known: mpsc::Receiver<countersign_client::BulkResult>,
) -> Result<(), countersign_client::ClientError> {
    while let Some(result) = known.recv().await {
        result.result?;
    }
    Ok(())
}

/// `record-000000123` to 123.
fn number_of(id: &str) -> Option<u64> {
    id.strip_prefix("record-")?.parse().ok()
}

async fn over_grpc(client: Client, node: usize, arrivals: mpsc::Sender<Arrived>) {
    let mut subscription = client.subscribe("now", &[COLLECTION.to_owned()]);
    while let Ok(event) = subscription.next().await {
        let at = Instant::now();
        let Some(What::Change(change)) = event.what else { continue };
        let Some(number) = change.document.and_then(|document| number_of(&document.id)) else { continue };
        if arrivals.send(Arrived { over_sse: false, node, number, at }).await.is_err() {
            return;
        }
    }
}

async fn over_sse(record: NodeRecord, key: String, node: usize, arrivals: mpsc::Sender<Arrived>) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", record.http_port)).await else { return };
    let request = format!(
        "GET /v1/events?collections={COLLECTION}&cursor=now HTTP/1.1\r\nHost: node\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    if stream.write_all(request.as_bytes()).await.is_err() {
        return;
    }
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let at = Instant::now();
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let event: serde_json::Value = serde_json::from_str(data).unwrap_or_default();
        let id = event["subject"].as_str().and_then(|subject| subject.split_once('/')).map(|(_, id)| id);
        let Some(number) = id.and_then(number_of) else { continue };
        if arrivals.send(Arrived { over_sse: true, node, number, at }).await.is_err() {
            return;
        }
    }
}
