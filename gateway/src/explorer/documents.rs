//! List the documents of one collection.

use super::collections::SCHEMAS;
use super::page::{Answer, Explorer, Frame, answer};
use crate::asked::{Asked, Named, collection};
use crate::limits::DOCUMENT_ROWS_MAX;
use crate::links;
use crate::refusal::Refusal;
use crate::show::{short, visible};
use askama::Template;
use axum::extract::State;
use countersign_ledger::Version;
use countersign_ledger::store::Reader;
use countersign_proof::SYSTEM_COLLECTIONS;

#[derive(Template)]
#[template(path = "documents.html")]
struct DocumentsPage {
    frame: Frame,
    collection: String,
    documents: Vec<DocumentRow>,
    more: Option<String>,
}

struct DocumentRow {
    id: String,
    link: String,
    version: u64,
    height: u64,
    block: String,
    hash: String,
    hash_short: String,
}

/// The documents of a collection that are not deleted, by id.
pub(crate) async fn documents(State(explorer): State<Explorer>, Named(name): Named, asked: Asked) -> Answer {
    let name = collection("collection", &name)?;
    let after = asked.after()?;
    if !exists(&explorer.reader, name)? {
        return Err(Refusal::Missing(format!("this ledger has no collection {name}")));
    }
    if !explorer.shows(name)? {
        return Err(hidden(name));
    }
    let (documents, next) = explorer.reader.documents(name, after, DOCUMENT_ROWS_MAX)?;
    answer(DocumentsPage {
        frame: explorer.frame(),
        collection: name.to_owned(),
        documents: documents.iter().map(document_row).collect(),
        more: next.map(|id| links::collection_after(name, &id)),
    })
}

/// The same for what is there and for what is not.
pub(super) fn hidden(collection: &str) -> Refusal {
    let reason =
        format!("what {collection} holds is shown by its access rules alone: ask the typed API, which knows you");
    Refusal::Missing(reason)
}

fn exists(reader: &Reader, name: &str) -> Result<bool, Refusal> {
    Ok(SYSTEM_COLLECTIONS.contains(&name) || reader.document(SCHEMAS, name)?.is_some())
}

fn document_row(document: &Version) -> DocumentRow {
    let record = &document.record;
    DocumentRow {
        id: visible(&record.id),
        link: links::document(&record.collection, &record.id),
        version: record.version,
        height: record.height,
        block: links::block(record.height),
        hash: document.hash.to_string(),
        hash_short: short(document.hash),
    }
}
