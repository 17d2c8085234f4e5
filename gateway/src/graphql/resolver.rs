//! Give every field of the schema one way to its answer: who asks, with which arguments, within which budget.

use super::answer::field_error;
use crate::api::Api;
use crate::identity::Caller;
use crate::limits::{ANSWER_BYTES_MAX, RESOLVED_FIELDS_MAX};
use crate::problem::Problem;
use async_graphql::dynamic::{Field, FieldFuture, FieldValue, InputValue, ResolverContext, TypeRef};
use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo};
use async_graphql::{ServerResult, Value};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value as Json;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Who asks, and what the answer may still take. One for each operation.
pub(super) struct Asking {
    pub(super) api: Api,
    pub(super) caller: Caller,
    fields: AtomicUsize,
    bytes: AtomicUsize,
    /// The cursor of the change that was given last.
    cursor: Mutex<Option<String>>,
}

impl Asking {
    pub(super) fn new(api: Api, caller: Caller) -> Asking {
        let (fields, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Asking { api, caller, fields, bytes, cursor: Mutex::new(None) }
    }

    pub(super) fn of<'a>(ctx: &ResolverContext<'a>) -> Result<&'a Arc<Asking>, Problem> {
        ctx.ctx.data::<Arc<Asking>>().map_err(|_| Problem::new("INTERNAL", "nobody asks"))
    }

    /// Takes bytes of a document into the answer, if there is room.
    pub(super) fn take_bytes(&self, bytes: usize) -> Result<(), Problem> {
        if self.bytes.fetch_add(bytes, Relaxed) + bytes > ANSWER_BYTES_MAX { Err(too_large()) } else { Ok(()) }
    }

    /// Whether the answer has become larger than it may: what it holds is then worth nothing.
    pub(super) fn spent(&self) -> Option<Problem> {
        let spent = self.bytes.load(Relaxed) > ANSWER_BYTES_MAX || self.fields.load(Relaxed) > RESOLVED_FIELDS_MAX;
        spent.then(too_large)
    }

    /// Begins the next answer of a subscription.
    pub(super) fn refill(&self) {
        self.bytes.store(0, Relaxed);
        self.fields.store(0, Relaxed);
    }

    pub(super) fn given(&self, cursor: String) {
        *self.cursor.lock().expect("nobody panics with it") = Some(cursor);
    }

    pub(super) fn cursor(&self) -> Option<String> {
        self.cursor.lock().expect("nobody panics with it").clone()
    }
}

fn too_large() -> Problem {
    let detail = format!(
        "the answer has more than {ANSWER_BYTES_MAX} bytes of documents or {RESOLVED_FIELDS_MAX} fields: ask for fewer rows"
    );
    Problem::new("TOO_LARGE", detail).at("query")
}

/// Counts the fields of an answer, the schema's own among them, and lets others run in between.
pub(super) struct Count;

impl ExtensionFactory for Count {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Count)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Count {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let asking = ctx.data::<Arc<Asking>>().ok();
        let count = asking.map_or(0, |asking| asking.fields.fetch_add(1, Relaxed));
        if count >= RESOLVED_FIELDS_MAX {
            return Ok(None);
        }
        if count % 1_024 == 1_023 {
            tokio::task::yield_now().await;
        }
        next.run(ctx, info).await
    }
}

/// One use of a field that asks the ledger.
pub(super) struct Call {
    pub(super) asking: Arc<Asking>,
    arguments: BTreeMap<String, Json>,
    /// Whether the answer's `proof` is selected.
    pub(super) with_proof: bool,
}

impl Call {
    pub(super) fn of(ctx: &ResolverContext<'_>) -> Result<Call, Problem> {
        let mut arguments = BTreeMap::new();
        for (name, value) in ctx.args.iter() {
            let value = value.as_value().clone().into_json().unwrap_or_default();
            if !value.is_null() {
                arguments.insert(name.to_string(), value);
            }
        }
        let with_proof = ctx.ctx.look_ahead().field("proof").exists();
        Ok(Call { asking: Asking::of(ctx)?.clone(), arguments, with_proof })
    }

    /// An argument, whatever it is.
    pub(super) fn json(&self, name: &str) -> Option<&Json> {
        self.arguments.get(name)
    }

    /// An argument as REST has it in its address: a text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.arguments.get(name).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// A text that the schema demands.
    pub(super) fn needed(&self, name: &str) -> Result<String, Problem> {
        self.text(name).ok_or_else(|| Problem::field(name, "missing"))
    }
}

/// What a field that asks the ledger answers.
pub(super) type Answering = BoxFuture<'static, Result<Option<FieldValue<'static>>, Problem>>;

/// A field that asks the ledger. A problem makes it null and stands among the errors.
pub(super) fn asking_field(
    name: impl Into<String>,
    kind: TypeRef,
    answer: impl Fn(Call) -> Answering + Send + Sync + 'static,
) -> Field {
    Field::new(name, kind, move |ctx| {
        let answering = Call::of(&ctx).map(&answer);
        FieldFuture::Future(
            async move {
                let answered = match answering {
                    Ok(answering) => answering.await,
                    Err(problem) => Err(problem),
                };
                Ok(answered.unwrap_or_else(|problem| {
                    add(&ctx, &problem);
                    None
                }))
            }
            .boxed(),
        )
    })
}

/// A field that is part of a value of ours.
pub(super) fn part<T: Any>(
    name: &str,
    kind: TypeRef,
    value: impl for<'a> Fn(&'a T) -> Option<FieldValue<'a>> + Send + Sync + 'static,
) -> Field {
    Field::new(name, kind, move |ctx| FieldFuture::Value(ctx.parent_value.downcast_ref::<T>().and_then(&value)))
}

/// Null, with the problem among the errors.
pub(super) fn null_with<'a>(ctx: &ResolverContext<'a>, problem: &Problem) -> FieldFuture<'a> {
    add(ctx, problem);
    FieldFuture::Value(None)
}

// An error that is returned would take the field out of the answer, where GraphQL wants a null.
fn add(ctx: &ResolverContext<'_>, problem: &Problem) {
    let error = field_error(problem).into_server_error(ctx.ctx.item.pos);
    ctx.ctx.add_error(ctx.ctx.set_error_path(error));
}

/// An argument that may be left out.
pub(super) fn optional(name: &str, kind: &str, description: &str) -> InputValue {
    InputValue::new(name, TypeRef::named(kind)).description(description)
}

/// An argument that must be given.
pub(super) fn required(name: &str, kind: &str, description: &str) -> InputValue {
    InputValue::new(name, TypeRef::named_nn(kind)).description(description)
}
