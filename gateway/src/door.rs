//! Ask the node what only it can do: order a transaction, confirm a linearizable read.

use countersign_proto::v1;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// The way into the node, the only one the gateway has. Bounded: when the node takes no more, callers are told so.
#[derive(Clone)]
pub struct Door {
    /// What is asked of the node.
    pub asks: mpsc::Sender<Ask>,
    /// How far the node has come.
    pub progress: watch::Receiver<Progress>,
}

/// One thing asked of the node.
pub enum Ask {
    /// Order this transaction and wait for its level.
    Submit {
        /// The transaction's bytes, the level and the time to wait.
        request: v1::SubmitRequest,
        /// What became of it.
        answer: oneshot::Sender<Result<v1::SubmitResponse, Refused>>,
    },
    /// Wait until this node has executed all that was acknowledged anywhere before.
    Linearize {
        /// The height that is then applied.
        answer: oneshot::Sender<Result<u64, Refused>>,
    },
}

/// How far a node has come, as a reader needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The height that is executed.
    pub applied: u64,
    /// The last height that wrote a document of the system's: what was parsed from them holds until it changes.
    pub governed: u64,
    /// The height up to which events are published: certified and executed here.
    pub published: u64,
    /// The certified size of the log.
    pub certified_size: u64,
    /// The size that every organisation has countersigned.
    pub everyone_size: u64,
}

/// Turned away by the node: nothing of it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The machine's word for it.
    pub code: String,
    /// One sentence that names the field and the limit.
    pub detail: String,
    /// The field that is wrong.
    pub field: Option<String>,
    /// When a retry can help.
    pub retry: Option<Duration>,
    /// What else a machine may want to know, by name.
    pub facts: Vec<(String, String)>,
}

impl Door {
    /// Hands a transaction on and waits for its answer.
    pub(crate) async fn submit(&self, request: v1::SubmitRequest) -> Result<v1::SubmitResponse, Refused> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Submit { request, answer })?;
        answered.await.unwrap_or_else(|_| Err(Refused::unavailable("the node is stopping")))
    }

    /// The height that a linearizable read sees.
    pub(crate) async fn linearize(&self) -> Result<u64, Refused> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Linearize { answer })?;
        answered.await.unwrap_or_else(|_| Err(Refused::unavailable("the node is stopping")))
    }

    fn ask(&self, ask: Ask) -> Result<(), Refused> {
        self.asks.try_send(ask).map_err(|_| Refused {
            code: "OVERLOADED".into(),
            retry: Some(Duration::from_millis(200)),
            ..Refused::unavailable("this node has as many requests under way as it may; try again")
        })
    }
}

impl Refused {
    fn unavailable(detail: &str) -> Refused {
        let retry = Some(Duration::from_secs(1));
        Refused { code: "UNAVAILABLE".into(), detail: detail.to_owned(), field: None, retry, facts: Vec::new() }
    }
}
