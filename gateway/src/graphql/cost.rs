//! Say what an operation costs before it is executed.

use crate::api::ROWS_DEFAULT;
use crate::limits::{API_ROWS_MAX, QUERY_COST_MAX, QUERY_DEPTH_MAX};
use crate::problem::Problem;
use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Name, Value, Variables};
use std::collections::{BTreeMap, BTreeSet};

/// What a field of a root costs, and has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    /// Beside the 1 of every field.
    pub(super) cost: usize,
    /// Rows where `first` is left out.
    rows: u64,
}

/// A field that reads one document.
pub(super) const READ: Weight = Weight { cost: 50, rows: 1 };
/// A field that writes.
pub(super) const WRITE: Weight = Weight { cost: 200, rows: 1 };
/// A field that may read as many documents as one request may, and gives a number.
pub(super) const COUNT: Weight = Weight { cost: 1_000, rows: 1 };
/// The same, and gives rows.
pub(super) const LIST: Weight = Weight { cost: 1_000, rows: ROWS_DEFAULT };
/// A field that tells of the schema.
const TOLD: usize = 2_000;
/// Selections in what tells of the schema; the tools' own query has about 250.
const TOLD_SELECTIONS_MAX: usize = 500;
/// Lists that lead from a type to all it has: one of them on a path, or types multiply with types.
const TOLD_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// Adds up all operations of a document, each fragment where it is spread.
pub(super) struct Cost<'a> {
    document: &'a ExecutableDocument,
    variables: &'a Variables,
    weights: &'a BTreeMap<String, Weight>,
    cost: usize,
    told: usize,
    spread: Vec<&'a str>,
    used: BTreeSet<&'a str>,
}

/// Where a selection stands.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    /// How many rows have it.
    times: usize,
    of_root: bool,
    /// In what tells of the schema: whether a list has been taken.
    told: Option<bool>,
}

impl<'a> Cost<'a> {
    /// Errs with the limit that a document passes: of depth, of cost, a fragment in itself, or one that is not used.
    pub(super) fn check(
        document: &'a ExecutableDocument,
        variables: &'a Variables,
        weights: &'a BTreeMap<String, Weight>,
    ) -> Result<(), Problem> {
        let (spread, used) = (Vec::new(), BTreeSet::new());
        let mut cost = Cost { document, variables, weights, cost: 0, told: 0, spread, used };
        for (_, operation) in document.operations.iter() {
            let root = Place { depth: 1, times: 1, of_root: true, told: None };
            cost.selections(&operation.node.selection_set.node, root)?;
        }
        // What no operation uses nobody has counted.
        match document.fragments.keys().find(|name| !cost.used.contains(name.as_str())) {
            Some(name) => Err(Problem::field("query", format_args!("no operation uses the fragment {name:?}"))),
            None => Ok(()),
        }
    }

    fn selections(&mut self, set: &'a SelectionSet, place: Place) -> Result<(), Problem> {
        if place.depth > QUERY_DEPTH_MAX {
            let detail = format!("query: nested deeper than {QUERY_DEPTH_MAX} selections, fragments included");
            return Err(Problem::new("TOO_LARGE", detail).at("query"));
        }
        let inner = Place { depth: place.depth + 1, ..place };
        for selection in &set.items {
            self.add(place.times)?;
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, place)?,
                Selection::InlineFragment(fragment) => self.selections(&fragment.node.selection_set.node, inner)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, inner)?,
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Field, place: Place) -> Result<(), Problem> {
        let (name, mut told) = (field.name.node.as_str(), place.told);
        let mut times = place.times;
        if place.of_root {
            let of_schema = matches!(name, "__schema" | "__type");
            self.add(if of_schema { TOLD } else { self.weights.get(name).map_or(0, |weight| weight.cost) })?;
            told = of_schema.then_some(false);
            times = self.rows(field);
        }
        if let Some(taken) = told.as_mut() {
            self.told += 1;
            if self.told > TOLD_SELECTIONS_MAX {
                let detail = format!("query: more than {TOLD_SELECTIONS_MAX} selections in __schema and __type");
                return Err(Problem::new("TOO_LARGE", detail).at("query"));
            }
            if TOLD_LISTS.contains(&name) && std::mem::replace(taken, true) {
                let detail = format!("query: {name} inside {}; one of them on a path", TOLD_LISTS.join(", "));
                return Err(Problem::new("TOO_LARGE", detail).at("query"));
            }
        }
        self.selections(&field.selection_set.node, Place { depth: place.depth + 1, times, of_root: false, told })
    }

    /// The rows that `first` asks for.
    fn rows(&self, field: &Field) -> usize {
        let given = field.get_argument("first").map(|first| {
            // A variable that is not given has a default, or none: as if it were the most.
            let value = |name: Name| self.variables.get(&name).cloned().ok_or(());
            first.node.clone().into_const_with(value).map_or(Some(API_ROWS_MAX), |value| match value {
                Value::Number(number) => number.as_u64(),
                _ => None,
            })
        });
        let weight = self.weights.get(field.name.node.as_str());
        let number = given.unwrap_or_else(|| weight.map(|weight| weight.rows));
        // What is no number of rows is refused where it is read.
        usize::try_from(number.unwrap_or(1).clamp(1, API_ROWS_MAX)).expect("it is small")
    }

    fn fragment(&mut self, name: &'a Name, inner: Place) -> Result<(), Problem> {
        let name = name.as_str();
        if self.spread.contains(&name) {
            let circle = format!("{} -> {name}", self.spread.join(" -> "));
            return Err(Problem::field("query", format_args!("a fragment is in itself: {circle}")));
        }
        let unknown = || Problem::field("query", format_args!("no fragment {name:?}"));
        let fragment = self.document.fragments.get(name).ok_or_else(unknown)?;
        self.used.insert(name);
        self.spread.push(name);
        self.selections(&fragment.node.selection_set.node, inner)?;
        self.spread.pop();
        Ok(())
    }

    fn add(&mut self, cost: usize) -> Result<(), Problem> {
        self.cost += cost;
        if self.cost > QUERY_COST_MAX {
            let (read, write, scan) = (READ.cost, WRITE.cost, LIST.cost);
            let detail = format!(
                "query: costs more than {QUERY_COST_MAX}: each field 1 for every row that `first` asks for, and {read} more \
                 for a document, {write} for a write, {scan} for a list, versions, a count or a sum, {TOLD} for __schema"
            );
            return Err(Problem::new("TOO_LARGE", detail).at("query"));
        }
        Ok(())
    }
}
