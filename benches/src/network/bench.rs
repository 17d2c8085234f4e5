//! Run the rounds, ours and the peers' in turn, and check each of ours afterwards.

use super::plan::{self, Closed};
use super::{Arguments, Open, Promise};
use crate::Failure;
use crate::checked::Checker;
use crate::drive::{Drive, Driven, Pace};
use crate::machine::{Machine, now};
use crate::peers::Peer;
use crate::records;
use crate::report::{Case, Report, Settings};
use crate::setup::Stage;
use crate::snapshot::{PUBLISHED_EVERY, Snapshot, Watched, wait_quiet};
use countersign_client::{Client, ReceiptOf};
use countersign_proof::{Hash, Trust};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

/// More a second than we expect, for the first round of a kind; and of one under way.
const SIGNED_A_SECOND: f64 = 20_000.0;
const SIGNED_A_SECOND_EACH: f64 = 700.0;
/// Of what a round before used.
const SIGNED_AGAIN: f64 = 1.5;
/// Receipts of a round that are fetched and verified as a client would.
const RECEIPTS: usize = 8;
const RECEIPT_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Bench {
    arguments: Arguments,
    stage: Stage,
    nodes: Vec<Watched>,
    checker: Checker,
    peers: Vec<Peer>,
    report: Report,
    /// The largest rate that each kind of round has had.
    rates: BTreeMap<String, f64>,
}

type Figures = BTreeMap<String, f64>;

impl Bench {
    /// Starts everything, and loads the documents that are there before.
    pub(super) fn start(arguments: Arguments) -> Result<Bench, Failure> {
        let began = now();
        let accounts = arguments.accounts.iter().copied().max().unwrap_or(1);
        let round_trip = Duration::from_millis(arguments.round_trip_ms);
        let mut stage = Stage::start(arguments.organisations.into(), accounts, round_trip)?;
        let nodes = Watched::all(&mut stage.network)?;
        let trust = Trust::from_genesis(stage.load.genesis());
        let checker = Checker::new(trust, nodes.iter().map(Watched::http_port).collect());
        stage.runtime.block_on(stage.load.check_rule())?;
        let preload_seconds = stage.runtime.block_on(stage.load.preload(arguments.preload))?.as_secs_f64();
        let peers = arguments.peer.iter().map(|kind| Peer::start(*kind)).collect::<Result<Vec<_>, _>>()?;
        let settings = Settings {
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            organisations: arguments.organisations.into(),
            round_trip_ms: arguments.round_trip_ms,
            seconds: arguments.seconds,
            runs: arguments.runs,
            preload: arguments.preload,
            preload_seconds,
            documents: records::IN_WORDS.to_owned(),
            peers: peers.iter().map(|peer| (peer.kind.name().to_owned(), peer.version.clone())).collect(),
        };
        let report = Report {
            machine: Machine::here(),
            began,
            ended: String::new(),
            settings,
            checked: crate::checked::Checked::default(),
            overall: Figures::new(),
            rows: Vec::new(),
        };
        Ok(Bench { arguments, stage, nodes, checker, peers, report, rates: BTreeMap::new() })
    }

    /// All runs.
    pub(super) fn measure(&mut self) -> Result<Report, Failure> {
        let before = Snapshot::take(&self.nodes)?;
        for run in 1..=self.arguments.runs {
            let mut peak = 0.0_f64;
            for closed in plan::closed(&self.arguments) {
                say(run, &closed.case());
                let figures = self.closed(closed)?;
                if closed.level == Promise::Certified {
                    peak = peak.max(figures["per_second"]);
                }
                self.report.add(closed.case(), figures);
                self.peers(run, closed)?;
            }
            for rate in self.arguments.rates.clone() {
                self.open(run, "open", rate as f64)?;
            }
            if self.arguments.open == Open::Half && peak > 0.0 {
                self.open(run, "half", peak / 2.0)?;
            }
            if self.arguments.overload > 0 && peak > 0.0 {
                self.overload(run, peak)?;
            }
        }
        self.report.overall = Snapshot::take(&self.nodes)?.since(&before, self.report.checked.transactions);
        self.report.ended = now();
        Ok(self.report.clone())
    }

    fn closed(&mut self, closed: Closed) -> Result<Figures, Failure> {
        let leader = if closed.leader { Some(self.stage.network.leader()?) } else { None };
        let kind = format!("{closed:?}");
        let guess = SIGNED_A_SECOND.min(SIGNED_A_SECOND_EACH * closed.in_flight as f64);
        let rate = self.rates.get(&kind).map_or(guess, |rate| rate * SIGNED_AGAIN);
        let drive = self.drive(Pace::Closed { in_flight: closed.in_flight }, closed.level);
        let (driven, figures) = self.round(drive, leader, rate, closed.in_flight, closed.accounts)?;
        driven.all_applied()?;
        let most = self.rates.entry(kind).or_default();
        *most = most.max(figures["per_second"]);
        Ok(figures)
    }

    fn open(&mut self, run: usize, pace: &str, rate: f64) -> Result<(), Failure> {
        let case = self.case(pace, if pace == "half" { 0 } else { rate as u64 });
        say(run, &case);
        let drive = self.drive(Pace::Open { rate }, Promise::Certified);
        let (driven, mut figures) = self.round(drive, None, rate, 64, case.accounts)?;
        driven.all_applied()?;
        figures.insert("offered_per_second".into(), rate);
        self.report.add(case, figures);
        Ok(())
    }

    /// Far more is offered than can be done; what is done is a share of the peak.
    fn overload(&mut self, run: usize, peak: f64) -> Result<(), Failure> {
        let case = self.case("overload", 0);
        say(run, &case);
        let (rate, waiting_max) = (peak * f64::from(self.arguments.overload), self.arguments.overload_waiting);
        let drive = self.drive(Pace::Overload { rate, waiting_max }, Promise::Certified);
        // The peak is only the best of what was asked for: with few in flight a network can do far more.
        let most = rate.min(SIGNED_A_SECOND.max(peak * SIGNED_AGAIN));
        let (driven, mut figures) = self.round(drive, None, 2.0 * most, waiting_max, case.accounts)?;
        figures.insert("offered_per_second".into(), rate);
        figures.insert("goodput_percent".into(), 100.0 * figures["per_second"] / peak);
        figures.insert("turned_away_percent".into(), 100.0 * driven.turned_away as f64 / driven.offered.max(1) as f64);
        figures.insert("sent_again".into(), driven.again as f64);
        figures.insert("never_known".into(), driven.failed as f64);
        if driven.failed > 0 {
            eprintln!("overload: {} have no definite answer, the last: {}", driven.failed, driven.reason);
        }
        self.report.add(case, figures);
        Ok(())
    }

    fn peers(&mut self, run: usize, closed: Closed) -> Result<(), Failure> {
        let compared = closed.level == Promise::Certified && Some(&closed.accounts) == self.arguments.accounts.first();
        if !compared {
            return Ok(());
        }
        let lasts = Duration::from_secs(self.arguments.seconds);
        for peer in &mut self.peers {
            let Some(to) = peer.kind.to(closed.to(), closed.in_flight) else { continue };
            let (system, level) = (peer.kind.name().to_owned(), "answered".to_owned());
            let case = Case { system, level, to, accounts: 0, ..closed.case() };
            say(run, &case);
            let figures = peer.run(&case.to, closed.in_flight, lasts)?;
            self.report.add(case, figures);
        }
        Ok(())
    }

    fn case(&self, pace: &str, rate: u64) -> Case {
        Case {
            system: "countersign".into(),
            level: Promise::Certified.name().into(),
            to: "all".into(),
            pace: pace.into(),
            in_flight: 0,
            rate,
            accounts: self.arguments.accounts.first().copied().unwrap_or(1),
        }
    }

    fn drive(&self, pace: Pace, level: Promise) -> Drive {
        Drive { pace, level: level.level(), lasts: Duration::from_secs(self.arguments.seconds) }
    }

    /// Signs enough for `rate` a second and `beside` more, hands them in at the leader or at all, checks what was
    /// answered, and reads off what it took.
    fn round(
        &mut self,
        drive: Drive,
        leader: Option<usize>,
        rate: f64,
        beside: usize,
        accounts: usize,
    ) -> Result<(Driven, Figures), Failure> {
        let count = (rate * drive.lasts.as_secs_f64()).ceil() as usize + beside;
        let rows = self.stage.load.sign(count, accounts)?;
        let clients: Vec<Client> = match leader {
            Some(leader) => vec![self.stage.load.clients[leader].clone()],
            None => self.stage.load.clients.clone(),
        };
        wait_quiet(&self.nodes)?;
        let before = Snapshot::take(&self.nodes)?;
        let driving = self.stage.runtime.spawn(async move { drive.run(&clients, rows).await });
        let driven = self.stage.runtime.block_on(driving)??;
        sleep(PUBLISHED_EVERY);
        let after = Snapshot::take(&self.nodes)?;
        if driven.window.is_empty() {
            return Err(format!("the {count} signed transactions were gone before anything was counted").into());
        }
        if driven.ran_out {
            eprintln!("the {count} signed transactions did not last; the round was cut short");
        }
        let latencies = &driven.latencies;
        let mut figures = after.since(&before, latencies.answered());
        figures.insert("per_second".into(), latencies.per_second(driven.window));
        for (name, share) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999)] {
            figures.insert(name.into(), latencies.ms(share));
        }
        self.check(&driven.applied)?;
        Ok((driven, figures))
    }

    fn check(&mut self, counted: &[(Hash, u64)]) -> Result<(), Failure> {
        let checked = self.checker.check(counted)?;
        self.report.checked.transactions += checked.transactions;
        self.report.checked.certificates += checked.certificates;
        let clients = &self.stage.load.clients;
        let some = counted.iter().step_by((counted.len() / RECEIPTS).max(1)).take(RECEIPTS).zip(clients.iter().cycle());
        for ((id, leaf), client) in some {
            let fetching = client.receipt(ReceiptOf::Transaction(*id), RECEIPT_WITHIN);
            let proven = self.stage.runtime.block_on(fetching)?;
            if proven.proof.index() != *leaf {
                return Err(format!("the receipt of {id} is of leaf {}, not {leaf}", proven.proof.index()).into());
            }
            self.report.checked.receipts += 1;
        }
        Ok(())
    }
}

/// So that whoever waits sees what is measured.
fn say(run: usize, case: &Case) {
    let Case { system, level, to, pace, in_flight, rate, .. } = case;
    let load = if *in_flight > 0 { format!("{in_flight} in flight") } else { format!("{rate}/s") };
    eprintln!("run {run}: {system} {level} to {to}, {pace}, {load}");
}
