//! Say problems in GraphQL's words: `{"errors":[{"message","extensions":{"code",...}}]}`.

use crate::problem::Problem;
use async_graphql::{Error, ErrorExtensionValues, Response, ServerError, Value};
use serde_json::Value as Json;

/// What `extensions` says of a problem, by its name there.
const EXTENSIONS: [(&str, &str); 9] = [
    ("code", "code"),
    ("retryable", "retryable"),
    ("retry_after_ms", "retryAfterMs"),
    ("field", "field"),
    ("pointers", "violations"),
    ("operation", "operation"),
    ("existing", "existing"),
    ("transaction", "transaction"),
    ("height", "height"),
];

/// A problem as an error of a field.
pub(super) fn field_error(problem: &Problem) -> Error {
    let mut error = Error::new(problem.detail());
    error.extensions = Some(extensions(problem));
    error
}

/// A problem as an error of a request.
pub(super) fn request_error(problem: &Problem) -> ServerError {
    let mut error = ServerError::new(problem.detail(), None);
    error.extensions = Some(extensions(problem));
    error
}

fn extensions(problem: &Problem) -> ErrorExtensionValues {
    let (mut said, mut values) = (problem.members(), ErrorExtensionValues::default());
    for (name, here) in EXTENSIONS {
        if let Some(value) = said.remove(name) {
            values.set(here, Value::from_json(value).unwrap_or_default());
        }
    }
    values
}

/// An answer whose every error has a code: those of the library itself say what is wrong with the query.
pub(super) fn coded(mut response: Response) -> Response {
    for error in &mut response.errors {
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", "MALFORMED");
            extensions.set("retryable", false);
        }
    }
    response
}

/// The answer that a request gets which is not executed.
pub(super) fn refusal(problem: &Problem) -> Json {
    serde_json::json!({ "errors": [request_error(problem)] })
}
