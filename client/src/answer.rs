//! Read what became of a submission.

use crate::ClientError;
use countersign_proof::Hash;
use countersign_proto::v1::{self, Level, SubmitResponse, Violation};
use std::fmt;
use std::time::Duration;

/// A transaction that was executed, in this node's words; [`crate::Client::receipt`] has the proof.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Which transaction.
    pub transaction_id: Hash,
    /// Applied or rejected.
    pub outcome: Outcome,
    /// The level it has reached; below the one asked for when the deadline passed first.
    pub level: Level,
    /// Its leaf in the log.
    pub leaf_index: Option<u64>,
    /// Its block.
    pub height: Option<u64>,
    /// Of a transaction with a put by key: the ids of the documents that it wrote, in order.
    pub ids: Vec<String>,
    /// At the deadline: organisations whose cosignature is missing for the level asked for.
    pub missing: Vec<String>,
}

/// What execution found.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All its operations took effect.
    Applied,
    /// It is recorded as invalid, and nothing changed.
    Rejected(Rejection),
}

/// Why a transaction was rejected. Only the code is on the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    /// The code in its leaf.
    pub code: String,
    /// The same in one sentence.
    pub detail: String,
    /// Which operation, from 0; none when it is the transaction itself.
    pub operation: Option<u32>,
    /// Where a document breaks its schema.
    pub violations: Vec<Violation>,
    /// For `ALREADY_EXISTS`: the id of the document that holds the unique key.
    pub existing: Option<String>,
}

impl Answer {
    /// Whether it has come as far as `asked`.
    pub fn reached(&self, asked: Level) -> bool {
        self.level as i32 >= effective(asked) as i32
    }

    /// What a response means: an answer, or one of refused and unknown.
    pub(crate) fn of_response(response: SubmitResponse, asked: &Hash) -> Result<Answer, ClientError> {
        if !response.transaction_id.is_empty() && response.transaction_id != asked.0 {
            return Err(ClientError::mismatch("transaction id", asked, hex::encode(&response.transaction_id)));
        }
        let level = response.level();
        let outcome = match response.outcome() {
            v1::Outcome::Applied => Outcome::Applied,
            v1::Outcome::Rejected => Outcome::Rejected(Rejection {
                code: response.code,
                detail: response.detail,
                operation: response.operation,
                violations: response.violations,
                existing: response.existing,
            }),
            v1::Outcome::Refused => {
                let retry = (response.retry_ms > 0).then(|| Duration::from_millis(response.retry_ms.into()));
                return Err(ClientError::Refused { code: response.code, detail: response.detail, retry });
            }
            v1::Outcome::Unknown | v1::Outcome::Unspecified => {
                let detail = if response.detail.is_empty() { "the deadline passed".into() } else { response.detail };
                return Err(ClientError::Unknown { transaction_id: *asked, detail });
            }
        };
        Ok(Answer {
            transaction_id: *asked,
            outcome,
            level,
            leaf_index: response.leaf_index,
            height: response.height,
            ids: response.ids,
            missing: response.missing,
        })
    }
}

/// The level that an unspecified one stands for.
pub(crate) fn effective(level: Level) -> Level {
    if level == Level::Unspecified { Level::Certified } else { level }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        if let Some(operation) = self.operation {
            write!(f, " (operation {operation})")?;
        }
        // Those of a schema that breaks another are in the detail, each with its reason.
        let mut violations = self.violations.iter().filter(|_| self.code != "BREAKING_CHANGE");
        violations.try_for_each(|v| write!(f, "; {:?} breaks {}", v.pointer, v.keyword))
    }
}
