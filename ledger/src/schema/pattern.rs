//! Tell what one regular expression costs.
//!
//! The validator's own engine runs it here too, so that what is measured is what will be run.
use jsonschema::{PatternOptions, Validator, error::ValidationErrorKind};
use serde_json::{Value, json};

use super::limits::{
    PATTERN_BACKTRACK_MAX, PATTERN_BACKTRACK_STEPS, PATTERN_CACHE_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX,
    PATTERN_COMPILED_BYTES_MIN, PATTERN_PART_BYTES_MAX,
};

/// A regular expression, by how its engine runs it.
#[derive(Debug)]
pub(super) enum Pattern {
    /// In time linear in the text and in the size of the automaton.
    Linear {
        validator: Validator,
        /// The size it was found to fit in, a power of four.
        compiled_bytes: usize,
    },
    /// It has look-around or back-references, and backtracks: tried cheaply first, and last up to the limit.
    Backtracking {
        attempts: Vec<Attempt>,
        /// The sizes of its parts that do not backtrack, at most.
        compiled_bytes: usize,
    },
}

/// A run that gives up after so many backtracks.
#[derive(Debug)]
pub(super) struct Attempt {
    validator: Validator,
    backtracks_max: usize,
}

impl Pattern {
    /// `None` when `pattern` is no regular expression, or one beyond the limit.
    pub(super) fn compile(pattern: &str) -> Option<Self> {
        if linear(pattern, PATTERN_COMPILED_BYTES_MAX).is_none() {
            return Self::backtracking(pattern);
        }
        let fits = |bytes| linear(pattern, bytes).map(|validator| Self::Linear { validator, compiled_bytes: bytes });
        classes(PATTERN_COMPILED_BYTES_MAX).find_map(fits)
    }

    fn backtracking(pattern: &str) -> Option<Self> {
        let part =
            classes(PATTERN_PART_BYTES_MAX).find(|bytes| compile(pattern, engine().size_limit(*bytes)).is_some())?;
        // No part is shorter than "(?=x)" and what parts it from the next.
        let compiled_bytes = part * (1 + pattern.len() / 8);
        let attempts = PATTERN_BACKTRACK_STEPS.iter().map(|backtracks_max| Attempt::compile(pattern, *backtracks_max));
        Some(Self::Backtracking { attempts: attempts.collect::<Option<_>>()?, compiled_bytes })
    }

    /// What it takes in memory, by class.
    pub(super) fn compiled_bytes(&self) -> usize {
        match self {
            Self::Linear { compiled_bytes, .. } | Self::Backtracking { compiled_bytes, .. } => *compiled_bytes,
        }
    }

    /// Whether `text`, a string, matches; an unfinished match counts as none.
    pub(super) fn matches(&self, text: &Value) -> bool {
        match self {
            Self::Linear { validator, .. } => validator.is_valid(text),
            Self::Backtracking { attempts, .. } => {
                attempts.last().is_some_and(|attempt| attempt.validator.is_valid(text))
            }
        }
    }
}

impl Attempt {
    fn compile(pattern: &str, backtracks_max: usize) -> Option<Self> {
        let validator = compile(pattern, engine().backtrack_limit(backtracks_max))?;
        Some(Self { validator, backtracks_max })
    }

    /// Units of work of one run on a text of so many bytes: each step may look at all of it.
    pub(super) fn units(&self, bytes: u64) -> u64 {
        (self.backtracks_max as u64 + bytes).saturating_mul(1 + bytes / 8)
    }

    /// Whether a run on `text` comes to an answer.
    pub(super) fn finishes(&self, text: &Value) -> bool {
        match self.validator.validate(text) {
            Ok(()) => true,
            Err(error) => matches!(error.kind(), ValidationErrorKind::Pattern { .. }),
        }
    }
}

/// Units of work of one run of a linear pattern on a text of so many bytes.
///
/// Measured: where the automaton's states do not fit the cache, a byte of text takes up to 0.12 ns a byte of automaton.
pub(super) fn linear_units(compiled_bytes: usize, bytes: u64) -> u64 {
    bytes.saturating_mul(compiled_bytes as u64 / 64)
}

/// The engine every schema is compiled with.
pub(super) fn engine() -> PatternOptions<jsonschema::FancyRegex> {
    PatternOptions::fancy_regex()
        .backtrack_limit(PATTERN_BACKTRACK_MAX)
        .size_limit(PATTERN_COMPILED_BYTES_MAX)
        .dfa_size_limit(PATTERN_CACHE_BYTES_MAX)
}

/// The classes of sizes, up to one of them.
fn classes(compiled_bytes_max: usize) -> impl Iterator<Item = usize> {
    let classes = std::iter::successors(Some(PATTERN_COMPILED_BYTES_MIN), |bytes| Some(bytes * 4));
    classes.take_while(move |bytes| *bytes <= compiled_bytes_max)
}

fn linear(pattern: &str, compiled_bytes_max: usize) -> Option<Validator> {
    let engine = PatternOptions::regex().size_limit(compiled_bytes_max);
    compile(pattern, engine.dfa_size_limit(PATTERN_CACHE_BYTES_MAX))
}

fn compile<E>(pattern: &str, engine: PatternOptions<E>) -> Option<Validator> {
    jsonschema::options().with_pattern_options(engine).build(&json!({"pattern": pattern})).ok()
}
