//! Make log writes durable, many with one sync.

use crate::limits::FLUSH_QUEUE_MAX;
use crate::log::Log;
use crate::types::TypeConfig;
use futures::future::BoxFuture;
use openraft::storage::IOFlushed;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Where the log is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushing {
    /// On a thread of its own: writes go on while the disk syncs, and one sync covers all that waited for it.
    Thread,
    /// Inside the append: nothing runs beside it, so that a simulation sees one order.
    Inline,
}

/// A stop between write and sync, for tests: what waits there is written and not durable.
pub trait FlushGate: Send + Sync + 'static {
    /// Resolves when the next sync may begin. On [`Flushing::Thread`] it is polled outside any runtime.
    fn pass(&self) -> BoxFuture<'_, ()>;
}

/// A write that waits for its sync.
pub(crate) struct Unsynced {
    /// What the log ends with once this is durable; `None` for a vote.
    pub(crate) end: Option<LogEnd>,
    pub(crate) done: IOFlushed<TypeConfig>,
}

/// The last index of an append, and the number of truncations before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogEnd {
    pub(crate) index: u64,
    pub(crate) truncations: u64,
}

/// Hands writes to whoever syncs them. Dropping it ends the thread once the queue is empty.
pub(crate) enum Flusher {
    Thread(mpsc::Sender<Unsynced>),
    Inline,
}

impl Flusher {
    pub(crate) fn start(flushing: Flushing, log: Arc<Log>) -> io::Result<Flusher> {
        match flushing {
            Flushing::Inline => Ok(Flusher::Inline),
            Flushing::Thread => {
                let (queue, waiting) = mpsc::channel(FLUSH_QUEUE_MAX);
                std::thread::Builder::new().name("raft-flush".into()).spawn(move || run(&log, waiting))?;
                Ok(Flusher::Thread(queue))
            }
        }
    }

    /// Queues `write`, which the store holds already. Its callback is called after the sync, in queue order.
    pub(crate) async fn submit(&self, log: &Log, write: Unsynced) -> io::Result<()> {
        match self {
            Flusher::Thread(queue) => {
                queue.send(write).await.map_err(|_| io::Error::other("the flusher thread is gone"))
            }
            Flusher::Inline => {
                log.pass_gate().await;
                complete(log, vec![write]);
                Ok(())
            }
        }
    }
}

fn run(log: &Log, mut waiting: mpsc::Receiver<Unsynced>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = vec![first];
        while let Ok(next) = waiting.try_recv() {
            batch.push(next);
        }
        futures::executor::block_on(log.pass_gate());
        complete(log, batch);
    }
}

/// One sync for the whole batch, then its callbacks in order.
///
/// Durable before it is said: the cursor and the callbacks come after the sync. A crash between them loses nothing,
/// because at start the whole log found is synced before it is used.
fn complete(log: &Log, batch: Vec<Unsynced>) {
    let synced = log.sync();
    if synced.is_ok() {
        log.publish_appended(batch.iter().filter_map(|write| write.end));
    }
    for write in batch {
        write.done.io_completed(match &synced {
            Ok(()) => Ok(()),
            Err(error) => Err(io::Error::other(error.to_string())),
        });
    }
}
