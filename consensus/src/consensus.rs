//! Run one node's Raft behind a handle that names no openraft type.

use crate::Position;
use crate::admit::Admit;
use crate::committed::Committed;
use crate::error::ConsensusError;
use crate::flush::Flusher;
use crate::log::Log;
use crate::log_store::{LogReader, LogStore};
use crate::network::{Network, Wire};
use crate::outlet::Outlet;
use crate::propose::Proposer;
use crate::recover::{Recovered, recover};
use crate::settings::Settings;
use crate::state_machine::{Replay, StateMachine};
use crate::status::{Leadership, Status};
use crate::types::{LogId, TypeConfig};
use countersign_ledger::store::kv::Kv;
use openraft::Raft;
use openraft::async_runtime::WatchReceiver;
use openraft::type_config::alias::WatchReceiverOf;
use openraft::{RaftMetrics, errors::Fatal};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long `shutdown` waits for openraft's tasks to let go of the store.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(10);

/// One node's part in one order of opaque proposals. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Consensus {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) raft: Raft<TypeConfig, StateMachine>,
    pub(crate) raft_id: u64,
    pub(crate) admit: Option<Arc<dyn Admit>>,
    pub(crate) proposer: Proposer,
    pub(crate) purge_to: watch::Sender<Option<LogId>>,
    /// Weak, so that the handle does not keep the store's lock after a shutdown.
    pub(crate) log: Weak<Log>,
    leadership: watch::Receiver<Leadership>,
    appended: watch::Receiver<u64>,
    died: watch::Receiver<Option<String>>,
    stopping: watch::Sender<bool>,
    released: watch::Receiver<()>,
}

impl Consensus {
    /// Starts this node on what `kv` holds (opened with [`crate::FAMILIES`]), and returns the handle and all that
    /// is and will be committed after `applied`, the position the ledger database holds.
    ///
    /// The caller must know that `settings.raft_id` was never used with another log: a node that forgot what it
    /// voted splits the ledger. [`Consensus::is_pristine`] tells an empty log. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the settings contradict each other, the store fails or is corrupt, or `applied` does not lie in the log.
    pub async fn start(
        settings: Settings,
        kv: Arc<dyn Kv>,
        wire: Arc<dyn Wire>,
        applied: Option<Position>,
    ) -> Result<(Consensus, mpsc::Receiver<Committed>), ConsensusError> {
        let config = Arc::new(settings.raft_config()?);
        let log = Arc::new(Log::open(kv, settings.gate.clone())?);
        let recovered = recover(&log, applied)?;
        let flusher = Flusher::start(settings.flushing, log.clone())?;
        let (queue, committed) = mpsc::channel(settings.committed_queue);
        let (stopping, stopping_seen) = watch::channel(false);
        let (purge_to, purge_to_seen) = watch::channel(None);
        let (replay_done, replay_seen) = watch::channel(false);
        let (death, died) = watch::channel(None);
        let outlet = Outlet { log: log.clone(), queue, appended: log.appended(), stopping: stopping_seen };
        let reader = LogReader { log: log.clone(), append_bytes_max: settings.append_bytes_max };
        let backlog = (recovered.ledger, recovered.replay_end);
        let replay = Replay { end: recovered.replay_end, done: replay_seen };
        let Recovered { applied, membership, catching_up, .. } = recovered;
        let machine =
            StateMachine { outlet: outlet.clone(), applied, membership, replay, catching_up, purge_to: purge_to_seen };
        let store = LogStore { log: log.clone(), flusher, append_bytes_max: settings.append_bytes_max };
        let network = Network { wire, append_deadline: settings.append_deadline() };
        let raft = seeded(settings.seed, Raft::new(settings.raft_id, config, network, store, machine)).await;
        let raft = raft.map_err(|fatal| ConsensusError::Store(fatal.to_string()))?;
        tokio::spawn(replay_backlog(outlet, reader, backlog, replay_done, death.clone()));
        let inner = Inner {
            leadership: observe(raft.metrics(), death),
            proposer: Proposer::start(raft.clone(), settings.proposals_in_flight_max),
            raft_id: settings.raft_id,
            admit: settings.admit.clone(),
            appended: log.appended(),
            released: log.released(),
            log: Arc::downgrade(&log),
            raft,
            purge_to,
            died,
            stopping,
        };
        Ok((Consensus { inner: Arc::new(inner) }, committed))
    }

    /// Whether nothing was ever stored under this log: no vote, no entry, no snapshot.
    ///
    /// # Errors
    /// When the store fails or is corrupt.
    pub fn is_pristine(kv: Arc<dyn Kv>) -> Result<bool, ConsensusError> {
        Ok(Log::open(kv, None)?.is_pristine()?)
    }

    /// Who leads. Changes of it are never missed in the end, but may be skipped.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// The last index flushed in this node's own log; 0 while there is none. It falls when a leader replaces a tail.
    pub fn appended(&self) -> watch::Receiver<u64> {
        self.inner.appended.clone()
    }

    /// Where consensus stands now.
    pub fn status(&self) -> Status {
        let metrics = self.metrics();
        Status::of(&metrics, *self.inner.appended.borrow())
    }

    /// Resolves, with the reason, when Raft has stopped, whether it failed or was shut down. The process must exit
    /// then, lest it answers as a node that it no longer is.
    pub async fn died(&self) -> String {
        let mut died = self.inner.died.clone();
        match died.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the observer of Raft is gone".into(),
        }
    }

    /// Stops Raft, and returns when the store is let go.
    pub async fn shutdown(&self) {
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::error!(%error, "raft did not stop cleanly");
        }
        self.inner.stopping.send_replace(true);
        let mut released = self.inner.released.clone();
        let gone = async { while released.changed().await.is_ok() {} };
        if tokio::time::timeout(RELEASE_TIMEOUT, gone).await.is_err() {
            tracing::error!("the raft store is still held");
        }
    }

    /// A copy: openraft stops while its own is borrowed.
    pub(crate) fn metrics(&self) -> RaftMetrics<TypeConfig> {
        self.inner.raft.metrics().borrow_watched().clone()
    }
}

/// Gives the tasks that `start` spawns their random numbers.
#[cfg(feature = "simulation")]
async fn seeded<F: Future>(seed: u64, start: F) -> F::Output {
    crate::types::Runtime::scope(seed, start).await
}

#[cfg(not(feature = "simulation"))]
async fn seeded<F: Future>(_seed: u64, start: F) -> F::Output {
    start.await
}

async fn replay_backlog(
    outlet: Outlet,
    reader: LogReader,
    (ledger, end): (Option<u64>, u64),
    done: watch::Sender<bool>,
    death: watch::Sender<Option<String>>,
) {
    let replayed = match end.checked_sub(1) {
        Some(through) => outlet.replay(reader, ledger, through).await,
        None => Ok(()),
    };
    match replayed {
        Ok(()) => drop(done.send_replace(true)),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
        Err(error) => drop(death.send_replace(Some(format!("the backlog could not be handed on: {error}")))),
    }
}

/// Turns openraft's metrics into the two things the node acts on.
fn observe(
    mut metrics: WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>,
    death: watch::Sender<Option<String>>,
) -> watch::Receiver<Leadership> {
    let (leadership, seen) = watch::channel(Leadership::of(&metrics.borrow_watched()));
    tokio::spawn(async move {
        let reason = loop {
            let (now, running) = {
                let metrics = metrics.borrow_and_update();
                (Leadership::of(&metrics), metrics.running_state.clone())
            };
            leadership.send_if_modified(|before| std::mem::replace(before, now) != now);
            match running {
                Err(Fatal::Stopped) => break "raft was shut down".to_string(),
                Err(fatal) => break fatal.to_string(),
                Ok(()) => (),
            }
            if metrics.changed().await.is_err() {
                break "the raft core panicked".to_string();
            }
        };
        death.send_if_modified(|death| death.is_none() && death.replace(reason).is_none());
    });
    seen
}
