//! Keep the API keys that a node's operator has issued: a file of hashes, read again when it changes.

use countersign_proof::{INTEGER_MAX, canonical, check_account, check_collection, parse_json};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use thiserror::Error;

/// The name of the file in a node's folder.
pub const API_KEYS_FILE: &str = "api-keys.json";
/// Keys of one node.
pub const API_KEYS_MAX: usize = 4_096;
/// Collections that a scope names.
pub const SCOPE_COLLECTIONS_MAX: usize = 64;
/// How every key begins, so that one in a public place is found by whoever looks for such.
const PREFIX: &str = "csk_";
const FILE_BYTES_MAX: u64 = 8 << 20;
/// A revoked key is refused after this at the latest.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// An API key as the node keeps it: not the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The account it speaks for: of the node's own organisation.
    pub account: String,
    /// Milliseconds since 1970 after which it is refused.
    pub expires_ms: u64,
    /// Requests a day; 0 for no quota.
    #[serde(default)]
    pub per_day: u64,
    /// Requests a second; 0 for no limit but the node's.
    #[serde(default)]
    pub per_second: u32,
    /// The collections it may read; `*` for all.
    pub read: Vec<String>,
    /// SHA-256 of its secret part, lower-case hex. The secret has 256 bits, so that nothing slower is needed.
    pub sha256: String,
    /// The collections it may write; `*` for all.
    pub write: Vec<String>,
}

/// The keys of a node by their id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeys {
    /// By id.
    pub keys: BTreeMap<String, ApiKey>,
}

/// The operator must mend the file.
#[derive(Debug, Error)]
pub enum ApiKeysError {
    /// The file system refused.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What it said.
        error: io::Error,
    },
    /// The file does not have its form.
    #[error("{path}: {reason}")]
    Form {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

impl ApiKeys {
    /// Reads the file; no keys when there is none.
    pub fn read(path: &Path) -> Result<ApiKeys, ApiKeysError> {
        let failed = |error: io::Error| ApiKeysError::File { path: path.display().to_string(), error };
        let form = |reason: String| ApiKeysError::Form { path: path.display().to_string(), reason };
        let bytes = match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ApiKeys::default()),
            Err(error) => return Err(failed(error)),
            Ok(found) if found.len() > FILE_BYTES_MAX => return Err(form(format!("more than {FILE_BYTES_MAX} bytes"))),
            Ok(_) => std::fs::read(path).map_err(failed)?,
        };
        let value = parse_json("api keys", &bytes, 8).map_err(|e| form(e.to_string()))?;
        let keys: ApiKeys = serde_json::from_value(value).map_err(|e| form(e.to_string()))?;
        keys.check().map_err(form)?;
        Ok(keys)
    }

    /// Writes the file: to one beside it, synced, then renamed, so that a node never reads half of it.
    pub fn write(&self, path: &Path) -> Result<(), ApiKeysError> {
        let failed = |error: io::Error| ApiKeysError::File { path: path.display().to_string(), error };
        self.check().map_err(|reason| ApiKeysError::Form { path: path.display().to_string(), reason })?;
        let beside = path.with_extension("json.new");
        let written = (|| {
            use std::io::Write;
            use std::os::unix::fs::OpenOptionsExt;
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(&canonical(self))?;
            file.sync_all()?;
            std::fs::rename(&beside, path)
        })();
        written.map_err(failed)
    }

    /// Adds a key with this secret, 32 random bytes; gives its id and the text that its user needs. The text is not kept.
    pub fn issue(&mut self, secret: &[u8; 32], key: ApiKey) -> (String, String) {
        let secret = hex::encode(secret);
        let id = hex::encode(&Sha256::digest(format!("id {secret}"))[..6]);
        let sha256 = hex::encode(Sha256::digest(&secret));
        self.keys.insert(id.clone(), ApiKey { sha256, ..key });
        (id.clone(), format!("{PREFIX}{id}_{secret}"))
    }

    /// The key with this text, and its id.
    fn find(&self, text: &str) -> Option<(&str, &ApiKey)> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let (id, key) = self.keys.get_key_value(id)?;
        // Hashes are compared: how long that takes tells nothing of the secret.
        (hex::encode(Sha256::digest(secret)) == key.sha256).then_some((id, key))
    }

    /// What is wrong with them, in one sentence.
    fn check(&self) -> Result<(), String> {
        if self.keys.len() > API_KEYS_MAX {
            return Err(format!("{} keys, at most {API_KEYS_MAX}", self.keys.len()));
        }
        for (id, key) in &self.keys {
            key.check().map_err(|reason| format!("key {id}: {reason}"))?;
        }
        Ok(())
    }
}

impl ApiKey {
    fn check(&self) -> Result<(), String> {
        check_account("account", &self.account).map_err(|e| e.to_string())?;
        if self.sha256.len() != 64 || self.expires_ms > INTEGER_MAX {
            return Err("sha256 has 64 digits, expires_ms is at most 2^53-1".to_owned());
        }
        for (name, scope) in [("read", &self.read), ("write", &self.write)] {
            if scope.len() > SCOPE_COLLECTIONS_MAX {
                return Err(format!("{name}: {} collections, at most {SCOPE_COLLECTIONS_MAX}", scope.len()));
            }
            let mut named = scope.iter().filter(|collection| *collection != "*");
            named.try_for_each(|c| check_collection("scope", c)).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(())
    }
}

/// Whether this looks like an API key, and not like a token.
pub(crate) fn is_api_key(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The keys of a running node, with what each has used.
pub(crate) struct KeyRing {
    path: Option<PathBuf>,
    state: Mutex<State>,
}

struct State {
    keys: Arc<ApiKeys>,
    looked: Option<Instant>,
    changed: Option<Stamp>,
    used: BTreeMap<String, Used>,
}

/// Tells one writing of the file from another: two within one tick of the clock are two files.
type Stamp = (u64, u64, SystemTime);

/// What a key has used of its rate and its quota.
struct Used {
    /// Requests it may make at once: a bucket that fills with `per_second`.
    room: f64,
    filled: Instant,
    day: u64,
    today: u64,
}

/// Why a key does not open.
pub(crate) enum Locked {
    Unknown,
    Expired,
    /// It may be used again after this time.
    Rate(Duration),
    /// The quota of the day is used up.
    Quota(u64, Duration),
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl KeyRing {
    /// The keys in this file; none at all without one.
    pub(crate) fn new(path: Option<PathBuf>) -> KeyRing {
        let state = State { keys: Arc::default(), looked: None, changed: None, used: BTreeMap::new() };
        KeyRing { path, state: Mutex::new(state) }
    }

    /// Takes one use of the key with this text at `now_ms`.
    pub(crate) fn open(&self, text: &str, now_ms: u64) -> Result<(String, ApiKey), Locked> {
        let mut state = self.state.lock().expect("nobody panics with it");
        self.look(&mut state);
        if state.keys.find(text).is_none() {
            // It may have been issued a moment ago: whoever holds it need not wait.
            state.looked = None;
            self.look(&mut state);
        }
        let keys = state.keys.clone();
        let (id, key) = keys.find(text).ok_or(Locked::Unknown)?;
        if now_ms > key.expires_ms {
            return Err(Locked::Expired);
        }
        state.take(id, key, now_ms)?;
        Ok((id.to_owned(), key.clone()))
    }

    /// Whether the key with this id still opens: asked of streams that stay open.
    pub(crate) fn still_opens(&self, id: &str, now_ms: u64) -> bool {
        let mut state = self.state.lock().expect("nobody panics with it");
        self.look(&mut state);
        state.keys.keys.get(id).is_some_and(|key| now_ms <= key.expires_ms)
    }

    /// Reads the file again when it is another than last time. One that does not read keeps the keys there are: a slip
    /// of the operator must not lock everyone out, and is shown in the log.
    fn look(&self, state: &mut State) {
        let Some(path) = &self.path else { return };
        if state.looked.is_some_and(|looked| looked.elapsed() < LOOK_AGAIN) {
            return;
        }
        state.looked = Some(Instant::now());
        let stamp = |found: std::fs::Metadata| Ok((found.ino(), found.len(), found.modified()?));
        let changed = std::fs::metadata(path).and_then(stamp).ok();
        if changed == state.changed && changed.is_some() {
            return;
        }
        match ApiKeys::read(path) {
            Ok(keys) => (state.keys, state.changed) = (Arc::new(keys), changed),
            Err(error) => {
                tracing::error!(%error, "the API keys were not read; those from before stay");
                // One that does not have its form is not read again until it is another.
                if matches!(error, ApiKeysError::Form { .. }) {
                    state.changed = changed;
                }
            }
        }
    }
}

impl State {
    fn take(&mut self, id: &str, key: &ApiKey, now_ms: u64) -> Result<(), Locked> {
        if self.used.len() > API_KEYS_MAX {
            self.used.clear();
        }
        let full = f64::from(key.per_second);
        let now = Instant::now();
        let day = now_ms / DAY_MS;
        let used = self.used.entry(id.to_owned()).or_insert(Used { room: full, filled: now, day, today: 0 });
        if used.day != day {
            (used.day, used.today) = (day, 0);
        }
        if key.per_day != 0 && used.today >= key.per_day {
            return Err(Locked::Quota(key.per_day, Duration::from_millis(DAY_MS - now_ms % DAY_MS)));
        }
        if key.per_second != 0 {
            used.room = (used.room + now.duration_since(used.filled).as_secs_f64() * full).min(full);
            used.filled = now;
            if used.room < 1.0 {
                return Err(Locked::Rate(Duration::from_secs_f64((1.0 - used.room) / full)));
            }
            used.room -= 1.0;
        }
        used.today += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(per_second: u32, per_day: u64) -> ApiKey {
        let all = || vec!["*".to_owned()];
        ApiKey {
            account: "ua.example/app".into(),
            expires_ms: 1_000_000,
            per_day,
            per_second,
            read: all(),
            sha256: String::new(),
            write: all(),
        }
    }

    #[test]
    fn a_key_opens_until_it_expires_is_revoked_or_has_used_its_rate_or_quota() {
        let folder = std::env::temp_dir().join(format!("countersign-api-keys-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(API_KEYS_FILE);
        let mut keys = ApiKeys::default();
        let (free_id, free) = keys.issue(&[1; 32], key(0, 0));
        let (_, slow) = keys.issue(&[2; 32], key(2, 0));
        let (_, few) = keys.issue(&[3; 32], key(0, 3));
        keys.write(&path).expect("written");
        assert_eq!(ApiKeys::read(&path).expect("reads"), keys);
        assert!(!String::from_utf8_lossy(&std::fs::read(&path).expect("there")).contains(&free[17..]), "no secret");
        let ring = KeyRing::new(Some(path.clone()));
        assert!(ring.open(&free, 1).is_ok_and(|(id, key)| id == free_id && key.account == "ua.example/app"));
        assert!(matches!(ring.open(&free, 1_000_001), Err(Locked::Expired)));
        assert!(matches!(ring.open(&free[..free.len() - 1], 1), Err(Locked::Unknown)));
        assert!(matches!(ring.open("csk_", 1), Err(Locked::Unknown)));
        assert!(ring.open(&slow, 1).is_ok() && ring.open(&slow, 1).is_ok());
        assert!(matches!(ring.open(&slow, 1), Err(Locked::Rate(_))));
        assert!((0..3).all(|_| ring.open(&few, 1).is_ok()));
        assert!(matches!(ring.open(&few, 1), Err(Locked::Quota(3, _))));
        keys.keys.remove(&free_id);
        keys.write(&path).expect("written");
        std::thread::sleep(LOOK_AGAIN + Duration::from_millis(20));
        assert!(matches!(ring.open(&free, 1), Err(Locked::Unknown)));
        assert!(!ring.still_opens(&free_id, 1));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
