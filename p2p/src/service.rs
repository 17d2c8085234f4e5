//! Hands what peers send to the services of this node.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::counters::Counters;
use crate::frame::Kind;
use crate::link::take_room;
use crate::refusal::Refusal;

/// One call or tell of a peer.
#[derive(Debug)]
pub struct Incoming {
    /// The peer's name, proven by its TLS key.
    pub from: String,
    /// Opaque here; nothing about it has been checked but its length.
    pub body: Bytes,
    /// Where to answer; `None` for a tell.
    pub reply: Option<Reply>,
    /// The service's budget of bytes, given back when this is dropped or taken apart.
    _room: OwnedSemaphorePermit,
}

/// The services a node offers, registered before its transport starts.
#[derive(Default)]
pub struct Services {
    queues: BTreeMap<u8, mpsc::Sender<Incoming>>,
}

impl Services {
    /// None yet.
    pub fn new() -> Self {
        Services::default()
    }

    /// Offers `service` with a queue of `capacity` (at least 1), which all peers share. While it is full, calls are
    /// answered [`crate::CallError::Busy`] and tells are dropped and counted. Panics when the number is taken.
    pub fn register(&mut self, service: u8, capacity: usize) -> mpsc::Receiver<Incoming> {
        let (sender, receiver) = mpsc::channel(capacity);
        let taken = self.queues.insert(service, sender);
        assert!(taken.is_none(), "service {service} is registered twice");
        receiver
    }

    pub(crate) fn open(self, service_bytes_max: usize) -> OpenServices {
        let open = |(service, queue)| (service, (queue, Arc::new(Semaphore::new(service_bytes_max))));
        OpenServices { services: self.queues.into_iter().map(open).collect() }
    }
}

/// The services of a running transport, each with its budget of bytes.
pub(crate) struct OpenServices {
    services: BTreeMap<u8, (mpsc::Sender<Incoming>, Arc<Semaphore>)>,
}

impl OpenServices {
    /// Queues without waiting; what finds no place is answered or counted.
    pub(crate) fn deliver(&self, service: u8, from: &str, body: Bytes, reply: Option<Reply>, counters: &Counters) {
        let Some((queue, room)) = self.services.get(&service) else {
            return turn_away(reply, Refusal::Because(format!("no service {service}")), counters);
        };
        let Some(room) = take_room(room, body.len()) else {
            return turn_away(reply, Refusal::Busy, counters);
        };
        match queue.try_send(Incoming { from: from.to_string(), body, reply, _room: room }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(incoming)) => turn_away(incoming.reply, Refusal::Busy, counters),
            Err(mpsc::error::TrySendError::Closed(incoming)) => {
                turn_away(incoming.reply, Refusal::Because(format!("service {service} has ended")), counters);
            }
        }
    }
}

fn turn_away(reply: Option<Reply>, refusal: Refusal, counters: &Counters) {
    match (reply, refusal) {
        (None, _) => counters.tell_dropped(),
        (Some(reply), Refusal::Busy) => {
            counters.call_busy();
            reply.busy();
        }
        (Some(reply), Refusal::Because(reason)) => reply.err(&reason),
    }
}

/// What a connection sends back for one call.
pub(crate) struct Answer {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) body: Bytes,
    /// Given back when the frame has been encoded; refusals are small and need none.
    pub(crate) _room: Option<OwnedSemaphorePermit>,
}

/// The right to answer one call, once. Its place in the queue is already kept, so answering never waits.
///
/// Dropped unused, it answers that the call was not served.
pub struct Reply {
    id: u64,
    slot: Option<mpsc::OwnedPermit<Answer>>,
    room: Arc<Semaphore>,
    body_bytes_max: usize,
}

impl Reply {
    pub(crate) fn new(id: u64, slot: mpsc::OwnedPermit<Answer>, room: Arc<Semaphore>, body_bytes_max: usize) -> Self {
        Reply { id, slot: Some(slot), room, body_bytes_max }
    }

    /// Answers with `body`. The caller gets Busy instead when too many bytes of replies already wait for it, and a
    /// refusal when `body` does not fit into a frame.
    pub fn ok(mut self, body: Bytes) {
        if body.len() > self.body_bytes_max {
            return self.refuse(&Refusal::Because(format!("a reply of {} bytes does not fit", body.len())));
        }
        match take_room(&self.room, body.len()) {
            Some(room) => self.send(Kind::Reply, body, Some(room)),
            None => self.refuse(&Refusal::Busy),
        }
    }

    /// Answers that the call is refused, and why; the reason is cut to 512 bytes.
    pub fn err(mut self, reason: &str) {
        self.refuse(&Refusal::Because(reason.to_string()));
    }

    /// Answers that the caller may try later.
    pub fn busy(mut self) {
        self.refuse(&Refusal::Busy);
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.send(Kind::Error, refusal.encode(), None);
    }

    fn send(&mut self, kind: Kind, body: Bytes, room: Option<OwnedSemaphorePermit>) {
        let slot = self.slot.take().expect("answering consumes the reply");
        slot.send(Answer { id: self.id, kind, body, _room: room });
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.slot.is_some() {
            self.refuse(&Refusal::Because("not served".to_string()));
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("id", &self.id).finish_non_exhaustive()
    }
}
