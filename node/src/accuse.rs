//! Accuse: turn signatures that contradict our log into evidence that anyone can check, and tell every member.

use crate::NodeError;
use crate::cursors::{Applied, Certified};
use crate::distrust::Distrust;
use crate::frames::{BlocksAsked, BlocksFound, SERVICE_BLOCKS, SERVICE_EVIDENCE, decode, encode};
use crate::limits::{EVIDENCE_A_NODE_MAX, SUSPICIONS_MAX};
use crate::members::Members;
use bytes::Bytes;
use countersign_ledger::store::{KeptCosignature, Reader};
use countersign_p2p::{Lane, Transport};
use countersign_proof::{
    Checkpoint, Evidence, Hash, NodeKeys, PublicKey, SignedHeader, VerifiedEvidence, consistency_proof, organisation_of,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// A member is asked for its blocks no more often than this, whatever is told in its name.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const FETCH_DEADLINE: Duration = Duration::from_secs(5);

/// What another station, or a member, has seen.
#[derive(Debug)]
pub(crate) enum Suspicion {
    /// A cosignature that holds, over a root that is not our log's.
    Contradiction(Box<(KeptCosignature, NodeKeys)>),
    /// A member echoes another root than ours at some size.
    OtherEcho(String),
    /// Two headers of one proposer for one term and height.
    TwoHeaders(SignedHeader, SignedHeader),
    /// An evidence file that a member told; it is checked like our own.
    Told(Bytes),
}

/// Evidence that holds.
#[derive(Debug, Clone)]
pub(crate) struct Accusation {
    pub(crate) file: Evidence,
    pub(crate) verified: VerifiedEvidence,
}

pub(crate) struct Accuse {
    pub(crate) suspicions: mpsc::Receiver<Suspicion>,
    /// What the investigation of a contradiction finds comes back the same way.
    pub(crate) found: mpsc::Sender<Suspicion>,
    pub(crate) reader: Reader,
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) certified: watch::Receiver<Certified>,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) transport: Transport,
    /// Why this node must sign nothing more; empty while it may.
    pub(crate) halts: watch::Sender<String>,
    /// Everything that is kept, for whoever asks: judged once, when it comes.
    pub(crate) accusations: watch::Sender<Arc<Vec<Accusation>>>,
    pub(crate) distrust: Distrust,
    pub(crate) node: String,
    pub(crate) origin: String,
    /// Contradictions that no certificate decides yet.
    pub(crate) open: BTreeMap<(u64, String), (KeptCosignature, NodeKeys)>,
    /// When each member was last asked for its blocks.
    pub(crate) asked: BTreeMap<String, Instant>,
}

impl Accuse {
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        self.show_kept()?;
        let mut again = tokio::time::interval(LOOK_AGAIN);
        again.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                suspicion = self.suspicions.recv() => {
                    let Some(suspicion) = suspicion else { return Ok(()) };
                    self.take(suspicion)?;
                }
                _ = again.tick() => self.look_again()?,
            }
        }
    }

    fn take(&mut self, suspicion: Suspicion) -> Result<(), NodeError> {
        match suspicion {
            Suspicion::Told(bytes) => match Evidence::parse(&bytes) {
                Ok(evidence) => self.keep(&evidence),
                Err(_) => Ok(()),
            },
            Suspicion::OtherEcho(node) => {
                self.investigate(&node);
                Ok(())
            }
            Suspicion::TwoHeaders(first, second) => self.keep(&Evidence::two_proposals(first, second)),
            Suspicion::Contradiction(seen) => self.contradiction(*seen),
        }
    }

    fn contradiction(&mut self, (kept, keys): (KeptCosignature, NodeKeys)) -> Result<(), NodeError> {
        let node = kept.cosignature.node.clone();
        let at = (kept.size, node.clone());
        if self.open.contains_key(&at) || self.open.len() == SUSPICIONS_MAX {
            return Ok(());
        }
        self.investigate(&node);
        self.open.insert(at, (kept, keys));
        self.look_again()
    }

    /// Whatever a certificate, or another signature of the same key, decides by now.
    fn look_again(&mut self) -> Result<(), NodeError> {
        let mut decided = Vec::new();
        for (at, (kept, keys)) in &self.open {
            let mut evidence = Vec::new();
            evidence.extend(self.against_itself(kept, keys)?);
            evidence.extend(self.against_certificate(kept, keys)?);
            if !evidence.is_empty() {
                decided.push(at.clone());
            }
            for evidence in evidence {
                self.keep(&evidence)?;
            }
        }
        decided.iter().for_each(|at| drop(self.open.remove(at)));
        let undecided: BTreeSet<String> = self.open.keys().map(|(_, node)| node.clone()).collect();
        undecided.iter().for_each(|node| self.investigate(node));
        self.halt_when_outvoted();
        Ok(())
    }

    /// Another signature of the same key, over our own log: at the same size, or at a larger one that does not begin
    /// with what it signed before.
    fn against_itself(&self, kept: &KeptCosignature, keys: &NodeKeys) -> Result<Option<Evidence>, NodeError> {
        let node = &kept.cosignature.node;
        let others = self.reader.cosignatures(kept.size, SUSPICIONS_MAX)?;
        // Rows may lie ahead of our log, or be the contradiction itself: only what our log bears out stands against it.
        let reached = self.applied.borrow().chain.size;
        let of_node = others.iter().filter(|other| other.cosignature.node == *node && other.size <= reached);
        for other in of_node {
            if self.reader.log_root(other.size)? != other.root || !self.holds(other, &keys.cosign) {
                continue;
            }
            let (one, two) = (self.note(kept, &keys.cosign), self.note(other, &keys.cosign));
            if other.size == kept.size {
                return Ok(Some(Evidence::two_cosignatures(one, two)));
            }
            let (root, path) = self.joined(kept.size, other.size)?;
            return Ok(Some(Evidence::fork(one, two, root, path)));
        }
        Ok(None)
    }

    fn against_certificate(&self, kept: &KeptCosignature, keys: &NodeKeys) -> Result<Option<Evidence>, NodeError> {
        let Some((size, certificate)) = self.reader.certificate_from(kept.size)? else { return Ok(None) };
        if size > self.certified.borrow().size {
            return Ok(None);
        }
        let (root, path) = self.joined(kept.size, size)?;
        Ok(Some(Evidence::against_certificate(self.note(kept, &keys.cosign), certificate, root, path)))
    }

    fn joined(&self, old: u64, new: u64) -> Result<(Hash, Vec<Hash>), NodeError> {
        Ok((self.reader.log_root(old)?, consistency_proof(&self.reader, old, new)?))
    }

    fn checkpoint(&self, kept: &KeptCosignature) -> Checkpoint {
        Checkpoint { origin: self.origin.clone(), size: kept.size, root: kept.root }
    }

    fn holds(&self, kept: &KeptCosignature, key: &PublicKey) -> bool {
        let message = self.checkpoint(kept).cosigned_message(kept.cosignature.time);
        key.verify_strict(&message, &kept.cosignature.signature)
    }

    fn note(&self, kept: &KeptCosignature, key: &PublicKey) -> String {
        kept.cosignature.to_note(&self.checkpoint(kept), *key)
    }

    /// A quorum signed another log than ours at one size: whoever is wrong, this node must not add to it.
    fn halt_when_outvoted(&self) {
        let trust = self.applied.borrow().epochs.trust.clone();
        let mut others: BTreeMap<(u64, Hash), BTreeSet<&str>> = BTreeMap::new();
        for (kept, _) in self.open.values() {
            others.entry((kept.size, kept.root)).or_default().insert(organisation_of(&kept.cosignature.node));
        }
        for ((size, root), organisations) in others {
            let quorum = trust.in_force(size).iter().map(|membership| membership.quorum()).max().unwrap_or(usize::MAX);
            if organisations.len() >= quorum && self.halts.borrow().is_empty() {
                let names = organisations.into_iter().collect::<Vec<_>>().join(", ");
                let reason = format!("{names} certified root {root} at size {size}, which is not this node's log");
                tracing::error!(reason, "a quorum signed another log: signing nothing more");
                self.halts.send_replace(reason);
            }
        }
    }

    /// What was kept before the last stop. It was checked then, and the epochs known only grow.
    fn show_kept(&self) -> Result<(), NodeError> {
        let trust = self.applied.borrow().epochs.trust.clone();
        for file in self.reader.evidence()? {
            if let Ok(verified) = file.verify(&trust) {
                self.show(Accusation { file, verified });
            }
        }
        Ok(())
    }

    fn show(&self, accusation: Accusation) {
        // Who led two ways once leads here no more.
        if let Evidence::TwoProposals { .. } = accusation.file {
            let sentence = accusation.verified.sentence();
            accusation.verified.accused().iter().for_each(|accused| {
                self.distrust.refuse_for_good(&accused.node, sentence);
            });
        }
        self.accusations.send_modify(|shown| Arc::make_mut(shown).push(accusation));
    }

    /// Keeps evidence that holds, and tells every member of what is new.
    fn keep(&self, evidence: &Evidence) -> Result<(), NodeError> {
        let trust = self.applied.borrow().epochs.trust.clone();
        let Ok(verified) = evidence.verify(&trust) else { return Ok(()) };
        let of_same = self.accusations.borrow().iter().filter(|a| a.verified.accused() == verified.accused()).count();
        if of_same >= EVIDENCE_A_NODE_MAX {
            return Ok(());
        }
        if verified.needs_execution() || !self.reader.put_evidence(evidence)? {
            return Ok(());
        }
        tracing::error!(what = verified.what(), sentence = verified.sentence(), "evidence");
        self.show(Accusation { file: evidence.clone(), verified });
        let body = Bytes::from(evidence.to_bytes());
        for name in self.members.borrow().nodes.keys().filter(|name| **name != self.node) {
            // Whoever does not hear it now makes it himself, or finds it in our status.
            drop(self.transport.tell(name, Lane::Control, SERVICE_EVIDENCE, body.clone()));
        }
        Ok(())
    }

    /// Looks for the first block where a member's proposal is not ours: two headers of one leader, where he lied.
    fn investigate(&mut self, node: &str) {
        let now = Instant::now();
        if self.asked.get(node).is_some_and(|asked| now < *asked + ASK_AGAIN) {
            return;
        }
        self.asked.insert(node.to_owned(), now);
        let (transport, reader, found) = (self.transport.clone(), self.reader.clone(), self.found.clone());
        let (node, trust) = (node.to_owned(), self.applied.borrow().epochs.trust.clone());
        // Everything certified is one history; the difference lies above.
        let from_height = self.certified.borrow().height + 1;
        tokio::spawn(async move {
            let body = encode(&BlocksAsked { from_height, uncertified: true });
            let answer = transport.call(&node, Lane::Bulk, SERVICE_BLOCKS, body, FETCH_DEADLINE).await;
            let Some(theirs) = answer.ok().and_then(decode::<BlocksFound>) else { return };
            for (height, block) in (from_height..).zip(theirs.blocks) {
                let (Ok(Some(ours)), Some(their)) = (reader.block(height), block.proposal) else { return };
                if ours.proposal.header == their.header {
                    continue;
                }
                let header = |header: Vec<u8>, signature: Vec<u8>| {
                    let header = String::from_utf8(header).ok()?;
                    Some(SignedHeader { header, signature: hex::encode(signature) })
                };
                let first = header(ours.proposal.header, ours.proposal.signature);
                let second = header(their.header, their.signature);
                if let (Some(first), Some(second)) = (first, second)
                    && Evidence::two_proposals(first.clone(), second.clone()).verify(&trust).is_ok()
                {
                    tracing::warn!(height, node, "a member has another proposal of the same leader");
                    drop(found.send(Suspicion::TwoHeaders(first, second)).await);
                }
                return;
            }
        });
    }
}
