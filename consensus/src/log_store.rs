//! Give openraft the log it asks for.

use crate::flush::{Flusher, Unsynced};
use crate::limits::READ_ENTRIES_MAX;
use crate::log::Log;
use crate::types::{LogId, RaftEntry, TypeConfig, Vote};
use futures::stream::{self, Stream};
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::{OptionalSend, RaftLogReader};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

/// The log as openraft writes it. Held by its core alone.
pub(crate) struct LogStore {
    pub(crate) log: Arc<Log>,
    pub(crate) flusher: Flusher,
    pub(crate) append_bytes_max: usize,
}

/// The log as openraft's tasks read it.
#[derive(Clone)]
pub(crate) struct LogReader {
    pub(crate) log: Arc<Log>,
    pub(crate) append_bytes_max: usize,
}

impl LogStore {
    fn reader(&self) -> LogReader {
        LogReader { log: self.log.clone(), append_bytes_max: self.append_bytes_max }
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let bounds = self.log.bounds();
        Ok(LogState { last_purged_log_id: bounds.purged, last_log_id: bounds.last })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.log.put_vote(vote)?;
        let (done, synced) = TypeConfig::oneshot();
        self.flusher.submit(&self.log, Unsynced { end: None, done: IOFlushed::signal(done) }).await?;
        synced.await.map_err(io::Error::other)?
    }

    /// Unsynced: an older one only means that more is replayed.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        committed.map_or(Ok(()), |id| self.log.put_committed(id))
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        self.log.committed()
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let end = self.log.append(entries)?;
        self.flusher.submit(&self.log, Unsynced { end, done: callback }).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        self.log.truncate_after(last_log_id)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.log.purge(log_id)
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<RaftEntry>, io::Error> {
        let (start, end) = half_open(&range);
        self.log.read(start, end, usize::MAX)
    }

    /// What fits one append, and at least one entry: this is where openraft lets its sender cut.
    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<RaftEntry>, io::Error> {
        self.log.read(start, end, self.append_bytes_max)
    }

    /// Reads on only as the state machine takes, so that a long backlog never lies in memory.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = Result<RaftEntry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = half_open(&range);
        entries(self.clone(), start, end)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        self.log.vote()
    }
}

/// The entries of `start..end`, a bounded number of them in memory. It ends after the first error.
pub(crate) fn entries(
    reader: LogReader,
    start: u64,
    end: u64,
) -> impl Stream<Item = io::Result<RaftEntry>> + Unpin + Send {
    let start = start.max(reader.log.bounds().first());
    let chunks = stream::unfold(Some(start), move |next| {
        let chunk = next.filter(|from| *from < end).map(|from| read_chunk(&reader, from, end));
        async move { chunk }
    });
    Box::pin(futures::StreamExt::flatten(chunks))
}

type Chunk = (stream::Iter<std::vec::IntoIter<io::Result<RaftEntry>>>, Option<u64>);

fn read_chunk(reader: &LogReader, from: u64, end: u64) -> Chunk {
    let upto = end.min(from.saturating_add(READ_ENTRIES_MAX));
    match reader.log.read(from, upto, reader.append_bytes_max) {
        Err(error) => (stream::iter(vec![Err(error)]), None),
        Ok(entries) => {
            let next = entries.last().map(|entry| entry.log_id.index() + 1);
            (stream::iter(entries.into_iter().map(Ok).collect::<Vec<_>>()), next)
        }
    }
}

fn half_open(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}
