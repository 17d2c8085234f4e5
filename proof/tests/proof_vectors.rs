//! Reproduce `vectors/proofs.json`: one proof of every kind over a ledger of two epochs.
//!
//! `UPDATE_VECTORS=1 cargo test -p countersign-proof --test proof_vectors` writes the file again; a change of it is a
//! change of format, and goes with docs/formats.md.

mod model;

use countersign_proof::*;
use model::{LEAVES, Model};
use serde_json::{Map, Value, json};

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("JSON")
}

fn receipts(model: &Model) -> Value {
    let (first, last) = (model.seals[3].tree_size(), model.seals[5].tree_size());
    let cases = [
        ("applied", 2, first),
        ("rejected", 4, model.seals[2].tree_size()),
        ("seal", model.seals[1].index(), first),
        ("epoch_end", model.seals[4].index(), model.boundary()),
        ("epoch_1", model.seals[5].first, last),
        ("old_leaf_under_epoch_1", 2, last),
    ];
    let case = |(name, index, size): &(&str, u64, u64)| {
        let receipt = model.receipt(*index, *size);
        let verified = receipt.verify(&model.trust()).expect("it holds");
        let json = text(receipt.to_json().expect("its leaf is JSON"));
        let signers: Vec<&String> = verified.certified().signers().keys().collect();
        let file = receipt.to_string();
        let entry = json!({"epoch": verified.epoch(), "file": file, "index": index, "json": json, "signers": signers, "size": size});
        ((*name).to_owned(), entry)
    };
    Value::Object(cases.iter().map(case).collect())
}

fn states(model: &Model) -> Value {
    let cases = [
        ("present", "S-1", 3, false, "present"),
        ("present_withheld", "S-1", 3, true, "present"),
        ("present_epoch_1", "S-1", 5, false, "present"),
        ("deleted", "S-2", 5, false, "deleted"),
        ("absent_1", "S-9", 5, false, "absent"),
        ("absent_2", "S-4", 3, false, "absent"),
    ];
    let case = |(name, id, height, withhold, answer): &(&str, &str, usize, bool, &str)| {
        let proof = model.state_proof(id, *height, *withhold);
        let verified = proof.verify(&model.trust(), "shipments", id).expect("it holds");
        let found = match verified.answer() {
            StateAnswer::Present { .. } => "present",
            StateAnswer::Deleted { .. } => "deleted",
            StateAnswer::Absent => "absent",
        };
        assert_eq!(found, *answer, "{name}");
        let file = text(proof.to_bytes());
        let entry = json!({"answer": answer, "collection": "shipments", "file": file, "height": height, "id": id, "value": proof.value});
        ((*name).to_owned(), entry)
    };
    Value::Object(cases.iter().map(case).collect())
}

fn histories(model: &Model) -> Value {
    let cases = [
        ("whole", "S-1", 0, 5),
        ("window", "S-1", 2, 4),
        ("last", "S-1", 5, 5),
        ("none", "S-9", 0, 5),
        ("deleted", "S-2", 1, 5),
    ];
    let case = |(name, id, from, to): &(&str, &str, u64, u64)| {
        let proof = model.history_proof(id, *from, *to);
        let verified = proof.verify(&model.trust(), "shipments", id).expect("it holds");
        let versions: Vec<u64> = verified.versions().iter().map(|(record, _)| record.version).collect();
        let file = text(proof.to_bytes());
        let entry =
            json!({"collection": "shipments", "file": file, "from": from, "id": id, "to": to, "versions": versions});
        ((*name).to_owned(), entry)
    };
    Value::Object(cases.iter().map(case).collect())
}

fn consistencies(model: &Model) -> Value {
    let size = |height: usize| model.seals[height].tree_size();
    let cases = [
        ("within", size(1), size(3)),
        ("across", size(1), size(5)),
        ("same", size(3), size(3)),
        ("from_genesis", size(0), size(5)),
    ];
    let case = |(name, old, new): &(&str, u64, u64)| {
        let proof = model.consistency(*old, *new);
        proof.verify(&model.trust()).expect("it holds");
        ((*name).to_owned(), json!({"file": text(proof.to_bytes()), "new": new, "old": old}))
    };
    Value::Object(cases.iter().map(case).collect())
}

fn evidence(model: &Model) -> Value {
    let case = |(accused, evidence): (&str, Evidence)| {
        let verified = evidence.verify(&model.trust()).expect("it holds");
        let named: Vec<&String> = verified.accused().iter().map(|accused| &accused.organisation).collect();
        assert_eq!(named, [accused], "{}", evidence.what());
        let entry = json!({"accused": named, "file": text(evidence.to_bytes()), "sentence": verified.sentence()});
        (evidence.what().to_owned(), entry)
    };
    Value::Object(model.evidence().into_iter().map(case).collect::<Map<String, Value>>())
}

fn vectors() -> Value {
    let model = Model::new();
    let bundle = model.bundle();
    let exhibit =
        Exhibit::new(model.receipt(model.seals[5].first, model.seals[5].tree_size()).to_string(), bundle.clone());
    json!({
        "boundary": model.boundary(),
        "consistencies": consistencies(&model),
        "evidence": evidence(&model),
        "exhibit": text(exhibit.to_bytes()),
        "genesis": text(model.genesis.bytes().to_vec()),
        "genesis_hash": model.genesis.hash(),
        "histories": histories(&model),
        "pinned_epoch": text(model.pinned().to_bytes()),
        "receipts": receipts(&model),
        "states": states(&model),
        "trust_bundle": text(bundle.to_bytes()),
    })
}

#[test]
fn every_proof_file_is_reproduced_byte_for_byte() {
    // Members in order, whether or not this build of serde_json keeps the order that they were made in.
    let mut vectors = vectors();
    vectors.sort_all_objects();
    let made = format!("{vectors:#}\n");
    let path = "tests/vectors/proofs.json";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path, &made).expect("written");
    }
    let kept = std::fs::read_to_string(path).expect("the vectors");
    assert!(made == kept, "the formats have changed: proofs.json is not what is made now");
}

#[test]
fn every_file_reads_back_to_itself() {
    let v = vectors();
    let file = |path: &str| v.pointer(path).and_then(Value::as_str).expect(path).to_owned();
    let receipt = Receipt::parse(&file("/receipts/epoch_1/file")).expect("a receipt");
    assert_eq!(Receipt::from_json(file("/receipts/epoch_1/json").as_bytes()), Ok(receipt.clone()));
    assert_eq!(receipt.to_string(), file("/receipts/epoch_1/file"));
    let history = file("/histories/window/file");
    assert_eq!(text(HistoryProof::parse(history.as_bytes()).expect("a history proof").to_bytes()), history);
    let consistency = file("/consistencies/across/file");
    assert_eq!(text(ConsistencyProof::parse(consistency.as_bytes()).expect("a proof").to_bytes()), consistency);
    for (what, entry) in v["evidence"].as_object().expect("an object") {
        let file = entry["file"].as_str().expect("text");
        assert_eq!(text(Evidence::parse(file.as_bytes()).expect(what).to_bytes()), file);
    }
    let exhibit = Exhibit::parse(file("/exhibit").as_bytes()).expect("an exhibit");
    let hash = Hash::from_hex("hash", &file("/genesis_hash")).expect("a hash");
    let trust = exhibit.trust.verify(&hash).expect("the bundle holds");
    Receipt::parse(&exhibit.proof).expect("a receipt").verify(&trust).expect("it holds");
    let pinned = PinnedEpoch::parse(file("/pinned_epoch").as_bytes()).expect("an epoch");
    receipt.verify(&Trust::from_epoch(pinned)).expect("it holds under the pinned epoch");
}

/// What each epoch's members may certify, and nothing else.
#[test]
fn a_checkpoint_counts_only_under_the_epoch_that_covers_it() {
    let model = Model::new();
    let (trust, founders) = (model.trust(), Trust::from_genesis(&model.genesis));
    let check = |trust: &Trust, size: u64, organisations: &[&str]| {
        trust.certify(&model.note_by(&model.checkpoint(size), organisations)).map(drop).map_err(|refusal| refusal.check)
    };
    let (before, end, after) = (model.seals[3].tree_size(), model.boundary(), model.seals[5].tree_size());
    let (old, new) = (["bolt.example", "cargo.example", LEAVES], ["bolt.example", "cargo.example", "echo.example"]);
    assert_eq!(check(&trust, before, &old), Ok(()));
    assert_eq!(check(&trust, before, &new), Err(Check::Quorum), "echo had not joined");
    assert_eq!(check(&trust, end, &old), Err(Check::Quorum), "two of the new set");
    assert_eq!(check(&trust, end, &new), Err(Check::Quorum), "two of the old set");
    assert_eq!(check(&trust, end, &["bolt.example", "cargo.example", LEAVES, "echo.example"]), Ok(()));
    assert_eq!(check(&trust, after, &old), Err(Check::Quorum), "dock has left");
    assert_eq!(check(&trust, after, &new), Ok(()));
    assert_eq!(check(&founders, after, &new), Err(Check::Quorum), "a verifier without the bundle knows no echo");
    let pinned = Trust::from_epoch(model.pinned());
    assert_eq!(check(&pinned, after, &new), Ok(()));
    assert_eq!(check(&pinned, before, &old), Err(Check::Epochs), "nothing below the pinned epoch is believed");
}

#[test]
fn a_revoked_key_counts_up_to_its_size_and_accuses_nobody_above() {
    let model = Model::new();
    let mut pinned = PinnedEpoch { after: 0, ..model.pinned() };
    let size = model.seals[5].tree_size();
    let note = model.note(size);
    assert!(Trust::from_epoch(pinned.clone()).certify(&note).is_ok());
    let key = pinned.members.node("acme.example/1").expect("a member").cosign;
    pinned.members.revoked.insert(key, size - 1);
    let refused = Trust::from_epoch(pinned.clone()).certify(&note).expect_err("two of three");
    assert_eq!(refused.check, Check::Quorum);
    pinned.members.revoked.insert(key, size);
    assert!(Trust::from_epoch(pinned).certify(&note).is_ok());
    let (_, accusation) = model.evidence().remove(1);
    let mut members = model.memberships[0].clone();
    let cosign = members.node("cargo.example/1").expect("a member").cosign;
    members.revoked.insert(cosign, 1);
    let trust = Trust::from_epoch(PinnedEpoch { after: 0, members, ..model.pinned() });
    assert_eq!(accusation.verify(&trust).expect_err("somebody else may have had it").check, Check::Evidence);
}

#[test]
fn a_change_of_membership_needs_both_quorums_at_exactly_its_seal() {
    let model = Model::new();
    let hash = model.genesis.hash();
    let change = model.bundle().changes.remove(0);
    let refused = |change: Change| {
        let bundle = TrustBundle::new(&model.genesis, vec![change]);
        bundle.verify(&hash).expect_err("refused").check
    };
    let (seal, end) = (model.seals[4].index(), model.boundary());
    let under = |size: u64, organisations: &[&str]| {
        let receipt =
            Receipt { note: model.note_by(&model.checkpoint(size), organisations), ..model.receipt(seal, size) };
        Change { seal: receipt.to_string(), ..change.clone() }
    };
    let everyone = ["acme.example", "bolt.example", "cargo.example", LEAVES, "echo.example"];
    let bundle = TrustBundle::new(&model.genesis, vec![under(end, &everyone)]);
    assert_eq!(bundle.verify(&hash).expect("everyone signed").epochs().len(), 2);
    assert_eq!(refused(under(end, &["bolt.example", "cargo.example", LEAVES])), Check::Epochs);
    assert_eq!(refused(under(end, &["bolt.example", "cargo.example", "echo.example"])), Check::Epochs);
    assert_eq!(refused(under(model.seals[5].tree_size(), &everyone)), Check::Epochs, "a later checkpoint");
    let other = Change {
        seal: model.receipt(model.seals[3].index(), model.seals[3].tree_size()).to_string(),
        ..change.clone()
    };
    assert_eq!(refused(other), Check::Epochs, "another seal");
    let mut members = change.clone();
    members.members.revoked.clear();
    assert_eq!(refused(members), Check::Epochs, "another document");
    let twice = TrustBundle::new(&model.genesis, vec![change.clone(), change]);
    assert_eq!(twice.verify(&hash).expect_err("twice").check, Check::Epochs);
    assert_eq!(model.bundle().verify(&plain_hash(b"")).expect_err("another genesis").check, Check::Genesis);
}
