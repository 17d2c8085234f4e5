//! Take submissions: parse, find room, verify, hand to the pipeline, answer.

use super::{Api, Refusal, Streamed};
use crate::limits::{OWNED_BYTES_MAX, OWNED_MAX, STREAM_IN_FLIGHT_MAX, WAIT_DEFAULT, WAIT_MAX};
use crate::submit::{Answer, Level, Recorded, Submission};
use crate::verifier::Candidate;
use countersign_proof::{Hash, Outcome, Transaction};
use countersign_proto::v1;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

const RETRY: Duration = Duration::from_millis(200);

/// The room of one transaction among those that the node owns, from when it is taken in to its answer.
struct Room {
    transaction: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Api {
    /// One submission, from its bytes to its answer. Refused when there is no room.
    pub(crate) async fn submit_one(&self, request: v1::SubmitRequest) -> Result<v1::SubmitResponse, Refusal> {
        let transaction = self.owned.clone().try_acquire_owned();
        let transaction = transaction.map_err(|_| overloaded("unanswered transactions", OWNED_MAX))?;
        let bytes = self.owned_bytes.clone().try_acquire_many_owned(length(&request));
        let bytes = bytes.map_err(|_| overloaded("bytes of unanswered transactions", OWNED_BYTES_MAX))?;
        self.submit(request, Room { transaction, _bytes: bytes }).await
    }

    /// Waits for room, in turn with all others that do.
    async fn room(&self, request: &v1::SubmitRequest) -> Room {
        let never = "never closed";
        let transaction = self.owned.clone().acquire_owned().await.expect(never);
        Room { transaction, _bytes: self.owned_bytes.clone().acquire_many_owned(length(request)).await.expect(never) }
    }

    async fn submit(&self, request: v1::SubmitRequest, room: Room) -> Result<v1::SubmitResponse, Refusal> {
        let level = match request.level() {
            v1::Level::Committed => Level::Committed,
            v1::Level::All => Level::All,
            v1::Level::Unspecified | v1::Level::Certified => Level::Certified,
        };
        let wait = match request.timeout_ms {
            0 => WAIT_DEFAULT,
            ms => Duration::from_millis(ms.into()).min(WAIT_MAX),
        };
        let deadline = Instant::now() + wait;
        // Only now: whoever is refused for want of room costs us no reading.
        let transaction =
            Transaction::parse(request.transaction, self.reader.genesis_ref(), self.limits.transaction_bytes as usize)?;
        let id = transaction.id;
        let candidates = vec![Candidate::Read(Box::new(transaction))];
        let sorted = self.verifier.verify(candidates, self.limits.transaction_bytes as usize).await;
        let sorted = sorted.ok_or_else(|| overloaded("signatures to verify", OWNED_MAX))?;
        let Some(Ok(transaction)) = sorted.into_iter().next() else {
            return Err(Refusal::field("FALSE_SIGNATURE", "signatures", "a signature of the transaction is false"));
        };
        let (answer, answered) = oneshot::channel();
        let submission = Submission { transaction, level, deadline, answer: Some(answer), permit: room.transaction };
        self.submissions.try_send(submission).map_err(|_| overloaded("submissions in its queue", OWNED_MAX))?;
        let answer = answered.await.unwrap_or(Answer::Unknown);
        respond(request.sequence, id, answer)
    }

    /// Submissions in bulk. The stream is read no faster than it is answered, and no faster than there is room: whoever has
    /// more is held back rather than refused, for a refusal costs both sides a message, and the next attempt another.
    pub(super) fn submit_many(&self, mut requests: Streaming<v1::SubmitRequest>) -> Streamed<v1::SubmitResponse> {
        let (answers, answered) = mpsc::channel(STREAM_IN_FLIGHT_MAX);
        let api = self.clone();
        tokio::spawn(async move {
            let room = Arc::new(Semaphore::new(STREAM_IN_FLIGHT_MAX));
            while let Ok(permit) = room.clone().acquire_owned().await {
                let request = match requests.message().await {
                    Ok(Some(request)) => request,
                    Ok(None) | Err(_) => return,
                };
                let owned = api.room(&request).await;
                let (api, answers) = (api.clone(), answers.clone());
                tokio::spawn(async move {
                    let sequence = request.sequence;
                    let answer = api.submit(request, owned).await.unwrap_or_else(|refusal| refused(sequence, &refusal));
                    // A reader that is gone asks again with the same bytes.
                    drop(answers.send(Ok::<_, Status>(answer)).await);
                    drop(permit);
                });
            }
        });
        Box::pin(ReceiverStream::new(answered))
    }
}

fn overloaded(what: &str, limit: usize) -> Refusal {
    let detail = format!("this node owns as many {what} as it may ({limit}); try again");
    Refusal::new("OVERLOADED", detail).retry(RETRY).fact("limit", limit)
}

/// More than the limit of a transaction are refused when it is parsed: they need no more room than there is.
fn length(request: &v1::SubmitRequest) -> u32 {
    request.transaction.len().min(OWNED_BYTES_MAX) as u32
}

fn respond(sequence: u64, id: Hash, answer: Answer) -> Result<v1::SubmitResponse, Refusal> {
    let response = v1::SubmitResponse { sequence, transaction_id: id.0.to_vec(), ..v1::SubmitResponse::default() };
    match answer {
        Answer::Unknown => {
            let detail = "the deadline passed first; submit the same bytes again".into();
            Ok(v1::SubmitResponse { outcome: v1::Outcome::Unknown.into(), detail, ..response })
        }
        Answer::NonceReused { leaf_index, height } => {
            let detail = format!("another transaction of this key used the nonce: leaf {leaf_index}, height {height}");
            Err(Refusal::field("NONCE_REUSED", "body.nonce", detail)
                .fact("transaction_id", id)
                .fact("leaf_index", leaf_index)
                .fact("height", height))
        }
        Answer::Recorded(recorded) => {
            let Recorded { leaf, leaf_index, level, missing, detail, operation, violations, existing, ids } = *recorded;
            let outcome = match leaf.outcome {
                Outcome::Applied => v1::Outcome::Applied,
                Outcome::Rejected => v1::Outcome::Rejected,
            };
            let level = match level {
                Level::Committed => v1::Level::Committed,
                Level::Certified => v1::Level::Certified,
                Level::All => v1::Level::All,
            };
            let violation = |v: countersign_ledger::Violation| v1::Violation { pointer: v.pointer, keyword: v.keyword };
            Ok(v1::SubmitResponse {
                outcome: outcome.into(),
                level: level.into(),
                code: leaf.code.unwrap_or_default(),
                detail,
                operation,
                violations: violations.into_iter().map(violation).collect(),
                leaf_index: Some(leaf_index),
                height: Some(leaf.height),
                missing,
                existing,
                ids,
                ..response
            })
        }
    }
}

/// On a stream a refusal is an answer like others.
fn refused(sequence: u64, refusal: &Refusal) -> v1::SubmitResponse {
    let number = |name: &str| refusal.facts.iter().find(|(n, _)| *n == name).and_then(|(_, v)| v.parse().ok());
    v1::SubmitResponse {
        sequence,
        outcome: v1::Outcome::Refused.into(),
        code: refusal.reason.to_string(),
        detail: refusal.detail.clone(),
        retry_ms: refusal.retry.map_or(0, |after| u32::try_from(after.as_millis()).unwrap_or(u32::MAX)),
        leaf_index: number("leaf_index"),
        height: number("height"),
        ..v1::SubmitResponse::default()
    }
}
