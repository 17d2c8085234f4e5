//! Stream certified changes from a cursor on: in order, without gap or repetition.

use super::outlet::{Ended, Outlet};
use super::read::document;
use super::{Api, Refusal, Streamed};
use crate::limits::{SUBSCRIPTION_EVENTS_WAITING_MAX, SUBSCRIPTIONS_MAX};
use countersign_gateway::{Caller, Changed, Fed, Feed, Wanted};
use countersign_proto::v1::{self, ChangeKind, event::What};
use std::time::Duration;

impl Api {
    pub(super) fn events(&self, request: v1::SubscribeRequest, caller: Caller) -> Result<Streamed<v1::Event>, Refusal> {
        let filter = Some(&request.filter[..]).filter(|filter| !filter.is_empty());
        let wanted = Wanted::new(request.collections.into_iter().collect(), filter)?;
        let feed = self.feeds.open(caller, wanted, &request.cursor)?;
        let too_many = || {
            Refusal::new("TOO_MANY_SUBSCRIPTIONS", format!("this node has {SUBSCRIPTIONS_MAX} open subscriptions"))
                .retry(Duration::from_secs(1))
        };
        let permit = self.subscriptions.clone().try_acquire_owned().map_err(|_| too_many())?;
        let (outlet, stream) = Outlet::open(SUBSCRIPTION_EVENTS_WAITING_MAX);
        tokio::spawn(async move {
            send(feed, outlet).await;
            drop(permit);
        });
        Ok(stream)
    }
}

/// Sends until the reader is gone, is too slow, or may no longer read. What it has not read it resumes from its cursor.
async fn send(mut feed: Feed, outlet: Outlet<v1::Event>) {
    loop {
        let next = tokio::select! {
            biased;
            () = outlet.closed() => return,
            next = feed.next() => next,
        };
        let fed = match next {
            Ok(fed) => fed,
            Err(problem) => return outlet.end(problem.into()),
        };
        match outlet.give(event(fed)).await {
            Ok(()) => {}
            Err(Ended::Gone) => return,
            Err(Ended::Slow) => {
                let detail = "events were not read; resume from the last cursor you saw";
                return outlet.end(Refusal::new("SLOW_READER", detail));
            }
        }
    }
}

fn event(fed: Fed) -> v1::Event {
    let what = match fed.changed {
        None => What::Progress(v1::Progress { height: fed.height }),
        Some(changed) => What::Change(change(changed)),
    };
    v1::Event { cursor: fed.cursor, what: Some(what) }
}

fn change(changed: Changed) -> v1::Change {
    let kind = match changed.kind() {
        "created" => ChangeKind::Created,
        "updated" => ChangeKind::Updated,
        "deleted" => ChangeKind::Deleted,
        _ => ChangeKind::Withdrawn,
    };
    let Changed { leaf, time_ms, before, after } = changed;
    v1::Change {
        document: after.map(document),
        leaf_index: leaf,
        time_ms,
        before: before.map(document),
        kind: kind.into(),
    }
}
