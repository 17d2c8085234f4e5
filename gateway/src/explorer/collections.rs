//! List the collections that the ledger has.

use super::page::{Answer, Explorer, Frame, answer};
use crate::asked::Asked;
use crate::limits::DOCUMENT_ROWS_MAX;
use crate::links;
use crate::refusal::Refusal;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use countersign_ledger::Version;
use countersign_proof::SYSTEM_COLLECTIONS;

/// Where genesis and governance keep the definitions of collections.
pub(super) const SCHEMAS: &str = "$schemas";

#[derive(Template)]
#[template(path = "collections.html")]
struct CollectionsPage {
    frame: Frame,
    defined: Vec<CollectionRow>,
    more: Option<String>,
    system: Vec<CollectionRow>,
}

struct CollectionRow {
    name: String,
    link: String,
    /// Where its access rule and schema are shown; empty for a system collection.
    definition: String,
}

/// All collections; with `collection` that one, with `id` beside it the document.
pub(crate) async fn collections(State(explorer): State<Explorer>, asked: Asked) -> Result<Response, Refusal> {
    match (asked.collection()?, asked.id()?) {
        (Some(collection), Some(id)) => Ok(Redirect::to(&links::document(collection, id)).into_response()),
        (Some(collection), None) => Ok(Redirect::to(&links::collection(collection)).into_response()),
        (None, Some(_)) => Err(Refusal::field("collection", "empty; an id alone names no document")),
        (None, None) => Ok(all_collections(&explorer, asked.after()?).into_response()),
    }
}

fn all_collections(explorer: &Explorer, after: &str) -> Answer {
    let (schemas, next) = explorer.reader.documents(SCHEMAS, after, DOCUMENT_ROWS_MAX)?;
    let defined = |schema: Version| collection_row(&schema.record.id, links::document(SCHEMAS, &schema.record.id));
    answer(CollectionsPage {
        frame: explorer.frame(),
        defined: schemas.into_iter().map(defined).collect(),
        more: next.map(|id| links::collections_after(&id)),
        system: SYSTEM_COLLECTIONS.iter().map(|name| collection_row(name, String::new())).collect(),
    })
}

fn collection_row(name: &str, definition: String) -> CollectionRow {
    CollectionRow { name: name.to_owned(), link: links::collection(name), definition }
}
