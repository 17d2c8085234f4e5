//! Read a request and refuse what is not one operation of bounded cost.

use super::cost::Cost;
use super::lexer::check_size;
use super::operation::Operation;
use super::resolver::Asking;
use crate::api::Api;
use crate::identity::Caller;
use crate::problem::Problem;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection};
use async_graphql::{Request, Variables};
use countersign_proof::limits::JSON_DEPTH_MAX;
use countersign_proof::parse_json;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Levels of a message around the document in it: message, payload, variables, an operation of a list, its value.
const AROUND_DOCUMENT: usize = 6;

/// JSON of a request or a message, with the same limits as a document has.
pub(super) fn json(field: &'static str, bytes: &[u8]) -> Result<Value, Problem> {
    Ok(parse_json(field, bytes, JSON_DEPTH_MAX + AROUND_DOCUMENT)?)
}

/// The operation that a request asks for, ready to be executed for this caller.
pub(super) fn operation(api: &Api, caller: Caller, request: Value) -> Result<Operation, Problem> {
    let mut members = match request {
        Value::Object(members) => members,
        Value::Array(_) => {
            let detail = "body: a list of requests; one request has one operation, which may have many fields";
            return Err(Problem::new("MALFORMED", detail).at("body"));
        }
        _ => return Err(Problem::field("body", "not an object with the member `query`")),
    };
    let Some(Value::String(query)) = members.remove("query") else {
        return Err(Problem::field("query", "a GraphQL document is needed"));
    };
    let name = optional(&mut members, "operationName", |value| value.as_str().map(str::to_owned))?;
    let variables = optional(&mut members, "variables", |value| value.is_object().then(|| value.clone()))?;
    let variables = Variables::from_json(variables.unwrap_or_default());

    check_size(&query)?;
    let document = parse_query(&query).map_err(|error| Problem::field("query", error))?;
    let collections = api.collections()?;
    let typed = collections.graphql.get_or_init(|| super::Typed::of(&collections));
    Cost::check(&document, &variables, typed.weights())?;
    let subscribes = subscribes(&document, name.as_deref())?;

    let asking = Arc::new(Asking::new(api.clone(), caller));
    let mut request = Request::new(query).variables(variables).data(asking.clone());
    request.operation_name = name;
    request.set_parsed_query(document);
    Ok(Operation { schema: typed.schema()?, request, asking, subscribes })
}

fn optional<T>(
    members: &mut Map<String, Value>,
    name: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, Problem> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(&value).map(Some).ok_or_else(|| Problem::field(name, "of another type than it should be")),
    }
}

/// Whether the operation is a subscription, which has one field.
fn subscribes(document: &ExecutableDocument, name: Option<&str>) -> Result<bool, Problem> {
    let chosen = match name {
        Some(name) => document.operations.iter().find(|(other, _)| other.is_some_and(|other| other.as_str() == name)),
        None => document.operations.iter().next(),
    };
    let several = name.is_none() && document.operations.iter().count() > 1;
    let (_, operation) = chosen.filter(|_| !several).ok_or_else(|| {
        Problem::field("operationName", "not the name of an operation in `query`, which is needed when it has several")
    })?;
    if operation.node.ty != OperationType::Subscription {
        return Ok(false);
    }
    match &operation.node.selection_set.node.items[..] {
        [one] if matches!(one.node, Selection::Field(_)) => Ok(true),
        _ => Err(Problem::field("query", "a subscription has exactly one field")),
    }
}
