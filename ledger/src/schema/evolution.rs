//! Tell what a new schema would break: which documents, valid under the old one, it could refuse.
//!
//! The answer is conservative: what is not shown to be a widening is a break. Two subschemas are compared keyword by keyword
//! ([`keywords`]), and what they apply to the same part of a value becomes the next comparison ([`applied`]); references
//! are followed. Nothing is searched for: branches are compared by their place, so the work is small, and bounded.
//!
//! It speaks of validity alone. A widened schema can take more work to judge, so that a document close to
//! [`super::limits::WORK_MAX`] may pass the limit; the version on the ledger stays.
mod applied;
mod keywords;
mod place;

use std::collections::BTreeSet;

use jsonschema::Draft;
use serde_json::Value;

use super::{
    dialect,
    error::excerpt,
    limits::{BREAKS_MAX, COMPARISON_WORK_MAX},
};
use place::{Place, Roots};

/// Keywords of ours at the root, which say how documents are kept. For now they cannot change: documents that are there were
/// not kept so.
const KEPT: [&str; 2] = ["x-unique", "x-indexes"];

/// One way in which a new schema could refuse what the old one allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    /// Where, as a JSON pointer into the new schema; into the old one for what is gone.
    pub pointer: String,
    /// The keyword that narrows.
    pub keyword: String,
    /// What is wrong, in one sentence.
    pub reason: String,
}

/// The breaks from `old` to `new`, both of which [`super::Schema::compile`] accepts, at most `BREAKS_MAX`, sorted. None when
/// each document that is valid under `old` is valid under `new`.
pub fn breaks(old: &Value, new: &Value) -> Vec<Break> {
    let mut comparison = Comparison::default();
    comparison.roots(old, new);
    comparison.breaks.into_iter().collect()
}

/// A comparison of two schemas that is under way.
#[derive(Default)]
struct Comparison<'s> {
    breaks: BTreeSet<Break>,
    pending: Vec<Pair<'s>>,
    /// The pairs that were compared, by address: a recursive schema is compared with itself once.
    seen: BTreeSet<(*const Value, *const Value)>,
    work: usize,
}

/// Two subschemas of which each value that is valid under the first must be valid under the second.
#[derive(Clone)]
struct Pair<'s> {
    from: Place<'s>,
    to: Place<'s>,
}

impl<'s> Comparison<'s> {
    fn roots(&mut self, old: &'s Value, new: &'s Value) {
        for keyword in KEPT.iter().filter(|keyword| old.get(**keyword) != new.get(**keyword)) {
            self.refuse(format!("/{keyword}"), keyword, "it cannot be changed on a collection that exists");
        }
        let (Ok(draft), Ok(other)) = (dialect::of(old), dialect::of(new)) else {
            return self.refuse(String::new(), "$schema", "the draft is not known");
        };
        if draft != other {
            return self.refuse("/$schema".to_owned(), "$schema", "another draft reads the same keywords otherwise");
        }
        if let Some(keyword) = unfollowed(old, true).or_else(|| unfollowed(new, true)) {
            if old != new {
                let reason = format!("a schema with {keyword:?} is not compared: it can only stay as it is");
                self.refuse(String::new(), keyword, reason);
            }
            return;
        }
        let roots = Roots { old, new, reference_alone: draft == Draft::Draft7 };
        self.push(Pair { from: Place::root(roots, false), to: Place::root(roots, true) });
        while let Some(pair) = self.pending.pop()
            && self.breaks.len() < BREAKS_MAX
        {
            let (from, to) = (pair.from.resolved(), pair.to.resolved());
            if self.seen.insert((from.value, to.value)) {
                self.pair(&from, &to);
            }
            if self.work > COMPARISON_WORK_MAX {
                let reason = format!("to compare the schemas takes more than {COMPARISON_WORK_MAX} steps");
                return self.refuse(String::new(), "$ref", reason);
            }
        }
    }

    /// Judges two subschemas, both with their lone references followed.
    fn pair(&mut self, from: &Place<'s>, to: &Place<'s>) {
        self.work += from.size() + to.size();
        if from.value == &Value::Bool(false) || to.accepts_everything() {
            return;
        }
        if to.value == &Value::Bool(false) {
            return self.refuse(to.pointer.clone(), "false", "it allows no value where the old schema allows some");
        }
        keywords::compare(self, from, to);
        applied::compare(self, from, to);
    }

    /// Whatever is valid under `from` must be valid under `to`.
    fn widens(&mut self, from: Place<'s>, to: Place<'s>) {
        self.push(Pair { from, to });
    }

    /// Both must allow the same values.
    fn same(&mut self, from: Place<'s>, to: Place<'s>) {
        self.push(Pair { from: to.clone(), to: from.clone() });
        self.push(Pair { from, to });
    }

    fn push(&mut self, pair: Pair<'s>) {
        if !pair.to.accepts_everything() {
            self.pending.push(pair);
        }
    }

    fn refuse(&mut self, pointer: String, keyword: &str, reason: impl Into<String>) {
        let (pointer, keyword) = (excerpt(&pointer), excerpt(keyword));
        if self.breaks.len() < BREAKS_MAX {
            self.breaks.insert(Break { pointer, keyword, reason: reason.into() });
        }
    }
}

/// A keyword anywhere in `schema` whose meaning depends on more than its own place: what it refers to may be elsewhere, or
/// what it does follows from what its neighbours did. Looks at every member, also where it is no keyword: that only makes
/// the answer more careful.
fn unfollowed(schema: &Value, is_root: bool) -> Option<&str> {
    match schema {
        Value::Object(members) => members.iter().find_map(|(name, value)| match &name[..] {
            "$dynamicRef"
            | "$dynamicAnchor"
            | "$recursiveRef"
            | "$recursiveAnchor"
            | "$anchor"
            | "unevaluatedProperties"
            | "unevaluatedItems" => Some(&name[..]),
            "$id" if !is_root || value.as_str().is_none_or(|id| id.contains('#')) => Some(&name[..]),
            "$ref" if value.as_str().is_none_or(|reference| !place::is_followed(reference)) => Some(&name[..]),
            _ => unfollowed(value, false),
        }),
        Value::Array(items) => items.iter().find_map(|item| unfollowed(item, false)),
        _ => None,
    }
}
