//! Refuse a policy whose evaluation could outgrow the stack that every thread is sure to have.
//!
//! Cedar ends an evaluation that is short of stack with an error. Nodes have threads of different stacks, so that a policy
//! which comes that far would be decided by who evaluates it. What is counted is the expression that is evaluated: its scope
//! and all of its `when` and `unless`, each of which stands one level below the one before it.

use cedar_policy_core::ast::{Expr, ExprKind};

/// Levels of a policy's expression. Measured: a level takes 4 KiB and more of stack, so that all take half of what
/// [`super::cedar`] makes sure of.
pub(super) const EXPRESSION_DEPTH_MAX: usize = 104;

/// Whether an expression has at most so many levels.
pub(super) fn fits(expression: &Expr, levels: usize) -> bool {
    levels > 0 && inner(expression).into_iter().all(|inner| fits(inner, levels - 1))
}

/// What is evaluated for the sake of an expression.
fn inner(expression: &Expr) -> Vec<&Expr> {
    match expression.expr_kind() {
        ExprKind::If { test_expr, then_expr, else_expr } => vec![test_expr, then_expr, else_expr],
        ExprKind::And { left, right } | ExprKind::Or { left, right } => vec![left, right],
        ExprKind::BinaryApp { arg1, arg2, .. } => vec![arg1, arg2],
        ExprKind::UnaryApp { arg, .. } => vec![arg],
        ExprKind::GetAttr { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. }
        | ExprKind::Like { expr, .. }
        | ExprKind::Is { expr, .. } => vec![expr],
        ExprKind::Set(elements) => elements.iter().collect(),
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().collect(),
        ExprKind::Record(members) => members.values().collect(),
        ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => Vec::new(),
    }
}
