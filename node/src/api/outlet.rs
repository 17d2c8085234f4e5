//! Give a stream's reader what comes; and, when the node ends the stream, the reason, for which room is kept.

use super::{Refusal, Streamed};
use crate::limits::SUBSCRIBER_STALL_MAX;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// The node's end of a stream.
pub(super) struct Outlet<T> {
    items: mpsc::Sender<Result<T, Status>>,
    last: mpsc::OwnedPermit<Result<T, Status>>,
}

/// Why nothing more can be given.
pub(super) enum Ended {
    /// The reader is gone.
    Gone,
    /// He takes nothing.
    Slow,
}

impl<T: Send + 'static> Outlet<T> {
    /// A stream with room for so many items that wait for their reader.
    pub(super) fn open(waiting: usize) -> (Outlet<T>, Streamed<T>) {
        // Without a place of its own the reason would find no room just when the reader is too slow, and the stream would end as
        // if it were whole.
        let (items, stream) = mpsc::channel(waiting + 1);
        let last = items.clone().try_reserve_owned().expect("it is empty");
        (Outlet { items, last }, Box::pin(ReceiverStream::new(stream)))
    }

    /// Is ready when the reader is gone.
    pub(super) async fn closed(&self) {
        self.items.closed().await;
    }

    /// Gives an item, within the time that a reader may take.
    pub(super) async fn give(&self, item: T) -> Result<(), Ended> {
        match tokio::time::timeout(SUBSCRIBER_STALL_MAX, self.items.send(Ok(item))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Gone),
            Err(_) => Err(Ended::Slow),
        }
    }

    /// Ends the stream with the reason.
    pub(super) fn end(self, reason: Refusal) {
        self.last.send(Err(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_is_too_slow_is_told_so() {
        let (outlet, mut stream) = Outlet::open(2);
        for item in 0..2 {
            assert!(outlet.give(item).await.is_ok());
        }
        assert!(matches!(outlet.give(2).await, Err(Ended::Slow)));
        outlet.end(Refusal::new("SLOW_READER", "too slow"));
        let mut heard = Vec::new();
        while let Some(item) = stream.next().await {
            heard.push(item.map_err(|status| status.code()));
        }
        assert_eq!(heard, [Ok(0), Ok(1), Err(tonic::Code::ResourceExhausted)]);
        let (outlet, stream) = Outlet::open(1);
        drop(stream);
        assert!(matches!(outlet.give(0).await, Err(Ended::Gone)));
    }
}
