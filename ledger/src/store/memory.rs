//! Pretend a disk in memory: it forgets at a crash what was not synced.

use super::kv::{Batch, Change, Family, Kv, KvError, Pair};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A [`Kv`] in memory for tests and simulation.
#[derive(Default)]
pub struct MemoryKv {
    // A std mutex: nothing awaits under it, and a poisoned one means that a test already failed.
    inner: Mutex<Inner>,
}

/// A family and a key in it.
type At = (Family, Vec<u8>);

#[derive(Default)]
struct Inner {
    pairs: BTreeMap<At, Vec<u8>>,
    /// What a crash puts back, one entry for each unsynced write, newest last: the value each change replaced.
    undo: Vec<Vec<(At, Option<Vec<u8>>)>>,
    syncs: u64,
}

impl MemoryKv {
    /// An empty store.
    pub fn new() -> MemoryKv {
        MemoryKv::default()
    }

    /// Loses every write since the last `sync`, as a power cut may.
    pub fn crash(&self) {
        self.crash_keeping(0);
    }

    /// Keeps the oldest `writes` of those since the last `sync` and loses the others, as a power cut may as well.
    pub fn crash_keeping(&self, writes: usize) {
        let mut inner = self.inner.lock().expect("no panic under the lock");
        let kept = writes.min(inner.undo.len());
        let lost = inner.undo.split_off(kept);
        for (key, before) in lost.into_iter().rev().flat_map(|write| write.into_iter().rev()) {
            match before {
                Some(value) => inner.pairs.insert(key, value),
                None => inner.pairs.remove(&key),
            };
        }
        // What is left was on the disk: no later crash takes it away.
        inner.undo.clear();
    }

    /// How many writes a crash may lose.
    pub fn unsynced(&self) -> usize {
        self.inner.lock().expect("no panic under the lock").undo.len()
    }

    /// How many times `sync` ran.
    pub fn syncs(&self) -> u64 {
        self.inner.lock().expect("no panic under the lock").syncs
    }
}

impl Inner {
    fn set(&mut self, family: Family, key: Vec<u8>, value: Option<Vec<u8>>) {
        let at = (family, key);
        let before = match value {
            Some(value) => self.pairs.insert(at.clone(), value),
            None => self.pairs.remove(&at),
        };
        self.undo.last_mut().expect("a write is under way").push((at, before));
    }

    fn keys_between(&self, family: Family, from: &[u8], to: &[u8]) -> Vec<Vec<u8>> {
        if from >= to {
            return Vec::new();
        }
        let range = (family, from.to_vec())..(family, to.to_vec());
        self.pairs.range(range).map(|((_, key), _)| key.clone()).collect()
    }
}

impl Kv for MemoryKv {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        let inner = self.inner.lock().expect("no panic under the lock");
        Ok(inner.pairs.get(&(family, key.to_vec())).cloned())
    }

    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let inner = self.inner.lock().expect("no panic under the lock");
        let range = inner.pairs.range((family, from.to_vec())..(family, to.to_vec()));
        Ok(range.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn scan_back(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let inner = self.inner.lock().expect("no panic under the lock");
        let range = inner.pairs.range((family, from.to_vec())..(family, to.to_vec()));
        Ok(range.rev().take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn write(&self, batch: Batch) -> Result<(), KvError> {
        let mut inner = self.inner.lock().expect("no panic under the lock");
        inner.undo.push(Vec::new());
        for change in batch.changes {
            match change {
                Change::Put { family, key, value } => inner.set(family, key, Some(value)),
                Change::Delete { family, key } => inner.set(family, key, None),
                Change::DeleteRange { family, from, to } => {
                    for key in inner.keys_between(family, &from, &to) {
                        inner.set(family, key, None);
                    }
                }
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), KvError> {
        let mut inner = self.inner.lock().expect("no panic under the lock");
        inner.undo.clear();
        inner.syncs += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_forgets_what_was_not_synced_and_nothing_else() {
        let kv = MemoryKv::new();
        let mut batch = Batch::default();
        batch.put("log", b"1".to_vec(), b"kept".to_vec());
        kv.write(batch).expect("memory");
        kv.sync().expect("memory");
        let mut batch = Batch::default();
        batch.put("log", b"1".to_vec(), b"lost".to_vec());
        batch.put("log", b"2".to_vec(), b"lost".to_vec());
        batch.delete_range("log", b"0".to_vec(), b"2".to_vec());
        kv.write(batch).expect("memory");
        assert_eq!(kv.get("log", b"1").expect("memory"), None);
        kv.crash();
        assert_eq!(kv.get("log", b"1").expect("memory"), Some(b"kept".to_vec()));
        assert_eq!(kv.get("log", b"2").expect("memory"), None);
    }

    #[test]
    fn a_crash_may_keep_whole_writes_from_the_oldest_on() {
        let kv = MemoryKv::new();
        for value in [b"1", b"2", b"3"] {
            let mut batch = Batch::default();
            batch.put("log", b"a".to_vec(), value.to_vec());
            batch.put("log", value.to_vec(), value.to_vec());
            kv.write(batch).expect("memory");
        }
        assert_eq!(kv.unsynced(), 3);
        kv.crash_keeping(2);
        assert_eq!(kv.get("log", b"a").expect("memory"), Some(b"2".to_vec()));
        assert_eq!(kv.get("log", b"3").expect("memory"), None);
        kv.crash();
        assert_eq!(kv.get("log", b"a").expect("memory"), Some(b"2".to_vec()), "it is on the disk");
    }
}
