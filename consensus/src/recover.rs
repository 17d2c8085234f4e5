//! Compare the ledger's position with the log's at start.

use crate::error::ConsensusError;
use crate::log::Log;
use crate::types::{LogId, StoredMembership};
use crate::{Position, log::StoredSnapshot};
use openraft::LogIdOptionExt;

/// What openraft is told, and what is handed on before it says anything.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// The applied position openraft starts from. Never beyond what log and snapshot hold.
    pub(crate) applied: Option<LogId>,
    /// The membership in force there.
    pub(crate) membership: StoredMembership,
    /// The last index the ledger has applied.
    pub(crate) ledger: Option<u64>,
    /// The end of the backlog: entries below are committed and not openraft's to hand on.
    pub(crate) replay_end: u64,
    /// A catch-up was cut short, and the log has not been seen to reach where it led.
    pub(crate) catching_up: bool,
}

/// Decides where to go on, or refuses.
///
/// ```text
///   catch-up unfinished    beyond the log, the ledger may stand anywhere: openraft is told the end of what log and
///                          snapshot are known to share with it, and sends us there again or replicates the rest
///   within the log         the ledger's own position, whose term must be the log's
///   beyond the log         only after a catch-up that went further than the snapshot: openraft is told the snapshot
///   before the log         refused
/// ```
pub(crate) fn recover(log: &Log, ledger: Option<Position>) -> Result<Recovered, ConsensusError> {
    let (snapshot, catching_up) = (log.snapshot()?, log.catching_up()?);
    let applied = match catching_up {
        Some(stood) if !holds(log, ledger)? => cut_short(log, snapshot, stood, ledger)?,
        _ => settled(log, snapshot, ledger)?,
    };
    let membership = match applied {
        None => StoredMembership::default(),
        Some(applied) => log.membership_at(applied.index())?,
    };
    let ledger_end = ledger.map_or(0, |position| position.index + 1);
    let replay_end = ledger_end.max(log.committed()?.next_index());
    let (ledger, catching_up) = (ledger.map(|position| position.index), catching_up.is_some());
    Ok(Recovered { applied, membership, ledger, replay_end, catching_up })
}

/// Whether the very entry that the ledger applied last lies in the log: then the log has overtaken the catch-up.
fn holds(log: &Log, ledger: Option<Position>) -> Result<bool, ConsensusError> {
    let Some(ledger) = ledger else { return Ok(false) };
    Ok(log.id_at(ledger.index)?.is_some_and(|id| Position::of(id) == ledger))
}

/// Another leader may have replicated instead of sending us there again: then log and snapshot have gone on from where
/// we stood, below the ledger, and what is purged since must not be asked for again.
fn cut_short(
    log: &Log,
    snapshot: Option<StoredSnapshot>,
    stood: Option<LogId>,
    ledger: Option<Position>,
) -> Result<Option<LogId>, ConsensusError> {
    let snapshot = snapshot.and_then(|snapshot| snapshot.meta.last_log_id);
    let shared = log.committed()?.filter(|id| ledger.is_some_and(|ledger| id.index() <= ledger.index));
    not_before(ledger, stood.max(snapshot).max(log.bounds().purged))?;
    Ok(stood.max(snapshot).max(shared))
}

fn not_before(ledger: Option<Position>, begins_after: Option<LogId>) -> Result<(), ConsensusError> {
    match begins_after {
        Some(after) if ledger.is_none_or(|ledger| ledger.index < after.index()) => {
            Err(ConsensusError::LedgerBehindLog { applied: ledger, begins_after: Position::of(after) })
        }
        _ => Ok(()),
    }
}

fn settled(
    log: &Log,
    snapshot: Option<StoredSnapshot>,
    ledger: Option<Position>,
) -> Result<Option<LogId>, ConsensusError> {
    let bounds = log.bounds();
    let installed = snapshot.as_ref().is_some_and(|snapshot| snapshot.installed);
    let snapshot = snapshot.and_then(|snapshot| snapshot.meta.last_log_id);
    not_before(ledger, snapshot.max(bounds.purged))?;
    let Some(ledger) = ledger else { return Ok(None) };
    let beyond =
        |last: Option<LogId>| Err(ConsensusError::LedgerBeyondLog { applied: ledger, last: last.map(Position::of) });
    if snapshot == Some(ledger.id()) {
        return Ok(snapshot);
    }
    if ledger.index >= bounds.last.next_index() {
        return if installed { Ok(snapshot.max(log.committed()?)) } else { beyond(bounds.last) };
    }
    match log.id_at(ledger.index)? {
        Some(id) if Position::of(id) == ledger => Ok(Some(id)),
        other => beyond(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{RaftEntry, RaftPayload, SnapshotMeta};
    use countersign_ledger::store::MemoryKv;
    use std::sync::Arc;

    fn position(index: u64) -> Position {
        Position { term: 1, index }
    }

    /// A catch-up began at 2 and was cut short; then the log went on to 20 all the same, and was purged.
    fn overtaken() -> Log {
        let log = Log::open(Arc::new(MemoryKv::new()), None).expect("opens");
        let entry = |index| RaftEntry { log_id: position(index).id(), payload: RaftPayload::Blank };
        log.append((1..=20).map(entry)).expect("appends");
        log.begin_catch_up(Some(position(2).id())).expect("begins");
        log.put_committed(position(15).id()).expect("stores");
        let meta = SnapshotMeta { last_log_id: Some(position(10).id()), last_membership: StoredMembership::default() };
        log.put_snapshot(&meta).expect("stores");
        log.purge(position(8).id()).expect("purges");
        log
    }

    #[test]
    fn a_catch_up_cut_short_is_over_once_the_log_holds_what_the_ledger_applied() {
        let recovered = recover(&overtaken(), Some(position(12))).expect("starts");
        assert_eq!(recovered.applied, Some(position(12).id()));
    }

    #[test]
    fn a_snapshot_of_our_own_never_replaces_a_later_one() {
        let log = overtaken();
        let at = |index| SnapshotMeta {
            last_log_id: Some(position(index).id()),
            last_membership: StoredMembership::default(),
        };
        log.end_catch_up(&at(18)).expect("stores");
        log.put_snapshot(&at(11)).expect("is left out");
        let stored = log.snapshot().expect("reads").expect("there is one");
        assert_eq!((stored.meta.last_log_id, stored.installed), (Some(position(18).id()), true));
        log.put_snapshot(&at(19)).expect("stores");
        let stored = log.snapshot().expect("reads").expect("there is one");
        assert_eq!((stored.meta.last_log_id, stored.installed), (Some(position(19).id()), false));
    }

    #[test]
    fn after_a_catch_up_cut_short_nothing_purged_is_asked_for() {
        for ledger in [30, 21] {
            let recovered = recover(&overtaken(), Some(position(ledger))).expect("starts");
            assert_eq!(recovered.applied, Some(position(15).id()));
            assert_eq!(recovered.replay_end, ledger + 1);
        }
        for ledger in [Some(position(7)), None] {
            let refused = recover(&overtaken(), ledger).expect_err("the ledger lacks what is purged");
            assert!(matches!(refused, ConsensusError::LedgerBehindLog { .. }), "{refused}");
        }
    }
}
