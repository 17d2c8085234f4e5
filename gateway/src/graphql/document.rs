//! Make the types around a collection's own: document, edge, connection, versions, what a write gives.

use super::resolver::{Asking, null_with, part};
use super::typer::{INT53, JSON, Kind, json};
use crate::api::{Answered, Page, Recorded, Seen, Versions, Written};
use async_graphql::dynamic::{Field, FieldFuture, FieldValue, Object, TypeRef};
use async_graphql::{Name, Value};
use serde_json::Value as Json;

/// A document as a field gives it.
pub(super) struct Document {
    seen: Seen,
    /// What one that was read alone is true at.
    read: Option<Read>,
}

struct Read {
    height: u64,
    certified: bool,
    proof: Option<Json>,
    proof_note: Option<&'static str>,
}

/// A page of documents.
pub(super) struct Connection {
    edges: Vec<Edge>,
    end_cursor: Option<String>,
    has_next: bool,
    read_height: u64,
}

struct Edge {
    node: Document,
    cursor: String,
}

/// Versions of a document.
pub(super) struct History {
    versions: Vec<Document>,
    next: Option<u64>,
}

/// What became of a write.
pub(super) struct Outcome {
    transaction: Recorded,
    document: Option<Document>,
}

impl From<Seen> for Document {
    fn from(seen: Seen) -> Document {
        Document { seen, read: None }
    }
}

impl From<Answered> for Document {
    fn from(answered: Answered) -> Document {
        let Answered { seen, read_height: height, certified, proof, proof_note } = answered;
        let proof = proof.and_then(|proof| serde_json::to_value(proof).ok());
        Document { seen, read: Some(Read { height, certified, proof, proof_note }) }
    }
}

impl From<Page> for Connection {
    fn from(page: Page) -> Connection {
        let cursors: Vec<String> = page.documents.iter().map(|seen| page.cursor(seen)).collect();
        let Page { documents, next, read_height } = page;
        let has_next = next.is_some();
        let end_cursor = next.or_else(|| cursors.last().cloned());
        let edges =
            documents.into_iter().zip(cursors).map(|(seen, cursor)| Edge { node: seen.into(), cursor }).collect();
        Connection { edges, end_cursor, has_next, read_height }
    }
}

impl From<Versions> for History {
    fn from(versions: Versions) -> History {
        let Versions { versions, next } = versions;
        History { versions: versions.into_iter().map(Document::from).collect(), next }
    }
}

impl From<Written> for Outcome {
    fn from(written: Written) -> Outcome {
        let Written { transaction, document } = written;
        Outcome { transaction, document: document.map(Document::from) }
    }
}

/// A value of ours as a field gives it.
pub(super) fn given<T: Send + Sync + 'static>(value: T) -> Option<FieldValue<'static>> {
    Some(FieldValue::owned_any(value))
}

/// A value of a scalar or an enum.
pub(super) fn plain<'a>(value: impl Into<Value>) -> Option<FieldValue<'a>> {
    Some(FieldValue::value(value))
}

/// A name of an enum.
pub(super) fn word<'a>(word: impl AsRef<str>) -> Option<FieldValue<'a>> {
    plain(Value::Enum(Name::new(word.as_ref().to_uppercase())))
}

fn texts<'a>(texts: &[String]) -> Option<FieldValue<'a>> {
    plain(Value::List(texts.iter().map(|text| Value::from(text.as_str())).collect()))
}

/// The types of one collection; `value` is the type of its documents' values, where they have one.
pub(super) fn types(name: &str, value: Option<&Kind>) -> Vec<Object> {
    let named = |more: &str| format!("{name}{more}");
    let (document, edge) = (named("Document"), named("Edge"));
    vec![
        document_type(&document, value),
        Object::new(&edge)
            .field(part("cursor", TypeRef::named_nn(TypeRef::STRING), |edge: &Edge| plain(edge.cursor.as_str())))
            .field(part("node", TypeRef::named_nn(&document), |edge: &Edge| {
                Some(FieldValue::borrowed_any(&edge.node))
            })),
        Object::new(named("Connection"))
            .field(part("edges", TypeRef::named_nn_list_nn(&edge), |page: &Connection| {
                Some(FieldValue::list(page.edges.iter().map(|edge| FieldValue::borrowed_any(edge))))
            }))
            .field(part("nodes", TypeRef::named_nn_list_nn(&document), |page: &Connection| {
                Some(FieldValue::list(page.edges.iter().map(|edge| FieldValue::borrowed_any(&edge.node))))
            }))
            .field(part("pageInfo", TypeRef::named_nn("PageInfo"), |page: &Connection| {
                Some(FieldValue::borrowed_any(page))
            }))
            .field(part("readHeight", TypeRef::named_nn(INT53), |page: &Connection| plain(page.read_height))),
        Object::new(named("Versions"))
            .field(part("versions", TypeRef::named_nn_list_nn(&document), |history: &History| {
                Some(FieldValue::list(history.versions.iter().map(|version| FieldValue::borrowed_any(version))))
            }))
            .field(
                part("next", TypeRef::named(INT53), |history: &History| plain(history.next?))
                    .description("The `from` of the next page; null on the last"),
            ),
        Object::new(named("Written"))
            .field(part("transaction", TypeRef::named_nn("Transaction"), |outcome: &Outcome| {
                Some(FieldValue::borrowed_any(&outcome.transaction))
            }))
            .field(
                part("document", TypeRef::named(&document), |outcome: &Outcome| {
                    Some(FieldValue::borrowed_any(outcome.document.as_ref()?))
                })
                .description("As the caller sees it; null after a deletion"),
            ),
    ]
}

/// A document of one collection, or of any.
pub(super) fn document_type(name: &str, value: Option<&Kind>) -> Object {
    let text = || TypeRef::named_nn(TypeRef::STRING);
    let object = Object::new(name)
        .field(part("collection", text(), |document: &Document| plain(document.seen.collection.as_str())))
        .field(part("id", TypeRef::named_nn(TypeRef::ID), |document: &Document| plain(document.seen.id.as_str())))
        .field(part("version", TypeRef::named_nn(INT53), |document: &Document| plain(document.seen.version)))
        .field(
            part("height", TypeRef::named_nn(INT53), |document: &Document| plain(document.seen.height))
                .description("The block that wrote this version"),
        )
        .field(
            part("transaction", text(), |document: &Document| plain(document.seen.transaction.as_str()))
                .description("The transaction that wrote this version"),
        )
        .field(part("deleted", TypeRef::named_nn(TypeRef::BOOLEAN), |document: &Document| plain(document.seen.deleted)))
        .field(
            part("redacted", TypeRef::named_nn_list_nn(TypeRef::STRING), |document: &Document| {
                texts(&document.seen.redacted)
            })
            .description("JSON pointers to what the caller may not see, left out of the value"),
        )
        .field(json_field("json", "The value as it is", |document| document.seen.value.as_ref()))
        .field(json_field("proof", "A state proof file, of a document that is read by id", |document| {
            document.read.as_ref()?.proof.as_ref()
        }))
        .field(
            part("proofNote", TypeRef::named(TypeRef::STRING), |document: &Document| {
                plain(document.read.as_ref()?.proof_note?)
            })
            .description("What the proof does not prove"),
        )
        .field(
            part("readHeight", TypeRef::named(INT53), |document: &Document| plain(document.read.as_ref()?.height))
                .description("The height that was read, of a document that is read by id"),
        )
        .field(
            part("certified", TypeRef::named(TypeRef::BOOLEAN), |document: &Document| {
                plain(document.read.as_ref()?.certified)
            })
            .description("Whether a quorum has countersigned that height"),
        );
    match value.filter(|value| **value != Kind::Json) {
        Some(kind) => object.field(value_field(kind.clone())),
        None => object,
    }
}

fn value_field(kind: Kind) -> Field {
    part("value", kind.type_ref(), |document: &Document| {
        document.seen.value.as_ref().filter(|value| value.is_object()).map(|value| FieldValue::borrowed_any(value))
    })
}

fn json_field(
    name: &str,
    description: &str,
    value: impl for<'a> Fn(&'a Document) -> Option<&'a Json> + Send + Sync + 'static,
) -> Field {
    let field = Field::new(name, TypeRef::named(JSON), move |ctx| {
        let Some(value) = ctx.parent_value.downcast_ref::<Document>().and_then(&value) else {
            return FieldFuture::Value(None);
        };
        match Asking::of(&ctx).and_then(|asking| json(value, asking)) {
            Ok(value) => FieldFuture::Value(Some(value.into())),
            Err(problem) => null_with(&ctx, &problem),
        }
    });
    field.description(description)
}

/// The types that no collection names: pages, transactions.
pub(super) fn common_types() -> Vec<Object> {
    let transaction = Object::new("Transaction").description("A transaction that has its place on the ledger, or will");
    vec![
        Object::new("PageInfo")
            .field(part("hasNextPage", TypeRef::named_nn(TypeRef::BOOLEAN), |page: &Connection| plain(page.has_next)))
            .field(part("endCursor", TypeRef::named(TypeRef::STRING), |page: &Connection| {
                plain(page.end_cursor.as_deref()?)
            })),
        recorded_fields(transaction, |recorded: &Recorded| recorded),
    ]
}

/// What is known of every transaction.
pub(super) fn recorded_fields<T: Send + Sync + 'static>(
    object: Object,
    recorded: impl for<'a> Fn(&'a T) -> &'a Recorded + Copy + Send + Sync + 'static,
) -> Object {
    object
        .field(part("id", TypeRef::named_nn(TypeRef::ID), move |of: &T| plain(recorded(of).id.as_str())))
        .field(part("outcome", TypeRef::named_nn("Outcome"), move |of: &T| word(recorded(of).outcome)))
        .field(
            part("level", TypeRef::named("Level"), move |of: &T| word(recorded(of).level?))
                .description("The level that it has reached"),
        )
        .field(part("height", TypeRef::named(INT53), move |of: &T| plain(recorded(of).height?)))
        .field(part("leaf", TypeRef::named(INT53), move |of: &T| plain(recorded(of).leaf?)))
        .field(
            part("missing", TypeRef::named_nn_list_nn(TypeRef::STRING), move |of: &T| texts(&recorded(of).missing))
                .description("Organisations whose countersignature is missing for the level asked for"),
        )
}
