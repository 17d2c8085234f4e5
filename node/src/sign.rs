//! Sign: countersign the seals that a quorum echoes, each size once, after the sign lock has it.

use crate::NodeError;
use crate::accuse::Suspicion;
use crate::apply::Sealed;
use crate::clock::Clock;
use crate::cursors::{Certified, Signed};
use crate::echo::{EchoRecord, Echoes};
use crate::folder::VoterSecrets;
use crate::frames::{EchoFrame, EchoesTold, SERVICE_ECHO, encode};
use crate::limits::{ECHOES_TOLD_MAX, SEALS_WAITING_MAX};
use crate::members::Members;
use crate::own::OwnSignatures;
use crate::sign_lock::SignLock;
use countersign_ledger::store::{KeptCosignature, Reader};
use countersign_p2p::{Lane, Transport};
use countersign_proof::{Checkpoint, Hash};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// How often what is not signed yet is echoed again, for those who did not hear it.
const ECHO_AGAIN: Duration = Duration::from_millis(500);

/// How often the members are asked for this key's own signatures: another process may use it too.
const OWN_AGAIN: Duration = Duration::from_secs(10);

/// One echo of a member, as it came.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) node: String,
    pub(crate) size: u64,
    pub(crate) root: Hash,
}

pub(crate) struct Sign {
    pub(crate) sealed: mpsc::Receiver<Sealed>,
    pub(crate) heard: mpsc::Receiver<Heard>,
    /// Where an echo goes that is not of our log.
    pub(crate) suspicions: mpsc::Sender<Suspicion>,
    pub(crate) certified: watch::Receiver<Certified>,
    /// Why nothing may be signed: evidence against a quorum. Empty while there is none.
    pub(crate) halts: watch::Receiver<String>,
    /// None for an observer: it signs nothing.
    pub(crate) signer: Option<Signer>,
    pub(crate) cosignatures: mpsc::Sender<KeptCosignature>,
    pub(crate) signed: watch::Sender<Signed>,
    /// Why this node signs nothing; empty while it does.
    pub(crate) not_signing: watch::Sender<String>,
}

pub(crate) struct Signer {
    pub(crate) lock: SignLock,
    pub(crate) record: EchoRecord,
    pub(crate) keys: VoterSecrets,
    pub(crate) node: String,
    pub(crate) origin: String,
    pub(crate) reader: Reader,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) transport: Transport,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    /// Applied, and neither signed nor covered by a signature.
    pub(crate) waiting: BTreeMap<u64, Sealed>,
    pub(crate) echoes: Echoes,
    /// The members were asked for our own signatures, and none is ahead of the lock.
    pub(crate) checked: bool,
    /// Why this key signs nothing until it is rotated.
    pub(crate) refused: Option<String>,
}

impl Sign {
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        let Some(mut signer) = self.signer.take() else { return self.observe().await };
        signer.tell_not_signing(&self.not_signing, "");
        let mut own = signer.ask_for_own(Duration::ZERO);
        let mut again = tokio::time::interval(ECHO_AGAIN);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                sealed = self.sealed.recv() => {
                    let Some(sealed) = sealed else { return Ok(()) };
                    let mut fresh = vec![signer.wait_for(sealed)];
                    while let Ok(sealed) = self.sealed.try_recv() {
                        fresh.push(signer.wait_for(sealed));
                    }
                    signer.echo(&fresh, self.certified.borrow().size)?;
                }
                heard = self.heard.recv() => {
                    let Some(heard) = heard else { return Ok(()) };
                    signer.hear(heard, &self.suspicions);
                    while let Ok(heard) = self.heard.try_recv() {
                        signer.hear(heard, &self.suspicions);
                    }
                }
                found = &mut own => {
                    signer.compare(found.ok());
                    own = signer.ask_for_own(OWN_AGAIN);
                }
                changed = self.certified.changed() => if changed.is_err() { return Ok(()) },
                changed = self.halts.changed() => if changed.is_err() { return Ok(()) },
                _ = again.tick() => signer.echo_again(self.certified.borrow().size)?,
            }
            let halt = self.halts.borrow_and_update().clone();
            let certified = *self.certified.borrow_and_update();
            signer.tell_not_signing(&self.not_signing, &halt);
            while halt.is_empty()
                && let Some((signed, cosignature)) = signer.sign_next(certified.size)?
            {
                self.signed.send_replace(signed);
                if self.cosignatures.send(cosignature).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    /// An observer takes the seals and signs none.
    async fn observe(mut self) -> Result<(), NodeError> {
        self.not_signing.send_replace("an observer signs nothing".into());
        loop {
            tokio::select! {
                biased;
                sealed = self.sealed.recv() => if sealed.is_none() { return Ok(()) },
                heard = self.heard.recv() => if heard.is_none() { return Ok(()) },
            }
        }
    }
}

impl Signer {
    /// Asks q-1 other organisations, after a while, for the newest of our own signatures they hold.
    fn ask_for_own(&self, after: Duration) -> oneshot::Receiver<Vec<KeptCosignature>> {
        let (found, asked) = oneshot::channel();
        let asking =
            OwnSignatures { transport: self.transport.clone(), members: self.members.clone(), node: self.node.clone() };
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            asking.run(found).await;
        });
        asked
    }

    /// A lock behind what the members hold of our own signatures means no signing until the key is rotated: signing
    /// again after forgetting could contradict what was signed, and so could another process with the same key. What this
    /// process signs is in its lock before anyone can hold it, so it never accuses itself.
    fn compare(&mut self, found: Option<Vec<KeptCosignature>>) {
        self.checked = true;
        let Some(found) = found else {
            self.refused =
                Some("the members could not be asked for this key's own signatures: restart the node".into());
            return;
        };
        let last = self.lock.last().map(|last| (last.size, last.root));
        let ahead = |kept: &&KeptCosignature| {
            let contradicts = last.is_some_and(|(size, root)| size == kept.size && root != kept.root);
            (last.is_none_or(|(size, _)| kept.size > size) || contradicts) && self.is_ours(kept)
        };
        if let Some(kept) = found.iter().find(ahead) {
            let known = last.map_or("nothing".to_owned(), |(size, _)| format!("size {size}"));
            let reason = format!(
                "members hold this key's signature over size {}, the sign lock knows {known}: rotate the key",
                kept.size
            );
            tracing::error!(size = kept.size, "the sign lock is behind what was signed: signing nothing with this key");
            self.refused = Some(reason);
        }
    }

    fn is_ours(&self, kept: &KeptCosignature) -> bool {
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: kept.size, root: kept.root };
        let message = checkpoint.cosigned_message(kept.cosignature.time);
        self.keys.cosign.public().verify_strict(&message, &kept.cosignature.signature)
    }

    fn tell_not_signing(&self, not_signing: &watch::Sender<String>, halt: &str) {
        let newest = self.waiting.values().next_back();
        let stranger = newest.filter(|sealed| !self.may_sign(sealed)).map(|_| "its key is of no voter".to_owned());
        let unchecked = (!self.checked).then(|| "asking the members for this key's own signatures".to_owned());
        let halted = (!halt.is_empty()).then(|| halt.to_owned());
        let reason = self.refused.clone().or(halted).or(unchecked).or(stranger).unwrap_or_default();
        not_signing.send_if_modified(|before| std::mem::replace(before, reason.clone()) != reason);
    }

    fn may_sign(&self, sealed: &Sealed) -> bool {
        sealed.epochs.may_cosign(&self.node, &self.keys.cosign.public(), sealed.checkpoint.size)
    }

    /// Keeps a seal until it is signed. Above the room there is, the oldest goes, but never one that ends an epoch.
    fn wait_for(&mut self, sealed: Sealed) -> (u64, Hash) {
        let at = (sealed.checkpoint.size, sealed.checkpoint.root);
        self.waiting.insert(at.0, sealed);
        if self.waiting.len() > SEALS_WAITING_MAX {
            let oldest = self.waiting.iter().find(|(_, sealed)| !sealed.ends_epoch()).map(|(size, _)| *size);
            oldest.map(|size| self.waiting.remove(&size));
        }
        at
    }

    /// Puts on record what was applied, then tells every member.
    fn echo(&mut self, applied: &[(u64, Hash)], certified: u64) -> Result<(), NodeError> {
        for (size, root) in applied {
            let root_at = |size: u64| Ok(self.reader.log_root(size)?);
            match self.record.admit(*size, *root, certified, root_at)? {
                Ok(()) => self.echoes.hear(&self.node, *size, *root),
                Err(reason) => tracing::warn!(size, reason, "not echoed"),
            }
        }
        for told in applied.chunks(ECHOES_TOLD_MAX) {
            let echoes = told.iter().map(|(size, root)| EchoFrame { size: *size, root: root.0.to_vec() }).collect();
            let body = encode(&EchoesTold { echoes });
            for name in self.members.borrow().nodes.keys().filter(|name| **name != self.node) {
                // Lost ones are told again.
                if let Err(error) = self.transport.tell(name, Lane::Control, SERVICE_ECHO, body.clone()) {
                    tracing::trace!(name, %error, "echo not told");
                }
            }
        }
        Ok(())
    }

    fn echo_again(&mut self, certified: u64) -> Result<(), NodeError> {
        let open = self.waiting.range(certified + 1..).rev().take(ECHOES_TOLD_MAX);
        let open: Vec<(u64, Hash)> = open.map(|(size, sealed)| (*size, sealed.checkpoint.root)).collect();
        self.echo(&open, certified)
    }

    fn hear(&mut self, heard: Heard, suspicions: &mpsc::Sender<Suspicion>) {
        let Heard { node, size, root } = heard;
        if self.waiting.get(&size).is_some_and(|sealed| sealed.checkpoint.root != root) {
            // A full queue: it is echoed again.
            drop(suspicions.try_send(Suspicion::OtherEcho(node.clone())));
        }
        if self.lock.last().is_none_or(|last| size > last.size) {
            self.echoes.hear(&node, size, root);
        }
    }

    /// Whether a quorum echoes this seal, of both sets where an epoch ends, or has certified it; and, above the end of an
    /// epoch, whether that end is certified by both.
    fn is_ready(&self, sealed: &Sealed, certified: u64) -> bool {
        let (size, root) = (sealed.checkpoint.size, &sealed.checkpoint.root);
        // What the lock has was ready before a crash.
        if self.lock.last().is_some_and(|last| last.size == size && last.root == *root) {
            return true;
        }
        let trust = &sealed.epochs.trust;
        let boundary = trust.epochs().iter().map(|epoch| epoch.after).filter(|after| *after < size).max().unwrap_or(0);
        let echoed = || trust.in_force(size).iter().all(|membership| self.echoes.quorum(size, root, membership));
        boundary <= certified && (size <= certified || echoed())
    }

    /// Signs one of the seals that are ready; none when none is.
    fn sign_next(&mut self, certified: u64) -> Result<Option<(Signed, KeptCosignature)>, NodeError> {
        if !self.checked || self.refused.is_some() {
            return Ok(None);
        }
        let ready = self.waiting.values().filter(|sealed| self.is_ready(sealed, certified));
        let Some(size) = most_aligned(ready.map(|sealed| (sealed.height, sealed.checkpoint.size))) else {
            return Ok(None);
        };
        let above = self.waiting.split_off(&(size + 1));
        let chosen = self.waiting.remove(&size).expect("it was waiting");
        self.waiting = above;
        self.echoes.forget_below(size);
        let Some(cosignature) = self.sign(&chosen)? else { return Ok(None) };
        Ok(Some((Signed { index: chosen.index, height: chosen.height, size }, cosignature)))
    }

    /// Signs a checkpoint of our own log, unless we have signed as much. `None` when there is nothing to sign.
    fn sign(&mut self, sealed: &Sealed) -> Result<Option<KeptCosignature>, NodeError> {
        let checkpoint = &sealed.checkpoint;
        if !self.may_sign(sealed) {
            return Ok(None);
        }
        let mut time = self.clock.now_ms() / 1000;
        let mut signed_before = false;
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
            if last.size == checkpoint.size {
                (time, signed_before) = (last.time, true);
            }
        }
        // Durable before the signature exists. A crash here leaves a line and no signature: the same bytes are signed
        // after the restart, for Ed25519 is deterministic and the time is in the line.
        if !signed_before {
            self.lock.record(checkpoint, sealed.height, time)?;
            #[cfg(feature = "byzantine")]
            crate::misbehave::die_before_signing();
        }
        let cosignature = checkpoint.cosign(&self.node, time, &self.keys.cosign);
        let log_signature = checkpoint.log_signature(&self.keys.log).signature;
        let log_signature = log_signature.try_into().expect("an Ed25519 signature has 64 bytes");
        let kept = KeptCosignature { size: checkpoint.size, root: checkpoint.root, cosignature, log_signature };
        #[cfg(feature = "byzantine")]
        let kept = crate::misbehave::forged(kept, &self.origin);
        Ok(Some(kept))
    }
}

/// The size whose height has the most trailing zero bits, the last of them, so that nodes of different speed sign the
/// same sizes.
fn most_aligned(ready: impl Iterator<Item = (u64, u64)>) -> Option<u64> {
    ready.max_by_key(|(height, size)| (height.trailing_zeros(), *size)).map(|(_, size)| size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_aligned_height_is_signed_first() {
        let ready = |heights: std::ops::RangeInclusive<u64>| most_aligned(heights.map(|height| (height, 10 * height)));
        assert_eq!(ready(5..=11), Some(80));
        assert_eq!(ready(9..=11), Some(100));
        assert_eq!(ready(11..=11), Some(110));
        assert_eq!(most_aligned(std::iter::empty()), None);
    }
}
