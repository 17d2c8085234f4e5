//! Print what one decision about access costs: remembered, looking at a document, at each element, a whole view.

use countersign_ledger::access::{Allowance, Change, Principal, Rules, Said};
use serde_json::{Map, Value, json};
use std::hint::black_box;
use std::time::Instant;

const TIMES: u32 = 20_000;

fn main() {
    let rule = |fields: Value, policies: Value| {
        let access = json!({ "engine": "cedar/v1", "fields": fields, "named": "none", "policies": policies });
        Rules::compile(&serde_json::from_value(access).expect("a rule")).expect("compiles")
    };
    let all = "permit(principal, action, resource);";
    let own = "permit(principal, action, resource) when { context.document.carrier == principal.organisation.code };";
    let element =
        "permit(principal, action, resource is Field) when { context.element.carrier == principal.organisation.code };";
    let rules = [
        ("looks at no document", rule(json!([]), json!({ "all": all }))),
        ("looks at one member", rule(json!([]), json!({ "own": own }))),
        ("and one field of 4 elements", rule(json!(["legs[*].gate"]), json!({ "element": element, "own": own }))),
    ];
    let attributes: Map<String, Value> = [("code".to_owned(), json!("UA"))].into_iter().collect();
    let principal = Principal::new("ua.example/ops", &attributes);
    let legs: Vec<Value> = (0..4).map(|at| json!({"carrier": "UA", "from": "ORD", "gate": at, "to": "SFO"})).collect();
    let before = json!({"carrier": "UA", "legs": legs, "number": 1545, "text": "x".repeat(120)});
    let mut after = before.clone();
    after["legs"][2]["gate"] = json!("B7");
    for (name, rules) in &rules {
        let change = Change { id: "UA1545", before: Some(&before), after: Some(&after), said: Said::Change };
        let write = timed(|| {
            assert!(black_box(rules.check_change(&principal, black_box(&change), &Allowance::default())).is_ok())
        });
        let read = timed(|| drop(black_box(rules.view(Some(&principal), "UA1545", black_box(&before), None))));
        println!("{name:<30} update {write:>6.2} us   read {read:>6.2} us");
    }
}

fn timed(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..TIMES).for_each(|_| work());
    start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}
