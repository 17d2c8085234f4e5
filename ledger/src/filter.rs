//! Select documents by their values: the predicates of preconditions, as readers use them.

use crate::document::predicate_holds;
use countersign_proof::{ProofError, check_predicate, parse_json};
use serde_json::{Map, Value};

/// Nesting of a filter: pointers to comparisons to values.
const DEPTH_MAX: usize = 8;

/// A predicate that was checked: JSON pointers to comparisons, all of which must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    predicate: Value,
}

impl Filter {
    /// Reads I-JSON of the form `{"/status":{"eq":"open"}}`.
    pub fn parse(field: &'static str, bytes: &[u8]) -> Result<Filter, ProofError> {
        let predicate = parse_json(field, bytes, DEPTH_MAX)?;
        check_predicate(field, &predicate)?;
        Ok(Filter { predicate })
    }

    /// Whether the document satisfies it.
    pub fn holds(&self, document: &Value) -> bool {
        predicate_holds(document, &self.predicate)
    }

    /// The comparisons at a pointer.
    pub(crate) fn comparisons(&self, pointer: &str) -> Option<&Map<String, Value>> {
        self.predicate.get(pointer)?.as_object()
    }

    /// The pointers it compares at.
    pub fn pointers(&self) -> impl Iterator<Item = &str> {
        self.predicate.as_object().into_iter().flat_map(|comparisons| comparisons.keys().map(String::as_str))
    }
}
