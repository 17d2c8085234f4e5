//! Bound what it takes to evaluate policies, before they are: from their text and the size of what they are shown.
//!
//! Cedar has no loops, so that each expression is evaluated at most once. What it then takes grows with nothing but the sizes of
//! the values it compares, hashes or matches; and no value is larger than the values it was made of. So the cost of a policy is
//! linear in the sizes of the document and of the attributes it may look at, and every node counts the same, whatever the
//! evaluator passes over.

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, Pattern, PatternElem, Policy, Var};
use countersign_proof::canonical;
use serde_json::Value;
use std::cell::Cell;
use std::ops::Add;

/// Units of work that the policies of all documents of one transaction, or of one view, may take together. A unit is up to about
/// 10 ns.
pub(crate) const ACCESS_WORK_MAX: u64 = 10_000_000;

/// One question, whatever its policies are.
const QUESTION_UNITS: u64 = 60;
/// One member or element that a field's path leads past.
pub(super) const VISIT_UNITS: u64 = 10;
/// One place that it leads to, taken out of a document and compared.
pub(super) const PLACE_UNITS: u64 = 200;
/// One policy, whatever it says.
const POLICY_UNITS: u64 = 30;
/// One expression, whatever its values are.
const EXPRESSION_UNITS: u64 = 8;
/// Of a value's size, to look it up among many: hashed once, or compared with some of them.
const LOOKUP_TIMES: u64 = 4;

/// What grows with the size of what a policy is shown, and of the attributes of who asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    fixed: u64,
    per_shown: u64,
    per_attributes: u64,
}

/// The work that is left.
#[derive(Debug)]
pub struct Allowance(Cell<Option<u64>>);

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance(Cell::new(Some(ACCESS_WORK_MAX)))
    }
}

impl Allowance {
    /// Takes so much of it, or all when it is not enough: then nothing more is evaluated.
    pub(super) fn take(&self, units: u64) -> bool {
        self.0.set(self.0.get().and_then(|left| left.checked_sub(units)));
        !self.is_spent()
    }

    /// Whether something would have taken more than was left.
    pub(super) fn is_spent(&self) -> bool {
        self.0.get().is_none()
    }
}

impl Cost {
    /// Of asking these policies one question.
    pub(super) fn question(policies: impl Iterator<Item = Cost>) -> Cost {
        policies.fold(Cost::fixed(QUESTION_UNITS), Cost::add)
    }

    /// Of evaluating a policy.
    pub(super) fn policy(policy: &Policy) -> Cost {
        let mut cost = Cost::fixed(POLICY_UNITS);
        measure(&policy.condition(), &mut cost);
        cost
    }

    /// In units, for values of these sizes.
    pub(super) fn units(self, shown: u64, attributes: u64) -> u64 {
        let of_attributes = self.per_attributes.saturating_mul(attributes);
        self.fixed.saturating_add(self.per_shown.saturating_mul(shown)).saturating_add(of_attributes)
    }

    fn fixed(units: u64) -> Cost {
        Cost { fixed: units, ..Cost::default() }
    }

    fn times(self, times: u64) -> Cost {
        Cost {
            fixed: self.fixed.saturating_mul(times),
            per_shown: self.per_shown.saturating_mul(times),
            per_attributes: self.per_attributes.saturating_mul(times),
        }
    }

    /// That of the one which grows less: a comparison ends where one of two values does.
    fn of_comparison(self, other: Cost) -> Cost {
        let growth = |cost: &Cost| (cost.per_shown, cost.per_attributes, cost.fixed);
        if growth(&self) < growth(&other) { self } else { other }
    }
}

impl Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        Cost {
            fixed: self.fixed.saturating_add(other.fixed),
            per_shown: self.per_shown.saturating_add(other.per_shown),
            per_attributes: self.per_attributes.saturating_add(other.per_attributes),
        }
    }
}

/// Adds what it takes to evaluate `expression`, and gives the size of its value.
fn measure(expression: &Expr, cost: &mut Cost) -> Cost {
    *cost = *cost + Cost::fixed(EXPRESSION_UNITS);
    let mut inner = |expression: &Expr| measure(expression, cost);
    let (size, work) = match expression.expr_kind() {
        ExprKind::Lit(Literal::String(text)) => (Cost::fixed(text_size(text.len())), Cost::default()),
        ExprKind::Lit(_) => (Cost::fixed(text_size(0)), Cost::default()),
        ExprKind::Var(Var::Context) => (Cost { per_shown: 1, ..Cost::default() }, Cost::default()),
        // An entity: its attributes are larger than itself, and may be got from it.
        ExprKind::Var(_) => (Cost::fixed(text_size(0)), Cost::default()),
        ExprKind::If { test_expr, then_expr, else_expr } => {
            inner(test_expr);
            (inner(then_expr) + inner(else_expr), Cost::default())
        }
        ExprKind::And { left, right } | ExprKind::Or { left, right } => {
            inner(left);
            inner(right);
            (Cost::fixed(1), Cost::default())
        }
        ExprKind::UnaryApp { arg, .. } => {
            inner(arg);
            (Cost::fixed(1), Cost::default())
        }
        ExprKind::BinaryApp { op, arg1, arg2 } => (Cost::fixed(1), binary(*op, inner(arg1), inner(arg2))),
        ExprKind::GetAttr { expr, .. } => {
            let of = inner(expr);
            // Only the context holds what is shown; all else may hold an entity.
            let attributes = Cost { per_attributes: 1, ..Cost::default() };
            (if is_context(expr) { of } else { of + attributes }, Cost::default())
        }
        ExprKind::HasAttr { expr, .. } | ExprKind::ExtHasAttr { expr, .. } | ExprKind::Is { expr, .. } => {
            inner(expr);
            (Cost::fixed(1), Cost::default())
        }
        ExprKind::Like { expr, pattern } => (Cost::fixed(1), inner(expr).times(match_times(pattern))),
        ExprKind::Set(elements) => {
            let sizes = elements.iter().map(&mut inner).collect::<Vec<Cost>>();
            let size = sizes.into_iter().fold(Cost::fixed(70), Cost::add);
            // Sorted, and hashed.
            (size, size.times(1 + u64::from(elements.len().max(1).ilog2())))
        }
        ExprKind::Record(members) => {
            let sizes = members.values().map(&mut inner).collect::<Vec<Cost>>();
            let names: u64 = members.keys().map(|name| text_size(name.len())).sum();
            (sizes.into_iter().fold(Cost::fixed(40 + names), Cost::add), Cost::default())
        }
        // No rule has one: refused when it is defined.
        ExprKind::Slot(_) | ExprKind::Unknown(_) | ExprKind::ExtensionFunctionApp { .. } => Default::default(),
    };
    *cost = *cost + work;
    size
}

fn is_context(expression: &Expr) -> bool {
    match expression.expr_kind() {
        ExprKind::Var(variable) => *variable == Var::Context,
        ExprKind::GetAttr { expr, .. } => is_context(expr),
        _ => false,
    }
}

/// What it takes to apply an operator to values of these sizes.
fn binary(op: BinaryOp, left: Cost, right: Cost) -> Cost {
    match op {
        BinaryOp::Eq => left.of_comparison(right),
        BinaryOp::Contains => right.times(LOOKUP_TIMES),
        BinaryOp::ContainsAll | BinaryOp::ContainsAny => left + right,
        BinaryOp::In => right,
        _ => Cost::default(),
    }
}

/// How often a match may go over the text: where something follows a star, each place of the text may begin it.
fn match_times(pattern: &Pattern) -> u64 {
    let elements = pattern.get_elems();
    let is_star = |element: &&PatternElem| matches!(element, PatternElem::Wildcard);
    match elements.iter().position(|element| is_star(&element)) {
        None => 2,
        Some(at) if at + 1 == elements.len() => 2,
        Some(_) => {
            let parts = elements.split(|element| is_star(&element));
            2 + parts.map(<[PatternElem]>::len).max().unwrap_or(0) as u64 / 2
        }
    }
}

/// Of a value as policies are shown it: about the nanoseconds, in tens, that it takes to make or to hash it.
pub(super) fn size(value: &Value) -> u64 {
    match value {
        Value::Null => 1,
        Value::Bool(_) => text_size(0),
        Value::Number(number) if number.is_i64() => text_size(0),
        Value::Number(number) => text_size(canonical(number).len()),
        Value::String(text) => text_size(text.len()),
        Value::Array(elements) => 70 + elements.iter().map(size).sum::<u64>(),
        Value::Object(members) => {
            40 + members.iter().map(|(name, value)| 4 + name.len() as u64 / 8 + size(value)).sum::<u64>()
        }
    }
}

fn text_size(bytes: usize) -> u64 {
    12 + bytes as u64 / 8
}
