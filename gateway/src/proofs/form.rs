//! Choose the form of an answer: the format's own file, JSON, or COSE.

use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};

/// The form in which a proof is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The file that docs/formats.md describes.
    File,
    Json,
    Cose,
}

/// Endings of a path that name a form, whatever the client accepts.
const ENDINGS: [(&str, Form); 3] = [(".tlog-proof", Form::File), (".json", Form::Json), (".cose", Form::Cose)];

impl Form {
    /// What the client accepts: the first of its types that is known here, whatever their weights.
    pub(super) fn accepted(headers: &HeaderMap) -> Form {
        let lists = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let kinds = lists.flat_map(|list| list.split(',')).map(|kind| kind.split(';').next().unwrap_or_default());
        let known = |kind: &str| match kind.trim() {
            "application/json" => Some(Form::Json),
            "application/cose" => Some(Form::Cose),
            "text/plain" | "*/*" => Some(Form::File),
            _ => None,
        };
        kinds.filter_map(known).next().unwrap_or(Form::File)
    }

    /// The name without its ending, and the form: of the ending, else what is accepted.
    pub(super) fn of_name<'a>(name: &'a str, headers: &HeaderMap) -> (&'a str, Form) {
        let ending = ENDINGS.iter().find_map(|(ending, form)| Some((name.strip_suffix(ending)?, *form)));
        ending.unwrap_or_else(|| (name, Form::accepted(headers)))
    }

    /// The bytes as an answer of this form. `file` is the type of the format's own file.
    pub(super) fn answer(self, file: &'static str, bytes: Vec<u8>) -> Response {
        let kind = match self {
            Form::File => file,
            Form::Json => JSON,
            Form::Cose => "application/cose; cose-type=\"cose-sign1\"",
        };
        let headers = [(CONTENT_TYPE, HeaderValue::from_static(kind)), (VARY, HeaderValue::from_static("accept"))];
        (headers, bytes).into_response()
    }
}

/// The type of files that are canonical JSON.
pub(super) const JSON: &str = "application/json";
/// The type of a receipt file.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_or_else_the_first_known_type_decides() {
        let accepting = |types: &'static str| HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(types))]);
        for (types, form) in [
            ("", Form::File),
            ("*/*", Form::File),
            ("application/json", Form::Json),
            ("application/cose;q=0.5, application/json", Form::Cose),
            ("text/html,application/xml;q=0.9,*/*;q=0.8", Form::File),
            ("image/png", Form::File),
        ] {
            assert_eq!(Form::accepted(&accepting(types)), form, "{types}");
            assert_eq!(Form::of_name("ab", &accepting(types)), ("ab", form), "{types}");
            assert_eq!(Form::of_name("ab.cose", &accepting(types)), ("ab", Form::Cose), "{types}");
        }
        assert_eq!(Form::of_name("ab.tlog-proof", &accepting("application/json")), ("ab", Form::File));
    }
}
