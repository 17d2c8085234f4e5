//! Stream certified changes from a cursor on: in order, without gap or repetition.

use super::{Api, Refusal, Streamed};
use crate::limits::{SUBSCRIBER_STALL_MAX, SUBSCRIPTION_EVENTS_WAITING_MAX, SUBSCRIPTIONS_MAX};
use countersign_ledger::store::Change;
use countersign_proto::Token;
use countersign_proto::v1::{self, event::What};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

const CHANGES_AT_ONCE: usize = 256;
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Where a subscriber goes on: the next change is at or after (height, order).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    height: u64,
    order: u32,
}

impl Place {
    fn parse(cursor: &str, published: u64) -> Result<Place, Refusal> {
        let malformed = || Refusal::field("MALFORMED", "cursor", "not a cursor of this ledger, nor empty, nor `now`");
        match cursor {
            "" => Ok(Place { height: 0, order: 0 }),
            "now" => Ok(Place { height: published + 1, order: 0 }),
            text => {
                let (height, order) = text.split_once('.').ok_or_else(malformed)?;
                let place = Place {
                    height: height.parse().map_err(|_| malformed())?,
                    order: order.parse().map_err(|_| malformed())?,
                };
                let known = place.height <= published + 1;
                let detail = || format!("cursor {text} is ahead of this ledger's certified height {published}");
                if known { Ok(place) } else { Err(Refusal::field("OUT_OF_RANGE", "cursor", detail())) }
            }
        }
    }
}

impl Api {
    pub(super) fn events(&self, request: v1::SubscribeRequest, token: Token) -> Result<Streamed<v1::Event>, Refusal> {
        let place = Place::parse(&request.cursor, self.published.borrow().height)?;
        let too_many = || {
            Refusal::new("TOO_MANY_SUBSCRIPTIONS", format!("this node has {SUBSCRIPTIONS_MAX} open subscriptions"))
                .retry(Duration::from_secs(1))
        };
        let permit = self.subscriptions.clone().try_acquire_owned().map_err(|_| too_many())?;
        let (events, stream) = mpsc::channel(SUBSCRIPTION_EVENTS_WAITING_MAX);
        let subscriber = Subscriber {
            api: self.clone(),
            collections: request.collections.into_iter().collect(),
            token,
            place,
            events,
        };
        tokio::spawn(async move {
            subscriber.run().await;
            drop(permit);
        });
        Ok(Box::pin(ReceiverStream::new(stream)))
    }
}

struct Subscriber {
    api: Api,
    collections: BTreeSet<String>,
    token: Token,
    place: Place,
    events: mpsc::Sender<Result<v1::Event, Status>>,
}

impl Subscriber {
    async fn run(mut self) {
        let mut published = self.api.published.clone();
        loop {
            let height = published.borrow_and_update().height;
            if let Err(refusal) = self.catch_up_to(height).await {
                // The reader may be gone already.
                drop(self.events.try_send(Err(refusal.into())));
                return;
            }
            tokio::select! {
                biased;
                () = self.events.closed() => return,
                changed = published.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(PROGRESS_EVERY) => {
                    let progress = What::Progress(v1::Progress { height });
                    if self.send(progress).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Sends every change of whole blocks up to a certified height.
    async fn catch_up_to(&mut self, height: u64) -> Result<(), Refusal> {
        // A key taken from the account ends its open streams too.
        self.api.check_account(&self.token)?;
        while self.place.height <= height {
            let Place { height: from, order } = self.place;
            let changes = self.api.reader.changes(from, order, height, CHANGES_AT_ONCE)?;
            let more = changes.len() == CHANGES_AT_ONCE;
            for change in changes {
                self.place = Place { height: change.height, order: change.order + 1 };
                if self.wants(&change.version.record.collection)
                    && let Some(what) = self.show(&change)?
                {
                    self.send(what).await?;
                }
            }
            if !more {
                self.place = Place { height: height + 1, order: 0 };
            }
        }
        Ok(())
    }

    fn wants(&self, collection: &str) -> bool {
        if self.collections.is_empty() { !collection.starts_with('$') } else { self.collections.contains(collection) }
    }

    /// What the subscriber sees of a change; none where access rules hide the document.
    fn show(&self, change: &Change) -> Result<Option<What>, Refusal> {
        let Some(document) = self.api.shown(&self.token, Some(change.version.clone()))? else { return Ok(None) };
        let time_ms = self.api.reader.seal(change.height)?.map_or(0, |seal| seal.time);
        Ok(Some(What::Change(v1::Change { document: Some(document), leaf_index: change.leaf, time_ms })))
    }

    async fn send(&self, what: What) -> Result<(), Refusal> {
        let cursor = format!("{}.{}", self.place.height, self.place.order);
        let event = v1::Event { cursor: cursor.clone(), what: Some(what) };
        match tokio::time::timeout(SUBSCRIBER_STALL_MAX, self.events.send(Ok(event))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Refusal::new("UNAVAILABLE", "the reader is gone")),
            Err(_) => Err(Refusal::new("SLOW_READER", "events were not read; resume from the last cursor you saw")),
        }
    }
}
