//! Make the fields of Subscription: certified changes, in order, from a cursor on.

use super::answer::field_error;
use super::document::{Document, plain, word};
use super::query::{filter, filter_text};
use super::resolver::{Asking, Call, optional, part};
use super::typer::INT53;
use crate::api::{Seen, Served, rfc3339};
use crate::feed::{Changed, Feed, Wanted};
use crate::problem::Problem;
use async_graphql::Error;
use async_graphql::dynamic::{FieldValue, InputValue, Object, SubscriptionField, SubscriptionFieldFuture, TypeRef};
use futures::Stream;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// One change of one document as a field gives it.
struct Change {
    cursor: String,
    time: String,
    kind: &'static str,
    leaf: u64,
    collection: String,
    id: String,
    before: Option<Document>,
    after: Option<Document>,
}

impl Change {
    fn new(cursor: String, changed: Changed) -> Change {
        let (kind, (collection, id)) = (changed.kind(), changed.document());
        let (collection, id) = (collection.to_owned(), id.to_owned());
        let Changed { leaf, time_ms, before, after } = changed;
        let document = |sighted| Document::from(Seen::from(sighted));
        let (before, after) = (before.map(document), after.map(document));
        Change { cursor, time: rfc3339(time_ms), kind, leaf, collection, id, before, after }
    }
}

/// The type of a change whose documents are of the type `document`.
pub(super) fn change_type(name: &str, document: &str) -> Object {
    let text = || TypeRef::named_nn(TypeRef::STRING);
    Object::new(name)
        .field(
            part("cursor", text(), |change: &Change| plain(change.cursor.as_str()))
                .description("Give it as `cursor` to go on after this change"),
        )
        .field(part("time", text(), |change: &Change| plain(change.time.as_str())).description("The block's time"))
        .field(
            part("kind", TypeRef::named_nn("ChangeKind"), |change: &Change| word(change.kind))
                .description("WITHDRAWN: the caller saw the document and sees it no more"),
        )
        .field(
            part("leaf", TypeRef::named_nn(INT53), |change: &Change| plain(change.leaf))
                .description("The leaf of the transaction"),
        )
        .field(part("collection", text(), |change: &Change| plain(change.collection.as_str())))
        .field(part("id", TypeRef::named_nn(TypeRef::ID), |change: &Change| plain(change.id.as_str())))
        .field(part("before", TypeRef::named(document), |change: &Change| {
            Some(FieldValue::borrowed_any(change.before.as_ref()?))
        }))
        .field(part("after", TypeRef::named(document), |change: &Change| {
            Some(FieldValue::borrowed_any(change.after.as_ref()?))
        }))
}

/// The subscription to one collection.
pub(super) fn of_collection(served: &Arc<Served>, type_name: &str, field: &str) -> SubscriptionField {
    let collection = served.name.clone();
    let kind = format!("{type_name}Change");
    subscription(&format!("{field}Changed"), &kind, move |_| Ok(BTreeSet::from([collection.clone()])))
        .description("Certified changes of this collection, in order")
}

/// The subscription to several collections.
pub(super) fn of_all() -> SubscriptionField {
    let named = |call: &Call| {
        let names = call.json("collections").and_then(|names| names.as_array()).cloned().unwrap_or_default();
        Ok(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
    };
    subscription("changes", "Change", named)
        .argument(
            InputValue::new("collections", TypeRef::named_nn_list(TypeRef::STRING))
                .description("Of these; of all that the caller may read when left out"),
        )
        .description("Certified changes, in order")
}

fn subscription(
    name: &str,
    kind: &str,
    collections: impl Fn(&Call) -> Result<BTreeSet<String>, Problem> + Send + Sync + 'static,
) -> SubscriptionField {
    SubscriptionField::new(name, TypeRef::named_nn(kind), move |ctx| {
        let begun = Call::of(&ctx).and_then(|call| begin(&call, collections(&call)?));
        SubscriptionFieldFuture::new(async move { begun.map(changes).map_err(|problem| field_error(&problem)) })
    })
    .argument(filter())
    .argument(optional(
        "cursor",
        TypeRef::STRING,
        "Go on after the change that gave it; empty for the first change of the ledger, the next one when left out",
    ))
}

/// A feed with its room among the node's streams.
struct Reading {
    feed: Feed,
    asking: Arc<Asking>,
    _permit: OwnedSemaphorePermit,
}

fn begin(call: &Call, collections: BTreeSet<String>) -> Result<Reading, Problem> {
    let asking = call.asking.clone();
    let wanted = Wanted::new(collections, filter_text(call)?.as_deref())?;
    let cursor = call.text("cursor").unwrap_or_else(|| "now".into());
    let permit = asking.api.stream_permit()?;
    let feed = asking.api.feeds.open(asking.caller.clone(), wanted, &cursor)?;
    Ok(Reading { feed, asking, _permit: permit })
}

/// The changes, and the problem that ends them, which tells the cursor to resume from.
fn changes<'a>(reading: Reading) -> impl Stream<Item = Result<FieldValue<'a>, Error>> {
    futures::stream::unfold(Some(reading), |reading| async move {
        let mut reading = reading?;
        loop {
            match reading.feed.next().await {
                Ok(fed) => {
                    reading.asking.given(fed.cursor.clone());
                    // Without a change the cursor has moved on all the same.
                    if let Some(changed) = fed.changed {
                        let change = FieldValue::owned_any(Change::new(fed.cursor, changed));
                        return Some((Ok(change), Some(reading)));
                    }
                }
                Err(problem) => {
                    let mut error = field_error(&problem);
                    if let (Some(cursor), Some(extensions)) = (reading.asking.cursor(), error.extensions.as_mut()) {
                        extensions.set("cursor", cursor);
                    }
                    return Some((Err(error), None));
                }
            }
        }
    })
}
