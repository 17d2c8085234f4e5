//! Run openraft's own storage suite on our store.

use crate::committed::{Committed, Entry};
use crate::flush::{Flusher, Flushing};
use crate::log::{FAMILIES, Log};
use crate::log_store::LogStore;
use crate::outlet::Outlet;
use crate::state_machine::{Replay, StateMachine};
use crate::types::{StoredMembership, TypeConfig};
use countersign_ledger::store::kv::Kv;
use countersign_ledger::store::{MemoryKv, RocksKv};
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

struct Builder<F> {
    flushing: Flushing,
    open: F,
    released: Released,
}

/// Each ends when a store's log is let go, by the flusher's thread too.
type Released = Arc<Mutex<Vec<watch::Receiver<()>>>>;

const RELEASE_WITHIN: Duration = Duration::from_secs(30);

/// What a store needs while it lives: its folder, and the ends of its channels.
type Guard = (Option<tempfile::TempDir>, Vec<Box<dyn std::any::Any + Send + Sync>>);

impl<F> StoreBuilder<TypeConfig, LogStore, StateMachine, Guard> for Builder<F>
where
    F: Fn() -> (Option<tempfile::TempDir>, Arc<dyn Kv>) + Send + Sync,
{
    async fn build(&self) -> Result<(Guard, LogStore, StateMachine), StorageError<TypeConfig>> {
        let (folder, kv) = (self.open)();
        let log = Arc::new(Log::open(kv, None).expect("an empty store opens"));
        self.released.lock().expect("no panic under the lock").push(log.released());
        let (queue, committed) = mpsc::channel(16);
        tokio::spawn(execute_nothing(committed));
        // The suite applies entries that it never appended: they count as flushed.
        let (flushed, appended) = watch::channel(u64::MAX);
        let (stop, stopping) = watch::channel(false);
        let (_, replayed) = watch::channel(true);
        let (allow, purge_to) = watch::channel(None);
        let outlet = Outlet { log: log.clone(), queue, appended, stopping };
        let replay = Replay { end: 0, done: replayed };
        let membership = StoredMembership::default();
        let machine = StateMachine { outlet, applied: None, membership, replay, catching_up: false, purge_to };
        let flusher = Flusher::start(self.flushing, log.clone()).expect("a thread starts");
        let store = LogStore { log, flusher, append_bytes_max: 1 << 20 };
        Ok(((folder, vec![Box::new(flushed), Box::new(stop), Box::new(allow)]), store, machine))
    }
}

async fn execute_nothing(mut committed: mpsc::Receiver<Committed>) {
    while let Some(next) = committed.recv().await {
        if let Entry::CatchUp { done, .. } = next.entry {
            done.send(Ok(())).expect("the state machine waits");
        }
    }
}

fn memory() -> (Option<tempfile::TempDir>, Arc<dyn Kv>) {
    (None, Arc::new(MemoryKv::new()))
}

fn rocks() -> (Option<tempfile::TempDir>, Arc<dyn Kv>) {
    let folder = tempfile::tempdir().expect("a folder");
    let kv = RocksKv::open(folder.path(), &FAMILIES).expect("an empty folder opens");
    (Some(folder), Arc::new(kv))
}

async fn passes<F>(flushing: Flushing, open: F)
where
    F: Fn() -> (Option<tempfile::TempDir>, Arc<dyn Kv>) + Send + Sync,
{
    let released = Released::default();
    Suite::test_all(Builder { flushing, open, released: released.clone() }).await.expect("the suite passes");
    // RocksDB must not be closing on a thread while the process ends.
    let stores = std::mem::take(&mut *released.lock().expect("no panic under the lock"));
    assert!(!stores.is_empty(), "the suite built no store");
    for mut store in stores {
        let gone = async { while store.changed().await.is_ok() {} };
        tokio::time::timeout(RELEASE_WITHIN, gone).await.expect("every store is let go");
    }
}

#[tokio::test]
async fn the_store_in_memory_passes_openrafts_suite_inline() {
    passes(Flushing::Inline, memory).await;
}

#[tokio::test]
async fn the_store_in_memory_passes_openrafts_suite_on_a_thread() {
    passes(Flushing::Thread, memory).await;
}

#[tokio::test]
async fn the_store_in_rocksdb_passes_openrafts_suite() {
    passes(Flushing::Thread, rocks).await;
}
