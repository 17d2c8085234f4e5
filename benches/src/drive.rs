//! Hand signed transactions in, in a closed loop or each when it is due, and note what became of them.

use crate::Failure;
use crate::latency::{Latencies, Window};
use crate::load::TIMEOUT;
use countersign_client::{BulkOptions, BulkResult, BulkRow, Client, Level, Outcome};
use countersign_proof::Hash;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

/// Transactions under way that share a stream: as many as a node reads ahead.
const STREAM_IN_FLIGHT: usize = 1_024;
/// As many as the SDK has under way on one stream; what is due meanwhile waits, and its time runs.
const OPEN_IN_FLIGHT: usize = 4_096;
const RESULTS_AT_ONCE: usize = 256;
/// What follows the end of an overload: all that is under way then must become known.
const DRAIN_MAX: Duration = Duration::from_secs(120);

/// When the next transaction is handed in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// When one before is answered: so many are under way.
    Closed { in_flight: usize },
    /// At a fixed rate, whether answers come or not.
    Open { rate: f64 },
    /// At a rate beyond what the network can do; no more than so many wait, and who comes then is turned away.
    Overload { rate: f64, waiting_max: usize },
}

/// One round of load.
#[derive(Debug, Clone, Copy)]
pub struct Drive {
    pub pace: Pace,
    pub level: Level,
    pub lasts: Duration,
}

/// What became of it.
pub struct Driven {
    /// From when a transaction was handed in, or was due, to its answer.
    pub latencies: Latencies,
    pub window: Window,
    /// Those applied, each with the index of its leaf.
    pub applied: Vec<(Hash, u64)>,
    /// Those of which no definite answer came, or another than "applied", with the reason of the last.
    pub failed: u64,
    pub reason: String,
    /// Those that were to be handed in.
    pub offered: u64,
    /// Those of them for which there was no room to wait.
    pub turned_away: u64,
    /// Times that a transaction was refused for the moment, or unknown, and handed in again.
    pub again: u64,
    /// Whether there were too few signed transactions to the end.
    pub ran_out: bool,
}

impl Driven {
    /// Errs with the reason when one was not applied.
    pub fn all_applied(&self) -> Result<(), Failure> {
        if self.failed == 0 { Ok(()) } else { Err(format!("{} failed: {}", self.failed, self.reason).into()) }
    }
}

impl Drive {
    /// Hands the rows in, evenly over these clients, as long as the round lasts, and waits for every answer.
    pub async fn run(self, clients: &[Client], rows: Vec<BulkRow>) -> Result<Driven, Failure> {
        self.run_from(Instant::now(), clients, rows).await
    }

    /// The same from a moment on: in an open loop row k is handed in at client k mod n, `k / rate` seconds later.
    pub async fn run_from(self, begin: Instant, clients: &[Client], rows: Vec<BulkRow>) -> Result<Driven, Failure> {
        let per_client = match self.pace {
            Pace::Closed { in_flight } => in_flight.div_ceil(clients.len()).div_ceil(STREAM_IN_FLIGHT),
            Pace::Open { .. } => 1,
            Pace::Overload { waiting_max, .. } => waiting_max.div_ceil(clients.len()).div_ceil(STREAM_IN_FLIGHT),
        };
        let (results, known) = mpsc::channel(4 * RESULTS_AT_ONCE);
        let (mut feeds, mut streams) = (Vec::new(), Vec::new());
        // Client by client within a round of streams, so that the first few transactions reach every node.
        for client in (0..per_client.max(1)).flat_map(|_| clients) {
            // Room for all: whoever waits to hand in takes no answers.
            let (feed, fed) = mpsc::channel(rows.len().max(1));
            let options = BulkOptions { level: self.level, in_flight: OPEN_IN_FLIGHT, rate: None, timeout: TIMEOUT };
            let (client, results) = (client.clone(), results.clone());
            streams.push(tokio::spawn(async move { client.submit_bulk(fed, results, options).await }));
            feeds.push(feed);
        }
        drop(results);
        let driven = Feeding::new(self, begin, feeds, known, rows).run().await?;
        for stream in streams {
            stream.await??;
        }
        Ok(driven)
    }
}

/// The rows, the streams that take them, and what came back.
struct Feeding {
    drive: Drive,
    feeds: Vec<mpsc::Sender<BulkRow>>,
    known: mpsc::Receiver<BulkResult>,
    rows: std::vec::IntoIter<BulkRow>,
    begin: Instant,
    /// On which stream each row went, by its tag; and when it was due, in order.
    stream_of: Vec<usize>,
    due: Vec<Instant>,
    under_way: usize,
    turn: usize,
    driven: Driven,
}

impl Feeding {
    fn new(
        drive: Drive,
        begin: Instant,
        feeds: Vec<mpsc::Sender<BulkRow>>,
        known: mpsc::Receiver<BulkResult>,
        mut rows: Vec<BulkRow>,
    ) -> Feeding {
        rows.iter_mut().zip(0..).for_each(|(row, tag)| row.tag = tag);
        let driven = Driven {
            latencies: Latencies::default(),
            window: match drive.pace {
                Pace::Overload { .. } => Window::settled(begin, drive.lasts),
                Pace::Closed { .. } | Pace::Open { .. } => Window::of(begin, drive.lasts),
            },
            applied: Vec::with_capacity(rows.len()),
            failed: 0,
            reason: String::new(),
            offered: 0,
            turned_away: 0,
            again: 0,
            ran_out: false,
        };
        let (stream_of, due) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        Feeding { drive, feeds, known, rows: rows.into_iter(), begin, stream_of, due, under_way: 0, turn: 0, driven }
    }

    async fn run(mut self) -> Result<Driven, Failure> {
        match self.drive.pace {
            Pace::Closed { in_flight } => self.closed(in_flight).await,
            Pace::Open { rate } => self.open(rate, usize::MAX).await,
            Pace::Overload { rate, waiting_max } => self.open(rate, waiting_max).await,
        }?;
        self.driven.latencies.sort();
        Ok(self.driven)
    }

    async fn closed(&mut self, in_flight: usize) -> Result<(), Failure> {
        for _ in 0..in_flight {
            let stream = self.turn();
            self.hand_in(stream, Instant::now())?;
        }
        // With fewer under way than streams each goes on at the next, so that all nodes have their share all the same.
        let in_turn = in_flight < self.feeds.len();
        let mut results = Vec::new();
        while self.under_way > 0 {
            self.known.recv_many(&mut results, RESULTS_AT_ONCE).await;
            if results.is_empty() {
                return Err("a stream to a node ended".into());
            }
            let now = Instant::now();
            for result in results.drain(..) {
                let stream = if in_turn { self.turn() } else { self.stream_of[result.tag as usize] };
                let latency = result.elapsed;
                self.note(result, now, latency);
                if now < self.driven.window.end {
                    self.hand_in(stream, now)?;
                }
            }
        }
        Ok(())
    }

    async fn open(&mut self, rate: f64, waiting_max: usize) -> Result<(), Failure> {
        let begin = self.begin;
        let due = |k: u64| begin + Duration::from_secs_f64(k as f64 / rate);
        let mut results = Vec::new();
        let end = self.driven.window.end;
        let mut over = false;
        while !over || self.under_way > 0 {
            let next = due(self.driven.offered);
            over = over || next >= end;
            tokio::select! {
                count = self.known.recv_many(&mut results, RESULTS_AT_ONCE), if self.under_way > 0 => {
                    if count == 0 {
                        return Err("a stream to a node ended".into());
                    }
                }
                () = sleep_until(next.into()), if !over => {}
                () = sleep_until((end + DRAIN_MAX).into()), if over => return Err("answers did not come".into()),
            }
            let now = Instant::now();
            for result in results.drain(..) {
                let latency = now.saturating_duration_since(self.due[result.tag as usize]);
                self.note(result, now, latency);
            }
            while !self.driven.ran_out {
                let at = due(self.driven.offered);
                if at > now || at >= end {
                    break;
                }
                self.driven.offered += 1;
                if self.under_way >= waiting_max {
                    self.driven.turned_away += 1;
                } else {
                    let stream = self.turn();
                    self.hand_in(stream, at)?;
                }
            }
            over = over || self.driven.ran_out;
        }
        Ok(())
    }

    fn turn(&mut self) -> usize {
        let turn = self.turn;
        self.turn = (turn + 1) % self.feeds.len();
        turn
    }

    fn hand_in(&mut self, stream: usize, due: Instant) -> Result<(), Failure> {
        let Some(row) = self.rows.next() else {
            if !self.driven.ran_out {
                self.driven.ran_out = true;
                self.driven.window.end = self.driven.window.end.min(Instant::now());
            }
            return Ok(());
        };
        self.stream_of.push(stream);
        self.due.push(due);
        self.under_way += 1;
        self.feeds[stream].try_send(row).map_err(|_| "a stream to a node ended".into())
    }

    fn note(&mut self, result: BulkResult, at: Instant, latency: Duration) {
        self.under_way -= 1;
        self.driven.again += u64::from(result.sends.saturating_sub(1));
        let wrong = match result.result {
            Err(error) => error.to_string(),
            Ok(answer) if !answer.reached(self.drive.level) => format!("it is {:?} only", answer.level),
            Ok(answer) => match (answer.outcome, answer.leaf_index) {
                (Outcome::Applied, Some(leaf)) => {
                    self.driven.latencies.add(self.driven.window, at, latency);
                    self.driven.applied.push((result.transaction_id, leaf));
                    return;
                }
                (Outcome::Applied, None) => "applied, but without a leaf".into(),
                (Outcome::Rejected(rejection), _) => rejection.to_string(),
            },
        };
        (self.driven.failed, self.driven.reason) = (self.driven.failed + 1, wrong);
    }
}
