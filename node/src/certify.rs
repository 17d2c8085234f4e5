//! Certify: gather cosignatures until a quorum of organisations signed one checkpoint of our log.

use crate::NodeError;
use crate::accuse::Suspicion;
use crate::cursors::{Applied, Certified};
use crate::frames::{CosignatureFrame, CosignaturesAsked, CosignaturesFound, decode, encode};
use crate::frames::{SERVICE_COSIGNATURE, SERVICE_COSIGNATURES};
use crate::limits::{COSIGNATURES_AHEAD_MAX, COSIGNATURES_LATE_MAX, COSIGNATURES_PULLED_MAX, LATE_EVERY};
use crate::members::Members;
use crate::sign::Heard;
use bytes::Bytes;
use countersign_ledger::store::{KeptCosignature, Reader};
use countersign_p2p::{Lane, Transport};
use countersign_proof::{
    Checkpoint, Leaf, Membership, NodeKeys, Note, NoteSignature, PublicKey, Trust, VerifierKey, organisation_of,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// How often a node without a certificate for its newest block asks the others.
const PULL_EVERY: Duration = Duration::from_millis(500);
const PULL_DEADLINE: Duration = Duration::from_secs(2);

pub(crate) struct Certify {
    /// Our own, from the sign station.
    pub(crate) own: mpsc::Receiver<KeptCosignature>,
    /// The others', as they came.
    pub(crate) others: mpsc::Receiver<KeptCosignature>,
    /// What is pulled goes the same way as what is told.
    pub(crate) pulled: mpsc::Sender<KeptCosignature>,
    /// Who signed a root echoes it no more: after a restart his signature is his echo.
    pub(crate) echoes: mpsc::Sender<Heard>,
    /// Where a cosignature goes that contradicts our log.
    pub(crate) suspicions: mpsc::Sender<Suspicion>,
    pub(crate) reader: Reader,
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) transport: Transport,
    pub(crate) certified: watch::Sender<Certified>,
    pub(crate) cosigned: watch::Sender<Arc<BTreeMap<String, u64>>>,
    pub(crate) node: String,
    /// Its cosign key; an observer has none.
    pub(crate) cosign: Option<PublicKey>,
    pub(crate) origin: String,
    pub(crate) tally: Tally,
    pub(crate) late: Late,
    /// Kept and not on disk yet.
    pub(crate) unwritten: Vec<KeptCosignature>,
}

/// Cosignatures that no certificate waits for, unchecked. They are looked at together, the newest of each node: it covers
/// those before, so that what comes after a quorum costs next to nothing under load.
#[derive(Default)]
pub(crate) struct Late {
    waiting: Vec<KeptCosignature>,
    since: Option<Instant>,
}

/// Cosignatures by size, and how far each node has signed.
#[derive(Default)]
pub(crate) struct Tally {
    /// Of sizes above the certified one, or ahead of our own log.
    open: BTreeMap<u64, BTreeMap<String, Signed>>,
    /// The largest size each node has cosigned, for status and for `everyone`.
    newest: BTreeMap<String, u64>,
    /// Something was added since the last look.
    changed: bool,
    /// The size of our own log up to which what came ahead of it has been compared.
    compared: u64,
}

/// A cosignature that holds, with the keys under which it does.
struct Signed {
    kept: KeptCosignature,
    keys: NodeKeys,
}

impl Certify {
    /// Takes up where the disk ends: the newest certificate, and the cosignatures kept above it.
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        self.resume()?;
        let mut pulls = tokio::time::interval(PULL_EVERY);
        pulls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                own = self.own.recv() => {
                    let Some(own) = own else { return Ok(()) };
                    self.tell(&own);
                    self.keep(own, true)?;
                }
                other = self.others.recv() => {
                    let Some(other) = other else { return Ok(()) };
                    self.take(other)?;
                    while let Ok(other) = self.others.try_recv() {
                        self.take(other)?;
                    }
                }
                changed = self.applied.changed() => if changed.is_err() { return Ok(()) },
                () = sleep_until(self.late.due()), if self.late.since.is_some() => self.take_late()?,
                _ = pulls.tick() => self.pull(),
            }
            self.certify()?;
        }
    }

    fn resume(&mut self) -> Result<(), NodeError> {
        if let Some((size, _)) = self.reader.newest_certificate()?
            && size <= self.applied.borrow().chain.size
        {
            self.publish(size)?;
        }
        let from = self.certified.borrow().size;
        for kept in self.reader.cosignatures(from, COSIGNATURES_AHEAD_MAX)? {
            if let Some(keys) = self.keys_of(&kept, false) {
                self.tally.add(Signed { kept, keys }, from);
            }
        }
        self.certify()
    }

    fn tell(&self, own: &KeptCosignature) {
        let body = encode(&CosignatureFrame::of(own));
        for name in self.members.borrow().nodes.keys().filter(|name| **name != self.node) {
            // Lost ones are pulled.
            if let Err(error) = self.transport.tell(name, Lane::Control, SERVICE_COSIGNATURE, body.clone()) {
                tracing::trace!(name, %error, "cosignature not told");
            }
        }
    }

    /// Takes another's cosignature: at once when it may make a certificate, or contradicts our log; else it is late.
    fn take(&mut self, kept: KeptCosignature) -> Result<(), NodeError> {
        let is_late = kept.size <= self.certified.borrow().size && self.reader.log_root(kept.size)? == kept.root;
        if !is_late {
            return self.keep(kept, false).map(drop);
        }
        self.late.since.get_or_insert_with(Instant::now);
        self.late.waiting.push(kept);
        if self.late.waiting.len() < COSIGNATURES_LATE_MAX { Ok(()) } else { self.take_late() }
    }

    /// Keeps of each node the newest of its late cosignatures that holds.
    fn take_late(&mut self) -> Result<(), NodeError> {
        let Late { mut waiting, .. } = std::mem::take(&mut self.late);
        waiting.sort_by_key(|kept| std::cmp::Reverse(kept.size));
        let mut covered = BTreeSet::new();
        for kept in waiting {
            let node = kept.cosignature.node.clone();
            if !covered.contains(&node) && self.keep(kept, false)? {
                covered.insert(node);
            }
        }
        Ok(())
    }

    /// Keeps a cosignature by a voter that holds, our own or another's; whether it is kept now, or was.
    fn keep(&mut self, kept: KeptCosignature, own: bool) -> Result<bool, NodeError> {
        if self.tally.holds(&kept) {
            return Ok(true);
        }
        if !self.tally.has_room(&kept) {
            return Ok(false);
        }
        let Some(keys) = self.keys_of(&kept, own) else { return Ok(false) };
        if kept.size <= self.applied.borrow().chain.size {
            let root = self.reader.log_root(kept.size)?;
            if root != kept.root {
                let node = &kept.cosignature.node;
                tracing::error!(node, size = kept.size, theirs = %kept.root, ours = %root, "a cosignature contradicts our log");
                // A full queue: the next pull brings it again.
                drop(self.suspicions.try_send(Suspicion::Contradiction(Box::new((kept, keys)))));
                return Ok(false);
            }
        }
        self.unwritten.push(kept.clone());
        self.tally.add(Signed { kept, keys }, self.certified.borrow().size);
        Ok(true)
    }

    /// The keys under which both its signatures hold: of a node in force at its size, or of one about to join. What was
    /// signed here just now holds under our own. Another's log signature is checked too, though a note needs only one: who
    /// hands on a cosignature could falsify it, and a node without one of its own would have none that holds.
    fn keys_of(&self, kept: &KeptCosignature, own: bool) -> Option<NodeKeys> {
        let epochs = self.applied.borrow().epochs.clone();
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: kept.size, root: kept.root };
        let (cosigned, logged) = (checkpoint.cosigned_message(kept.cosignature.time), checkpoint.to_text());
        let mut keys = epochs.cosigners_of(&kept.cosignature.node, kept.size);
        let holds = |keys: &&NodeKeys| {
            own && self.cosign == Some(keys.cosign)
                || keys.cosign.verify_strict(&cosigned, &kept.cosignature.signature)
                    && keys.log.verify_strict(logged.as_bytes(), &kept.log_signature)
        };
        keys.find(holds).cloned()
    }

    /// Certifies the largest size within our log that a quorum signed, or adds late signatures to the certified one.
    fn certify(&mut self) -> Result<(), NodeError> {
        let (applied, epochs) = {
            let applied = self.applied.borrow_and_update();
            (applied.chain.size, applied.epochs.clone())
        };
        self.compare_up_to(applied)?;
        let certified = self.certified.borrow().size;
        // Nothing above the end of an epoch counts before both sets have certified that end.
        let boundary = epochs.boundary();
        let last = if certified < boundary { boundary } else { applied };
        let sizes = certified.max(1)..=last.min(applied);
        let made = self.tally.certificate(&self.reader, certified, sizes, &epochs.trust)?;
        let unwritten = std::mem::take(&mut self.unwritten);
        if made.is_some() || !unwritten.is_empty() {
            // Not synced: a certificate that a power cut takes is made again, for those who signed have it in their sign
            // locks.
            self.reader.put_countersigned(&unwritten, made.as_ref().map(|(size, note)| (*size, &note[..])))?;
        }
        let Some((size, _)) = made else { return Ok(()) };
        if size > certified {
            self.tally.forget_below(size);
        }
        self.publish(size)
    }

    /// What came ahead of our own log is compared with it once we are there; what contradicts it counts no more.
    fn compare_up_to(&mut self, applied: u64) -> Result<(), NodeError> {
        let from = std::mem::replace(&mut self.tally.compared, applied) + 1;
        if from > applied {
            return Ok(());
        }
        for (size, nodes) in self.tally.open.range_mut(from..=applied) {
            let root = self.reader.log_root(*size)?;
            let contradicts = |(_, signed): &(&String, &Signed)| signed.kept.root != root;
            let contradicting: Vec<String> = nodes.iter().filter(contradicts).map(|(node, _)| node.clone()).collect();
            for node in contradicting {
                let Some(Signed { kept, keys }) = nodes.remove(&node) else { continue };
                tracing::error!(node, size, theirs = %kept.root, ours = %root, "a cosignature contradicts our log");
                drop(self.suspicions.try_send(Suspicion::Contradiction(Box::new((kept, keys)))));
            }
        }
        Ok(())
    }

    fn publish(&mut self, size: u64) -> Result<(), NodeError> {
        let height = self.height_of(size)?;
        let index = self.reader.position_of(height)?.map_or(0, |position| position.index);
        let epochs = self.applied.borrow().epochs.clone();
        let organisations = epochs.trust.newest().membership.organisations.keys();
        let everyone = organisations.map(|name| self.tally.newest_of(name)).min().unwrap_or(0);
        let before = *self.certified.borrow();
        let now = Certified { index, height, size, everyone: everyone.max(before.everyone) };
        assert!(now.size >= before.size, "certified never goes back: {before:?} to {now:?}");
        if now != before {
            self.certified.send_replace(now);
            self.cosigned.send_replace(Arc::new(self.tally.newest.clone()));
        }
        Ok(())
    }

    /// The height of the block whose seal ends a log of this size.
    fn height_of(&self, size: u64) -> Result<u64, NodeError> {
        let chain = self.applied.borrow().chain.clone();
        // Mostly it is the newest block.
        if chain.size == size {
            return Ok(chain.height);
        }
        let bytes = self.reader.leaf(size - 1)?.ok_or_else(|| NodeError::Halted(format!("no leaf {}", size - 1)))?;
        match Leaf::parse(&bytes) {
            Ok(Leaf::Seal(seal)) => Ok(seal.height),
            other => Err(NodeError::Halted(format!("a checkpoint of size {size} ends in {other:?}"))),
        }
    }

    /// Asks every other member for what it holds above our certificate, when there is something to certify.
    fn pull(&self) {
        let certified = *self.certified.borrow();
        if certified.everyone >= self.applied.borrow().chain.size {
            return;
        }
        let body = encode(&CosignaturesAsked { from_size: certified.everyone.max(certified.size) });
        for name in self.members.borrow().nodes.keys().filter(|name| **name != self.node) {
            let (transport, name) = (self.transport.clone(), name.clone());
            let (body, pulled, echoes) = (body.clone(), self.pulled.clone(), self.echoes.clone());
            tokio::spawn(async move {
                let call = transport.call(&name, Lane::Control, SERVICE_COSIGNATURES, body, PULL_DEADLINE);
                let found: Option<CosignaturesFound> = call.await.ok().and_then(decode);
                for frame in found.map(|found| found.cosignatures).unwrap_or_default() {
                    let Some(kept) = frame.parse() else { continue };
                    // A full queue, of either: the next pull brings it.
                    if kept.cosignature.node == name {
                        drop(echoes.try_send(Heard { node: name.clone(), size: kept.size, root: kept.root }));
                    }
                    drop(pulled.try_send(kept));
                }
            });
        }
    }
}

impl Late {
    fn due(&self) -> Instant {
        self.since.unwrap_or_else(Instant::now) + LATE_EVERY
    }
}

impl Tally {
    fn holds(&self, kept: &KeptCosignature) -> bool {
        let held = self.open.get(&kept.size).and_then(|nodes| nodes.get(&kept.cosignature.node));
        held.is_some_and(|Signed { kept: held, .. }| {
            held.root == kept.root && held.cosignature.time >= kept.cosignature.time
        })
    }

    fn has_room(&self, kept: &KeptCosignature) -> bool {
        let node = &kept.cosignature.node;
        let of_node = self.open.values().filter(|nodes| nodes.contains_key(node)).count();
        of_node < COSIGNATURES_AHEAD_MAX || self.open.get(&kept.size).is_some_and(|nodes| nodes.contains_key(node))
    }

    fn add(&mut self, signed: Signed, certified: u64) {
        let (node, size) = (signed.kept.cosignature.node.clone(), signed.kept.size);
        let newest = self.newest.entry(node.clone()).or_default();
        *newest = (*newest).max(size);
        self.changed = true;
        // A certified size covers those below it.
        if size >= certified {
            self.open.entry(size).or_default().insert(node, signed);
        }
    }

    /// The note of the largest of these sizes that a quorum signed over our own root, of both sets where an epoch ends;
    /// none when nothing changed.
    fn certificate(
        &mut self,
        reader: &Reader,
        certified: u64,
        sizes: RangeInclusive<u64>,
        trust: &Trust,
    ) -> Result<Option<(u64, String)>, NodeError> {
        let again = std::mem::take(&mut self.changed);
        if sizes.is_empty() {
            return Ok(None);
        }
        for (size, nodes) in self.open.range(sizes).rev() {
            if *size == certified && !again {
                continue;
            }
            let root = reader.log_root(*size)?;
            let in_force = trust.in_force(*size);
            let over_root: Vec<&Signed> = nodes.values().filter(|signed| signed.kept.root == root).collect();
            if in_force
                .iter()
                .all(|membership| organisations(&over_root, membership, trust, *size) >= membership.quorum())
            {
                let checkpoint = Checkpoint { origin: trust.origin().to_owned(), size: *size, root };
                return Ok(Some((*size, note(&checkpoint, &over_root, &in_force))));
            }
        }
        Ok(None)
    }

    /// Drops sizes below a certified one: it covers them.
    fn forget_below(&mut self, size: u64) {
        self.open = self.open.split_off(&size);
    }

    fn newest_of(&self, organisation: &str) -> u64 {
        let of = self.newest.iter().filter(|(node, _)| organisation_of(node) == organisation);
        of.map(|(_, size)| *size).max().unwrap_or(0)
    }
}

/// How many organisations of a membership signed, each with the key it has there.
fn organisations(signed: &[&Signed], membership: &Membership, trust: &Trust, size: u64) -> usize {
    let of_it = signed.iter().filter(|signed| {
        let node = &signed.kept.cosignature.node;
        membership.node(node) == Some(&signed.keys) && trust.counts(&signed.keys.cosign, size)
    });
    of_it.map(|signed| organisation_of(&signed.kept.cosignature.node)).collect::<BTreeSet<_>>().len()
}

/// The checkpoint with the signatures by keys in force at its size; whoever is about to join has no line in it.
fn note(checkpoint: &Checkpoint, signed: &[&Signed], in_force: &[&Membership]) -> String {
    let counts = |signed: &&&Signed| {
        in_force.iter().any(|membership| membership.node(&signed.kept.cosignature.node) == Some(&signed.keys))
    };
    let signed: Vec<&&Signed> = signed.iter().filter(counts).collect();
    let log = signed.first().map(|signed| {
        let key = VerifierKey::log(&checkpoint.origin, signed.keys.log);
        NoteSignature { id: key.id(), name: key.name, signature: signed.kept.log_signature.to_vec() }
    });
    let cosigned = signed.iter().map(|signed| {
        let Signed { kept, keys } = signed;
        kept.cosignature.to_note_signature(&VerifierKey::cosigner(&kept.cosignature.node, keys.cosign))
    });
    Note { text: checkpoint.to_text(), signatures: log.into_iter().chain(cosigned).collect() }.to_string()
}

/// Answers a member that asks for cosignatures.
pub(crate) fn serve(reader: &Reader, body: Bytes) -> Result<Bytes, NodeError> {
    let Some(asked) = decode::<CosignaturesAsked>(body) else {
        return Ok(Bytes::new());
    };
    let found = reader.cosignatures(asked.from_size, COSIGNATURES_PULLED_MAX)?;
    Ok(encode(&CosignaturesFound { cosignatures: found.iter().map(CosignatureFrame::of).collect() }))
}
