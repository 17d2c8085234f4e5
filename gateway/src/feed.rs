//! Read certified changes in order from a cursor on, each as the caller sees it: no gap, no repetition.
//!
//! Every stream of a node reads through here, whatever its protocol.

use crate::door::Progress;
use crate::identity::{Caller, Callers};
use crate::limits::{FILTER_BYTES_MAX, STREAM_COLLECTIONS_MAX};
use crate::problem::Problem;
use crate::sight::{Sight, Sighted};
use countersign_ledger::store::{Change, Reader};
use countersign_ledger::{Filter, Version};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Changes read in one go: each holds a document.
const CHANGES_AT_ONCE: usize = 16;
/// A feed without changes tells where it stands this often, so that a resume need not start far back.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Where a reader goes on: the next change is at or after (height, order).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
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
pub struct Fed {
    /// Resumes after this.
    pub cursor: String,
    /// The published height that the feed has seen, at least.
    pub height: u64,
    /// A change; none when nothing happened for a while.
    pub changed: Option<Changed>,
}

/// One certified change of one document.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The leaf of the transaction.
    pub leaf: u64,
    /// The block's time.
    pub time_ms: u64,
    /// The version before, as the caller sees it; none for a new document, and where he does not see it.
    pub before: Option<Sighted>,
    /// The version that was written. None where he saw the document and sees it no more.
    pub after: Option<Sighted>,
}

impl Changed {
    /// `created`, `updated`, `deleted`, or `withdrawn` where the caller saw the document and sees it no more.
    pub fn kind(&self) -> &'static str {
        match (&self.before, &self.after) {
            (_, Some(after)) if after.version.value.is_none() => "deleted",
            (None, Some(_)) => "created",
            (Some(_), Some(_)) => "updated",
            (_, None) => "withdrawn",
        }
    }

    /// Collection and id.
    pub fn document(&self) -> (&str, &str) {
        let either = self.after.as_ref().or(self.before.as_ref());
        either.map_or(("", ""), |sighted| (&sighted.version.record.collection[..], &sighted.version.record.id[..]))
    }
}

/// What a reader wants to hear of.
pub struct Wanted {
    collections: BTreeSet<String>,
    filter: Option<Filter>,
}

impl Wanted {
    /// Changes in these collections, or in all but the system's when there is none; of those, where a filter is given, the
    /// ones whose document matches it before or after.
    pub fn new(collections: BTreeSet<String>, filter: Option<&str>) -> Result<Wanted, Problem> {
        if collections.len() > STREAM_COLLECTIONS_MAX {
            let detail = format!("collections: {}, at most {STREAM_COLLECTIONS_MAX}", collections.len());
            return Err(Problem::new("TOO_LARGE", detail).at("collections"));
        }
        Ok(Wanted { collections, filter: filter.map(parse_filter).transpose()? })
    }
}

/// A filter from its text: JSON pointers to comparisons, as in preconditions.
pub(crate) fn parse_filter(text: &str) -> Result<Filter, Problem> {
    if text.len() > FILTER_BYTES_MAX {
        let detail = format!("filter: {} bytes, at most {FILTER_BYTES_MAX}", text.len());
        return Err(Problem::new("TOO_LARGE", detail).at("filter"));
    }
    Ok(Filter::parse("filter", text.as_bytes())?)
}

/// What feeds read from. Cheap to clone.
#[derive(Clone)]
pub struct Feeds {
    /// The ledger.
    pub reader: Reader,
    /// What its rules let callers see.
    pub sight: Sight,
    /// Who they are.
    pub callers: Callers,
    /// How far the node has come.
    pub progress: watch::Receiver<Progress>,
}

/// A reader's place in the ledger's history.
pub struct Feed {
    from: Feeds,
    caller: Caller,
    wanted: Wanted,
    place: Place,
    read: VecDeque<Change>,
    checked: Option<u64>,
    /// When the reader heard last.
    told: Instant,
}

impl Feeds {
    /// A feed from this cursor on.
    pub fn open(&self, caller: Caller, wanted: Wanted, cursor: &str) -> Result<Feed, Problem> {
        for name in &wanted.collections {
            caller.check_read(name)?;
            if !name.starts_with('$') && self.reader.document("$schemas", name)?.is_none() {
                return Err(Problem::new("UNKNOWN_COLLECTION", format!("no collection {name:?}")).at("collections"));
            }
        }
        let place = Place::parse(cursor, self.progress.borrow().published)?;
        Ok(Feed {
            from: self.clone(),
            caller,
            wanted,
            place,
            read: VecDeque::new(),
            checked: None,
            told: Instant::now(),
        })
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
    pub async fn next(&mut self) -> Result<Fed, Problem> {
        loop {
            let published = self.from.progress.borrow_and_update().published;
            let due = self.told + PROGRESS_EVERY;
            match self.advance(published)? {
                Step::Fed(fed) => return Ok(*fed),
                Step::More | Step::Idle if due <= Instant::now() => return Ok(self.fed(published, None)),
                // Reading blocks; a long history that nobody wants must not keep a thread to itself.
                Step::More => tokio::task::yield_now().await,
                Step::Idle => {
                    if let Ok(Err(_)) = timeout_at(due, self.from.progress.changed()).await {
                        return Err(Problem::new("UNAVAILABLE", "the node is stopping"));
                    }
                }
            }
        }
    }

    /// Goes on to the next change that the reader wants, up to a height, and reads no more than once.
    fn advance(&mut self, published: u64) -> Result<Step, Problem> {
        // At every block; and before every read, for a long history passes, and time, without one.
        if self.checked != Some(published) || self.read.is_empty() {
            self.from.callers.check_still(&self.caller)?;
            self.checked = Some(published);
        }
        while let Some(change) = self.read.pop_front() {
            self.place = Place { height: change.height, order: change.order + 1 };
            if let Some(changed) = self.show(&change)? {
                return Ok(Step::Fed(Box::new(self.fed(published, Some(changed)))));
            }
        }
        if self.place.height > published {
            return Ok(Step::Idle);
        }
        let Place { height, order } = self.place;
        self.read = self.from.reader.changes(height, order, published, CHANGES_AT_ONCE)?.into();
        if self.read.is_empty() {
            self.place = Place { height: published + 1, order: 0 };
            return Ok(Step::Idle);
        }
        Ok(Step::More)
    }

    fn fed(&mut self, height: u64, changed: Option<Changed>) -> Fed {
        self.told = Instant::now();
        Fed { cursor: self.place.cursor(), height, changed }
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
            number => self.from.reader.version(&record.collection, &record.id, number - 1)?,
        };
        let before = self.seen(earlier.filter(|version| version.value.is_some()))?;
        let after = self.seen(Some(change.version.clone()))?;
        // A deletion has no value to judge: whoever saw the document learns that it is gone.
        let after = after.filter(|after| after.version.value.is_some() || before.is_some());
        if before.is_none() && after.is_none() {
            return Ok(None);
        }
        if let Some(filter) = &self.wanted.filter {
            let matches = |seen: &Option<Sighted>| {
                seen.as_ref().and_then(|seen| seen.version.value.as_ref()).is_some_and(|value| filter.holds(value))
            };
            if !matches(&before) && !matches(&after) {
                return Ok(None);
            }
        }
        let time_ms = self.from.reader.seal(change.height)?.map_or(0, |seal| seal.time);
        Ok(Some(Changed { leaf: change.leaf, time_ms, before, after }))
    }

    fn seen(&self, version: Option<Version>) -> Result<Option<Sighted>, Problem> {
        let Some(version) = version else { return Ok(None) };
        Ok(self.from.sight.see(Some(self.caller.account()), version)?)
    }
}
