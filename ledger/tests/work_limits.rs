//! What one transaction may take: the dearest policies, documents and schemas, refused before they are judged.

mod common;

use common::*;
use countersign_ledger::Fate;
use countersign_ledger::access::{Allowance, Change, Principal, Rules, Said, View};
use countersign_proof::operation::Change as Write;
use countersign_proof::*;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// The longest that judging one change may take: what is allowed takes some 100 ms in release on a quiet machine, and this is no
/// benchmark. The least of three runs counts.
const JUDGED_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 4_000 } else { 400 });
/// What no document comes to in time when it is not bounded.
const PLACES: usize = 4_096;

fn access(fields: &[String], policies: &[String]) -> Value {
    let policies: Map<String, Value> =
        (0..).zip(policies).map(|(at, text)| (format!("p{at:02}"), json!(text))).collect();
    json!({ "engine": "cedar/v1", "fields": fields, "named": "none", "policies": policies })
}

fn rules(fields: &[String], policies: &[String]) -> Rules {
    let access = serde_json::from_value(access(fields, policies)).expect("a form");
    Rules::compile(&access).unwrap_or_else(|error| panic!("{error}"))
}

fn permit(condition: &str) -> String {
    format!("permit(principal, action, resource) when {{ {condition} }};")
}

/// As much of `step` as a policy holds; of steps that are nested, as many as one may have.
fn full(start: &str, step: &str, end: &str) -> String {
    let around = permit("").len() + start.len() + end.len();
    let is_nested = step.trim_end().ends_with(['|', '&', '+']);
    let times = ((4_096 - around) / step.len()).min(if is_nested { 85 } else { 4_096 });
    permit(&format!("{start}{}{end}", step.repeat(times)))
}

fn principal() -> Principal {
    Principal::new("acme.example/ops", &Map::new())
}

/// How long it takes to judge that the document is made, changed and read, and whether all three may be.
fn judged(rules: &Rules, document: &Value) -> (Duration, bool) {
    let mut after = document.clone();
    after["z"] = json!(1);
    let who = principal();
    let change = |before, after| Change { id: "D", before, after: Some(after), said: Said::Whole };
    let once = || {
        let started = Instant::now();
        let made = rules.check_change(&who, &change(None, document), &Allowance::default());
        let changed = rules.check_change(&who, &change(Some(document), &after), &Allowance::default());
        let seen = rules.view(Some(&who), "D", document, Some(&after));
        for denied in [&made, &changed].into_iter().filter_map(|verdict| verdict.as_ref().err()) {
            assert!(denied.to_string().contains("may not"), "{denied}");
        }
        (started.elapsed(), made.is_ok() && changed.is_ok() && seen != View::Hidden)
    };
    // Of three things, each as long as one may take.
    (0..3).map(|_| once()).min().map(|(took, all)| (took / 3, all)).expect("three runs")
}

fn elements(count: usize) -> Value {
    let element = |at| json!({"b": at, "c": "UA", "s": "a".repeat(40)});
    json!({ "a": (0..count).map(element).collect::<Vec<_>>(), "l": (0..90_000).collect::<Vec<_>>(), "s": "a".repeat(200_000) })
}

#[test]
fn the_dearest_policies_are_not_evaluated() {
    let fields: Vec<String> =
        (0..64).map(|at| if at == 0 { "a[*].b".to_owned() } else { format!("a[*].f{at:02}") }).collect();
    let nested = format!("{}context.document.l{}", "[".repeat(28), "]".repeat(28));
    let policies = [
        full("context.document.s like \"*", "a", "b\""),
        full("context.document.s like \"", "*a", "b\""),
        full("context.element.s like \"*", "a", "b\""),
        full("", "context.document.s like\"*aaaaaaaaaaaaaaaaaaaaab\"||", "false"),
        full("[", "context.document,", "1].contains(context.after)"),
        full("[", "context.element,", "1].contains(context.after)"),
        full("[", "[context.document],", "1].containsAll([context.document, context.after])"),
        full("", "context.document.l.containsAll(context.after.l) && ", "false"),
        full("", "context.document == context.after || ", "false"),
        full("", "context.element == context.document || ", "false"),
        full("", "context.element.c == \"a\" || ", "false"),
        full("[", "context.element.c,", "1] == [1]"),
        permit(&format!("{nested} == [context.element]")),
        full("{a: {a: ", "{a: 1}.a + ", "1}}.a.a == context.element.b"),
    ];
    let document = elements(PLACES);
    for policy in &policies {
        let rules = rules(&fields, &vec![policy.clone(); 64]);
        let (took, all) = judged(&rules, &document);
        println!("{took:>12.3?}  {}", &policy[42..82]);
        assert!(!all, "{policy}");
        assert!(took < JUDGED_MAX, "{took:?}: {policy}");
    }
}

#[test]
fn long_documents_and_many_fields_are_no_way_around_it() {
    let all = ["permit(principal, action, resource);".to_owned()];
    let fields: Vec<String> = (0..64).map(|at| format!("a[*].f{at:02}")).collect();
    let element: Map<String, Value> = (0..64).map(|at| (format!("f{at:02}"), json!(1))).collect();
    let mut large = element.clone();
    large.insert("l".to_owned(), json!((0..100_000).collect::<Vec<_>>()));
    let of_element = [permit("context.element.f00 == 2")];
    for (document, policies) in [
        (json!({ "a": vec![element.clone(); 1_900] }), &all),
        (json!({ "a": vec![0; 500_000] }), &all),
        (json!({ "a": [large] }), &of_element),
        (json!({ "a": vec![vec![0; 400]; 1_000] }), &all),
    ] {
        let (took, _) = judged(&rules(&fields, policies), &document);
        println!("{took:>12.3?}");
        assert!(took < JUDGED_MAX, "{took:?}");
    }
}

/// As many places as one document has, under five policies, some of which look at each element.
#[test]
fn ordinary_rules_on_the_largest_document_are_within() {
    let policies = [
        permit("context.document.holder == principal.organisation.name"),
        permit("context.element.by == principal.organisation.name"),
        "permit(principal, action == Action::\"read\", resource is Document);".to_owned(),
        permit("context has element && context.element has c && context.element.c like \"U*\""),
        "forbid(principal, action, resource == Field::\"a[*].b\") when { context.element.c == \"never\" };".to_owned(),
    ];
    let rules = rules(&["a[*].b".to_owned()], &policies);
    let element = |at| json!({"b": at, "by": "bolt.example", "c": "UA", "text": "x".repeat(100)});
    let document = json!({ "a": (0..PLACES).map(element).collect::<Vec<_>>(), "holder": "acme.example" });
    let (took, all) = judged(&rules, &document);
    assert!(all, "it is too much");
    assert!(took < JUDGED_MAX, "{took:?}");
}

#[test]
fn a_view_that_takes_too_much_hides() {
    let document = elements(PLACES);
    let who = principal();
    let all = "permit(principal, action, resource);".to_owned();
    let dear =
        "forbid(principal, action, resource is Field) when { context.element.s like \"*aaaaaaaaaaaaaaaaaaaab\" };";
    let rules_of =
        |times: usize| rules(&["a[*].b".to_owned()], &[vec![all.clone()], vec![dear.to_owned(); times]].concat());
    let View::Shown { redacted, .. } = rules_of(1).view(Some(&who), "D", &document, None) else { panic!("hidden") };
    assert_eq!(redacted, [""; 0], "a few can be judged");
    let View::Shown { value, redacted } = rules_of(60).view(Some(&who), "D", &document, None) else { panic!("hidden") };
    assert!(redacted.len() > 1_000 && redacted.len() < PLACES, "those that were not judged: {}", redacted.len());
    assert_eq!(value["a"][PLACES - 1].get("b"), None);
    let past = rules(&(0..64).map(|at| format!("a[*].f{at:02}")).collect::<Vec<_>>(), &[all]);
    assert_eq!(past.view(Some(&who), "D", &json!({ "a": vec![0; 100_000] }), None), View::Hidden, "not even found");
}

/// 1,024 operations of 16 bytes on one long document, each of which would write it anew.
#[test]
fn the_bytes_that_one_transaction_touches_are_bounded() {
    let mut bench = Bench::new();
    let definition = canonical(&json!({"access": {"engine": "writers/v1", "write": [ACME]}, "schema": {}}));
    let define = Write::DefineCollection(DefineCollection { name: "c".into(), definition });
    assert_eq!(bench.run(&[ACME, BOLT, CARGO], vec![governance(define)]), None);
    let ops = &["acme.example/ops"][..];
    let document = json!({"l": (0..40_000).collect::<Vec<_>>(), "n": 0});
    assert_eq!(bench.run(ops, vec![on("c", "D", Write::Create(canonical(&document)))]), None);
    let increments = |count: usize| {
        let one = || on("c", "D", Write::Increment(Increment { pointer: "/n".into(), by: 1 }));
        (0..count).map(|_| one()).collect::<Vec<_>>()
    };
    assert_eq!(bench.run(ops, increments(9)), None, "4 MiB hold nine times two of 228,903 bytes");
    let transaction = bench.transaction(ops, increments(1_024));
    let started = Instant::now();
    let Fate::Rejected(rejection) = bench.append(vec![transaction]).block.executed.remove(0).fate else {
        panic!("applied")
    };
    assert!(started.elapsed() < 4 * JUDGED_MAX, "{:?}", started.elapsed());
    assert_eq!((rejection.code.as_str(), rejection.operation), ("TOO_LARGE", Some(9)));
    let small = |id: usize| on("c", &format!("d{id}"), Write::Create(canonical(&json!({"s": "a".repeat(900)}))));
    assert_eq!(bench.run(ops, (0..1_000).map(small).collect()), None, "many small ones are no matter");
}

/// Each document is within what one may take to validate.
#[test]
fn the_work_of_schemas_is_that_of_a_transaction() {
    let mut bench = Bench::new();
    let twice = |inner: &str| json!({ "allOf": [{ "$ref": inner }, { "$ref": inner }] });
    let mut defs: Map<String, Value> =
        (0..11).map(|at| (format!("r{at:02}"), twice(&format!("#/$defs/r{:02}", at + 1)))).collect();
    defs.insert("r11".to_owned(), json!({ "type": "integer" }));
    let schema = json!({ "$defs": defs, "properties": { "l": { "items": { "$ref": "#/$defs/r00" } } } });
    let definition = canonical(&json!({"access": {"engine": "writers/v1", "write": [ACME]}, "schema": schema}));
    let define = Write::DefineCollection(DefineCollection { name: "c".into(), definition });
    assert_eq!(bench.run(&[ACME, BOLT, CARGO], vec![governance(define)]), None);
    let ops = &["acme.example/ops"][..];
    let create = |id: usize| on("c", &format!("d{id}"), Write::Create(canonical(&json!({ "l": vec![1; 100] }))));
    assert_eq!(bench.run(ops, vec![create(0)]), None);
    let transaction = bench.transaction(ops, (1..1_000).map(create).collect());
    let started = Instant::now();
    let Fate::Rejected(rejection) = bench.append(vec![transaction]).block.executed.remove(0).fate else {
        panic!("applied")
    };
    assert!(started.elapsed() < 4 * JUDGED_MAX, "{:?}", started.elapsed());
    assert_eq!((rejection.code.as_str(), &rejection.violations[0].keyword[..]), ("SCHEMA_VIOLATION", "$work"));
    assert!(rejection.operation.is_some_and(|at| at > 2), "{rejection:?}");
}

#[test]
fn the_policies_that_one_transaction_defines_are_bounded() {
    let mut bench = Bench::new();
    let define = |name: &str, count: usize| {
        let policies = vec![full("[", "[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]],", "1].contains(1)"); count];
        let definition = canonical(&json!({"access": access(&[], &policies), "schema": {}}));
        governance(Write::DefineCollection(DefineCollection { name: name.into(), definition }))
    };
    let governors = &[ACME, BOLT, CARGO][..];
    assert_eq!(bench.run(governors, vec![define("a", 4), define("b", 4)]), None);
    let started = Instant::now();
    assert_eq!(bench.run(governors, vec![define("c", 8), define("d", 1)]).as_deref(), Some("TOO_LARGE"));
    assert_eq!(bench.run(governors, vec![define("c", 60)]).as_deref(), Some("TOO_LARGE"));
    assert!(started.elapsed() < 4 * JUDGED_MAX, "{:?}", started.elapsed());
}

#[test]
fn the_patterns_that_one_transaction_defines_are_bounded() {
    let mut bench = Bench::new();
    let define = |name: &str, patterns: usize| {
        let property =
            |at: usize| (format!("p{at}"), json!({ "pattern": format!("(?:\\p{{L}}{{1,20}}){{1,2}}x{at}") }));
        let schema = json!({ "properties": (0..patterns).map(property).collect::<Map<String, Value>>() });
        let definition = canonical(&json!({"access": {"engine": "writers/v1", "write": [ACME]}, "schema": schema}));
        governance(Write::DefineCollection(DefineCollection { name: name.into(), definition }))
    };
    let governors = &[ACME, BOLT, CARGO][..];
    assert_eq!(bench.run(governors, vec![define("a", 2), define("b", 2)]), None);
    let started = Instant::now();
    let many = (0..100).map(|at| define(&format!("c{at}"), 4)).collect();
    assert_eq!(bench.run(governors, many).as_deref(), Some("TOO_LARGE"));
    assert!(started.elapsed() < 4 * JUDGED_MAX, "{:?}", started.elapsed());
}

#[test]
fn all_operations_of_a_transaction_share_the_allowance() {
    let mut bench = Bench::new();
    let policies = [full("!(context.document.s like \"*", "a", "b\")")];
    let definition = canonical(&json!({"access": access(&[], &policies), "schema": {}}));
    let define = Write::DefineCollection(DefineCollection { name: "c".into(), definition });
    assert_eq!(bench.run(&[ACME, BOLT, CARGO], vec![governance(define)]), None);
    let create = |id: usize| on("c", &format!("d{id}"), Write::Create(canonical(&json!({"s": "a".repeat(500)}))));
    let ops = &["acme.example/ops"][..];
    assert_eq!(bench.run(ops, (0..20).map(create).collect()), None, "each is cheap");
    let increments = |count: usize| {
        let patch = |id: usize| on("c", &format!("d{}", id % 20), Write::Patch(canonical(&json!({ "n": id }))));
        (0..count).map(patch).collect::<Vec<_>>()
    };
    assert_eq!(bench.run(ops, increments(20)), None);
    let transaction = bench.transaction(ops, increments(1_000));
    let started = Instant::now();
    let Fate::Rejected(rejection) = bench.append(vec![transaction]).block.executed.remove(0).fate else {
        panic!("applied")
    };
    assert!(started.elapsed() < 4 * JUDGED_MAX, "{:?}", started.elapsed());
    assert_eq!(rejection.code.as_str(), "UNAUTHORIZED");
    assert!(rejection.detail.contains("ACCESS_WORK_MAX"), "{}", rejection.detail);
    assert!(rejection.operation.is_some_and(|at| at > 30), "{rejection:?}");
}
