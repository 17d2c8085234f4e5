//! Run one seed: a network, its clients, what befalls it, and the verdict.

use crate::alarm;
use crate::canon::Canon;
use crate::clients::Clients;
use crate::founding::{BEGAN_MS, found};
use crate::host::{Host, Turn};
use crate::power::Power;
use crate::random::Random;
use crate::trace::Trace;
use crate::verdict::judge;
use countersign_node::TokioClock;
use countersign_p2p::MemoryNetwork;
use countersign_proof::Genesis;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const STEP_MS_MAX: u64 = 40;
/// How long things befall the network.
const TROUBLED: Duration = Duration::from_secs(40);
/// How long it may then take until all is answered and certified by all.
const SETTLING_MAX: Duration = Duration::from_secs(60);
/// How long the last transactions may take.
const LAST_MAX: Duration = Duration::from_secs(20);
const LAST: usize = 5;
const TROUBLE_ONCE_IN: u64 = 60;
const PULSE: Duration = Duration::from_secs(1);
const SKEW_MS_MAX: u64 = 5_000;

/// What a run exercised.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    /// Blocks after the genesis.
    pub blocks: u64,
    /// Transactions on the ledger.
    pub transactions: u64,
    /// Terms that had a leader, less the first.
    pub leader_changes: u64,
    /// Times that a node lost its power.
    pub crashes: u64,
    /// Unsynced writes that crashes lost.
    pub lost_writes: u64,
    /// Those of them between a line of the sign lock and its signature.
    pub signing_crashes: u64,
    /// Times that links were cut.
    pub cuts: u64,
    /// Times that a node stopped and started in good order.
    pub restarts: u64,
    /// Times that a node was behind the purged log.
    pub catch_ups: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
}

/// What a run left behind.
pub struct Run {
    /// What it exercised.
    pub counts: Counts,
    /// What happened, to be compared.
    pub trace: String,
    /// Why it is red.
    pub failure: Option<String>,
}

/// What befalls the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// Everything, now and then.
    Mixed,
    /// The power goes between a line of the sign lock and its signature, as often as there is a signature.
    Signing,
}

/// Runs a seed to its end, on tokio's paused clock.
pub async fn run(seed: u64, faults: Faults) -> Run {
    drop(alarm::take());
    let mut world = World::new(seed, faults);
    let failure = world.live().await.err();
    world.counts.blocks = world.canon.blocks();
    world.counts.leader_changes = world.canon.leader_changes();
    world.counts.virtual_ms = world.trace.elapsed_ms();
    if let Some(failure) = &failure {
        world.trace.note("failure", json!(failure));
    }
    Run { counts: world.counts, trace: world.trace.into_text(), failure }
}

struct World {
    genesis: Genesis,
    network: MemoryNetwork,
    hosts: Vec<Host>,
    clients: Clients,
    canon: Canon,
    trace: Trace,
    counts: Counts,
    /// Links that are cut, and until when.
    cut: BTreeMap<(usize, usize), Instant>,
    faults: Faults,
    pulsed: Instant,
    random: Random,
}

impl World {
    fn new(seed: u64, faults: Faults) -> World {
        let mut random = Random::of(seed);
        let (genesis, founders) = found(&mut random.branch());
        let network = MemoryNetwork::default();
        let clients = Clients::new(&genesis, &founders, random.branch());
        let hosts = founders.into_iter().map(|founder| {
            let power = Power::on(network.clone(), founder.address.clone(), Vec::new());
            let clock = TokioClock::starting_at(BEGAN_MS + random.below(SKEW_MS_MAX));
            let outage_ms_max = if faults == Faults::Signing { 200 } else { 5_000 };
            Host::new(founder, power, clock, outage_ms_max, random.branch())
        });
        World {
            hosts: hosts.collect(),
            canon: Canon::of(&genesis),
            genesis,
            network,
            clients,
            trace: Trace::begin(),
            counts: Counts::default(),
            cut: BTreeMap::new(),
            faults,
            pulsed: Instant::now(),
            random,
        }
    }

    async fn live(&mut self) -> Result<(), String> {
        let troubled_until = Instant::now() + TROUBLED;
        while Instant::now() < troubled_until {
            self.trouble();
            self.step(false).await?;
        }
        self.trace.note("peace", json!(null));
        self.cut.clear();
        self.settle().await?;
        self.last().await?;
        self.listen()?;
        self.counts.transactions = judge(&self.hosts, &self.clients, &self.genesis)?;
        Ok(())
    }

    /// Until all nodes run, everything is answered, and everyone has certified everyone's tip.
    async fn settle(&mut self) -> Result<(), String> {
        let until = Instant::now() + SETTLING_MAX;
        while !self.is_settled() {
            if Instant::now() > until {
                return Err(format!("not settled after {SETTLING_MAX:?}: {}", self.standing()));
            }
            self.step(true).await?;
        }
        Ok(())
    }

    fn is_settled(&self) -> bool {
        let nodes: Vec<_> = self.hosts.iter().filter_map(Host::node).collect();
        let tips = nodes.iter().map(|node| node.applied().chain.size).collect::<Vec<_>>();
        let level =
            tips.iter().all(|tip| *tip == tips[0]) && nodes.iter().all(|node| node.certified().everyone == tips[0]);
        nodes.len() == self.hosts.len() && level && self.clients.is_idle()
    }

    fn standing(&self) -> String {
        let shown = |host: &Host| match host.node() {
            None => format!("{} down", host.founder.node),
            Some(node) => {
                let (applied, certified, status) = (node.applied().chain, node.certified(), node.consensus());
                format!(
                    "{}: height {} size {} {certified:?} {status:?}",
                    host.founder.node, applied.height, applied.size
                )
            }
        };
        self.hosts.iter().map(shown).collect::<Vec<_>>().join("\n  ")
    }

    /// It still serves: each node takes some, and everyone countersigns them.
    async fn last(&mut self) -> Result<(), String> {
        let mut last = Vec::new();
        for number in 0..LAST {
            let host = &self.hosts[number % self.hosts.len()];
            let node = host.node().ok_or("a node is down at the end")?;
            last.push(self.clients.submit_last(node, &host.power, &mut self.trace));
        }
        let until = Instant::now() + LAST_MAX;
        while !(self.clients.is_idle() && self.is_settled()) {
            if Instant::now() > until {
                return Err(format!("the last transactions are not served: {}", self.standing()));
            }
            self.step(true).await?;
        }
        let applied = |index: &usize| self.clients.intents[*index].answer.as_ref().is_some_and(|a| a.code.is_empty());
        if last.iter().all(applied) { Ok(()) } else { Err("a last transaction was not applied".into()) }
    }

    /// Moves everything by one step, looks at everything, and waits a little.
    async fn step(&mut self, peace: bool) -> Result<(), String> {
        self.wire();
        self.listen()?;
        for at in 0..self.hosts.len() {
            self.turn(at)?;
            self.look(at).map_err(|e| format!("{}: {e}", self.hosts[at].founder.node))?;
        }
        self.answers()?;
        self.submit(peace);
        self.pulse();
        sleep(Duration::from_millis(self.random.between(1, STEP_MS_MAX))).await;
        Ok(())
    }

    /// Cuts and heals the wires between the hosts as power and faults have it.
    fn wire(&mut self) {
        self.cut.retain(|_, until| *until > Instant::now());
        for (one, other) in pairs() {
            let powered = self.hosts[one].is_powered() && self.hosts[other].is_powered();
            let (a, b) = (&self.hosts[one].founder.address, &self.hosts[other].founder.address);
            if powered && !self.cut.contains_key(&(one, other)) {
                self.network.heal(a, b);
            } else {
                self.network.cut(a, b);
            }
        }
    }

    fn turn(&mut self, at: usize) -> Result<(), String> {
        if self.hosts[at].is_due() {
            let others = self.hosts.iter().map(|host| host.founder.address.clone());
            let others = others.enumerate().filter(|(other, _)| *other != at).map(|(_, address)| address).collect();
            let power = Power::on(self.network.clone(), self.hosts[at].founder.address.clone(), others);
            self.trace.note("start", json!(self.hosts[at].founder.node));
            self.hosts[at].start(&self.genesis, &self.network, power);
        }
        let turn = self.hosts[at].turn()?;
        if turn != Turn::None {
            self.trace.note("turn", json!({ "node": self.hosts[at].founder.node, "to": format!("{turn:?}") }));
        }
        match turn {
            Turn::Crashed(lost) => {
                self.counts.crashes += 1;
                self.counts.signing_crashes += u64::from(self.hosts[at].power.went_at_signing());
                self.counts.lost_writes += lost as u64;
            }
            Turn::Stopped => self.counts.restarts += 1,
            Turn::Up | Turn::None => {}
        }
        Ok(())
    }

    /// Compares what a node shows with what is known.
    fn look(&mut self, at: usize) -> Result<(), String> {
        let host = &mut self.hosts[at];
        let name = host.founder.node.clone();
        let Some(node) = host.node() else { return Ok(()) };
        let (reader, tip, certified) = (node.reader(), node.applied().chain, node.certified());
        let lead = node.consensus().leadership;
        self.canon.cursors(node, self.counts.catch_ups == 0)?;
        // Whatever befell the honest, it never looks like a lie.
        if let Some(accused) = node.accused().first() {
            return Err(format!("it holds evidence against {accused}, and nobody lied"));
        }
        if let Some((refused, reason)) = node.refused().first() {
            return Err(format!("it refuses {refused}, and nobody lied: {reason}"));
        }
        if lead.here {
            self.canon.leads(&name, lead.term)?;
        }
        if host.seen_lead != (lead.here, lead.term) {
            host.seen_lead = (lead.here, lead.term);
            self.trace.note("term", json!({ "leads": lead.here, "node": name, "term": lead.term }));
        }
        // After a crash it may stand lower, and makes the same blocks again.
        for height in host.seen_height.min(tip.height + 1)..=tip.height {
            let (seal, term) = self.canon.seal(&name, &reader, height)?;
            self.trace.note("applied", json!({ "height": height, "node": name, "seal": seal, "term": term }));
        }
        host.seen_height = tip.height + 1;
        if certified.size != host.seen_certified {
            let root = self.canon.certificate(&name, &reader, certified.size)?;
            host.seen_certified = certified.size;
            self.trace.note("certified", json!({ "node": name, "root": root, "size": certified.size }));
        }
        Ok(())
    }

    /// Takes the clients' answers; what they were told is certified has its certificate.
    fn answers(&mut self) -> Result<(), String> {
        for (name, leaf) in self.clients.take_answers(&mut self.trace)? {
            let host = self.hosts.iter().find(|host| host.founder.node == name);
            let Some(node) = host.and_then(Host::node) else { continue };
            if node.reader().certificate_from(leaf + 1).map_err(|e| e.to_string())?.is_none() {
                return Err(format!("{name} answered that leaf {leaf} is certified, and has no certificate"));
            }
        }
        Ok(())
    }

    fn submit(&mut self, peace: bool) {
        let at = self.random.below(self.hosts.len() as u64) as usize;
        let host = &self.hosts[at];
        match host.node() {
            Some(node) if peace => self.clients.submit_unknown(node, &host.power, &mut self.trace),
            Some(node) => self.clients.submit_some(node, &host.power, &mut self.trace),
            None => {}
        }
    }

    /// A panic is a failure, and so is an ERROR while nobody's disks have failed.
    fn listen(&mut self) -> Result<(), String> {
        let heard = alarm::take();
        self.counts.catch_ups += heard.catch_ups;
        if let Some(panic) = heard.panics.first() {
            return Err(format!("a panic: {panic}"));
        }
        let all_well = self.hosts.iter().all(|host| host.node().is_some());
        match heard.errors.first() {
            Some(error) if all_well => Err(format!("an ERROR: {error}")),
            _ => Ok(()),
        }
    }

    fn pulse(&mut self) {
        if self.pulsed.elapsed() >= PULSE {
            self.pulsed = Instant::now();
            let effects: Vec<u64> = self.hosts.iter().map(|host| host.power.effects()).collect();
            self.trace.note("effects", json!(effects));
        }
    }

    /// Now and then something befalls the network.
    fn trouble(&mut self) {
        if self.faults == Faults::Signing {
            return self.trouble_signing();
        }
        if !self.random.once_in(TROUBLE_ONCE_IN) {
            return;
        }
        let at = self.victim();
        let name = self.hosts[at].founder.node.clone();
        let until = Instant::now() + Duration::from_millis(self.random.between(100, 6_000));
        match self.random.below(14) {
            0..3 => {
                let pair = *self.random.pick(&pairs());
                self.cut.insert(pair, until);
                self.counts.cuts += 1;
                self.trace.note("cut", json!([pair.0, pair.1]));
            }
            3..5 => {
                self.cut
                    .extend(pairs().into_iter().filter(|pair| pair.0 == at || pair.1 == at).map(|pair| (pair, until)));
                self.counts.cuts += 1;
                self.trace.note("isolated", json!(name));
            }
            5..7 => {
                self.hosts[at].power.cut();
                self.trace.note("power cut", json!(name));
            }
            7..11 => {
                let effects = self.random.below(80);
                self.hosts[at].power.cut_after(effects);
                self.trace.note("fuse", json!({ "effects": effects, "node": name }));
            }
            11..13 => {
                self.hosts[at].power.cut_at_signing();
                self.trace.note("cut at signing", json!(name));
            }
            _ => {
                self.hosts[at].stop();
                self.trace.note("stop", json!(name));
            }
        }
    }

    /// Some host's power goes at its next signature; a second one's only while both others run, so that blocks are made.
    fn trouble_signing(&mut self) {
        let all_run = self.hosts.iter().all(|host| host.node().is_some());
        if all_run && self.random.once_in(2) {
            let at = self.random.below(self.hosts.len() as u64) as usize;
            self.hosts[at].power.cut_at_signing();
        }
    }

    /// The leader half of the time.
    fn victim(&mut self) -> usize {
        let any = self.random.below(self.hosts.len() as u64) as usize;
        let leads = |host: &Host| host.node().is_some_and(|node| node.leads());
        let leader = self.hosts.iter().position(leads);
        leader.filter(|_| self.random.once_in(2)).unwrap_or(any)
    }
}

fn pairs() -> [(usize, usize); 3] {
    [(0, 1), (0, 2), (1, 2)]
}
