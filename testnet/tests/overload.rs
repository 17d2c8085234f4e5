//! Hold a full node to its word: streams are held back and lose nothing, a single request is told when to come again.
//!
//! These tests drive the `countersign` binary: `./check` builds it first.

mod common;

use common::{connect, define_readings};
use countersign_client::{TransactionBuilder, key_file};
use countersign_proof::Genesis;
use countersign_proto::v1::{self, Outcome, SubmitRequest, SubmitResponse};
use countersign_testnet::{Network, Options, operations_account};
use serde_json::json;
use std::fs;
use std::time::Duration;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// As many transactions as a node owns at once, and as one stream may have unanswered.
const OWNED_MAX: usize = 4_096;
const STREAM_IN_FLIGHT_MAX: usize = 1_024;
const STREAMS: usize = 6;
const WITHIN: Duration = Duration::from_secs(60);

fn requests(network: &Network, from: usize, count: usize) -> Vec<SubmitRequest> {
    let genesis = Genesis::parse(&fs::read(network.layout().genesis()).expect("the genesis")).expect("parses");
    let account = operations_account(&network.nodes()[0].organisation);
    let key = key_file::read(&network.layout().account_key(&account)).expect("a key");
    let request = |n: usize| {
        let document =
            TransactionBuilder::new(genesis.hash()).create("readings", &n.to_string(), &json!({ "value": n }));
        let transaction = document.without_expiry().sign(&[(&account, &key)]).expect("signs").bytes;
        SubmitRequest { transaction, level: v1::Level::Certified.into(), timeout_ms: 60_000, sequence: n as u64 }
    };
    (from..from + count).map(request).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_node_holds_streams_back_and_refuses_single_requests() {
    let mut network = Network::start(Options { organisations: 3, ..Options::default() }).expect("starts");
    define_readings(&network, "readings");
    // Without a quorum nothing is ordered, and the node fills up.
    network.kill(1).expect("killed");
    network.kill(2).expect("killed");
    let mut streams: Vec<Streaming<SubmitResponse>> = Vec::new();
    let mut feeds = Vec::new();
    for n in 0..STREAMS {
        let rows = requests(&network, n * STREAM_IN_FLIGHT_MAX, STREAM_IN_FLIGHT_MAX);
        let (feed, fed) = tokio::sync::mpsc::channel(STREAM_IN_FLIGHT_MAX);
        rows.into_iter().for_each(|row| feed.try_send(row).expect("there is room"));
        let mut client = connect(&network, 0).await;
        streams.push(client.submit_stream(ReceiverStream::new(fed)).await.expect("a stream").into_inner());
        feeds.push(feed);
    }
    let total = STREAMS * STREAM_IN_FLIGHT_MAX;
    assert!(total > OWNED_MAX + STREAM_IN_FLIGHT_MAX, "more than there is room for");
    let mut single = connect(&network, 0).await;
    let refused = async {
        for n in total.. {
            let request = requests(&network, n, 1).remove(0);
            // Whoever is let in waits for ever: the node is not full yet.
            if let Ok(Err(status)) = timeout(Duration::from_millis(500), single.submit(request)).await {
                return (status, n - total);
            }
        }
        unreachable!()
    };
    let (status, let_in) = timeout(WITHIN, refused).await.expect("the node fills up");
    assert!(status.message().contains("4096"), "{status:?}");
    assert!(let_in < 60, "{let_in} were let in");
    for stream in &mut streams {
        let silence = timeout(Duration::from_millis(100), stream.message()).await;
        assert!(silence.is_err(), "held back, not refused: {silence:?}");
    }
    network.restart(1).expect("starts again");
    network.restart(2).expect("starts again");
    let mut answered = vec![false; total];
    for stream in &mut streams {
        for _ in 0..STREAM_IN_FLIGHT_MAX {
            let answer =
                timeout(WITHIN, stream.message()).await.expect("in time").expect("a stream").expect("an answer");
            assert_eq!(answer.outcome(), Outcome::Applied, "{answer:?}");
            assert!(!std::mem::replace(&mut answered[answer.sequence as usize], true), "twice: {answer:?}");
        }
    }
    assert!(answered.iter().all(|answered| *answered));
}
