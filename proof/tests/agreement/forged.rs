//! Change what is signed, and sign it: files that nothing but a rule about their form can tell apart.

use crate::case::Case;
use crate::model::{FOUNDERS, JOINS, Model, ok, pair};
use crate::mutant;
use countersign_proof::*;
use serde_json::{Value, json};

/// Every member of the JSON removed, renamed, written twice and replaced, and the JSON as it was.
fn variants(json: &[u8]) -> Vec<Vec<u8>> {
    std::iter::once(json.to_vec()).chain(mutant::members(json, &[])).collect()
}

/// The receipt of a leaf that a quorum of founders has certified at `index` of a log of `size`.
pub fn certified(model: &Model, leaf: &[u8], index: u64, size: u64) -> Receipt {
    let mut hashes = model.hashes();
    hashes[index as usize] = leaf_hash(leaf);
    hashes.truncate(size as usize);
    let checkpoint = Checkpoint { root: ok(log_root(&hashes[..], size)), ..model.checkpoint(size) };
    let note = model.note_by(&checkpoint, &FOUNDERS[1..]);
    Receipt { leaf: leaf.to_vec(), index, path: ok(inclusion_proof(&hashes[..], index, size)), note }
}

/// A seal of height 3 whose state is this one, with its receipt.
pub fn sealed(model: &Model, state: Hash) -> Receipt {
    let seal = SealLeaf { state, ..model.seals[3].clone() };
    certified(model, &Leaf::Seal(seal.clone()).to_bytes(), seal.index(), seal.tree_size())
}

/// Of all of these, one in `every`.
pub fn cases(model: &Model, every: usize, seed: u64) -> Vec<Case> {
    let all =
        [leaves(model), records(model), headers(model), geneses(model), memberships(model), anchors(model)].concat();
    all.into_iter().skip(seed as usize % every).step_by(every).collect()
}

fn leaves(model: &Model) -> Vec<Case> {
    let trusted = format!("--genesis-hash {} --trust @trust", model.genesis.hash());
    let size = model.seals[3].tree_size();
    let mut cases = Vec::new();
    for index in [0, 2, 4, model.seals[3].index()] {
        for leaf in variants(&model.leaves[index as usize]) {
            let receipt = certified(model, &leaf, index, size).to_string().into_bytes();
            cases.push(Case::new(&format!("receipt @file {trusted}"), &[("file", receipt)]));
        }
    }
    cases
}

/// One document whose record is what it says, however odd.
fn records(model: &Model) -> Vec<Case> {
    let trusted = format!("--genesis-hash {} --trust @trust", model.genesis.hash());
    let (record, ..) = &model.versions[&("shipments".to_owned(), "S-1".to_owned())][1];
    let mut cases = Vec::new();
    for record in variants(&canonical(record)) {
        let hash = tagged_hash("version", &[&record]);
        let root = StateTree::leaf_node(&state_key("shipments", "S-1"), &hash);
        let record: Value = serde_json::from_slice(&record).expect("JSON");
        let proof = json!({"kind": "state-proof", "neighbour": null, "record": record, "salt": null,
            "seal": sealed(model, root).to_string(), "siblings": [], "v": 1, "value": null});
        let history = json!({"earlier": [], "from": 3, "kind": "history-proof", "state": proof, "to": 3, "v": 1});
        let document = "--collection shipments --id S-1";
        cases.push(Case::new(&format!("state @file {document} {trusted}"), &[("file", canonical(&proof))]));
        cases.push(Case::new(&format!("history @file {document} {trusted}"), &[("file", canonical(&history))]));
    }
    cases
}

fn headers(model: &Model) -> Vec<Case> {
    let trusted = format!("--genesis-hash {} --trust @trust", model.genesis.hash());
    let signed = |header: &[u8]| {
        let message = [&b"countersign/proposal/v1\n"[..], header].concat();
        let signature = hex::encode(pair("bolt.example/1/proposal").sign(&message));
        SignedHeader { header: String::from_utf8_lossy(header).into_owned(), signature }
    };
    let good = canonical(&model.header(2, 1));
    let evidence = |header: Vec<u8>| Evidence::two_proposals(signed(&good), signed(&header)).to_bytes();
    let files = variants(&good).into_iter().map(evidence);
    files.map(|file| Case::new(&format!("evidence @file {trusted}"), &[("file", file)])).collect()
}

/// A bundle without changes, of a genesis whose hash is given: only its form can be wrong.
fn geneses(model: &Model) -> Vec<Case> {
    let mut document: Value = serde_json::from_slice(model.genesis.bytes()).expect("JSON");
    document["accounts"]["acme.example/ops"] = json!([pair("ops").public()]);
    document["collections"]["shipments"] =
        json!({"access": {"engine": "writers/v1", "write": ["acme.example", "bolt.example"]}, "schema": {"a": {}}});
    // Two organisations are as good as four, and half the variants.
    for name in [FOUNDERS[2], FOUNDERS[3]] {
        document["organisations"].as_object_mut().expect("an object").remove(name);
    }
    let mut cases = Vec::new();
    for genesis in variants(&canonical(&document)) {
        let hash = plain_hash(&genesis);
        let text = String::from_utf8(genesis.clone()).expect("JSON");
        let bundle = format!(r#"{{"changes":[],"genesis":{text},"kind":"trust-bundle","v":1}}"#).into_bytes();
        cases.push(Case::new(&format!("trust @file --genesis-hash {hash}"), &[("file", bundle)]));
    }
    cases
}

/// The document of epoch 1, with a seal that names it and that everybody has certified.
fn memberships(model: &Model) -> Vec<Case> {
    let hash = model.genesis.hash();
    let everyone = [&FOUNDERS[..], &[JOINS]].concat();
    let mut cases = Vec::new();
    let mut document: Value = serde_json::to_value(&model.memberships[1]).expect("JSON");
    for name in [FOUNDERS[1], FOUNDERS[2]] {
        document["organisations"].as_object_mut().expect("an object").remove(name);
    }
    for members in variants(&canonical(&document)) {
        let seal = SealLeaf { next_members: plain_hash(&members), ..model.seals[4].clone() };
        let leaf = Leaf::Seal(seal.clone()).to_bytes();
        let mut receipt = certified(model, &leaf, seal.index(), seal.tree_size());
        let checkpoint = Checkpoint::parse(&Note::parse(&receipt.note).expect("a note").text).expect("a checkpoint");
        receipt.note = model.note_by(&checkpoint, &everyone);
        let (members, seal) = (String::from_utf8(members).expect("JSON"), canonical(&receipt.to_string()));
        let (seal, genesis) = (String::from_utf8(seal).expect("JSON"), String::from_utf8_lossy(model.genesis.bytes()));
        let changes = format!(r#"[{{"members":{members},"seal":{seal}}}]"#);
        let bundle = format!(r#"{{"changes":{changes},"genesis":{genesis},"kind":"trust-bundle","v":1}}"#);
        cases.push(Case::new(&format!("trust @file --genesis-hash {hash}"), &[("file", bundle.into_bytes())]));
    }
    cases
}

/// Files of the caller's own: an epoch, a policy.
fn anchors(model: &Model) -> Vec<Case> {
    let origin = model.genesis.origin();
    let pinned = variants(&model.pinned().to_bytes());
    let mut cases: Vec<Case> =
        pinned.into_iter().map(|file| Case::new("receipt @receipt --epoch @file", &[("file", file)])).collect();
    let text = policy(&origin, &model.memberships[0]).into_bytes();
    let mut seeded = mutant::Seeded(1);
    let random: Vec<Vec<u8>> = (0..200).map(|_| mutant::random(&text, &text, &mut seeded)).collect();
    for file in mutant::lines(&text).into_iter().chain(random).chain([text.clone()]) {
        cases.push(Case::new(&format!("receipt @old --policy @file --origin {origin}"), &[("file", file)]));
    }
    cases
}
