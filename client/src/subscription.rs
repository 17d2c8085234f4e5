//! Follow certified changes without gap or repetition, through dropped connections and lost nodes.

use crate::limits::{BACKOFF_MAX, BACKOFF_MIN, CONNECT_TIMEOUT};
use crate::{Client, ClientError};
use countersign_proto::v1::{Event, SubscribeRequest};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tonic::Streaming;

/// The events of a ledger from a cursor on.
pub struct Subscription {
    client: Client,
    cursor: String,
    collections: Vec<String>,
    filter: String,
    live: Option<Live>,
    /// How long to wait before the next connection; nothing after an event.
    wait: Duration,
}

struct Live {
    node: usize,
    stream: Streaming<Event>,
    /// Whether it has given an event: then the request was good, and whatever ends the stream, we connect again.
    proven: bool,
}

impl Client {
    /// Subscribes from after `cursor`: that of the last event handled, empty for the start of the ledger, or `now`.
    /// With `now`, what happens before the first event arrived can be missed by a reconnection.
    pub fn subscribe(&self, cursor: &str, collections: &[String]) -> Subscription {
        Subscription {
            client: self.clone(),
            cursor: cursor.to_owned(),
            collections: collections.to_vec(),
            filter: String::new(),
            live: None,
            wait: Duration::ZERO,
        }
    }
}

impl Subscription {
    /// Only changes whose document matches this filter before or after: comparisons by JSON pointer, as JSON.
    pub fn matching(mut self, filter: &str) -> Subscription {
        filter.clone_into(&mut self.filter);
        self
    }

    /// Waits for the next event, reconnecting to this or another node for as long as it takes. Errs only when
    /// waiting does not help: denied, refused, an unknown cursor. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            let Some(live) = &mut self.live else {
                self.connect().await?;
                continue;
            };
            let (node, proven) = (live.node, live.proven);
            let error = match live.stream.message().await {
                Ok(Some(event)) => {
                    live.proven = true;
                    self.wait = Duration::ZERO;
                    self.cursor.clone_from(&event.cursor);
                    return Ok(event);
                }
                Ok(None) => ClientError::Unavailable { detail: "the node ended the stream".into() },
                Err(status) => ClientError::of_read(&status),
            };
            self.live = None;
            self.lost(node, proven, error)?;
        }
    }

    /// Where to go on from: the cursor of the last event that [`Subscription::next`] gave.
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    async fn connect(&mut self) -> Result<(), ClientError> {
        sleep(self.wait).await;
        let (at, mut node) = self.client.node();
        let message = SubscribeRequest {
            cursor: self.cursor.clone(),
            collections: self.collections.clone(),
            filter: self.filter.clone(),
        };
        let request = self.client.request(message);
        let error = match timeout(CONNECT_TIMEOUT * 2, node.subscribe(request)).await {
            Ok(Ok(response)) => {
                self.live = Some(Live { node: at, stream: response.into_inner(), proven: false });
                return Ok(());
            }
            Ok(Err(status)) => ClientError::of_read(&status),
            Err(_) => ClientError::Unavailable { detail: "no answer".into() },
        };
        self.lost(at, false, error)
    }

    fn lost(&mut self, node: usize, proven: bool, error: ClientError) -> Result<(), ClientError> {
        if !proven && !error.may_pass() {
            return Err(error);
        }
        self.client.leave(node);
        self.wait = (self.wait * 2).clamp(BACKOFF_MIN, BACKOFF_MAX);
        Ok(())
    }
}
