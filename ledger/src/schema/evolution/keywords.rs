//! Compare the keywords that judge a value by themselves: types, values, bounds, names.
use std::{cmp::Ordering, collections::BTreeSet};

use countersign_proof::canonical;
use serde_json::Value;

use super::{
    Comparison,
    place::{Place, is_annotation},
};

/// What one keyword of the wider schema needs of the narrower one.
enum Rule {
    /// Looked at with the subschemas it applies.
    Applies,
    /// The same, or absent.
    Frozen,
    Type,
    Const,
    Enum,
    Minimum,
    ExclusiveMinimum,
    Maximum,
    ExclusiveMaximum,
    /// A lower bound of a count, and the bound where it is absent.
    AtLeast(u64),
    /// An upper bound of a count.
    AtMost,
    Required,
    DependentRequired,
    UniqueItems,
}

fn rule(keyword: &str) -> Rule {
    match keyword {
        "$ref"
        | "allOf"
        | "anyOf"
        | "oneOf"
        | "not"
        | "if"
        | "then"
        | "else"
        | "dependentSchemas"
        | "dependencies"
        | "properties"
        | "patternProperties"
        | "additionalProperties"
        | "propertyNames"
        | "prefixItems"
        | "items"
        | "additionalItems"
        | "contains" => Rule::Applies,
        "type" => Rule::Type,
        "const" => Rule::Const,
        "enum" => Rule::Enum,
        "minimum" => Rule::Minimum,
        "exclusiveMinimum" => Rule::ExclusiveMinimum,
        "maximum" => Rule::Maximum,
        "exclusiveMaximum" => Rule::ExclusiveMaximum,
        "minLength" | "minItems" | "minProperties" => Rule::AtLeast(0),
        "minContains" => Rule::AtLeast(1),
        "maxLength" | "maxItems" | "maxProperties" | "maxContains" => Rule::AtMost,
        "required" => Rule::Required,
        "dependentRequired" => Rule::DependentRequired,
        "uniqueItems" => Rule::UniqueItems,
        // `pattern`, `multipleOf`, `format`, and what we do not know.
        _ => Rule::Frozen,
    }
}

/// Refuses each keyword of `to` that is not shown to allow what `from` allows.
pub(super) fn compare(comparison: &mut Comparison<'_>, from: &Place<'_>, to: &Place<'_>) {
    for (keyword, value) in to.keywords().filter(|(keyword, _)| !is_annotation(keyword)) {
        if let Err(reason) = judge(&rule(keyword), keyword, value, from) {
            comparison.refuse(format!("{}/{keyword}", to.pointer), keyword, reason);
        }
    }
}

fn judge(rule: &Rule, keyword: &str, to: &Value, from: &Place<'_>) -> Result<(), String> {
    let before = from.keyword(keyword);
    let bound = |keyword: &str| from.keyword(keyword);
    let (holds, otherwise) = match rule {
        Rule::Applies => return Ok(()),
        Rule::Frozen => (before == Some(to), "changed or added: whether it allows all it did is not known"),
        Rule::Type => return types(to, from),
        Rule::Const => {
            (values(from).is_some_and(|values| values.iter().all(|value| *value == to)), "other values were allowed")
        }
        Rule::Enum => return enumerated(to, from),
        Rule::Minimum => {
            let kept = above(bound("minimum"), to, true) || above(bound("exclusiveMinimum"), to, true);
            (kept, "smaller numbers were allowed")
        }
        Rule::ExclusiveMinimum => {
            let kept = above(bound("minimum"), to, false) || above(bound("exclusiveMinimum"), to, true);
            (kept, "this number or smaller ones were allowed")
        }
        Rule::Maximum => {
            let kept = below(bound("maximum"), to, true) || below(bound("exclusiveMaximum"), to, true);
            (kept, "larger numbers were allowed")
        }
        Rule::ExclusiveMaximum => {
            let kept = below(bound("maximum"), to, false) || below(bound("exclusiveMaximum"), to, true);
            (kept, "this number or larger ones were allowed")
        }
        Rule::AtLeast(absent) => {
            let absent = Value::from(*absent);
            (above(Some(before.unwrap_or(&absent)), to, true), "fewer or shorter ones were allowed")
        }
        Rule::AtMost => (below(before, to, true), "more or longer ones were allowed"),
        Rule::Required => return required(to, before),
        Rule::DependentRequired => return dependent_required(to, before),
        Rule::UniqueItems => {
            (to == &Value::Bool(false) || before == Some(&Value::Bool(true)), "equal elements were allowed")
        }
    };
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// Whether a bound is `to` or, where it may be, beyond it. Exact: numbers in a definition are integers within 2^53 or
/// doubles.
fn above(bound: Option<&Value>, to: &Value, or_equal: bool) -> bool {
    match order(bound, to) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Equal) => or_equal,
        _ => false,
    }
}

fn below(bound: Option<&Value>, to: &Value, or_equal: bool) -> bool {
    match order(bound, to) {
        Some(Ordering::Less) => true,
        Some(Ordering::Equal) => or_equal,
        _ => false,
    }
}

fn order(a: Option<&Value>, b: &Value) -> Option<Ordering> {
    a?.as_f64()?.partial_cmp(&b.as_f64()?)
}

/// The values that `const` or `enum` leaves; none when neither is there.
fn values<'s>(place: &Place<'s>) -> Option<Vec<&'s Value>> {
    let only = place.keyword("const").map(|value| vec![value]);
    only.or_else(|| place.keyword("enum").and_then(Value::as_array).map(|values| values.iter().collect()))
}

fn enumerated(to: &Value, from: &Place<'_>) -> Result<(), String> {
    let allowed: BTreeSet<Vec<u8>> = to.as_array().into_iter().flatten().map(canonical).collect();
    let before = values(from).ok_or("other values were allowed")?;
    match before.into_iter().find(|value| !allowed.contains(&canonical(value))) {
        Some(value) => Err(format!("{} was allowed", super::excerpt(&value.to_string()))),
        None => Ok(()),
    }
}

fn types(to: &Value, from: &Place<'_>) -> Result<(), String> {
    let before: BTreeSet<&str> = match (from.keyword("type"), values(from)) {
        (Some(before), _) => names(before),
        (None, Some(values)) => values.into_iter().map(type_of).collect(),
        (None, None) => return Err("other types were allowed".to_owned()),
    };
    let allowed = names(to);
    let widened = |name: &str| name == "integer" && allowed.contains("number");
    match before.into_iter().find(|name| !allowed.contains(name) && !widened(name)) {
        Some(name) => Err(format!("the type {name} was allowed")),
        None => Ok(()),
    }
}

/// The text, or the texts of an array.
fn names(value: &Value) -> BTreeSet<&str> {
    value.as_str().into_iter().chain(value.as_array().into_iter().flatten().filter_map(Value::as_str)).collect()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn required(to: &Value, before: Option<&Value>) -> Result<(), String> {
    let before = before.map(names).unwrap_or_default();
    match names(to).into_iter().find(|name| !before.contains(name)) {
        Some(name) => Err(format!("{:?} was optional", super::excerpt(name))),
        None => Ok(()),
    }
}

fn dependent_required(to: &Value, before: Option<&Value>) -> Result<(), String> {
    for (name, needed) in to.as_object().into_iter().flatten() {
        required(needed, before.and_then(|before| before.get(name)))?;
    }
    Ok(())
}
