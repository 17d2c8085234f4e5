//! Kill the leader while rows flow, and bring it back.

use super::say;
use crate::error::hold;
use crate::{Import, Network, TestnetError, wait_until};
use std::thread;
use std::time::{Duration, Instant};

const FLOWING_WITHIN: Duration = Duration::from_secs(300);
const SUCCESSOR_WITHIN: Duration = Duration::from_secs(60);
/// How long the killed node stays down.
const DOWN: Duration = Duration::from_secs(3);

/// What the crash did.
#[derive(Debug, Clone)]
pub(super) struct Crash {
    pub killed: String,
    pub successor: String,
    /// Raft's term before and after: how many elections were begun.
    pub terms: (u64, u64),
    /// From the kill until a majority named a successor.
    pub without_leader: Duration,
}

/// Waits until a quarter of the rows is in, kills the leader with SIGKILL, waits for a successor, restarts it. It is
/// an error when the imports are over too early: then nothing was shown.
pub(super) fn kill_and_restart_leader(
    network: &mut Network,
    imports: &mut [Import],
    rows: u64,
) -> Result<Crash, TestnetError> {
    let first = network.statuses().iter().map(|s| s.tree_size).max().unwrap_or(0);
    wait_until("a quarter of the rows is on the ledger", FLOWING_WITHIN, || {
        let size = network.statuses().iter().map(|s| s.tree_size).max().unwrap_or(0);
        let flowed = size.saturating_sub(first);
        if flowed >= rows / 4 || !any_running(imports) {
            Ok(())
        } else {
            Err(format!("{flowed} leaves of {rows} rows"))
        }
    })?;
    let leader = network.wait_leader(SUCCESSOR_WITHIN)?;
    let before = network.status(leader)?.term;
    hold(any_running(imports), || "the import is still running when the leader is to be killed".to_owned())?;
    let killed_at = Instant::now();
    network.kill(leader)?;
    let killed = network.nodes()[leader].node.clone();
    say(&format!("killed the leader, {killed}, with SIGKILL"));
    let successor = network.wait_leader(SUCCESSOR_WITHIN)?;
    let without_leader = killed_at.elapsed();
    let after = network.status(successor)?.term;
    let successor = network.nodes()[successor].node.clone();
    say(&format!("{successor} leads, {:.1} s later", without_leader.as_secs_f64()));
    hold(any_running(imports), || "the import outlives the leader".to_owned())?;
    thread::sleep(DOWN.saturating_sub(killed_at.elapsed()));
    network.restart(leader)?;
    say(&format!("{killed} is back"));
    Ok(Crash { killed, successor, terms: (before, after), without_leader })
}

fn any_running(imports: &mut [Import]) -> bool {
    imports.iter_mut().any(Import::is_running)
}
