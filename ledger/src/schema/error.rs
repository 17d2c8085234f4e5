//! Say why a schema is refused.
use super::limits;

/// Why a schema was refused; the one who proposed the schema must act.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SchemaError {
    /// The schema is too long.
    #[error("schema: {bytes} bytes, at most {} are allowed", limits::SCHEMA_BYTES_MAX)]
    Bytes {
        /// Its length.
        bytes: usize,
    },
    /// The schema is nested too deeply.
    #[error("schema: nested deeper than {} levels", limits::SCHEMA_DEPTH_MAX)]
    Depth,
    /// `$schema` names a draft that is not spoken here, or another one than the root does.
    #[error("{pointer}/$schema: {dialect:?} is not a draft this schema may use (2020-12 or draft-07, one for all)")]
    Dialect {
        /// Where, as a JSON pointer into the schema.
        pointer: String,
        /// What it names.
        dialect: String,
    },
    /// The metaschema of its draft refuses the schema.
    #[error("{pointer:?}: not a schema, by {keyword:?} of the metaschema")]
    NotASchema {
        /// Where, as a JSON pointer into the schema.
        pointer: String,
        /// The keyword of the metaschema.
        keyword: String,
    },
    /// A reference leads out of the schema or to nothing.
    #[error("{pointer:?}: reference {reference:?} does not resolve inside the schema: {reason}")]
    Reference {
        /// Where the reference is; empty when it was met before it could be placed.
        pointer: String,
        /// The reference.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two subschemas have one name.
    #[error("{pointer:?}: {identifier:?} names two subschemas")]
    Duplicate {
        /// Where the second one is.
        pointer: String,
        /// The absolute `$id`, or that and the anchor.
        identifier: String,
    },
    /// A subschema applies itself to the same value.
    #[error("{pointer:?}: refers to itself without going into the value")]
    Circular {
        /// A subschema on the circle.
        pointer: String,
    },
    /// References and logic multiply beyond the limit.
    #[error("{pointer:?}: applied in more than {} ways to one value", limits::IN_PLACE_PATHS_MAX)]
    InPlacePaths {
        /// The subschema that is over the limit.
        pointer: String,
    },
    /// References and logic are chained beyond the limit.
    #[error("{pointer:?}: more than {} references and logical keywords in a chain", limits::IN_PLACE_DEPTH_MAX)]
    InPlaceDepth {
        /// The subschema that is over the limit.
        pointer: String,
    },
    /// The expanded references and logic of all subschemas together are beyond the limit.
    #[error("schema: references expand to more than {} entries", limits::EXPANSION_MAX)]
    Expansion,
    /// There are too many subschemas.
    #[error("schema: more than {} subschemas", limits::SUBSCHEMAS_MAX)]
    Subschemas,
    /// There are too many regular expressions.
    #[error(
        "schema: more than {} regular expressions, or {} compiled bytes of them",
        limits::PATTERNS_MAX,
        limits::PATTERNS_COMPILED_BYTES_MAX
    )]
    Patterns,
    /// A regular expression is too long.
    #[error("{pointer:?}: a regular expression of {bytes} bytes, at most {} are allowed", limits::PATTERN_BYTES_MAX)]
    PatternBytes {
        /// Where.
        pointer: String,
        /// Its length.
        bytes: usize,
    },
    /// A regular expression is malformed, or compiles to more than the limit, which is lower for parts of one that
    /// backtracks.
    #[error("{pointer:?}: no regular expression within {} compiled bytes", limits::PATTERN_COMPILED_BYTES_MAX)]
    Pattern {
        /// Where.
        pointer: String,
    },
    /// A unique key or an index is not declared as it must be.
    #[error("{pointer:?}: {reason}")]
    Key {
        /// Where.
        pointer: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The validator would not compile the schema, although it passed every check above.
    #[error("schema: does not compile: {reason}")]
    Compile {
        /// What the validator said.
        reason: String,
    },
}

/// Bytes of foreign text repeated in a message.
const EXCERPT_BYTES_MAX: usize = 128;

/// `text`, cut to what a message may repeat.
pub(super) fn excerpt(text: &str) -> String {
    excerpt_of(text, EXCERPT_BYTES_MAX)
}

/// As much of it as `bytes_max` and three dots hold.
pub(super) fn excerpt_of(text: &str, bytes_max: usize) -> String {
    match text.char_indices().find(|(at, _)| *at >= bytes_max) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}
