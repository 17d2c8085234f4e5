//! Keep the families of a [`Kv`] in one RocksDB database.

use super::kv::{Batch, Change, Family, Kv, KvError, Pair};
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompactionStyle,
    DBCompressionType, DBRecoveryMode, DataBlockIndexType, Direction, IteratorMode, Options, ReadOptions, WriteBatch,
};
use std::path::Path;

/// Of a database whose rows soon go again.
const BLOCK_CACHE_BYTES: usize = 128 << 20;
/// Of a part of a file's index or filter. Whole ones grow with the ledger: above a share of the cache, a 64th of it, RocksDB
/// reads them anew for every key that it looks for.
const PART_BYTES: usize = 4 << 10;
const WRITE_BUFFER_BYTES: usize = 32 << 20;
const WRITE_BUFFERS_TOTAL_BYTES: usize = 96 << 20;
const OPEN_FILES_MAX: i32 = 512;
const WAL_BYTES_PER_SYNC: u64 = 1 << 20;
/// Three, the default, takes a third more time for the leaves and saves no byte: most of a row are hashes.
const ZSTD_LEVEL: i32 = 1;
/// Unused by Zstd; RocksDB's default.
const WINDOW_BITS: i32 = -14;
const FILTER_BITS_PER_KEY: f64 = 10.0;
/// Of a write buffer. It is set aside whole for each buffer of a sought family: 655 kB, ten bits for each of 500,000 keys.
const BUFFER_FILTER_RATIO: f64 = 0.02;

/// A [`Kv`] on disk. One process at a time: a second one is refused by the lock file.
pub struct RocksKv {
    db: DB,
    path: String,
    /// Made once: a read that finds nothing costs little more than making these.
    checked: ReadOptions,
}

/// What a family's rows are like.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rows {
    /// They are kept for years: they are compressed well once they come to rest.
    pub(crate) kept: bool,
    /// They are asked for under keys that mostly are not there: a filter stands before the write buffers as well.
    pub(crate) sought: bool,
    /// They are hashes under hashes, in no order and not to be compressed: their files are merged when there are several of
    /// a size, for sorting them into levels rewrites each row some ten times.
    pub(crate) hashes: bool,
}

impl RocksKv {
    /// Opens the database in the folder `path`, made when absent, with exactly these families, of rows that soon go again.
    pub fn open(path: &Path, families: &[Family]) -> Result<RocksKv, KvError> {
        RocksKv::open_with(path, families, BLOCK_CACHE_BYTES, |_| Rows::default())
    }

    /// The same, with rows of these kinds and a cache of its own for them.
    ///
    /// A torn tail of the write-ahead log is what a power cut leaves, and is dropped: nothing in it was
    /// synced. Any other damage is refused, never skipped (the default mode drops synced records in
    /// silence after one flipped bit).
    pub(crate) fn open_with(
        path: &Path,
        families: &[Family],
        cache_bytes: usize,
        rows: impl Fn(Family) -> Rows,
    ) -> Result<RocksKv, KvError> {
        let name = path.display().to_string();
        let cache = Cache::new_lru_cache(cache_bytes);
        let options = |family: &Family| family_options(&cache, rows(family));
        let descriptors = families.iter().map(|family| ColumnFamilyDescriptor::new(*family, options(family)));
        let db = DB::open_cf_descriptors(&database_options(), path, descriptors)
            .map_err(|e| KvError::Database { path: name.clone(), message: e.to_string() })?;
        Ok(RocksKv { db, path: name, checked: checked_reads() })
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family).expect("only families named at open are used")
    }

    fn failed(&self, error: rocksdb::Error) -> KvError {
        KvError::Database { path: self.path.clone(), message: error.to_string() }
    }
}

fn database_options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_recycle_log_file_num(0);
    options.set_wal_bytes_per_sync(WAL_BYTES_PER_SYNC);
    options.set_max_background_jobs(2);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_db_write_buffer_size(WRITE_BUFFERS_TOTAL_BYTES);
    options.set_keep_log_file_num(2);
    options
}

fn family_options(cache: &Cache, rows: Rows) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_bloom_filter(FILTER_BITS_PER_KEY, false);
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_metadata_block_size(PART_BYTES);
    blocks.set_pin_top_level_index_and_filter(true);
    let mut options = Options::default();
    if rows.sought {
        blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(BUFFER_FILTER_RATIO);
    }
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_compression_type(if rows.hashes { DBCompressionType::None } else { DBCompressionType::Lz4 });
    if rows.hashes {
        options.set_compaction_style(DBCompactionStyle::Universal);
    } else if rows.kept {
        options.set_bottommost_compression_type(DBCompressionType::Zstd);
        options.set_bottommost_compression_options(WINDOW_BITS, ZSTD_LEVEL, 0, 0, true);
    }
    options
}

fn checked_reads() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options
}

impl Kv for RocksKv {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.db.get_cf_opt(self.family(family), key, &self.checked).map_err(|e| self.failed(e))
    }

    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let mut options = checked_reads();
        options.set_iterate_upper_bound(to.to_vec());
        let start = IteratorMode::From(from, Direction::Forward);
        let pairs = self.db.iterator_cf_opt(self.family(family), options, start).take(limit);
        pairs.map(|pair| pair.map(|(k, v)| (k.into_vec(), v.into_vec())).map_err(|e| self.failed(e))).collect()
    }

    fn scan_back(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let mut options = checked_reads();
        options.set_iterate_lower_bound(from.to_vec());
        options.set_iterate_upper_bound(to.to_vec());
        let pairs = self.db.iterator_cf_opt(self.family(family), options, IteratorMode::End).take(limit);
        pairs.map(|pair| pair.map(|(k, v)| (k.into_vec(), v.into_vec())).map_err(|e| self.failed(e))).collect()
    }

    fn write(&self, batch: Batch) -> Result<(), KvError> {
        let mut writes = WriteBatch::default();
        for change in batch.changes {
            match change {
                Change::Put { family, key, value } => writes.put_cf(self.family(family), key, value),
                Change::Delete { family, key } => writes.delete_cf(self.family(family), key),
                Change::DeleteRange { family, from, to } => writes.delete_range_cf(self.family(family), from, to),
            }
        }
        self.db.write(writes).map_err(|e| self.failed(e))
    }

    fn sync(&self) -> Result<(), KvError> {
        self.db.flush_wal(true).map_err(|e| self.failed(e))
    }
}
