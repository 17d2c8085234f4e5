//! Speak `graphql-transport-ws` on one WebSocket.
//!
//! One task owns the socket. Each operation is a task that hands its messages over one bounded channel, so that a reader who
//! is slow stops his own operations; one who takes nothing for [`READER_STALL_MAX`] is cut off, and so is everybody
//! after [`CONNECTION_SECONDS_MAX`]. Whoever still reads then finds, for each subscription, the cursor to resume from.

use super::answer::request_error;
use super::gate;
use crate::api::Api;
use crate::identity::Credential;
use crate::limits::{
    CONNECTION_SECONDS_MAX, EVENTS_WAITING_MAX, FAREWELL_SECONDS_MAX, READER_STALL_MAX, SOCKET_INIT_MAX,
    SOCKET_OPERATIONS_MAX, SOCKET_PING_EVERY,
};
use crate::problem::Problem;
use async_graphql::{Response, ServerError};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, interval, sleep, timeout};

/// Bytes of a close frame's reason.
const REASON_BYTES_MAX: usize = 123;
/// Bytes of an operation's id.
const ID_BYTES_MAX: usize = 128;

/// A connection and its operations.
pub(super) struct Socket {
    api: Api,
    socket: WebSocket,
    /// What says who calls; judged anew for each operation.
    credential: Option<Credential>,
    begun: bool,
    operations: BTreeMap<String, Running>,
    /// Tells an operation from an earlier one of the same id.
    serial: u64,
    tasks: JoinSet<()>,
    said: mpsc::Sender<Said>,
    saying: mpsc::Receiver<Said>,
    heard: Instant,
}

struct Running {
    serial: u64,
    task: AbortHandle,
    /// Resumes after the last change that the socket took.
    cursor: Option<String>,
}

/// What an operation has to say.
struct Said {
    id: String,
    serial: u64,
    what: What,
}

enum What {
    Next(Box<Response>, Option<String>),
    /// It ends with this.
    Error(Vec<ServerError>),
    Complete,
}

/// Why a connection ends.
enum End {
    /// The client has gone, or takes no more bytes at all.
    Gone,
    /// The client closes it.
    Closed,
    /// We close it, for what the client did.
    Close(u16, String),
    /// We close it, and say where to resume.
    Farewell(u16, Problem),
}

impl Socket {
    pub(super) fn new(api: Api, socket: WebSocket, credential: Option<Credential>) -> Socket {
        let (said, saying) = mpsc::channel(EVENTS_WAITING_MAX);
        let (operations, tasks, heard) = (BTreeMap::new(), JoinSet::new(), Instant::now());
        Socket { api, socket, credential, begun: false, operations, serial: 0, tasks, said, saying, heard }
    }

    /// Until either side ends it.
    pub(super) async fn converse(mut self) {
        let end = match self.exchange().await {
            Err(end) => end,
            Ok(never) => match never {},
        };
        self.tasks.abort_all();
        let farewell = async {
            match end {
                End::Gone => {}
                End::Closed => self.drain().await,
                End::Close(code, reason) => self.close(code, &reason).await,
                End::Farewell(code, problem) => self.farewell(code, &problem).await,
            }
        };
        let _cut = timeout(Duration::from_secs(FAREWELL_SECONDS_MAX), farewell).await;
    }

    async fn exchange(&mut self) -> Result<std::convert::Infallible, End> {
        let api = self.api.clone();
        let mut stopped = pin!(api.stopped());
        let mut too_old = pin!(sleep(Duration::from_secs(CONNECTION_SECONDS_MAX)));
        let mut too_late = pin!(sleep(SOCKET_INIT_MAX));
        let mut ping = interval(SOCKET_PING_EVERY);
        loop {
            tokio::select! {
                message = self.socket.recv() => self.hear(message).await?,
                Some(said) = self.saying.recv() => self.say(said).await?,
                _ = ping.tick() => self.ping().await?,
                () = &mut too_late, if !self.begun => {
                    return Err(End::Close(4408, "Connection initialisation timeout".into()));
                }
                () = &mut too_old => {
                    let detail = format!("a connection lasts {CONNECTION_SECONDS_MAX} s; resume from the cursor");
                    return Err(End::Farewell(1001, Problem::new("TIMEOUT", detail).retry(Duration::ZERO)));
                }
                () = &mut stopped => {
                    let problem = Problem::new("UNAVAILABLE", "the node is stopping").retry(Duration::from_secs(1));
                    return Err(End::Farewell(1001, problem));
                }
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }

    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return Err(End::Close(4400, "messages are text".into())),
            Some(Ok(Message::Close(_))) => return Err(End::Closed),
            Some(Err(_)) | None => return Err(End::Gone),
        };
        let message = gate::json("message", text.as_bytes()).map_err(|problem| malformed(problem.detail()))?;
        match message["type"].as_str() {
            Some("connection_init") => self.begin(&message["payload"]).await,
            Some("ping") => self.send(&json!({ "type": "pong" })).await,
            Some("pong") => Ok(()),
            Some("subscribe") => self.start(message).await,
            Some("complete") => {
                let running = self.operations.remove(message["id"].as_str().unwrap_or_default());
                running.into_iter().for_each(|running| running.task.abort());
                Ok(())
            }
            _ => Err(malformed("`type` is none of graphql-transport-ws")),
        }
    }

    /// Who calls: from the payload, else from the headers of the upgrade.
    async fn begin(&mut self, payload: &Value) -> Result<(), End> {
        if self.begun {
            return Err(End::Close(4429, "Too many initialisation requests".into()));
        }
        let given = payload.as_object().and_then(|members| {
            let text = |wanted: &str| {
                let member = members.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                member.and_then(|(_, value)| value.as_str())
            };
            let bearer = text("authorization").map(|text| text.strip_prefix("Bearer ").unwrap_or(text).trim());
            text("x-api-key").or(bearer).map(|text| Credential::Text(text.to_owned()))
        });
        if given.is_some() {
            self.credential = given;
        }
        let known = match &self.credential {
            Some(credential) => self.api.callers.caller_of(credential).map(drop),
            None => Err(Problem::new("UNAUTHENTICATED", "connection_init has no `authorization` in its payload")),
        };
        known.map_err(|problem| End::Close(4403, format!("Forbidden: {}", problem.detail())))?;
        self.begun = true;
        self.send(&json!({ "type": "connection_ack" })).await
    }

    async fn start(&mut self, mut message: Value) -> Result<(), End> {
        if !self.begun {
            return Err(End::Close(4401, "Unauthorized".into()));
        }
        let id = message["id"].as_str().filter(|id| (1..=ID_BYTES_MAX).contains(&id.len())).map(str::to_owned);
        let id = id.ok_or_else(|| malformed(&format!("`id` is no text of 1 to {ID_BYTES_MAX} bytes")))?;
        if self.operations.contains_key(&id) {
            return Err(End::Close(4409, format!("Subscriber for {id} already exists")));
        }
        if self.operations.len() >= SOCKET_OPERATIONS_MAX {
            let detail = format!("this connection has {SOCKET_OPERATIONS_MAX} operations under way");
            return self.refuse(&id, &Problem::new("TOO_MANY_SUBSCRIPTIONS", detail)).await;
        }
        self.serial += 1;
        let (api, credential, said) = (self.api.clone(), self.credential.clone(), self.said.clone());
        let (payload, serial, of) = (message["payload"].take(), self.serial, id.clone());
        let task = self.tasks.spawn(async move {
            let say = Say { id: of, serial, said };
            if let Err(problem) = run(&api, credential, payload, &say).await {
                say.say(What::Error(vec![request_error(&problem)])).await;
            }
        });
        self.operations.insert(id, Running { serial, task, cursor: None });
        Ok(())
    }

    /// Passes on what an operation says, unless its client has ended it since.
    async fn say(&mut self, Said { id, serial, what }: Said) -> Result<(), End> {
        let Some(running) = self.operations.get_mut(&id).filter(|running| running.serial == serial) else {
            return Ok(());
        };
        match what {
            What::Next(response, cursor) => {
                // What the socket has taken is before whatever it takes later.
                running.cursor = cursor;
                self.send(&json!({ "id": id, "type": "next", "payload": response })).await
            }
            What::Error(errors) => {
                self.operations.remove(&id);
                self.send(&json!({ "id": id, "type": "error", "payload": errors })).await
            }
            What::Complete => {
                self.operations.remove(&id);
                self.send(&json!({ "id": id, "type": "complete" })).await
            }
        }
    }

    async fn refuse(&mut self, id: &str, problem: &Problem) -> Result<(), End> {
        self.send(&json!({ "id": id, "type": "error", "payload": [request_error(problem)] })).await
    }

    async fn ping(&mut self) -> Result<(), End> {
        if self.heard.elapsed() > 3 * SOCKET_PING_EVERY {
            return Err(End::Gone);
        }
        self.write(Message::Ping(Default::default())).await
    }

    async fn send(&mut self, message: &Value) -> Result<(), End> {
        self.write(Message::Text(message.to_string().into())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        match timeout(READER_STALL_MAX, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                let detail = format!("nothing was taken for {} s; resume from the cursor", READER_STALL_MAX.as_secs());
                Err(End::Farewell(1013, Problem::new("TOO_SLOW", detail).retry(Duration::ZERO)))
            }
        }
    }

    /// Ends every operation with the problem and the cursor to resume from.
    async fn farewell(&mut self, code: u16, problem: &Problem) {
        for (id, running) in std::mem::take(&mut self.operations) {
            let mut error = request_error(problem);
            if let (Some(cursor), Some(extensions)) = (running.cursor, error.extensions.as_mut()) {
                extensions.set("cursor", cursor);
            }
            let message = json!({ "id": id, "type": "error", "payload": [error] });
            if self.socket.send(Message::Text(message.to_string().into())).await.is_err() {
                return;
            }
        }
        self.close(code, problem.detail()).await;
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let ends = reason.char_indices().map(|(at, c)| at + c.len_utf8());
        let end = ends.take_while(|end| *end <= REASON_BYTES_MAX).last().unwrap_or(0);
        let reason = reason[..end].to_owned();
        // It may be closed already.
        let _gone = self.socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
        self.drain().await;
    }

    /// Until both sides have closed: the answer to a close goes out with the next read, and before the client has answered
    /// ours its kernel may throw away what it has not read.
    async fn drain(&mut self) {
        while let Some(Ok(_)) = self.socket.recv().await {}
    }
}

fn malformed(detail: &str) -> End {
    End::Close(4400, detail.to_owned())
}

/// How an operation speaks.
struct Say {
    id: String,
    serial: u64,
    said: mpsc::Sender<Said>,
}

impl Say {
    /// Waits while the reader does not read. When the connection has ended nobody listens.
    async fn say(&self, what: What) {
        let _ended = self.said.send(Said { id: self.id.clone(), serial: self.serial, what }).await;
    }
}

/// One operation, from the payload of `subscribe`.
async fn run(api: &Api, credential: Option<Credential>, payload: Value, say: &Say) -> Result<(), Problem> {
    let credential = credential.ok_or_else(|| Problem::new("UNAUTHENTICATED", "the connection has not begun"))?;
    let caller = api.callers.caller_of(&credential)?;
    let operation = gate::operation(api, caller, payload)?;
    if operation.subscribes {
        let mut answers = pin!(operation.answers());
        while let Some((answer, cursor)) = answers.next().await {
            if answer.is_err() {
                say.say(What::Error(answer.errors)).await;
                return Ok(());
            }
            say.say(What::Next(Box::new(answer), cursor)).await;
        }
    } else {
        let answer = operation.answer().await;
        if answer.data == async_graphql::Value::Null && answer.is_err() {
            say.say(What::Error(answer.errors)).await;
            return Ok(());
        }
        say.say(What::Next(Box::new(answer), None)).await;
    }
    say.say(What::Complete).await;
    Ok(())
}
