//! Serve the typed API as GraphQL: the same reads, writes and changes as REST, in types made from the collections.
//!
//! ```text
//!  POST /graphql ─▶ Caller ─▶ gate: bytes, tokens, cost ─▶ schema of this height ─▶ Api ─▶ {"data","errors"}
//!  GET, upgraded ─▶ socket ─▶ the same for each operation; a subscription reads a Feed
//! ```

mod answer;
mod change;
mod cost;
mod document;
mod gate;
mod http;
mod lexer;
mod mutation;
mod operation;
mod query;
mod resolver;
mod schema;
mod socket;
mod typer;

pub(crate) use http::{ask, upgrade};
pub(crate) use schema::Typed;
