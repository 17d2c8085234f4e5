//! Remember durably what the cosign key has signed, before it signs.

use crate::NodeError;
use crate::files::Files;
use countersign_proof::{Checkpoint, Hash, PublicKey, canonical, parse_canonical, plain_hash};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The file's name in the node's folder.
pub const SIGN_LOCK: &str = "cosign.lock";

const LINE_DEPTH_MAX: usize = 2;
/// Above this the file is rewritten at start with its first line and its last entry.
const SIGN_LOCK_BYTES_MAX: usize = 8 << 20;

/// What was signed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The height of the seal.
    pub height: u64,
    /// The hash of the line before.
    pub previous: Hash,
    /// The root that was signed.
    pub root: Hash,
    /// The tree size that was signed.
    pub size: u64,
    /// The seconds since 1970 that were signed.
    pub time: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstLine {
    cosign: PublicKey,
    kind: String,
    v: u64,
}

/// An append-only file, each line hashing the one before. It lies outside the databases and outside backups: a
/// node that signs again after losing it can contradict itself.
pub struct SignLock {
    files: Arc<dyn Files>,
    last_line: Hash,
    last: Option<Signed>,
}

impl SignLock {
    /// Makes the lock of a key that was made just now, before its public half leaves the node.
    pub fn create(files: &dyn Files, cosign: PublicKey) -> Result<(), NodeError> {
        if files.read(SIGN_LOCK).map_err(|e| NodeError::file(SIGN_LOCK, e))?.is_some() {
            return Err(NodeError::SignLock("it exists already; a key has one lock".into()));
        }
        let line = first_line(cosign);
        files.replace(SIGN_LOCK, &line).map_err(|e| NodeError::file(SIGN_LOCK, e))
    }

    /// Opens the lock of this key. A torn last line is dropped: what it names was never signed. Any other damage
    /// means no signing.
    pub fn open(files: Arc<dyn Files>, cosign: PublicKey) -> Result<SignLock, NodeError> {
        let missing = || NodeError::SignLock("it is missing: this key must not sign; rotate it".into());
        let bytes = files.read(SIGN_LOCK).map_err(|e| NodeError::file(SIGN_LOCK, e))?.ok_or_else(missing)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let first = first_line(cosign);
        let Some(rest) = bytes[..whole].strip_prefix(&first[..]) else {
            return Err(NodeError::SignLock("it is not of this node's cosign key".into()));
        };
        let mut lock = SignLock { files, last_line: plain_hash(&first), last: None };
        for line in rest.split_inclusive(|b| *b == b'\n') {
            lock.read_line(line)?;
        }
        if whole < bytes.len() || bytes.len() > SIGN_LOCK_BYTES_MAX {
            lock.rewrite(&first)?;
        }
        Ok(lock)
    }

    fn read_line(&mut self, line: &[u8]) -> Result<(), NodeError> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let signed: Signed = parse_canonical("sign lock", text, LINE_DEPTH_MAX)
            .map_err(|e| NodeError::SignLock(format!("it is damaged: {e}")))?;
        let grows = self.last.as_ref().is_none_or(|last| last.size <= signed.size);
        if self.last.is_some() && signed.previous != self.last_line || !grows {
            return Err(NodeError::SignLock("its chain is broken: this key must not sign; rotate it".into()));
        }
        self.last_line = plain_hash(line);
        self.last = Some(signed);
        Ok(())
    }

    /// Leaves the first line and the last entry.
    fn rewrite(&mut self, first: &[u8]) -> Result<(), NodeError> {
        let mut bytes = first.to_vec();
        if let Some(last) = &self.last {
            let line = line_of(last);
            self.last_line = plain_hash(&line);
            bytes.extend_from_slice(&line);
        }
        self.files.replace(SIGN_LOCK, &bytes).map_err(|e| NodeError::file(SIGN_LOCK, e))
    }

    /// What was signed last; none when nothing was.
    pub fn last(&self) -> Option<&Signed> {
        self.last.as_ref()
    }

    /// Notes that (`checkpoint`, `time`) will be signed now. Durable when it returns; only then may it be signed.
    ///
    /// # Panics
    /// When it is neither larger than what was signed last, nor the same: the caller decides that.
    pub fn record(&mut self, checkpoint: &Checkpoint, height: u64, time: u64) -> Result<(), NodeError> {
        if let Some(last) = &self.last {
            let same = last.size == checkpoint.size && last.root == checkpoint.root;
            assert!(checkpoint.size > last.size || same, "size {} after {}", checkpoint.size, last.size);
        }
        let (root, size) = (checkpoint.root, checkpoint.size);
        let signed = Signed { height, previous: self.last_line, root, size, time };
        let line = line_of(&signed);
        self.files.append(SIGN_LOCK, &line).map_err(|e| NodeError::file(SIGN_LOCK, e))?;
        self.last_line = plain_hash(&line);
        self.last = Some(signed);
        Ok(())
    }
}

fn first_line(cosign: PublicKey) -> Vec<u8> {
    let mut line = canonical(&FirstLine { cosign, kind: "sign-lock".into(), v: 1 });
    line.push(b'\n');
    line
}

fn line_of(signed: &Signed) -> Vec<u8> {
    let mut line = canonical(signed);
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;
    use countersign_proof::KeyPair;

    fn checkpoint(size: u64) -> Checkpoint {
        Checkpoint { origin: "l/1".into(), size, root: plain_hash(&size.to_be_bytes()) }
    }

    fn lock_of_three() -> (Arc<MemoryFiles>, PublicKey) {
        let files = Arc::new(MemoryFiles::default());
        let key = KeyPair::from_seed(&[5; 32]).public();
        SignLock::create(&*files, key).expect("made");
        let mut lock = SignLock::open(files.clone(), key).expect("opens");
        for size in [2, 5, 9] {
            lock.record(&checkpoint(size), size, size).expect("records");
        }
        (files, key)
    }

    #[test]
    fn what_was_recorded_is_there_after_a_restart() {
        let (files, key) = lock_of_three();
        let lock = SignLock::open(files, key).expect("opens");
        assert_eq!(lock.last().map(|signed| (signed.size, signed.root)), Some((9, checkpoint(9).root)));
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_any_other_damage_refused() {
        let (files, key) = lock_of_three();
        let bytes = files.read(SIGN_LOCK).expect("reads").expect("there");
        files.replace(SIGN_LOCK, &bytes[..bytes.len() - 1]).expect("writes");
        let lock = SignLock::open(files.clone(), key).expect("opens");
        assert_eq!(lock.last().map(|signed| signed.size), Some(5));
        for at in 0..bytes.len() - 1 {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            files.replace(SIGN_LOCK, &altered).expect("writes");
            let opened = SignLock::open(files.clone(), key);
            // The last line's own bytes are bound by the next signature's root comparison, not by the chain.
            let last_line = bytes[..bytes.len() - 1].iter().rposition(|b| *b == b'\n').expect("lines");
            assert!(opened.is_err() || at > last_line, "byte {at} altered and not noticed");
        }
    }

    #[test]
    fn a_lock_is_of_one_key_and_made_once() {
        let (files, key) = lock_of_three();
        assert!(SignLock::open(files.clone(), KeyPair::from_seed(&[6; 32]).public()).is_err());
        assert!(SignLock::create(&*files, key).is_err());
        assert!(SignLock::open(Arc::new(MemoryFiles::default()), key).is_err());
    }

    #[test]
    #[should_panic(expected = "size 5 after 9")]
    fn it_never_goes_back() {
        let (files, key) = lock_of_three();
        let mut lock = SignLock::open(files, key).expect("opens");
        drop(lock.record(&checkpoint(5), 5, 5));
    }
}
