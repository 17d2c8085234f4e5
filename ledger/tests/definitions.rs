//! Whole definitions of collections, well-formed, odd and hostile, with documents and changes under them.
//!
//! Whatever is accepted as a definition must be one that every node can live with: no document and no change brings it down,
//! two nodes come to the same roots, each rejection has a code that is written down, no execution is long, and no view shows
//! what it says it left out. Run for long, `CAMPAIGN_SECONDS=600 cargo test --release -p countersign-ledger --test definitions
//! -- --ignored --nocapture`; one seed again, `CAMPAIGN_SEED=<seed>` with the same.

mod common;
mod odd;

use common::*;
use countersign_ledger::access::{Action, Asked, Principal, Rules, View};
use countersign_ledger::store::{Appended, Ledger, MemoryKv, Position};
use countersign_ledger::{Executor, Fate, Judged, judge};
use countersign_proof::operation::Change;
use countersign_proof::*;
use odd::Odd;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest that executing one transaction may take, compiling what it needs included; the least of three runs counts.
const EXECUTION_MAX: Duration = Duration::from_millis(50);
const GOVERNORS: [&str; 3] = [ACME, BOLT, CARGO];
const AUTHORS: [&str; 4] = ["acme.example/ops", "bolt.example/dispatch", CARGO, ACME];

/// What a campaign met, so that one that exercised nothing is seen.
#[derive(Debug, Default)]
struct Met {
    defined: usize,
    refused: usize,
    evolved: usize,
    applied: usize,
    codes: BTreeMap<String, usize>,
    hidden: usize,
    redacted: usize,
    whole: usize,
    slowest: Duration,
}

/// One ledger with what was given to it.
struct Campaign<'m> {
    odd: Odd,
    bench: Bench,
    /// Executes everything a second time, and is what is timed.
    other: Executor,
    proposals: Vec<Vec<u8>>,
    appended: Vec<Appended>,
    /// Every definition that was ever in force.
    definitions: BTreeMap<String, Vec<Value>>,
    met: &'m mut Met,
}

/// Names the seed when a test ends badly.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("bring it back with CAMPAIGN_SEED={} and --ignored", self.0);
        }
    }
}

fn run(seed: u64, met: &mut Met) {
    let _named = Named(seed);
    let bench = Bench::new();
    let other = Executor::new(bench.genesis.origin());
    let (proposals, appended, definitions) = Default::default();
    let mut campaign = Campaign { odd: Odd(seed), bench, other, proposals, appended, definitions, met };
    campaign.name_organisations();
    for at in 0..3 {
        campaign.live_with_a_collection(&format!("c{at}"));
    }
    campaign.read_everything();
    // On more stack than this thread has, and without what was remembered from block to block.
    let Campaign { proposals, appended, .. } = campaign;
    let replay = move || replay(&proposals, &appended);
    std::thread::Builder::new().stack_size(32 << 20).spawn(replay).expect("a thread").join().expect("the same again");
}

impl Campaign<'_> {
    fn name_organisations(&mut self) {
        for (organisation, attributes) in attributes() {
            let set = SetOrganisation { organisation, attributes: canonical(&attributes) };
            let fates = self.block(vec![(GOVERNORS.to_vec(), vec![governance(Change::SetOrganisation(set))])]);
            assert_eq!(fates, [Fate::Applied]);
        }
    }

    fn live_with_a_collection(&mut self, name: &str) {
        let Some(mut definition) = (0..10).find_map(|_| self.define(name)) else { return };
        for _ in 0..40 {
            if self.odd.once_in(8)
                && let Some(next) = self.evolve(name, &definition)
            {
                definition = next;
            }
            let count = if self.odd.once_in(4) { 3 } else { 1 };
            let transactions = (0..count).map(|_| self.changes(name, &definition)).collect();
            for fate in self.block(transactions) {
                self.met.applied += usize::from(fate == Fate::Applied);
            }
        }
    }

    fn define(&mut self, name: &str) -> Option<Value> {
        let definition = self.odd.definition();
        let bytes = canonical(&definition);
        let define = Change::DefineCollection(DefineCollection { name: name.to_owned(), definition: bytes });
        self.govern(name, definition, define).inspect(|_| self.met.defined += 1).or_else(|| {
            self.met.refused += 1;
            None
        })
    }

    fn evolve(&mut self, name: &str, definition: &Value) -> Option<Value> {
        let next = self.odd.evolved(definition);
        let bytes = canonical(&next);
        let evolve = Change::EvolveCollection(EvolveCollection { name: name.to_owned(), definition: bytes });
        self.govern(name, next, evolve).inspect(|_| self.met.evolved += 1)
    }

    fn govern(&mut self, name: &str, definition: Value, change: Change) -> Option<Value> {
        let fates = self.block(vec![(GOVERNORS.to_vec(), vec![governance(change)])]);
        let accepted = fates == [Fate::Applied];
        accepted.then(|| {
            self.definitions.entry(name.to_owned()).or_default().push(definition.clone());
            definition
        })
    }

    fn changes(&mut self, name: &str, definition: &Value) -> (Vec<&'static str>, Vec<Operation>) {
        let author = self.odd.pick(&AUTHORS);
        let count = if self.odd.once_in(3) { 1 + self.odd.below(3) } else { 1 };
        (vec![author], (0..count).map(|_| self.odd.operation(name, definition)).collect())
    }

    /// Executes them twice, and then for good. What is no transaction is left out.
    fn block(&mut self, transactions: Vec<(Vec<&'static str>, Vec<Operation>)>) -> Vec<Fate> {
        let mut signed: Vec<Vec<u8>> =
            transactions.into_iter().map(|(by, operations)| self.bench.transaction(&by, operations)).collect();
        let genesis = self.bench.genesis.hash();
        signed.retain(|bytes| Transaction::parse(bytes.clone(), &genesis, 1 << 20).is_ok());
        let header = self.bench.header(&signed);
        let proposal = Proposal::sign(&header, signed, &pair("acme.example/1/proposal"));
        let judged = self.bench.judge_proposal(&proposal, 1).expect("valid");
        let leaves = self.timed(&judged);
        let index = self.bench.ledger.position().map_or(1, |position| position.index + 1);
        let appended = self.bench.ledger.append(Position { term: 1, index }, judged).expect("appends");
        assert_eq!(appended.block.leaves, leaves, "an executor that remembers other things decides the same");
        let fates: Vec<Fate> = appended.block.executed.iter().map(|executed| executed.fate.clone()).collect();
        fates.iter().for_each(|fate| self.check(fate));
        self.proposals.push(prost::Message::encode_to_vec(&proposal));
        self.appended.push(appended);
        fates
    }

    fn timed(&mut self, judged: &Judged) -> Vec<Vec<u8>> {
        let reader = self.bench.ledger.reader();
        let chain = self.bench.ledger.chain().clone();
        let execute = |executor: &mut Executor| {
            let started = Instant::now();
            let block = executor.execute(&reader, &chain, judged.header.time, &judged.transactions).expect("executes");
            (started.elapsed(), block.leaves)
        };
        let allowed = EXECUTION_MAX * judged.transactions.len().max(1) as u32;
        let (mut took, leaves) = execute(&mut self.other);
        for _ in 0..2 {
            if took > allowed {
                took = took.min(execute(&mut Executor::new(self.bench.genesis.origin())).0);
            }
        }
        self.met.slowest = self.met.slowest.max(took);
        let is_measured = !cfg!(debug_assertions);
        assert!(took <= allowed || !is_measured, "{took:?} to execute {:?}", judged.transactions[0].body);
        leaves
    }

    fn check(&mut self, fate: &Fate) {
        let Fate::Rejected(rejection) = fate else { return };
        let code = rejection.code.as_str();
        assert!(listed_codes().contains(code), "{code} is not in docs/formats.md");
        assert!(!rejection.detail.is_empty() && rejection.violations.len() <= 17, "{rejection:?}");
        *self.met.codes.entry(code.to_owned()).or_default() += 1;
    }

    /// Every version that is stored, by every reader, under every rule that was in force.
    fn read_everything(&mut self) {
        let reader = self.bench.ledger.reader();
        for (name, definitions) in &self.definitions {
            let rules: Vec<Rules> = definitions.iter().map(rules).collect();
            for document in reader.documents(name, "", 1000).expect("reads").0 {
                let id = document.record.id;
                let versions = reader.history(name, &id, 1, 1000).expect("reads");
                let values: Vec<Value> =
                    versions.into_iter().filter_map(|version| version.value.as_deref().cloned()).collect();
                let Some(newest) = values.last() else { continue };
                for (value, rules) in values.iter().flat_map(|value| rules.iter().map(move |rules| (value, rules))) {
                    for who in readers() {
                        see(rules, &who, &id, value, newest, self.met);
                    }
                    assert_eq!(rules.view(None, &id, value, None), anonymous(rules, value));
                }
            }
        }
    }
}

/// What is shown is the value without what is said to be left out, and that is what an explanation denies.
fn see(rules: &Rules, who: &Principal, id: &str, value: &Value, newest: &Value, met: &mut Met) {
    for current in [newest, value] {
        let View::Shown { value: shown, redacted } = rules.view(Some(who), id, value, Some(current)) else {
            met.hidden += 1;
            continue;
        };
        let left_out: BTreeSet<String> = redacted.into_iter().collect();
        met.redacted += left_out.len();
        met.whole += usize::from(left_out.is_empty());
        assert_eq!(Some(&shown), without(value, "", &left_out).as_ref(), "of {value} without {left_out:?}");
        assert!(left_out.is_empty() || !rules.reads_everything(Some(who)));
    }
    let asked = Asked { action: Action::Read, id, document: Some(value), after: None };
    let explained = rules.explain(who, &asked);
    let denied = |pointer: &str| explained.iter().any(|e| !e.allowed && e.pointer == pointer);
    match rules.view(Some(who), id, value, Some(value)) {
        View::Hidden => assert!(denied(""), "hidden, and no explanation says so"),
        View::Shown { redacted, .. } => {
            let expected: BTreeSet<&String> = explained.iter().filter(|e| !e.allowed).map(|e| &e.pointer).collect();
            assert_eq!(redacted.iter().collect::<BTreeSet<_>>(), expected);
        }
    }
}

/// The value without the places of these pointers.
fn without(value: &Value, pointer: &str, left_out: &BTreeSet<String>) -> Option<Value> {
    if left_out.contains(pointer) {
        return None;
    }
    let inner = |token: String, value: &Value| without(value, &format!("{pointer}/{token}"), left_out);
    Some(match value {
        Value::Array(elements) => {
            elements.iter().enumerate().filter_map(|(at, element)| inner(at.to_string(), element)).collect()
        }
        Value::Object(members) => {
            let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
            let kept = members.iter().filter_map(|(name, value)| Some((name.clone(), inner(escaped(name), value)?)));
            Value::Object(kept.collect())
        }
        scalar => scalar.clone(),
    })
}

fn anonymous(rules: &Rules, value: &Value) -> View {
    match rules.reads_every_document(None) {
        true => View::Shown { value: value.clone(), redacted: Vec::new() },
        false => View::Hidden,
    }
}

fn rules(definition: &Value) -> Rules {
    let access = serde_json::from_value(definition["access"].clone()).expect("it was accepted");
    Rules::compile(&access).expect("it was accepted")
}

fn attributes() -> [(String, Value); 2] {
    [
        (ACME.to_owned(), json!({"code": "AC", "roles": ["a", "open"], "to": true})),
        (BOLT.to_owned(), json!({"code": "b", "n": 1, "roles": []})),
    ]
}

fn readers() -> Vec<Principal> {
    let attributes: BTreeMap<String, Value> = attributes().into_iter().collect();
    let reader = |account: &str| {
        let known = attributes.get(organisation_of(account)).and_then(Value::as_object);
        Principal::new(account, known.unwrap_or(&Map::new()))
    };
    AUTHORS.map(reader).into_iter().collect()
}

/// The codes of rejection that docs/formats.md names.
fn listed_codes() -> BTreeSet<&'static str> {
    let formats = include_str!("../../docs/formats.md");
    let list = formats.split("Codes of rejection: `").nth(1).and_then(|rest| rest.split('`').next());
    list.expect("the list").split_whitespace().collect()
}

/// Another node takes in the same entries, and is restarted between them.
fn replay(proposals: &[Vec<u8>], appended: &[Appended]) {
    let (kv, genesis) = (Arc::new(MemoryKv::new()), genesis());
    let open = || Ledger::open(kv.clone(), &genesis).expect("opens");
    let mut ledger = open();
    for (at, (bytes, first)) in proposals.iter().zip(appended).enumerate() {
        if at % 5 == 0 {
            ledger = open();
        }
        let (membership, limits) = ledger.in_force().expect("reads");
        let chain = ledger.chain().clone();
        let judged = judge(bytes, 1, &chain, &genesis.origin(), &genesis.hash(), &membership, &limits).expect("valid");
        let again = ledger.append(Position { term: 1, index: at as u64 + 1 }, judged).expect("appends");
        assert_eq!(again.seal, first.seal, "block {at}");
        assert_eq!(again.log_root, first.log_root, "block {at}");
        assert_eq!(again.block.leaves, first.block.leaves, "block {at}");
    }
}

/// On little stack, as a node's threads may have: what is decided must not hang on it.
fn on_little_stack(work: impl FnOnce() -> Met + Send + 'static) -> Met {
    let bytes = if cfg!(debug_assertions) { 8 << 20 } else { 1 << 20 };
    std::thread::Builder::new().stack_size(bytes).spawn(work).expect("a thread").join().expect("it holds")
}

#[test]
fn whatever_is_defined_can_be_lived_with() {
    let met = on_little_stack(|| {
        let mut met = Met::default();
        (0..40).for_each(|seed| run(seed, &mut met));
        met
    });
    println!("{met:#?}");
    assert!(met.defined > 40 && met.refused > 20 && met.evolved > 20, "{met:?}");
    assert!(met.applied > 300 && met.hidden > 300 && met.redacted > 100 && met.whole > 300, "{met:?}");
    let expected = [
        "ALREADY_EXISTS",
        "BREAKING_CHANGE",
        "INVALID_VALUE",
        "NOT_FOUND",
        "PRECONDITION_FAILED",
        "RESERVED_NAME",
        "SCHEMA_VIOLATION",
        "TOO_LARGE",
        "UNAUTHORIZED",
        "VERSION_CONFLICT",
    ];
    for code in expected {
        assert!(met.codes.contains_key(code), "nothing was {code}: {met:?}");
    }
}

#[test]
#[ignore = "a long campaign: CAMPAIGN_SECONDS, or one seed again: CAMPAIGN_SEED"]
fn campaign() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let met = on_little_stack(move || {
        let mut met = Met::default();
        if let Some(seed) = number("CAMPAIGN_SEED") {
            run(seed, &mut met);
            return met;
        }
        let (started, lasts) = (Instant::now(), Duration::from_secs(number("CAMPAIGN_SECONDS").unwrap_or(600)));
        let mut seed = number("CAMPAIGN_FROM").unwrap_or(1_000_000);
        while started.elapsed() < lasts {
            run(seed, &mut met);
            seed += 1;
        }
        println!("seeds up to {seed}");
        met
    });
    println!("{met:#?}");
}
