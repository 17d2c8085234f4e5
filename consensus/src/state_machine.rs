//! Give openraft a state machine that executes nothing.

use crate::Position;
use crate::committed::Entry;
use crate::log::Log;
use crate::outlet::{Outlet, entry_of, stopped};
use crate::types::{LogId, RaftEntry, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};
use futures::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, LogIdOptionExt, OptionalSend, RaftSnapshotBuilder};
use std::io;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// Passes committed entries through, in order. What it calls applied is what it has passed on; the ledger knows
/// what was executed, and tells it at start.
pub(crate) struct StateMachine {
    pub(crate) outlet: Outlet,
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
    pub(crate) replay: Replay,
    /// A catch-up was cut short, and the log has not reached where the ledger stood at start.
    pub(crate) catching_up: bool,
    /// The position up to which the node has said that its ledger is durable and certified.
    pub(crate) purge_to: watch::Receiver<Option<LogId>>,
}

/// The backlog at start, which is handed on by a task of its own: openraft reads it before it has started, and
/// nobody takes from the channel then.
#[derive(Clone)]
pub(crate) struct Replay {
    /// Entries below this are not for `apply` to hand on.
    pub(crate) end: u64,
    /// Turns true when the task has handed on all of them.
    pub(crate) done: watch::Receiver<bool>,
}

impl StateMachine {
    async fn apply_one(&mut self, item: EntryResponder<TypeConfig>) -> io::Result<()> {
        let (entry, responder) = item;
        let id = entry.log_id;
        self.check_order(id)?;
        self.remember(&entry);
        if id.index() < self.replay.end {
            return Ok(());
        }
        if std::mem::take(&mut self.catching_up) {
            self.outlet.log.forget_catch_up()?;
        }
        self.replayed().await?;
        self.outlet.flushed(id.index()).await?;
        // The proposer is answered first: how fast the node executes is no business of his.
        if let Some(responder) = responder {
            responder.send(());
        }
        self.outlet.hand(id, entry_of(entry)).await
    }

    /// openraft does not check that the entries it read are all there: one left out would fork the ledger.
    fn check_order(&self, id: LogId) -> io::Result<()> {
        let expected = self.applied.next_index();
        let skips = id.index() > expected && self.applied.is_some() && self.outlet.log.id_at(expected)?.is_some();
        if skips || id.index() < expected {
            return Err(io::Error::other(format!("{id} was to be applied after {:?}", self.applied)));
        }
        Ok(())
    }

    fn remember(&mut self, entry: &RaftEntry) {
        self.applied = Some(entry.log_id);
        if let EntryPayload::Membership(membership) = &entry.payload {
            self.membership = StoredMembership::new(Some(entry.log_id), membership.clone());
        }
    }

    async fn replayed(&mut self) -> io::Result<()> {
        match self.replay.done.wait_for(|done| *done).await {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::other("the backlog could not be handed on")),
        }
    }

    /// Has the node fetch and execute blocks up to `to`, which this log will not hold any more.
    async fn catch_up(&mut self, to: LogId) -> io::Result<()> {
        let (done, caught_up) = oneshot::channel();
        self.outlet.hand(to, Entry::CatchUp { to: Position::of(to), done }).await?;
        let answer = tokio::select! {
            biased;
            _ = self.outlet.stopping.wait_for(|stopping| *stopping) => return Err(stopped()),
            answer = caught_up => answer,
        };
        let answer = answer.map_err(|_| io::Error::other("the apply station is gone"))?;
        answer.map_err(|reason| io::Error::other(format!("catch-up to {to} failed: {reason}")))
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = ();
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(item) = entries.try_next().await? {
            self.apply_one(item).await?;
        }
        Ok(())
    }

    /// None when the node has allowed no further snapshot than there is. openraft forces one only at a start that
    /// finds a purged log without a snapshot; then everything applied at start is durable.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<SnapshotBuilder> {
        let allowed = self.purge_to.borrow().filter(|allowed| Some(*allowed) <= self.applied);
        match (allowed, force) {
            (None, false) => None,
            _ => Some(self.builder(allowed.or(self.applied))),
        }
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        self.builder(self.applied)
    }

    /// On disk in order: that a catch-up goes on (so that after a crash openraft is told the old position and sends
    /// us here again), the node's own blocks, then the snapshot with its membership in one write.
    async fn install_snapshot(&mut self, meta: &SnapshotMeta, _: ()) -> Result<(), io::Error> {
        let to = meta.last_log_id.ok_or_else(|| io::Error::other("a snapshot without a position"))?;
        self.replayed().await?;
        self.outlet.log.begin_catch_up(self.applied)?;
        self.catch_up(to).await?;
        self.outlet.log.end_catch_up(meta)?;
        self.catching_up = false;
        self.applied = Some(to);
        self.membership = meta.last_membership.clone();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        Ok(self.outlet.log.snapshot()?.map(|stored| Snapshot { meta: stored.meta, snapshot: () }))
    }
}

impl StateMachine {
    fn builder(&self, at: Option<LogId>) -> SnapshotBuilder {
        SnapshotBuilder { log: self.outlet.log.clone(), at, newest: self.membership.clone() }
    }
}

/// Stores the position and the membership in force there.
pub(crate) struct SnapshotBuilder {
    log: Arc<Log>,
    at: Option<LogId>,
    newest: StoredMembership,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let last_membership = match *self.newest.log_id() <= self.at {
            true => self.newest.clone(),
            false => self.log.membership_at(self.at.next_index().saturating_sub(1))?,
        };
        let meta = SnapshotMeta { last_log_id: self.at, last_membership };
        self.log.put_snapshot(&meta)?;
        Ok(Snapshot { meta, snapshot: () })
    }
}
