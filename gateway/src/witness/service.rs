//! Cosign for logs, one request after the other, and never before it is remembered.

use super::heads::{Heads, WitnessStore};
use countersign_proof::limits::WITNESSED_LOGS_MAX;
use countersign_proof::{
    AddCheckpoint, KeyPair, ProofError, SignedHead, VerifierKey, WitnessRefusal, WitnessedHead, WitnessedLog,
    plain_hash,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::Mutex;

/// Seconds since 1970.
type Seconds = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What makes a witness.
pub struct WitnessSetup {
    /// Its name, as in its verifier key.
    pub name: String,
    /// Its own key, which signs nothing else.
    pub key: KeyPair,
    /// The logs it follows.
    pub logs: Vec<WitnessedLog>,
    /// Where it remembers what it cosigned.
    pub store: Arc<dyn WitnessStore>,
    /// The clock, in seconds since 1970.
    pub clock: Seconds,
}

/// Why there is no witness, or no cosignature, through no fault of whoever asks. The operator must act.
#[derive(Debug, Error)]
pub enum WitnessTrouble {
    /// Its name or its logs.
    #[error("witness: {0}")]
    Setup(String),
    /// Its memory.
    #[error("witness.lock: {0}")]
    Lock(String),
    /// The disk.
    #[error("witness.lock: {0}")]
    Store(io::Error),
    /// What it cosigned may not be on disk: it cosigns nothing before a restart has read it again.
    #[error("the witness has stopped: it could not write down what it cosigned; its log says why")]
    Stopped,
}

/// Why a request gets no cosignature.
#[derive(Debug, Error)]
pub(super) enum NotCosigned {
    /// The sender must act.
    #[error(transparent)]
    Refused(#[from] WitnessRefusal),
    /// The operator must.
    #[error(transparent)]
    Trouble(#[from] WitnessTrouble),
}

/// A witness of other logs.
pub struct Witness {
    verifier: VerifierKey,
    key: KeyPair,
    logs: BTreeMap<String, WitnessedLog>,
    store: Arc<dyn WitnessStore>,
    clock: Seconds,
    /// None once a write has failed. Held from the comparison until the new head is durable.
    heads: Arc<Mutex<Option<Heads>>>,
}

impl Witness {
    /// Opens the witness of a key whose file `init_heads` has made.
    pub fn open(setup: WitnessSetup) -> Result<Witness, WitnessTrouble> {
        let WitnessSetup { name, key, logs, store, clock } = setup;
        let wrong = |reason: String| WitnessTrouble::Setup(reason);
        let verifier = VerifierKey::cosigner(&name, key.public());
        // What nobody can read back as a key has a name that C2SP does not allow.
        VerifierKey::parse(&verifier.to_string()).map_err(|e: ProofError| wrong(format!("name: {e}")))?;
        if logs.is_empty() || logs.len() > WITNESSED_LOGS_MAX {
            return Err(wrong(format!("logs: {}, need 1 to {WITNESSED_LOGS_MAX}", logs.len())));
        }
        let mut by_origin = BTreeMap::new();
        for log in logs {
            let origin = log.origin().to_owned();
            if by_origin.insert(origin.clone(), log).is_some() {
                return Err(wrong(format!("logs: the origin {origin} stands twice")));
            }
        }
        let heads = Arc::new(Mutex::new(Some(Heads::open(&*store, &verifier)?)));
        Ok(Witness { verifier, key, logs: by_origin, store, clock, heads })
    }

    /// The key that others check its cosignatures by.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Cosigns what follows the newest head cosigned of its log, and gives the line.
    pub(super) async fn add_checkpoint(self: Arc<Self>, body: &str) -> Result<String, NotCosigned> {
        // Whatever strangers can send is turned away before anybody waits for it.
        let request = AddCheckpoint::parse(body).map_err(WitnessRefusal::Malformed)?;
        let unknown = || WitnessRefusal::UnknownOrigin(request.origin().to_owned());
        let log = self.logs.get(request.origin()).ok_or_else(unknown)?;
        let signed = log.signed(request)?;
        let mut heads = self.heads.clone().lock_owned().await;
        // The lock goes with the work: if the client leaves now, the next one still waits until the disk has it.
        let kept = tokio::task::spawn_blocking(move || self.cosign(&mut heads, signed));
        kept.await.map_err(|_| WitnessTrouble::Stopped)?
    }

    /// Compares, keeps, and only then gives the cosignature away. A crash before the head is kept loses a cosignature
    /// that nobody has seen; one after it loses the answer, and the log asks again with the newer size.
    fn cosign(&self, slot: &mut Option<Heads>, signed: SignedHead) -> Result<String, NotCosigned> {
        let heads = slot.as_mut().ok_or(WitnessTrouble::Stopped)?;
        let origin = signed.checkpoint().origin.clone();
        let (newest, asked) = (heads.newest(&origin), signed.checkpoint().clone());
        let following = signed.follows(newest.map(WitnessedHead::checkpoint)).inspect_err(|refusal| {
            if let WitnessRefusal::Inconsistent(reason) = refusal {
                tracing::error!(origin, size = asked.size, root = %asked.root, reason, "a log signed what does not follow");
            }
        })?;
        let time = (self.clock)().max(1);
        // The same head again within a second, or under a clock that went back, costs no write.
        if let Some(last) = newest.filter(|last| *last.checkpoint() == asked && last.time() >= time) {
            return Ok(last.cosignature_line());
        }
        let head = following.cosign(&self.verifier, time, &self.key);
        let line = head.cosignature_line();
        if let Err(error) = heads.keep(&*self.store, head) {
            tracing::error!(%error, origin, "the witness could not write down what it cosigned, and stops");
            *slot = None;
            return Err(WitnessTrouble::Stopped.into());
        }
        tracing::debug!(origin, size = asked.size, "cosigned a checkpoint of another log");
        Ok(line)
    }

    /// The newest head cosigned of the log whose origin has this SHA-256, as a note.
    pub(super) async fn newest(&self, origin_hash: &str) -> Option<String> {
        let heads = self.heads.lock().await;
        let named = |head: &&WitnessedHead| plain_hash(head.checkpoint().origin.as_bytes()).to_string() == origin_hash;
        heads.as_ref()?.all().find(named).map(WitnessedHead::note)
    }
}
