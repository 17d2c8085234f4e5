//! Ask for each page of the explorer: it says what it must, and what cannot be shown is refused with a reason.

mod common;

use common::{Network, create, href, operation};
use countersign_proof::operation::Change;
use countersign_proof::{Increment, Precondition, Receipt, Trust, precondition::Condition};

#[tokio::test]
async fn the_overview_shows_cursors_members_and_blocks() {
    let mut network = Network::found();
    network.append(vec![create("a", r#"{"pallets":1}"#)]);
    network.certify();
    network.append(vec![create("b", r#"{"pallets":2}"#)]);
    let site = network.site(network.view());
    assert_eq!(site.redirect("/").await, "/explorer");
    let page = site.page("/explorer").await;
    for cursor in ["appended", "committed", "applied", "signed", "certified", "published"] {
        assert!(page.contains(&format!("<span class=\"name\">{cursor}</span>")), "{cursor}");
    }
    for text in [
        "healthy",
        "follows <b>bolt.example/1</b>",
        "a certificate needs 3 of them",
        "Missing now: <b>dock.example</b>",
        "no control",
        "observer",
        "2025-11-23T10:00:02.000Z",
        &network.genesis.hash().to_string(),
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(page.matches("not certified yet").count(), 1, "block 2 alone");
}

#[tokio::test]
async fn a_block_shows_its_seal_and_leaves() {
    let mut network = Network::found();
    let applied = network.append(vec![create("a", r#"{"pallets":1}"#)]);
    network.certify();
    let rejected = network.append(vec![create("a", r#"{"pallets":1}"#)]);
    let site = network.site(network.view());
    let page = site.page("/explorer/blocks/1").await;
    let seal = network.reader().seal(1).expect("memory").expect("block 1");
    for text in [&seal.state.to_string()[..], &applied.to_string(), "countersigned by acme.example/1, bolt.example/1"] {
        assert!(page.contains(text), "{text}");
    }
    let page = site.page("/explorer/blocks/2").await;
    assert!(page.contains(&rejected.to_string()) && page.contains("<code>ALREADY_EXISTS</code>"));
    assert!(page.contains("not certified yet"));
    assert!(site.page("/explorer/blocks/0").await.contains("block 0 is made from genesis"));
    assert_eq!(href(&page, "Next"), None, "there is no block 3");
    assert_eq!(href(&page, "Previous").as_deref(), Some("/explorer/blocks/1"));
}

#[tokio::test]
async fn a_transaction_shows_operations_signers_and_why_it_was_rejected() {
    let mut network = Network::found();
    let mut increment = operation("a", Change::Increment(Increment { pointer: "/pallets".into(), by: -3 }));
    increment.precondition = Some(Precondition { condition: Some(Condition::Version(1)) });
    let applied = network.append(vec![create("a", r#"{"pallets":10}"#), increment]);
    let rejected = network.append(vec![create("b", r#"{"pallets":"ten"}"#)]);
    let site = network.site(network.view());
    let page = site.page(&format!("/explorer/transactions/{applied}")).await;
    for text in [
        "applied",
        "increment",
        "<code>-3</code>",
        "its newest version is 1",
        "&#34;pallets&#34;: 10",
        "acme.example/ops",
        "ed25519:a48b0df7c18cf3b6",
        "none until it is certified",
        "ticket \\u202e4711 &#60;b&#62;",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(href(&page, "<bdi>shipments/a</bdi>").as_deref(), Some("/explorer/document?collection=shipments&id=a"));
    let page = site.page(&format!("/explorer/transactions/{rejected}")).await;
    assert!(page.contains("SCHEMA_VIOLATION") && page.contains("<code>/pallets</code> breaks <code>type</code>"));
    assert_eq!(href(&page, "<bdi>shipments/b</bdi>"), None, "a rejected transaction made no document");
}

#[tokio::test]
async fn a_receipt_is_there_once_it_is_certified_and_verifies() {
    let mut network = Network::found();
    let id = network.append(vec![create("a", r#"{"pallets":1}"#)]);
    let site = network.site(network.view());
    let address = format!("/explorer/transactions/{id}/receipt");
    let page = site.get(&address).await;
    assert_eq!(page.status, 404);
    assert!(page.text.contains("this transaction is not certified yet: it has no receipt"));
    network.certify();
    let page = site.get(&address).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(page.headers["content-disposition"], format!("attachment; filename=\"{id}.receipt\""));
    Receipt::parse(&page.text).expect("its form").verify(&Trust::from_genesis(&network.genesis)).expect("its proof");
}

#[tokio::test]
async fn a_document_shows_each_version_and_its_deletion() {
    let mut network = Network::found();
    network.append(vec![create("a/b c", r#"{"pallets":1}"#)]);
    network.append(vec![operation("a/b c", Change::Replace(r#"{"pallets":2}"#.into()))]);
    network.append(vec![operation("a/b c", Change::Delete(Default::default()))]);
    let site = network.site(network.view());
    let address = site.redirect("/explorer/search?q=shipments/a/b+c").await;
    assert_eq!(address, "/explorer/document?collection=shipments&id=a%2Fb%20c");
    assert_eq!(site.redirect("/explorer/documents?collection=shipments&id=a/b+c").await, address);
    let page = site.page(&address).await;
    assert!(page.contains("This version deletes the document.") && page.contains("Version 3, the newest"));
    let second = href(&page, "2").expect("version 2 in the history");
    let page = site.page(&second).await;
    assert!(page.contains("&#34;pallets&#34;: 2") && page.contains("Version 2 of 3"));
    assert!(!site.page("/explorer/documents/shipments").await.contains("a/b c"), "a deleted document is not listed");
    assert_eq!(site.status(&format!("{address}&version=4")).await, 404);
}

#[tokio::test]
async fn collections_are_listed_with_their_definitions() {
    let network = Network::found();
    let site = network.site(network.view());
    let page = site.page("/explorer/documents").await;
    assert_eq!(href(&page, "shipments").as_deref(), Some("/explorer/documents/shipments"));
    assert_eq!(href(&page, "$members").as_deref(), Some("/explorer/documents/%24members"));
    let schema = site.page(&href(&page, "access and schema").expect("a definition")).await;
    assert!(schema.contains("writers/v1") && schema.contains("none: genesis wrote it"));
    assert!(site.page("/explorer/documents/%24nodes").await.contains("dock.example/1"));
    assert!(site.page("/explorer/documents/shipments").await.contains("No documents here."));
}

#[tokio::test]
async fn bad_input_is_refused_with_the_name_of_the_field() {
    let network = Network::found();
    let site = network.site(network.view());
    let long = format!("/explorer/search?q={}", "a".repeat(323));
    for (address, field) in [
        ("/explorer?before=x", "before: "),
        ("/explorer?before=0", "before: "),
        ("/explorer?before=1&before=2", "query: "),
        ("/explorer/blocks/-1", "height: "),
        ("/explorer/blocks/01", "height: "),
        ("/explorer/blocks/9007199254740992", "height: "),
        ("/explorer/blocks/%ff", "path: "),
        ("/explorer/blocks/0?from=2", "from: "),
        ("/explorer/transactions/abc", "id: "),
        ("/explorer/document?collection=shipments", "id: "),
        ("/explorer/document?id=a", "collection: "),
        ("/explorer/document?collection=S&id=a", "collection: "),
        ("/explorer/document?collection=shipments&id=%00", "id: "),
        ("/explorer/document?collection=shipments&id=a&version=one", "version: "),
        ("/explorer/documents?id=a", "collection: "),
        ("/explorer/documents/%24veiled", "collection: "),
        ("/explorer/documents/shipments?after=%0a", "after: "),
        ("/explorer/search", "q: "),
        ("/explorer/search?q=%20", "q: "),
        ("/explorer/search?q=What%20is%20this", "q: "),
        (&long, "q: "),
    ] {
        let page = site.get(address).await;
        assert_eq!(page.status, 400, "{address}");
        assert!(page.text.contains(&format!("<p class=\"refusal\">{field}")), "{address}: {}", page.text);
    }
    assert_eq!(site.status(&format!("/explorer?x={}", "a".repeat(2048))).await, 414);
}

#[tokio::test]
async fn what_is_not_there_is_a_404_page() {
    let network = Network::found();
    let site = network.site(network.view());
    for address in [
        "/nothing",
        "/explorer/nothing",
        "/explorer/blocks/1",
        "/explorer/blocks/9007199254740991",
        &format!("/explorer/transactions/{}", "0".repeat(64)),
        &format!("/explorer/transactions/{}/receipt", "0".repeat(64)),
        "/explorer/document?collection=shipments&id=a",
        "/explorer/documents/unknown",
    ] {
        let page = site.get(address).await;
        assert_eq!(page.status, 404, "{address}");
        assert!(page.text.contains("<h1>404 Not Found</h1>"), "{address}");
    }
}
