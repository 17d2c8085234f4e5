//! Choose the index that serves a query.

use super::{Index, IndexKey, Indexes};
use crate::Filter;
use serde_json::{Map, Value};

/// An index, and the part of it in which every document stands that a query can match.
///
/// It serves where its pointers are exactly: those that the filter compares by `eq`, any number of them, and then at most
/// one that the filter compares by a range or that the query sorts by. A further pointer would leave out documents
/// without a value there, and show the order of values that the caller may not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    /// The index.
    pub index: &'a Index,
    /// No key below matches.
    pub(crate) from: Vec<u8>,
    /// No key from here on matches.
    pub(crate) to: Vec<u8>,
    /// The filter names one key.
    exact: bool,
}

impl Indexes {
    /// The index that serves a filter and an order, the narrowest there is; none where documents must be read one after
    /// the other. Every document still has to be judged by the filter: the index knows of the pointers it has only.
    pub fn plan(&self, filter: Option<&Filter>, sort: Option<&str>) -> Option<Plan<'_>> {
        let serving = self.iter().filter_map(|index| serve(index, filter, sort));
        serving.max_by_key(|plan| (plan.exact, plan.index.unique, plan.index.pointers.len()))
    }
}

fn serve<'a>(index: &'a Index, filter: Option<&Filter>, sort: Option<&str>) -> Option<Plan<'a>> {
    let (last, equal) = index.pointers.split_last()?;
    if sort.is_some_and(|sort| sort != last) {
        return None;
    }
    let comparisons = |pointer: &str| filter.and_then(|filter| filter.comparisons(pointer));
    let mut key = IndexKey::default();
    if !equal.iter().all(|pointer| comparisons(pointer).and_then(|c| c.get("eq")).is_some_and(|part| key.push(part))) {
        return None;
    }
    let (from, to, exact) = match comparisons(last).and_then(|comparisons| range(&key, comparisons)) {
        Some(range) => range,
        None if sort.is_some() => (key.clone().into_bytes(), key.above(), false),
        None => return None,
    };
    Some(Plan { index, from, to, exact })
}

/// The keys that begin with `key` and go on with a part for which the comparisons may hold: from, to, and whether it is
/// one key. None where no comparison bounds them.
fn range(key: &IndexKey, comparisons: &Map<String, Value>) -> Option<(Vec<u8>, Vec<u8>, bool)> {
    let with = |part: &Value| {
        let mut key = key.clone();
        key.push(part).then_some(key)
    };
    if let Some(key) = comparisons.get("eq").and_then(with) {
        return Some((key.clone().into_bytes(), key.above(), true));
    }
    let (mut from, mut to, mut bounded) = (key.clone().into_bytes(), key.above(), false);
    for (name, part) in comparisons.iter().filter(|(name, _)| ["lt", "le", "gt", "ge"].contains(&&name[..])) {
        // What has no order matches nothing: the filter says so of each document.
        let ((lowest, highest), bound) = (key.bounds_of_type(part)?, with(part)?);
        let (low, high) = match &name[..] {
            "ge" => (bound.into_bytes(), highest),
            "gt" => (bound.above(), highest),
            "le" => (lowest, bound.above()),
            _ => (lowest, bound.into_bytes()),
        };
        (from, to, bounded) = (from.max(low), to.min(high), true);
    }
    bounded.then_some((from, to, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn indexes() -> Indexes {
        let schema =
            json!({"x-unique": ["/number"], "x-indexes": ["/at", ["/carrier", "/at"], ["/carrier", "/flight"]]});
        Indexes::declared(&schema).expect("declared")
    }

    fn chosen(filter: &Value, sort: Option<&str>) -> Option<String> {
        let filter = Filter::parse("filter", filter.to_string().as_bytes()).expect("a filter");
        indexes().plan(Some(&filter), sort).map(|plan| plan.index.shown())
    }

    #[test]
    fn the_narrowest_index_that_misses_nothing_is_chosen() {
        for (filter, sort, expected) in [
            (json!({"/number": {"eq": "7"}}), None, Some("/number")),
            (json!({"/number": {"eq": "7"}, "/at": {"gt": 1}}), None, Some("/number")),
            (json!({"/number": {"eq": null}}), None, None),
            (json!({"/number": {"ne": "7"}}), None, None),
            (json!({"/number": {"exists": true}}), None, None),
            (json!({"/number": {"gt": true}}), None, None),
            (json!({"/at": {"gt": 1}}), None, Some("/at")),
            (json!({"/at": {"gt": 1}, "/carrier": {"eq": "x"}}), None, Some("/carrier, /at")),
            (json!({"/carrier": {"eq": "x"}}), None, None),
            (json!({"/carrier": {"eq": "x"}, "/flight": {"eq": 1}}), None, Some("/carrier, /flight")),
            (json!({"/carrier": {"eq": "x"}}), Some("/at"), Some("/carrier, /at")),
            (json!({}), Some("/at"), Some("/at")),
            (json!({"/number": {"eq": "7"}}), Some("/at"), Some("/at")),
            (json!({}), Some("/carrier"), None),
            (json!({}), Some("/flight"), None),
        ] {
            assert_eq!(chosen(&filter, sort).as_deref(), expected, "{filter} {sort:?}");
        }
        assert_eq!(indexes().plan(None, None), None);
    }

    #[test]
    fn a_range_holds_exactly_what_the_comparisons_do() {
        let indexes = indexes();
        let values =
            [json!(false), json!(true), json!(-3), json!(1), json!(1.5), json!(2), json!(""), json!("a"), json!("b")];
        for low in ["gt", "ge"] {
            for high in ["lt", "le", "eq"] {
                for (a, b) in values.iter().flat_map(|a| values.iter().map(move |b| (a, b))) {
                    let filter = json!({"/at": {low: a, high: b}}).to_string();
                    let filter = Filter::parse("filter", filter.as_bytes()).expect("a filter");
                    let Some(plan) = indexes.plan(Some(&filter), None) else { continue };
                    for value in &values {
                        let document = json!({ "at": value });
                        let key = [plan.index.key(&document).expect("a scalar").as_bytes(), b"id"].concat();
                        let within = plan.from <= key && key < plan.to;
                        let holds = filter.holds(&document);
                        assert!(within || !holds, "{low} {a} {high} {b} misses {value}");
                        assert!(holds || !within || high == "eq", "{low} {a} {high} {b} reads {value} in vain");
                    }
                }
            }
        }
    }
}
