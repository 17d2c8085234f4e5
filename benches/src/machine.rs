//! Say on what machine, of what commit and when something was measured.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::process::Command;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The machine, and what was built.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub kernel: String,
    /// What it was started under, such as `SCHED_OTHER`: all processes of a run share it.
    pub scheduling: String,
    pub commit: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Machine {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
            line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = field("/proc/meminfo", "MemTotal");
        let kib: u64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
        Machine {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            scheduling: scheduling(&field("/proc/self/sched", "policy")),
            commit: commit().unwrap_or_else(|| "unknown".into()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, cores, memory_gib, kernel, scheduling, commit } = self;
        write!(f, "{processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}, {scheduling}; commit {commit}")
    }
}

fn scheduling(policy: &str) -> String {
    let names = ["SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH"];
    let name = policy.parse::<usize>().ok().and_then(|policy| names.get(policy));
    name.map_or_else(|| "unknown".to_owned(), |name| (*name).to_owned())
}

/// The commit of the folder we stand in, or of the one the script names; `+` where files differ from it.
fn commit() -> Option<String> {
    let folder = std::env::var("COUNTERSIGN_REPOSITORY").unwrap_or_else(|_| ".".into());
    let git = |arguments: &[&str]| {
        let ended = Command::new("git").arg("-C").arg(&folder).args(arguments).output().ok()?;
        ended.status.success().then(|| String::from_utf8_lossy(&ended.stdout).trim().to_owned())
    };
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(git(&["rev-parse", "--short=12", "HEAD"])? + if changed { "+" } else { "" })
}

/// Now, in UTC.
pub fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
