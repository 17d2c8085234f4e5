//! Watch a node from outside: its health, its numbers, the server that gives them.

mod common;

use common::Network;
use countersign_gateway::{NodeView, serve};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

#[tokio::test]
async fn health_says_why_a_node_does_not_work() {
    let network = Network::found();
    let mut site = network.site(network.view());
    let page = site.get("/health").await;
    assert_eq!((page.status.as_u16(), &page.text[..]), (200, "ok\n"));
    let publish = site.publish.take().expect("the sender");
    publish.send_replace(NodeView { reason: "the disk is full".into(), ..NodeView::default() }.into());
    let page = site.get("/health").await;
    assert_eq!((page.status.as_u16(), &page.text[..]), (503, "the disk is full\n"));
    publish.send_replace(NodeView::default().into());
    assert_eq!(site.get("/health").await.text, "the node is starting\n");
    publish.send_replace(network.view().into());
    assert_eq!(site.status("/health").await, 200);
    drop(publish);
    let page = site.get("/health").await;
    assert_eq!((page.status.as_u16(), &page.text[..]), (503, "the node has stopped\n"));
    assert!(site.page("/metrics").await.contains("\ncountersign_healthy 0\n"));
    assert!(site.page("/explorer").await.contains("not healthy</span> the node has stopped;"));
}

/// The samples of an exposition whose every line has its form: HELP, TYPE, then samples of that name.
fn samples(text: &str) -> BTreeMap<String, u64> {
    let mut samples = BTreeMap::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split_once(' ').expect(line).0;
            assert!(family.starts_with("countersign_"), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let counts = family.ends_with("_total");
            assert_eq!(kind, format!("{family} {}", if counts { "counter" } else { "gauge" }));
        } else {
            let (series, value) = line.rsplit_once(' ').expect(line);
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert_eq!(name, family, "{line}");
            assert!(labels.ends_with('}') && labels.matches('"').count() % 2 == 0, "{line}");
            assert!(samples.insert(series.to_owned(), value.parse().expect(line)).is_none(), "twice: {line}");
        }
    }
    samples
}

#[tokio::test]
async fn metrics_give_every_number_of_the_view() {
    let mut network = Network::found();
    network.append_block(vec![]);
    network.certify();
    network.append_block(vec![]);
    let view = network.view();
    let site = network.site(NodeView { release: "1.0 \"a\\b\"".into(), ..view });
    let page = site.get("/metrics").await;
    assert_eq!(page.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(page.text.contains("release=\"1.0 \\\"a\\\\b\\\"\"") && page.text.ends_with('\n'));
    let samples = samples(&page.text.replace("\\\"", ""));
    for (series, value) in [
        ("countersign_healthy", 1),
        ("countersign_leader", 0),
        ("countersign_cursor_index{cursor=\"appended\"}", 5),
        ("countersign_cursor_index{cursor=\"applied\"}", 3),
        ("countersign_cursor_height{cursor=\"applied\"}", 2),
        ("countersign_cursor_height{cursor=\"published\"}", 1),
        ("countersign_tree_size", 4),
        ("countersign_certified_size", 3),
        ("countersign_certified_lag_blocks", 1),
        ("countersign_certified_lag_leaves", 1),
        ("countersign_missing_organisations", 1),
        ("countersign_mempool_transactions", 7),
        ("countersign_mempool_bytes", 4096),
        ("countersign_station_cpu_microseconds_total{station=\"apply\"}", 25),
        ("countersign_peers", 3),
        ("countersign_peers_connected", 2),
        ("countersign_peer_connected{peer=\"dock.example/1\",connection=\"bulk\"}", 0),
        ("countersign_peer_cosigned_size{peer=\"bolt.example/1\"}", 3),
    ] {
        assert_eq!(samples.get(series), Some(&value), "{series}");
    }
}

#[tokio::test]
async fn a_node_that_has_not_started_has_numbers_too() {
    let site = Network::found().site(NodeView::default());
    assert_eq!(samples(&site.page("/metrics").await)["countersign_healthy"], 0);
    assert!(site.page("/explorer").await.contains("knows no leader"));
}

async fn ask(client: &mut TcpStream, request: &str) -> String {
    client.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        let read = client.read_buf(&mut answer).await.expect("an answer");
        if read == 0 {
            break;
        }
    }
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn the_server_answers_until_it_is_told_to_stop() {
    let network = Network::found();
    let site = network.site(network.view());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, site.router.clone(), None, async { drop(stopped.await) }));
    let mut client = TcpStream::connect(address).await.expect("open");
    let answer = ask(&mut client, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
    let mut hostile = TcpStream::connect(address).await.expect("open");
    let answer = ask(&mut hostile, &format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(20 << 10))).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    stop.send(()).expect("the server listens");
    // The first client's connection is idle: it is ended, not waited for.
    let ended = tokio::time::timeout(Duration::from_secs(5), server).await.expect("in time");
    ended.expect("no panic").expect("no error");
    TcpStream::connect(address).await.expect_err("closed");
}
