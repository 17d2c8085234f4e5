//! Make the files that are mutated: each kind over the model ledger, some with more signatures than they need.

use crate::claim::{Kind, Verifier};
use crate::model::{FOUNDERS, JOINS, Model, pair};
use countersign_proof::*;
use std::collections::BTreeSet;

/// One good file, and the document it is asked about.
pub struct Subject {
    pub kind: Kind,
    pub name: String,
    pub id: &'static str,
    pub file: Vec<u8>,
}

/// A note with every member's cosignature, two log signatures, a stranger's line and a line by an unknown key of a
/// member's node.
fn rich_note(model: &Model, size: u64) -> String {
    let members: &[&str] =
        if size > model.boundary() { &["acme.example", "bolt.example", "cargo.example", JOINS] } else { &FOUNDERS };
    let checkpoint = model.checkpoint(size);
    let mut note = Note::parse(&model.note_by(&checkpoint, members)).expect("a note");
    note.signatures.push(checkpoint.log_signature(&pair("bolt.example/1/log")));
    for node in ["stranger.example/1", "acme.example/1"] {
        let key = pair("a key of nobody");
        let line = checkpoint.cosign(node, 1, &key).to_note_signature(&VerifierKey::cosigner(node, key.public()));
        note.signatures.push(line);
    }
    note.to_string()
}

fn rich(model: &Model, receipt: Receipt, size: u64) -> Receipt {
    Receipt { note: rich_note(model, size), ..receipt }
}

pub fn corpus(model: &Model) -> Vec<Subject> {
    let mut all = Vec::new();
    let mut add = |kind, name: &str, id, file: Vec<u8>| all.push(Subject { kind, name: name.to_owned(), id, file });
    let size = |height: usize| model.seals[height].tree_size();
    for (name, index, tree) in [
        ("applied", 2, size(3)),
        ("rejected", 4, size(2)),
        ("seal", 3, size(3)),
        ("epoch end", model.seals[4].index(), size(4)),
        ("epoch 1", model.seals[5].first, size(5)),
    ] {
        let receipt = model.receipt(index, tree);
        add(Kind::Receipt, name, "", receipt.to_string().into_bytes());
        add(Kind::ReceiptJson, name, "", receipt.to_json().expect("JSON"));
        if name != "epoch end" {
            let receipt = rich(model, receipt, tree);
            add(Kind::Receipt, &format!("{name}, all signed"), "", receipt.to_string().into_bytes());
        }
    }
    for (name, id, height, withhold) in [
        ("present", "S-1", 3, false),
        ("withheld", "S-1", 3, true),
        ("epoch 1", "S-1", 5, false),
        ("deleted", "S-2", 5, false),
        ("absent", "S-9", 5, false),
        ("absent too", "S-4", 3, false),
    ] {
        let proof = model.state_proof(id, height, withhold);
        add(Kind::State, name, id, proof.to_bytes());
    }
    let seal = rich(model, model.receipt(model.seals[3].index(), size(3)), size(3)).to_string();
    let proof = StateProof { seal, ..model.state_proof("S-1", 3, false) };
    add(Kind::State, "all signed", "S-1", proof.to_bytes());
    for (name, id, from, to) in [
        ("whole", "S-1", 0, 5),
        ("window", "S-1", 2, 4),
        ("last", "S-1", 5, 5),
        ("none", "S-9", 0, 5),
        ("deleted", "S-2", 1, 5),
    ] {
        add(Kind::History, name, id, model.history_proof(id, from, to).to_bytes());
    }
    for (name, old, new) in [
        ("within", size(1), size(3)),
        ("across", size(1), size(5)),
        ("same", size(3), size(3)),
        ("from genesis", size(0), size(5)),
    ] {
        add(Kind::Consistency, name, "", model.consistency(old, new).to_bytes());
    }
    let path = model.consistency(size(1), size(3)).path;
    let proof = ConsistencyProof::new(rich_note(model, size(1)), rich_note(model, size(3)), path);
    add(Kind::Consistency, "all signed", "", proof.to_bytes());
    let bundle = model.bundle();
    add(Kind::Bundle, "two epochs", "", bundle.to_bytes());
    add(Kind::Pinned, "epoch 1", "", model.pinned().to_bytes());
    for (name, id, proof) in [
        ("receipt", "", model.receipt(model.seals[5].first, size(5)).to_string().into_bytes()),
        ("old receipt", "", model.receipt(2, size(3)).to_string().into_bytes()),
        ("state", "S-1", model.state_proof("S-1", 5, false).to_bytes()),
    ] {
        let exhibit = Exhibit::new(String::from_utf8(proof).expect("text"), bundle.clone());
        add(Kind::Exhibit, name, id, exhibit.to_bytes());
    }
    for (_, evidence) in model.evidence() {
        add(Kind::Evidence, evidence.what(), "", evidence.to_bytes());
    }
    add(Kind::Evidence, "two-cosignatures, more lines", "", accused_twice(model).to_bytes());
    let (_, Evidence::AgainstCertificate { note, root, path, .. }) = model.evidence().remove(3) else {
        panic!("moved")
    };
    let evidence = Evidence::against_certificate(note, rich_note(model, size(3)), root, path);
    add(Kind::Evidence, "against-certificate, all signed", "", evidence.to_bytes());
    let seal = rich(model, model.receipt(model.seals[1].index(), size(1)), size(1));
    add(Kind::Evidence, "false-seal, all signed", "", Evidence::false_seal(seal.to_string()).to_bytes());
    all
}

/// One organisation signed both; all signed the right one.
fn accused_twice(model: &Model) -> Evidence {
    let (_, Evidence::TwoCosignatures { first, second, .. }) = model.evidence().remove(1) else { panic!("moved") };
    let right = model.checkpoint(model.seals[1].tree_size());
    let wrong = if Note::parse(&first).expect("a note").text == right.to_text() { second } else { first };
    Evidence::two_cosignatures(rich_note(model, right.size), wrong)
}

/// The verifier of all these files.
pub fn verifier() -> Verifier {
    let model = Model::new();
    let receipt = model.receipt(model.seals[5].first, model.seals[5].tree_size());
    let mut cosigned = BTreeSet::new();
    let mut note = |text: &str| {
        let note = Note::parse(text).expect("a note");
        let checkpoint = Checkpoint::parse(&note.text).expect("a checkpoint");
        for line in note.signatures.iter().filter(|line| line.name.contains("/1") && line.signature.len() == 72) {
            let time = u64::from_be_bytes(line.signature[..8].try_into().expect("8 bytes"));
            cosigned.insert((checkpoint.size, checkpoint.root, line.name.clone(), time));
        }
    };
    for size in model.seals.iter().map(SealLeaf::tree_size) {
        note(&model.note(size));
        note(&rich_note(&model, size));
    }
    Verifier { trust: model.trust(), receipt, cosigned, model }
}
