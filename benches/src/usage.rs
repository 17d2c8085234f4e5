//! Read what a process has used: CPU, by thread too, memory, disk.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// A tick of /proc, on every Linux of today.
const TICKS_A_SECOND: u64 = 100;
/// Of `st_blocks`, whatever the file system's own are.
const BLOCK_BYTES: u64 = 512;

/// User and system time of a process; zero when it is gone.
pub fn cpu_of(pid: u32) -> Duration {
    ticks(pid, 11..=12)
}

/// The same with its children, those that ended and were waited for among them.
pub fn cpu_of_family(pid: u32) -> Duration {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let living = children.split_whitespace().filter_map(|child| child.parse().ok()).map(cpu_of_family);
    ticks(pid, 11..=14) + living.sum::<Duration>()
}

fn ticks(pid: u32, fields: std::ops::RangeInclusive<usize>) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command's name, in parentheses, may hold spaces.
    let all: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| all.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis(fields.map(ticks).sum::<u64>() * 1000 / TICKS_A_SECOND)
}

/// CPU time of a process's threads by their name, without the number at its end.
pub fn cpu_by_thread(pid: u32) -> BTreeMap<String, Duration> {
    let mut threads = BTreeMap::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
        let name = name.trim_end().trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
        let spent = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        let nanoseconds = spent.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0);
        *threads.entry(name.to_owned()).or_default() += Duration::from_nanos(nanoseconds);
    }
    threads
}

/// Bytes of memory that a process holds now, and the most that it ever held.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    pub now: u64,
    pub most: u64,
}

/// Zero when it is gone.
pub fn memory_of(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    Memory { now: bytes("VmRSS:"), most: bytes("VmHWM:") }
}

/// Bytes on disk of all that is in a folder. What goes while it is counted does not count.
pub fn disk_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_of(&entry.path()),
        Ok(metadata) => metadata.blocks() * BLOCK_BYTES,
        Err(_) => 0,
    });
    bytes.sum()
}
