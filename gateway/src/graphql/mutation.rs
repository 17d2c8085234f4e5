//! Make the fields of Mutation: create, put, patch, delete, and transactions of several operations.

use super::cost::WRITE;
use super::document::{Outcome, given};
use super::query::{Rooted, id, rooted};
use super::resolver::{Answering, Call, asking_field, optional, required};
use super::typer::{INT53, JSON};
use crate::api::{Condition, Served, Wait, Write, keyed, recorded};
use crate::limits::WAIT_SECONDS_MAX;
use crate::problem::Problem;
use async_graphql::dynamic::{Field, InputValue, TypeRef};
use countersign_proof::limits::JSON_DEPTH_MAX;
use countersign_proof::operation::Change;
use countersign_proof::{Put, Unit, canonical, parse_json};
use countersign_proto::v1;
use futures::FutureExt;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// What a write does to its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create,
    Put,
    Patch,
    Delete,
}

/// The fields of one collection.
pub(super) fn fields(served: &Arc<Served>, type_name: &str) -> Vec<Rooted> {
    let make = |verb: Verb, word: &str, description: &str| {
        let (served, description) = (served.clone(), description.to_owned());
        rooted(format!("{word}{type_name}"), WRITE, |name| {
            let written = TypeRef::named(format!("{type_name}Written"));
            let field = asking_field(name, written, move |call| write(call, served.clone(), verb));
            handed_on(arguments(field, verb)).description(description)
        })
    };
    vec![
        make(Verb::Create, "create", "A new document"),
        make(Verb::Put, "put", "The whole value, whether or not the document is there"),
        make(Verb::Patch, "patch", "A merge patch (RFC 7396): null takes a member away"),
        make(Verb::Delete, "delete", "The document goes, its versions stay"),
    ]
}

/// The field that no collection names.
pub(super) fn common_fields() -> Vec<Rooted> {
    vec![rooted("transaction".into(), WRITE, |name| {
        let operations = InputValue::new("operations", TypeRef::named_nn_list_nn(JSON)).description(
            "As in REST: {op: \"create\", collection: \"flights\", id: \"UA1\", value: {}}; also put (by a `key` \
             too), replace, patch, delete, increment, append, each with an `if` of absent, version or predicate",
        );
        let field = asking_field(name, TypeRef::named("Transaction"), transaction).argument(operations);
        handed_on(field).description("Several operations, of which all are executed or none")
    })]
}

fn arguments(field: Field, verb: Verb) -> Field {
    let field = field.argument(required("id", TypeRef::ID, "The document's id"));
    let field = match verb {
        Verb::Delete => field,
        Verb::Create | Verb::Put => {
            field.argument(required("value", JSON, "What the collection's JSON Schema accepts"))
        }
        Verb::Patch => field.argument(required("value", JSON, "What to change")),
    };
    match verb {
        Verb::Create => field,
        Verb::Put => {
            version(field).argument(optional("ifAbsent", TypeRef::BOOLEAN, "Only if there is no such document"))
        }
        Verb::Patch | Verb::Delete => version(field),
    }
}

fn version(field: Field) -> Field {
    field.argument(optional("ifVersion", INT53, "Only if the document is in this version"))
}

/// What every write takes.
fn handed_on(field: Field) -> Field {
    let key = "The same key and request are executed once, whenever and wherever they are sent";
    field
        .argument(optional("idempotencyKey", TypeRef::STRING, key))
        .argument(optional("wait", "Level", "How far it must have come before the answer; CERTIFIED when left out"))
        .argument(optional("waitSeconds", TypeRef::INT, "How long to wait for that, from 1 to 120; 10 when left out"))
}

fn wait(call: &Call) -> Result<Wait, Problem> {
    let level = match call.text("wait").as_deref() {
        Some("COMMITTED") => v1::Level::Committed,
        Some("ALL") => v1::Level::All,
        _ => v1::Level::Certified,
    };
    let seconds = call.json("waitSeconds").map_or(Some(10), Value::as_u64);
    let seconds = seconds.filter(|seconds| (1..=WAIT_SECONDS_MAX).contains(seconds));
    let wrong = || Problem::field("waitSeconds", format_args!("not from 1 to {WAIT_SECONDS_MAX}"));
    Ok(Wait { level, timeout: Duration::from_secs(seconds.ok_or_else(wrong)?), named: None })
}

fn key(call: &Call) -> Result<Option<String>, Problem> {
    let key = call.text("idempotencyKey");
    key.as_deref().map(|key| keyed("idempotencyKey", key)).transpose()?;
    Ok(key)
}

fn condition(call: &Call) -> Result<Condition, Problem> {
    match (call.json("ifVersion"), call.json("ifAbsent")) {
        (None, None | Some(Value::Bool(false))) => Ok(Condition::None),
        (None, Some(_)) => Ok(Condition::Absent),
        (Some(_), Some(Value::Bool(true))) => Err(Problem::field("ifVersion", "given together with ifAbsent")),
        (Some(version), _) => match version.as_u64().filter(|version| *version > 0) {
            Some(version) => Ok(Condition::Version(version)),
            None => Err(Problem::field("ifVersion", "not a version, from 1")),
        },
    }
}

/// A value from the query or its variables, held to the limits of a document.
fn value(call: &Call, bytes_max: usize) -> Result<Value, Problem> {
    let given = call.json("value").ok_or_else(|| Problem::field("value", "missing"))?;
    let bytes = serde_json::to_vec(given).expect("JSON");
    if bytes.len() > bytes_max {
        let detail = format!("value: {} bytes, at most {bytes_max}", bytes.len());
        return Err(Problem::new("TOO_LARGE", detail).at("value"));
    }
    Ok(parse_json("value", &bytes, JSON_DEPTH_MAX)?)
}

fn write(call: Call, served: Arc<Served>, verb: Verb) -> Answering {
    async move {
        let (api, caller) = (&call.asking.api, &call.asking.caller);
        let (id, condition) = (id(&call)?, condition(&call)?);
        let served = api.writable(caller, &served.name)?;
        let change = match verb {
            Verb::Delete => Change::Delete(Unit {}),
            Verb::Patch => Change::Patch(canonical(&value(&call, api.document_bytes_max()?)?)),
            Verb::Create | Verb::Put => {
                let value = value(&call, api.document_bytes_max()?)?;
                served.check_value(&value)?;
                match verb {
                    Verb::Create => Change::Create(canonical(&value)),
                    _ => Change::Put(Put { value: canonical(&value), key: Vec::new() }),
                }
            }
        };
        let write = Write::new(served.name.clone(), id, change).only_if(condition);
        let performed = api.perform(caller, key(&call)?.as_deref(), wait(&call)?, write).await?;
        Ok(given(Outcome::from(performed.written)))
    }
    .boxed()
}

fn transaction(call: Call) -> Answering {
    async move {
        let (api, caller, wait) = (&call.asking.api, &call.asking.caller, wait(&call)?);
        let operations = call.json("operations").map(|operations| serde_json::to_vec(operations).expect("JSON"));
        // Operation, list, and what stands in its value.
        let operations = parse_json("operations", &operations.unwrap_or_default(), JSON_DEPTH_MAX + 2)?;
        let operations = operations.as_array().cloned().unwrap_or_default();
        let bytes = api.sign_operations(caller, key(&call)?.as_deref(), operations)?;
        Ok(given(recorded(&api.submit_valid(bytes, wait).await?)))
    }
    .boxed()
}
