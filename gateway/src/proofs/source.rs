//! Hold what proofs are made from, and bound how many are made at once.

use crate::limits::PROOFS_AT_ONCE_MAX;
use crate::refusal::Refusal;
use crate::sight::Sight;
use crate::tiles::newest_certificate;
use countersign_ledger::store::Reader;
use countersign_proof::{CoseReceipt, Genesis, KeyPair, Leaf, ProofError, Trust};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What the handlers read from.
#[derive(Clone)]
pub(crate) struct Proofs {
    pub(super) reader: Reader,
    sight: Sight,
    pub(super) genesis: Arc<Genesis>,
    /// The node's log key, which signs COSE receipts over certified roots; none at an observer.
    log: Option<KeyPair>,
    room: Arc<Semaphore>,
}

impl Proofs {
    pub(crate) fn new(reader: Reader, sight: Sight, genesis: Arc<Genesis>, log: Option<KeyPair>) -> Proofs {
        Proofs { reader, sight, genesis, log, room: Arc::new(Semaphore::new(PROOFS_AT_ONCE_MAX)) }
    }

    /// Whether anyone may be shown what the collection holds, and what it does not: nobody is asked for a name here.
    pub(super) fn shows(&self, collection: &str) -> Result<bool, Refusal> {
        Ok(self.sight.sees_everything(None, collection)?)
    }

    /// Makes a proof that reads much, away from the threads that serve; so many at once, the others wait.
    pub(super) async fn make<T: Send + 'static>(
        &self,
        proof: impl FnOnce(&Reader) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let room = self.room.clone().acquire_owned().await.expect("never closed");
        let reader = self.reader.clone();
        let made = tokio::task::spawn_blocking(move || {
            let made = proof(&reader);
            drop(room);
            made
        });
        made.await.map_err(|_| Refusal::Ended)?
    }

    /// The newest certified size.
    pub(super) fn certified_size(&self) -> Result<u64, Refusal> {
        Ok(newest_certificate(&self.reader)?.0)
    }

    /// Signs with the node's log key what is certified, and gives it only if it verifies: the key must be in force at
    /// the size, and the checkpoint this ledger's.
    pub(super) fn signed<T>(
        &self,
        sign: impl FnOnce(&KeyPair) -> Result<CoseReceipt, ProofError>,
        verify: impl FnOnce(&CoseReceipt, &Trust) -> Result<T, countersign_proof::Refusal>,
    ) -> Result<Vec<u8>, Refusal> {
        let observer = "this node is an observer and has no log key: ask a voter for COSE";
        let log = self.log.as_ref().ok_or_else(|| Refusal::Missing(observer.to_owned()))?;
        let receipt = sign(log).map_err(|e| Refusal::Missing(format!("no COSE receipt: {e}")))?;
        let trust = Trust::executed(&self.genesis.origin(), self.reader.epochs()?);
        match verify(&receipt, &trust) {
            Ok(_) => Ok(receipt.to_bytes()),
            Err(refusal) => Err(Refusal::Missing(format!(
                "no COSE receipt at size {} by this node: {refusal}; ask with another size, or another node",
                receipt.size
            ))),
        }
    }
}

/// The height of the seal that ends a certified size.
pub(super) fn height_at(reader: &Reader, size: u64) -> Result<u64, Refusal> {
    match reader.leaf(size.saturating_sub(1))?.map(|bytes| Leaf::parse(&bytes)).transpose()? {
        Some(Leaf::Seal(seal)) => Ok(seal.height),
        other => {
            let (expected, found) = ("a seal before every certified size".to_owned(), format!("{other:?}"));
            Err(ProofError::Mismatch { field: "seal", expected, found }.into())
        }
    }
}
