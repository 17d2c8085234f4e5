//! Tell which draft a schema is written in.
use jsonschema::Draft;
use serde_json::Value;

use super::error::{SchemaError, excerpt};

/// The draft that `schema` names in `$schema`; 2020-12 when it names none.
pub(super) fn of(schema: &Value) -> Result<Draft, SchemaError> {
    let Some(dialect) = schema.get("$schema") else {
        return Ok(Draft::Draft202012);
    };
    let named = dialect.as_str().unwrap_or_default();
    let (scheme, rest) = named.split_once("://").unwrap_or_default();
    match (scheme, rest) {
        ("http" | "https", "json-schema.org/draft/2020-12/schema" | "json-schema.org/draft/2020-12/schema#") => {
            Ok(Draft::Draft202012)
        }
        ("http" | "https", "json-schema.org/draft-07/schema" | "json-schema.org/draft-07/schema#") => Ok(Draft::Draft7),
        _ => Err(SchemaError::Dialect { pointer: String::new(), dialect: excerpt(&dialect.to_string()) }),
    }
}

/// Refuses a subschema that names another draft than `draft`, or takes the name of a bundled metaschema.
pub(super) fn is_one(schema: &Value, draft: Draft) -> Result<(), SchemaError> {
    let mut pending = vec![schema];
    while let Some(subschema) = pending.pop() {
        agrees(subschema, draft, "")?;
        if let Some(id) = subschema.get("$id").and_then(Value::as_str).filter(|id| is_bundled(id)) {
            return Err(SchemaError::Duplicate { pointer: String::new(), identifier: excerpt(id) });
        }
        pending.extend(draft.subresources_of(subschema));
    }
    Ok(())
}

/// Refuses `subschema` if it names another draft than `draft`.
pub(super) fn agrees(subschema: &Value, draft: Draft, pointer: &str) -> Result<(), SchemaError> {
    match subschema.get("$schema") {
        Some(dialect) if of(subschema) != Ok(draft) => {
            Err(SchemaError::Dialect { pointer: pointer.to_owned(), dialect: excerpt(&dialect.to_string()) })
        }
        _ => Ok(()),
    }
}

/// Whether `uri` is under the host of the metaschemas, which are compiled into the validator.
fn is_bundled(uri: &str) -> bool {
    ["http://json-schema.org/", "https://json-schema.org/"].iter().any(|host| uri.starts_with(host))
}
