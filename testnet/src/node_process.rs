//! Start, watch and end one node's process.
//!
//! A process id may be taken over by a stranger once its process has ended. So a process that is not our own child
//! is touched only while its command line names the node's folder.

use crate::record::NodeRecord;
use crate::{Layout, TestnetError, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const GONE_WITHIN: Duration = Duration::from_secs(20);

/// Whether a node outlives who started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// In our process group: Ctrl-C in a test run ends it too.
    Ours,
    /// In a session of its own.
    Detached,
}

/// One node's process, running or not.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    folder: PathBuf,
    pid: Option<u32>,
    /// When this very process started it, so that it can be reaped.
    child: Option<Child>,
}

impl NodeProcess {
    /// What the record says; it may have ended since.
    pub fn of(node: &NodeRecord) -> NodeProcess {
        NodeProcess { folder: node.folder.clone(), pid: node.pid, child: None }
    }

    /// Starts it. What it prints is added to its log.
    pub fn start(
        binary: &Path,
        layout: &Layout,
        node: &NodeRecord,
        genesis_hash: &str,
        lifetime: Lifetime,
    ) -> Result<NodeProcess, TestnetError> {
        NodeProcess::start_as(binary, layout, node, genesis_hash, lifetime, None)
    }

    /// The same, for a binary that lies as it is told.
    pub fn start_as(
        binary: &Path,
        layout: &Layout,
        node: &NodeRecord,
        genesis_hash: &str,
        lifetime: Lifetime,
        misbehaviour: Option<&str>,
    ) -> Result<NodeProcess, TestnetError> {
        let log = layout.log(&node.organisation);
        let out = OpenOptions::new().create(true).append(true).open(&log).map_err(TestnetError::file(&log))?;
        let err = out.try_clone().map_err(TestnetError::file(&log))?;
        let mut command = match lifetime {
            Lifetime::Ours => Command::new(binary),
            // Not a group leader, so setsid(1) does not fork: the id stays.
            Lifetime::Detached => with_program("setsid", binary),
        };
        command.args(["node", "run", "--genesis-hash", genesis_hash, "--folder"]).arg(&node.folder);
        command.envs(misbehaviour.map(|lie| ("COUNTERSIGN_MISBEHAVE", lie)));
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().map_err(TestnetError::file(binary))?;
        Ok(NodeProcess { folder: node.folder.clone(), pid: Some(child.id()), child: Some(child) })
    }

    /// Its id, when it runs.
    pub fn running(&mut self) -> Option<u32> {
        let runs = match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => self.pid.is_some_and(|pid| names_folder(pid, &self.folder)),
        };
        self.pid.filter(|_| runs)
    }

    /// Ends it and returns when it is gone. Nothing to do when it does not run.
    pub fn end(&mut self, signal: Signal) -> Result<(), TestnetError> {
        self.signal(signal);
        self.wait_gone()
    }

    /// Tells it to end, as a crash would or politely.
    pub fn signal(&mut self, signal: Signal) {
        if let Some(pid) = self.running() {
            let target = Pid::from_raw(pid as i32).expect("the id of a process is above zero");
            // It may have ended since; then there is nothing left to signal.
            let _ = kill_process(target, signal);
        }
    }

    /// Waits for its end.
    pub fn wait_gone(&mut self) -> Result<(), TestnetError> {
        let what = format!("the process in {} is gone", self.folder.display());
        wait_until(&what, GONE_WITHIN, || self.running().map_or(Ok(()), |pid| Err(format!("it runs as {pid}"))))
    }
}

fn with_program(program: &str, binary: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg(binary);
    command
}

/// Whether process `pid` was started with this folder among its arguments. A zombie has no arguments.
fn names_folder(pid: u32, folder: &Path) -> bool {
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    arguments.split(|byte| *byte == 0).any(|argument| argument == folder.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(folder: &Path, pid: u32) -> NodeRecord {
        NodeRecord {
            organisation: "ua.example".to_owned(),
            node: "ua.example/1".to_owned(),
            folder: folder.to_owned(),
            address_port: 1,
            listen_port: None,
            api_port: 2,
            http_port: 3,
            pid: Some(pid),
            tls: None,
        }
    }

    #[test]
    fn a_stranger_under_an_old_id_is_left_alone() {
        let mut stranger = Command::new("sleep").arg("60").spawn().expect("sleep runs");
        let mut node = NodeProcess::of(&record(Path::new("/nowhere/ua.example"), stranger.id()));
        node.end(Signal::KILL).expect("nothing to do");
        assert_eq!(stranger.try_wait().expect("our child"), None, "the stranger must still run");
        stranger.kill().expect("our child");
        stranger.wait().expect("our child");
    }

    #[test]
    fn a_process_of_an_earlier_run_is_found_and_ended() {
        let folder = Path::new("/nowhere/b6.example");
        let waits = ["-c", "read -r line"];
        let mut bash = Command::new("bash");
        let mut child = bash.args(waits).arg(folder).stdin(Stdio::piped()).spawn().expect("bash runs");
        let mut node = NodeProcess::of(&record(folder, child.id()));
        // A process has no arguments for a moment after it was made.
        wait_until("bash runs", GONE_WITHIN, || node.running().ok_or_else(String::new)).expect("it runs");
        // A child of ours stays a zombie until reaped, as init would reap a node's.
        node.end(Signal::KILL).expect("it dies");
        child.wait().expect("our child");
    }
}
