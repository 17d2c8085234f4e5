//! Decide what a valid ledger is: schemas, rules, execution, blocks.
pub mod store;
