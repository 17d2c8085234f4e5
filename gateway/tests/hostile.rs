//! Put what strangers wrote on a page: nothing of it runs, hides or grows without limit.

mod common;

use axum::body::Body as HttpBody;
use axum::http::Request;
use common::{Network, create, operation};
use countersign_proof::operation::Change;
use tower::ServiceExt;

const SCRIPT: &str = "<script>alert(1)</script>";

#[tokio::test]
async fn a_script_and_a_reversed_text_appear_escaped() {
    let mut network = Network::found();
    let id = format!("{SCRIPT}\u{202e}\"'&x=1");
    let value = format!("{{\"{SCRIPT}\u{202e}\":\"{SCRIPT}\u{2066}\",\"pallets\":1}}");
    let transaction = network.append(vec![create(&id, &value)]);
    let rejected = network.append(vec![create(&id, &value)]);
    let site = network.site(network.view());
    let list = site.page("/explorer/documents/shipments").await;
    let text = "&#60;script&#62;alert(1)&#60;/script&#62;\\u202e&#34;&#39;&#38;x=1";
    let document = common::href(&list, &format!("<bdi>{text}</bdi>")).expect("the id, escaped");
    let pages = [
        list,
        site.page(&document).await,
        site.page(&format!("/explorer/transactions/{transaction}")).await,
        site.page(&format!("/explorer/transactions/{rejected}")).await,
        site.get(&document.replace("x%3D1", "x%3D2")).await.text,
    ];
    for page in pages {
        assert!(page.contains("&#60;script&#62;") && page.contains("\\u202e"), "{page}");
        assert!(!page.contains("<script") && !page.contains(['\u{202e}', '\u{2066}']), "{page}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let network = Network::found();
    let site = network.site(network.view());
    let long = format!("/{}", "a".repeat(3000));
    for address in
        ["/", "/explorer", "/explorer/style.css", "/explorer/blocks/x", "/nothing", "/health", "/metrics", &long]
    {
        let headers = site.get(address).await.headers;
        let policy = headers["content-security-policy"].to_str().expect("ASCII");
        assert_eq!(
            policy,
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'",
            "{address}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff", "{address}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{address}");
        assert_eq!(headers["cache-control"], "no-store", "{address}");
    }
}

#[tokio::test]
async fn pages_hold_no_script_and_no_style_of_their_own() {
    let mut network = Network::found();
    let id = network.append(vec![create("a", r#"{"pallets":1}"#)]);
    let site = network.site(network.view());
    let (transaction, document) =
        (format!("/explorer/transactions/{id}"), "/explorer/document?collection=shipments&id=a");
    for address in ["/explorer", "/explorer/blocks/1", &transaction, "/explorer/documents", document] {
        let page = site.page(address).await;
        for forbidden in ["<script", "<style", " style=", " onclick=", "javascript:", "http://", "https://"] {
            assert!(!page.contains(forbidden), "{address} holds {forbidden}");
        }
    }
}

#[tokio::test]
async fn a_long_value_is_cut_and_its_size_is_said() {
    let mut network = Network::found();
    let value = format!("{{\"note\":\"{}\",\"pallets\":1}}", "x".repeat(100_000));
    let id = network.append(vec![create("long", &value), create("short", r#"{"pallets":1}"#)]);
    let site = network.site(network.view());
    let cut = format!("Cut here: the whole has {} bytes.", value.len());
    for address in
        ["/explorer/document?collection=shipments&id=long".to_owned(), format!("/explorer/transactions/{id}")]
    {
        let page = site.page(&address).await;
        assert!(page.contains(&cut), "{address}");
        assert!(page.len() < 80_000, "{address} has {} bytes", page.len());
    }
}

#[tokio::test]
async fn nothing_can_be_written() {
    let mut network = Network::found();
    network.append(vec![create("a", r#"{"pallets":1}"#), operation("a", Change::Delete(Default::default()))]);
    let site = network.site(network.view());
    for address in ["/explorer", "/explorer/documents", "/metrics", "/health"] {
        let request = Request::post(address).body(HttpBody::from("collection=a")).expect(address);
        let response = site.router.clone().oneshot(request).await.expect("a router never fails");
        assert_eq!(response.status(), 405, "{address}");
    }
}
