//! Submit many transactions over one stream, each until what became of it is definite.

use crate::answer::Answer;
use crate::limits::{ANSWER_GRACE, BACKOFF_MAX, BACKOFF_MIN, BULK_ANSWER_WAIT, CONNECT_TIMEOUT, IN_FLIGHT_MAX};
use crate::submit::{better, silent, submit_request};
use crate::{Client, ClientError};
use countersign_proof::Hash;
use countersign_proto::v1::{Level, SubmitRequest, SubmitResponse};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// How to submit in bulk.
#[derive(Debug, Clone)]
pub struct BulkOptions {
    /// The level to wait for.
    pub level: Level,
    /// Transactions under way at once; at most 4096.
    pub in_flight: usize,
    /// Transactions begun in a second; none for as fast as the answers come.
    pub rate: Option<u32>,
    /// How long one transaction is tried for, over all nodes and attempts.
    pub timeout: Duration,
}

/// One transaction to submit.
#[derive(Debug, Clone)]
pub struct BulkRow {
    /// The caller's number, given back with the result.
    pub tag: u64,
    /// The caller's name for it, given back with the result.
    pub name: String,
    /// The transaction's id.
    pub transaction_id: Hash,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What became of one transaction.
#[derive(Debug, Clone)]
pub struct BulkResult {
    /// The caller's number.
    pub tag: u64,
    /// The caller's name for it.
    pub name: String,
    /// The transaction's id.
    pub transaction_id: Hash,
    /// The answer, which may be below the level when the time was over, or why there is none.
    pub result: Result<Answer, ClientError>,
    /// From the first sending to the result.
    pub elapsed: Duration,
    /// How often the bytes were sent.
    pub sends: u32,
}

impl Client {
    /// Submits every row until `rows` ends and all have a result, in the order they are known. What is refused for
    /// the moment, unknown or below the level is sent again; when the stream breaks everything under way is sent
    /// again to the next node. Errs when no node can be reached for the timeout, or none lets us in: then rows
    /// that were not begun have no result.
    pub async fn submit_bulk(
        &self,
        mut rows: Receiver<BulkRow>,
        results: Sender<BulkResult>,
        options: BulkOptions,
    ) -> Result<(), ClientError> {
        let in_flight = options.in_flight.clamp(1, IN_FLIGHT_MAX);
        let mut bulk = Bulk { options: BulkOptions { in_flight, ..options }, ..Bulk::new(self.clone(), results) };
        let ended = bulk.run(&mut rows).await;
        bulk.give_up().await;
        ended
    }
}

struct Bulk {
    client: Client,
    options: BulkOptions,
    results: Sender<BulkResult>,
    pending: HashMap<u64, Pending>,
    /// When something is next to be done for a pending row: send it, or stop waiting for its answer.
    due: BTreeSet<(Instant, u64)>,
    next_sequence: u64,
    live: Option<Live>,
    /// When the next row may begin, under a rate.
    next_begin: Instant,
    /// Since when no stream has served.
    down_since: Instant,
    /// How long to wait before the next stream; nothing after an answer.
    backoff: Duration,
}

struct Live {
    node: usize,
    since: Instant,
    requests: Sender<SubmitRequest>,
    responses: Streaming<SubmitResponse>,
}

struct Pending {
    row: BulkRow,
    begun: Instant,
    due: Instant,
    sends: u32,
    /// Whether the live stream carries it and no answer has come.
    asked: bool,
    known: Option<Result<Answer, ClientError>>,
}

impl Bulk {
    fn new(client: Client, results: Sender<BulkResult>) -> Bulk {
        let now = Instant::now();
        Bulk {
            client,
            options: BulkOptions { level: Level::Certified, in_flight: 1, rate: None, timeout: BULK_ANSWER_WAIT },
            results,
            pending: HashMap::new(),
            due: BTreeSet::new(),
            next_sequence: 0,
            live: None,
            next_begin: now,
            down_since: now,
            backoff: Duration::ZERO,
        }
    }

    async fn run(&mut self, rows: &mut Receiver<BulkRow>) -> Result<(), ClientError> {
        let mut ended = false;
        while !(ended && self.pending.is_empty()) {
            self.act_on_due().await;
            let Some(live) = &mut self.live else {
                self.connect().await?;
                continue;
            };
            let now = Instant::now();
            let room = !ended && self.pending.len() < self.options.in_flight;
            let begin = room && now >= self.next_begin;
            let due = self.due.first().map_or(now + Duration::from_secs(1), |(at, _)| *at);
            let wake = if room && !begin { due.min(self.next_begin) } else { due };
            tokio::select! {
                row = rows.recv(), if begin => match row {
                    Some(row) => self.begin(row),
                    None => ended = true,
                },
                response = live.responses.message() => match response {
                    Ok(Some(response)) => self.answered(response).await,
                    Ok(None) => self.lost("the node ended the stream"),
                    Err(status) => self.lost(status.message()),
                },
                () = sleep_until(wake) => {}
            }
        }
        Ok(())
    }

    /// Opens a stream to the current node, or notes that it cannot be had.
    async fn connect(&mut self) -> Result<(), ClientError> {
        sleep(self.backoff).await;
        let (at, mut node) = self.client.node();
        // Room for every row twice: one asked again while its first request still waits in the channel.
        let (requests, stream) = mpsc::channel(2 * self.options.in_flight);
        let request = self.client.request(ReceiverStream::new(stream));
        let error = match timeout(CONNECT_TIMEOUT, node.submit_stream(request)).await {
            Ok(Ok(response)) => {
                self.live = Some(Live { node: at, since: Instant::now(), requests, responses: response.into_inner() });
                return Ok(());
            }
            Ok(Err(status)) => self.client.named(at, ClientError::of_read(&status)),
            Err(_) => self.client.named(at, ClientError::Unavailable { detail: "no answer".into() }),
        };
        self.client.leave(at);
        if !error.may_pass() || self.down_since.elapsed() >= self.options.timeout {
            return Err(error);
        }
        self.backoff = (self.backoff * 2).clamp(BACKOFF_MIN, BACKOFF_MAX);
        Ok(())
    }

    fn begin(&mut self, row: BulkRow) {
        let now = Instant::now();
        if let Some(rate) = self.options.rate {
            // What a stall held back is caught up on, by a tenth of a second at the most.
            let floor = now.checked_sub(Duration::from_millis(100)).unwrap_or(now);
            self.next_begin = self.next_begin.max(floor) + Duration::from_secs(1) / rate.max(1);
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let pending = Pending { row, begun: now, due: now, sends: 0, asked: false, known: None };
        self.pending.insert(sequence, pending);
        self.due.insert((now, sequence));
        self.send(sequence);
    }

    /// Sends a row over the live stream; without one it stays due.
    fn send(&mut self, sequence: u64) {
        let Some(live) = &self.live else { return };
        let Some(pending) = self.pending.get_mut(&sequence) else { return };
        let now = Instant::now();
        let left = (pending.begun + self.options.timeout).saturating_duration_since(now);
        let wait = left.clamp(Duration::from_millis(1), BULK_ANSWER_WAIT);
        let request = submit_request(pending.row.bytes.clone(), self.options.level, wait, sequence);
        let sent = live.requests.try_send(request).is_ok();
        pending.asked = sent;
        pending.sends += u32::from(sent);
        let next = if sent { wait + ANSWER_GRACE } else { BACKOFF_MIN };
        self.set_due(sequence, now + next);
    }

    /// Sends what is to be sent, and stops waiting for what is overdue.
    async fn act_on_due(&mut self) {
        let now = Instant::now();
        while let Some((at, sequence)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            let pending = self.pending.get_mut(&sequence).expect("what is due is pending");
            if pending.asked {
                pending.asked = false;
                let unknown = Err(silent(pending.row.transaction_id));
                pending.known = Some(better(pending.known.take(), unknown));
            }
            if now >= pending.begun + self.options.timeout {
                self.finish(sequence).await;
            } else if self.live.is_some() {
                self.send(sequence);
            } else {
                self.due.remove(&(at, sequence));
                let again = (now + BACKOFF_MIN).min(self.pending[&sequence].begun + self.options.timeout);
                self.set_due(sequence, again);
            }
        }
    }

    async fn answered(&mut self, response: SubmitResponse) {
        self.backoff = Duration::ZERO;
        let sequence = response.sequence;
        // An answer to a row that was finished, or asked before on another stream, is old.
        let Some(pending) = self.pending.get_mut(&sequence) else { return };
        pending.asked = false;
        let result = Answer::of_response(response, &pending.row.transaction_id);
        let wait = match &result {
            Ok(answer) if answer.reached(self.options.level) => None,
            Err(error) if !error.may_pass() => None,
            Err(ClientError::Refused { retry: Some(retry), .. }) => Some((*retry).max(BACKOFF_MIN)),
            _ => Some(BACKOFF_MIN),
        };
        pending.known = Some(if wait.is_none() { result } else { better(pending.known.take(), result) });
        match wait {
            None => self.finish(sequence).await,
            Some(wait) => {
                let last = pending.begun + self.options.timeout;
                self.set_due(sequence, (Instant::now() + wait).min(last));
            }
        }
    }

    /// The stream broke: what it carried is unknown, and is asked again on the next node.
    fn lost(&mut self, reason: &str) {
        let live = self.live.take().expect("a stream that broke was live");
        self.client.leave(live.node);
        let now = Instant::now();
        if self.backoff.is_zero() || live.since.elapsed() > BACKOFF_MAX {
            (self.down_since, self.backoff) = (now, Duration::ZERO);
        }
        self.backoff = (self.backoff * 2).clamp(BACKOFF_MIN, BACKOFF_MAX);
        let asked: Vec<u64> = self.pending.iter().filter(|(_, p)| p.asked).map(|(sequence, _)| *sequence).collect();
        for sequence in asked {
            let pending = self.pending.get_mut(&sequence).expect("just listed");
            pending.asked = false;
            let detail = format!("the connection broke: {reason}");
            let unknown = ClientError::Unknown { transaction_id: pending.row.transaction_id, detail };
            pending.known = Some(better(pending.known.take(), Err(unknown)));
            self.set_due(sequence, now);
        }
    }

    fn set_due(&mut self, sequence: u64, at: Instant) {
        let pending = self.pending.get_mut(&sequence).expect("it is pending");
        self.due.remove(&(pending.due, sequence));
        pending.due = at;
        self.due.insert((at, sequence));
    }

    async fn finish(&mut self, sequence: u64) {
        let pending = self.pending.remove(&sequence).expect("it is pending");
        self.due.remove(&(pending.due, sequence));
        let never = || Err(ClientError::Unavailable { detail: "no node could be reached in time".into() });
        let result = BulkResult {
            tag: pending.row.tag,
            name: pending.row.name,
            transaction_id: pending.row.transaction_id,
            result: pending.known.unwrap_or_else(never),
            elapsed: pending.begun.elapsed(),
            sends: pending.sends,
        };
        // A receiver that is gone no longer wants results; the submissions go on all the same.
        let _ = self.results.send(result).await;
    }

    /// Reports what is left when the whole ends early.
    async fn give_up(&mut self) {
        let left: Vec<u64> = self.pending.keys().copied().collect();
        for sequence in left {
            let pending = self.pending.get_mut(&sequence).expect("just listed");
            if pending.asked {
                let unknown = Err(silent(pending.row.transaction_id));
                pending.known = Some(better(pending.known.take(), unknown));
            }
            self.finish(sequence).await;
        }
    }
}
