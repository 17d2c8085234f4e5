//! Play the organisations' clients: sign, submit through any node, submit again what stayed unknown.

use crate::founding::{BEGAN_MS, COLLECTION, Founder};
use crate::power::Power;
use crate::random::Random;
use crate::trace::Trace;
use countersign_node::Node;
use countersign_proof::operation::Change;
use countersign_proof::precondition::Condition;
use countersign_proof::{
    Body, Genesis, Hash, Increment, KeyPair, Operation, Precondition, Signer, Transaction, canonical,
};
use countersign_proto::v1;
use futures::FutureExt;
use serde_json::{Value, json};
use std::collections::VecDeque;
use tokio::task::JoinSet;

/// Documents that exist from the start and are only incremented: what they hold at the end is the sum.
pub const COUNTERS: u64 = 3;
const IN_FLIGHT_MAX: usize = 48;

/// A transaction that a client wants to have.
pub struct Intent {
    /// As it is signed.
    pub transaction: Transaction,
    /// What it adds to which counter.
    pub adds: Option<(String, i64)>,
    /// The first answer that says where it stands; all later ones must say the same.
    pub answer: Option<Recorded>,
    /// Another body of the same signer has its nonce, and came first.
    pub outrun: bool,
    /// Whether another body has its nonce at all.
    twin: bool,
}

/// What an answer says of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Where it stands.
    pub leaf_index: u64,
    /// Its block.
    pub height: u64,
    /// Applied or rejected.
    pub outcome: v1::Outcome,
    /// Why it was rejected.
    pub code: String,
}

/// An answer as it came, or what the refusal says.
type Answered = (usize, String, Result<v1::SubmitResponse, String>);

/// All clients.
pub struct Clients {
    /// Everything that was ever signed.
    pub intents: Vec<Intent>,
    genesis: Hash,
    signers: Vec<(String, KeyPair)>,
    /// Intents whose answer was unknown.
    unknown: VecDeque<usize>,
    in_flight: JoinSet<Answered>,
    random: Random,
}

impl Clients {
    /// One for each founder.
    pub fn new(genesis: &Genesis, founders: &[Founder], random: Random) -> Clients {
        let signers = founders.iter().map(|f| (f.account.clone(), f.account_key.clone())).collect();
        let (unknown, in_flight) = (VecDeque::new(), JoinSet::new());
        let mut clients = Clients { intents: Vec::new(), genesis: genesis.hash(), signers, unknown, in_flight, random };
        for number in 0..COUNTERS {
            let document = canonical(&json!({ "number": 0 }));
            let index = clients.sign(vec![on(&format!("counter{number}"), Change::Create(document))], 0, None, None);
            clients.unknown.push_back(index);
        }
        clients
    }

    /// Now and then something new, something repeated, or something unknown, through a node.
    pub fn submit_some(&mut self, node: &Node, power: &Power, trace: &mut Trace) {
        if self.in_flight.len() >= IN_FLIGHT_MAX || !self.random.once_in(3) {
            return;
        }
        let index = match self.random.below(8) {
            0 | 1 if !self.unknown.is_empty() => self.unknown.pop_front().expect("it is not empty"),
            2 => self.random.below(self.intents.len() as u64) as usize,
            _ => self.invent(trace.elapsed_ms()),
        };
        let level = *self.random.pick(&[v1::Level::Committed, v1::Level::Certified, v1::Level::Certified]);
        let timeout_ms = self.random.between(500, 4_000) as u32;
        self.submit(index, node, power, level, timeout_ms, trace);
    }

    /// Everything without an answer, with time enough.
    pub fn submit_unknown(&mut self, node: &Node, power: &Power, trace: &mut Trace) {
        while self.in_flight.len() < IN_FLIGHT_MAX
            && let Some(index) = self.unknown.pop_front()
        {
            self.submit(index, node, power, v1::Level::All, 20_000, trace);
        }
    }

    /// A new one, which every organisation must countersign.
    pub fn submit_last(&mut self, node: &Node, power: &Power, trace: &mut Trace) -> usize {
        let operation = on("counter0", Change::Increment(Increment { pointer: "/number".into(), by: 1 }));
        let index = self.sign(vec![operation], 0, Some(("counter0".into(), 1)), None);
        self.submit(index, node, power, v1::Level::All, 20_000, trace);
        index
    }

    fn submit(
        &mut self,
        index: usize,
        node: &Node,
        power: &Power,
        level: v1::Level,
        timeout_ms: u32,
        trace: &mut Trace,
    ) {
        let bytes = self.intents[index].transaction.bytes.clone();
        let request = v1::SubmitRequest { transaction: bytes, level: level.into(), timeout_ms, sequence: index as u64 };
        let (answer, power, name) = (node.submit(request), power.clone(), node.name().to_owned());
        trace.note("submit", json!({ "intent": index, "level": level.as_str_name(), "node": name }));
        self.in_flight.spawn(async move {
            let answer = answer.await.map_err(|status| format!("{:?}: {}", status.code(), status.message()));
            // What a node says after its power is gone, nobody hears.
            let unheard = v1::SubmitResponse { outcome: v1::Outcome::Unknown.into(), ..v1::SubmitResponse::default() };
            (index, name, if power.is_on() { answer } else { Ok(unheard) })
        });
    }

    /// Takes the answers that have come. Errs on one that contradicts an earlier one, or must not be.
    pub fn take_answers(&mut self, trace: &mut Trace) -> Result<Vec<(String, u64)>, String> {
        let mut certified = Vec::new();
        while let Some(Some(answered)) = self.in_flight.join_next().now_or_never() {
            let (index, node, answer) = answered.map_err(|error| format!("a submission panicked: {error}"))?;
            certified.extend(self.take(index, &node, answer, trace)?.map(|leaf_index| (node, leaf_index)));
        }
        Ok(certified)
    }

    /// Whether nothing is unanswered.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.unknown.is_empty()
    }

    /// The leaf, when its answer said that it is certified.
    fn take(
        &mut self,
        index: usize,
        node: &str,
        answer: Result<v1::SubmitResponse, String>,
        trace: &mut Trace,
    ) -> Result<Option<u64>, String> {
        let intent = &mut self.intents[index];
        let response = match answer {
            Ok(response) => response,
            Err(refusal) if intent.twin && intent.answer.is_none() && refusal.contains("used the nonce") => {
                trace.note("refused", json!({ "intent": index, "node": node, "why": "nonce" }));
                intent.outrun = true;
                return Ok(None);
            }
            Err(refusal) => return Err(format!("{node} refused intent {index}: {refusal}")),
        };
        let (outcome, level) = (response.outcome(), response.level());
        trace.note(
            "answer",
            json!({
                "code": response.code, "height": response.height, "intent": index, "leaf": response.leaf_index,
                "level": level.as_str_name(), "missing": response.missing, "node": node,
                "outcome": outcome.as_str_name(),
            }),
        );
        let (Some(leaf_index), Some(height)) = (response.leaf_index, response.height) else {
            if outcome != v1::Outcome::Unknown {
                return Err(format!("{node} answered intent {index} with {outcome:?} and no leaf"));
            }
            if intent.answer.is_none() && !intent.outrun && !self.unknown.contains(&index) {
                self.unknown.push_back(index);
            }
            return Ok(None);
        };
        let recorded = Recorded { leaf_index, height, outcome, code: response.code };
        let first = intent.answer.get_or_insert_with(|| recorded.clone());
        if *first != recorded || intent.outrun {
            return Err(format!("intent {index} was {first:?} (outrun: {}), then {recorded:?}", intent.outrun));
        }
        Ok((level >= v1::Level::Certified).then_some(leaf_index))
    }

    /// Signs something new: most apply, some must be rejected, some expire, some use a nonce again.
    fn invent(&mut self, now_ms: u64) -> usize {
        let random = &mut self.random;
        let counter = format!("counter{}", random.below(COUNTERS));
        let id = format!("thing{}", random.below(60));
        let by = random.between(1, 9) as i64;
        let mut adds = None;
        let change = match random.below(10) {
            0..4 => {
                adds = Some((counter.clone(), by));
                on(&counter, Change::Increment(Increment { pointer: "/number".into(), by }))
            }
            4..7 => on(&id, Change::Create(canonical(&json!({ "number": by })))),
            7 => on(&id, Change::Patch(canonical(&json!({ "note": format!("at {now_ms}") })))),
            8 => on(&id, Change::Patch(canonical(&json!({ "number": "not an integer" })))),
            _ => {
                let condition = Some(Condition::Version(random.below(4)));
                let patch = on(&id, Change::Patch(canonical(&json!({ "number": by }))));
                Operation { precondition: Some(Precondition { condition }), ..patch }
            }
        };
        let expires_ms = if random.once_in(8) { BEGAN_MS + now_ms + random.between(200, 8_000) } else { 0 };
        // Not of a counter's first version: without it nothing could be added.
        let twin = random.once_in(12).then(|| random.between(COUNTERS, self.intents.len() as u64) as usize);
        let twin = twin.filter(|index| *index < self.intents.len());
        self.sign(vec![change], expires_ms, adds, twin)
    }

    fn sign(
        &mut self,
        operations: Vec<Operation>,
        expires_ms: u64,
        adds: Option<(String, i64)>,
        twin: Option<usize>,
    ) -> usize {
        let nonce = self.random.bytes::<16>().to_vec();
        let account = self.random.below(self.signers.len() as u64) as usize;
        let (account, nonce) = match twin.map(|index| &self.intents[index].transaction.body) {
            None => (account, nonce),
            Some(body) => {
                let of = |(account, _): &(String, KeyPair)| *account == body.signers[0].account;
                (self.signers.iter().position(of).expect("one of ours signed"), body.nonce.clone())
            }
        };
        let (account, key) = &self.signers[account];
        let signers = vec![Signer { account: account.clone(), public_key: key.public().as_bytes().to_vec() }];
        let body = Body {
            genesis: self.genesis.0.to_vec(),
            nonce,
            expires_ms,
            // So that no two bodies are the same.
            caller: format!("intent/{}", self.intents.len()),
            operations,
            signers,
        };
        let transaction = Transaction::parse(body.sign(&[key]), &self.genesis, 1 << 20).expect("a transaction of ours");
        let twins = self.intents.iter_mut().filter(|intent| intent.transaction.id == transaction.id);
        let twin = twins.map(|intent| intent.twin = true).count() > 0;
        self.intents.push(Intent { transaction, adds, answer: None, outrun: false, twin });
        self.intents.len() - 1
    }
}

fn on(id: &str, change: Change) -> Operation {
    Operation { collection: COLLECTION.into(), id: id.into(), precondition: None, change: Some(change) }
}

/// The integer that a counter's document holds.
pub fn number_in(value: Option<&Value>) -> i64 {
    value.and_then(|value| value["number"].as_i64()).unwrap_or_default()
}
