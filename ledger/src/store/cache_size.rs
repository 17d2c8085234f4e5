//! Say how much memory one ledger keeps its state and its rows in.

use serde::Deserialize;

/// The memory of one ledger for what it would else read again and again: two thirds for the pages of the state tree, about
/// 120 bytes a document, and a third for blocks of rows. What they need above it is read from disk when it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub struct CacheSize {
    mib: usize,
}

impl CacheSize {
    /// The least that works well for a small ledger.
    pub const MIB_MIN: u64 = 48;
    /// A terabyte.
    pub const MIB_MAX: u64 = 1 << 20;

    pub(crate) fn state_bytes(self) -> usize {
        (self.mib << 20) / 3 * 2
    }

    pub(crate) fn rows_bytes(self) -> usize {
        (self.mib << 20) / 3
    }
}

impl TryFrom<u64> for CacheSize {
    type Error = String;

    /// So many MiB, from [`CacheSize::MIB_MIN`] to [`CacheSize::MIB_MAX`].
    fn try_from(mib: u64) -> Result<CacheSize, String> {
        let (min, max) = (CacheSize::MIB_MIN, CacheSize::MIB_MAX);
        if (min..=max).contains(&mib) {
            return Ok(CacheSize { mib: mib as usize });
        }
        Err(format!("{mib} MiB of cache are not from {min} to {max}"))
    }
}

impl Default for CacheSize {
    /// 384 MiB: the state of some two million documents, and 128 MiB of rows.
    fn default() -> CacheSize {
        CacheSize { mib: 384 }
    }
}

#[cfg(test)]
mod tests {
    use super::CacheSize;

    #[test]
    fn a_size_is_within_its_bounds_and_shared_out_whole() {
        let refused = CacheSize::try_from(47).expect_err("too few");
        assert_eq!(refused, "47 MiB of cache are not from 48 to 1048576");
        assert!(CacheSize::try_from((1 << 20) + 1).is_err());
        let size = CacheSize::try_from(384).expect("within");
        assert_eq!((size, size.state_bytes(), size.rows_bytes()), (CacheSize::default(), 256 << 20, 128 << 20));
    }
}
