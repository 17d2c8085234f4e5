//! Send the HTTP side bytes that no client should: each is answered with its code or cut off, and none smuggles a second request.

mod common;

use common::Network;
use countersign_gateway::{ApiKey, ApiKeys, serve};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// A request that answers with its own words, to see whether it was executed.
const SMUGGLED: &str = "GET /health HTTP/1.1\r\nHost: smuggled\r\n\r\n";

/// What the server says to these bytes, whose sender then sends no more.
async fn said(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
    // It may close before it has taken all.
    let _closed = stream.write_all(bytes).await;
    let _closed = stream.shutdown().await;
    let mut answer = Vec::new();
    let reading = timeout(Duration::from_secs(15), stream.read_to_end(&mut answer)).await;
    let _reset = reading.expect("it ends");
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.").skip(1).filter_map(|part| part.get(2..5)).collect()
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_and_hide_none() {
    let network = Network::found();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("api-keys.json");
    let mut keys = ApiKeys::default();
    let all = || vec!["*".to_owned()];
    let key = ApiKey {
        account: "acme.example/ops".into(),
        expires_ms: 9_007_199_254_740_991,
        per_day: 0,
        per_second: 0,
        read: all(),
        sha256: String::new(),
        write: all(),
    };
    let (_, key) = keys.issue(&[1; 32], key);
    keys.write(&file).expect("written");
    let (site, _follow) = network.followed_site(Some(file));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(serve(listener, site.router.clone(), None, std::future::pending()));

    let document = "/v1/collections/shipments/documents/a";
    let put = |more: &str, body: &str| {
        format!(
            "PUT {document} HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nContent-Type: application/json\r\n{more}\r\n{body}"
        )
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let long = "a".repeat(20 << 10);
    // What the first answer may be; none where the connection may be cut without one.
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("no body at all", put("", "").into(), &["400"]),
        (
            "both lengths",
            put(&format!("Content-Length: 5\r\n{chunked}"), &format!("0\r\n\r\n{SMUGGLED}")).into(),
            &["400", ""],
        ),
        (
            "two lengths",
            put("Content-Length: 2\r\nContent-Length: 60\r\n", &format!("{{}}{SMUGGLED}")).into(),
            &["400", ""],
        ),
        ("a length that is none", put("Content-Length: +2\r\n", &format!("{{}}{SMUGGLED}")).into(), &["400", ""]),
        (
            "a chunk that is longer",
            put(chunked, &format!("2\r\n{{}}extra\r\n0\r\n\r\n{SMUGGLED}")).into(),
            &["400", ""],
        ),
        (
            "a chunk's size that is none",
            put(chunked, &format!("zz\r\n{{}}\r\n0\r\n\r\n{SMUGGLED}")).into(),
            &["400", ""],
        ),
        (
            "chunked, but not last",
            put("Transfer-Encoding: chunked, gzip\r\n", &format!("0\r\n\r\n{SMUGGLED}")).into(),
            &["400", ""],
        ),
        (
            "a header of 20 KiB",
            get("/v1/collections").replace("Host: a", &format!("Host: a\r\nX: {long}")).into(),
            &["431"],
        ),
        ("an address of 20 KiB", get(&format!("/v1/{long}")).into(), &["414", "431"]),
        ("an address over our own limit", get(&format!("/v1/{}", "a".repeat(3_000))).into(), &["414"]),
        ("%00", get("/v1/collections/shipments/documents/a%00b").into(), &["400", "404"]),
        ("no UTF-8", get("/v1/collections/shipments/documents/%ff").into(), &["400"]),
        ("an overlong slash", get("/v1/collections/shipments/documents/%c0%af").into(), &["400"]),
        ("a way up", get("/v1/collections/..%2f..%2fetc%2fpasswd").into(), &["404"]),
        ("a way up, plain", get("/v1/../../etc/passwd").into(), &["404"]),
        ("HTTP/1.0", get("/v1/collections").replace("HTTP/1.1", "HTTP/1.0").into(), &["200"]),
        ("HTTP/3.0", get("/v1/collections").replace("HTTP/1.1", "HTTP/3.0").into(), &["400", "505", ""]),
        ("HTTP/2 at once", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &["400", "505", ""]),
        ("a method of no use", get("/v1/collections").replace("GET", "BREW").into(), &["405"]),
        (
            "a header with a line feed",
            get("/v1/collections").replace("Host: a", "Host: a\nX: b").into(),
            &["200", "400"],
        ),
        ("a folded header", get("/v1/collections").replace("Host: a", "Host: a\r\nX: b\r\n c").into(), &["400", ""]),
        ("a space before the colon", get("/v1/collections").replace("Host: a", "Host : a").into(), &["400", ""]),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(), &["400", ""]),
        ("a NUL", b"\0\0\0\0".to_vec(), &["400", ""]),
    ];
    for (what, bytes, expected) in cases {
        let answer = said(port, &bytes).await;
        let statuses = statuses(&answer);
        let first = statuses.first().copied().unwrap_or_default();
        assert!(expected.contains(&first), "{what}: {answer}");
        assert!(statuses.len() < 2 && !answer.ends_with("ok\n"), "{what}: a second request was executed: {answer}");
    }
    let foreign = get("/v1/collections").replace("Host: a", "Host: a\r\nOrigin: https://evil.example");
    let answer = said(port, foreign.as_bytes()).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 200") && !answer.contains("access-control-allow"), "{answer}");
    let preflight =
        get(document).replace("GET", "OPTIONS").replace("Host: a", "Host: a\r\nOrigin: https://evil.example");
    let answer = said(port, preflight.as_bytes()).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 405") && answer.contains("\r\nallow: "), "{answer}");
    assert!(!answer.contains("access-control-allow"), "{answer}");
    assert_eq!(statuses(&said(port, get("/health").as_bytes()).await), ["200"], "the server is well");
}
