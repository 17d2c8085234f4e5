//! Name why a transaction is rejected.

use crate::Violation;
use std::fmt;

/// The code of a rejected transaction, as its leaf holds it. Only the code is on the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The block's time is past `expires_ms`, or past the end of the proposal that is approved or withdrawn.
    Expired,
    /// A signer's key is not its account's, the organisation may not write here, or approvals are missing.
    Unauthorized,
    /// The collection is not defined.
    UnknownCollection,
    /// A collection or member name that begins with `$` and is not the caller's to use.
    ReservedName,
    /// The document is in another version.
    VersionConflict,
    /// The document is there though it had to be absent, a predicate does not hold, a proposal is not open, or too many are.
    PreconditionFailed,
    /// What was to be made is there, or another document holds a unique key.
    AlreadyExists,
    /// What was to be changed is not there.
    NotFound,
    /// The operation does not fit the value: no object, no integer, no array, out of range, or a false definition.
    InvalidValue,
    /// A document would be larger than the ledger's limit, or a key of it longer than an index takes.
    TooLarge,
    /// A key is weak, or has been used on this ledger.
    KeyInUse,
    /// The document would not satisfy its collection's schema.
    SchemaViolation,
    /// The new schema of a collection could refuse documents that are valid under the one in force.
    BreakingChange,
}

impl Code {
    /// The text on the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::Expired => "EXPIRED",
            Code::Unauthorized => "UNAUTHORIZED",
            Code::UnknownCollection => "UNKNOWN_COLLECTION",
            Code::ReservedName => "RESERVED_NAME",
            Code::VersionConflict => "VERSION_CONFLICT",
            Code::PreconditionFailed => "PRECONDITION_FAILED",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::NotFound => "NOT_FOUND",
            Code::InvalidValue => "INVALID_VALUE",
            Code::TooLarge => "TOO_LARGE",
            Code::KeyInUse => "KEY_IN_USE",
            Code::SchemaViolation => "SCHEMA_VIOLATION",
            Code::BreakingChange => "BREAKING_CHANGE",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a transaction was rejected, with what the caller needs to mend it. Beside the code nothing of it is on
/// the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The code in the leaf.
    pub code: Code,
    /// Which operation, from 0; none when it is the transaction itself.
    pub operation: Option<usize>,
    /// One sentence for a person.
    pub detail: String,
    /// For [`Code::SchemaViolation`]: where in the document. For [`Code::BreakingChange`]: where in the schema.
    pub violations: Vec<Violation>,
    /// For [`Code::AlreadyExists`]: the id of the document that holds the unique key.
    pub existing: Option<String>,
}

impl Rejection {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Rejection {
        Rejection { code, operation: None, detail: detail.into(), violations: Vec::new(), existing: None }
    }

    pub(crate) fn at(mut self, operation: usize) -> Rejection {
        self.operation = Some(operation);
        self
    }
}
