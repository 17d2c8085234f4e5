//! Access rules: what they decide, in scenes, against a model written another way, and pinned.

mod common;

use common::*;
use countersign_ledger::access::{Action, Allowance, Asked, Change, Principal, Rules, Said, View};
use countersign_proof::operation::Change as Write;
use countersign_proof::precondition::Condition;
use countersign_proof::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn rules(access: &Value) -> Rules {
    Rules::compile(&serde_json::from_value(access.clone()).expect("a rule")).expect("compiles")
}

fn cedar(fields: &[&str], named: &str, policies: &[(&str, &str)]) -> Value {
    let policies: BTreeMap<&str, &str> = policies.iter().copied().collect();
    json!({ "engine": "cedar/v1", "fields": fields, "named": named, "policies": policies })
}

fn principal(account: &str, attributes: Value) -> Principal {
    Principal::new(account, attributes.as_object().unwrap_or(&Map::new()))
}

/// An airline ticket: the issuer does everything, the operating carrier reads all but the fare and lifts its own coupons.
fn ticket_rule() -> Value {
    cedar(
        &["coupons[*].useIndicator", "fare"],
        "none",
        &[
            (
                "issuer",
                "permit(principal, action, resource) when { context.document.airlineCode == principal.organisation.code };",
            ),
            ("alliance_reads", "permit(principal, action == Action::\"read\", resource);"),
            (
                "fare_is_the_issuers",
                "forbid(principal, action, resource == Field::\"fare\") unless { context.document.airlineCode == principal.organisation.code };",
            ),
            (
                "operator_lifts",
                "permit(principal, action == Action::\"update\", resource == Field::\"coupons[*].useIndicator\") when { context.element.operatedBy == principal.organisation.code };",
            ),
        ],
    )
}

fn ticket() -> Value {
    json!({
        "airlineCode": "AA",
        "coupons": [{"operatedBy": "AA", "useIndicator": "OPEN"}, {"operatedBy": "IB", "useIndicator": "OPEN"}],
        "fare": "512.00",
    })
}

fn update<'a>(before: &'a Value, after: &'a Value, said: Said<'a>) -> Change<'a> {
    Change { id: "T", before: Some(before), after: Some(after), said }
}

#[test]
fn an_operating_carrier_lifts_its_own_coupons_and_does_not_see_the_fare() {
    let rules = rules(&ticket_rule());
    let (aa, ib) =
        (principal("aa.example/ops", json!({"code": "AA"})), principal("ib.example/gate", json!({"code": "IB"})));
    let before = ticket();
    let with = |pointer: &str, value: Value| {
        let mut after = before.clone();
        *after.pointer_mut(pointer).expect("there") = value;
        after
    };
    let verdict = |who: &Principal, after: &Value| {
        rules
            .check_change(who, &update(&before, after, Said::Change), &Allowance::default())
            .map_err(|denied| denied.pointer)
    };
    let own = with("/coupons/1/useIndicator", json!("LIFTED"));
    assert_eq!(verdict(&ib, &own), Ok(()));
    assert_eq!(verdict(&ib, &with("/coupons/0/useIndicator", json!("LIFTED"))), Err("/coupons/0/useIndicator".into()));
    assert_eq!(verdict(&ib, &with("/coupons/0/operatedBy", json!("IB"))), Err(String::new()));
    assert_eq!(verdict(&ib, &with("/fare", json!("1.00"))), Err("/fare".into()));
    let mut more = own.clone();
    more["coupons"].as_array_mut().expect("array").push(json!({"operatedBy": "IB", "useIndicator": "OPEN"}));
    assert!(verdict(&ib, &more).is_err(), "no carrier adds a coupon, not even its own");
    assert_eq!(verdict(&aa, &more), Ok(()));
    let View::Shown { value, redacted } = rules.view(Some(&ib), "T", &before, None) else { panic!("he sees it") };
    assert_eq!(redacted, ["/fare"]);
    assert_eq!(value.get("fare"), None);
    assert_eq!(rules.view(Some(&aa), "T", &before, None), View::Shown { value: before.clone(), redacted: vec![] });
    assert_eq!(rules.view(None, "T", &before, None), View::Hidden, "nobody is no member");
    // A stranger to $organisations has no code: policies that ask for it do not hold, and the one that forbids holds.
    let unknown = principal("cc.example/ops", json!({}));
    let View::Shown { redacted, .. } = rules.view(Some(&unknown), "T", &before, None) else { panic!("he sees it") };
    assert_eq!(redacted, ["/fare"]);
    assert!(rules.reads_every_document(Some(&ib)) && !rules.reads_everything(Some(&ib)));
}

#[test]
fn what_one_may_not_read_cannot_be_found_by_writing_it() {
    let rules = rules(&ticket_rule());
    let ib = principal("ib.example/gate", json!({"code": "IB"}));
    let before = ticket();
    let (right, wrong) = (json!({"fare": "512.00"}), json!({"fare": "1.00"}));
    for (patch, after) in [
        (&right, before.clone()),
        (&wrong, {
            let mut t = before.clone();
            t["fare"] = json!("1.00");
            t
        }),
    ] {
        let denied = rules
            .check_change(&ib, &update(&before, &after, Said::Patch(patch)), &Allowance::default())
            .expect_err("not his");
        assert_eq!(denied.pointer, "/fare", "the same for a right guess as for a wrong one");
    }
    let mut lifted = before.clone();
    lifted["coupons"][1]["useIndicator"] = json!("LIFTED");
    assert!(
        rules.check_change(&ib, &update(&before, &lifted, Said::Whole), &Allowance::default()).is_err(),
        "a PUT says the fare too"
    );
    let pointers = |pointer: &'static str| {
        rules.check_condition(&ib, "T", Some(&before), [pointer].into_iter(), &Allowance::default())
    };
    assert!(pointers("/fare").is_err() && pointers("").is_err() && pointers("/fare/x").is_err());
    assert!(pointers("/airlineCode").is_ok() && pointers("/coupons/0").is_ok());
}

#[test]
fn documents_name_their_readers_writers_and_owners() {
    let rules = rules(&cedar(
        &[],
        "required",
        &[
            ("create", "permit(principal, action == Action::\"create\", resource) when { context.owner };"),
            ("read", "permit(principal, action == Action::\"read\", resource) when { context.reader };"),
            (
                "write",
                "permit(principal, action in [Action::\"update\", Action::\"delete\"], resource) when { context.writer };",
            ),
        ],
    ));
    let who = |name: &str| principal(&format!("{name}/x"), json!({}));
    let document = json!({"$access": {"owners": ["a"], "readers": ["c"], "writers": ["b"]}, "n": 1});
    let sees = |name: &str, document: &Value| rules.view(Some(&who(name)), "D", document, None) != View::Hidden;
    assert!(sees("a", &document) && sees("b", &document) && sees("c", &document) && !sees("d", &document));
    let all = json!({"$access": {"owners": ["a"], "readers": ["*"], "writers": []}, "n": 1});
    assert!(sees("who-joins-later", &all));
    let mut more = document.clone();
    more["n"] = json!(2);
    let may = |name: &str, after: &Value| {
        rules.check_change(&who(name), &update(&document, after, Said::Change), &Allowance::default()).is_ok()
    };
    assert!(may("a", &more) && may("b", &more) && !may("c", &more));
    let mut taken = document.clone();
    taken["$access"]["owners"] = json!(["b"]);
    assert!(may("a", &taken) && !may("b", &taken), "a writer does not make itself the owner");
    let create = |name: &str| {
        rules
            .check_change(
                &who(name),
                &Change { id: "D", before: None, after: Some(&document), said: Said::Whole },
                &Allowance::default(),
            )
            .is_ok()
    };
    assert!(create("a") && !create("b"));
}

#[test]
fn elements_and_history_follow_conditions() {
    let rules = rules(&cedar(
        &["bids[*]"],
        "none",
        &[
            (
                "all",
                "permit(principal, action == Action::\"read\", resource is Document) when { context.current.holder == principal.organisation.name };",
            ),
            (
                "own",
                "permit(principal, action == Action::\"read\", resource is Field) when { context.element.by == principal.organisation.name };",
            ),
        ],
    ));
    assert!(rules.needs_current());
    let version = json!({"bids": [{"by": "a", "x": 1}, {"by": "b", "x": 2}, {"by": "a", "x": 3}], "holder": "z"});
    let current = json!({"holder": "a"});
    let a = principal("a/ops", json!({}));
    let View::Shown { value, redacted } = rules.view(Some(&a), "D", &version, Some(&current)) else {
        panic!("he sees it")
    };
    assert_eq!(redacted, ["/bids/1"]);
    assert_eq!(value["bids"], json!([{"by": "a", "x": 1}, {"by": "a", "x": 3}]));
    assert_eq!(rules.view(Some(&a), "D", &current, Some(&version)), View::Hidden, "z holds it now");
}

#[test]
fn a_forbidding_policy_that_fails_forbids() {
    let rules = rules(&cedar(
        &[],
        "none",
        &[
            ("all", "permit(principal, action, resource);"),
            ("never", "forbid(principal, action, resource) when { context.document.secret > 5 };"),
        ],
    ));
    let a = principal("a/ops", json!({}));
    let sees = |document: Value| rules.view(Some(&a), "D", &document, None) != View::Hidden;
    assert!(sees(json!({"secret": 5})) && !sees(json!({"secret": 6})));
    assert!(!sees(json!({"secret": "many"})) && !sees(json!({})), "what cannot be judged is not shown");
}

#[test]
fn a_rule_that_cannot_work_is_refused_with_its_place() {
    let refused = |fields: &[&str], policy: &str, words: &str| {
        let access = serde_json::from_value(cedar(fields, "none", &[("p", policy)])).expect("a form");
        let error = Rules::compile(&access).expect_err(policy).to_string();
        assert!(error.contains(words), "{policy}: {error}");
    };
    refused(&[], "permit(principal, action, resource)", "p: ");
    refused(&[], "permit(principal, action == Action::\"see\", resource);", "\"see\"");
    refused(&[], "permit(principal == User::\"x\", action, resource);", "User");
    refused(&[], "permit(principal, action, resource == Field::\"x\");", "access.fields");
    refused(&[], "permit(principal, action, resource == Document::\"x\");", "context.id");
    refused(&[], "permit(principal, action, resource) when { context.documnt.x == 1 };", "context.documnt");
    refused(&[], "permit(principal, action, resource) when { context == {} };", "alone");
    refused(&[], "permit(principal == ?principal, action, resource);", "p: ");
    refused(&[], "permit(principal, action, resource); permit(principal, action, resource);", "p: ");
    refused(&["[\"a\"][*]", "a[*]"], "permit(principal, action, resource);", "leads where");
    refused(&["[\"a\\u0062\"]", "ab"], "permit(principal, action, resource);", "leads where");
    refused(&["a[0]"], "permit(principal, action, resource);", "a[0]");
    refused(&[], "permit(principal, action, resource) when { ip(\"1.2.3.4\").isIpv4() };", "p: ");
    let deep = format!("permit(principal, action, resource) when {{ {}true{} }};", "(".repeat(40), ")".repeat(40));
    refused(&[], &deep, "brackets");
    let long = format!("permit(principal, action, resource) when {{ {} true }};", "true || ".repeat(480));
    refused(&[], &long, "levels");
}

/// The deepest that 4,096 bytes can say, in each way there is, from a thread with little stack: refused, and nobody falls.
#[test]
fn no_policy_is_too_deep_for_a_node() {
    let fill = |start: &str, step: &str, end: &str| {
        let around = "permit(principal, action, resource) when {  };".len();
        let times = (4096 - around - start.len() - end.len()) / step.len();
        format!("permit(principal, action, resource) when {{ {start}{}{end} }};", step.repeat(times))
    };
    let policies = [
        fill("", "true||", "true"),
        fill("", "true&&", "true"),
        fill("1", "+1", " == 1"),
        fill("context.document", ".a", " == 1"),
        fill("context.document", "[\"a\"]", " == 1"),
        fill("", "if true then true else ", "true"),
        fill("", "!", "true"),
        fill("", "-", "1 == 1"),
        fill("", "context.id in ", "context.id"),
        fill("[", "1,", "1].contains(1)"),
        fill("", "{a:", "1"),
    ];
    let judge = move || {
        for policy in policies {
            let access = serde_json::from_value(cedar(&[], "none", &[("p", &policy)])).expect("a form");
            let Ok(rules) = Rules::compile(&access) else { continue };
            let who = principal("a/ops", json!({}));
            rules.view(Some(&who), "D", &json!({"a": {"a": 1}}), None);
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(judge).expect("a thread").join().expect("it holds");
}

/// Conditions stand below each other when they are evaluated: what 4,096 bytes can say so is decided by every thread alike.
#[test]
fn no_decision_hangs_on_the_stack_of_its_thread() {
    let policy = |whens: usize, ifs: usize, sets: usize| {
        let (conditions, chain) = ("when{true}".repeat(whens), "if true then true else ".repeat(ifs));
        let nested = format!("{}[]{}", "[".repeat(sets), "]".repeat(sets));
        format!("permit(principal, action, resource) {conditions} when {{ {chain}!{nested}.isEmpty() }};")
    };
    let compile = |policy: &str| {
        let access = serde_json::from_value(cedar(&[], "none", &[("p", policy)])).expect("a form");
        Rules::compile(&access)
    };
    for (whens, ifs, sets) in [(390, 0, 1), (180, 85, 0), (230, 60, 28), (100, 0, 3), (20, 80, 3)] {
        let error = compile(&policy(whens, ifs, sets)).expect_err("too deep").to_string();
        assert!(error.contains("levels"), "{error}");
    }
    for (whens, ifs, sets) in [(96, 0, 2), (0, 85, 2), (70, 10, 16), (10, 50, 28)] {
        let text = policy(whens, ifs, sets);
        let decided = |stack_kib: usize| {
            let text = text.clone();
            let see = move || {
                let rules = compile(&text).unwrap_or_else(|error| panic!("{error}"));
                rules.view(Some(&principal("a/ops", json!({}))), "D", &json!({}), None) != View::Hidden
            };
            std::thread::Builder::new()
                .stack_size(stack_kib << 10)
                .spawn(see)
                .expect("a thread")
                .join()
                .expect("it holds")
        };
        for stack_kib in [256, 600, 1_030, 1_040, 1_060, 1_200, 2_000, 8_000] {
            assert!(decided(stack_kib), "{whens} conditions, {ifs} alternatives, {sets} sets in {stack_kib} KiB");
        }
    }
}

#[test]
fn execution_judges_before_anything_else_tells() {
    let mut bench = Bench::new();
    let access = cedar(
        &["price"],
        "none",
        &[
            ("acme", "permit(principal, action, resource) when { principal.organisation.name == \"acme.example\" };"),
            (
                "bolt",
                "permit(principal in Organisation::\"bolt.example\", action == Action::\"update\", resource is Document);",
            ),
            (
                "bolt_reads",
                "permit(principal in Organisation::\"bolt.example\", action == Action::\"read\", resource is Document);",
            ),
        ],
    );
    let definition = json!({"access": access, "schema": {"type": "object", "required": ["n"]}});
    let define = Write::DefineCollection(DefineCollection { name: "deals".into(), definition: canonical(&definition) });
    let define = vec![governance(define)];
    assert_eq!(bench.run(&[ACME, BOLT, CARGO], define), None);
    let new = |id: &str| on("deals", id, Write::Create(canonical(&json!({"n": 1, "price": 7}))));
    let patch = |id: &str, value: Value| on("deals", id, Write::Patch(canonical(&value)));
    let mut code = |accounts: &[&str], operation: Operation| bench.run(accounts, vec![operation]).unwrap_or_default();
    assert_eq!(code(&["bolt.example/dispatch"], new("D")), "UNAUTHORIZED");
    assert_eq!(code(&["acme.example/ops"], new("D")), "");
    assert_eq!(code(&["bolt.example/dispatch"], patch("D", json!({"n": 2}))), "");
    assert_eq!(code(&["bolt.example/dispatch"], patch("D", json!({"price": 7}))), "UNAUTHORIZED");
    assert_eq!(code(&["bolt.example/dispatch"], patch("D", json!({"n": null}))), "SCHEMA_VIOLATION");
    let if_price =
        |operation, price: u64| when(operation, Condition::Predicate(canonical(&json!({"/price": {"eq": price}}))));
    for price in [7, 8] {
        assert_eq!(code(&["bolt.example/dispatch"], if_price(patch("D", json!({"n": 3})), price)), "UNAUTHORIZED");
    }
    assert_eq!(code(&["acme.example/ops"], if_price(patch("D", json!({"n": 3})), 8)), "PRECONDITION_FAILED");
    let stale = || when(patch("D", json!({"price": 9})), Condition::Version(1));
    assert_eq!(code(&["bolt.example/dispatch"], stale()), "VERSION_CONFLICT", "he reads it, and it has changed since");
    assert_eq!(code(&[CARGO], stale()), "UNAUTHORIZED", "he may not know of it");
    let delete = |id: &str| on("deals", id, Write::Delete(Unit {}));
    for id in ["D", "no-such-document"] {
        assert_eq!(code(&[CARGO], delete(id)), "UNAUTHORIZED", "{id}: the same, there or not");
        assert_eq!(code(&[CARGO], patch(id, json!({"n": 1}))), "UNAUTHORIZED", "{id}");
        assert_eq!(code(&[CARGO], when(delete(id), Condition::Version(9))), "UNAUTHORIZED", "{id}");
    }
    let unknown = json!({"access": cedar(&[], "none", &[("p", "permit(principal, action, resource) when { context.x };")]), "schema": {}});
    let define = Write::DefineCollection(DefineCollection { name: "wrong".into(), definition: canonical(&unknown) });
    assert_eq!(bench.run(&[ACME, BOLT, CARGO], vec![governance(define)]).as_deref(), Some("INVALID_VALUE"));
}

#[test]
fn the_schema_is_of_the_document_without_its_names() {
    let mut bench = Bench::new();
    let policies = [("all", "permit(principal, action, resource);")];
    let schema = json!({"additionalProperties": false, "properties": {"n": {}}, "type": "object"});
    let mut code = |named: &str, document: Value| {
        let name = format!("c{}", bench.ledger.chain().height);
        let definition = json!({"access": cedar(&[], named, &policies), "schema": schema});
        let define = DefineCollection { name: name.clone(), definition: canonical(&definition) };
        assert_eq!(bench.run(&[ACME, BOLT, CARGO], vec![governance(Write::DefineCollection(define))]), None);
        let create = on(&name, "D", Write::Create(canonical(&document)));
        bench.run(&["acme.example/ops"], vec![create]).unwrap_or_default()
    };
    let named = json!({"owners": ["acme.example"], "readers": [], "writers": []});
    assert_eq!(code("optional", json!({"$access": named, "n": 1})), "");
    assert_eq!(code("optional", json!({"n": 1})), "");
    assert_eq!(code("required", json!({"$access": named, "n": 1})), "");
    assert_eq!(code("required", json!({"n": 1})), "INVALID_VALUE");
    assert_eq!(code("none", json!({"$access": named, "n": 1})), "RESERVED_NAME");
    assert_eq!(code("optional", json!({"n": {"$access": named}})), "RESERVED_NAME");
    assert_eq!(code("optional", json!({"$access": {"owners": []}})), "INVALID_VALUE");
}

#[test]
fn every_engine_that_decides_is_the_one_these_rules_were_written_for() {
    let lock = include_str!("../../Cargo.lock");
    let version = |name: &str| {
        let at = lock.find(&format!("name = \"{name}\"\n")).unwrap_or_else(|| panic!("{name} is not in Cargo.lock"));
        lock[at..].lines().nth(1).and_then(|line| line.split('"').nth(1)).expect("a version").to_owned()
    };
    // They are part of `rules`: a verdict that changes with them changes the ledger. To take another version, raise the
    // number of the rules, keep the old engine for the old number, and pin both.
    let rules_1 = [
        ("cedar-policy", "4.14.1"),
        ("cedar-policy-core", "4.14.1"),
        ("fancy-regex", "0.20.2"),
        ("jsonschema", "0.61.2"),
        ("regex-automata", "0.4.19"),
        ("regex-syntax", "0.8.12"),
    ];
    for (name, pinned) in rules_1 {
        assert_eq!(version(name), pinned, "{name}: rules 1 were written for {pinned}");
    }
}

/// The decisions of `vectors/access-v1.json`: another build, or another implementation, must decide the same.
#[test]
fn pinned_decisions_stand() {
    let pinned: Value = serde_json::from_str(include_str!("vectors/access-v1.json")).expect("JSON");
    let decided = decisions();
    let pinned = pinned.as_array().expect("a list");
    assert!(pinned.len() >= 200, "{}", pinned.len());
    assert_eq!(pinned.len(), decided.len());
    for (pinned, decided) in pinned.iter().zip(&decided) {
        assert_eq!(pinned, decided);
    }
}

/// Prints the file of pinned decisions: `cargo test -p countersign-ledger --test access -- --ignored --nocapture pin`.
#[test]
#[ignore = "writes the file that pinned_decisions_stand reads"]
fn pin() {
    let lines: Vec<String> = decisions().iter().map(|d| String::from_utf8(canonical(d)).expect("UTF-8")).collect();
    std::fs::write("tests/vectors/access-v1.json", format!("[\n{}\n]\n", lines.join(",\n"))).expect("writes");
}

/// Each rule, by each account, of each action on each document.
fn decisions() -> Vec<Value> {
    let named = cedar(
        &["price"],
        "optional",
        &[
            ("read", "permit(principal, action == Action::\"read\", resource) when { context.reader };"),
            (
                "write",
                "permit(principal, action in [Action::\"update\", Action::\"delete\"], resource) when { context.writer };",
            ),
            ("create", "permit(principal, action == Action::\"create\", resource) when { context.owner };"),
            ("price", "forbid(principal, action, resource == Field::\"price\") unless { context.owner };"),
        ],
    );
    let states = cedar(
        &[],
        "none",
        &[
            ("roles", "permit(principal, action, resource) when { principal.organisation.roles.contains(\"maker\") };"),
            (
                "dispense",
                "permit(principal, action == Action::\"update\", resource) when { context.document.state == \"RECEIVED\" && context.after.state == \"DISPENSED\" && context.document.holder == principal.organisation.name };",
            ),
            (
                "read",
                "permit(principal, action == Action::\"read\", resource) when { context.document has holder && context.id like \"U-*\" };",
            ),
            (
                "old",
                "forbid(principal, action, resource) when { context.document has celsius && context.document.celsius == \"8.5\" };",
            ),
        ],
    );
    let accounts = [
        ("aa.example/ops", json!({"code": "AA", "roles": ["maker"]})),
        ("ib.example/gate", json!({"code": "IB", "roles": []})),
        ("zz.example", json!({})),
    ];
    let documents = [
        ticket(),
        json!({"$access": {"owners": ["aa.example"], "readers": ["*"], "writers": ["ib.example"]}, "price": 3}),
        json!({"holder": "ib.example", "state": "RECEIVED"}),
        json!({"holder": "ib.example", "state": "DISPENSED"}),
        json!({"celsius": 8.5, "holder": "aa.example", "state": "RECEIVED"}),
        json!({"airlineCode": null, "coupons": {}, "fare": 1, "price": null}),
    ];
    let mut all = Vec::new();
    for access in [ticket_rule(), named, states, json!({"engine": "writers/v1", "write": ["ib.example"]})] {
        let rules = rules(&access);
        for (account, attributes) in &accounts {
            let who = principal(account, attributes.clone());
            let mut decide = |what: &str, documents: Value, decision: Value| {
                all.push(json!({
                    "access": access, "account": account, "attributes": attributes, "decision": decision,
                    "documents": documents, "what": what,
                }));
            };
            for (at, document) in documents.iter().enumerate() {
                let view = match rules.view(Some(&who), "U-1", document, Some(document)) {
                    View::Hidden => json!("hidden"),
                    View::Shown { redacted, .. } => json!(redacted),
                };
                decide("read", json!([document]), view);
                let next = &documents[(at + 1) % documents.len()];
                let verdict = |before, after| {
                    let change = Change { id: "U-1", before, after, said: Said::Whole };
                    rules
                        .check_change(&who, &change, &Allowance::default())
                        .map_or_else(|denied| json!(denied.pointer), |()| json!(true))
                };
                decide("create", json!([document]), verdict(None, Some(document)));
                decide("update", json!([document, next]), verdict(Some(document), Some(next)));
                decide("delete", json!([document]), verdict(Some(document), None));
            }
        }
    }
    all
}

#[test]
fn an_explanation_names_the_policies() {
    let rules = rules(&ticket_rule());
    let ib = principal("ib.example/gate", json!({"code": "IB"}));
    let document = ticket();
    let asked = Asked { action: Action::Read, id: "T", document: Some(&document), after: None };
    let explained = rules.explain(&ib, &asked);
    let of = |pointer: &str| explained.iter().find(|e| e.pointer == pointer).unwrap_or_else(|| panic!("{pointer}"));
    assert!(of("").allowed && of("").because == ["alliance_reads"]);
    assert!(!of("/fare").allowed && of("/fare").because == ["fare_is_the_issuers"]);
    assert!(of("/coupons/0/useIndicator").allowed);
    let nobody = principal("cc.example/ops", json!({}));
    let explained = rules.explain(&nobody, &Asked { action: Action::Update, ..asked });
    assert!(explained.iter().all(|e| !e.allowed) && !explained[0].failed.is_empty());
}

/// Another way to the same verdicts: node by node, where the rules take fields out and compare what is left.
mod model {
    use super::*;

    pub const FIELDS: [&str; 4] = ["list[*]", "list[*].b", "m", "o.p"];

    /// Every node: its pointer, and what it is without what is in it.
    fn nodes(value: &Value, pointer: String, into: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(members) => {
                into.insert(pointer.clone(), json!("object"));
                members.iter().for_each(|(name, value)| nodes(value, format!("{pointer}/{name}"), into));
            }
            Value::Array(elements) => {
                into.insert(pointer.clone(), json!(["array", elements.len()]));
                elements.iter().enumerate().for_each(|(at, value)| nodes(value, format!("{pointer}/{at}"), into));
            }
            scalar => drop(into.insert(pointer, json!({"scalar": scalar}))),
        }
    }

    fn of(document: &Value) -> BTreeMap<String, Value> {
        let mut into = BTreeMap::new();
        nodes(document, String::new(), &mut into);
        into
    }

    /// The field that a pointer is at or under, the deepest, and its place.
    fn field(pointer: &str, documents: [&Value; 2]) -> Option<(usize, String)> {
        let steps: Vec<&str> = pointer.split('/').skip(1).collect();
        let is_array = |pointer: &str| documents.iter().any(|d| d.pointer(pointer).is_some_and(Value::is_array));
        let mut deepest = None;
        for (at, field) in FIELDS.iter().enumerate() {
            let path: Vec<&str> = match *field {
                "list[*]" => vec!["list", "*"],
                "list[*].b" => vec!["list", "*", "b"],
                "m" => vec!["m"],
                _ => vec!["o", "p"],
            };
            let fits = path.len() <= steps.len()
                && path.iter().zip(&steps).all(|(p, s)| p == s || (*p == "*" && is_array("/list")));
            let deeper =
                deepest.as_ref().is_none_or(|(_, place): &(usize, String)| place.matches('/').count() < path.len());
            if fits && deeper {
                deepest = Some((at, format!("/{}", steps[..path.len()].join("/"))));
            }
        }
        deepest
    }

    /// The fields, by number, and the document (none) that an update needs the right on.
    pub fn touched(before: &Value, after: &Value) -> BTreeSet<Option<usize>> {
        let (old, new) = (of(before), of(after));
        let pointers: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let changed = pointers.into_iter().filter(|pointer| old.get(*pointer) != new.get(*pointer));
        changed.map(|pointer| field(pointer, [before, after]).map(|(at, _)| at)).collect()
    }
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn scalar(&mut self) -> Value {
        [json!(1), json!(2), json!("x"), json!(true), json!(2.5)][self.below(5) as usize].clone()
    }

    fn document(&mut self) -> Value {
        let mut document = json!({"a": self.scalar()});
        if self.below(3) > 0 {
            document["m"] = if self.below(2) == 0 { self.scalar() } else { json!({"deep": self.scalar()}) };
        }
        if self.below(3) > 0 {
            document["o"] = json!({"q": self.scalar()});
            if self.below(3) > 0 {
                document["o"]["p"] = self.scalar();
            }
        }
        let element = |chance: &mut Chance| match chance.below(4) {
            0 => json!({"b": chance.scalar()}),
            1 => json!({"c": chance.scalar()}),
            2 => chance.scalar(),
            _ => json!({"b": chance.scalar(), "c": chance.scalar()}),
        };
        let list: Vec<Value> = (0..self.below(4)).map(|_| element(self)).collect();
        document["list"] = json!(list);
        document
    }
}

#[test]
fn a_model_written_another_way_agrees() {
    let mut chance = Chance(0x5eed_0000_0000_0001);
    let who = principal("a/ops", json!({}));
    let (mut allowed, mut denied) = (0, 0);
    for _ in 0..3_000 {
        let rights: Vec<bool> = (0..5).map(|_| chance.below(2) == 0).collect();
        let mut policies =
            vec![("read".to_owned(), "permit(principal, action == Action::\"read\", resource);".to_owned())];
        if rights[4] {
            policies
                .push(("d".into(), "permit(principal, action == Action::\"update\", resource is Document);".into()));
        }
        for (at, field) in model::FIELDS.iter().enumerate().filter(|(at, _)| rights[*at]) {
            let text = format!("permit(principal, action == Action::\"update\", resource == Field::\"{field}\");");
            policies.push((format!("f{at}"), text));
        }
        let policies: Vec<(&str, &str)> = policies.iter().map(|(n, t)| (&n[..], &t[..])).collect();
        let rules = rules(&cedar(&model::FIELDS, "none", &policies));
        for _ in 0..4 {
            let before = chance.document();
            let after = if chance.below(2) == 0 {
                chance.document()
            } else {
                let mut after = before.clone();
                let other = chance.document();
                let name = ["a", "m", "o", "list"][chance.below(4) as usize];
                after[name] = other.get(name).cloned().unwrap_or(Value::Null);
                after
            };
            let expected = model::touched(&before, &after).iter().all(|field| rights[field.unwrap_or(4)]);
            let found = rules.check_change(&who, &update(&before, &after, Said::Whole), &Allowance::default()).is_ok();
            assert_eq!(found, expected, "{rights:?}\n{before}\n{after}");
            if found { allowed += 1 } else { denied += 1 }
        }
    }
    assert!(allowed > 1_000 && denied > 1_000, "{allowed} allowed, {denied} denied");
}

#[test]
fn a_decision_that_is_remembered_is_the_one_that_a_fresh_rule_makes() {
    let who = "permit(principal, action, resource) when";
    let rule = cedar(
        &["lines[*].price"],
        "optional",
        &[
            ("owner", &format!("{who} {{ context.document.owner == principal.organisation.name }};")),
            ("open", &format!("{who} {{ context.document.state == 1 && context.after.state == \"1\" }};")),
            ("named", &format!("{who} {{ context.reader }};")),
            ("line", &format!("{who} {{ context.element.by == principal.organisation.name }};")),
            ("no_b", "forbid(principal, action, resource) when { context.document.tag == \"b\" };"),
        ],
    );
    let remembering = rules(&rule);
    let values = [json!(null), json!(1), json!("1"), json!(1.5), json!("b"), json!("a.example"), json!(["a.example"])];
    let who = [principal("a.example/x", json!({})), principal("b.example/x", json!({}))];
    let mut random = 7_u64;
    let mut any = |values: &[Value]| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        values[(random >> 33) as usize % values.len()].clone()
    };
    let mut allowed = BTreeMap::new();
    for round in 0..3_000 {
        let mut document = || {
            let mut document = json!({ "lines": [{ "by": any(&values), "price": any(&values) }] });
            for name in ["owner", "state", "tag"] {
                let value = any(&values);
                // Absent is not null to JSON, and is to Cedar.
                if !value.is_null() || round % 2 == 0 {
                    document[name] = value;
                }
            }
            if round % 3 == 0 {
                let readers: Vec<Value> = vec![any(&[json!("a.example"), json!("b.example")])];
                document["$access"] = json!({ "readers": readers });
            }
            document
        };
        let (before, after) = (document(), document());
        let change = match round % 3 {
            0 => Change { id: "T", before: None, after: Some(&after), said: Said::Whole },
            1 => update(&before, &after, Said::Whole),
            _ => Change { id: "T", before: Some(&before), after: None, said: Said::Change },
        };
        let principal = &who[round / 3 % 2];
        let judge = |rules: &Rules| rules.check_change(principal, &change, &Allowance::default());
        let verdict = judge(&remembering);
        assert_eq!(verdict, judge(&rules(&rule)), "round {round}: {before} {after}");
        *allowed.entry(verdict.is_ok()).or_insert(0) += 1;
        let view = |rules: &Rules| rules.view(Some(principal), "T", &after, None);
        assert_eq!(view(&remembering), view(&rules(&rule)), "round {round}: {after}");
    }
    assert!(allowed.values().all(|count| *count > 100), "{allowed:?}");
}
