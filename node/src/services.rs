//! Answer what other members ask of this node.

use crate::accuse::Suspicion;
use crate::distrust::Distrust;
use crate::frames::*;
use crate::left_out::Complaints;
use crate::limits::{COSIGNATURES_WAITING_MAX, ECHOES_TOLD_MAX, ECHOES_WAITING_MAX};
use crate::members::Members;
use crate::metered::Meters;
use crate::sign::Heard;
use crate::submit::Submission;
use crate::verifier::{Candidate, Fault, Verified, Verifier};
use crate::{catch_up, certify};
use bytes::Bytes;
use countersign_consensus::Consensus;
use countersign_ledger::store::{KeptCosignature, Reader};
use countersign_p2p::{Incoming, Reply, Services};
use countersign_proof::{Hash, Limits};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};

const RAFT_WAITING_MAX: usize = 1_024;
const FORWARDS_WAITING_MAX: usize = 64;
const PULLS_WAITING_MAX: usize = 64;
/// Requests of members under way at once, a service.
const UNDER_WAY_MAX: usize = 64;

/// The queues of what members ask, one a service, each with its bound.
pub(crate) struct Asked {
    raft: mpsc::Receiver<Incoming>,
    forwards: mpsc::Receiver<Incoming>,
    cosignature: mpsc::Receiver<Incoming>,
    cosignatures: mpsc::Receiver<Incoming>,
    blocks: mpsc::Receiver<Incoming>,
    read_index: mpsc::Receiver<Incoming>,
    raft_id: mpsc::Receiver<Incoming>,
    echo: mpsc::Receiver<Incoming>,
    own: mpsc::Receiver<Incoming>,
    evidence: mpsc::Receiver<Incoming>,
    complaint: mpsc::Receiver<Incoming>,
}

impl Asked {
    /// Registers every service.
    pub(crate) fn register(services: &mut Services) -> Asked {
        Asked {
            raft: services.register(SERVICE_RAFT, RAFT_WAITING_MAX),
            forwards: services.register(SERVICE_FORWARD, FORWARDS_WAITING_MAX),
            cosignature: services.register(SERVICE_COSIGNATURE, COSIGNATURES_WAITING_MAX),
            cosignatures: services.register(SERVICE_COSIGNATURES, PULLS_WAITING_MAX),
            blocks: services.register(SERVICE_BLOCKS, PULLS_WAITING_MAX),
            read_index: services.register(SERVICE_READ_INDEX, PULLS_WAITING_MAX),
            raft_id: services.register(SERVICE_RAFT_ID, PULLS_WAITING_MAX),
            echo: services.register(SERVICE_ECHO, ECHOES_WAITING_MAX),
            own: services.register(SERVICE_OWN, PULLS_WAITING_MAX),
            evidence: services.register(SERVICE_EVIDENCE, PULLS_WAITING_MAX),
            complaint: services.register(SERVICE_COMPLAINT, PULLS_WAITING_MAX),
        }
    }

    /// Serves until the transport ends.
    pub(crate) async fn run(self, answers: Answers) {
        let answers = Arc::new(answers);
        let Asked { raft, forwards, mut cosignature, cosignatures, blocks, .. } = self;
        let Asked { read_index, raft_id, echo, own, evidence, complaint, .. } = self;
        serve("service_raft", raft, answers.clone(), |a, from, body| async move { a.raft(&from, body).await });
        serve("service_forward", forwards, answers.clone(), |a, _, body| async move { a.forwarded(body).await });
        serve("service_other", cosignatures, answers.clone(), |a, _, body| async move {
            certify::serve(&a.reader, body).map_err(|e| e.to_string()).map(Some)
        });
        serve("service_other", blocks, answers.clone(), |a, _, body| async move {
            catch_up::serve(&a.reader, body).map_err(|e| e.to_string()).map(Some)
        });
        serve("service_other", read_index, answers.clone(), |a, _, _| async move { a.read_index().await });
        serve("service_other", raft_id, answers.clone(), |a, from, _| async move { a.raft_id(&from) });
        serve("service_other", own, answers.clone(), |a, from, _| async move { a.own(&from) });
        serve(
            "service_other",
            complaint,
            answers.clone(),
            |a, from, body| async move { a.complained(&from, body).await },
        );
        tokio::spawn(hear(echo, answers.echoes.clone()));
        tokio::spawn(be_told(evidence, answers.suspicions.clone()));
        while let Some(Incoming { body, from, .. }) = cosignature.recv().await {
            let Some(kept) = decode::<CosignatureFrame>(body).and_then(CosignatureFrame::parse) else { continue };
            // Whoever signs a root has applied it. Its own word counts, so it must come from the node itself.
            if kept.cosignature.node == from {
                let heard = Heard { node: from, size: kept.size, root: kept.root };
                drop(answers.echoes.try_send(heard));
            }
            if answers.cosignatures.send(kept).await.is_err() {
                return;
            }
        }
    }
}

/// Hands on what members echo, each under the name that its connection proves.
async fn hear(mut echo: mpsc::Receiver<Incoming>, echoes: mpsc::Sender<Heard>) {
    while let Some(Incoming { from, body, .. }) = echo.recv().await {
        let told = decode::<EchoesTold>(body).map(|told| told.echoes).unwrap_or_default();
        for EchoFrame { size, root } in told.into_iter().take(ECHOES_TOLD_MAX) {
            let Ok(root) = Hash::from_slice("root", &root) else { continue };
            if echoes.send(Heard { node: from.clone(), size, root }).await.is_err() {
                return;
            }
        }
    }
}

async fn be_told(mut evidence: mpsc::Receiver<Incoming>, suspicions: mpsc::Sender<Suspicion>) {
    while let Some(Incoming { body, .. }) = evidence.recv().await {
        if suspicions.send(Suspicion::Told(body)).await.is_err() {
            return;
        }
    }
}

/// What the answers are made from.
pub(crate) struct Answers {
    pub(crate) consensus: Consensus,
    pub(crate) reader: Reader,
    pub(crate) verifier: Verifier,
    pub(crate) mempool: mpsc::Sender<Verified>,
    pub(crate) cosignatures: mpsc::Sender<KeptCosignature>,
    pub(crate) echoes: mpsc::Sender<Heard>,
    pub(crate) suspicions: mpsc::Sender<Suspicion>,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) distrust: Distrust,
    pub(crate) complaints: Complaints,
    pub(crate) submissions: mpsc::Sender<Submission>,
    pub(crate) limits: Limits,
    pub(crate) meters: Meters,
}

/// The answer, `None` for "busy, ask again", or why there is none.
type Answer = Result<Option<Bytes>, String>;

fn serve<F, A>(station: &'static str, mut incoming: mpsc::Receiver<Incoming>, answers: Arc<Answers>, answer: F)
where
    F: Fn(Arc<Answers>, String, Bytes) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    tokio::spawn(async move {
        let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        while let Some(Incoming { from, body, reply, .. }) = incoming.recv().await {
            let Ok(permit) = under_way.clone().acquire_owned().await else { return };
            let answering = answers.meters.meter(station, answer(answers.clone(), from, body));
            tokio::spawn(async move {
                let answered = answering.await;
                if let Some(reply) = reply {
                    send(reply, answered);
                }
                drop(permit);
            });
        }
    });
}

fn send(reply: Reply, answer: Answer) {
    match answer {
        Ok(Some(body)) => reply.ok(body),
        Ok(None) => reply.busy(),
        Err(reason) => reply.err(&reason),
    }
}

impl Answers {
    async fn raft(&self, from: &str, body: Bytes) -> Answer {
        let raft = self.members.borrow().nodes.get(from).map(|entry| entry.raft);
        let raft = raft.ok_or_else(|| format!("{from} has no raft id here yet"))?;
        if let Some(reason) = self.distrust.of(from) {
            return Err(format!("refused: {reason}"));
        }
        self.consensus.receive(raft, body).await.map(Some).map_err(|e| e.to_string())
    }

    /// Another node's transactions: checked again, for what this leader proposes it answers for.
    async fn forwarded(&self, body: Bytes) -> Answer {
        if !self.consensus.leadership().borrow().here {
            return Err("not the leader".into());
        }
        let Some(transactions) = self.verified(body).await? else { return Ok(None) };
        for verified in transactions {
            if self.mempool.try_send(verified).is_err() {
                return Ok(None);
            }
        }
        Ok(Some(Bytes::new()))
    }

    /// The transactions of a frame, each checked; `None` while too many wait to be.
    async fn verified(&self, body: Bytes) -> Result<Option<Vec<Verified>>, String> {
        let frame: Transactions = decode(body).ok_or("malformed")?;
        let candidates = frame.transactions.into_iter().map(Candidate::Bytes).collect();
        let sorted = self.verifier.verify(candidates, self.limits.transaction_bytes as usize).await;
        let Some(sorted) = sorted else { return Ok(None) };
        let verified = sorted.into_iter().collect::<Result<Vec<Verified>, Fault>>();
        #[cfg(feature = "byzantine")]
        let verified = verified.map(crate::misbehave::censored);
        verified.map(Some).map_err(|fault| match fault {
            Fault::Malformed(reason) => reason,
            Fault::Signature => "a false signature".into(),
        })
    }

    /// A member says that the leader leaves a transaction out: it is ours too from now on.
    async fn complained(&self, from: &str, body: Bytes) -> Answer {
        // The room first: whoever has used up his own costs us no verification.
        let Some(permit) = self.complaints.room(from) else { return Ok(None) };
        let transaction = self.verified(body).await?.unwrap_or_default().into_iter().next();
        let Some(transaction) = transaction else { return Ok(None) };
        drop(self.submissions.try_send(Submission::of_complaint(transaction, permit)));
        Ok(Some(Bytes::new()))
    }

    async fn read_index(&self) -> Answer {
        let index = self.consensus.read_index().await.map_err(|e| e.to_string())?;
        Ok(Some(encode(&ReadIndexFound { index })))
    }

    /// The newest signature of the asking node that is kept here: it asks before it signs anything after a start.
    fn own(&self, from: &str) -> Answer {
        let newest = self.reader.newest_cosignature(from).map_err(|e| e.to_string())?;
        Ok(Some(encode(&OwnFound { newest: newest.as_ref().map(CosignatureFrame::of) })))
    }

    /// A joining observer asks under which id the ledger admitted it.
    fn raft_id(&self, from: &str) -> Answer {
        let raft = self.members.borrow().nodes.get(from).map(|entry| entry.raft);
        Ok(Some(encode(&RaftIdFound { raft_id: raft.ok_or("not admitted here")? })))
    }
}
