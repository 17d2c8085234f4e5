//! Hand transactions in at a fixed rate, and note when their events arrive at the other organisations.

use crate::Failure;
use crate::drive::{Drive, Pace};
use crate::latency::{Latencies, Window};
use crate::load::Load;
use crate::records::{COLLECTION, number_of};
use countersign_client::v1::event::What;
use countersign_client::{Client, Level};
use countersign_testnet::{Network, NodeRecord};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

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
#[derive(Default)]
pub struct Round {
    pub grpc: Latencies,
    pub sse: Latencies,
}

/// Hands `rate` transactions a second in for so long. Errs when one is not certified, or an event does not come.
pub async fn listen(
    load: &mut Load,
    network: &Network,
    keys: &[String],
    rate: u32,
    lasts: Duration,
) -> Result<Round, Failure> {
    let nodes = load.clients.len();
    let (first, count) = (load.next + 1, u64::from(rate) * lasts.as_secs());
    // In turn: transaction k is signed by an account of organisation k mod n and handed in at its node.
    let rows = load.sign(count as usize, nodes)?;
    let (arrivals, mut arrived) = mpsc::channel(65_536);
    let mut listeners = Vec::new();
    for (n, node) in network.nodes().iter().enumerate() {
        listeners.push(tokio::spawn(over_grpc(load.clients[n].clone(), n, arrivals.clone())));
        listeners.push(tokio::spawn(over_sse(node.clone(), keys[n].clone(), n, arrivals.clone())));
    }
    drop(arrivals);
    let begin = Instant::now() + LEAD;
    let due = |k: u64| begin + Duration::from_secs(1) * (k as u32) / rate;
    let drive = Drive { pace: Pace::Open { rate: rate.into() }, level: Level::Certified, lasts };
    let clients = load.clients.clone();
    let submitting = tokio::spawn(async move { drive.run_from(begin.into_std(), &clients, rows).await });
    let within = lasts + LEAD + LAST_WITHIN;
    let all = Window { begin: begin.into_std(), end: (begin + within).into_std() };
    let mut round = Round::default();
    // Each transaction is heard of at every organisation but the one that handed it in, in both ways.
    for _ in 0..2 * count * (nodes as u64) {
        let Arrived { over_sse, node, number, at } =
            timeout(within, arrived.recv()).await.map_err(|_| "an event did not come")?.ok_or("a stream ended")?;
        let k = number.checked_sub(first).ok_or("an event of an earlier round")?;
        if k as usize % nodes != node {
            let latencies = if over_sse { &mut round.sse } else { &mut round.grpc };
            latencies.add(all, at.into_std(), at.saturating_duration_since(due(k)));
        }
    }
    submitting.await??.all_applied()?;
    listeners.iter().for_each(|listener| listener.abort());
    round.grpc.sort();
    round.sse.sort();
    Ok(round)
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
