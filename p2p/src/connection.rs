//! Moves frames over one authenticated stream until it ends.
//!
//! ```text
//!  Link ──orders──▶ ┌────────────┐ ──outgoing──▶ stream
//!  Reply ─answers─▶ │ Connection │
//!  caller ◀─pending─└────────────┘ ◀──incoming── stream ──▶ service queues
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::frame::{Frame, FrameReader, Kind};
use crate::limits::{
    PENDING_CALLS_MAX, PING_TICKS, SERVED_CALLS_MAX, SILENT_TICKS_MAX, STALLED_TICKS_MAX, TICK, WRITE_BUFFER_BYTES,
};
use crate::link::{AnswerTo, Link, Order};
use crate::local::Local;
use crate::refusal::Refusal;
use crate::service::{Answer, Reply};
use crate::{P2pError, Stream};

type BoxedStream = Box<dyn Stream>;

/// One connection and all it holds.
pub(crate) struct Connection {
    local: Local,
    peer: String,
    reader: ReadHalf<BoxedStream>,
    writer: WriteHalf<BoxedStream>,
    /// Ends the connection when the hub drops the other end.
    stop: oneshot::Receiver<()>,
    incoming: FrameReader,
    outgoing: BytesMut,
    unflushed: bool,
    orders: mpsc::Receiver<Order>,
    /// Our calls that wait for an answer; callers that gave up are swept out at every tick.
    pending: BTreeMap<u64, AnswerTo>,
    next_id: u64,
    answers: mpsc::Receiver<Answer>,
    /// Of `answers`: one place is taken for a call when it comes, so that its reply never finds the queue full.
    answer_slots: mpsc::Sender<Answer>,
    answer_room: Arc<Semaphore>,
    ticks: Interval,
    quiet_ticks: u32,
    silent_ticks: u32,
    stalled_ticks: u32,
}

impl Connection {
    /// Takes a stream whose other end is known to be `peer`; the link sends into it.
    pub(crate) fn open(local: Local, peer: String, stream: BoxedStream, stop: oneshot::Receiver<()>) -> (Self, Link) {
        let limits = local.limits;
        let (link, orders) = Link::new(&limits);
        let (answer_slots, answers) = mpsc::channel(SERVED_CALLS_MAX);
        let (reader, writer) = tokio::io::split(stream);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let connection = Connection {
            peer,
            reader,
            writer,
            stop,
            incoming: FrameReader::new(local.genesis, limits.frame_bytes_max),
            outgoing: BytesMut::new(),
            unflushed: false,
            orders,
            pending: BTreeMap::new(),
            next_id: 1,
            answers,
            answer_slots,
            answer_room: Arc::new(Semaphore::new(limits.queue_bytes_max)),
            ticks,
            quiet_ticks: 0,
            silent_ticks: 0,
            stalled_ticks: 0,
            local,
        };
        (connection, link)
    }

    /// Runs until the stream fails, the peer misbehaves or the hub stops it; callers still waiting are told then.
    pub(crate) async fn run(mut self) -> P2pError {
        loop {
            if let Err(reason) = self.step().await {
                return reason;
            }
        }
    }

    /// Waits for one event. Writing stands before reading, and reading before the queues; none starves, because a write
    /// event takes nothing from the queues, and a read event does.
    async fn step(&mut self) -> Result<(), P2pError> {
        let room = self.outgoing.len() < WRITE_BUFFER_BYTES;
        tokio::select! {
            biased;
            _ = &mut self.stop => Err(P2pError::Stopped),
            _ = self.ticks.tick() => self.on_tick(),
            written = write_some(&mut self.writer, &mut self.outgoing), if !self.outgoing.is_empty() || self.unflushed => {
                self.on_written(written?);
                Ok(())
            }
            length = self.reader.read_buf(self.incoming.space()) => self.on_read(length?),
            Some(answer) = self.answers.recv(), if room => {
                self.put_answer(answer);
                self.pump();
                Ok(())
            }
            Some(order) = self.orders.recv(), if room => {
                self.put_order(order);
                self.pump();
                Ok(())
            }
        }
    }

    fn on_tick(&mut self) -> Result<(), P2pError> {
        self.pending.retain(|_, answer_to| !answer_to.is_closed());
        self.silent_ticks += 1;
        self.quiet_ticks += 1;
        self.stalled_ticks = if self.backlog() { self.stalled_ticks + 1 } else { 0 };
        if self.silent_ticks > SILENT_TICKS_MAX {
            return Err(P2pError::Silent);
        }
        if self.stalled_ticks > STALLED_TICKS_MAX {
            return Err(P2pError::Stalled);
        }
        if self.quiet_ticks >= PING_TICKS && !self.backlog() {
            self.put(&Frame { kind: Kind::Ping, service: 0, id: 0, body: Bytes::new() });
        }
        Ok(())
    }

    fn on_written(&mut self, length: usize) {
        self.unflushed = length > 0;
        self.stalled_ticks = 0;
        // One large frame must not keep its memory for the life of the connection.
        if self.outgoing.is_empty() && self.outgoing.capacity() > 2 * WRITE_BUFFER_BYTES {
            self.outgoing = BytesMut::new();
        }
    }

    fn on_read(&mut self, length: usize) -> Result<(), P2pError> {
        if length == 0 {
            return Err(P2pError::Closed);
        }
        self.silent_ticks = 0;
        while let Some(frame) = self.incoming.next_frame()? {
            self.on_frame(frame)?;
        }
        self.pump();
        Ok(())
    }

    fn on_frame(&mut self, frame: Frame) -> Result<(), P2pError> {
        match frame.kind {
            Kind::Request => self.on_request(frame),
            Kind::Tell => self.deliver(frame, None),
            Kind::Reply => self.on_answer(frame.id, Ok(frame.body))?,
            Kind::Error => self.on_answer(frame.id, Err(Refusal::decode(&frame.body)?))?,
            Kind::Ping => {}
        }
        Ok(())
    }

    fn on_request(&mut self, frame: Frame) {
        match self.answer_slots.clone().try_reserve_owned() {
            Ok(slot) => {
                let body_bytes_max = self.local.limits.body_bytes_max();
                let reply = Reply::new(frame.id, slot, self.answer_room.clone(), body_bytes_max);
                self.deliver(frame, Some(reply));
            }
            Err(_) => self.refuse_excess(frame.id),
        }
    }

    /// A peer with too many calls open is told so, unless it does not even read that: then its deadline tells it.
    fn refuse_excess(&mut self, id: u64) {
        self.local.counters.call_busy();
        if self.outgoing.len() < WRITE_BUFFER_BYTES {
            self.put(&Frame { kind: Kind::Error, service: 0, id, body: Refusal::Busy.encode() });
        }
    }

    fn deliver(&self, frame: Frame, reply: Option<Reply>) {
        self.local.services.deliver(frame.service, &self.peer, frame.body, reply, &self.local.counters);
    }

    fn on_answer(&mut self, id: u64, answer: Result<Bytes, crate::CallError>) -> Result<(), P2pError> {
        if id == 0 || id >= self.next_id {
            return Err(P2pError::Malformed("an answer to no call"));
        }
        // Nothing is pending when the caller gave up before; that is nobody's fault.
        if let Some(answer_to) = self.pending.remove(&id) {
            let _ = answer_to.send(answer);
        }
        Ok(())
    }

    /// Encodes what waits, one answer and one order in turn, while there is room.
    fn pump(&mut self) {
        while self.outgoing.len() < WRITE_BUFFER_BYTES {
            let (answer, order) = (self.answers.try_recv().ok(), self.orders.try_recv().ok());
            if answer.is_none() && order.is_none() {
                return;
            }
            answer.into_iter().for_each(|answer| self.put_answer(answer));
            order.into_iter().for_each(|order| self.put_order(order));
        }
    }

    fn put_answer(&mut self, answer: Answer) {
        self.put(&Frame { kind: answer.kind, service: 0, id: answer.id, body: answer.body });
    }

    fn put_order(&mut self, order: Order) {
        let (kind, id) = match order.answer_to {
            None => (Kind::Tell, 0),
            // Its caller gave up while it was queued: the peer need not work for nobody.
            Some(answer_to) if answer_to.is_closed() => return,
            Some(answer_to) => match self.expect_answer(answer_to) {
                Some(id) => (Kind::Request, id),
                None => return,
            },
        };
        self.put(&Frame { kind, service: order.service, id, body: order.body });
    }

    /// Numbers a call; `None` when too many are open, which the caller is told.
    fn expect_answer(&mut self, answer_to: AnswerTo) -> Option<u64> {
        if self.pending.len() >= PENDING_CALLS_MAX {
            self.pending.retain(|_, answer_to| !answer_to.is_closed());
        }
        if self.pending.len() >= PENDING_CALLS_MAX {
            let _ = answer_to.send(Err(crate::CallError::Busy));
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.pending.insert(id, answer_to);
        Some(id)
    }

    fn put(&mut self, frame: &Frame) {
        self.quiet_ticks = 0;
        frame.encode(&self.local.genesis, &mut self.outgoing);
    }

    fn backlog(&self) -> bool {
        !self.outgoing.is_empty() || self.unflushed
    }
}

/// Writes a part of `outgoing` and removes it, or flushes (0) when there is nothing left; loses nothing when dropped.
async fn write_some(writer: &mut WriteHalf<BoxedStream>, outgoing: &mut BytesMut) -> io::Result<usize> {
    if outgoing.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write_buf(outgoing).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        length => Ok(length),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{DuplexStream, duplex};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::{CallError, Limits, Services};

    struct Rig {
        far: DuplexStream,
        link: Link,
        _stop: oneshot::Sender<()>,
        ended: tokio::task::JoinHandle<P2pError>,
        counters: Arc<crate::counters::Counters>,
    }

    fn rig(services: Services) -> Rig {
        let local = Local::for_test(services, Limits::default());
        let counters = local.counters.clone();
        let (near, far) = duplex(1 << 10);
        let (stop, stopped) = oneshot::channel();
        let (connection, link) = Connection::open(local, "peer".into(), Box::new(near), stopped);
        Rig { far, link, _stop: stop, ended: tokio::spawn(connection.run()), counters }
    }

    async fn end_of(ended: tokio::task::JoinHandle<P2pError>) -> P2pError {
        timeout(Duration::from_secs(60), ended).await.expect("ends in time").expect("does not panic")
    }

    fn bytes_of(frame: &Frame) -> BytesMut {
        let mut bytes = BytesMut::new();
        frame.encode(&Local::TEST_GENESIS, &mut bytes);
        bytes
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_pinged_then_closed() {
        let mut rig = rig(Services::new());
        let began = Instant::now();
        let mut ping = [0; 46];
        timeout(Duration::from_secs(5), rig.far.read_exact(&mut ping)).await.expect("in time").expect("a ping");
        assert_eq!(ping[36], Kind::Ping as u8);
        assert!(matches!(end_of(rig.ended).await, P2pError::Silent));
        assert_eq!(began.elapsed(), TICK * SILENT_TICKS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_talks_but_does_not_read_is_closed_and_its_queue_stays_bounded() {
        let mut rig = rig(Services::new());
        let body = Bytes::from(vec![0; 1 << 20]);
        let mut accepted = 0;
        for _ in 0..200 {
            accepted += usize::from(rig.link.send(1, body.clone(), None).is_ok());
            tokio::task::yield_now().await;
        }
        assert_eq!(rig.link.send(1, body.clone(), None), Err(CallError::Busy));
        // What the queue holds, and the one frame that is being written.
        assert_eq!(accepted, (Limits::default().queue_bytes_max >> 20) + 1);
        let ping = bytes_of(&Frame { kind: Kind::Ping, service: 0, id: 0, body: Bytes::new() });
        let talk = async {
            while rig.far.write_all(&ping).await.is_ok() {
                tokio::time::sleep(TICK).await;
            }
        };
        let (reason, ()) = tokio::join!(end_of(rig.ended), talk);
        assert!(matches!(reason, P2pError::Stalled), "{reason}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_calls_is_refused_beyond_the_slots_and_its_answers_stay_bounded() {
        let mut services = Services::new();
        let mut served = services.register(1, 4 * SERVED_CALLS_MAX);
        let mut rig = rig(services);
        let calls = SERVED_CALLS_MAX + 50_000;
        let mut flood = BytesMut::new();
        for id in 1..=calls as u64 {
            Frame { kind: Kind::Request, service: 1, id, body: Bytes::new() }.encode(&Local::TEST_GENESIS, &mut flood);
        }
        // The far side writes everything and reads nothing.
        timeout(Duration::from_secs(5), rig.far.write_all(&flood)).await.expect("is read on").expect("is taken");
        let refused = async {
            while rig.counters.read().calls_busy < 50_000 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), refused).await.expect("all are judged");
        let kept: Vec<_> = std::iter::from_fn(|| served.try_recv().ok()).collect();
        assert_eq!(kept.len(), SERVED_CALLS_MAX);
        // Reading at last, it finds no more than one write buffer of refusals; the rest was left to the deadlines.
        let (mut sink, mut length) = (vec![0; 1 << 16], 0);
        while let Ok(read) = timeout(TICK / 2, rig.far.read(&mut sink)).await {
            length += read.expect("still open");
        }
        assert!((1..2 * WRITE_BUFFER_BYTES).contains(&length), "{length} bytes of refusals");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_to_no_call_closes_the_connection() {
        let mut rig = rig(Services::new());
        let answer = Frame { kind: Kind::Reply, service: 0, id: 1, body: Bytes::new() };
        rig.far.write_all(&bytes_of(&answer)).await.expect("is taken");
        assert!(matches!(end_of(rig.ended).await, P2pError::Malformed(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn more_open_calls_than_the_limit_are_busy_and_given_up_ones_make_room() {
        let mut rig = rig(Services::new());
        // The far side reads all and answers none.
        let drain = tokio::spawn(async move {
            let mut sink = vec![0; 4096];
            while rig.far.read(&mut sink).await.is_ok_and(|length| length > 0) {}
        });
        let mut waiting = Vec::new();
        for _ in 0..PENDING_CALLS_MAX {
            waiting.push(call(&rig.link).await);
        }
        assert_eq!(call(&rig.link).await.await.expect("is told"), Err(CallError::Busy));
        waiting.clear();
        let open = call(&rig.link).await;
        assert!(timeout(TICK, open).await.is_err(), "it waits for its answer");
        drain.abort();
    }

    async fn call(link: &Link) -> oneshot::Receiver<Result<Bytes, CallError>> {
        loop {
            let (answer_to, answer) = oneshot::channel();
            if link.send(1, Bytes::new(), Some(answer_to)).is_ok() {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    }
}
