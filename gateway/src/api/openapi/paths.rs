//! Write the paths of the OpenAPI document: those that all collections share, and those of each.

use super::operations;
use super::schema::Components;
use crate::api::bulk::NDJSON;
use crate::api::document::{JSON, MERGE_PATCH};
use crate::api::read::CONSISTENCIES;
use crate::api::transaction::SIGNED;
use crate::limits::{API_ROWS_MAX, BULK_ROWS_MAX, IDEMPOTENCY_KEY_BYTES_MAX};
use countersign_proof::{NAMED_MEMBER, Named};
use serde_json::{Map, Value, json};

type Paths = Map<String, Value>;

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn parameter(name: &str) -> Value {
    json!({ "$ref": format!("#/components/parameters/{name}") })
}

fn content(schema: &Value) -> Value {
    json!({ JSON: { "schema": schema } })
}

fn answer(description: &str, schema: &Value, headers: &[&str]) -> Value {
    let headers: Map<String, Value> = headers
        .iter()
        .map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })))
        .collect();
    json!({ "description": description, "headers": headers, "content": content(schema) })
}

/// The answers that every operation may give beside its own: all of one form.
fn operation(
    id: &str,
    tag: &str,
    summary: &str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: &[(&str, Value)],
    problems: &[u16],
) -> Value {
    let mut responses: Map<String, Value> =
        answers.iter().map(|(status, answer)| ((*status).to_owned(), answer.clone())).collect();
    // Any request may be malformed, unknown, unauthorised, too large, too often, and met by a node in trouble.
    for status in [400, 401, 403, 404, 413, 414, 429, 500, 503].iter().chain(problems) {
        responses.insert(status.to_string(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    let mut operation = json!({
        "operationId": id,
        "tags": [tag],
        "summary": summary,
        "parameters": parameters,
        "responses": responses
    });
    if let Some(body) = body {
        operation["requestBody"] = body;
    }
    operation
}

fn body(types: &[&str], schema: &Value) -> Value {
    let content: Map<String, Value> =
        types.iter().map(|name| ((*name).to_owned(), json!({ "schema": schema }))).collect();
    json!({ "required": true, "content": content })
}

/// What a write may answer beside its own success and what everything may.
const WRITE_PROBLEMS: [u16; 6] = [408, 409, 412, 415, 422, 501];

/// The paths of one collection.
pub(super) fn collection(name: &str, type_name: &str) -> Paths {
    let base = format!("/v1/collections/{name}");
    let document = || reference(&format!("{type_name}Document"));
    let written = reference(&format!("{type_name}Written"));
    let id = || parameter("id");
    let write = |more: Vec<Value>| [vec![id(), parameter("idempotencyKey"), parameter("prefer")], more].concat();
    let made = || {
        [
            ("200", answer("Applied", &written, &["ETag", "Location"])),
            ("201", answer("Applied: the document is new", &written, &["ETag", "Location"])),
            ("202", answer("Handed on; what became of it is not known yet", &written, &["Location"])),
        ]
    };
    let value = reference(type_name);
    let read = ["consistency", "height", "time"].map(parameter);
    let get_parameters = [vec![id()], read.to_vec(), ["version", "proof"].map(parameter).to_vec()].concat();
    let get = operation(
        &format!("get{type_name}"),
        name,
        "Read a document",
        get_parameters,
        None,
        &[("200", answer("The document", &document(), &["ETag"]))],
        &[],
    );
    let one = |verb: &str, summary: &str, body: Option<Value>, more: Vec<Value>| {
        operation(&format!("{verb}{type_name}"), name, summary, write(more), body, &made(), &WRITE_PROBLEMS)
    };
    let conditions = || vec![parameter("ifMatch"), parameter("ifNoneMatch")];
    let patch = body(&[MERGE_PATCH, JSON], &reference(&format!("{type_name}Patch")));
    let documents = json!({
        "get": get,
        "post": one("create", "Make a document", Some(body(&[JSON], &value)), vec![]),
        "put": one("put", "Set a document, whether or not it is there", Some(body(&[JSON], &value)), conditions()),
        "patch": one("patch", "Merge a patch into a document (RFC 7396)", Some(patch), conditions()),
        "delete": one("delete", "Delete a document; its versions stay", None, conditions()),
    });
    let list_parameters = [read.to_vec(), ["filter", "sort", "cursor", "limit"].map(parameter).to_vec()].concat();
    let page = answer(
        "Documents: by `sort`, else by id, or in the order of the index that serves the filter",
        &reference(&format!("{type_name}Page")),
        &[],
    );
    let list =
        operation(&format!("list{type_name}"), name, "List documents", list_parameters, None, &[("200", page)], &[]);
    let by_key = operation(
        &format!("upsert{type_name}"),
        name,
        "Set the document that holds the value's unique key, or make it",
        vec![parameter("key"), parameter("newId"), parameter("idempotencyKey"), parameter("prefer")]
            .into_iter()
            .chain(conditions())
            .collect(),
        Some(body(&[JSON], &value)),
        &made(),
        &WRITE_PROBLEMS,
    );
    let versions = operation(
        &format!("versionsOf{type_name}"),
        name,
        "List the certified versions of a document, oldest first",
        [vec![id()], ["from", "limit"].map(parameter).to_vec()].concat(),
        None,
        &[("200", answer("Versions", &reference(&format!("{type_name}Versions")), &[]))],
        &[],
    );
    let over = || [read.to_vec(), vec![parameter("filter")]].concat();
    let count = operation(
        &format!("count{type_name}"),
        name,
        "Count documents",
        over(),
        None,
        &[("200", answer("How many", &reference("Count"), &[]))],
        &[],
    );
    let sum = operation(
        &format!("sum{type_name}"),
        name,
        "Add up integers of documents",
        [over(), vec![parameter("pointer")]].concat(),
        None,
        &[("200", answer("The sum", &reference("Sum"), &[]))],
        &[],
    );
    let rows = json!({ "type": "string", "description": format!("Lines of JSON, at most {BULK_ROWS_MAX}") });
    let bulk = operation(
        &format!("bulk{type_name}"),
        name,
        "Write many documents, one a line, each its own transaction",
        vec![parameter("prefer"), parameter("bulkId"), parameter("bulkMode")],
        Some(body(&[NDJSON], &rows)),
        &[("200", answer("What became of each row", &reference("BulkReport"), &[]))],
        &[408, 415, 422, 501],
    );
    let mut paths = Paths::new();
    paths.insert(format!("{base}/documents"), json!({ "get": list, "put": by_key }));
    paths.insert(format!("{base}/documents/{{id}}"), documents);
    paths.insert(format!("{base}/documents/{{id}}/versions"), json!({ "get": versions }));
    paths.insert(format!("{base}/count"), json!({ "get": count }));
    paths.insert(format!("{base}/sum"), json!({ "get": sum }));
    paths.insert(format!("{base}/bulk"), json!({ "post": bulk }));
    paths
}

/// The paths that all collections share.
pub(super) fn common() -> Paths {
    let collections = operation(
        "listCollections",
        "ledger",
        "List the collections with their JSON Schemas",
        vec![],
        None,
        &[("200", answer("Collections", &reference("Collections"), &[]))],
        &[],
    );
    let collection = operation(
        "getCollection",
        "ledger",
        "Read the definition of a collection",
        vec![json!({ "name": "collection", "in": "path", "required": true, "schema": { "type": "string" } })],
        None,
        &[("200", answer("The collection", &reference("Collection"), &[]))],
        &[],
    );
    let operations = body(&[JSON], &reference("Operations"));
    let mut both = operations;
    both["content"][SIGNED] = json!({ "schema": { "type": "string", "format": "binary" } });
    let mut submit = operation(
        "submitTransaction",
        "ledger",
        "Apply several operations, all or none; or submit a transaction that its author signed",
        vec![parameter("idempotencyKey"), parameter("prefer")],
        Some(both),
        &[
            ("200", answer("Applied", &reference("Written"), &["Location"])),
            ("202", answer("Handed on; what became of it is not known yet", &reference("Written"), &["Location"])),
        ],
        &WRITE_PROBLEMS,
    );
    // The signatures of the second kind prove who speaks.
    submit["security"] = json!([{}, { "bearer": [] }, { "basic": [] }]);
    let status = operation(
        "getTransaction",
        "ledger",
        "Read what became of a transaction",
        vec![of("path", "id", "64 hex digits", json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }))],
        None,
        &[("200", answer("What became of it", &reference("TransactionStatus"), &[]))],
        &[],
    );
    let stream = json!({
        "description": "Server-Sent Events; the data of each `change` is a CloudEvent",
        "content": { "text/event-stream": { "schema": { "type": "string" } } }
    });
    let events = operation(
        "streamEvents",
        "ledger",
        "Follow certified changes, from a cursor on",
        ["collections", "filter", "eventCursor", "lastEventId"].map(parameter).to_vec(),
        None,
        &[("200", stream)],
        &[],
    );
    let mut paths = Paths::new();
    paths.insert("/v1/collections".into(), json!({ "get": collections }));
    paths.insert("/v1/collections/{collection}".into(), json!({ "get": collection }));
    paths.insert("/v1/transactions".into(), json!({ "post": submit }));
    paths.insert("/v1/transactions/{id}".into(), json!({ "get": status }));
    paths.insert("/v1/events".into(), json!({ "get": events }));
    paths
}

/// A merge patch of any document: null takes a member away, so that no schema of the document's fits it.
pub(super) fn patch_schema() -> Value {
    json!({ "type": "object", "additionalProperties": true })
}

/// Adds what a document says of its own access, where its collection lets it.
pub(super) fn name_access(said: &mut Value, named: Named) {
    let Some(said) = said.as_object_mut().filter(|_| named != Named::None) else { return };
    let properties = said.entry("properties").or_insert_with(|| json!({}));
    properties[NAMED_MEMBER] = reference("NamedAccess");
    if named == Named::Required {
        let required = said.entry("required").or_insert_with(|| json!([]));
        required.as_array_mut().expect("a list of names").push(json!(NAMED_MEMBER));
    }
}

/// The schemas around a collection's documents; `seen` is the component of what a caller sees of one.
pub(super) fn collection_schemas(type_name: &str, seen: &str, components: &mut Components) {
    let document = |more: Value| {
        let mut properties = json!({
            "collection": { "type": "string" },
            "id": { "type": "string" },
            "version": { "type": "integer" },
            "height": { "type": "integer" },
            "transaction": { "type": "string" },
            "deleted": { "type": "boolean" },
            "redacted": { "type": "array", "items": { "type": "string" } },
            "value": reference(seen)
        });
        let all = properties.as_object_mut().expect("made above");
        all.extend(more.as_object().cloned().unwrap_or_default());
        json!({
            "type": "object",
            "required": ["collection", "id", "version", "height", "transaction"],
            "properties": properties
        })
    };
    components.insert(format!("{type_name}Version"), document(json!({})));
    let read = json!({
        "read_height": { "type": "integer" },
        "certified": { "type": "boolean" },
        "proof": { "type": "object", "additionalProperties": true },
        "proof_note": { "type": "string" }
    });
    components.insert(format!("{type_name}Document"), document(read));
    let version = reference(&format!("{type_name}Version"));
    let written = json!({
        "type": "object",
        "required": ["transaction"],
        "properties": { "transaction": reference("Recorded"), "document": version }
    });
    components.insert(format!("{type_name}Written"), written);
    let page = json!({
        "type": "object",
        "required": ["documents", "read_height"],
        "properties": {
            "documents": { "type": "array", "items": version },
            "next": { "type": "string" },
            "read_height": { "type": "integer" }
        }
    });
    components.insert(format!("{type_name}Page"), page);
    let versions = json!({
        "type": "object",
        "required": ["versions"],
        "properties": { "versions": { "type": "array", "items": version }, "next": { "type": "integer" } }
    });
    components.insert(format!("{type_name}Versions"), versions);
}

/// The schemas that all collections share. Collections take other names.
pub(super) fn common_schemas(components: &mut Components) {
    let text = || json!({ "type": "string" });
    let integer = || json!({ "type": "integer" });
    let object = |required: &[&str], properties: Value| json!({ "type": "object", "required": required, "properties": properties });
    let names = || json!({ "type": "array", "items": text() });
    let named = json!({ "owners": names(), "readers": names(), "writers": names() });
    components.insert("NamedAccess".into(), object(&["owners", "readers", "writers"], named));
    let pointers = json!({
        "type": "array",
        "items": object(&["pointer", "keyword"], json!({ "pointer": text(), "keyword": text() }))
    });
    let recorded = json!({
        "id": text(),
        "outcome": { "type": "string", "enum": ["applied", "rejected", "unknown"] },
        "level": { "type": "string", "enum": ["COMMITTED", "CERTIFIED", "ALL"] },
        "height": integer(),
        "leaf": integer(),
        "missing": { "type": "array", "items": text() }
    });
    let mut status = recorded.clone();
    let of_status = json!({ "by": text(), "code": text(), "detail": text(), "pointers": pointers, "existing": text() });
    status.as_object_mut().expect("an object").extend(of_status.as_object().cloned().unwrap_or_default());
    let problem = json!({
        "type": text(), "title": text(), "status": integer(), "code": text(), "detail": text(), "field": text(),
        "pointers": pointers, "operation": integer(), "retryable": { "type": "boolean" },
        "retry_after_ms": integer(), "existing": text(), "transaction": text(), "height": integer()
    });
    let collection = json!({
        "name": text(), "version": integer(), "schema": {}, "access": { "type": "object", "additionalProperties": true }
    });
    let row = json!({
        "row": integer(), "id": text(), "transaction": reference("Recorded"), "problem": reference("Problem")
    });
    let report = json!({
        "rows": integer(), "applied": integer(), "failed": integer(),
        "report": { "type": "array", "items": reference("BulkRow") }
    });
    let written = json!({ "transaction": reference("Recorded") });
    let count = json!({ "count": integer(), "read_height": integer() });
    let sum = json!({ "sum": integer(), "count": integer(), "skipped": integer(), "read_height": integer() });
    let all = json!({ "collections": { "type": "array", "items": reference("Collection") } });
    let schemas = [
        ("Recorded", object(&["id", "outcome"], recorded)),
        ("TransactionStatus", object(&["id", "outcome", "by"], status)),
        ("Problem", object(&["type", "title", "status", "code", "detail", "retryable"], problem)),
        ("Collection", object(&["name", "version", "schema", "access"], collection)),
        ("Collections", object(&["collections"], all)),
        ("Written", object(&["transaction"], written)),
        ("BulkRow", object(&["row"], row)),
        ("BulkReport", object(&["rows", "applied", "failed", "report"], report)),
        ("Count", object(&["count", "read_height"], count)),
        ("Sum", object(&["sum", "count", "skipped", "read_height"], sum)),
    ];
    for (name, schema) in schemas {
        components.insert(name.to_owned(), schema);
    }
    operations::add(components);
}

fn of(place: &str, name: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": place, "required": place == "path", "description": description, "schema": schema })
}

/// Without control characters, as a regular expression of ECMA-262.
const ID_PATTERN: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";

/// The parameters that operations share.
pub(super) fn parameters() -> Value {
    let text = || json!({ "type": "string" });
    let key =
        json!({ "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_BYTES_MAX, "pattern": "^[!-~]+$" });
    let id = || json!({ "type": "string", "minLength": 1, "maxLength": 256, "pattern": ID_PATTERN });
    let rows = json!({ "type": "integer", "minimum": 1, "maximum": API_ROWS_MAX });
    let number = || json!({ "type": "integer", "minimum": 0 });
    json!({
        "id": of("path", "id", "The document's id: 1 to 256 bytes, without control characters", id()),
        "consistency": of("query", "consistency", "How sure the read is", json!({
            "type": "string", "enum": CONSISTENCIES, "default": "certified"
        })),
        "height": of("query", "height", "The state after this block", number()),
        "time": of("query", "time", "The state at this time: RFC 3339, or milliseconds since 1970", text()),
        "version": of("query", "version", "This version of the document", number()),
        "proof": of("query", "proof", "Whether to add a state proof", json!({ "type": "boolean" })),
        "filter": of("query", "filter", "JSON pointers to comparisons: {\"/status\":{\"eq\":\"open\"}}", text()),
        "sort": of("query", "sort", "An indexed JSON pointer to order by, with - before it from the last to the first. \
                   Documents without a scalar there are left out", text()),
        "key": { "name": "key", "in": "query", "required": true, "schema": text(),
                 "description": "The unique key: its JSON pointer, or an array of them as JSON" },
        "newId": of("query", "id", "The id of the document if it is made; one that is not guessed when absent", id()),
        "cursor": of("query", "cursor", "The `next` of the page before", text()),
        "limit": of("query", "limit", "Rows of the page", rows),
        "from": of("query", "from", "The first version", number()),
        "pointer": { "name": "pointer", "in": "query", "required": true,
                     "description": "A JSON pointer to what is added up", "schema": text() },
        "bulkId": of("query", "id", "A JSON pointer to the member whose text is the id", text()),
        "bulkMode": of("query", "mode", "Whether documents may be there already", json!({
            "type": "string", "enum": ["create", "put"], "default": "create"
        })),
        "collections": of("query", "collections", "Names, with commas between; all when absent", text()),
        "eventCursor": of("query", "cursor", "The id of the last event that was handled; `now` when absent", text()),
        "lastEventId": of("header", "Last-Event-ID", "The same, as browsers send it", text()),
        "idempotencyKey": of("header", "Idempotency-Key", "The same request under the same key is executed once", key),
        "prefer": of("header", "Prefer", "wait=committed, wait=certified, wait=all; wait=<seconds>", text()),
        "ifMatch": of("header", "If-Match", "\"<version>\": only if this is the newest version", json!({
            "type": "string", "pattern": "^\"[1-9][0-9]{0,15}\"$"
        })),
        "ifNoneMatch": of("header", "If-None-Match", "*: only if the document is not there", json!({
            "type": "string", "pattern": "^\\*$"
        }))
    })
}

/// The headers of answers.
pub(super) fn headers() -> Value {
    json!({
        "ETag": { "description": "The version in quotes, for If-Match", "schema": { "type": "string" } },
        "Location": { "description": "Where what becomes of the transaction is read", "schema": { "type": "string" } }
    })
}

/// The one form of all that is not done.
pub(super) fn responses() -> Value {
    json!({
        "Problem": {
            "description": "Not done, and why (RFC 9457)",
            "content": { "application/problem+json": { "schema": reference("Problem") } }
        }
    })
}
