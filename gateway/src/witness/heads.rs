//! Remember durably what the witness key has cosigned.

use super::WitnessTrouble;
use countersign_proof::{VerifierKey, WitnessedHead, canonical, parse_canonical};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;

/// The file's name.
pub const WITNESS_LOCK: &str = "witness.lock";

const DEPTH_MAX: usize = 4;
/// Logs are added by the operator, and never forgotten.
const LOCK_BYTES_MAX: usize = 8 << 20;

/// Where the witness keeps its one small file.
pub trait WitnessStore: Send + Sync + 'static {
    /// The whole file; none when it does not exist.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Makes or replaces the file, whole or not at all, and durable when it returns.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// The newest head of each log that the key has cosigned. Logs that are no longer followed stay.
#[derive(Debug)]
pub(super) struct Heads {
    witness: VerifierKey,
    newest: BTreeMap<String, WitnessedHead>,
}

/// The file: canonical JSON. Each note ends with the witness's own cosignature, so that no damaged note is read back.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    heads: BTreeMap<String, String>,
    kind: String,
    v: u64,
    witness: String,
}

/// Makes the file of a key that was made just now, before its public half is shown.
///
/// Refused when there is one: a key has one memory, and one that was lost is never made again.
pub fn init_heads(store: &dyn WitnessStore, witness: &VerifierKey) -> Result<(), WitnessTrouble> {
    if store.read(WITNESS_LOCK).map_err(WitnessTrouble::Store)?.is_some() {
        return Err(WitnessTrouble::Lock("it exists already; a witness key has one for ever".into()));
    }
    let none = Heads { witness: witness.clone(), newest: BTreeMap::new() };
    store.replace(WITNESS_LOCK, &none.to_bytes()).map_err(WitnessTrouble::Store)
}

impl Heads {
    /// Reads the file of this key. One that is missing, torn, damaged or another key's is refused and left as it is:
    /// whoever forgets what he cosigned can be made to contradict himself.
    pub(super) fn open(store: &dyn WitnessStore, witness: &VerifierKey) -> Result<Heads, WitnessTrouble> {
        let refused = |reason: String| WitnessTrouble::Lock(reason);
        let bytes = store.read(WITNESS_LOCK).map_err(WitnessTrouble::Store)?;
        let missing = || refused("it is missing: this key must not cosign; make another with `witness init`".into());
        let bytes = bytes.ok_or_else(missing)?;
        if bytes.len() > LOCK_BYTES_MAX {
            return Err(refused(format!("{} bytes, at most {LOCK_BYTES_MAX}", bytes.len())));
        }
        let damaged = |error| refused(format!("it is damaged, and is left as it is: {error}"));
        let file: LockFile = parse_canonical("witness.lock", &bytes, DEPTH_MAX).map_err(damaged)?;
        if (&file.kind[..], file.v, &file.witness) != ("witness-lock", 1, &witness.to_string()) {
            return Err(refused(format!("it is of {}, not of {witness}", file.witness)));
        }
        let mut newest = BTreeMap::new();
        for (origin, note) in file.heads {
            let head = WitnessedHead::parse(&note, witness).map_err(damaged)?;
            if head.checkpoint().origin != origin {
                return Err(refused(format!("the head kept for {origin:?} is of another log")));
            }
            newest.insert(origin, head);
        }
        Ok(Heads { witness: witness.clone(), newest })
    }

    /// The newest head of a log that was cosigned.
    pub(super) fn newest(&self, origin: &str) -> Option<&WitnessedHead> {
        self.newest.get(origin)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &WitnessedHead> {
        self.newest.values()
    }

    /// Keeps a head. Durable when it returns; only then may anybody see it.
    ///
    /// # Panics
    /// When it goes back: the caller has compared.
    pub(super) fn keep(&mut self, store: &dyn WitnessStore, head: WitnessedHead) -> io::Result<()> {
        let origin = head.checkpoint().origin.clone();
        if let Some(last) = self.newest(&origin).map(WitnessedHead::checkpoint) {
            let new = head.checkpoint();
            let same = (last.size, last.root) == (new.size, new.root);
            assert!(new.size > last.size || same, "{origin}: size {} after {}", new.size, last.size);
        }
        self.newest.insert(origin, head);
        let bytes = self.to_bytes();
        if bytes.len() > LOCK_BYTES_MAX {
            // What could not be read back is not written.
            return Err(io::Error::other(format!("{} bytes, at most {LOCK_BYTES_MAX}", bytes.len())));
        }
        store.replace(WITNESS_LOCK, &bytes)
    }

    fn to_bytes(&self) -> Vec<u8> {
        canonical(&LockFile {
            heads: self.newest.iter().map(|(origin, head)| (origin.clone(), head.note())).collect(),
            kind: "witness-lock".into(),
            v: 1,
            witness: self.witness.to_string(),
        })
    }
}
