//! Write: sign a caller's operations as the organisation's gateway account, hand them on, show what became of them.

use super::Api;
use super::asked::{Condition, Wait, idempotency_key};
use super::catalogue::Served;
use super::document::etag;
use super::read::Seen;
use super::signing::{GatewayAccount, Intent, Signed, chance};
use crate::identity::Caller;
use crate::problem::Problem;
use axum::Json;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_proof::operation::Change;
use countersign_proof::precondition::Condition as Ledgers;
use countersign_proof::{Hash, Operation, Precondition, Unit};
use countersign_proto::v1;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// One operation on one document.
pub(crate) struct Write {
    collection: String,
    /// None where the ledger finds the document by its key, and a new one gets an id of ours.
    id: Option<String>,
    by_key: bool,
    condition: Condition,
    change: Change,
}

/// What a write answers.
#[derive(Debug, Serialize)]
pub(crate) struct Written {
    /// The transaction and how far it has come.
    pub(crate) transaction: Recorded,
    /// The document as the caller sees it; absent after a deletion, and where the rules hide it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) document: Option<Seen>,
}

/// A write that was handed on: what became of it.
pub(crate) struct Performed {
    pub(crate) written: Written,
    /// Whether the document was not there before.
    pub(crate) made: bool,
    /// Whether it has come as far as was asked.
    pub(crate) reached: bool,
}

/// A transaction that has its place on the ledger, or will.
#[derive(Debug, Serialize)]
pub(crate) struct Recorded {
    /// Its id.
    pub(crate) id: String,
    /// `applied`, `rejected`, or `unknown` while it has no place.
    pub(crate) outcome: &'static str,
    /// The level reached: `COMMITTED`, `CERTIFIED` or `ALL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<&'static str>,
    /// Its block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u64>,
    /// Its leaf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) leaf: Option<u64>,
    /// Organisations whose countersignature is missing for the level asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing: Vec<String>,
}

impl Write {
    pub(crate) fn new(collection: String, id: String, change: Change) -> Write {
        Write { collection, id: Some(id), by_key: false, condition: Condition::None, change }
    }

    /// Of the document that holds the key which `change` names; made under this id when there is none.
    pub(crate) fn by_key(collection: String, id: Option<String>, change: Change) -> Write {
        Write { collection, id, by_key: true, condition: Condition::None, change }
    }

    pub(crate) fn only_if(mut self, condition: Condition) -> Write {
        self.condition = condition;
        self
    }

    fn operation(&self, id: &str) -> Operation {
        let condition = match self.condition {
            Condition::None => None,
            Condition::Absent => Some(Ledgers::Absent(Unit {})),
            Condition::Version(version) => Some(Ledgers::Version(version)),
        };
        Operation {
            collection: self.collection.clone(),
            id: id.to_owned(),
            precondition: condition.map(|condition| Precondition { condition: Some(condition) }),
            change: Some(self.change.clone()),
        }
    }
}

pub(crate) fn level_name(level: v1::Level) -> Option<&'static str> {
    match level {
        v1::Level::Unspecified => None,
        v1::Level::Committed => Some("COMMITTED"),
        v1::Level::Certified => Some("CERTIFIED"),
        v1::Level::All => Some("ALL"),
    }
}

pub(crate) fn recorded(response: &v1::SubmitResponse) -> Recorded {
    Recorded {
        id: hex::encode(&response.transaction_id),
        outcome: match response.outcome() {
            v1::Outcome::Applied => "applied",
            v1::Outcome::Rejected => "rejected",
            _ => "unknown",
        },
        level: level_name(response.level()),
        height: response.height,
        leaf: response.leaf_index,
        missing: response.missing.clone(),
    }
}

/// Whether it has come as far as was asked: else the answer is "accepted", never "done".
pub(crate) fn reached(response: &v1::SubmitResponse, wait: Wait) -> bool {
    response.height.is_some() && i32::from(response.level()) >= i32::from(wait.level)
}

impl Served {
    /// Whether a whole document satisfies the schema.
    pub(crate) fn check_value(&self, value: &Value) -> Result<(), Problem> {
        if !value.is_object() {
            return Err(Problem::new("INVALID_VALUE", "body: a document is a JSON object").at("body"));
        }
        self.compiled.validate(value).map_err(|violations| {
            let place = |v: &countersign_ledger::Violation| format!("{} ({})", shown(&v.pointer), v.keyword);
            let places: Vec<String> = violations.iter().map(place).collect();
            let detail =
                format!("the document does not satisfy the schema of {:?} at {}", self.name, places.join(", "));
            Problem::new("SCHEMA_VIOLATION", detail).violations(violations)
        })
    }
}

/// A pointer as a sentence shows it: the root's own is empty.
fn shown(pointer: &str) -> &str {
    if pointer.is_empty() { "the document itself" } else { pointer }
}

impl Api {
    /// The collection, when this caller may ask this node to write to it.
    pub(crate) fn writable(&self, caller: &Caller, collection: &str) -> Result<Arc<Served>, Problem> {
        let served = self.collection(collection)?;
        caller.check_write(collection)?;
        if caller.organisation() != self.callers.organisation() {
            let detail = format!(
                "this node signs for accounts of {}; sign the transaction yourself and send it to /v1/transactions",
                self.callers.organisation()
            );
            return Err(Problem::new("PERMISSION_DENIED", detail));
        }
        Ok(served)
    }

    pub(crate) fn document_bytes_max(&self) -> Result<usize, Problem> {
        let rules = self.reader.document("$rules", "ledger")?.and_then(|version| version.value);
        let bytes = rules.and_then(|rules| rules["limits"]["document_bytes"].as_u64()).unwrap_or(0);
        Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Signs operations for a caller of this organisation.
    pub(crate) fn sign_for(
        &self,
        caller: &Caller,
        intent: Intent<'_>,
        operations: Vec<Operation>,
    ) -> Result<Signed, Problem> {
        let account = self.gateway_account()?;
        Ok(account.sign(&self.genesis.hash(), caller.account(), intent, operations, self.callers.now_ms()))
    }

    fn gateway_account(&self) -> Result<&GatewayAccount, Problem> {
        let none = || Problem::new("NO_GATEWAY_ACCOUNT", "this node has no gateway account, so that it only reads");
        self.account.as_deref().ok_or_else(none)
    }

    /// Hands a signed transaction on and waits.
    pub(crate) async fn submit(&self, transaction: Vec<u8>, wait: Wait) -> Result<v1::SubmitResponse, Problem> {
        let request = v1::SubmitRequest {
            transaction,
            level: wait.level.into(),
            timeout_ms: u32::try_from(wait.timeout.as_millis()).unwrap_or(u32::MAX),
            sequence: 0,
        };
        Ok(self.door.submit(request).await?)
    }

    /// The same; errs where it was executed and found invalid.
    pub(crate) async fn submit_valid(&self, transaction: Vec<u8>, wait: Wait) -> Result<v1::SubmitResponse, Problem> {
        let response = self.submit(transaction, wait).await?;
        match response.outcome() {
            v1::Outcome::Rejected => Err(Problem::rejected(response)),
            _ => Ok(response),
        }
    }

    /// One document written for a caller who may write there, under his key where he gave one.
    pub(crate) async fn perform(
        &self,
        caller: &Caller,
        key: Option<&str>,
        wait: Wait,
        write: Write,
    ) -> Result<Performed, Problem> {
        let intent = key.map_or_else(|| Intent::Once(chance()), Intent::Key);
        let id = match &write.id {
            Some(id) => id.clone(),
            // A function of the request, as all of the body must be, and nothing that can be guessed.
            None => hex::encode(self.gateway_account()?.nonce(caller.account(), intent)),
        };
        let signed = self.sign_for(caller, intent, vec![write.operation(&id)])?;
        let response = self.submit_valid(signed.bytes, wait).await?;
        let version = match (response.height, response.leaf_index) {
            (Some(height), Some(leaf)) if write.by_key => self.written_by(height, leaf)?,
            (Some(height), _) => self.written(&write.collection, &id, &signed.id, height)?,
            (None, _) => None,
        };
        let made = version.as_ref().is_some_and(|(_, made)| *made);
        let document = match version {
            Some((version, _)) if version.value.is_some() => self.see(caller, version)?,
            _ => None,
        };
        let reached = reached(&response, wait);
        Ok(Performed { written: Written { transaction: recorded(&response), document }, made, reached })
    }

    /// One document written, and shown.
    pub(crate) async fn write_one(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        write: Write,
    ) -> Result<Response, Problem> {
        let wait = Wait::of(headers);
        let Performed { written, made, reached } = self.perform(caller, idempotency_key(headers)?, wait, write).await?;
        let status = match (reached, made) {
            (false, _) => StatusCode::ACCEPTED,
            (true, true) => StatusCode::CREATED,
            (true, false) => StatusCode::OK,
        };
        let place = format!("/v1/transactions/{}", written.transaction.id);
        let tag = written.document.as_ref().map(|seen| etag(seen.version));
        let mut answer = (status, Json(written)).into_response();
        let headers = answer.headers_mut();
        headers.insert(LOCATION, HeaderValue::try_from(place).expect("hex"));
        tag.map(|tag| headers.insert(ETAG, tag));
        wait.named.map(|named| headers.insert("preference-applied", HeaderValue::from_static(named)));
        Ok(answer)
    }

    /// The version that the one operation of a leaf's transaction wrote, and whether the document was not there before.
    fn written_by(&self, height: u64, leaf: u64) -> Result<Option<(countersign_ledger::Version, bool)>, Problem> {
        let Some(change) = self.reader.changes_of(height, leaf, 1)?.pop() else { return Ok(None) };
        let record = &change.version.record;
        let before = match record.version {
            1 => None,
            number => self.reader.version(&record.collection, &record.id, number - 1)?,
        };
        let made = before.is_none_or(|before| before.value.is_none());
        Ok(Some((change.version, made)))
    }

    /// The version that a transaction wrote of a document, and whether the document was not there before.
    fn written(
        &self,
        collection: &str,
        id: &str,
        transaction: &Hash,
        height: u64,
    ) -> Result<Option<(countersign_ledger::Version, bool)>, Problem> {
        let mut newest = self.reader.document_at(collection, id, height)?;
        while let Some(version) = newest {
            let before = match version.record.version {
                1 => None,
                number => self.reader.version(collection, id, number - 1)?,
            };
            if version.record.transaction == *transaction {
                let made = before.is_none_or(|before| before.value.is_none());
                return Ok(Some((version, made)));
            }
            newest = before.filter(|before| before.record.height == height);
        }
        Ok(None)
    }
}
