//! Describe the typed API as OpenAPI 3.0.3: generated from the collections there are now.

mod paths;
mod schema;

use super::Api;
use super::catalogue::Collections;
use super::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_proof::plain_hash;
use schema::{Components, Sayer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// `GET /openapi.json`. It tells of schemas, which every member has, and of no document: no credential is asked for.
pub(crate) async fn openapi(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Problem> {
    let document = describe(&api.origin, &*api.collections()?);
    let tag = format!("\"{}\"", plain_hash(&countersign_proof::canonical(&document)));
    if headers.get("if-none-match").is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let tag = HeaderValue::try_from(tag).expect("hex in quotes");
    Ok(([(ETAG, tag)], Json(document)).into_response())
}

/// A collection with the names that code made from the document will have.
pub(crate) struct Named<'a> {
    /// The collection.
    pub(crate) collection: &'a str,
    /// `Flights`: no two are equal.
    pub(crate) type_name: String,
}

/// Names of types: words in capitals, a number where two would be alike.
pub(crate) fn names<'a>(collections: impl Iterator<Item = &'a String>) -> Vec<Named<'a>> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut named = Vec::new();
    for collection in collections {
        let words = collection.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let type_name: String = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
        let count = seen.entry(type_name.clone()).or_default();
        *count += 1;
        let type_name = if *count == 1 { type_name } else { format!("{type_name}_{count}") };
        named.push(Named { collection, type_name });
    }
    named
}

fn describe(origin: &str, collections: &Collections) -> Value {
    let mut components = Components::new();
    let mut paths = paths::common();
    let mut tags = vec![json!({ "name": "ledger", "description": "What is the same for every collection" })];
    for Named { collection, type_name } in names(collections.by_name.keys()) {
        let served = &collections.by_name[collection];
        // First its own place, for a schema may refer to the whole of itself.
        components.insert(type_name.clone(), json!({}));
        let said = Sayer::new(&served.definition, &type_name, &mut components).say();
        components.insert(type_name.clone(), said);
        components.insert(format!("{type_name}Patch"), paths::patch_schema());
        paths::collection_schemas(&type_name, &mut components);
        paths.extend(paths::collection(collection, &type_name));
        let title = served.definition["title"].as_str().unwrap_or(collection);
        tags.push(json!({ "name": collection, "description": title }));
    }
    paths::common_schemas(&mut components);
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "The typed API of the ledger {origin}. Schemas are said as far as OpenAPI 3.0 can; the ledger judges \
                 documents by the JSON Schemas at /v1/collections."
            ),
            "license": { "name": "Apache-2.0" }
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "security": [{ "bearer": [] }, { "basic": [] }],
        "paths": paths,
        "components": {
            "schemas": components,
            "parameters": paths::parameters(),
            "headers": paths::headers(),
            "responses": paths::responses(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token that an account signs itself, or an API key of this node"
                },
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "An API key as the password, for tools that know no other way"
                }
            }
        }
    })
}
