//! Ask for Raft's read index once for all reads that wait for one, rather than once for each.

use crate::api::Refusal;
use crate::frames::{ReadIndexFound, SERVICE_READ_INDEX, decode};
use crate::limits::{READ_DEADLINE, READ_QUESTIONS_MAX, READS_WAITING_MAX};
use crate::members::Members;
use bytes::Bytes;
use countersign_consensus::{Consensus, ConsensusError};
use countersign_p2p::{Lane, Transport};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

type Waiting = oneshot::Sender<Result<u64, Refusal>>;

/// Where reads ask.
#[derive(Clone)]
pub(crate) struct ReadIndexes(mpsc::Sender<Waiting>);

impl ReadIndexes {
    /// The Raft index that covers all that was acknowledged anywhere before the call.
    pub(crate) async fn find(&self) -> Result<u64, Refusal> {
        let (answer, found) = oneshot::channel();
        let stopping = || Refusal::no_leader("the node is stopping");
        self.0.send(answer).await.map_err(|_| stopping())?;
        found.await.map_err(|_| stopping())?
    }
}

/// Who asks for them.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) consensus: Consensus,
    pub(crate) transport: Transport,
    pub(crate) members: watch::Receiver<Arc<Members>>,
}

impl Asker {
    /// A handle to ask by, and the task that answers.
    pub(crate) fn start(self) -> (ReadIndexes, impl Future<Output = ()> + Send) {
        let (asks, asked) = mpsc::channel(READS_WAITING_MAX);
        (ReadIndexes(asks), self.run(asked))
    }

    /// Some questions are under way at once, so that a read need not wait for one that began before it; all reads that came
    /// until a question begins share it, for it is asked after each of them.
    async fn run(self, mut asked: mpsc::Receiver<Waiting>) {
        let questions = Arc::new(Semaphore::new(READ_QUESTIONS_MAX));
        loop {
            let question = questions.clone().acquire_owned().await.expect("never closed");
            let mut waiting = Vec::new();
            if asked.recv_many(&mut waiting, READS_WAITING_MAX).await == 0 {
                return;
            }
            let asker = self.clone();
            tokio::spawn(async move {
                let found = asker.ask().await;
                // Whoever waits no more needs no answer.
                waiting.into_iter().for_each(|answer| drop(answer.send(found.clone())));
                drop(question);
            });
        }
    }

    async fn ask(&self) -> Result<u64, Refusal> {
        match self.consensus.read_index().await {
            Ok(index) => Ok(index),
            Err(ConsensusError::NotLeader { leader }) => self.ask_leader(leader).await,
            Err(error) => Err(Refusal::no_leader(&error.to_string())),
        }
    }

    async fn ask_leader(&self, leader: Option<u64>) -> Result<u64, Refusal> {
        let members = self.members.borrow().clone();
        let name = leader.and_then(|id| members.name_of(id)).ok_or_else(|| Refusal::no_leader("no leader is known"))?;
        let call = self.transport.call(name, Lane::Control, SERVICE_READ_INDEX, Bytes::new(), READ_DEADLINE);
        let found: Option<ReadIndexFound> = decode(call.await.map_err(|e| Refusal::no_leader(&e.to_string()))?);
        found.map(|found| found.index).ok_or_else(|| Refusal::no_leader("the leader's answer was malformed"))
    }
}
