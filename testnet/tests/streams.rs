//! Hold streams to "no gap, no repetition": two hundred subscribers that disconnect at random while others write.
//!
//! These tests drive the `countersign` binary: `./check` builds it first.

mod common;

use common::{api_key, connect, define_readings};
use countersign_proto::v1::event::What;
use countersign_proto::v1::ledger_client::LedgerClient;
use countersign_proto::v1::{self, SubscribeRequest};
use countersign_testnet::{Network, Options};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tonic::Request;
use tonic::transport::Channel;

const DOCUMENTS: usize = 600;
const SUBSCRIBERS: u64 = 200;
/// Events that a subscriber takes before it hangs up, at most.
const PATIENCE: u64 = 90;
const WITHIN: Duration = Duration::from_secs(120);

/// One event: its cursor, and which version of which document.
type Heard = (String, String, u64);

/// A stream that can be cut anywhere.
enum Stream {
    Grpc(Box<tonic::Streaming<v1::Event>>),
    Sse(Box<tokio::io::Lines<BufReader<TcpStream>>>),
}

struct Node {
    client: LedgerClient<Channel>,
    http_port: u16,
    key: String,
}

impl Node {
    async fn subscribe(&self, over_sse: bool, cursor: &str) -> Stream {
        if over_sse {
            let mut stream = TcpStream::connect(("127.0.0.1", self.http_port)).await.expect("the node listens");
            let request = format!(
                "GET /v1/events?collections=readings&cursor={cursor} HTTP/1.1\r\nHost: node\r\nX-Api-Key: {}\r\n\r\n",
                self.key
            );
            stream.write_all(request.as_bytes()).await.expect("sent");
            return Stream::Sse(Box::new(BufReader::new(stream).lines()));
        }
        let message =
            SubscribeRequest { cursor: cursor.to_owned(), collections: vec!["readings".into()], filter: String::new() };
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-api-key", self.key.parse().expect("ASCII"));
        Stream::Grpc(Box::new(self.client.clone().subscribe(request).await.expect("may listen").into_inner()))
    }

    /// Hears every event from the ledger's start on, through streams that are cut after a few of them.
    async fn hear(&self, subscriber: u64, events: usize) -> Vec<Heard> {
        let (mut heard, mut cursor, mut chance): (Vec<Heard>, _, _) =
            (Vec::new(), String::new(), Chance(subscriber + 1));
        while heard.len() < events {
            let mut stream = self.subscribe(subscriber.is_multiple_of(2), &cursor).await;
            for _ in 0..=chance.next() % PATIENCE {
                if heard.len() == events {
                    break;
                }
                let event = stream.next().await;
                cursor.clone_from(&event.0);
                heard.push(event);
            }
        }
        heard
    }
}

impl Stream {
    async fn next(&mut self) -> Heard {
        match self {
            Stream::Grpc(stream) => loop {
                let event = stream.message().await.expect("open").expect("goes on");
                let Some(What::Change(change)) = event.what else { continue };
                let document = change.document.expect("nothing is withdrawn");
                return (event.cursor, document.id, document.version);
            },
            Stream::Sse(lines) => loop {
                let line = lines.next_line().await.expect("open").expect("goes on");
                let Some(data) = line.strip_prefix("data: ").filter(|data| *data != "{}") else { continue };
                let event: Value = serde_json::from_str(data).expect("JSON");
                let after = &event["data"]["after"];
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                return (text(&event["id"]), text(&after["id"]), after["version"].as_u64().expect("a version"));
            },
        }
    }
}

/// Xorshift: the same walk at every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Writes every document twice, in bulk, through another organisation's node.
async fn write_all(port: u16, key: &str) {
    for version in 1..=2 {
        let row = |n| json!({"id": format!("r{n}"), "value": {"value": version}}).to_string();
        let rows: Vec<String> = (0..DOCUMENTS).map(row).collect();
        let body = rows.join("\n");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the node listens");
        let head = format!(
            "POST /v1/collections/readings/bulk?mode=put HTTP/1.1\r\nHost: node\r\nX-Api-Key: {key}\r\nConnection: close\r\n\
             Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let applied = format!("\"applied\":{DOCUMENTS},\"failed\":0");
        assert!(answer.contains(&applied), "{}", &answer[..answer.len().min(2_000)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_cut_at_random_add_up_to_the_ledgers_changes() {
    let network = Network::start(Options { organisations: 3, ..Options::default() }).expect("three nodes start");
    define_readings(&network, "readings");
    let key = api_key(&network, 0, &["--read", "readings"]);
    let node = Node { client: connect(&network, 0).await, http_port: network.nodes()[0].http_port, key };
    let writer = api_key(&network, 1, &["--read", "*", "--write", "readings"]);
    let http_port = network.nodes()[1].http_port;
    let events = 2 * DOCUMENTS;
    let node = Arc::new(node);
    let began = Instant::now();
    let subscribers: Vec<_> = (0..SUBSCRIBERS)
        .map(|subscriber| {
            let node = node.clone();
            tokio::spawn(async move { node.hear(subscriber, events).await })
        })
        .collect();
    timeout(WITHIN, write_all(http_port, &writer)).await.expect("in time");
    // One who never hangs up: what the ledger has, in its order.
    let mut whole = node.subscribe(false, "").await;
    let mut all = Vec::new();
    while all.len() < events {
        all.push(timeout(WITHIN, whole.next()).await.expect("in time"));
    }
    let mut versions: Vec<(&str, u64)> = all.iter().map(|(_, id, version)| (&id[..], *version)).collect();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), events, "each version once");
    for (n, subscriber) in subscribers.into_iter().enumerate() {
        let left = WITHIN.saturating_sub(began.elapsed());
        let heard = timeout(left, subscriber).await.expect("in time").expect("no stream failed");
        assert!(heard == all, "subscriber {n} heard something else");
    }
}
