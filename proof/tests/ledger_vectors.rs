//! Reproduce `vectors/ledger.json` byte for byte: a tiny ledger made by an independent model of the formats.

use base64::prelude::{BASE64_STANDARD, Engine};
use countersign_proof::*;
use serde_json::Value;
use std::convert::Infallible;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/ledger.json")).expect("JSON")
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path} is text"))
}

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text).expect("hexadecimal")
}

fn hash(text: &str) -> Hash {
    Hash::from_hex("vector", text).expect("a hash")
}

fn pair(vectors: &Value, name: &str) -> KeyPair {
    let seed = unhex(vectors["keys"][name]["seed"].as_str().expect("a seed"));
    let pair = KeyPair::from_seed(&seed.try_into().expect("32 bytes"));
    assert_eq!(hex::encode(pair.public().as_bytes()), vectors["keys"][name]["public"].as_str().expect("a key"));
    pair
}

fn genesis(vectors: &Value) -> Genesis {
    let bytes = text(vectors, "/genesis").as_bytes();
    Genesis::parse_expecting(bytes, &hash(text(vectors, "/genesis_hash"))).expect("the genesis")
}

fn ok<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
    }
}

#[test]
fn genesis_membership_and_keys() {
    let v = vectors();
    let genesis = genesis(&v);
    let membership = genesis.membership();
    assert_eq!(genesis.origin(), text(&v, "/origin"));
    assert_eq!(canonical(&membership), text(&v, "/members").as_bytes());
    assert_eq!(membership.hash(), hash(text(&v, "/members_hash")));
    assert_eq!(Membership::parse(text(&v, "/members").as_bytes()), Ok(membership.clone()));
    assert_eq!(membership.quorum() as u64, v["quorum"].as_u64().expect("a number"));
    let keys = |keys: Vec<VerifierKey>| keys.iter().map(|k| k.to_string()).collect::<Value>();
    assert_eq!(keys(membership.log_keys(&genesis.origin())), v["log_vkeys"]);
    assert_eq!(keys(membership.cosign_keys()), v["cosign_vkeys"]);
    assert_eq!(hex::encode(genesis.signed_message()), text(&v, "/genesis_signed_message"));
    for (organisation, signature) in v["genesis_signatures"].as_object().expect("an object") {
        let signed = genesis.sign(&pair(&v, &format!("{organisation}/governance")));
        assert_eq!(hex::encode(signed), signature.as_str().expect("text"));
    }
    genesis.check_signatures(&canonical(&v["genesis_signatures"])).expect("every founder signed");
}

#[test]
fn versions_and_state_roots() {
    let v = vectors();
    let genesis = genesis(&v);
    let documents = genesis.first_documents();
    let versions = v["genesis_versions"].as_array().expect("an array");
    assert_eq!(documents.len(), versions.len());
    for ((collection, id, value), version) in documents.iter().zip(versions) {
        assert_eq!((*collection, id.as_str()), (text(version, "/collection"), text(version, "/id")));
        assert_eq!(std::str::from_utf8(value).expect("UTF-8"), text(version, "/value"));
        check_version(&genesis.hash().0[..16], version);
    }
    for height in 0..3 {
        let block = &v[format!("block_{height}")];
        let mut tree = StateTree::default();
        for entry in block["state"].as_array().expect("an array") {
            tree.insert(hash(text(entry, "/0")), hash(text(entry, "/1")));
        }
        assert_eq!(tree.root(), hash(text(block, "/state_root")), "height {height}");
        for transaction in block["transactions"].as_array().into_iter().flatten() {
            let nonce = unhex(text(transaction, "/nonce"));
            let versions = transaction["versions"].as_array();
            versions.into_iter().flatten().for_each(|version| check_version(&nonce, version));
            check_transaction(&v, transaction, height);
        }
    }
}

fn check_version(nonce: &[u8], version: &Value) {
    let (collection, id) = (text(version, "/collection"), text(version, "/id"));
    let record: VersionRecord = parse_canonical("record", text(version, "/record").as_bytes(), 4).expect("a record");
    assert_eq!(hex::encode(record.preimage()), text(version, "/record_preimage"));
    assert_eq!(record.hash(), hash(text(version, "/record_hash")));
    assert_eq!(state_key(collection, id), hash(text(version, "/state_key")));
    let value = version["value"].as_str().map(|value| value_hash(&salt(nonce, collection, id), value.as_bytes()));
    assert_eq!(value, record.value);
    assert_eq!(value.map(|h| h.to_string()).as_deref(), version["value_hash"].as_str());
}

fn check_transaction(v: &Value, transaction: &Value, height: u64) {
    let keys: Vec<PublicKey> = transaction["signers"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|key| PublicKey::parse(key.as_str().expect("text")).expect("a key"))
        .collect();
    let signatures: Vec<String> = serde_json::from_value(transaction["signatures"].clone()).expect("texts");
    let message = unhex(text(transaction, "/signed_message"));
    for (key, signature) in keys.iter().zip(&signatures) {
        assert!(key.verify_strict(&message, &unhex(signature).try_into().expect("64 bytes")));
    }
    let body = unhex(text(transaction, "/body"));
    let id = tagged_hash("transaction-id", &[keys[0].as_bytes(), &unhex(text(transaction, "/nonce"))]);
    assert_eq!(id, hash(text(transaction, "/id")));
    let Leaf::Transaction(leaf) = Leaf::parse(text(transaction, "/leaf").as_bytes()).expect("a leaf") else {
        panic!("a transaction's leaf");
    };
    assert_eq!((leaf.id, leaf.height), (id, height));
    assert_eq!(leaf.body, tagged_hash("transaction-body", &[&body]));
    assert_eq!(leaf.signatures, plain_hash(&canonical(&signatures)));
    let versions = transaction["versions"].as_array();
    let records: Option<Vec<&str>> =
        versions.map(|all| all.iter().map(|version| text(version, "/record_hash")).collect());
    assert_eq!(leaf.writes, records.map(|records| plain_hash(&canonical(&records))));
    assert_eq!(Leaf::Transaction(leaf).to_bytes(), text(transaction, "/leaf").as_bytes());
    let index = transaction["leaf_index"].as_u64().expect("a number") as usize;
    assert_eq!(v["leaves"][index].as_str(), Some(text(transaction, "/leaf")));
    // The message that carries body and signatures has one minimal form.
    let bytes = prost::Message::encode_to_vec(&TransactionBytes {
        body,
        signatures: signatures.iter().map(|s| unhex(s)).collect(),
    });
    assert_eq!(hex::encode(bytes), text(transaction, "/transaction"));
}

#[test]
fn seals_and_log_roots() {
    let v = vectors();
    let leaves: Vec<&str> =
        v["leaves"].as_array().expect("an array").iter().map(|l| l.as_str().expect("text")).collect();
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf.as_bytes())).collect();
    assert_eq!(leaves[0], text(&v, "/leaf_0"));
    assert_eq!(hashes[0], hash(text(&v, "/leaf_0_hash")));
    for height in 0..3u64 {
        let block = &v[format!("block_{height}")];
        let Leaf::Seal(seal) = Leaf::parse(text(block, "/seal").as_bytes()).expect("a leaf") else { panic!("a seal") };
        assert_eq!(Leaf::Seal(seal.clone()).to_bytes(), text(block, "/seal").as_bytes());
        assert_eq!(Some(seal.index()), block["seal_index"].as_u64());
        assert_eq!(Some(seal.tree_size()), block["tree_size"].as_u64());
        assert_eq!(leaves[seal.index() as usize], text(block, "/seal"));
        assert_eq!(hashes[seal.index() as usize], hash(text(block, "/seal_hash")));
        assert_eq!(seal.state, hash(text(block, "/state_root")));
        assert_eq!(ok(log_root(&hashes[..], seal.tree_size())), hash(text(block, "/log_root")));
    }
    let proof = |old, new| ok(consistency_proof(&hashes[..], old, new));
    let listed = |path: &[Hash]| path.iter().map(|h| BASE64_STANDARD.encode(h.0)).collect::<Value>();
    assert_eq!(listed(&proof(2, 5)), v["checkpoint_1"]["consistency_2_5"]);
    assert_eq!(listed(&proof(5, 7)), v["checkpoint_2"]["consistency_5_7"]);
}

#[test]
fn proposal_headers() {
    let v = vectors();
    for height in 1..3 {
        let block = &v[format!("block_{height}")];
        let transactions = block["transactions"].as_array().expect("an array");
        let transactions = transactions.iter().map(|t| unhex(text(t, "/transaction"))).collect::<Vec<_>>();
        let header: ProposalHeader =
            parse_canonical("header", text(block, "/proposal_header").as_bytes(), 2).expect("a header");
        assert_eq!(header.transactions, ProposalHeader::transactions_hash(transactions.iter().map(Vec::as_slice)));
        assert_eq!(hex::encode(header.signed_message()), text(block, "/proposal_signed_message"));
        assert_eq!(header.digest(), hash(text(block, "/proposal_digest")));
        let key = pair(&v, &format!("{}/proposal", header.proposer));
        let proposal = Proposal::sign(&header, transactions, &key);
        assert_eq!(hex::encode(&proposal.signature), text(block, "/proposal_signature"));
        let checked = proposal
            .checked_header(text(&v, "/origin"), |node| genesis(&v).membership().node(node).map(|keys| keys.proposal));
        assert_eq!(checked, Ok(header));
    }
}

#[test]
fn checkpoints_and_receipts() {
    let v = vectors();
    let genesis = genesis(&v);
    let trust = Trust::from_genesis(&genesis);
    let hashes: Vec<Hash> = v["leaves"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|l| leaf_hash(l.as_str().expect("text").as_bytes()))
        .collect();
    let c = &v["checkpoint_1"];
    let root = ok(log_root(&hashes[..], 5));
    let checkpoint = Checkpoint { origin: genesis.origin(), size: 5, root };
    assert_eq!(checkpoint.to_text(), text(c, "/text"));
    assert_eq!(Checkpoint::parse(text(c, "/text")), Ok(checkpoint.clone()));
    let mut signatures = vec![checkpoint.log_signature(&pair(&v, "acme.example/1/log"))];
    for (node, key) in ["acme.example/1", "bolt.example/1", "cargo.example/1", "dock.example/1"].iter().zip(0..) {
        let time = c["times"][key].as_u64().expect("a time");
        assert_eq!(hex::encode(checkpoint.cosigned_message(time)), text(c, &format!("/cosigned_messages/{key}")));
        let cosign = pair(&v, &format!("{node}/cosign"));
        let cosignature = checkpoint.cosign(node, time, &cosign);
        signatures.push(cosignature.to_note_signature(&VerifierKey::cosigner(node, cosign.public())));
    }
    let note = Note { text: checkpoint.to_text(), signatures };
    assert_eq!(note.to_string(), text(c, "/note"));
    for (name, index) in [("applied", 2), ("rejected", 3), ("seal", 4), ("genesis", 0)] {
        let file = text(c, &format!("/receipt_{name}"));
        let receipt = Receipt {
            leaf: v["leaves"][index].as_str().expect("text").as_bytes().to_vec(),
            index: index as u64,
            path: ok(inclusion_proof(&hashes[..], index as u64, 5)),
            note: note.to_string(),
        };
        assert_eq!(receipt.to_string(), file, "{name}");
        let verified = Receipt::parse(file).expect("a receipt").verify(&trust).expect(name);
        assert_eq!(verified.certified().signers().len(), 4);
    }
    let exact = Receipt::parse(text(c, "/receipt_exact_quorum")).expect("a receipt");
    assert_eq!(exact.verify(&trust).expect("three of four").certified().signers().len(), 3);
}

#[test]
fn no_altered_byte_of_a_receipt_is_believed() {
    let v = vectors();
    let genesis = genesis(&v);
    let file = text(&v["checkpoint_1"], "/receipt_exact_quorum");
    let mut refused = 0;
    for at in 0..file.len() {
        let mut bytes = file.as_bytes().to_vec();
        bytes[at] ^= 1;
        let Ok(altered) = std::str::from_utf8(&bytes) else { continue };
        let verdict = Receipt::parse(altered).and_then(|r| Ok(r.verify(&Trust::from_genesis(&genesis))?));
        assert!(verdict.is_err(), "byte {at} altered and believed: {altered}");
        refused += 1;
    }
    assert!(refused > file.len() * 9 / 10);
}

#[test]
fn state_proofs() {
    let v = vectors();
    let trust = Trust::from_genesis(&genesis(&v));
    let verify = |path: &str, collection: &str, id: &str| {
        let bytes = text(&v, path).as_bytes();
        let proof = StateProof::parse(bytes).expect(path);
        assert_eq!(proof.to_bytes(), bytes, "{path}");
        proof.verify(&trust, collection, id).map(|verified| verified.answer().clone())
    };
    let neighbour = text(&v, "/checkpoint_1/absent_ids/neighbour");
    let empty = text(&v, "/checkpoint_1/absent_ids/empty");
    let present = verify("/checkpoint_1/state_present", "shipments", "S-1");
    assert!(matches!(present, Ok(StateAnswer::Present { value: Some(_), .. })), "{present:?}");
    let withheld = verify("/checkpoint_1/state_present_value_withheld", "shipments", "S-1");
    assert!(matches!(withheld, Ok(StateAnswer::Present { value: None, .. })), "{withheld:?}");
    let account = verify("/checkpoint_1/state_account", "$accounts", "acme.example/ops");
    assert!(matches!(account, Ok(StateAnswer::Present { value: Some(_), .. })), "{account:?}");
    assert_eq!(verify("/checkpoint_1/state_absent_neighbour", "shipments", neighbour), Ok(StateAnswer::Absent));
    assert_eq!(verify("/checkpoint_1/state_absent_empty", "shipments", empty), Ok(StateAnswer::Absent));
    let deleted = verify("/checkpoint_2/state_deleted", "shipments", "S-2");
    assert!(matches!(deleted, Ok(StateAnswer::Deleted { .. })), "{deleted:?}");
    // The same files say nothing of another document.
    assert!(verify("/checkpoint_1/state_present", "shipments", "S-2").is_err());
    assert!(verify("/checkpoint_1/state_absent_neighbour", "shipments", "S-1").is_err());
    assert!(verify("/checkpoint_1/state_absent_empty", "shipments", "S-1").is_err());
}

#[test]
fn state_paths_are_those_of_the_model() {
    let v = vectors();
    let mut tree = StateTree::default();
    for entry in v["block_1"]["state"].as_array().expect("an array") {
        tree.insert(hash(text(entry, "/0")), hash(text(entry, "/1")));
    }
    for (file, id) in [("state_present", "S-1"), ("state_absent_neighbour", "S-3"), ("state_absent_empty", "S-4")] {
        let proof = StateProof::parse(text(&v["checkpoint_1"], &format!("/{file}")).as_bytes()).expect(file);
        let (end, siblings) = tree.prove(&state_key("shipments", id));
        assert_eq!(siblings, proof.siblings, "{file}");
        assert_eq!(end.filter(|_| proof.record.is_none()), proof.neighbour, "{file}");
    }
}
