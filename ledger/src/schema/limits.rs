//! Name the bounds of a schema and of one validation; every one is a rule of the ledger, so a change needs new `rules`.

/// Bytes of a schema as JSON without white space.
pub const SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// Levels of arrays and objects in a schema.
pub const SCHEMA_DEPTH_MAX: usize = 64;
/// Subschemas a schema holds or refers to, the bundled metaschemas it names among them.
pub const SUBSCHEMAS_MAX: usize = 4096;
/// Distinct regular expressions in a schema.
pub const PATTERNS_MAX: usize = 256;
/// Bytes of one regular expression.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Bytes of one compiled regular expression, as its engine counts them.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one part of a regular expression that backtracks.
pub const PATTERN_PART_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all compiled regular expressions of a schema together, and of all schemas that one transaction defines: to compile
/// them takes some 60 ms.
pub const PATTERNS_COMPILED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes one regular expression may cache while it runs.
pub const PATTERN_CACHE_BYTES_MAX: usize = 256 * 1024;
/// Backtracks of one match; a match that needs more refuses the document.
pub const PATTERN_BACKTRACK_MAX: usize = 100_000;
/// Ways one subschema is applied, through references and logic, to the value it is applied to.
pub const IN_PLACE_PATHS_MAX: u64 = 10_000;
/// Longest chain of references and logic between a value and a keyword that judges it.
pub const IN_PLACE_DEPTH_MAX: usize = 32;
/// Entries of all in-place expansions of a schema together: bounds the memory of a compiled schema.
pub const EXPANSION_MAX: usize = 256 * 1024;

/// Unique keys of a collection.
pub const UNIQUE_KEYS_MAX: usize = 8;
/// Indexes of a collection, its unique keys not among them.
pub const INDEXES_MAX: usize = 8;
/// Bytes of a document's key in one unique key or index, encoded.
pub const KEY_BYTES_MAX: usize = 512;

/// Levels of arrays and objects in a document.
pub const DOCUMENT_DEPTH_MAX: usize = 64;
/// Units of work of one validation, and of all validations of one transaction together; a unit is about one keyword judging one value, and takes up to about 10 ns.
pub const WORK_MAX: u64 = 10_000_000;
/// Units of work, patterns aside, up to which an invalid document is told what is wrong with it: to say why is some
/// fifty times dearer than to say that.
pub const EXPLAINED_WORK_MAX: u64 = 100_000;
/// Violations reported for one document.
pub const VIOLATIONS_MAX: usize = 16;
/// Bytes of the pointer of one; each node keeps them.
pub const VIOLATION_BYTES_MAX: usize = 1024;

/// Steps to tell what a new schema breaks, about one for each member of each two subschemas compared; one that takes more
/// breaks.
pub const COMPARISON_WORK_MAX: usize = 1_000_000;
/// Breaks told of one new schema; the comparison then ends.
pub const BREAKS_MAX: usize = 16;

/// Compiled bytes of the smallest class of regular expressions; each class is four times the one before.
pub(super) const PATTERN_COMPILED_BYTES_MIN: usize = 256;
/// Backtracks of one attempt after the other to finish a match, so that one that finishes soon is not charged the whole
/// limit.
pub(super) const PATTERN_BACKTRACK_STEPS: [usize; 4] = [16, 256, 4_096, PATTERN_BACKTRACK_MAX];

const _: () = assert!(PATTERN_COMPILED_BYTES_MIN << 12 == PATTERN_COMPILED_BYTES_MAX, "the largest class is the limit");
const _: () = assert!((PATTERN_BACKTRACK_MAX as u64) < WORK_MAX);
const _: () = assert!(EXPLAINED_WORK_MAX < WORK_MAX);
const _: () = assert!(SCHEMA_DEPTH_MAX < 128, "serde_json parses no deeper");
