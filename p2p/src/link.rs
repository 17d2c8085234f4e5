//! Queues calls and tells for one connection.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{CallError, Limits};

/// Where the answer to a call goes.
pub(crate) type AnswerTo = oneshot::Sender<Result<Bytes, CallError>>;

/// The sending end of a connection's queue, bounded in frames and in bytes; cheap to clone.
#[derive(Clone)]
pub(crate) struct Link {
    orders: mpsc::Sender<Order>,
    room: Arc<Semaphore>,
    body_bytes_max: usize,
}

/// A call, or a tell where there is nobody to answer to.
pub(crate) struct Order {
    pub(crate) service: u8,
    pub(crate) body: Bytes,
    pub(crate) answer_to: Option<AnswerTo>,
    /// Given back when the frame has been encoded.
    pub(crate) _room: OwnedSemaphorePermit,
}

impl Link {
    pub(crate) fn new(limits: &Limits) -> (Self, mpsc::Receiver<Order>) {
        let (orders, queue) = mpsc::channel(limits.queue_frames_max);
        let room = Arc::new(Semaphore::new(limits.queue_bytes_max));
        (Link { orders, room, body_bytes_max: limits.body_bytes_max() }, queue)
    }

    /// Queues without waiting; errs `TooLong`, `Busy`, or `Unreachable` when the connection is gone.
    pub(crate) fn send(&self, service: u8, body: Bytes, answer_to: Option<AnswerTo>) -> Result<(), CallError> {
        if body.len() > self.body_bytes_max {
            return Err(CallError::TooLong { length: body.len(), max: self.body_bytes_max });
        }
        let room = take_room(&self.room, body.len()).ok_or(CallError::Busy)?;
        self.orders.try_send(Order { service, body, answer_to, _room: room }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => CallError::Busy,
            mpsc::error::TrySendError::Closed(_) => CallError::Unreachable,
        })
    }

    /// Whether both lead into the same connection.
    pub(crate) fn is(&self, other: &Link) -> bool {
        self.orders.same_channel(&other.orders)
    }
}

/// Takes `bytes` from a budget; `None` when it has not that many left.
pub(crate) fn take_room(room: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    room.clone().try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
}
