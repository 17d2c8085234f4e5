//! Unique keys and indexes: what a scan over every document would say, at every height.

mod common;

use common::*;
use countersign_ledger::index::{Index, Indexes};
use countersign_ledger::schema::Schema;
use countersign_ledger::store::kv::Kv;
use countersign_ledger::store::{CacheSize, MemoryKv, Seek, open_database};
use countersign_ledger::{Fate, Filter, Rejection};
use countersign_proof::operation::Change;
use countersign_proof::precondition::Condition;
use countersign_proof::*;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

const OPS: &[&str] = &["acme.example/ops"];
const TICKETS: &str = "tickets";

fn schema() -> Value {
    json!({
        "type": "object",
        "x-unique": ["/number", ["/carrier", "/flight"]],
        "x-indexes": ["/at", ["/carrier", "/at"], ["/deep/0/seat"]]
    })
}

fn definition(schema: &Value) -> Operation {
    let definition = canonical(&json!({
        "access": {"engine": "writers/v1", "write": [ACME, BOLT]},
        "schema": schema,
    }));
    governance(Change::DefineCollection(DefineCollection { name: TICKETS.into(), definition }))
}

fn bench() -> Bench {
    bench_over(Arc::new(MemoryKv::new()))
}

fn bench_over(kv: Arc<dyn Kv>) -> Bench {
    let mut bench = Bench::over(kv);
    assert_eq!(bench.run(&[ACME, BOLT, CARGO], vec![definition(&schema())]), None);
    bench
}

fn ticket(id: &str, value: Value) -> Operation {
    on(TICKETS, id, Change::Create(canonical(&value)))
}

fn put(id: &str, value: &Value, key: &[&str]) -> Operation {
    let key = key.iter().map(|pointer| (*pointer).to_owned()).collect();
    on(TICKETS, id, Change::Put(Put { value: canonical(value), key }))
}

fn patch(id: &str, value: &Value) -> Operation {
    on(TICKETS, id, Change::Patch(canonical(value)))
}

fn delete(id: &str) -> Operation {
    on(TICKETS, id, Change::Delete(Unit {}))
}

/// The rejections of one block with these transactions, none where one was applied.
fn fates(bench: &mut Bench, transactions: Vec<Vec<Operation>>) -> Vec<Option<Rejection>> {
    let transactions = transactions.into_iter().map(|operations| bench.transaction(OPS, operations)).collect();
    let fate = |fate: Fate| match fate {
        Fate::Applied => None,
        Fate::Rejected(rejection) => Some(rejection),
        other => panic!("{other:?}"),
    };
    bench.append(transactions).block.executed.into_iter().map(|executed| fate(executed.fate)).collect()
}

fn run(bench: &mut Bench, operations: Vec<Operation>) -> Option<Rejection> {
    fates(bench, vec![operations]).remove(0)
}

fn taken(rejection: Option<Rejection>) -> (String, Option<String>) {
    let rejection = rejection.expect("rejected");
    (rejection.code.to_string(), rejection.existing)
}

#[test]
fn a_unique_key_has_one_living_holder_and_the_rejection_names_it() {
    let mut bench = bench();
    assert_eq!(run(&mut bench, vec![ticket("a", json!({"number": "7"}))]), None);
    let held = ("ALREADY_EXISTS".to_owned(), Some("a".to_owned()));
    assert_eq!(taken(run(&mut bench, vec![ticket("b", json!({"number": "7"}))])), held);
    assert_eq!(taken(run(&mut bench, vec![ticket("b", json!({})), patch("b", &json!({"number": "7"}))])), held);
    let rejection = run(&mut bench, vec![ticket("c", json!({})), put("b", &json!({"number": "7"}), &[])]);
    assert_eq!(rejection.as_ref().and_then(|rejection| rejection.operation), Some(1));
    assert_eq!(taken(rejection), held);
    // Another type is another value, and who lacks a part has no key.
    for (id, value) in [("n", json!({"number": 7})), ("o", json!({"number": null})), ("p", json!({})), ("q", json!({}))]
    {
        assert_eq!(run(&mut bench, vec![ticket(id, value)]), None, "{id}");
    }
    assert_eq!(run(&mut bench, vec![patch("a", &json!({"note": "its own key stays"}))]), None);
    // A change or a deletion frees it, also within one transaction.
    assert_eq!(run(&mut bench, vec![patch("a", &json!({"number": "8"})), ticket("b", json!({"number": "7"}))]), None);
    assert_eq!(run(&mut bench, vec![delete("a"), ticket("c", json!({"number": "8"}))]), None);
    assert_eq!(taken(run(&mut bench, vec![ticket("a", json!({"number": "8"}))])).1.as_deref(), Some("c"));
    // Two swap their keys by way of a third.
    let swap = [("b", "9"), ("c", "7"), ("b", "8")].map(|(id, number)| patch(id, &json!({ "number": number })));
    assert_eq!(run(&mut bench, swap.to_vec()), None);
    assert_eq!(taken(run(&mut bench, vec![ticket("a", json!({"number": "7"}))])).1.as_deref(), Some("c"));
}

#[test]
fn within_a_block_the_first_wins_and_what_was_rejected_holds_nothing() {
    let mut bench = bench();
    let fates = fates(
        &mut bench,
        vec![
            vec![ticket("lost", json!({"number": "7"})), delete("nothing")],
            vec![ticket("a", json!({"number": "7"}))],
            vec![ticket("b", json!({"number": "7"}))],
            vec![delete("a")],
            vec![ticket("c", json!({"number": "7"}))],
        ],
    );
    let codes: Vec<_> =
        fates.iter().map(|fate| fate.as_ref().map(|r| (r.code.as_str(), r.existing.as_deref()))).collect();
    assert_eq!(codes, [Some(("NOT_FOUND", None)), None, Some(("ALREADY_EXISTS", Some("a"))), None, None]);
    assert_eq!(taken(run(&mut bench, vec![ticket("d", json!({"number": "7"}))])).1.as_deref(), Some("c"));
}

#[test]
fn the_unique_key_is_judged_last() {
    let mut bench = bench();
    run(&mut bench, vec![ticket("a", json!({"number": "7"}))]);
    let taken = |id: &str| ticket(id, json!({"number": "7"}));
    let code =
        |bench: &mut Bench, operation: Operation| run(bench, vec![operation]).expect("rejected").code.to_string();
    let later = when(put("b", &json!({"number": "7"}), &[]), Condition::Version(3));
    assert_eq!(code(&mut bench, later), "VERSION_CONFLICT");
    assert_eq!(code(&mut bench, taken("b")), "ALREADY_EXISTS");
    let long = "x".repeat(513);
    assert_eq!(code(&mut bench, ticket("b", json!({ "number": long }))), "TOO_LARGE");
    assert_eq!(code(&mut bench, ticket("b", json!({ "at": long }))), "TOO_LARGE");
    // 512 bytes: the tag, the text, its end.
    assert_eq!(run(&mut bench, vec![ticket("b", json!({ "number": "x".repeat(509) }))]), None);
    assert_eq!(code(&mut bench, ticket("c", json!({ "number": "x".repeat(510) }))), "TOO_LARGE");
}

#[test]
fn a_put_by_key_is_of_the_document_that_holds_the_key() {
    let mut bench = bench();
    let number = &["/number"][..];
    assert_eq!(run(&mut bench, vec![put("first", &json!({"number": "7", "n": 1}), number)]), None);
    assert_eq!(run(&mut bench, vec![put("second", &json!({"number": "7", "n": 2}), number)]), None);
    assert_eq!(bench.value(TICKETS, "first"), Some(json!({"number": "7", "n": 2})));
    assert_eq!(bench.value(TICKETS, "second"), None);
    let history = bench.ledger.reader().history(TICKETS, "first", 1, 9).expect("reads");
    assert_eq!(history.len(), 2);
    let salt = salt(&3_u128.to_be_bytes(), TICKETS, "first");
    assert_eq!(history[1].salt, Some(salt), "the record and its salt name the real document");
    // A precondition is of that document.
    let absent = when(put("x", &json!({"number": "7"}), number), Condition::Absent(Unit {}));
    assert_eq!(run(&mut bench, vec![absent]).expect("rejected").code.as_str(), "PRECONDITION_FAILED");
    let version = when(put("x", &json!({"number": "7", "n": 3}), number), Condition::Version(2));
    assert_eq!(run(&mut bench, vec![version]), None);
    // Made under its id, unless that is another's.
    let other = run(&mut bench, vec![put("first", &json!({"number": "8"}), number)]).expect("rejected");
    assert_eq!((other.code.as_str(), other.existing), ("ALREADY_EXISTS", None));
    // Several pointers; earlier operations count; what wrote it is found by its leaf.
    let both = json!({"carrier": "UA", "flight": 15, "number": "9"});
    let key = &["/carrier", "/flight"][..];
    assert_eq!(run(&mut bench, vec![put("p", &both, key), put("q", &both, key)]), None);
    let leaf = bench.ledger.chain().size - 2;
    let height = bench.ledger.chain().height;
    let written = bench.ledger.reader().changes_of(height, leaf, 9).expect("reads");
    let written: Vec<_> = written.iter().map(|c| (&c.version.record.id[..], c.version.record.version)).collect();
    assert_eq!(written, [("p", 1), ("p", 2)]);
    let code = |bench: &mut Bench, operation| run(bench, vec![operation]).expect("rejected").code.to_string();
    assert_eq!(code(&mut bench, put("z", &json!({"number": null}), number)), "INVALID_VALUE");
    assert_eq!(code(&mut bench, put("z", &json!({"at": 1}), &["/at"])), "INVALID_VALUE");
    assert_eq!(code(&mut bench, put("z", &both, &["/flight", "/carrier"])), "INVALID_VALUE");
}

#[test]
fn a_false_declaration_is_refused_at_its_place_when_the_collection_is_defined() {
    let mut bench = Bench::new();
    let wrong = json!({"properties": {"a": {"type": "object"}}, "x-unique": [["/b", "/a"]]});
    let transaction = bench.transaction(&[ACME, BOLT, CARGO], vec![definition(&wrong)]);
    let Fate::Rejected(rejection) = bench.append(vec![transaction]).block.executed.remove(0).fate else {
        panic!("it was defined");
    };
    assert_eq!(rejection.code.as_str(), "INVALID_VALUE");
    let expected = "\"/x-unique/0/1\": \"/a\" leads to no string, number, integer, boolean";
    assert_eq!(rejection.detail, expected);
}

/// Random numbers of one seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % n as u64).expect("it is small")
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn scalar(&mut self) -> Value {
        let values = [
            json!(null),
            json!(false),
            json!(true),
            json!(-1),
            json!(0),
            json!(0.5),
            json!(1),
            json!(2),
            json!(""),
            json!("\0"),
            json!("a"),
            json!("a\0b"),
            json!("b"),
            json!([]),
        ];
        self.pick(&values).clone()
    }

    fn document(&mut self) -> Value {
        let mut members = serde_json::Map::new();
        for name in ["number", "carrier", "flight", "at"] {
            if self.below(4) > 0 {
                members.insert(name.into(), self.scalar());
            }
        }
        if self.below(2) == 0 {
            members.insert("deep".into(), json!([{"seat": self.scalar()}]));
        }
        Value::Object(members)
    }

    fn id(&mut self) -> String {
        let ids = ["a", "a b", "aa", "b", "c", "d", "e", "é", "f"];
        (*self.pick(&ids)).to_owned()
    }

    fn operation(&mut self) -> Operation {
        let (id, value) = (self.id(), self.document());
        match self.below(8) {
            0 | 1 => ticket(&id, value),
            2 => put(&id, &value, &[]),
            3 => put(&id, &value, &["/number"]),
            4 => put(&id, &value, &["/carrier", "/flight"]),
            5 => patch(&id, &value),
            6 => on(TICKETS, &id, Change::Increment(Increment { pointer: "/at".into(), by: 1 })),
            _ => delete(&id),
        }
    }

    fn filter(&mut self) -> Value {
        let mut members = serde_json::Map::new();
        for pointer in ["/number", "/carrier", "/flight", "/at", "/deep/0/seat"] {
            if self.below(3) == 0 {
                let name = *self.pick(&["eq", "eq", "eq", "lt", "le", "gt", "ge", "ne"]);
                members.insert(pointer.into(), json!({ name: self.scalar() }));
            }
        }
        Value::Object(members)
    }
}

/// All documents, found by looking at each.
#[derive(Clone, Default)]
struct Model(BTreeMap<String, Value>);

/// A key as values, not as bytes.
fn parts(document: &Value, pointers: &[String]) -> Option<Vec<Value>> {
    let parts: Option<Vec<Value>> = pointers.iter().map(|pointer| document.pointer(pointer).cloned()).collect();
    parts.filter(|parts| parts.iter().all(|part| !part.is_null() && !part.is_array() && !part.is_object()))
}

fn order(a: &[Value], b: &[Value]) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Bool(_) => 0,
        Value::Number(_) => 1,
        _ => 2,
    };
    let one = |a: &Value, b: &Value| {
        rank(a).cmp(&rank(b)).then_with(|| match (a, b) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()).expect("no NaN"),
            (Value::String(a), Value::String(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => unreachable!("of one rank"),
        })
    };
    a.iter().zip(b).map(|(a, b)| one(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl Model {
    fn holder(&self, pointers: &[String], key: &[Value]) -> Option<&String> {
        let holds = |value: &Value| parts(value, pointers).is_some_and(|found| order(&found, key).is_eq());
        self.0.iter().find(|(_, value)| holds(value)).map(|(id, _)| id)
    }

    /// The code and existing id of the operation's rejection.
    fn apply(&mut self, operation: &Operation, indexes: &Indexes) -> Result<(), (&'static str, Option<String>)> {
        let of = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        let mut id = operation.id.clone();
        let value = match operation.change.as_ref().expect("a change") {
            Change::Create(_) if self.0.contains_key(&id) => return Err(("ALREADY_EXISTS", None)),
            Change::Create(value) => Some(of(value)),
            Change::Put(put) => {
                let value = of(&put.value);
                if !put.key.is_empty() {
                    let key = parts(&value, &put.key).ok_or(("INVALID_VALUE", None))?;
                    match self.holder(&put.key, &key) {
                        Some(holder) => id = holder.clone(),
                        None if self.0.contains_key(&id) => return Err(("ALREADY_EXISTS", None)),
                        None => {}
                    }
                }
                Some(value)
            }
            change => {
                let mut value = self.0.get(&id).cloned().ok_or(("NOT_FOUND", None))?;
                match change {
                    Change::Delete(_) => None,
                    Change::Patch(patch) => {
                        for (name, part) in of(patch).as_object().expect("members") {
                            let members = value.as_object_mut().expect("members");
                            match part.is_null() {
                                true => members.remove(name),
                                false => members.insert(name.clone(), part.clone()),
                            };
                        }
                        Some(value)
                    }
                    _ => {
                        let sum = value.get("at").and_then(Value::as_i64).ok_or(("INVALID_VALUE", None))? + 1;
                        value["at"] = json!(sum);
                        Some(value)
                    }
                }
            }
        };
        for index in indexes.iter().filter(|index| index.is_unique()) {
            let key = value.as_ref().and_then(|value| parts(value, index.pointers()));
            let holder = key.and_then(|key| self.holder(index.pointers(), &key).cloned());
            if holder.as_ref().is_some_and(|holder| *holder != id) {
                return Err(("ALREADY_EXISTS", holder));
            }
        }
        match value {
            Some(value) => self.0.insert(id, value),
            None => self.0.remove(&id),
        };
        Ok(())
    }

    /// Ids that match, in the order of the index.
    fn matching(&self, filter: &Filter, index: &Index, descending: bool) -> Vec<&str> {
        let mut found: Vec<(Vec<Value>, &str)> = self
            .0
            .iter()
            .filter(|(_, value)| filter.holds(value))
            .filter_map(|(id, value)| Some((parts(value, index.pointers())?, &id[..])))
            .collect();
        found.sort_by(|a, b| order(&a.0, &b.0).then_with(|| a.1.as_bytes().cmp(b.1.as_bytes())));
        if descending {
            found.reverse();
        }
        found.into_iter().map(|(_, id)| id).collect()
    }
}

/// Walks the index in steps of random size, at times from a fresh start behind the last document.
fn walk(
    bench: &Bench,
    chance: &mut Chance,
    filter: &Filter,
    sort: Option<(&str, bool)>,
    height: u64,
) -> Option<Vec<String>> {
    let (reader, indexes) = (bench.ledger.reader(), Schema::compile(&schema()).expect("a schema"));
    let plan = indexes.indexes().plan(Some(filter), sort.map(|(pointer, _)| pointer))?;
    let descending = sort.is_some_and(|(_, descending)| descending);
    let start = || Seek::new(TICKETS, &plan, descending, height);
    let (mut seek, mut found) = (start(), Vec::new());
    loop {
        let limit = 1 + chance.below(4);
        let entries = reader.seek(&mut seek, limit).expect("reads");
        let full = entries.len() == limit;
        for entry in entries.into_iter().filter(|entry| entry.holds) {
            let anew = chance.below(5) == 0;
            if anew {
                seek = start();
                seek.after(&entry.key, &entry.id);
            }
            found.push((entry.id, entry.key));
            if anew {
                break;
            }
        }
        if !full && reader.seek(&mut seek.clone(), 1).expect("reads").is_empty() {
            break;
        }
    }
    let value =
        |id: &str| reader.document_at(TICKETS, id, height).expect("reads").expect("there").value.expect("alive");
    found.retain(|(id, key)| {
        assert_eq!(plan.index.key(&value(id)).as_ref(), Some(key), "{id} stands under the key it had");
        filter.holds(&value(id))
    });
    Some(found.into_iter().map(|(id, _)| id).collect())
}

#[test]
fn random_operations_are_judged_and_found_as_if_every_document_were_looked_at() {
    let schema = Schema::compile(&schema()).expect("a schema");
    let (mut rejected, mut walked, mut listed) = (BTreeMap::new(), 0, 0);
    for seed in 0..30 {
        let mut chance = Chance(seed);
        let mut bench = bench();
        let mut heights = vec![Model::default(); 2];
        for _ in 0..25 {
            let transactions: Vec<Vec<Operation>> = (0..1 + chance.below(4))
                .map(|_| (0..1 + chance.below(3)).map(|_| chance.operation()).collect())
                .collect();
            let mut model = heights.last().expect("genesis").clone();
            let fates = fates(&mut bench, transactions.clone());
            for (operations, fate) in transactions.iter().zip(fates) {
                let mut tried = model.clone();
                let failed = operations.iter().find_map(|operation| tried.apply(operation, schema.indexes()).err());
                let found = fate.map(|rejection| (rejection.code.as_str(), rejection.existing));
                assert_eq!(found, failed, "seed {seed}: {operations:?}");
                match failed {
                    None => model = tried,
                    Some((code, existing)) => *rejected.entry((code, existing.is_some())).or_insert(0) += 1,
                }
            }
            heights.push(model);
        }
        for _ in 0..60 {
            let filter = Filter::parse("filter", chance.filter().to_string().as_bytes()).expect("a filter");
            let sort = match chance.below(3) {
                0 => None,
                _ => Some((*chance.pick(&["/at", "/flight", "/number", "/deep/0/seat"]), chance.below(2) == 0)),
            };
            let height = chance.below(heights.len());
            let Some(found) = walk(&bench, &mut chance, &filter, sort, height as u64) else { continue };
            let plan = schema.indexes().plan(Some(&filter), sort.map(|(pointer, _)| pointer)).expect("it walked");
            let expected =
                heights[height].matching(&filter, plan.index, sort.is_some_and(|(_, descending)| descending));
            assert_eq!(found, expected, "seed {seed} height {height} {filter:?} {sort:?}");
            (walked, listed) = (walked + 1, listed + found.len());
        }
    }
    // A run that exercised nothing is no check.
    for kind in [("ALREADY_EXISTS", true), ("ALREADY_EXISTS", false), ("NOT_FOUND", false), ("INVALID_VALUE", false)] {
        assert!(rejected.get(&kind).is_some_and(|count| *count > 30), "{kind:?}: {rejected:?}");
    }
    assert!(walked > 500 && listed > 300, "{walked} walks gave {listed} documents");
}

#[test]
fn two_nodes_given_the_same_bytes_make_the_same_state_and_the_same_indexes() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut chance = Chance(7);
    let mut first = bench();
    let mut seals = Vec::new();
    for _ in 0..40 {
        let transactions =
            (0..3).map(|_| first.transaction(OPS, vec![chance.operation(), chance.operation()])).collect();
        seals.push(first.append(transactions).seal);
    }
    // The other has a disk, and executes the blocks again, as one that catches up does.
    let disk: Arc<dyn Kv> = Arc::new(open_database(folder.path(), CacheSize::default()).expect("opens"));
    let mut second = Bench::over(disk);
    for height in 1..=first.ledger.chain().height {
        let block = first.ledger.reader().block(height).expect("reads").expect("there");
        let seal = second.append(block.proposal.transactions).seal;
        assert_eq!(Some(seal), first.ledger.reader().seal(height).expect("reads"));
    }
    assert_eq!(second.ledger.log_root(), first.ledger.log_root());
    assert_eq!(second.ledger.reader().seal(1 + 40).expect("reads").as_ref(), seals.last());
    for (pointer, height) in [("/at", 41), ("/number", 20), ("/at", 7)] {
        for descending in [false, true] {
            let filter = Filter::parse("filter", b"{}").expect("a filter");
            let sort = Some((pointer, descending));
            let of_first = walk(&first, &mut chance, &filter, sort, height);
            assert_eq!(of_first, walk(&second, &mut chance, &filter, sort, height), "{pointer} at {height}");
            assert!(of_first.is_some_and(|found| !found.is_empty()), "{pointer} at {height}");
        }
    }
}
