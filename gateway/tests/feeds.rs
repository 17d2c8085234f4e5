//! Keep a reader told where he stands, and asked who he is, however much or little there is for him.

mod common;

use axum::http::header::AUTHORIZATION;
use axum::http::{Extensions, HeaderMap};
use common::{Network, create};
use countersign_gateway::{ApiKey, ApiKeys, Feed, Feeds, Progress, Sight, Vouched, Wanted};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

const FOR_EVER: u64 = 9_007_199_254_740_991;

/// A feed of the holder of a new API key from the ledger's start on, and what tells it how far the node is.
fn feed(network: &Network, keys: &Path, filter: &str) -> (Feed, watch::Sender<Progress>) {
    let mut issued = ApiKeys::default();
    let all = || vec!["*".to_owned()];
    let key = ApiKey {
        account: "acme.example/ops".into(),
        expires_ms: FOR_EVER,
        per_day: 0,
        per_second: 0,
        read: all(),
        sha256: String::new(),
        write: all(),
    };
    let (_, text) = issued.issue(&[1; 32], key);
    issued.write(keys).expect("written");
    let callers = network.callers(Vouched { api_keys: Some(keys.to_owned()), ..Vouched::default() });
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Bearer {text}").parse().expect("ASCII"));
    let caller = callers.caller(&headers, &Extensions::new()).expect("known");
    let (tell, progress) = watch::channel(network.progress());
    let sight = Sight::new(network.reader(), None);
    let feeds = Feeds { reader: network.reader(), sight, callers, progress };
    let wanted = Wanted::new(BTreeSet::from(["shipments".to_owned()]), Some(filter)).expect("a filter");
    (feeds.open(caller, wanted, "").expect("may listen"), tell)
}

#[tokio::test(start_paused = true)]
async fn a_reader_for_whom_nothing_comes_is_told_where_he_stands_however_busy_the_ledger() {
    let mut network = Network::found();
    network.append(vec![create("a", r#"{"pallets":1}"#)]);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut feed, tell) = feed(&network, &folder.path().join("api-keys.json"), r#"{"/pallets":{"gt":5}}"#);
    tokio::spawn(async move {
        for size in 1.. {
            sleep(Duration::from_millis(100)).await;
            tell.send_modify(|progress| progress.certified_size = size);
        }
    });
    let began = Instant::now();
    let fed = timeout(Duration::from_secs(10), feed.next()).await.expect("in time").expect("may listen");
    assert!(fed.changed.is_none() && began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(fed.cursor.starts_with(&format!("{}.", fed.height + 1)), "{fed:?}");
}

#[tokio::test]
async fn a_key_that_is_revoked_within_a_long_history_ends_it() {
    let mut network = Network::found();
    for n in 0..200 {
        network.append(vec![create(&format!("s{n}"), r#"{"pallets":1}"#)]);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("api-keys.json");
    let (mut feed, _tell) = feed(&network, &keys, "{}");
    assert!(feed.next().await.expect("may listen").changed.is_some());
    ApiKeys::default().write(&keys).expect("written");
    // The file is looked at again after a fifth of a second; no block comes meanwhile.
    sleep(Duration::from_millis(400)).await;
    let mut heard = 1;
    let ended = loop {
        match feed.next().await {
            Ok(_) => heard += 1,
            Err(problem) => break problem,
        }
    };
    assert_eq!(ended.code(), "UNAUTHENTICATED");
    assert!(heard < 50, "{heard} of 200");
}
