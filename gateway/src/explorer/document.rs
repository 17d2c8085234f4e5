//! Show one version of a document: its value, its record, the versions around it.

use super::block::{Certificate, certificate};
use super::documents::hidden;
use super::page::{Answer, Explorer, Frame, answer};
use crate::asked::Asked;
use crate::limits::{DOCUMENT_ROWS_MAX, SHOWN_BYTES_MAX};
use crate::links;
use crate::refusal::Refusal;
use crate::show::{Shown, short, time, visible};
use askama::Template;
use axum::extract::State;
use countersign_ledger::Version;
use countersign_ledger::store::Reader;
use countersign_proof::{SealLeaf, VersionRecord, canonical};

#[derive(Template)]
#[template(path = "document.html")]
struct DocumentPage {
    frame: Frame,
    collection_link: String,
    id: String,
    newest: u64,
    newest_link: String,
    record: VersionRecord,
    hash: String,
    state_key: String,
    salt: Option<String>,
    time: String,
    block: String,
    transaction: Option<String>,
    certificate: Option<Certificate>,
    value: Option<Shown>,
    history: Vec<VersionRow>,
    older: Option<String>,
}

struct VersionRow {
    version: u64,
    link: String,
    height: u64,
    block: String,
    transaction: Option<TransactionLink>,
    deleted: bool,
    hash: String,
    hash_short: String,
}

struct TransactionLink {
    link: String,
    id: String,
    id_short: String,
}

pub(crate) async fn document(State(explorer): State<Explorer>, asked: Asked) -> Answer {
    let collection = asked.collection()?.ok_or_else(|| Refusal::field("collection", "empty"))?;
    let id = asked.id()?.ok_or_else(|| Refusal::field("id", "empty"))?;
    let (version, before) = (asked.version()?, asked.before()?);
    let reader = &explorer.reader;
    if !explorer.shows(collection)? {
        return Err(hidden(collection));
    }
    let missing = || Refusal::Missing(format!("{collection} has never had a document {id}"));
    let newest = reader.document(collection, id)?.ok_or_else(missing)?;
    let last = newest.record.version;
    let shown = match version.filter(|version| *version != last) {
        None => newest,
        Some(version) => {
            let missing = || Refusal::Missing(format!("{collection}/{id} has the versions 1 to {last}"));
            reader.version(collection, id, version)?.ok_or_else(missing)?
        }
    };
    let history = history(reader, collection, id, before.unwrap_or(last + 1).min(last + 1))?;
    let older = history.last().filter(|row| row.version > 1).map(|row| row.version);
    let older = older.map(|before| links::version_before(collection, id, shown.record.version, before));
    answer(page(&explorer, shown, last, history, older)?)
}

fn page(
    explorer: &Explorer,
    shown: Version,
    newest: u64,
    history: Vec<VersionRow>,
    older: Option<String>,
) -> Result<DocumentPage, Refusal> {
    let Version { record, hash, salt, value } = shown;
    let seal = explorer.reader.seal(record.height)?;
    let mut room = SHOWN_BYTES_MAX;
    Ok(DocumentPage {
        frame: explorer.frame(),
        collection_link: links::collection(&record.collection),
        id: visible(&record.id),
        newest,
        newest_link: links::document(&record.collection, &record.id),
        hash: hash.to_string(),
        state_key: record.state_key().to_string(),
        salt: salt.map(|salt| salt.to_string()),
        time: seal.as_ref().map_or_else(String::new, |seal| time(seal.time)),
        block: links::block(record.height),
        transaction: written_by(&record).map(|link| link.link),
        certificate: certified(&explorer.reader, seal.as_ref())?,
        value: value.map(|value| Shown::of(&value, canonical(&value).len(), &mut room)),
        history,
        older,
        record,
    })
}

fn certified(reader: &Reader, seal: Option<&SealLeaf>) -> Result<Option<Certificate>, Refusal> {
    match seal {
        Some(seal) => certificate(reader, seal.index()),
        None => Ok(None),
    }
}

/// The versions below `before`, newest first.
fn history(reader: &Reader, collection: &str, id: &str, before: u64) -> Result<Vec<VersionRow>, Refusal> {
    let from = before.saturating_sub(DOCUMENT_ROWS_MAX as u64).max(1);
    let versions = reader.history(collection, id, from, (before - from) as usize)?;
    Ok(versions.iter().rev().map(version_row).collect())
}

fn version_row(version: &Version) -> VersionRow {
    let record = &version.record;
    VersionRow {
        version: record.version,
        link: links::version(&record.collection, &record.id, record.version),
        height: record.height,
        block: links::block(record.height),
        transaction: written_by(record),
        deleted: version.value.is_none(),
        hash: version.hash.to_string(),
        hash_short: short(version.hash),
    }
}

/// The transaction that wrote a version; none for what genesis wrote.
fn written_by(record: &VersionRecord) -> Option<TransactionLink> {
    let id = &record.transaction;
    let link = || TransactionLink { link: links::transaction(id), id: id.to_string(), id_short: short(id) };
    (record.height > 0).then(link)
}
