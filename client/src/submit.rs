//! Hand a transaction to the ledger and learn what became of it.

use crate::answer::Answer;
use crate::limits::{ANSWER_GRACE, BACKOFF_MAX, BACKOFF_MIN, SUBMIT_TIMEOUT_MAX};
use crate::{Client, ClientError, Outcome, ReceiptOf, transaction};
use countersign_proof::{Hash, Leaf, Outcome as LeafOutcome, Transaction, VerifiedReceipt};
use countersign_proto::v1::{Level, SubmitRequest};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A node's answer and the receipt that proves it.
#[derive(Debug, Clone)]
pub struct VerifiedAnswer {
    /// What the node said; its outcome, leaf and height agree with the receipt.
    pub answer: Answer,
    /// The receipt file, to be kept.
    pub receipt: String,
    /// What it proves.
    pub proof: VerifiedReceipt,
}

impl Client {
    /// Submits once, to one node, and waits for the level or the timeout (at most 120 s).
    ///
    /// Errs with [`ClientError::Refused`] when nothing was handed on, [`ClientError::Unavailable`] when no
    /// connection came about, and [`ClientError::Unknown`] when the answer did not come: never take that for failed.
    pub async fn submit(&self, bytes: Vec<u8>, level: Level, timeout: Duration) -> Result<Answer, ClientError> {
        let transaction = transaction::parse(bytes, &self.genesis_hash())?;
        self.submit_once(&transaction, level, timeout).await
    }

    /// Submits the same bytes again and again, to one node after the other, until what became of the transaction
    /// is definite and the level is reached, or the time is over. It is executed once at the most.
    ///
    /// An answer below the level is given when the time is over.
    pub async fn submit_until_known(
        &self,
        bytes: Vec<u8>,
        level: Level,
        timeout: Duration,
    ) -> Result<Answer, ClientError> {
        let transaction = transaction::parse(bytes, &self.genesis_hash())?;
        let deadline = Instant::now() + timeout;
        let mut backoff = BACKOFF_MIN;
        let mut known: Option<Result<Answer, ClientError>> = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let result = self.submit_once(&transaction, level, left).await;
            let wait = match &result {
                Ok(answer) if answer.reached(level) => return result,
                Err(error) if !error.may_pass() => return result,
                Err(ClientError::Refused { retry: Some(retry), .. }) => (*retry).max(BACKOFF_MIN),
                _ => backoff,
            };
            if Instant::now() + wait >= deadline {
                return better(known, result);
            }
            known = Some(better(known, result));
            sleep(wait).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Submits until it is certified, fetches the receipt, and checks that it proves this transaction: the same id
    /// and body, and the outcome, leaf and height that the node gave.
    pub async fn submit_verified(&self, bytes: Vec<u8>, timeout: Duration) -> Result<VerifiedAnswer, ClientError> {
        let transaction = transaction::parse(bytes, &self.genesis_hash())?;
        let deadline = Instant::now() + timeout;
        let answer = self.submit_until_known(transaction.bytes.clone(), Level::Certified, timeout).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        let proven = self.receipt(ReceiptOf::Transaction(transaction.id), left).await?;
        check_leaf(&transaction, &answer, &proven.proof)?;
        Ok(VerifiedAnswer { answer, receipt: proven.receipt, proof: proven.proof })
    }

    async fn submit_once(
        &self,
        transaction: &Transaction,
        level: Level,
        timeout: Duration,
    ) -> Result<Answer, ClientError> {
        let timeout = timeout.clamp(Duration::from_millis(1), SUBMIT_TIMEOUT_MAX);
        let (at, mut node) = self.node();
        let request = self.request(submit_request(transaction.bytes.clone(), level, timeout, 0));
        let response = tokio::time::timeout(timeout + ANSWER_GRACE, node.submit(request)).await;
        let result = match response {
            Ok(Ok(response)) => Answer::of_response(response.into_inner(), &transaction.id),
            Ok(Err(status)) => Err(self.named(at, ClientError::of_submit(&status, transaction.id))),
            Err(_) => Err(silent(transaction.id)),
        };
        if result.as_ref().is_err_and(ClientError::may_pass) {
            self.leave(at);
        }
        result
    }
}

pub(crate) fn submit_request(transaction: Vec<u8>, level: Level, timeout: Duration, sequence: u64) -> SubmitRequest {
    let timeout_ms = u32::try_from(timeout.as_millis()).expect("at most 120 s").max(1);
    SubmitRequest { transaction, level: level.into(), timeout_ms, sequence }
}

pub(crate) fn silent(transaction_id: Hash) -> ClientError {
    ClientError::Unknown { transaction_id, detail: "the node did not answer in time".into() }
}

/// What is known after a later attempt: an answer stays one, and what may have been handed on stays unknown,
/// whatever a later node says.
pub(crate) fn better(
    known: Option<Result<Answer, ClientError>>,
    later: Result<Answer, ClientError>,
) -> Result<Answer, ClientError> {
    match (known, later) {
        (_, Ok(answer)) => Ok(answer),
        (Some(Ok(answer)), Err(_)) => Ok(answer),
        (Some(Err(unknown @ ClientError::Unknown { .. })), Err(_)) => Err(unknown),
        (_, Err(error)) => Err(error),
    }
}

/// The receipt must be of this very transaction, and say what the node said.
fn check_leaf(transaction: &Transaction, answer: &Answer, proof: &VerifiedReceipt) -> Result<(), ClientError> {
    let Leaf::Transaction(leaf) = proof.leaf() else {
        return Err(ClientError::mismatch("receipt.leaf", "a transaction", "another kind"));
    };
    if leaf.id != transaction.id {
        return Err(ClientError::mismatch("receipt.leaf.id", transaction.id, leaf.id));
    }
    if leaf.body != transaction.body_hash {
        return Err(ClientError::mismatch("receipt.leaf.body", transaction.body_hash, leaf.body));
    }
    let same_outcome = match &answer.outcome {
        Outcome::Applied => leaf.outcome == LeafOutcome::Applied,
        Outcome::Rejected(rejection) => leaf.code.as_ref() == Some(&rejection.code),
    };
    if !same_outcome {
        return Err(ClientError::mismatch(
            "receipt.leaf.outcome",
            format!("{:?}", answer.outcome),
            format!("{:?}", leaf.outcome),
        ));
    }
    if answer.height.is_some_and(|height| height != leaf.height) {
        return Err(ClientError::mismatch("receipt.leaf.height", answer.height.unwrap_or_default(), leaf.height));
    }
    if answer.leaf_index.is_some_and(|index| index != proof.index()) {
        return Err(ClientError::mismatch("receipt.index", answer.leaf_index.unwrap_or_default(), proof.index()));
    }
    Ok(())
}
