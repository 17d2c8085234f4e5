//! Describe the typed API as OpenAPI 3.0.3: generated from the collections there are now.

mod operations;
mod paths;
mod schema;

use super::Api;
use super::catalogue::{Collections, Served};
use crate::problem::Problem;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_proof::{Access, canonical, plain_hash};
pub(crate) use schema::embeds;
use schema::{Components, Sayer};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The description of the collections at one height of governance: made once, for anybody may ask for it.
pub(crate) struct Described {
    bytes: Bytes,
    tag: HeaderValue,
}

/// `GET /openapi.json`. It tells of schemas, which every member has, and of no document: no credential is asked for.
pub(crate) async fn openapi(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Problem> {
    let collections = api.collections()?;
    let Described { bytes, tag } = collections.described.get_or_init(|| {
        let bytes = canonical(&describe(&api.origin, &collections));
        let tag = HeaderValue::try_from(format!("\"{}\"", plain_hash(&bytes))).expect("hex in quotes");
        Described { bytes: bytes.into(), tag }
    });
    if headers.get(IF_NONE_MATCH) == Some(tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag.clone())]).into_response());
    }
    let json = HeaderValue::from_static("application/json");
    Ok(([(CONTENT_TYPE, json), (ETAG, tag.clone())], bytes.clone()).into_response())
}

/// What is put behind a collection's type to name the other types around it.
const AROUND: [&str; 8] = ["", "Seen", "Patch", "Document", "Version", "Versions", "Page", "Written"];

/// A collection with the name that its type has where it is described.
pub(crate) struct Named<'a> {
    pub(crate) collection: &'a str,
    pub(crate) type_name: String,
}

/// Names of types: words in capitals, with a number where one of its names would be taken. Compared without case, for some
/// languages' tools write one file a type. `around` is what is put behind a type to name others.
pub(crate) fn names<'a>(
    collections: impl Iterator<Item = &'a String>,
    taken: impl Iterator<Item = String>,
    around: &[&str],
) -> Vec<Named<'a>> {
    let mut taken: BTreeSet<String> = taken.map(|name| name.to_ascii_lowercase()).collect();
    let mut named = Vec::new();
    for collection in collections {
        let words = collection.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let word: String = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
        let around = |type_name: &str| -> Vec<String> {
            around.iter().map(|more| format!("{type_name}{more}").to_ascii_lowercase()).collect()
        };
        let numbered = (2_u32..).map(|number| format!("{word}{number}"));
        let free = |name: &String| around(name).iter().all(|name| !taken.contains(name));
        let type_name = std::iter::once(word.clone()).chain(numbered).find(free).expect("numbers do not end");
        taken.extend(around(&type_name));
        named.push(Named { collection, type_name });
    }
    named
}

fn describe(origin: &str, collections: &Collections) -> Value {
    let mut components = Components::new();
    paths::common_schemas(&mut components);
    let mut paths = paths::common();
    let mut tags = vec![json!({ "name": "ledger", "description": "What is the same for every collection" })];
    // Beside the components, what the operations of the ledger are named after.
    let taken = components.keys().cloned().chain(["Transaction".to_owned()]).collect::<Vec<_>>();
    for Named { collection, type_name } in names(collections.by_name.keys(), taken.into_iter(), &AROUND) {
        let served = &collections.by_name[collection];
        // First its own place, for a schema may refer to the whole of itself.
        components.insert(type_name.clone(), json!({}));
        let mut said = Sayer::new(&served.definition, &type_name, &mut components).say();
        paths::name_access(&mut said, served.access.named());
        components.insert(type_name.clone(), said);
        components.insert(format!("{type_name}Patch"), paths::patch_schema());
        let seen = seen(served, &type_name, &mut components);
        paths::collection_schemas(&type_name, &seen, &mut components);
        paths.extend(paths::collection(collection, &type_name));
        let title = served.definition["title"].as_str().unwrap_or(collection);
        tags.push(json!({ "name": collection, "description": title }));
    }
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

/// The component of a document as a caller may see it: where a rule may hide a part, another than that of a whole one.
fn seen(served: &Served, type_name: &str, components: &mut Components) -> String {
    match &served.access {
        Access::CedarV1 { fields, .. } if !fields.is_empty() => {
            schema::without_hidden(type_name, components);
            format!("{type_name}Seen")
        }
        _ => type_name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_collections_and_nothing_of_the_ledgers_share_a_name() {
        let collections: Vec<String> =
            ["flights", "flights-page", "flights.page", "problem", "transaction", "transactions"]
                .map(str::to_owned)
                .to_vec();
        let taken = ["Problem", "Transaction"].map(str::to_owned);
        let named = names(collections.iter(), taken.into_iter(), &AROUND);
        let types: Vec<&str> = named.iter().map(|named| &named.type_name[..]).collect();
        assert_eq!(types, ["Flights", "FlightsPage2", "FlightsPage3", "Problem2", "Transaction2", "Transactions"]);
    }
}
