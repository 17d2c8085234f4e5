//! Sign: countersign the seals this node computed, each size once, after the sign lock has it.

use crate::NodeError;
use crate::apply::Sealed;
use crate::clock::Clock;
use crate::cursors::Signed;
use crate::folder::VoterSecrets;
use crate::sign_lock::SignLock;
use countersign_ledger::store::{KeptCosignature, Reader};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

pub(crate) struct Sign {
    pub(crate) sealed: mpsc::Receiver<Sealed>,
    /// None for an observer: it signs nothing.
    pub(crate) signer: Option<Signer>,
    pub(crate) cosignatures: mpsc::Sender<KeptCosignature>,
    pub(crate) signed: watch::Sender<Signed>,
}

pub(crate) struct Signer {
    pub(crate) lock: SignLock,
    pub(crate) keys: VoterSecrets,
    pub(crate) node: String,
    pub(crate) reader: Reader,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Sign {
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        let mut waiting: Vec<Sealed> = Vec::new();
        loop {
            if waiting.is_empty() {
                let Some(sealed) = self.sealed.recv().await else { return Ok(()) };
                waiting.push(sealed);
            }
            while let Ok(sealed) = self.sealed.try_recv() {
                waiting.push(sealed);
            }
            let Some(signer) = &mut self.signer else {
                waiting.clear();
                continue;
            };
            let chosen = take_aligned(&mut waiting);
            let Some(cosignature) = signer.sign(&chosen)? else { continue };
            let Sealed { height, index, checkpoint } = chosen;
            self.signed.send_replace(Signed { index, height, size: checkpoint.size });
            if self.cosignatures.send(cosignature).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// Takes the seal whose height has the most trailing zero bits and drops those below it, so that nodes of different
/// speed sign the same sizes.
fn take_aligned(waiting: &mut Vec<Sealed>) -> Sealed {
    let zeros = |sealed: &Sealed| sealed.height.trailing_zeros();
    let (at, _) = waiting.iter().enumerate().max_by_key(|(at, sealed)| (zeros(sealed), *at)).expect("one waits");
    let mut taken = waiting.drain(..=at);
    taken.next_back().expect("up to and with one")
}

impl Signer {
    /// Signs a checkpoint of our own log, unless we have signed as much. `None` when there is nothing to sign.
    fn sign(&mut self, sealed: &Sealed) -> Result<Option<KeptCosignature>, NodeError> {
        let checkpoint = &sealed.checkpoint;
        if let Some(last) = self.lock.last() {
            // After a power cut the lock may be ahead of the ledger: an obligation, compared when we get there.
            if last.size > checkpoint.size {
                return Ok(None);
            }
            let root = self.reader.log_root(last.size)?;
            if root != last.root {
                let message = format!("our log's root at size {} is {root}, but {} was signed", last.size, last.root);
                return Err(NodeError::Halted(message));
            }
        }
        let time = self.clock.now_ms() / 1000;
        // Durable before the signature exists. A crash here leaves a line and no signature: the same size and root
        // are signed again after the restart.
        self.lock.record(checkpoint, sealed.height, time)?;
        let cosignature = checkpoint.cosign(&self.node, time, &self.keys.cosign);
        let log_signature = checkpoint.log_signature(&self.keys.log).signature;
        let log_signature = log_signature.try_into().expect("an Ed25519 signature has 64 bytes");
        Ok(Some(KeptCosignature { size: checkpoint.size, root: checkpoint.root, cosignature, log_signature }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proof::{Checkpoint, plain_hash};

    #[test]
    fn the_most_aligned_height_is_signed_first_and_those_above_it_stay() {
        let sealed = |height| Sealed {
            height,
            index: height,
            checkpoint: Checkpoint { origin: "l/1".into(), size: height, root: plain_hash(b"") },
        };
        let mut waiting: Vec<Sealed> = (5..=11).map(sealed).collect();
        assert_eq!(take_aligned(&mut waiting).height, 8);
        assert_eq!(take_aligned(&mut waiting).height, 10);
        assert_eq!(take_aligned(&mut waiting).height, 11);
        assert!(waiting.is_empty());
    }
}
