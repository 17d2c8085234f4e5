//! Stand at a subschema of the old or the new schema, and go on from it.
use serde_json::{Map, Value};

use super::super::{error::excerpt, limits::IN_PLACE_DEPTH_MAX, pointer::escape};

/// What a schema applies where it says nothing.
static EVERYTHING: Value = Value::Bool(true);

/// Keywords that no value can break. `format` is none of them: the ledger asserts none, but whoever makes a client from the
/// schema reads values by it.
const ANNOTATIONS: [&str; 16] = [
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "$vocabulary",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
];

/// The two schemas.
#[derive(Clone, Copy)]
pub(super) struct Roots<'s> {
    pub(super) old: &'s Value,
    pub(super) new: &'s Value,
    /// Beside `$ref` nothing counts: draft-07.
    pub(super) reference_alone: bool,
}

/// A subschema.
#[derive(Clone)]
pub(super) struct Place<'s> {
    roots: Roots<'s>,
    pub(super) is_new: bool,
    pub(super) pointer: String,
    pub(super) value: &'s Value,
}

/// Whether a reference is to a place in its own schema, written as a pointer that needs no decoding.
pub(super) fn is_followed(reference: &str) -> bool {
    (reference == "#" || reference.starts_with("#/")) && !reference.contains('%')
}

/// Whether a keyword says nothing of validity.
pub(super) fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

impl<'s> Place<'s> {
    pub(super) fn root(roots: Roots<'s>, is_new: bool) -> Self {
        let value = if is_new { roots.new } else { roots.old };
        Place { roots, is_new, pointer: String::new(), value }
    }

    /// The value of a keyword.
    pub(super) fn keyword(&self, keyword: &str) -> Option<&'s Value> {
        let members = self.value.as_object()?;
        let hidden = self.roots.reference_alone && keyword != "$ref" && members.contains_key("$ref");
        members.get(keyword).filter(|_| !hidden)
    }

    /// Its keywords that count.
    pub(super) fn keywords(&self) -> impl Iterator<Item = (&'s String, &'s Value)> + use<'s> {
        let alone = self.roots.reference_alone && self.value.get("$ref").is_some();
        self.value.as_object().into_iter().flatten().filter(move |(keyword, _)| !alone || *keyword == "$ref")
    }

    /// Whether it allows every value, as far as its own keywords show.
    pub(super) fn accepts_everything(&self) -> bool {
        match self.value {
            Value::Bool(all) => *all,
            _ => self.keywords().all(|(keyword, _)| is_annotation(keyword)),
        }
    }

    /// The subschema under a keyword; one that allows everything where it is absent.
    pub(super) fn below(&self, keyword: &str) -> Self {
        self.at(self.keyword(keyword), format!("/{keyword}"))
    }

    /// The subschemas in the array under a keyword.
    pub(super) fn list(&self, keyword: &str) -> Vec<Self> {
        let items = self.keyword(keyword).and_then(Value::as_array).into_iter().flatten().enumerate();
        items.map(|(at, value)| self.at(Some(value), format!("/{keyword}/{at}"))).collect()
    }

    /// The subschema of one name in the object under a keyword.
    pub(super) fn named(&self, keyword: &str, name: &str) -> Option<Self> {
        let value = self.map(keyword)?.get(name)?;
        Some(self.at(Some(value), format!("/{keyword}/{}", escape(name))))
    }

    /// The object under a keyword.
    pub(super) fn map(&self, keyword: &str) -> Option<&'s Map<String, Value>> {
        self.keyword(keyword).and_then(Value::as_object)
    }

    /// What its `$ref` names.
    pub(super) fn target(&self) -> Option<Self> {
        let pointer = self.keyword("$ref")?.as_str()?.strip_prefix('#')?;
        let root = Place::root(self.roots, self.is_new);
        root.value.pointer(pointer).map(|value| root.at(Some(value), pointer.to_owned()))
    }

    /// Where a lone reference leads, however many follow each other; itself otherwise.
    pub(super) fn resolved(&self) -> Self {
        let mut place = self.clone();
        // Longer chains do not compile.
        for _ in 0..=IN_PLACE_DEPTH_MAX {
            let lone = place.keywords().all(|(keyword, _)| keyword == "$ref" || is_annotation(keyword));
            match place.target().filter(|_| lone) {
                Some(target) => place = target,
                None => break,
            }
        }
        place
    }

    /// Its members, and those of each.
    pub(super) fn size(&self) -> usize {
        let inner = |value: &Value| match value {
            Value::Array(items) => items.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        };
        1 + self.keywords().map(|(_, value)| 1 + inner(value)).sum::<usize>()
    }

    /// The pointer is for people, and cut to what a message may repeat: names are as long as a schema.
    fn at(&self, value: Option<&'s Value>, further: String) -> Self {
        let pointer =
            if self.pointer.ends_with("...") { self.pointer.clone() } else { self.pointer.clone() + &further };
        Place {
            roots: self.roots,
            is_new: self.is_new,
            pointer: excerpt(&pointer),
            value: value.unwrap_or(&EVERYTHING),
        }
    }
}
