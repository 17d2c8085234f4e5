//! Keep vote, log and memberships in a key-value store.

use crate::error::ConsensusError;
use crate::flush::{FlushGate, LogEnd};
use crate::types::{LogId, RaftEntry, SnapshotMeta, StoredMembership, Vote};
use crate::wire::{EntryWire, LogIdWire, PlaceWire, SnapshotWire, StoredMembershipWire, VoteWire, follows};
use bytes::Bytes;
use countersign_ledger::store::kv::{Batch, Family, Kv};
use openraft::{EntryPayload, LogIdOptionExt};
use prost::Message;
use std::io;
use std::sync::{Arc, OnceLock, RwLock};
use tokio::sync::watch;

/// Log entries by index, big-endian.
pub const FAMILY_LOG: Family = "raft_log";
/// Vote, purged, committed, snapshot and an unfinished catch-up.
pub const FAMILY_META: Family = "raft_meta";
/// Raft memberships by the index of their entry; kept when the entry is purged, while it is the last one.
pub const FAMILY_MEMBERSHIP: Family = "raft_membership";
/// All families this crate uses: the store must have been opened with them.
pub const FAMILIES: [Family; 3] = [FAMILY_LOG, FAMILY_META, FAMILY_MEMBERSHIP];

const VOTE: &[u8] = b"vote";
const PURGED: &[u8] = b"purged";
const COMMITTED: &[u8] = b"committed";
const SNAPSHOT: &[u8] = b"snapshot";
const CATCHING_UP: &[u8] = b"catching_up";

/// The durable half of Raft. Every write goes through one store with one write-ahead log, so that writes reach
/// the disk in the order they were made: a vote can never overtake an entry, nor the reverse.
pub(crate) struct Log {
    kv: Arc<dyn Kv>,
    // A std lock: nothing awaits under it. Readers hold it while they read, so that a truncation is no hole.
    bounds: RwLock<Bounds>,
    appended: watch::Sender<u64>,
    failed: OnceLock<String>,
    gate: Option<Arc<dyn FlushGate>>,
    /// Closes when nothing holds the store any more. Last, so that it is dropped last.
    _released: watch::Sender<()>,
}

/// What the log holds: `(purged, last]`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) purged: Option<LogId>,
    pub(crate) last: Option<LogId>,
    /// The first entry of a log that was empty; less than `purged` later on.
    first: u64,
    truncations: u64,
}

impl Bounds {
    /// The index of the first entry the log can hold.
    pub(crate) fn first(&self) -> u64 {
        self.first.max(self.purged.next_index())
    }
}

/// A snapshot's position and membership, and whether a leader sent it.
pub(crate) struct StoredSnapshot {
    pub(crate) meta: SnapshotMeta,
    pub(crate) installed: bool,
}

impl Log {
    /// Opens what `kv` holds and syncs it, because openraft takes all it finds at start for durable.
    pub(crate) fn open(kv: Arc<dyn Kv>, gate: Option<Arc<dyn FlushGate>>) -> Result<Log, ConsensusError> {
        kv.sync()?;
        let (appended, _) = watch::channel(0);
        let (released, _) = watch::channel(());
        let failed = OnceLock::new();
        let log = Log { kv, bounds: RwLock::default(), appended, failed, gate, _released: released };
        let bounds = log.stored_bounds().map_err(|e| ConsensusError::Store(e.to_string()))?;
        log.appended.send_replace(bounds.last.map_or(0, |last| last.index()));
        *log.bounds.write().expect("no panic under the lock") = bounds;
        Ok(log)
    }

    fn stored_bounds(&self) -> io::Result<Bounds> {
        let purged = self.meta::<LogIdWire>(PURGED)?.map(LogId::from);
        let newest = self.kv.last(FAMILY_LOG, &key(purged.next_index()), &key(u64::MAX)).map_err(io::Error::other)?;
        let newest = newest.map(|(_, value)| decode_entry(value)).transpose()?;
        Ok(Bounds { purged, last: newest.map(|entry| entry.log_id).or(purged), ..Bounds::default() })
    }

    /// Nothing was ever stored: no vote, no entry, no snapshot.
    pub(crate) fn is_pristine(&self) -> io::Result<bool> {
        Ok(self.bounds().last.is_none() && self.vote()?.is_none() && self.snapshot()?.is_none())
    }

    pub(crate) fn bounds(&self) -> Bounds {
        *self.bounds.read().expect("no panic under the lock")
    }

    /// The last index flushed here.
    pub(crate) fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    /// Resolves (with an error) when the store has been let go.
    pub(crate) fn released(&self) -> watch::Receiver<()> {
        self._released.subscribe()
    }

    /// Waits at the gate, where there is one.
    pub(crate) async fn pass_gate(&self) {
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
    }

    /// Syncs all earlier writes. The first failure is remembered for ever: a disk that dropped a write once and
    /// then says "done" has not brought it back.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.usable()?;
        self.kv.sync().map_err(|e| self.fail(e))
    }

    /// Errs once anything has failed.
    pub(crate) fn usable(&self) -> io::Result<()> {
        match self.failed.get() {
            None => Ok(()),
            Some(first) => Err(io::Error::other(format!("the raft store failed before: {first}"))),
        }
    }

    fn write(&self, batch: Batch) -> io::Result<()> {
        self.usable()?;
        self.kv.write(batch).map_err(|e| self.fail(e))
    }

    fn fail(&self, error: impl ToString) -> io::Error {
        let message = error.to_string();
        let _ = self.failed.set(message.clone());
        // Wakes those who wait for an index that will never be flushed.
        self.appended.send_modify(|_| ());
        io::Error::other(message)
    }

    /// Moves the cursor to the newest of `ends` that no truncation has taken back.
    pub(crate) fn publish_appended(&self, ends: impl Iterator<Item = LogEnd>) {
        let bounds = self.bounds.read().expect("no panic under the lock");
        let valid = ends.filter(|end| end.truncations == bounds.truncations).map(|end| end.index);
        if let Some(index) = valid.max() {
            self.appended.send_modify(|appended| *appended = (*appended).max(index));
        }
    }

    /// Writes `entries` after the last one; they can be read when it returns, and are durable after the next sync.
    pub(crate) fn append(&self, entries: impl IntoIterator<Item = RaftEntry>) -> io::Result<Option<LogEnd>> {
        let mut bounds = self.bounds.write().expect("no panic under the lock");
        let mut batch = Batch::default();
        let (mut first, mut last) = (None, bounds.last);
        for entry in entries {
            let id = entry.log_id;
            assert!(last.is_none() || follows(last, id), "append of {id} after {last:?} would leave a hole");
            if let EntryPayload::Membership(membership) = &entry.payload {
                put_membership(&mut batch, &StoredMembership::new(Some(id), membership.clone()));
            }
            batch.put(FAMILY_LOG, key(id.index()), EntryWire::from(entry).encode_to_vec());
            first = first.or(Some(id.index()).filter(|_| last.is_none()));
            last = Some(id);
        }
        if batch.is_empty() {
            return Ok(None);
        }
        self.write(batch)?;
        bounds.first = first.unwrap_or(bounds.first);
        bounds.last = last;
        Ok(last.map(|id| LogEnd { index: id.index(), truncations: bounds.truncations }))
    }

    /// Removes all after `after`. Refuses to remove what was committed, whoever asks.
    pub(crate) fn truncate_after(&self, after: Option<LogId>) -> io::Result<()> {
        let committed = self.committed()?;
        let mut bounds = self.bounds.write().expect("no panic under the lock");
        let (first, end) = (after.next_index(), bounds.last.next_index());
        if first >= end {
            return Ok(());
        }
        if first < committed.next_index() {
            return Err(self.fail(format!("truncation after {after:?} would remove committed {committed:?}")));
        }
        let mut batch = Batch::default();
        batch.delete_range(FAMILY_LOG, key(first), key(end));
        batch.delete_range(FAMILY_MEMBERSHIP, key(first), key(end));
        self.write(batch)?;
        bounds.last = after.max(bounds.purged);
        bounds.truncations += 1;
        let kept = bounds.last.map_or(0, |last| last.index());
        self.appended.send_modify(|appended| *appended = (*appended).min(kept));
        Ok(())
    }

    /// Removes all up to and including `upto`, and says so in the same write.
    pub(crate) fn purge(&self, upto: LogId) -> io::Result<()> {
        let mut bounds = self.bounds.write().expect("no panic under the lock");
        let (first, end) = (bounds.purged.next_index(), upto.index() + 1);
        if first >= end {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.put(FAMILY_META, PURGED, LogIdWire::from(upto).encode_to_vec());
        batch.delete_range(FAMILY_LOG, key(first), key(end));
        let newest = self.kv.last(FAMILY_MEMBERSHIP, &key(0), &key(end)).map_err(io::Error::other)?;
        if let Some((newest, _)) = newest {
            batch.delete_range(FAMILY_MEMBERSHIP, key(0), newest);
        }
        self.write(batch)?;
        bounds.purged = Some(upto);
        bounds.last = bounds.last.max(Some(upto));
        // Only what is durable elsewhere is purged.
        self.appended.send_modify(|appended| *appended = (*appended).max(upto.index()));
        Ok(())
    }

    /// The entries of `start..end` that the log holds, without a gap; it stops after the one that passes `bytes_max`.
    pub(crate) fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<RaftEntry>> {
        let bounds = self.bounds.read().expect("no panic under the lock");
        let (first, end) = (start.max(bounds.first()), end.min(bounds.last.next_index()));
        let mut entries: Vec<RaftEntry> = Vec::new();
        let mut bytes = 0;
        for index in first..end {
            let value = self.kv.get(FAMILY_LOG, &key(index)).map_err(io::Error::other)?;
            let value = value.ok_or_else(|| corrupt(format!("the log has a hole at {index}")))?;
            bytes += value.len();
            if !entries.is_empty() && bytes > bytes_max {
                break;
            }
            let entry = decode_entry(value)?;
            let before = entries.last().map(|entry| entry.log_id);
            if entry.log_id.index() != index || !(before.is_none() || follows(before, entry.log_id)) {
                return Err(corrupt(format!("the log holds {} at {index}", entry.log_id)));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The id of the entry at `index`, where the log or its purged end knows it.
    pub(crate) fn id_at(&self, index: u64) -> io::Result<Option<LogId>> {
        let purged = self.bounds().purged;
        if purged.is_some_and(|purged| purged.index() == index) {
            return Ok(purged);
        }
        Ok(self.read(index, index + 1, usize::MAX)?.first().map(|entry| entry.log_id))
    }

    pub(crate) fn vote(&self) -> io::Result<Option<Vote>> {
        Ok(self.meta::<VoteWire>(VOTE)?.map(Vote::from))
    }

    pub(crate) fn put_vote(&self, vote: &Vote) -> io::Result<()> {
        self.put_meta(VOTE, VoteWire::from(*vote))
    }

    /// The last committed id that was stored, where the log still knows it: it may be older than the truth.
    pub(crate) fn committed(&self) -> io::Result<Option<LogId>> {
        let Some(id) = self.meta::<LogIdWire>(COMMITTED)?.map(LogId::from) else { return Ok(None) };
        Ok((self.id_at(id.index())? == Some(id)).then_some(id))
    }

    pub(crate) fn put_committed(&self, id: LogId) -> io::Result<()> {
        self.put_meta(COMMITTED, LogIdWire::from(id))
    }

    pub(crate) fn snapshot(&self) -> io::Result<Option<StoredSnapshot>> {
        let Some(wire) = self.meta::<SnapshotWire>(SNAPSHOT)? else { return Ok(None) };
        let (meta, installed) = wire.checked().map_err(corrupt)?;
        Ok(Some(StoredSnapshot { meta, installed }))
    }

    /// Stores a snapshot of our own; the purge that follows it is ordered after it. A later one stays: a build that was
    /// under way while a leader's snapshot was installed must not replace it, or the log begins after its snapshot.
    pub(crate) fn put_snapshot(&self, meta: &SnapshotMeta) -> io::Result<()> {
        let _alone = self.bounds.write().expect("no panic under the lock");
        let stored = self.snapshot()?.and_then(|stored| stored.meta.last_log_id);
        if stored.is_some() && stored >= meta.last_log_id {
            return Ok(());
        }
        self.put_meta(SNAPSHOT, SnapshotWire::new(meta, false))
    }

    /// Where the node stood when it began a catch-up that has not ended.
    pub(crate) fn catching_up(&self) -> io::Result<Option<Option<LogId>>> {
        Ok(self.meta::<PlaceWire>(CATCHING_UP)?.map(|place| place.id.map(LogId::from)))
    }

    /// Says that the ledger is about to run ahead of this log: from here to the end of the catch-up its position
    /// means nothing to openraft, which after a crash is told the old one.
    pub(crate) fn begin_catch_up(&self, from: Option<LogId>) -> io::Result<()> {
        self.put_meta(CATCHING_UP, PlaceWire { id: from.map(Into::into) })?;
        self.sync()
    }

    /// Says that the log itself has reached what the ledger held after a catch-up that was cut short. Unsynced: what
    /// is read again after a crash is true still.
    pub(crate) fn forget_catch_up(&self) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.delete(FAMILY_META, CATCHING_UP);
        self.write(batch)
    }

    /// Stores the snapshot caught up to, and forgets the memberships of entries it replaces.
    pub(crate) fn end_catch_up(&self, meta: &SnapshotMeta) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.put(FAMILY_META, SNAPSHOT, SnapshotWire::new(meta, true).encode_to_vec());
        batch.delete_range(FAMILY_MEMBERSHIP, key(0), key(meta.last_log_id.next_index()));
        put_membership(&mut batch, &meta.last_membership);
        batch.delete(FAMILY_META, CATCHING_UP);
        {
            let _alone = self.bounds.write().expect("no panic under the lock");
            self.write(batch)?;
        }
        self.sync()
    }

    /// The last membership whose entry is at or before `index`.
    pub(crate) fn membership_at(&self, index: u64) -> io::Result<StoredMembership> {
        let found = self.kv.last(FAMILY_MEMBERSHIP, &key(0), &key(index + 1)).map_err(io::Error::other)?;
        let Some((_, value)) = found else { return Ok(StoredMembership::default()) };
        let wire = StoredMembershipWire::decode(Bytes::from(value)).map_err(corrupt)?;
        wire.try_into().map_err(corrupt)
    }

    fn meta<M: Message + Default>(&self, name: &[u8]) -> io::Result<Option<M>> {
        let value = self.kv.get(FAMILY_META, name).map_err(io::Error::other)?;
        value.map(|value| M::decode(Bytes::from(value)).map_err(corrupt)).transpose()
    }

    fn put_meta(&self, name: &[u8], value: impl Message) -> io::Result<()> {
        let mut batch = Batch::default();
        batch.put(FAMILY_META, name, value.encode_to_vec());
        self.write(batch)
    }
}

fn put_membership(batch: &mut Batch, stored: &StoredMembership) {
    // The founders' membership, too, has an id; what has none is the empty one nobody needs.
    if let Some(id) = stored.log_id() {
        batch.put(FAMILY_MEMBERSHIP, key(id.index()), StoredMembershipWire::from(stored).encode_to_vec());
    }
}

fn decode_entry(value: Vec<u8>) -> io::Result<RaftEntry> {
    EntryWire::decode(Bytes::from(value)).map_err(corrupt)?.checked().map_err(corrupt)
}

fn corrupt(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the raft store is corrupt: {}", error.to_string()))
}

fn key(index: u64) -> Vec<u8> {
    index.to_be_bytes().to_vec()
}
