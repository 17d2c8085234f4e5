//! Execution: input, then expected output.

mod common;

use common::*;
use countersign_ledger::store::kv::Kv;
use countersign_ledger::store::{CacheSize, Ledger, MemoryKv, Position, open_database};
use countersign_ledger::{Fate, Skip};
use countersign_proof::operation::Change;
use countersign_proof::precondition::Condition;
use countersign_proof::*;
use serde_json::{Value, json};
use std::sync::Arc;

#[test]
fn genesis_founds_the_block_of_the_vectors() {
    let v = vectors();
    let bench = Bench::new();
    let seal = bench.ledger.reader().seal(0).expect("reads").expect("block 0");
    assert_eq!(Leaf::Seal(seal).to_bytes(), v["block_0"]["seal"].as_str().expect("text").as_bytes());
    assert_eq!(bench.ledger.log_root().to_string(), v["block_0"]["log_root"].as_str().expect("text"));
    assert_eq!(bench.ledger.reader().leaf(0).expect("reads"), v["leaf_0"].as_str().map(|s| s.as_bytes().to_vec()));
}

#[test]
fn operations_see_those_before_them_and_apply_all_or_none() {
    let mut bench = Bench::new();
    let patch = |id: &str, value: Value| on("shipments", id, Change::Patch(canonical(&value)));
    assert_eq!(bench.run(&["acme.example/ops"], vec![pallets("S-1", 2), patch("S-1", json!({"carrier": "x"}))]), None);
    assert_eq!(bench.value("shipments", "S-1"), Some(json!({"carrier": "x", "pallets": 2})));
    let newest = bench.ledger.reader().document("shipments", "S-1").expect("reads").expect("there");
    assert_eq!(newest.record.version, 2);
    let code = bench.run(&["acme.example/ops"], vec![pallets("S-2", 1), pallets("S-1", 1)]);
    assert_eq!(code.as_deref(), Some("ALREADY_EXISTS"));
    assert_eq!(bench.value("shipments", "S-2"), None);
}

#[test]
fn each_failure_has_its_code() {
    let mut bench = Bench::new();
    let ops = &["acme.example/ops"][..];
    bench.run(ops, vec![create("S", json!({"list": [], "pallets": 1}))]);
    let delete = |id: &str| on("shipments", id, Change::Delete(Unit {}));
    let mut code = |accounts: &[&str], operation: Operation| bench.run(accounts, vec![operation]).unwrap_or_default();
    assert_eq!(code(ops, pallets("S", 1)), "ALREADY_EXISTS");
    assert_eq!(code(ops, delete("T")), "NOT_FOUND");
    assert_eq!(code(ops, create("T", json!({"pallets": "one"}))), "SCHEMA_VIOLATION");
    assert_eq!(code(ops, create("T", json!([]))), "INVALID_VALUE");
    assert_eq!(code(ops, create("T", json!({"$x": 1, "pallets": 1}))), "RESERVED_NAME");
    assert_eq!(code(ops, create("T", json!({"pallets": 1, "pad": "x".repeat(300_000)}))), "TOO_LARGE");
    assert_eq!(code(ops, on("$accounts", "x", Change::Delete(Unit {}))), "RESERVED_NAME");
    assert_eq!(code(ops, on("nothing", "x", Change::Delete(Unit {}))), "UNKNOWN_COLLECTION");
    assert_eq!(code(&[CARGO], pallets("T", 1)), "UNAUTHORIZED");
    assert_eq!(code(ops, when(delete("S"), Condition::Version(7))), "VERSION_CONFLICT");
    assert_eq!(code(ops, when(pallets("S", 1), Condition::Absent(Unit {}))), "PRECONDITION_FAILED");
    let predicate = |value: Value| Condition::Predicate(canonical(&value));
    assert_eq!(code(ops, when(delete("S"), predicate(json!({"/pallets": {"gt": 1}})))), "PRECONDITION_FAILED");
    assert_eq!(code(ops, when(delete("S"), predicate(json!({"/pallets": {"eq": 1}})))), "");
    assert_eq!(code(ops, delete("S")), "NOT_FOUND");
}

#[test]
fn a_deleted_document_goes_on_counting() {
    let mut bench = Bench::new();
    let ops = &["acme.example/ops"][..];
    bench.run(ops, vec![pallets("S", 1)]);
    bench.run(ops, vec![on("shipments", "S", Change::Delete(Unit {}))]);
    assert_eq!(bench.run(ops, vec![when(pallets("S", 5), Condition::Version(2))]), None);
    let reader = bench.ledger.reader();
    let history = reader.history("shipments", "S", 1, 10).expect("reads");
    assert_eq!(history.iter().map(|v| v.record.version).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(history[1].value, None);
    assert!(history.windows(2).all(|pair| pair[1].record.previous == Some(pair[0].hash)));
    assert_eq!(reader.document_at("shipments", "S", 1).expect("reads").expect("there").record.version, 1);
    assert_eq!(reader.document_at("shipments", "S", 2).expect("reads").expect("there").value, None);
    assert!(reader.document_at("shipments", "S", 0).expect("reads").is_none());
}

#[test]
fn one_id_has_one_leaf_for_ever() {
    let mut bench = Bench::new();
    let body = bench.body(&["acme.example/ops"], vec![pallets("S", 1)]);
    let other = Body { operations: vec![pallets("T", 1)], ..body.clone() };
    let appended = bench.append(vec![Bench::sign(&body), Bench::sign(&body), Bench::sign(&other)]);
    let fates: Vec<&Fate> = appended.block.executed.iter().map(|e| &e.fate).collect();
    assert_eq!(fates, [&Fate::Applied, &Fate::Repeated, &Fate::NonceReused]);
    assert_eq!(appended.seal.leaves, 2);
    let again = bench.append(vec![Bench::sign(&other), Bench::sign(&body)]);
    let fates: Vec<&Fate> = again.block.executed.iter().map(|e| &e.fate).collect();
    assert_eq!(fates, [&Fate::NonceReused, &Fate::Repeated]);
    assert_eq!((again.seal.leaves, again.block.executed[1].leaf), (1, appended.block.executed[0].leaf));
    assert_eq!(bench.value("shipments", "T"), None);
}

#[test]
fn an_expired_transaction_is_rejected_and_recorded() {
    let mut bench = Bench::new();
    let time = bench.ledger.chain().time;
    let mut body = bench.body(&["acme.example/ops"], vec![pallets("S", 1)]);
    body.expires_ms = time + 999;
    let appended = bench.append(vec![Bench::sign(&body)]);
    assert!(matches!(&appended.block.executed[0].fate, Fate::Rejected(r) if r.code.as_str() == "EXPIRED"));
    let mut body = bench.body(&["acme.example/ops"], vec![pallets("S", 1)]);
    body.expires_ms = appended.seal.time + 1000;
    assert_eq!(bench.append(vec![Bench::sign(&body)]).block.executed[0].fate, Fate::Applied);
}

#[test]
fn governance_needs_its_approvals() {
    let mut bench = Bench::new();
    let definition = canonical(&json!({
        "access": {"engine": "writers/v1", "write": [CARGO]},
        "schema": {"type": "object"},
    }));
    let define = |name: &str| {
        vec![governance(Change::DefineCollection(DefineCollection {
            name: name.into(),
            definition: definition.clone(),
        }))]
    };
    assert_eq!(bench.run(&[ACME, BOLT], define("loads")).as_deref(), Some("UNAUTHORIZED"));
    assert_eq!(bench.run(&[ACME, "bolt.example/dispatch", BOLT], define("loads")).as_deref(), Some("UNAUTHORIZED"));
    assert_eq!(bench.run(&[ACME, BOLT, CARGO], define("loads")), None);
    assert_eq!(bench.run(&[ACME, BOLT, CARGO], define("loads")).as_deref(), Some("ALREADY_EXISTS"));
    let new_key = KeyPair::from_seed(&[77; 32]);
    let account = |account: &str, key: &KeyPair| {
        let keys = vec![key.public().as_bytes().to_vec()];
        vec![governance(Change::SetAccount(SetAccount { account: account.into(), keys }))]
    };
    assert_eq!(bench.run(&[BOLT], account("cargo.example/ops", &new_key)).as_deref(), Some("UNAUTHORIZED"));
    assert_eq!(
        bench.run(&[CARGO], account("cargo.example/ops", &pair("acme.example/ops"))).as_deref(),
        Some("KEY_IN_USE")
    );
    assert_eq!(
        bench.run(&[CARGO], account("cargo.example/ops", &pair("dock.example/1/tls"))).as_deref(),
        Some("KEY_IN_USE")
    );
    assert_eq!(bench.run(&[CARGO], account("cargo.example/ops", &new_key)), None);
    assert_eq!(bench.run(&[CARGO], account("cargo.example/two", &new_key)).as_deref(), Some("KEY_IN_USE"));
    let node = |tls: &KeyPair| {
        let tls = tls.public().as_bytes().to_vec();
        let set = SetNode { node: "cargo.example/2".into(), address: "c:1".into(), tls, rejoin: false };
        vec![governance(Change::SetNode(set))]
    };
    assert_eq!(bench.run(&[CARGO], node(&KeyPair::from_seed(&[78; 32]))), None);
    assert_eq!(bench.value("$nodes", "cargo.example/2").expect("there")["raft"], 5);
    let voter = governance(Change::RemoveNode(RemoveNode { node: "cargo.example/1".into() }));
    assert_eq!(bench.run(&[CARGO], vec![voter]).as_deref(), Some("INVALID_VALUE"));
    let observer = governance(Change::RemoveNode(RemoveNode { node: "cargo.example/2".into() }));
    assert_eq!(bench.run(&[CARGO], vec![observer]), None);
}

#[test]
fn an_invalid_proposal_is_skipped_and_says_why() {
    let mut bench = Bench::new();
    let transaction = bench.transaction(&["acme.example/ops"], vec![pallets("S", 1)]);
    let header = bench.header(std::slice::from_ref(&transaction));
    let key = pair("acme.example/1/proposal");
    let mut judged = |header: &ProposalHeader, transactions: Vec<Vec<u8>>, term: u64| {
        bench.judge_proposal(&Proposal::sign(header, transactions, &key), term).map(|_| ())
    };
    let all = || vec![transaction.clone()];
    assert_eq!(judged(&header, all(), 1), Ok(()));
    let chain = |result: Result<(), Skip>| assert!(matches!(result, Err(Skip::Chain(_))), "{result:?}");
    let malformed = |result: Result<(), Skip>| assert!(matches!(result, Err(Skip::Malformed(_))), "{result:?}");
    chain(judged(&header, all(), 2));
    chain(judged(&ProposalHeader { height: 2, ..header.clone() }, all(), 1));
    chain(judged(&ProposalHeader { previous: Hash([0; 32]), ..header.clone() }, all(), 1));
    chain(judged(&ProposalHeader { time: 1, ..header.clone() }, all(), 1));
    malformed(judged(&ProposalHeader { proposer: "bolt.example/1".into(), ..header.clone() }, all(), 1));
    malformed(judged(&ProposalHeader { proposer: "acme.example/2".into(), ..header.clone() }, all(), 1));
    malformed(judged(&header, vec![], 1));
    let rules = canonical(&json!({"limits": Limits::DEFAULT, "rules": 1}));
    let alone = governance(Change::SetRules(SetRules { rules }));
    let alone = bench.transaction(&[ACME, BOLT, CARGO], vec![alone]);
    let both = vec![alone, transaction.clone()];
    let header = bench.header(&both);
    malformed(bench.judge_proposal(&Proposal::sign(&header, both, &key), 1).map(|_| ()));
}

#[test]
fn memory_and_rocksdb_make_the_same_bytes_and_a_reopened_ledger_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let memory: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let mut seals = Vec::new();
    for on_disk in [false, true] {
        let open = || -> Arc<dyn Kv> {
            if on_disk {
                Arc::new(open_database(folder.path(), CacheSize::default()).expect("opens"))
            } else {
                memory.clone()
            }
        };
        let mut made = Vec::new();
        for round in 0..3u64 {
            let mut bench = Bench::over(open());
            for block in 0..4u64 {
                let ids: Vec<u64> = (0..5).map(|i| round * 100 + block * 10 + i).collect();
                let transactions = ids
                    .iter()
                    .map(|id| bench.transaction(&["acme.example/ops"], vec![pallets(&format!("S-{id}"), *id)]));
                let transactions = transactions.collect();
                made.push(bench.append(transactions).seal);
            }
            bench.ledger.pass(Position { term: 1, index: 4 * (round + 1) }).expect("writes");
            bench.ledger.sync().expect("syncs");
        }
        seals.push(made);
    }
    assert_eq!(seals[0].len(), 12);
    assert_eq!(seals[0], seals[1]);
}

#[test]
fn a_database_of_another_genesis_is_refused() {
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    drop(Bench::over(kv.clone()));
    let text = vectors()["genesis"].as_str().expect("text").replace("parts.example", "other.example");
    let other = Genesis::parse(text.as_bytes()).expect("a genesis");
    assert!(Ledger::open(kv, &other).err().expect("refused").to_string().contains("the database is of"));
}

#[test]
fn documents_are_listed_by_id_and_a_page_is_never_empty_but_more() {
    let mut bench = Bench::new();
    let ops = &["acme.example/ops"][..];
    for id in 0..7 {
        bench.run(ops, vec![pallets(&format!("S-{id}"), id)]);
    }
    for id in [2, 3, 4] {
        bench.run(ops, vec![on("shipments", &format!("S-{id}"), Change::Delete(Unit {}))]);
    }
    let reader = bench.ledger.reader();
    let (mut after, mut pages) = (String::new(), Vec::new());
    loop {
        let (page, next) = reader.documents("shipments", &after, 2).expect("reads");
        pages.push(page.iter().map(|v| v.record.id.clone()).collect::<Vec<_>>());
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(pages, [vec!["S-0", "S-1"], vec!["S-5", "S-6"]]);
}

#[test]
fn the_past_is_listed_as_it_was_and_found_by_its_time() {
    let mut bench = Bench::new();
    let put = |id: &str, n: u64| {
        on("shipments", id, Change::Put(Put { value: canonical(&json!({ "pallets": n })), key: vec![] }))
    };
    let delete = |id: &str| on("shipments", id, Change::Delete(Unit {}));
    let steps = [
        vec![pallets("b", 1)],
        vec![pallets("a", 1), put("b", 2)],
        vec![delete("b"), put("c", 3)],
        vec![put("b", 4), delete("a"), put("a", 5)],
        vec![delete("a"), delete("b"), delete("c")],
    ];
    let then: [&[(&str, u64)]; 6] =
        [&[], &[("b", 1)], &[("a", 1), ("b", 2)], &[("a", 1), ("c", 3)], &[("a", 5), ("b", 4), ("c", 3)], &[]];
    let mut times = vec![bench.ledger.chain().time];
    for step in steps {
        assert_eq!(bench.run(&["acme.example/ops"], step), None);
        times.push(bench.ledger.chain().time);
    }
    let reader = bench.ledger.reader();
    for (height, expected) in (0..).zip(then) {
        let (mut found, mut after) = (Vec::new(), String::new());
        // Two at a time, so that pages end beside what was not there.
        loop {
            let rows = reader.documents_at("shipments", &after, height, 2).expect("reads");
            let Some((last, _)) = rows.last() else { break };
            after = last.clone();
            let alive = rows.into_iter().filter_map(|(id, version)| Some((id, version?.value?["pallets"].as_u64()?)));
            found.extend(alive);
        }
        let found: Vec<(&str, u64)> = found.iter().map(|(id, pallets)| (&id[..], *pallets)).collect();
        assert_eq!(found, expected, "height {height}");
    }
    assert_eq!(reader.height_at(times[0] - 1).expect("reads"), None);
    for (height, time) in (0..).zip(&times) {
        let newest = times.iter().rposition(|other| other == time).expect("it is there") as u64;
        assert_eq!(reader.height_at(*time).expect("reads"), Some(newest), "height {height}");
    }
    assert_eq!(reader.height_at(u64::MAX - 1).expect("reads"), Some(5));
}

#[test]
fn receipts_and_state_proofs_verify_once_a_quorum_signed() {
    let mut bench = Bench::new();
    let ops = &["acme.example/ops"][..];
    bench.run(ops, vec![pallets("S-1", 1)]);
    bench.run(ops, vec![pallets("S-2", 2)]);
    bench.run(ops, vec![on("shipments", "S-2", Change::Delete(Unit {}))]);
    let reader = bench.ledger.reader();
    assert_eq!(reader.receipt(2).expect("reads"), None);
    let size = bench.ledger.chain().size;
    let checkpoint = Checkpoint { origin: bench.genesis.origin(), size, root: bench.ledger.log_root() };
    let mut signatures = vec![checkpoint.log_signature(&pair("acme.example/1/log"))];
    for node in ["acme.example/1", "bolt.example/1", "cargo.example/1"] {
        let key = pair(&format!("{node}/cosign"));
        let cosignature = checkpoint.cosign(node, 1, &key);
        signatures.push(cosignature.to_note_signature(&VerifierKey::cosigner(node, key.public())));
    }
    let note = Note { text: checkpoint.to_text(), signatures }.to_string();
    reader.put_certificate(size, &note).expect("writes");
    let trust = Trust::from_genesis(&bench.genesis);
    for index in 0..size {
        let receipt = reader.receipt(index).expect("reads").expect("certified");
        receipt.verify(&trust).expect("verifies");
    }
    for height in 1..=3 {
        for (id, present) in [("S-1", true), ("S-2", height == 2), ("S-3", false), ("S-4", false)] {
            let proof = reader.state_proof("shipments", id, height).expect("reads").expect("certified");
            let proof = StateProof::parse(&proof.to_bytes()).expect("its own bytes");
            let state = proof.verify(&trust, "shipments", id).expect("verifies");
            assert_eq!(matches!(state.answer(), StateAnswer::Present { .. }), present, "{id} at {height}");
        }
    }
}
