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
}

/// Decides where to go on, or refuses.
///
/// ```text
///   catch-up unfinished    the ledger may stand anywhere: openraft is told where it stood, and sends us there again
///   within the log         the ledger's own position, whose term must be the log's
///   beyond the log         only after a catch-up that went further than the snapshot: openraft is told the snapshot
///   before the log         refused
/// ```
pub(crate) fn recover(log: &Log, ledger: Option<Position>) -> Result<Recovered, ConsensusError> {
    let snapshot = log.snapshot()?;
    let applied = match log.catching_up()? {
        Some(stood) => not_before(ledger, stood)?,
        None => settled(log, snapshot, ledger)?,
    };
    let membership = match applied {
        None => StoredMembership::default(),
        Some(applied) => log.membership_at(applied.index())?,
    };
    let ledger_end = ledger.map_or(0, |position| position.index + 1);
    let replay_end = ledger_end.max(log.committed()?.next_index());
    Ok(Recovered { applied, membership, ledger: ledger.map(|position| position.index), replay_end })
}

fn not_before(ledger: Option<Position>, stood: Option<LogId>) -> Result<Option<LogId>, ConsensusError> {
    match stood {
        Some(stood) if ledger.is_none_or(|ledger| ledger.index < stood.index()) => {
            Err(ConsensusError::LedgerBehindLog { applied: ledger, begins_after: Position::of(stood) })
        }
        stood => Ok(stood),
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
