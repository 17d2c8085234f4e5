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
    /// What `crash` puts back, newest last: the value each unsynced change replaced.
    undo: Vec<(At, Option<Vec<u8>>)>,
    syncs: u64,
}

impl MemoryKv {
    /// An empty store.
    pub fn new() -> MemoryKv {
        MemoryKv::default()
    }

    /// Loses every write since the last `sync`, as a power cut may.
    pub fn crash(&self) {
        let mut inner = self.inner.lock().expect("no panic under the lock");
        while let Some((key, before)) = inner.undo.pop() {
            match before {
                Some(value) => inner.pairs.insert(key, value),
                None => inner.pairs.remove(&key),
            };
        }
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
        self.undo.push((at, before));
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

    fn last(&self, family: Family, from: &[u8], to: &[u8]) -> Result<Option<Pair>, KvError> {
        if from >= to {
            return Ok(None);
        }
        let inner = self.inner.lock().expect("no panic under the lock");
        let mut range = inner.pairs.range((family, from.to_vec())..(family, to.to_vec()));
        Ok(range.next_back().map(|((_, key), value)| (key.clone(), value.clone())))
    }

    fn write(&self, batch: Batch) -> Result<(), KvError> {
        let mut inner = self.inner.lock().expect("no panic under the lock");
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
}
