//! Check the client against nodes that are slow, refuse, lie, and go down.

mod mock;

use countersign_client::*;
use countersign_proof::Transaction;
use mock::{ACCOUNT, Mock, genesis, key};
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;

const SECONDS: Duration = Duration::from_secs(20);

fn client(nodes: &[&str]) -> Client {
    let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
    let config = Config { nodes, genesis: genesis(), account: ACCOUNT.into(), key: key(2), tls_keys: vec![] };
    Client::new(config).expect("a client")
}

fn transaction(id: &str) -> Transaction {
    let builder = TransactionBuilder::new(genesis().hash()).create("flights", id, &json!({}));
    builder.sign(&[(ACCOUNT, &key(2))]).expect("well formed")
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("https://{}", listener.local_addr().expect("bound"))
}

#[tokio::test]
async fn a_submission_is_applied_or_rejected_or_unavailable() {
    let node = Mock::default().serve().await;
    let answer = client(&[&node]).submit(transaction("UA1").bytes, Level::Certified, SECONDS).await.expect("applied");
    assert_eq!((answer.outcome, answer.height), (Outcome::Applied, Some(1)));
    let answer = client(&[&node]).submit(transaction("bad").bytes, Level::Certified, SECONDS).await.expect("an answer");
    assert!(matches!(answer.outcome, Outcome::Rejected(r) if r.code == "SCHEMA_VIOLATION"));
    let gone = client(&[&nobody()]).submit(transaction("UA1").bytes, Level::Certified, SECONDS).await;
    assert!(matches!(gone, Err(ClientError::Unavailable { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_submission_without_an_answer_is_unknown_and_resubmission_finds_out() {
    let slow = Mock { silence_ms: 60_000, ..Mock::default() };
    let fast = Mock { executed: slow.executed.clone(), ..Mock::default() };
    let nodes = [slow.serve().await, fast.serve().await];
    let transaction = transaction("UA1");
    let once =
        client(&[&nodes[0]]).submit(transaction.bytes.clone(), Level::Certified, Duration::from_millis(50)).await;
    assert!(
        matches!(once, Err(ClientError::Unknown { transaction_id, .. }) if transaction_id == transaction.id),
        "{once:?}"
    );
    let two = client(&[&nobody(), &nodes[1]]);
    two.submit_until_known(transaction.bytes, Level::Certified, SECONDS).await.expect("applied");
    assert_eq!(fast.executed.lock().expect("quiet").len(), 1);
}

#[tokio::test]
async fn a_verified_submission_has_a_receipt_of_its_own_body() {
    let honest = Mock::default();
    let verified = client(&[&honest.serve().await]).submit_verified(transaction("UA1").bytes, SECONDS).await;
    assert_eq!(verified.expect("verified").proof.certified().signers().len(), 1);
    let liar = Mock { lies: true, ..Mock::default() };
    let refused = client(&[&liar.serve().await]).submit_verified(transaction("UA1").bytes, SECONDS).await;
    let refused = refused.expect_err("a receipt of another body").to_string();
    assert!(refused.starts_with("verification failed: receipt.leaf.body"), "{refused}");
}

#[tokio::test]
async fn a_node_with_another_tls_key_is_not_reached() {
    let mut config =
        Config { nodes: vec![], genesis: genesis(), account: ACCOUNT.into(), key: key(2), tls_keys: vec![] };
    let mut document = config.genesis.document().clone();
    let node = document.organisations.get_mut("ua.example").and_then(|o| o.nodes.get_mut("1")).expect("founder");
    node.tls = key(9).public();
    config.genesis = countersign_proof::Genesis::parse(&countersign_proof::canonical(&document)).expect("a genesis");
    config.nodes = vec![Mock::default().serve().await];
    let refused = Client::connect(config.clone()).await.err().expect("another key");
    assert!(matches!(refused, ClientError::Unavailable { .. }), "{refused}");
    config.tls_keys = vec![key(6).public()];
    // Now the connection stands, and the token of another ledger is what is refused.
    let refused = Client::connect(config).await.err().expect("another ledger");
    assert!(matches!(refused, ClientError::Denied { .. }), "{refused}");
}

#[tokio::test]
async fn a_subscription_goes_on_after_its_last_event() {
    let nodes = [Mock::default().serve().await, Mock::default().serve().await];
    let mut subscription = client(&[&nodes[0], &nobody(), &nodes[1]]).subscribe("", &[]);
    for expected in 0..8 {
        assert_eq!(subscription.next().await.expect("an event").cursor, expected.to_string());
    }
}

#[tokio::test]
async fn a_bulk_is_exactly_once_though_streams_break_and_nodes_refuse() {
    let one = Mock { stream_length: Some(17), refuse_every: Some(5), ..Mock::default() };
    let two = Mock { stream_length: Some(29), executed: one.executed.clone(), ..Mock::default() };
    let nodes = [one.serve().await, two.serve().await];
    let client = client(&[&nodes[0], &nobody(), &nodes[1]]);
    let (rows, queue) = mpsc::channel(8);
    let (results, mut answers) = mpsc::channel(8);
    let options = BulkOptions { level: Level::Certified, in_flight: 10, rate: None, timeout: SECONDS };
    let bulk = tokio::spawn(async move { client.submit_bulk(queue, results, options).await });
    tokio::spawn(async move {
        for tag in 0..150 {
            let transaction = transaction(&format!("UA{tag}"));
            let row = BulkRow { tag, name: String::new(), transaction_id: transaction.id, bytes: transaction.bytes };
            rows.send(row).await.expect("the bulk runs");
        }
    });
    let (mut tags, mut sends) = (std::collections::BTreeSet::new(), 0);
    while let Some(result) = answers.recv().await {
        assert_eq!(result.result.expect("an answer").outcome, Outcome::Applied);
        assert!(tags.insert(result.tag), "one result a row");
        sends += u64::from(result.sends);
    }
    bulk.await.expect("no panic").expect("it ended well");
    assert_eq!(tags.len(), 150);
    assert_eq!(one.executed.lock().expect("quiet").len(), 150);
    assert!(sends > 160, "{sends} sends: nothing was tested");
}

#[tokio::test]
async fn a_bulk_ends_when_no_node_can_be_reached() {
    let (rows, queue) = mpsc::channel(1);
    let (results, _answers) = mpsc::channel(1);
    let transaction = transaction("UA1");
    rows.send(BulkRow { tag: 0, name: String::new(), transaction_id: transaction.id, bytes: transaction.bytes })
        .await
        .expect("room");
    let options =
        BulkOptions { level: Level::Certified, in_flight: 1, rate: None, timeout: Duration::from_millis(300) };
    let ended = client(&[&nobody()]).submit_bulk(queue, results, options).await;
    assert!(matches!(ended, Err(ClientError::Unavailable { .. })), "{ended:?}");
}
