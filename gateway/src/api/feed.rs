//! Read certified changes in order from a cursor on, each as the caller sees it: no gap, no repetition.

use super::Api;
use super::caller::Caller;
use super::problem::Problem;
use super::read::Seen;
use countersign_ledger::store::Change;
use countersign_ledger::{Filter, Version};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// Changes read in one go: each holds a document.
const CHANGES_AT_ONCE: usize = 16;
/// A feed without changes tells where it stands this often, so that a resume need not start far back.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Where a reader goes on: the next change is at or after (height, order).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    height: u64,
    order: u32,
}

impl Place {
    /// From a cursor: empty for the start, `now`, or one of an event.
    fn parse(cursor: &str, published: u64) -> Result<Place, Problem> {
        let malformed = || Problem::field("cursor", "not a cursor of this ledger, nor empty, nor `now`");
        let (height, order) = match cursor {
            "" => (0, 0),
            "now" => (published + 1, 0),
            text => {
                let (height, order) = text.split_once('.').ok_or_else(malformed)?;
                (height.parse().map_err(|_| malformed())?, order.parse().map_err(|_| malformed())?)
            }
        };
        if height > published + 1 {
            let detail = format!("cursor {cursor} is ahead of this ledger's certified height {published}");
            return Err(Problem::new("OUT_OF_RANGE", detail).at("cursor"));
        }
        Ok(Place { height, order })
    }

    fn cursor(self) -> String {
        format!("{}.{}", self.height, self.order)
    }
}

/// What a feed gives.
#[derive(Debug, Clone)]
pub(crate) struct Fed {
    /// Resumes after this.
    pub(crate) cursor: String,
    /// A change; none when nothing happened for a while.
    pub(crate) changed: Option<Changed>,
}

/// One certified change of one document.
#[derive(Debug, Clone)]
pub(crate) struct Changed {
    pub(crate) leaf: u64,
    /// The block's time.
    pub(crate) time_ms: u64,
    /// The version before, as the caller sees it; none for a new document, and where he does not see it.
    pub(crate) before: Option<Seen>,
    /// The version that was written. None where he saw the document and sees it no more.
    pub(crate) after: Option<Seen>,
}

impl Changed {
    /// `created`, `updated`, `deleted`, or `withdrawn` where the caller saw the document and sees it no more.
    pub(crate) fn kind(&self) -> &'static str {
        match (&self.before, &self.after) {
            (_, Some(after)) if after.deleted => "deleted",
            (None, Some(_)) => "created",
            (Some(_), Some(_)) => "updated",
            (_, None) => "withdrawn",
        }
    }

    /// Either side: one is there.
    pub(crate) fn document(&self) -> Option<&Seen> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

/// What a reader wants to hear of.
pub(crate) struct Wanted {
    /// These collections; none for all but the system's.
    pub(crate) collections: BTreeSet<String>,
    /// Only changes whose document matches before or after.
    pub(crate) filter: Option<Filter>,
}

/// A reader's place in the ledger's history.
pub(crate) struct Feed {
    api: Api,
    caller: Caller,
    wanted: Wanted,
    place: Place,
    read: VecDeque<Change>,
    progress: tokio::sync::watch::Receiver<crate::door::Progress>,
    checked: Option<u64>,
}

impl Api {
    /// A feed from this cursor on.
    pub(crate) fn feed(&self, caller: Caller, wanted: Wanted, cursor: &str) -> Result<Feed, Problem> {
        for name in &wanted.collections {
            caller.check_read(name)?;
            if !name.starts_with('$') {
                self.collection(name)?;
            }
        }
        let progress = self.door.progress.clone();
        let place = Place::parse(cursor, progress.borrow().published)?;
        Ok(Feed { api: self.clone(), caller, wanted, place, read: VecDeque::new(), progress, checked: None })
    }
}

/// How far a feed came.
enum Step {
    Fed(Box<Fed>),
    /// There is more to look at.
    More,
    /// It has seen all there is.
    Idle,
}

impl Feed {
    /// The next change, or after a while without one where the feed stands. Errs when the caller may no longer read:
    /// that is asked again at every block, so that a revocation reaches a stream that is open.
    pub(crate) async fn next(&mut self) -> Result<Fed, Problem> {
        loop {
            let published = self.progress.borrow_and_update().published;
            match self.advance(published)? {
                Step::Fed(fed) => return Ok(*fed),
                // Reading blocks; a long history that nobody wants must not keep a thread to itself.
                Step::More => tokio::task::yield_now().await,
                Step::Idle => match tokio::time::timeout(PROGRESS_EVERY, self.progress.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Err(Problem::new("UNAVAILABLE", "the node is stopping")),
                    Err(_) => return Ok(Fed { cursor: self.place.cursor(), changed: None }),
                },
            }
        }
    }

    /// Goes on to the next change that the reader wants, up to a height, and reads no more than once.
    fn advance(&mut self, published: u64) -> Result<Step, Problem> {
        if self.checked != Some(published) {
            self.api.check_still(&self.caller)?;
            self.checked = Some(published);
        }
        while let Some(change) = self.read.pop_front() {
            self.place = Place { height: change.height, order: change.order + 1 };
            if let Some(changed) = self.show(&change)? {
                return Ok(Step::Fed(Box::new(Fed { cursor: self.place.cursor(), changed: Some(changed) })));
            }
        }
        if self.place.height > published {
            return Ok(Step::Idle);
        }
        let Place { height, order } = self.place;
        self.read = self.api.reader.changes(height, order, published, CHANGES_AT_ONCE)?.into();
        if self.read.is_empty() {
            self.place = Place { height: published + 1, order: 0 };
            return Ok(Step::Idle);
        }
        Ok(Step::More)
    }

    fn wants(&self, collection: &str) -> bool {
        let named = &self.wanted.collections;
        let wanted = if named.is_empty() { !collection.starts_with('$') } else { named.contains(collection) };
        wanted && self.caller.check_read(collection).is_ok()
    }

    fn show(&self, change: &Change) -> Result<Option<Changed>, Problem> {
        let record = &change.version.record;
        if !self.wants(&record.collection) {
            return Ok(None);
        }
        let earlier = match record.version {
            1 => None,
            number => self.api.reader.version(&record.collection, &record.id, number - 1)?,
        };
        let before = self.seen(earlier.filter(|version| version.value.is_some()))?;
        let after = self.seen(Some(change.version.clone()))?;
        // A deletion has no value to judge: whoever saw the document learns that it is gone.
        let after = after.filter(|after| !after.deleted || before.is_some());
        if before.is_none() && after.is_none() {
            return Ok(None);
        }
        if let Some(filter) = &self.wanted.filter {
            let matches = |seen: &Option<Seen>| {
                seen.as_ref().and_then(|seen| seen.value.as_ref()).is_some_and(|value| filter.holds(value))
            };
            if !matches(&before) && !matches(&after) {
                return Ok(None);
            }
        }
        let time_ms = self.api.reader.seal(change.height)?.map_or(0, |seal| seal.time);
        Ok(Some(Changed { leaf: change.leaf, time_ms, before, after }))
    }

    fn seen(&self, version: Option<Version>) -> Result<Option<Seen>, Problem> {
        let Some(version) = version else { return Ok(None) };
        self.api.see(&self.caller, version)
    }
}
