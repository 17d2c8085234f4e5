//! Read every version of documents that were created, replaced, deleted and made again, at every height.

mod common;

use common::{Bench, create, on};
use countersign_ledger::Version;
use countersign_ledger::store::{CacheSize, open_database};
use countersign_proof::{Hash, Unit, canonical, operation::Change};
use serde_json::{Value, json};
use std::sync::Arc;

const ID: &str = "s-1";
const ACCOUNTS: [&str; 1] = ["acme.example/ops"];

fn replace(pallets: u64) -> countersign_proof::Operation {
    on("shipments", ID, Change::Replace(canonical(&json!({ "pallets": pallets }))))
}

fn delete() -> countersign_proof::Operation {
    on("shipments", ID, Change::Delete(Unit {}))
}

fn made(pallets: u64) -> Value {
    json!({ "pallets": pallets })
}

/// Blocks, and the values that the document's versions then have, each block's in order.
fn run(bench: &mut Bench) -> Vec<Vec<Option<Value>>> {
    let blocks = [
        (vec![create(ID, made(1))], vec![Some(made(1))]),
        (vec![replace(2)], vec![Some(made(2))]),
        (vec![create("s-10", made(9))], vec![]),
        (vec![delete()], vec![None]),
        (vec![create(ID, made(3)), replace(4), delete()], vec![Some(made(3)), Some(made(4)), None]),
        (vec![create(ID, made(5)), replace(6)], vec![Some(made(5)), Some(made(6))]),
        (vec![create("s", made(8))], vec![]),
    ];
    let mut values = Vec::new();
    for (operations, written) in blocks {
        // One transaction each, so that versions of one block replace each other too.
        let transactions = operations.into_iter().map(|operation| bench.transaction(&ACCOUNTS, vec![operation]));
        let transactions = transactions.collect();
        let appended = bench.append(transactions);
        let of_id = appended.block.versions.iter().filter(|written| written.version.record.id == ID);
        assert_eq!(of_id.map(|written| written.version.value.as_deref().cloned()).collect::<Vec<_>>(), written);
        values.push(written);
    }
    values
}

fn check(bench: &Bench, values: &[Vec<Option<Value>>]) {
    let reader = bench.ledger.reader();
    let whole = reader.history("shipments", ID, 1, 100).expect("reads");
    let expected: Vec<_> = values.iter().flatten().cloned().collect();
    assert_eq!(whole.iter().map(|version| version.value.as_deref().cloned()).collect::<Vec<_>>(), expected);
    let mut previous: Option<Hash> = None;
    for (number, version) in (1..).zip(&whole) {
        assert_eq!((version.record.version, version.record.previous), (number, previous));
        assert_eq!(version.hash, version.record.hash());
        assert_eq!(reader.version("shipments", ID, number).expect("reads").as_ref(), Some(version));
        previous = Some(version.hash);
    }
    let last = whole.len() as u64;
    for absent in [0, last + 1] {
        assert_eq!(reader.version("shipments", ID, absent).expect("reads"), None);
    }
    for from in 0..=last + 2 {
        for limit in 0..=whole.len() + 1 {
            let part: Vec<_> = whole.iter().skip(from.saturating_sub(1) as usize).take(limit).cloned().collect();
            assert_eq!(reader.history("shipments", ID, from, limit).expect("reads"), part, "{from} {limit}");
        }
    }
    check_heights(bench, values, &whole);
}

fn check_heights(bench: &Bench, values: &[Vec<Option<Value>>], whole: &[Version]) {
    let reader = bench.ledger.reader();
    let mut written = 0;
    for height in 0..=values.len() as u64 + 1 {
        let block = height.checked_sub(1).and_then(|at| values.get(at as usize)).map_or(0, Vec::len);
        let changes = reader.changes(height, 0, height, 100).expect("reads");
        let changes: Vec<_> = changes.into_iter().map(|change| change.version).filter(|v| v.record.id == ID).collect();
        assert_eq!(changes, whole[written..written + block], "{height}");
        written += block;
        let newest = whole[..written].last();
        assert_eq!(reader.document_at("shipments", ID, height).expect("reads").as_ref(), newest, "{height}");
        let listed = reader.documents_at("shipments", "", height, 100).expect("reads");
        assert_eq!(listed.iter().map(|(id, _)| &id[..]).collect::<Vec<_>>(), ["s", "s-1", "s-10"]);
        assert_eq!(listed[1].1.as_ref(), newest.filter(|version| version.value.is_some()), "{height}");
    }
    assert_eq!(reader.document("shipments", ID).expect("reads").as_ref(), whole.last());
    let (alive, _) = reader.documents("shipments", "", 100).expect("reads");
    assert_eq!(alive.iter().map(|version| &version.record.id[..]).collect::<Vec<_>>(), ["s", "s-1", "s-10"]);
}

#[test]
fn every_version_is_read_as_it_was_written_at_every_height() {
    let mut bench = Bench::new();
    let values = run(&mut bench);
    assert_eq!(bench.ledger.chain().height, values.len() as u64, "genesis is block 0");
    check(&bench, &values);
}

#[test]
fn a_ledger_on_disk_reads_the_same_after_it_was_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || Bench::over(Arc::new(open_database(folder.path(), CacheSize::default()).expect("opens")));
    let mut bench = open();
    let values = run(&mut bench);
    drop(bench);
    check(&open(), &values);
}
