//! Turn pages to the end: every row appears once, and no page that was promised is empty.

mod common;

use common::{Network, create, operation};
use countersign_proof::operation::Change;

/// How often each row's own text stands on the pages, which must all have rows.
fn rows(pages: &[String]) -> Vec<usize> {
    pages.iter().map(|page| page.matches("<td class=\"number\"><a href=\"/explorer/blocks/").count()).collect()
}

#[tokio::test]
async fn blocks_are_paged_to_genesis() {
    for blocks in [48, 49, 50, 99, 120] {
        let mut network = Network::found();
        (0..blocks).for_each(|_| network.append_block(vec![]));
        let site = network.site(network.view());
        let pages = site.follow("/explorer", "Older blocks").await;
        let rows = rows(&pages);
        assert_eq!(rows.iter().sum::<usize>(), blocks + 1, "{blocks} and block 0: {rows:?}");
        assert!(rows.iter().all(|rows| (1..=50).contains(rows)), "{blocks}: {rows:?}");
    }
}

#[tokio::test]
async fn leaves_of_a_block_are_paged_to_its_seal() {
    for transactions in [48, 49, 50, 99, 100] {
        let mut network = Network::found();
        let bytes = |at: usize| vec![create(&format!("id {at}"), r#"{"pallets":1}"#)];
        let transactions = (0..transactions).map(|at| network.transaction(bytes(at)).1).collect::<Vec<_>>();
        let count = transactions.len();
        network.append_block(transactions);
        let pages = network.site(network.view()).follow("/explorer/blocks/1", "Later leaves").await;
        let rows: Vec<usize> = pages.iter().map(|page| page.matches("<tr><td class=\"number\">").count()).collect();
        assert_eq!(rows.iter().sum::<usize>(), count + 1, "{rows:?}");
        assert!(rows.iter().all(|rows| (1..=50).contains(rows)), "{rows:?}");
        assert!(pages.last().expect("one").contains("<td>seal</td>"));
    }
}

#[tokio::test]
async fn documents_are_paged_by_id() {
    for documents in [0, 1, 19, 20, 21, 40, 41] {
        let mut network = Network::found();
        let ids: Vec<String> = (0..documents).map(|at| format!("ä/&?{at:03}")).collect();
        if documents > 0 {
            network.append(ids.iter().map(|id| create(id, r#"{"pallets":1}"#)).collect());
        }
        let pages = network.site(network.view()).follow("/explorer/documents/shipments", "More documents").await;
        let rows = rows(&pages);
        assert_eq!(rows.iter().sum::<usize>(), documents, "{rows:?}");
        assert!(documents == 0 || rows.iter().all(|rows| (1..=20).contains(rows)), "{rows:?}");
    }
}

#[tokio::test]
async fn versions_and_operations_are_paged() {
    for versions in [1, 20, 21, 60, 61] {
        let mut network = Network::found();
        let replace = |at| operation("a", Change::Replace(format!(r#"{{"pallets":{at}}}"#).into()));
        let first = create("a", r#"{"pallets":1}"#);
        let id = network.append([first].into_iter().chain((2..=versions).map(replace)).collect());
        let site = network.site(network.view());
        let pages = site.follow("/explorer/document?collection=shipments&id=a", "Older versions").await;
        let rows: Vec<usize> = pages.iter().map(|page| page.matches("<td>written</td>").count()).collect();
        assert_eq!(rows.iter().sum::<usize>(), versions, "{rows:?}");
        assert!(rows.iter().all(|rows| (1..=20).contains(rows)), "{rows:?}");
        let pages = site.follow(&format!("/explorer/transactions/{id}"), "Later operations").await;
        let rows: Vec<usize> = pages.iter().map(|page| page.matches("<article>").count()).collect();
        assert_eq!(rows.iter().sum::<usize>(), versions, "{rows:?}");
        assert!(rows.iter().all(|rows| (1..=50).contains(rows)), "{rows:?}");
    }
}
