//! Refuse to begin on a disk that is too small: a full one would be known an hour later.

use crate::Failure;
use std::path::Path;

/// What a document of 256 bytes and its transaction take, and some more.
const EXPECTED_BYTES: u64 = 1_000;
/// RocksDB writes anew what it compacts before it lets go of the old.
const TIMES: u64 = 2;

/// Errs when the folder's disk has less than twice what so many documents are expected to take.
pub(super) fn check(folder: &Path, documents: u64) -> Result<(), Failure> {
    let free = free_bytes(folder)?;
    let needed = documents.saturating_mul(EXPECTED_BYTES * TIMES);
    if free >= needed {
        return Ok(());
    }
    let (folder, gib) = (folder.display(), |bytes: u64| bytes as f64 / f64::from(1 << 30));
    Err(format!(
        "{documents} documents are expected to take {:.1} GiB, twice that must be free, and {folder} has {:.1} GiB: \
         name another place by --folder, or fewer --documents",
        gib(needed / TIMES),
        gib(free)
    )
    .into())
}

fn free_bytes(folder: &Path) -> Result<u64, Failure> {
    let disk = rustix::fs::statvfs(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}
