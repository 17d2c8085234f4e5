//! Make the fields of Query: documents, pages, counts, sums, versions, what became of a transaction.

use super::cost::{COUNT, LIST, READ, Weight};
use super::document::{Connection, Document, History, given, plain, recorded_fields};
use super::resolver::{Answering, Call, asking_field, optional, part, required};
use super::typer::{INT53, JSON};
use crate::api::{Counted, ListAsked, ReadAsked, Served, Status, Summed};
use crate::problem::Problem;
use async_graphql::dynamic::{Field, FieldValue, InputValue, Object, TypeRef};
use countersign_proof::{canonical, check_document_id};
use futures::FutureExt;
use std::sync::Arc;

/// A field of a root, with what it costs.
pub(super) struct Rooted {
    pub(super) field: Field,
    pub(super) name: String,
    pub(super) weight: Weight,
}

pub(super) fn rooted(name: String, weight: Weight, make: impl FnOnce(&str) -> Field) -> Rooted {
    Rooted { field: make(&name), name, weight }
}

/// The fields of one collection, whose type is `type_name` and whose fields begin with `field`.
pub(super) fn fields(served: &Arc<Served>, type_name: &str, field: &str) -> Vec<Rooted> {
    let named = |more: &str| format!("{field}{more}");
    let kind = |more: &str| TypeRef::named(format!("{type_name}{more}"));
    let of = |answer: fn(Call, Arc<Served>) -> Answering| {
        let served = served.clone();
        move |call: Call| answer(call, served.clone())
    };
    let id = || required("id", TypeRef::ID, "The document's id");
    vec![
        rooted(named(""), READ, |name| {
            let version = optional("version", INT53, "This version, instead of that of a height or a time");
            let field = asking_field(name, kind("Document"), of(document)).argument(id()).argument(version);
            at(field).description("A document; null where there is none")
        }),
        rooted(named("List"), LIST, |name| {
            let field = asking_field(name, kind("Connection"), of(list))
                .argument(optional("first", TypeRef::INT, "Rows, from 1 to 1000; 100 when left out"))
                .argument(optional("after", TypeRef::STRING, "A cursor of this list: the page is of the same height"))
                .argument(optional("sort", TypeRef::STRING, "An indexed JSON pointer, - before it for the last first"));
            at(filtered(field)).description("A page of documents, by id where no order is asked for, all of one height")
        }),
        rooted(named("Count"), COUNT, |name| {
            at(filtered(asking_field(name, TypeRef::named("Count"), of(count)))).description("How many documents match")
        }),
        rooted(named("Sum"), COUNT, |name| {
            let pointer = required("pointer", TypeRef::STRING, "A JSON pointer to integers");
            let field = asking_field(name, TypeRef::named("Sum"), of(sum)).argument(pointer);
            at(filtered(field)).description("What the integers at a place add up to")
        }),
        rooted(named("Versions"), LIST, |name| {
            asking_field(name, kind("Versions"), of(versions))
                .argument(id())
                .argument(optional("first", TypeRef::INT, "Rows, from 1 to 1000; 100 when left out"))
                .argument(optional("from", INT53, "The first version to give; 1 when left out"))
                .description("A document's certified versions, oldest first")
        }),
    ]
}

/// The fields that no collection names.
pub(super) fn common_fields() -> Vec<Rooted> {
    vec![rooted("transaction".into(), READ, |name| {
        asking_field(name, TypeRef::named("TransactionStatus"), |call| {
            async move {
                let status = call.asking.api.transaction_status(&call.asking.caller, &call.needed("id")?);
                found(status.map(given))
            }
            .boxed()
        })
        .argument(required("id", TypeRef::ID, "64 hex digits"))
        .description("What became of a transaction")
    })]
}

/// The types that these fields give.
pub(super) fn common_types() -> Vec<Object> {
    let status = Object::new("TransactionStatus")
        .field(
            part("by", TypeRef::named_nn(TypeRef::STRING), |status: &Status| plain(status.by.as_str()))
                .description("The account that signed first"),
        )
        .field(part("code", TypeRef::named(TypeRef::STRING), |status: &Status| plain(status.code.as_deref()?)))
        .field(part("detail", TypeRef::named_nn(TypeRef::STRING), |status: &Status| plain(status.detail.as_str())))
        .field(
            part("existing", TypeRef::named(TypeRef::STRING), |status: &Status| plain(status.existing.as_deref()?))
                .description("The id of the document that holds the unique key"),
        )
        .field(part("violations", TypeRef::named_nn_list_nn("Violation"), |status: &Status| {
            Some(FieldValue::list(status.pointers.iter().map(|pointer| FieldValue::borrowed_any(pointer))))
        }));
    let text = || TypeRef::named_nn(TypeRef::STRING);
    vec![
        recorded_fields(status, |status: &Status| &status.recorded),
        Object::new("Violation")
            .field(part("pointer", text(), |pointer: &crate::problem::Pointer| plain(pointer.pointer.as_str())))
            .field(part("keyword", text(), |pointer: &crate::problem::Pointer| plain(pointer.keyword.as_str()))),
        Object::new("Count")
            .field(part("count", TypeRef::named_nn(INT53), |counted: &Counted| plain(counted.count)))
            .field(part("readHeight", TypeRef::named_nn(INT53), |counted: &Counted| plain(counted.read_height))),
        Object::new("Sum")
            .field(part("sum", TypeRef::named_nn(INT53), |summed: &Summed| plain(summed.sum)))
            .field(part("count", TypeRef::named_nn(INT53), |summed: &Summed| plain(summed.count)))
            .field(
                part("skipped", TypeRef::named_nn(INT53), |summed: &Summed| plain(summed.skipped))
                    .description("Documents without an integer there"),
            )
            .field(part("readHeight", TypeRef::named_nn(INT53), |summed: &Summed| plain(summed.read_height))),
    ]
}

/// Which state a field reads.
fn at(field: Field) -> Field {
    field
        .argument(optional("height", INT53, "The state at this height"))
        .argument(optional("time", TypeRef::STRING, "The state at this time: RFC 3339, or milliseconds since 1970"))
        .argument(optional("consistency", "Consistency", "How sure the read must be; CERTIFIED when left out"))
}

fn filtered(field: Field) -> Field {
    field.argument(filter())
}

/// The filter that lists and subscriptions take.
pub(super) fn filter() -> InputValue {
    optional("filter", JSON, "JSON pointers to comparisons, as in REST: {\"/seats\": {\"gt\": 100}}")
}

/// The filter's text.
pub(super) fn filter_text(call: &Call) -> Result<Option<String>, Problem> {
    let text = |bytes| String::from_utf8(bytes).expect("JSON is UTF-8");
    Ok(call.json("filter").map(|filter| text(canonical(filter))))
}

fn list_asked(call: &Call) -> Result<ListAsked, Problem> {
    Ok(ListAsked {
        consistency: consistency(call),
        cursor: call.text("after"),
        filter: filter_text(call)?,
        height: call.text("height"),
        limit: call.text("first"),
        pointer: call.text("pointer"),
        sort: call.text("sort"),
        time: call.text("time"),
    })
}

fn consistency(call: &Call) -> Option<String> {
    call.text("consistency").map(|word| word.to_lowercase())
}

/// To a reader, what is not there is null and no error.
fn found<T>(answered: Result<Option<T>, Problem>) -> Result<Option<T>, Problem> {
    match answered {
        Err(problem) if problem.code() == "NOT_FOUND" => Ok(None),
        answered => answered,
    }
}

/// The id of the document that is meant.
pub(super) fn id(call: &Call) -> Result<String, Problem> {
    let id = call.needed("id")?;
    check_document_id("id", &id)?;
    Ok(id)
}

fn document(call: Call, served: Arc<Served>) -> Answering {
    async move {
        let asked = ReadAsked {
            consistency: consistency(&call),
            height: call.text("height"),
            proof: call.with_proof.then(|| "true".into()),
            time: call.text("time"),
            version: call.text("version"),
        };
        let answered = call.asking.api.answer(&call.asking.caller, &served, &id(&call)?, &asked).await;
        found(answered.map(|answered| given(Document::from(answered))))
    }
    .boxed()
}

fn list(call: Call, served: Arc<Served>) -> Answering {
    async move {
        let page = call.asking.api.page(&call.asking.caller, &served, &list_asked(&call)?).await?;
        Ok(given(Connection::from(page)))
    }
    .boxed()
}

fn count(call: Call, served: Arc<Served>) -> Answering {
    async move { Ok(given(call.asking.api.count(&call.asking.caller, &served, &list_asked(&call)?).await?)) }.boxed()
}

fn sum(call: Call, served: Arc<Served>) -> Answering {
    async move { Ok(given(call.asking.api.sum(&call.asking.caller, &served, &list_asked(&call)?).await?)) }.boxed()
}

fn versions(call: Call, served: Arc<Served>) -> Answering {
    async move {
        let (from, first) = (call.text("from"), call.text("first"));
        let (api, caller) = (&call.asking.api, &call.asking.caller);
        let versions = api.versions(caller, &served.name, &id(&call)?, from.as_deref(), first.as_deref());
        found(versions.map(|versions| given(History::from(versions))))
    }
    .boxed()
}
