//! Run one regular expression, with its cost.
use jsonschema::{PatternOptions, Validator, error::ValidationErrorKind};
use serde_json::{Value, json};

use super::limits::{
    PATTERN_BACKTRACK_MAX, PATTERN_BACKTRACK_USUAL, PATTERN_CACHE_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX,
    PATTERN_LIGHT_BYTES_MAX,
};

/// A regular expression by how dear it can get.
///
/// The validator's own engine runs it here too, so that what is measured is what will be run.
#[derive(Debug)]
pub(super) enum Pattern {
    /// Linear in the text.
    Light(Validator),
    /// Linear in the text, but each byte may visit many states.
    Heavy(Validator),
    /// Look-around or back-references: it backtracks.
    Backtracking {
        /// Stops at the usual number of backtracks.
        usual: Validator,
        /// Stops at the limit.
        full: Validator,
    },
}

/// A match needs more than `PATTERN_BACKTRACK_MAX` backtracks.
pub(super) struct Unfinished;

impl Pattern {
    /// `None` when `pattern` is no regular expression, or one beyond the limit.
    pub(super) fn compile(pattern: &str) -> Option<Self> {
        if let Some(validator) = linear(pattern, PATTERN_LIGHT_BYTES_MAX) {
            return Some(Self::Light(validator));
        }
        if let Some(validator) = linear(pattern, PATTERN_COMPILED_BYTES_MAX) {
            return Some(Self::Heavy(validator));
        }
        let usual = backtracking(pattern, PATTERN_BACKTRACK_USUAL)?;
        let full = backtracking(pattern, PATTERN_BACKTRACK_MAX)?;
        Some(Self::Backtracking { usual, full })
    }

    /// Whether `text`, a string, matches; an unfinished match counts as none.
    pub(super) fn matches(&self, text: &Value) -> bool {
        match self {
            Self::Light(validator) | Self::Heavy(validator) => validator.is_valid(text),
            Self::Backtracking { full, .. } => full.is_valid(text),
        }
    }

    /// Units of work to match `text`, a string of `bytes` bytes.
    ///
    /// Only a pattern that backtracks must run to be measured. Its steps may each look at the whole text, hence the product.
    pub(super) fn cost(&self, text: &Value, bytes: u64) -> Result<u64, Unfinished> {
        Ok(match self {
            Self::Light(_) => 1 + bytes / 16,
            Self::Heavy(_) => 1 + bytes * 16,
            Self::Backtracking { usual, full } => {
                let backtracks = match (finishes(usual, text), finishes(full, text)) {
                    (true, _) => PATTERN_BACKTRACK_USUAL,
                    (false, true) => PATTERN_BACKTRACK_USUAL + PATTERN_BACKTRACK_MAX,
                    (false, false) => return Err(Unfinished),
                };
                (backtracks as u64 + bytes) * (1 + bytes / 64)
            }
        })
    }
}

/// The engine every schema is compiled with.
pub(super) fn engine() -> PatternOptions<jsonschema::FancyRegex> {
    PatternOptions::fancy_regex()
        .backtrack_limit(PATTERN_BACKTRACK_MAX)
        .size_limit(PATTERN_COMPILED_BYTES_MAX)
        .dfa_size_limit(PATTERN_CACHE_BYTES_MAX)
}

fn linear(pattern: &str, compiled_bytes_max: usize) -> Option<Validator> {
    let engine = PatternOptions::regex().size_limit(compiled_bytes_max).dfa_size_limit(PATTERN_CACHE_BYTES_MAX);
    jsonschema::options().with_pattern_options(engine).build(&json!({"pattern": pattern})).ok()
}

fn backtracking(pattern: &str, backtracks_max: usize) -> Option<Validator> {
    let engine = engine().backtrack_limit(backtracks_max);
    jsonschema::options().with_pattern_options(engine).build(&json!({"pattern": pattern})).ok()
}

fn finishes(validator: &Validator, text: &Value) -> bool {
    match validator.validate(text) {
        Ok(()) => true,
        Err(error) => matches!(error.kind(), ValidationErrorKind::Pattern { .. }),
    }
}
