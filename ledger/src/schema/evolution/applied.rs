//! Compare what two subschemas apply: to the value itself, to its members, to its elements.
use std::collections::BTreeSet;

use serde_json::Value;

use super::{Comparison, place::Place};

/// Adds the comparisons that follow from `from` and `to`, and refuses what leads to none.
pub(super) fn compare<'s>(comparison: &mut Comparison<'s>, from: &Place<'s>, to: &Place<'s>) {
    in_place(comparison, from, to);
    conditions(comparison, from, to);
    dependencies(comparison, from, to);
    members(comparison, from, to);
    elements(comparison, from, to);
    contained(comparison, from, to);
}

/// `$ref`, `allOf`, `anyOf`, `oneOf`, `not`: branches by their place.
fn in_place<'s>(comparison: &mut Comparison<'s>, from: &Place<'s>, to: &Place<'s>) {
    let mut refuse = |keyword: &str, reason: &str| {
        comparison.refuse(format!("{}/{keyword}", to.pointer), keyword, reason);
    };
    let mut next = Vec::new();
    if let Some(target) = to.target() {
        match from.target() {
            Some(before) => next.push((before, target)),
            None => refuse("$ref", "it was not there: what it refers to may refuse what was allowed"),
        }
    }
    let (before, after) = (from.list("allOf"), to.list("allOf"));
    if after.len() > before.len() {
        refuse("allOf", "one more must hold");
    }
    next.extend(before.into_iter().zip(after));
    if to.keyword("anyOf").is_some() {
        let (before, after) = (from.list("anyOf"), to.list("anyOf"));
        if before.is_empty() || after.len() < before.len() {
            refuse("anyOf", "a choice is gone, or there was none to make");
        }
        next.extend(before.into_iter().zip(after));
    }
    let mut equal = Vec::new();
    if to.keyword("oneOf").is_some() {
        let (before, after) = (from.list("oneOf"), to.list("oneOf"));
        if before.len() != after.len() {
            refuse("oneOf", "of other choices more, or none, may hold");
        }
        equal.extend(before.into_iter().zip(after));
    }
    if to.keyword("not").is_some() {
        match from.keyword("not") {
            // The other way round: what is excluded must have been.
            Some(_) => next.push((to.below("not"), from.below("not"))),
            None => refuse("not", "what it excludes was allowed"),
        }
    }
    next.into_iter().for_each(|(from, to)| comparison.widens(from, to));
    equal.into_iter().for_each(|(from, to)| comparison.same(from, to));
}

fn conditions<'s>(comparison: &mut Comparison<'s>, from: &Place<'s>, to: &Place<'s>) {
    let branches = ["then", "else"].map(|keyword| (keyword, to.below(keyword)));
    if to.keyword("if").is_none() || branches.iter().all(|(_, branch)| branch.accepts_everything()) {
        return;
    }
    if from.keyword("if").is_none() {
        return comparison.refuse(format!("{}/if", to.pointer), "if", "no condition was there");
    }
    comparison.same(from.below("if"), to.below("if"));
    for (keyword, branch) in branches {
        comparison.widens(from.below(keyword), branch);
    }
}

/// `dependentSchemas` and `dependencies`, where a list of names is a `dependentRequired`.
fn dependencies<'s>(comparison: &mut Comparison<'s>, from: &Place<'s>, to: &Place<'s>) {
    for keyword in ["dependentSchemas", "dependencies"] {
        for (name, value) in to.map(keyword).into_iter().flatten() {
            let after = to.named(keyword, name).expect("it is there");
            let pointer = after.pointer.clone();
            match from.named(keyword, name) {
                Some(before) if before.value == value && value.is_array() => {}
                Some(before) if !before.value.is_array() && !value.is_array() => comparison.widens(before, after),
                _ => comparison.refuse(pointer, keyword, "more is asked of a document that has this member"),
            }
        }
    }
}

/// `properties`, `patternProperties`, `additionalProperties`, `propertyNames`.
fn members<'s>(comparison: &mut Comparison<'s>, from: &Place<'s>, to: &Place<'s>) {
    let (from_rest, to_rest) = (from.below("additionalProperties"), to.below("additionalProperties"));
    patterns(comparison, from, to, &to_rest);
    let names = |place: &Place<'s>| place.map("properties").into_iter().flatten().map(|(name, _)| name);
    let names: BTreeSet<&String> = names(from).chain(names(to)).collect();
    for name in names {
        match (from.named("properties", name), to.named("properties", name)) {
            (Some(before), Some(after)) => comparison.widens(before, after),
            (None, Some(after)) => new_member(comparison, from, &from_rest, after),
            // What matched a pattern beside it still does, and is held to less than this.
            (Some(before), None) => gone_member(comparison, before, &to_rest),
            (None, None) => unreachable!("it is a name of one of them"),
        }
    }
    if !to_rest.accepts_everything() {
        comparison.widens(from_rest, to_rest);
    }
    if to.keyword("propertyNames").is_some() {
        comparison.widens(from.below("propertyNames"), to.below("propertyNames"));
    }
}

/// A pattern that goes leaves its members to the rest; one that comes may meet any member there was.
fn patterns<'s>(comparison: &mut Comparison<'s>, from: &Place<'s>, to: &Place<'s>, to_rest: &Place<'s>) {
    let keyword = "patternProperties";
    for (pattern, _) in to.map(keyword).into_iter().flatten() {
        let after = to.named(keyword, pattern).expect("it is there");
        match from.named(keyword, pattern) {
            Some(before) => comparison.widens(before, after),
            None if after.accepts_everything() => {}
            None => comparison.refuse(after.pointer, keyword, "members of such names were not held to it"),
        }
    }
    for (pattern, _) in from.map(keyword).into_iter().flatten() {
        let gone = to.named(keyword, pattern).is_none();
        if gone && !to_rest.accepts_everything() {
            let before = from.named(keyword, pattern).expect("it is there");
            comparison.refuse(before.pointer, keyword, "it is gone, and what remains does not allow every member");
        }
    }
}

/// A property that comes: it must allow whatever documents may hold under its name.
fn new_member<'s>(comparison: &mut Comparison<'s>, from: &Place<'s>, from_rest: &Place<'s>, after: Place<'s>) {
    let has_patterns = from.map("patternProperties").is_some_and(|patterns| !patterns.is_empty());
    if after.accepts_everything() {
        return;
    }
    if has_patterns || from_rest.accepts_everything() {
        let reason = "documents may hold any value under this name, since further members were allowed";
        return comparison.refuse(after.pointer, "properties", reason);
    }
    comparison.widens(from_rest.clone(), after);
}

fn gone_member<'s>(comparison: &mut Comparison<'s>, before: Place<'s>, to_rest: &Place<'s>) {
    if to_rest.value == &Value::Bool(false) && before.value != &Value::Bool(false) {
        let reason = "it is gone, and no further members are allowed: documents may have it";
        return comparison.refuse(before.pointer, "properties", reason);
    }
    comparison.widens(before, to_rest.clone());
}

/// `prefixItems` and `items`, or `items` and `additionalItems`.
fn elements<'s>(comparison: &mut Comparison<'s>, from: &Place<'s>, to: &Place<'s>) {
    let ((before, from_rest), (after, to_rest)) = (tuple(from), tuple(to));
    for at in 0..before.len().max(after.len()) {
        let before = before.get(at).unwrap_or(&from_rest);
        let after = after.get(at).unwrap_or(&to_rest);
        comparison.widens(before.clone(), after.clone());
    }
    comparison.widens(from_rest, to_rest);
}

/// What applies to the first elements, each by its place, and what applies to the rest.
fn tuple<'s>(place: &Place<'s>) -> (Vec<Place<'s>>, Place<'s>) {
    match place.keyword("items") {
        Some(Value::Array(_)) => (place.list("items"), place.below("additionalItems")),
        _ => (place.list("prefixItems"), place.below("items")),
    }
}

fn contained<'s>(comparison: &mut Comparison<'s>, from: &Place<'s>, to: &Place<'s>) {
    if to.keyword("contains").is_none() {
        return;
    }
    if from.keyword("contains").is_none() {
        return comparison.refuse(format!("{}/contains", to.pointer), "contains", "no such element was asked for");
    }
    if to.keyword("maxContains").is_some() {
        comparison.same(from.below("contains"), to.below("contains"));
    } else {
        comparison.widens(from.below("contains"), to.below("contains"));
    }
    if to.keyword("minContains").is_none() && from.keyword("minContains").and_then(Value::as_u64) == Some(0) {
        comparison.refuse(format!("{}/contains", to.pointer), "minContains", "none had to be there");
    }
}
