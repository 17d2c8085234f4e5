//! Compile a collection's definition: its access rule and its schema.

use crate::access::{AccessError, Rules};
use crate::schema::limits::WORK_MAX;
use crate::schema::{Schema, SchemaError, Violation};
use countersign_proof::{Collection, NAMED_MEMBER, Named};
use serde_json::Value;

/// A collection's definition, ready to judge documents.
#[derive(Debug)]
pub struct Definition {
    /// Who may do what.
    pub rules: Rules,
    /// What a document looks like.
    pub schema: Schema,
}

/// Why a definition is refused.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// Its access rule.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Its schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl Definition {
    /// Compiles a definition, or says what is wrong with it.
    pub fn compile(collection: &Collection) -> Result<Definition, DefinitionError> {
        Ok(Definition { rules: Rules::compile(&collection.access)?, schema: Schema::compile(&collection.schema)? })
    }

    /// Validates a document without what says who may do what with it: the schema is of the rest.
    pub fn validate(&self, document: &Value) -> Result<(), Vec<Violation>> {
        let mut units_left = WORK_MAX;
        self.validate_within(document, &mut units_left)
    }

    /// The same; takes what that is of work from what is left.
    pub(crate) fn validate_within(&self, document: &Value, units_left: &mut u64) -> Result<(), Vec<Violation>> {
        match (self.rules.named(), document) {
            (Named::Optional | Named::Required, Value::Object(members)) if members.contains_key(NAMED_MEMBER) => {
                let mut members = members.clone();
                members.remove(NAMED_MEMBER);
                self.schema.validate_within(&Value::Object(members), units_left)
            }
            _ => self.schema.validate_within(document, units_left),
        }
    }
}
