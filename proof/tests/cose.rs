//! Make COSE receipts over the model ledger, check them, and refuse everything near them.
//!
//! `UPDATE_VECTORS=1 cargo test -p countersign-proof --test cose` writes `vectors/cose.json` again; a change of it is a
//! change of format, and goes with docs/formats.md.

mod model;

use countersign_proof::*;
use ed25519_dalek::Verifier;
use model::{FOUNDERS, JOINS, Model, ok, pair};
use serde_json::json;

fn log_key(organisation: &str) -> KeyPair {
    pair(&format!("{organisation}/1/log"))
}

/// The receipt of the first transaction in the log of 8.
fn inclusion(model: &Model, organisation: &str) -> CoseReceipt {
    CoseReceipt::of_receipt(&model.receipt(2, 8), &log_key(organisation)).expect("it holds")
}

fn consistency(model: &Model, organisation: &str) -> CoseReceipt {
    let path = ok(consistency_proof(&model.hashes()[..], 4, 8));
    let (old, new) = (model.checkpoint(4), model.checkpoint(8));
    CoseReceipt::of_consistency(&old, &new, path, &log_key(organisation)).expect("it holds")
}

#[test]
fn the_vectors_are_reproduced_byte_for_byte() {
    let model = Model::new();
    let receipts = FOUNDERS[..3].iter().map(|who| inclusion(&model, who)).collect::<Vec<_>>();
    let made = json!({
        "consistency": hex::encode(consistency(&model, FOUNDERS[0]).to_bytes()),
        "inclusion": hex::encode(receipts[0].to_bytes()),
        "leaf": String::from_utf8(model.leaves[2].clone()).expect("JSON"),
        "log_vkey": receipts[0].kid,
        "receipts": hex::encode(cose_receipts(&receipts)),
        "root": model.checkpoint(8).root,
    });
    let made = format!("{made:#}\n");
    let path = "tests/vectors/cose.json";
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(path, &made).expect("written");
    }
    assert!(made == std::fs::read_to_string(path).expect("the vectors"), "the format has changed");
}

/// RFC 8949 by hand, with no library: the heads of what stands in a receipt.
#[test]
fn the_bytes_are_those_of_rfc_9942() {
    let model = Model::new();
    let receipt = model.receipt(2, 8);
    let cose = inclusion(&model, FOUNDERS[0]);
    let bytes = |content: &[u8]| match content.len() {
        length @ 24..=255 => [&[0x58, length as u8], content].concat(),
        length @ 256.. => [&[0x59, (length >> 8) as u8, length as u8], content].concat(),
        length => [&[0x40 | length as u8], content].concat(),
    };
    let kid = bytes(VerifierKey::log(&model.genesis.origin(), log_key(FOUNDERS[0]).public()).to_string().as_bytes());
    let protected =
        [&[0xa4, 0x01, 0x27, 0x04][..], &kid, &[0x19, 0x01, 0x8b, 0x01, 0x3a, 0x00, 0x01, 0x00, 0x00, 0x08]].concat();
    assert_eq!(receipt.path.len(), 3);
    let path: Vec<u8> = receipt.path.iter().flat_map(|hash| bytes(&hash.0)).collect();
    let proof = [&[0x83, 0x08, 0x02, 0x83][..], &path].concat();
    let root = model.checkpoint(8).root;
    let signed = [&[0x84, 0x6a][..], b"Signature1", &bytes(&protected), &[0x40], &bytes(&root.0)].concat();
    let signature = log_key(FOUNDERS[0]).sign(&signed);
    let unprotected = [&[0xa1, 0x19, 0x01, 0x8c, 0xa1, 0x20, 0x81][..], &bytes(&proof)].concat();
    let whole = [&[0xd2, 0x84][..], &bytes(&protected), &unprotected, &[0xf6], &bytes(&signature)].concat();
    assert_eq!(hex::encode(cose.to_bytes()), hex::encode(whole));
    let key = ed25519_dalek::VerifyingKey::from_bytes(log_key(FOUNDERS[0]).public().as_bytes()).expect("a key");
    key.verify(&signed, &ed25519_dalek::Signature::from_bytes(&cose.signature)).expect("as any COSE library checks it");
}

#[test]
fn what_is_written_is_read_back_and_verified() {
    let model = Model::new();
    let trust = model.trust();
    for index in 0..8 {
        let receipt = model.receipt(index, 8);
        let cose = CoseReceipt::of_receipt(&receipt, &log_key(FOUNDERS[1])).expect("it holds");
        let read = CoseReceipt::parse(&cose.to_bytes()).expect("its one form");
        assert_eq!(read, cose);
        let (verified, leaf) = read.verify_leaf(&trust, &receipt.leaf).expect("it holds");
        assert_eq!((verified.node(), verified.checkpoint()), ("bolt.example/1", &model.checkpoint(8)));
        assert_eq!(leaf.to_bytes(), receipt.leaf);
    }
    let cose = CoseReceipt::parse(&consistency(&model, FOUNDERS[2]).to_bytes()).expect("its one form");
    let verified = cose.verify_after(&trust, &model.checkpoint(4)).expect("it holds");
    assert_eq!((verified.node(), verified.checkpoint()), ("cargo.example/1", &model.checkpoint(8)));
}

#[test]
fn several_receipts_are_believed_with_a_quorum_of_organisations() {
    let model = Model::new();
    let trust = model.trust();
    let leaf = &model.leaves[2];
    let verify = |receipts: &[CoseReceipt]| {
        let receipts = parse_cose_receipts(&cose_receipts(receipts)).map_err(Refusal::from)?;
        verify_cose_receipts(&trust, &receipts, leaf)
    };
    let of = |organisations: &[&str]| organisations.iter().map(|who| inclusion(&model, who)).collect::<Vec<_>>();
    let (checkpoint, found, signers) = verify(&of(&FOUNDERS[..3])).expect("three of four");
    assert_eq!((checkpoint, &found.to_bytes(), signers.len()), (model.checkpoint(8), leaf, 3));
    let refused = |receipts: &[CoseReceipt]| verify(receipts).expect_err("refused").check;
    assert_eq!(refused(&of(&FOUNDERS[..2])), Check::Quorum);
    assert_eq!(refused(&of(&[FOUNDERS[0], FOUNDERS[1], FOUNDERS[1]])), Check::Quorum, "one organisation twice");
    assert_eq!(refused(&of(&[FOUNDERS[0], FOUNDERS[1], FOUNDERS[2], JOINS])), Check::LogSignature, "who joins later");
    let mut later = of(&FOUNDERS[..2]);
    later.push(CoseReceipt::of_receipt(&model.receipt(2, 6), &log_key(FOUNDERS[2])).expect("it holds"));
    assert_eq!(refused(&later), Check::Inclusion, "of another tree");
    assert_eq!(refused(&[]), Check::File);
    // At the size that ends an epoch both sets need their quorum.
    let end = model.boundary();
    let at_end = |organisations: &[&str]| {
        let receipt = |who: &&str| CoseReceipt::of_receipt(&model.receipt(2, end), &log_key(who)).expect("it holds");
        verify(&organisations.iter().map(receipt).collect::<Vec<_>>()).map(drop).map_err(|refusal| refusal.check)
    };
    assert_eq!(at_end(&FOUNDERS[..3]), Ok(()));
    assert_eq!(at_end(&FOUNDERS[1..]), Err(Check::Quorum), "two of the new set");
    assert_eq!(at_end(&["bolt.example", "cargo.example", JOINS]), Err(Check::Quorum), "two of the old set");
}

/// One path leads from one leaf to one root at several sizes; only the size that was signed is believed.
#[test]
fn no_other_size_or_index_is_believed() {
    let model = Model::new();
    let trust = model.trust();
    let good = CoseReceipt::of_receipt(&model.receipt(0, 6), &log_key(FOUNDERS[0])).expect("it holds");
    let CoseProof::Inclusion { path, .. } = &good.proof else { panic!("an inclusion proof") };
    let root = model.checkpoint(6).root;
    let mut same_root = 0;
    for size in 1..20 {
        for index in 0..size {
            let leads = verify_inclusion(&leaf_hash(&model.leaves[0]), index, size, path) == Ok(root);
            same_root += u32::from(leads && (size, index) != (6, 0));
            let forged =
                CoseReceipt { size, proof: CoseProof::Inclusion { index, path: path.clone() }, ..good.clone() };
            assert_eq!(
                forged.verify_leaf(&trust, &model.leaves[0]).is_ok(),
                (size, index) == (6, 0),
                "{index} of {size}"
            );
        }
    }
    assert!(same_root > 2, "{same_root} of them would lead to the very root");
}

#[test]
fn no_changed_byte_is_believed() {
    let model = Model::new();
    let trust = model.trust();
    let (inclusion, consistency) =
        (inclusion(&model, FOUNDERS[0]).to_bytes(), consistency(&model, FOUNDERS[0]).to_bytes());
    let all = cose_receipts(&FOUNDERS.map(|who| self::inclusion(&model, who)));
    let leaf = |bytes: &[u8]| {
        CoseReceipt::parse(bytes).map_err(Refusal::from).and_then(|r| r.verify_leaf(&trust, &model.leaves[2])).map(drop)
    };
    let after = |bytes: &[u8]| {
        CoseReceipt::parse(bytes)
            .map_err(Refusal::from)
            .and_then(|r| r.verify_after(&trust, &model.checkpoint(4)))
            .map(drop)
    };
    let together = |bytes: &[u8]| {
        let receipts = parse_cose_receipts(bytes).map_err(Refusal::from)?;
        verify_cose_receipts(&trust, &receipts, &model.leaves[2]).map(drop)
    };
    type Verify<'a> = &'a dyn Fn(&[u8]) -> Result<(), Refusal>;
    let kinds: [(&Vec<u8>, Verify<'_>); 3] = [(&inclusion, &leaf), (&consistency, &after), (&all, &together)];
    for (file, verify) in kinds {
        verify(file).expect("unchanged");
        for at in 0..file.len() {
            for bit in [0, 3, 7] {
                let mut mutant = file.clone();
                mutant[at] ^= 1 << bit;
                verify(&mutant).expect_err(&format!("byte {at}, bit {bit}"));
            }
            verify(&file[..at]).expect_err("cut short");
            verify(&[&file[..at], &file[at + 1..]].concat()).expect_err("one byte fewer");
            verify(&[&file[..at], &[0], &file[at..]].concat()).expect_err("one byte more");
        }
        verify(&[file, &[0xf6][..]].concat()).expect_err("something after it");
        verify(&[]).expect_err("nothing");
    }
    assert_eq!(after(&inclusion).expect_err("the other kind").check, Check::File);
    assert_eq!(leaf(&consistency).expect_err("the other kind").check, Check::File);
}

#[test]
fn another_leaf_key_ledger_or_epoch_is_refused() {
    let model = Model::new();
    let (trust, good) = (model.trust(), inclusion(&model, FOUNDERS[0]));
    let refused = |cose: &CoseReceipt, trust: &Trust, leaf: u64| {
        cose.verify_leaf(trust, &model.leaves[leaf as usize]).expect_err("refused").check
    };
    assert_eq!(refused(&good, &trust, 4), Check::LogSignature, "another leaf leads to another root");
    assert_eq!(refused(&good, &Trust::from_epoch(model.pinned()), 2), Check::LogSignature, "below the epoch");
    let cosign = CoseReceipt::of_receipt(&model.receipt(2, 8), &pair("acme.example/1/cosign")).expect("it leads there");
    assert_eq!(refused(&cosign, &trust, 2), Check::LogSignature, "a cosigner's key is no log key");
    let stranger = CoseReceipt::of_receipt(&model.receipt(2, 8), &pair("nobody")).expect("it leads there");
    assert_eq!(refused(&stranger, &trust, 2), Check::LogSignature);
    let renamed = CoseReceipt { kid: inclusion(&model, FOUNDERS[1]).kid, ..good.clone() };
    assert_eq!(refused(&renamed, &trust, 2), Check::LogSignature, "another member's name");
    let text = policy(&model.genesis.origin(), &model.memberships[0]);
    let by_policy = Trust::from_policy(&model.genesis.origin(), parse_policy(&text).expect("a policy")).expect("of it");
    assert_eq!(refused(&good, &by_policy, 2), Check::LogSignature, "a policy does not say whose a log key is");
    let log = log_key(FOUNDERS[0]);
    let checkpoint = model.checkpoint(8);
    let note_signature = CoseReceipt { signature: log.sign(checkpoint.to_text().as_bytes()), ..good };
    assert_eq!(refused(&note_signature, &trust, 2), Check::LogSignature, "the log's signature of a note");
    let mut members = model.pinned();
    members.after = 0;
    let key = members.members.node("acme.example/1").expect("a member").log;
    members.members.revoked.insert(key, 7);
    let revoked = inclusion(&model, FOUNDERS[0]);
    assert_eq!(refused(&revoked, &Trust::from_epoch(members), 2), Check::LogSignature, "a revoked key");
    let mut receipt = model.receipt(2, 8);
    receipt.path.reverse();
    assert!(CoseReceipt::of_receipt(&receipt, &log).is_err(), "no receipt is made of what does not hold");
    assert!(CoseReceipt::of_receipt(&model.receipt(0, 1), &log).is_err(), "nor of a log of one leaf");
    let (old, new) = (model.checkpoint(4), model.checkpoint(6));
    assert!(CoseReceipt::of_consistency(&old, &new, model.consistency(4, 8).path, &log).is_err());
    assert!(CoseReceipt::of_consistency(&new, &new, vec![], &log).is_err(), "nor of one size");
    let other = Checkpoint { root: plain_hash(b""), ..old };
    assert_eq!(
        consistency(&model, FOUNDERS[0]).verify_after(&trust, &other).expect_err("another").check,
        Check::LogSignature
    );
}
