//! Governance: collections evolve, organisations have attributes, and proposals are approved one after the other.

mod common;

use common::*;
use countersign_ledger::Fate;
use countersign_proof::limits::{PROPOSAL_OPEN_MS_MAX, PROPOSALS_OPEN_MAX};
use countersign_proof::operation::Change;
use countersign_proof::*;
use serde_json::{Value, json};

const DOCK: &str = "dock.example";
const OPS: &str = "acme.example/ops";
const DAY: u64 = 86_400_000;

fn shipments(schema: Value) -> Value {
    json!({"access": {"engine": "writers/v1", "write": [ACME, BOLT]}, "schema": schema})
}

fn evolve(definition: &Value) -> Operation {
    let evolve = EvolveCollection { name: "shipments".into(), definition: canonical(definition) };
    governance(Change::EvolveCollection(evolve))
}

/// The vectors' schema of shipments with one property more.
fn with_colour() -> Value {
    let mut schema = genesis().document().collections["shipments"].schema.clone();
    schema["properties"]["colour"] = json!({"enum": ["red", "blue"]});
    schema["additionalProperties"] = json!(true);
    schema
}

fn attributes(value: &Value) -> Operation {
    let set = SetOrganisation { organisation: CARGO.into(), attributes: canonical(value) };
    governance(Change::SetOrganisation(set))
}

impl Bench {
    /// Proposes in a block of its own and gives the proposal's id, or the code.
    fn propose(&mut self, by: &[&str], operations: &Value, expires_ms: u64) -> Result<Hash, String> {
        let propose = Propose { operations: canonical(operations), expires_ms };
        let transaction = self.transaction(by, vec![governance(Change::Propose(propose))]);
        let executed = self.append(vec![transaction]).block.executed.remove(0);
        match executed.fate {
            Fate::Applied => Ok(executed.id),
            Fate::Rejected(rejection) => Err(rejection.code.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn in_a_day(&self) -> u64 {
        self.ledger.chain().time + DAY
    }

    fn proposal(&self, id: &Hash) -> Value {
        self.value("$proposals", &id.to_string()).expect("it is there")
    }

    fn approve(&mut self, by: &[&str], id: &Hash) -> Option<String> {
        let operations = proposed_hash(&self.proposal(id)["operations"]);
        self.run(by, vec![approval(id, &operations)])
    }

    fn withdraw(&mut self, by: &str, id: &Hash) -> Option<String> {
        self.run(&[by], vec![governance(Change::Withdraw(Withdraw { proposal: id.0.to_vec() }))])
    }

    fn state(&self, id: &Hash) -> String {
        self.proposal(id)["state"].as_str().expect("text").to_owned()
    }

    fn open(&self, organisation: &str) -> usize {
        let open = self.value("$rules", &format!("proposals/{organisation}")).unwrap_or(json!({}));
        open.as_object().expect("an object").len()
    }
}

fn approval(id: &Hash, operations: &Hash) -> Operation {
    governance(Change::Approve(Approve { proposal: id.0.to_vec(), operations: operations.0.to_vec() }))
}

/// A proposal that only needs approvals.
fn says(code: &str) -> Value {
    json!([{"set_organisation": {"organisation": CARGO, "attributes": {"code": code}}}])
}

fn said(bench: &Bench) -> Option<Value> {
    bench.value("$organisations", CARGO).map(|value| value["attributes"]["code"].clone())
}

#[test]
fn a_collection_evolves_within_one_block_and_breaks_nothing() {
    let mut bench = Bench::new();
    let closed = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "additionalProperties": false});
    let open = json!({"type": "object", "properties": {"n": {"type": "number"}, "unit": {"type": "string"}},
        "additionalProperties": false});
    let define = DefineCollection { name: "loads".into(), definition: canonical(&shipments(closed.clone())) };
    let quorum = &[ACME, BOLT, CARGO][..];
    assert_eq!(bench.run(quorum, vec![governance(Change::DefineCollection(define))]), None);
    let load = |id: &str, value: Value| on("loads", id, Change::Create(canonical(&value)));
    let to = |schema: &Value| {
        let definition = canonical(&shipments(schema.clone()));
        governance(Change::EvolveCollection(EvolveCollection { name: "loads".into(), definition }))
    };
    let before = bench.transaction(&[OPS], vec![load("a", json!({"n": 1, "unit": "t"}))]);
    let evolves = bench.transaction(quorum, vec![to(&open)]);
    let after = bench.transaction(&[OPS], vec![load("b", json!({"n": 1.5, "unit": "t"}))]);
    let fates: Vec<Fate> =
        bench.append(vec![before, evolves, after]).block.executed.into_iter().map(|e| e.fate).collect();
    assert!(matches!(&fates[0], Fate::Rejected(r) if r.code.as_str() == "SCHEMA_VIOLATION"), "{fates:?}");
    assert_eq!(fates[1..], [Fate::Applied, Fate::Applied]);
    // And back would break what is there.
    let narrows = bench.transaction(quorum, vec![to(&closed)]);
    let Fate::Rejected(rejection) = bench.append(vec![narrows]).block.executed.remove(0).fate else { panic!("breaks") };
    assert_eq!(rejection.code.as_str(), "BREAKING_CHANGE");
    let places: Vec<&str> = rejection.violations.iter().map(|v| &v.pointer[..]).collect();
    assert_eq!(places, ["/properties/n/type", "/properties/unit"]);
    assert_eq!(bench.value("$schemas", "loads").expect("there")["schema"], open);
    // The rule of access is judged by the new definition, too.
    let mut only_cargo = shipments(open.clone());
    only_cargo["access"]["write"] = json!([CARGO]);
    let definition = canonical(&only_cargo);
    let moves = governance(Change::EvolveCollection(EvolveCollection { name: "loads".into(), definition }));
    assert_eq!(bench.run(quorum, vec![moves]), None);
    assert_eq!(bench.run(&[OPS], vec![load("c", json!({"n": 1}))]).as_deref(), Some("UNAUTHORIZED"));
}

#[test]
fn to_evolve_needs_a_quorum_a_collection_and_a_definition() {
    let mut bench = Bench::new();
    let quorum = &[ACME, BOLT, CARGO][..];
    let same = shipments(genesis().document().collections["shipments"].schema.clone());
    let mut code = |by: &[&str], operation: Operation| bench.run(by, vec![operation]).unwrap_or_default();
    assert_eq!(code(&[ACME, BOLT], evolve(&same)), "UNAUTHORIZED");
    let nothing = EvolveCollection { name: "nothing".into(), definition: canonical(&same) };
    assert_eq!(code(quorum, governance(Change::EvolveCollection(nothing))), "NOT_FOUND");
    let strange = json!({"access": {"engine": "writers/v1", "write": ["nobody.example"]}, "schema": same["schema"]});
    assert_eq!(code(quorum, evolve(&strange)), "INVALID_VALUE");
    assert_eq!(code(quorum, evolve(&shipments(json!({"type": 7})))), "INVALID_VALUE");
    assert_eq!(code(quorum, evolve(&shipments(with_colour()))), "BREAKING_CHANGE");
    assert_eq!(code(quorum, evolve(&same)), "");
}

#[test]
fn whether_documents_name_their_readers_only_becomes_optional() {
    let mut bench = Bench::new();
    let schema = genesis().document().collections["shipments"].schema.clone();
    let mut code = |named: &str| {
        let policies = json!({"all": "permit(principal, action, resource);"});
        let access = json!({"engine": "cedar/v1", "fields": [], "named": named, "policies": policies});
        let definition = json!({"access": access, "schema": schema});
        bench.run(&[ACME, BOLT, CARGO], vec![evolve(&definition)]).unwrap_or_default()
    };
    let codes = ["required", "none", "optional", "required", "none", "optional"].map(&mut code);
    assert_eq!(codes, ["BREAKING_CHANGE", "", "", "BREAKING_CHANGE", "BREAKING_CHANGE", ""]);
}

#[test]
fn a_quorum_says_what_an_organisation_is_and_it_does_not_itself() {
    let mut bench = Bench::new();
    let ua = json!({"code": "CG", "roles": ["carrier"]});
    assert_eq!(bench.run(&[CARGO], vec![attributes(&ua)]).as_deref(), Some("UNAUTHORIZED"));
    assert_eq!(bench.run(&[ACME, BOLT, DOCK], vec![attributes(&ua)]), None);
    assert_eq!(bench.value("$organisations", CARGO), Some(json!({"attributes": ua})));
    assert_eq!(bench.run(&[ACME, BOLT, DOCK], vec![attributes(&json!({}))]), None);
    assert_eq!(bench.value("$organisations", CARGO), Some(json!({"attributes": {}})));
    let stranger = SetOrganisation { organisation: "nobody.example".into(), attributes: canonical(&ua) };
    let stranger = governance(Change::SetOrganisation(stranger));
    assert_eq!(bench.run(&[ACME, BOLT, DOCK], vec![stranger]).as_deref(), Some("NOT_FOUND"));
}

#[test]
fn the_last_approval_that_is_needed_executes() {
    let mut bench = Bench::new();
    let id = bench.propose(&[ACME], &says("CG"), bench.in_a_day()).expect("proposed");
    let record = bench.proposal(&id);
    assert_eq!((record["state"].as_str(), record["proposer"].as_str()), (Some("open"), Some(ACME)));
    assert_eq!(record["operations"], says("CG"));
    assert_eq!(record["operations_hash"], proposed_hash(&says("CG")).to_string());
    assert_eq!(record["approvals"][ACME]["transaction"], id.to_string());
    assert_eq!(bench.approve(&[BOLT], &id), None);
    assert_eq!((said(&bench), bench.state(&id).as_str(), bench.open(ACME)), (None, "open", 1));
    assert_eq!(bench.approve(&[BOLT], &id).as_deref(), Some("ALREADY_EXISTS"));
    assert_eq!(bench.approve(&["bolt.example/dispatch"], &id).as_deref(), Some("UNAUTHORIZED"));
    assert_eq!(bench.approve(&[CARGO], &id), None);
    assert_eq!((said(&bench), bench.state(&id).as_str(), bench.open(ACME)), (Some(json!("CG")), "executed", 0));
    assert_eq!(bench.approve(&[DOCK], &id).as_deref(), Some("PRECONDITION_FAILED"));
    assert_eq!(bench.withdraw(ACME, &id).as_deref(), Some("PRECONDITION_FAILED"));
    // What all sign at once is executed at once; so is what needs nobody else.
    let id = bench.propose(&[ACME, BOLT, DOCK], &says("XX"), bench.in_a_day()).expect("proposed");
    assert_eq!((said(&bench), bench.state(&id).as_str()), (Some(json!("XX")), "executed"));
    let key = KeyPair::from_seed(&[77; 32]).public();
    let own = json!([{"set_account": {"account": "acme.example/two", "keys": [key]}}]);
    let id = bench.propose(&[ACME], &own, bench.in_a_day()).expect("proposed");
    assert_eq!(bench.state(&id), "executed");
    assert!(bench.value("$accounts", "acme.example/two").is_some());
}

#[test]
fn approvals_stand_for_signatures_only_while_what_they_approve_is_executed() {
    let mut bench = Bench::new();
    let id = bench.propose(&[ACME], &says("CG"), bench.in_a_day()).expect("proposed");
    assert_eq!(bench.approve(&[BOLT], &id), None);
    let operations = proposed_hash(&says("CG"));
    let both = vec![approval(&id, &operations), attributes(&json!({"code": "mine"}))];
    assert_eq!(bench.run(&[CARGO], both.clone()).as_deref(), Some("UNAUTHORIZED"));
    assert_eq!((said(&bench), bench.state(&id).as_str()), (None, "open"));
    let reversed = both.into_iter().rev().collect();
    assert_eq!(bench.run(&[CARGO], reversed).as_deref(), Some("UNAUTHORIZED"));
    assert_eq!(bench.run(&[CARGO], vec![approval(&id, &Hash([7; 32]))]).as_deref(), Some("VERSION_CONFLICT"));
    assert_eq!(bench.run(&[CARGO], vec![approval(&Hash([7; 32]), &operations)]).as_deref(), Some("NOT_FOUND"));
    assert_eq!(bench.run(&[CARGO], vec![approval(&id, &operations)]), None);
    assert_eq!(said(&bench), Some(json!("CG")));
}

#[test]
fn what_another_organisation_must_approve_itself_waits_for_it() {
    let mut bench = Bench::new();
    let key = KeyPair::from_seed(&[78; 32]).public();
    let theirs = json!([{"set_account": {"account": "cargo.example/two", "keys": [key]}}]);
    let id = bench.propose(&[ACME], &theirs, bench.in_a_day()).expect("proposed");
    assert_eq!(bench.approve(&[BOLT, DOCK], &id), None);
    assert_eq!(bench.state(&id), "open");
    assert_eq!(bench.approve(&[CARGO], &id), None);
    assert_eq!(bench.state(&id), "executed");
}

#[test]
fn only_its_proposer_withdraws() {
    let mut bench = Bench::new();
    let id = bench.propose(&[ACME], &says("CG"), bench.in_a_day()).expect("proposed");
    assert_eq!(bench.withdraw(BOLT, &id).as_deref(), Some("UNAUTHORIZED"));
    assert_eq!(bench.withdraw(ACME, &id), None);
    assert_eq!((bench.state(&id).as_str(), bench.open(ACME)), ("withdrawn", 0));
    assert_eq!(bench.approve(&[BOLT, CARGO, DOCK], &id).as_deref(), Some("PRECONDITION_FAILED"));
    assert_eq!(said(&bench), None);
}

#[test]
fn a_proposal_expires() {
    let mut bench = Bench::new();
    let now = bench.ledger.chain().time;
    for wrong in [0, now, now + PROPOSAL_OPEN_MS_MAX + 10_000] {
        assert_eq!(bench.propose(&[ACME], &says("CG"), wrong), Err("INVALID_VALUE".into()), "{wrong}");
    }
    // Each block of the bench is a second later.
    let id = bench.propose(&[ACME], &says("CG"), bench.ledger.chain().time + 2500).expect("proposed");
    assert_eq!(bench.approve(&[BOLT], &id), None);
    assert_eq!(bench.approve(&[CARGO], &id).as_deref(), Some("EXPIRED"));
    assert_eq!(bench.withdraw(ACME, &id).as_deref(), Some("EXPIRED"));
    assert_eq!((said(&bench), bench.open(ACME)), (None, 1));
    bench.propose(&[ACME], &says("XX"), bench.in_a_day()).expect("proposed");
    assert_eq!((bench.state(&id).as_str(), bench.open(ACME)), ("expired", 1));
}

#[test]
fn open_proposals_are_bounded_for_each_organisation() {
    let mut bench = Bench::new();
    let ids: Vec<Hash> = (0..PROPOSALS_OPEN_MAX)
        .map(|_| bench.propose(&[ACME], &says("CG"), bench.in_a_day()).expect("proposed"))
        .collect();
    let more = |bench: &mut Bench, by: &str| bench.propose(&[by], &says("CG"), bench.in_a_day());
    assert_eq!(more(&mut bench, ACME), Err("PRECONDITION_FAILED".into()));
    more(&mut bench, BOLT).expect("another organisation has its own");
    assert_eq!(bench.withdraw(ACME, &ids[3]), None);
    more(&mut bench, ACME).expect("there is room");
}

#[test]
fn what_could_not_be_executed_is_not_proposed_and_what_fails_later_stays_open() {
    let mut bench = Bench::new();
    let define = |name: &str| json!([{"define_collection": {"name": name, "definition": shipments(json!({}))}}]);
    let in_a_day = bench.in_a_day();
    assert_eq!(bench.propose(&[ACME], &define("shipments"), in_a_day), Err("ALREADY_EXISTS".into()));
    let breaks = json!([{"evolve_collection": {"name": "shipments", "definition": shipments(with_colour())}}]);
    assert_eq!(bench.propose(&[ACME], &breaks, in_a_day), Err("BREAKING_CHANGE".into()));
    assert_eq!(bench.propose(&["acme.example/ops"], &define("loads"), in_a_day), Err("UNAUTHORIZED".into()));
    let id = bench.propose(&[ACME], &define("loads"), in_a_day).expect("proposed");
    let other = bench.propose(&[BOLT], &define("loads"), in_a_day).expect("proposed");
    for by in [BOLT, CARGO] {
        assert_eq!(bench.approve(&[by], &id), None);
    }
    assert_eq!(bench.approve(&[ACME], &other), None);
    assert_eq!(bench.approve(&[CARGO], &other).as_deref(), Some("ALREADY_EXISTS"));
    let record = bench.proposal(&other);
    assert_eq!((record["state"].as_str(), record["approvals"].as_object().map(|a| a.len())), (Some("open"), Some(2)));
    // All or none: the second of these needs what the first has not changed when it fails.
    let key = pair("acme.example/ops").public();
    let half = json!([says("CG")[0], {"set_account": {"account": "acme.example/two", "keys": [key]}}]);
    assert_eq!(bench.propose(&[ACME], &half, in_a_day), Err("KEY_IN_USE".into()));
    assert_eq!(said(&bench), None);
}

#[test]
fn an_approval_counts_while_its_key_does() {
    let mut bench = Bench::new();
    let id = bench.propose(&[ACME], &says("CG"), bench.in_a_day()).expect("proposed");
    assert_eq!(bench.approve(&[BOLT], &id), None);
    // The key was stolen, and is replaced: what the thief approved does not count.
    let keys = vec![KeyPair::from_seed(&[79; 32]).public().as_bytes().to_vec()];
    let rotate = governance(Change::SetAccount(SetAccount { account: BOLT.into(), keys }));
    assert_eq!(bench.run(&[BOLT], vec![rotate]), None);
    assert_eq!(bench.approve(&[CARGO], &id), None);
    assert_eq!((said(&bench), bench.state(&id).as_str()), (None, "open"));
    assert_eq!(bench.approve(&[DOCK], &id), None);
    assert_eq!(said(&bench), Some(json!("CG")));
}

#[test]
fn a_membership_is_proposed_and_who_left_counts_no_more() {
    let mut bench = Bench::new();
    let (current, _) = bench.ledger.in_force().expect("reads");
    let mut members = Membership { epoch: 1, previous: current.hash(), ..(*current).clone() };
    members.organisations.remove(BOLT);
    let admission =
        Admission { members: members.clone(), nodes: Default::default(), organisations: Default::default() };
    let id = bench.propose(&[ACME], &json!([{"admit": {"admission": admission}}]), bench.in_a_day()).expect("proposed");
    assert_eq!(bench.approve(&[CARGO], &id), None);
    assert_eq!(bench.value("$members", "next"), None);
    assert_eq!(bench.approve(&[DOCK], &id), None);
    assert_eq!(bench.value("$members", "next"), Some(serde_json::to_value(&members).expect("JSON")));
    // One proposal with an approval of who leaves, which sufficed with one more while it was a member.
    let set = SetOrganisation { organisation: BOLT.into(), attributes: b"{}".to_vec() };
    assert_eq!(bench.run(&[ACME, CARGO, DOCK], vec![governance(Change::SetOrganisation(set))]), None);
    let open = bench.propose(&[ACME], &says("CG"), bench.in_a_day()).expect("proposed");
    assert_eq!(bench.approve(&[BOLT], &open), None);
    activate(&mut bench, &members);
    assert_eq!(bench.value("$organisations", BOLT), None, "what was said of it goes with it");
    // Of three organisations two are a quorum; ACME alone is not, with or without who left.
    assert_eq!(bench.approve(&[BOLT], &open).as_deref(), Some("UNAUTHORIZED"));
    assert_eq!(bench.approve(&[ACME], &open).as_deref(), Some("ALREADY_EXISTS"));
    assert_eq!((said(&bench), bench.state(&open).as_str()), (None, "open"));
    assert_eq!(bench.approve(&[CARGO], &open), None);
    assert_eq!(said(&bench), Some(json!("CG")));
}

/// Brings in the admitted membership with a note that a quorum signed.
fn activate(bench: &mut Bench, members: &Membership) {
    let size = bench.ledger.chain().size;
    let checkpoint = Checkpoint { origin: bench.genesis.origin(), size, root: bench.ledger.log_root() };
    let mut signatures = vec![checkpoint.log_signature(&pair("acme.example/1/log"))];
    for node in ["acme.example/1", "bolt.example/1", "cargo.example/1"] {
        let key = pair(&format!("{node}/cosign"));
        let cosignature = checkpoint.cosign(node, 1, &key);
        signatures.push(cosignature.to_note_signature(&VerifierKey::cosigner(node, key.public())));
    }
    let checkpoint = Note { text: checkpoint.to_text(), signatures }.to_string();
    let change = Change::Activate(Activate { members: members.hash().0.to_vec(), checkpoint });
    assert_eq!(bench.run(&[ACME], vec![governance(change)]), None);
}

#[test]
fn malformed_governance_is_no_transaction() {
    let genesis = genesis();
    let mut bench = Bench::new();
    let mut refused = |change: Change| {
        let bytes = bench.transaction(&[ACME], vec![governance(change)]);
        Transaction::parse(bytes, &genesis.hash(), 2 << 20).expect_err("malformed").to_string()
    };
    let propose = |operations: Value| Change::Propose(Propose { operations: canonical(&operations), expires_ms: 1 });
    assert!(refused(propose(json!([]))).starts_with("operation.operations"));
    assert!(refused(propose(json!([{"set_rules": {"rules": {}}}]))).contains("set_rules"));
    assert!(refused(propose(json!([{"activate": {}}]))).contains("activate"));
    let long = json!([{"set_organisation": {"organisation": ACME, "attributes": {}}, "x": "y".repeat(300 << 10)}]);
    assert!(refused(propose(long)).contains("262144"));
    let deep = (0..90).fold(json!({}), |inner, _| json!({"not": inner}));
    let deep = json!([{"define_collection": {"name": "x", "definition": deep}}]);
    assert!(refused(propose(deep)).starts_with("operation.operations"));
    let short = Change::Approve(Approve { proposal: vec![1; 31], operations: vec![1; 32] });
    assert!(refused(short).starts_with("operation.proposal"));
    let none = Change::Approve(Approve { proposal: vec![1; 32], operations: vec![] });
    assert!(refused(none).starts_with("operation.operations"));
    assert!(refused(Change::Withdraw(Withdraw::default())).starts_with("operation.proposal"));
    let set = |organisation: &str, attributes: &Value| {
        let (organisation, attributes) = (organisation.to_owned(), canonical(attributes));
        Change::SetOrganisation(SetOrganisation { organisation, attributes })
    };
    assert!(refused(set("UA", &json!({}))).starts_with("operation.organisation"));
    assert!(refused(set(ACME, &json!({"code": {}}))).starts_with("operation.attributes"));
    let evolve = EvolveCollection { name: "Loads".into(), definition: b"{}".to_vec() };
    assert!(refused(Change::EvolveCollection(evolve)).starts_with("operation.name"));
}
