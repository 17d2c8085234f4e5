//! Check that schemas and documents beyond the limits are refused, soon and by name.
use std::time::{Duration, Instant};

use countersign_ledger::schema::{DEPTH, Schema, SchemaError, UNEXPLAINED, Violation, WORK, limits};
use serde_json::{Map, Value, json};

const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";
const DRAFT_2020: &str = "https://json-schema.org/draft/2020-12/schema";

/// Longest verdict: the limits allow some 100 ms in release on a quiet machine, and this is no benchmark.
const VERDICT_MAX: Duration = Duration::from_secs(2);

fn compile(schema: Value) -> Schema {
    Schema::compile(&schema).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(schema: Value) -> SchemaError {
    let started = Instant::now();
    let error = Schema::compile(&schema).expect_err("the schema is not allowed");
    assert!(started.elapsed() < VERDICT_MAX, "{error}: took {:?}", started.elapsed());
    error
}

/// What is wrong with `document`, as `pointer keyword`.
fn broken(schema: &Schema, document: &Value) -> Vec<String> {
    let started = Instant::now();
    let violations = schema.validate(document).expect_err("the document is not allowed");
    assert!(started.elapsed() < VERDICT_MAX, "took {:?}", started.elapsed());
    violations.into_iter().map(|Violation { pointer, keyword }| format!("{pointer} {keyword}")).collect()
}

/// `inner` inside so many objects, as their member `a`.
fn nested(inner: Value, levels: usize) -> Value {
    (0..levels).fold(inner, |inner, _| json!({"a": inner}))
}

fn is_circular(schema: Value) -> bool {
    matches!(refused(schema), SchemaError::Circular { .. })
}

/// Names are as long as documents, and each violation repeats them.
#[test]
fn what_is_told_of_a_document_is_bounded() {
    let schema = compile(json!({"additionalProperties": {"items": {"type": "string"}}}));
    let told = broken(&schema, &json!({"\u{e9}".repeat(40_000): vec![0; 20]}));
    assert_eq!(told.len(), 1, "those that differ beyond the cut are one");
    assert!(told[0].len() < 1_100 && told[0].contains("... "), "{}", told[0].len());
}

#[test]
fn the_draft_is_2020_12_unless_the_schema_says_draft_07() {
    // In draft-07 an array of items is a prefix; in 2020-12 it is no schema.
    let prefix = json!({"items": [{"type": "string"}]});
    assert!(matches!(refused(prefix.clone()), SchemaError::NotASchema { .. }));
    for draft in [DRAFT_7, "http://json-schema.org/draft-07/schema", "https://json-schema.org/draft-07/schema"] {
        let mut schema = prefix.clone();
        schema["$schema"] = json!(draft);
        assert_eq!(broken(&compile(schema), &json!([1])), ["/0 type"]);
    }
    assert_eq!(
        broken(&compile(json!({"$schema": DRAFT_2020, "prefixItems": [false]})), &json!([1])),
        ["/0 falseSchema"]
    );
}

#[test]
fn another_draft_is_refused_by_name() {
    let unknown = ["http://json-schema.org/draft-06/schema#", "https://json-schema.org/schema", "urn:x", "", "\u{130}"];
    for draft in unknown {
        let SchemaError::Dialect { dialect, .. } = refused(json!({"$schema": draft})) else { panic!("{draft:?}") };
        assert!(dialect.contains(draft));
    }
    assert!(matches!(refused(json!({"$schema": 7})), SchemaError::Dialect { .. }));
    let mixed = json!({"$schema": DRAFT_2020, "$defs": {"a": {"$id": "urn:a", "$schema": DRAFT_7}}});
    assert!(matches!(refused(mixed), SchemaError::Dialect { .. }));
    // Where no schema is expected, a reference may still lead.
    let hidden = json!({"x": {"$schema": DRAFT_7, "type": "string"}, "allOf": [{"$ref": "#/x"}]});
    let named = SchemaError::Dialect { pointer: "#/x".to_owned(), dialect: format!("\"{DRAFT_7}\"") };
    assert_eq!(refused(hidden), named);
    compile(json!({"const": {"$schema": DRAFT_7}, "$defs": {"a": {"$schema": DRAFT_2020}}}));
}

#[test]
fn what_is_no_schema_is_refused() {
    for not in [json!(5), json!(null), json!([]), json!({"type": 7}), json!({"allOf": {}}), json!({"minLength": -1})] {
        assert!(matches!(refused(not.clone()), SchemaError::NotASchema { .. }), "{not}");
    }
    assert_eq!(compile(json!(true)).validate(&json!({"a": 1})), Ok(()));
    assert_eq!(broken(&compile(json!(false)), &json!(1)), [" falseSchema"]);
}

#[test]
fn a_reference_out_of_the_schema_is_refused_by_name() {
    let outside = [
        "http://localhost:1/a.json",
        "https://example.org/a",
        "other.json",
        "file:///etc/passwd",
        "urn:nobody",
        "//example.org/a",
        "ftp://example.org/a#/b",
        "http://json-schema.org/draft-04/schema#",
    ];
    for reference in outside {
        for draft in [DRAFT_7, DRAFT_2020] {
            for schema in [json!({"$ref": reference}), json!({"properties": {"a": {"items": {"$ref": reference}}}})] {
                let mut schema = schema;
                schema["$schema"] = json!(draft);
                let error = refused(schema);
                let SchemaError::Reference { reference: named, .. } = &error else { panic!("{reference}: {error}") };
                let last = reference.trim_end_matches('#').split('#').next().and_then(|uri| uri.rsplit('/').next());
                assert!(named.contains(last.expect("a split has a first")), "{reference}: {error}");
            }
        }
    }
    // One that is nowhere used leads out too.
    assert!(matches!(refused(json!({"$defs": {"a": {"$ref": "urn:b"}}})), SchemaError::Reference { .. }));
    assert!(matches!(refused(json!({"$dynamicRef": "urn:b#c"})), SchemaError::Reference { .. }));
}

#[test]
fn a_reference_to_nothing_is_refused() {
    for reference in ["#/$defs/a", "#a", "#/~2", "#/%zz", "", "::", "#/properties/0"] {
        let error = refused(json!({"properties": {"a": {"$ref": reference}}}));
        assert!(
            matches!(error, SchemaError::Reference { .. } | SchemaError::NotASchema { .. }),
            "{reference:?}: {error}"
        );
    }
}

#[test]
fn a_schema_may_refer_to_the_metaschema_of_its_draft() {
    for draft in [DRAFT_7, DRAFT_2020] {
        let schema = compile(json!({"$schema": draft, "properties": {"schema": {"$ref": draft}}}));
        assert_eq!(schema.validate(&json!({"schema": {"properties": {"a": {"type": "string"}}}})), Ok(()));
        assert_eq!(
            broken(&schema, &json!({"schema": {"properties": {"a": {"type": "text"}}}})),
            ["/schema/properties/a/type anyOf"]
        );
    }
}

#[test]
fn a_name_for_two_subschemas_is_refused() {
    let twice = json!({"$defs": {"a": {"$id": "urn:x"}, "b": {"$id": "urn:x"}}});
    assert!(matches!(refused(twice), SchemaError::Duplicate { .. }));
    let twice = json!({"$defs": {"a": {"$anchor": "x"}, "b": {"$dynamicAnchor": "x"}}});
    assert!(matches!(refused(twice), SchemaError::Duplicate { .. }));
    assert!(matches!(refused(json!({"$id": DRAFT_2020})), SchemaError::Duplicate { .. }));
    compile(json!({"$anchor": "x", "$defs": {"a": {"$id": "urn:x", "$anchor": "x"}}}));
}

#[test]
fn a_circle_that_never_goes_into_the_value_is_refused() {
    assert!(is_circular(json!({"$ref": "#"})));
    assert!(is_circular(json!({"$schema": DRAFT_7, "$ref": "#"})));
    assert!(is_circular(json!({"$id": "urn:a", "$ref": "urn:a"})));
    assert!(is_circular(json!({"$dynamicAnchor": "a", "$dynamicRef": "#a"})));
    assert!(is_circular(json!({"$anchor": "a", "items": {"$ref": "#/items"}})));
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let through = |name: &str| json!({keyword: [{"type": "object"}, {"$ref": name}]});
        assert!(is_circular(
            json!({"$ref": "#/$defs/a", "$defs": {"a": through("#/$defs/b"), "b": through("#/$defs/a")}})
        ));
        assert!(is_circular(through("#")));
    }
    for keyword in ["not", "if", "then", "else"] {
        assert!(is_circular(json!({"if": true, keyword: {"$ref": "#"}})));
    }
    assert!(is_circular(json!({"dependentSchemas": {"a": {"$ref": "#"}}})));
    assert!(is_circular(json!({"$schema": DRAFT_7, "dependencies": {"a": {"$ref": "#"}}})));
    let dynamic = json!({"$id": "urn:a", "$dynamicAnchor": "x", "$ref": "urn:b",
        "$defs": {"b": {"$id": "urn:b", "$dynamicAnchor": "x", "anyOf": [{"$dynamicRef": "#x"}]}}});
    assert!(is_circular(dynamic));
    // Unused, it is refused as well: what is refused must not depend on what is used.
    assert!(is_circular(json!({"$defs": {"a": {"$ref": "#/$defs/a"}}})));
}

#[test]
fn a_recursive_schema_takes_documents_of_any_allowed_depth() {
    let schemas = [
        json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "additionalProperties": false}),
        json!({"type": "object", "$dynamicAnchor": "n", "properties": {"a": {"$dynamicRef": "#n"}}, "unevaluatedProperties": false}),
        json!({"$schema": DRAFT_7, "type": "object", "patternProperties": {"^a$": {"$ref": "#"}}, "additionalProperties": false}),
    ];
    for schema in schemas.map(compile) {
        assert_eq!(schema.validate(&nested(json!({}), limits::DOCUMENT_DEPTH_MAX - 1)), Ok(()));
        let pointer = "/a".repeat(limits::DOCUMENT_DEPTH_MAX);
        assert_eq!(broken(&schema, &nested(json!(1), limits::DOCUMENT_DEPTH_MAX)), [format!("{pointer} type")]);
        assert_eq!(broken(&schema, &nested(json!({}), limits::DOCUMENT_DEPTH_MAX)), [format!("{pointer} {DEPTH}")]);
    }
    let free = compile(json!(true));
    assert_eq!(broken(&free, &nested(json!([]), limits::DOCUMENT_DEPTH_MAX)).len(), 1);
}

#[test]
fn a_schema_may_be_as_large_as_the_limits_and_no_larger() {
    let sized = |bytes: usize| json!({"description": "x".repeat(bytes - r#"{"description":""}"#.len())});
    compile(sized(limits::SCHEMA_BYTES_MAX));
    assert_eq!(
        refused(sized(limits::SCHEMA_BYTES_MAX + 1)),
        SchemaError::Bytes { bytes: limits::SCHEMA_BYTES_MAX + 1 }
    );
    refused(sized(10_000_000));

    let deep = |levels: usize| (1..levels).fold(json!({}), |inner, _| json!({"const": inner}));
    compile(deep(limits::SCHEMA_DEPTH_MAX));
    assert_eq!(refused(deep(limits::SCHEMA_DEPTH_MAX + 1)), SchemaError::Depth);

    let wide = |subschemas: usize| json!({"prefixItems": vec![json!({}); subschemas - 1]});
    compile(wide(limits::SUBSCHEMAS_MAX));
    assert_eq!(refused(wide(limits::SUBSCHEMAS_MAX + 1)), SchemaError::Subschemas);
}

#[test]
fn references_that_multiply_are_refused() {
    // The billion laughs: each definition applies the next one twice.
    let laughs = |rungs: usize| {
        let twice = |rung: usize| json!({"$ref": format!("#/$defs/d{}", rung + 1)});
        let mut defs: Map<_, _> =
            (0..rungs).map(|rung| (format!("d{rung}"), json!({"allOf": [twice(rung), twice(rung)]}))).collect();
        defs.insert(format!("d{rungs}"), json!({"type": "string"}));
        json!({"$ref": "#/$defs/d0", "$defs": defs})
    };
    compile(laughs(10));
    assert!(matches!(refused(laughs(14)), SchemaError::InPlacePaths { .. }));
    refused(laughs(30));
    refused(laughs(1000));

    let chain = |links: usize| {
        let mut defs: Map<_, _> =
            (0..links).map(|link| (format!("d{link}"), json!({"$ref": format!("#/$defs/d{}", link + 1)}))).collect();
        defs.insert(format!("d{links}"), json!({"type": "string"}));
        json!({"$defs": defs})
    };
    compile(chain(limits::IN_PLACE_DEPTH_MAX));
    assert!(matches!(refused(chain(limits::IN_PLACE_DEPTH_MAX + 1)), SchemaError::InPlaceDepth { .. }));
    refused(chain(4000));

    // Marking what is evaluated judges again at every level.
    let unevaluated = |levels: usize| {
        (0..levels).fold(
            json!({"properties": {"a": true}}),
            |inner, _| json!({"anyOf": [inner], "unevaluatedProperties": false}),
        )
    };
    compile(unevaluated(6));
    assert!(matches!(refused(unevaluated(20)), SchemaError::InPlacePaths { .. }));

    let entries = vec![json!({"$ref": "#/$defs/a"}); 200];
    let leaves = vec![json!({"type": "string"}); 1500];
    assert_eq!(refused(json!({"prefixItems": entries, "$defs": {"a": {"allOf": leaves}}})), SchemaError::Expansion);
}

#[test]
fn work_that_multiplies_on_the_way_down_is_refused_with_the_document() {
    // Harmless for one value, it doubles with every level of the document.
    let next = json!({"$ref": "#"});
    let schema = compile(json!({"properties": {"a": {"allOf": [next, next, {"type": "object"}]}}}));
    assert_eq!(schema.validate(&nested(json!({}), 10)), Ok(()));
    assert_eq!(broken(&schema, &nested(json!({}), 40)), [format!(" {WORK}")]);
    assert_eq!(broken(&schema, &nested(json!(1), 3)), ["/a/a/a type"]);

    let wide: Vec<_> = (0..2000).map(|least| json!({"minimum": least + 5})).collect();
    let schema = compile(json!({"items": {"anyOf": wide}}));
    assert_eq!(broken(&schema, &json!([1])), ["/0 anyOf"]);
    assert_eq!(broken(&schema, &json!(vec![1; 1000])), [format!(" {UNEXPLAINED}")]);
    assert_eq!(broken(&schema, &json!(vec![1; 10_000])), [format!(" {WORK}")]);
    assert_eq!(schema.validate(&json!(vec![5; 1000])), Ok(()));

    let names: Vec<_> = (0..20_000).map(|name| format!("n{name}")).collect();
    let schema = compile(json!({"items": {"required": names}}));
    assert_eq!(broken(&schema, &json!(vec![json!({}); 10_000])), [format!(" {WORK}")]);

    let schema = compile(json!({"uniqueItems": true}));
    assert_eq!(schema.validate(&json!((0..100_000).collect::<Vec<_>>())), Ok(()));
    assert_eq!(broken(&schema, &json!((0..1_000_000).collect::<Vec<_>>())), [format!(" {WORK}")]);
}

#[test]
fn a_match_that_backtracks_too_often_refuses_the_document() {
    let text = "a".repeat(30);
    // Linear, whatever it looks like.
    let linear = compile(json!({"pattern": "^(a+)+$"}));
    assert_eq!(linear.validate(&json!(text)), Ok(()));
    assert_eq!(broken(&linear, &json!(format!("{text}!"))), [" pattern"]);

    // The reference to a group keeps the engine from seeing through it.
    let exponential = "^((a|aa)+)\\1!?c$";
    let started = Instant::now();
    let schema = compile(json!({"properties": {"x": {"pattern": exponential}}}));
    assert_eq!(schema.validate(&json!({"x": "aac"})), Ok(()));
    assert_eq!(broken(&schema, &json!({"x": "aab"})), ["/x pattern"]);
    assert_eq!(broken(&schema, &json!({"x": text})), ["/x pattern"]);
    assert!(started.elapsed() < VERDICT_MAX, "{:?}", started.elapsed());
    if !cfg!(debug_assertions) {
        assert!(started.elapsed() < Duration::from_millis(50), "{:?}", started.elapsed());
    }

    // It is a verdict, not a mismatch: what holds either way is refused as well.
    for either in [json!({"not": {"pattern": exponential}}), json!({"anyOf": [true, {"pattern": exponential}]})] {
        assert_eq!(broken(&compile(either), &json!(text)), [" pattern"]);
    }
    let names = [json!({"patternProperties": {exponential: true}}), json!({"propertyNames": {"pattern": exponential}})];
    for schema in names.map(compile) {
        assert_eq!(schema.validate(&json!({"aac": 1})), Ok(()));
        let name = json!({text.clone(): 1});
        assert_eq!(broken(&schema, &name), [format!("/{text} pattern")]);
    }

    // Many that each stay under the limit, or long ones, are bounded too.
    let schema = compile(json!({"items": {"pattern": exponential}}));
    assert_eq!(broken(&schema, &json!(vec!["a".repeat(17); 5000])), [format!(" {WORK}")]);
    let schema = compile(json!({"pattern": "(?:a(?=.*))*c"}));
    assert_eq!(broken(&schema, &json!("a".repeat(60_000))), [format!(" {WORK}")]);
    let schema = compile(json!({"pattern": "(?:[ab]*a){200}[ab]{30}c"}));
    assert_eq!(broken(&schema, &json!("ab".repeat(60_000))), [format!(" {WORK}")]);
}

#[test]
fn an_ordinary_look_ahead_is_cheap() {
    let schema =
        compile(json!({"items": {"pattern": "^(?!(urn:epcglobal:cbv|https?:\\/\\/ns\\.gs1\\.org\\/cbv\\/))"}}));
    assert_eq!(schema.validate(&json!(vec!["https://example.org/location/1234567890"; 5000])), Ok(()));
    assert_eq!(broken(&schema, &json!(["https://ns.gs1.org/cbv/x"])), ["/0 pattern"]);
}

#[test]
fn a_pattern_beyond_the_limits_is_refused() {
    assert!(matches!(
        refused(json!({"patternProperties": {"(?=[": true}})),
        SchemaError::Pattern { .. } | SchemaError::NotASchema { .. }
    ));
    assert!(matches!(refused(json!({"pattern": "(((a{100}){100}){100})"})), SchemaError::Pattern { .. }));
    assert!(matches!(refused(json!({"pattern": "(?=x)(((a{100}){100}){100})"})), SchemaError::Pattern { .. }));
    assert!(matches!(
        refused(json!({"pattern": "a".repeat(limits::PATTERN_BYTES_MAX + 1)})),
        SchemaError::PatternBytes { .. }
    ));
    compile(json!({"pattern": "a".repeat(limits::PATTERN_BYTES_MAX)}));
    let patterns =
        |count: usize| json!({"anyOf": (0..count).map(|n| json!({"pattern": format!("^{n}$")})).collect::<Vec<_>>()});
    compile(patterns(limits::PATTERNS_MAX));
    assert_eq!(refused(patterns(limits::PATTERNS_MAX + 1)), SchemaError::Patterns);
    let large = |count: usize| {
        let pattern = |n: usize| json!({"pattern": format!("^{n}\\p{{L}}[\\p{{L}} ]{{0,10}}$")});
        json!({"anyOf": (0..count).map(pattern).collect::<Vec<_>>()})
    };
    compile(large(4));
    assert_eq!(refused(large(100)), SchemaError::Patterns);
    let part = |repeats: usize| json!({"pattern": format!("(.)\\1(?=\\p{{L}}{{{repeats}}}x)")});
    compile(part(1));
    assert!(matches!(refused(part(10)), SchemaError::Pattern { .. }));
}

#[test]
fn formats_and_contents_are_not_asserted() {
    for draft in [DRAFT_7, DRAFT_2020] {
        let schema = compile(json!({"$schema": draft, "format": "date-time", "contentEncoding": "base64",
            "contentMediaType": "application/json", "contentSchema": false}));
        assert_eq!(schema.validate(&json!("{ not base64, no date")), Ok(()));
    }
    let schema = compile(json!({"format": "no such format", "$schema": DRAFT_7}));
    assert_eq!(schema.validate(&json!("x")), Ok(()));
}

#[test]
fn numbers_are_compared_by_value() {
    assert_eq!(compile(json!({"type": "integer"})).validate(&json!(1.0)), Ok(()));
    assert_eq!(compile(json!({"const": 1})).validate(&json!(1.0)), Ok(()));
    assert_eq!(compile(json!({"multipleOf": 0.01})).validate(&json!(19.99)), Ok(()));
    assert_eq!(broken(&compile(json!({"multipleOf": 0.01})), &json!(19.999)), [" multipleOf"]);
    assert_eq!(broken(&compile(json!({"uniqueItems": true})), &json!([1, 2, 1.0])), [" uniqueItems"]);
}

#[test]
fn violations_are_sorted_distinct_and_at_most_sixteen() {
    let schema =
        compile(json!({"type": "object", "additionalProperties": {"type": "integer", "minimum": 5, "enum": [7]},
        "allOf": [{"required": ["z"]}, {"required": ["y"]}]}));
    let broken_three = broken(&schema, &json!({"b": 1, "a/b": "x"}));
    assert_eq!(broken_three, [" required", "/a~1b enum", "/a~1b type", "/b enum", "/b minimum"]);
    let many: Map<_, _> = (0..100).map(|n| (format!("m{n:02}"), json!(1))).collect();
    let first = broken(&schema, &Value::Object(many));
    assert_eq!(first.len(), limits::VIOLATIONS_MAX);
    assert_eq!(first[0], " required");
    assert_eq!(first[15], "/m07 enum");
    assert!(first.is_sorted());
}

/// Runs `check` on the smallest stack in use: that of a test's thread, and of tokio's.
fn on_a_small_stack(check: fn()) {
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(check);
    thread.expect("the thread starts").join().expect("the stack suffices");
}

#[test]
fn the_deepest_documents_are_judged_on_a_small_stack() {
    on_a_small_stack(|| {
        let links: [fn(Value) -> Value; 7] = [
            |next| json!({"allOf": [next]}),
            |next| json!({"anyOf": [next, false]}),
            |next| json!({"oneOf": [false, next]}),
            |next| json!({"not": {"not": next}}),
            |next| json!({"if": next, "then": true, "else": false}),
            |next| json!({"dependentSchemas": {"a": next}}),
            |next| json!({"unevaluatedItems": false, "allOf": [next]}),
        ];
        let steps: [fn(Value) -> Value; 5] = [
            |next| json!({"type": "object", "properties": {"a": next}, "unevaluatedProperties": false}),
            |next| json!({"type": "object", "patternProperties": {"a": next}}),
            |next| json!({"type": "object", "additionalProperties": next}),
            |next| json!({"type": "object", "unevaluatedProperties": next}),
            |next| json!({"type": "object", "required": ["b"], "properties": {"a": next}}),
        ];
        for (link, step) in links.iter().flat_map(|link| steps.iter().map(move |step| (link, step))) {
            // From a member to the next one through the longest chain in place that is allowed.
            let schema = (1..limits::IN_PLACE_DEPTH_MAX).rev().find_map(|count| {
                let next = |at: usize| json!({"$ref": format!("#/$defs/d{at}")});
                let mut defs: Map<_, _> = (0..count).map(|at| (format!("d{at}"), link(next(at + 1)))).collect();
                defs.insert(format!("d{count}"), step(next(0)));
                Schema::compile(&json!({"$ref": "#/$defs/d0", "$defs": defs})).ok()
            });
            let schema = schema.expect("a short chain is allowed");
            for inner in [json!({}), json!(1), json!({"b": 1})] {
                // Any verdict will do.
                let _ = schema.validate(&nested(inner, limits::DOCUMENT_DEPTH_MAX - 1));
            }
        }
    });
}

#[test]
fn the_deepest_schemas_are_compiled_on_a_small_stack() {
    on_a_small_stack(|| {
        // Definitions nested to the limit, each of them leading on to the next.
        let down = |inner| (0..30).fold(inner, |inner, _| json!({"properties": {"a": inner}}));
        let next = |at: usize| json!({"$ref": format!("#/$defs/d{}", (at + 1) % 60)});
        let defs: Map<_, _> = (0..60).map(|at| (format!("d{at}"), down(next(at)))).collect();
        let schema = compile(json!({"$ref": "#/$defs/d0", "$defs": defs}));
        assert_eq!(schema.validate(&nested(json!({}), limits::DOCUMENT_DEPTH_MAX - 1)), Ok(()));
    });
}

#[test]
fn a_schema_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&compile(json!(true)));
}
