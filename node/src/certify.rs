//! Certify: gather cosignatures until a quorum of organisations signed one checkpoint of our log.

use crate::NodeError;
use crate::cursors::{Applied, Certified};
use crate::frames::{CosignatureFrame, CosignaturesAsked, CosignaturesFound, decode, encode};
use crate::frames::{SERVICE_COSIGNATURE, SERVICE_COSIGNATURES};
use crate::limits::{COSIGNATURES_AHEAD_MAX, COSIGNATURES_PULLED_MAX};
use crate::members::Members;
use bytes::Bytes;
use countersign_ledger::store::{KeptCosignature, Reader};
use countersign_p2p::{Lane, Transport};
use countersign_proof::{Checkpoint, Hash, Leaf, Note, NoteSignature, VerifierKey, organisation_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

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
    pub(crate) reader: Reader,
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) transport: Transport,
    pub(crate) certified: watch::Sender<Certified>,
    pub(crate) cosigned: watch::Sender<Arc<BTreeMap<String, u64>>>,
    pub(crate) node: String,
    pub(crate) origin: String,
    pub(crate) tally: Tally,
}

/// Cosignatures by size, and how far each node has signed.
#[derive(Default)]
pub(crate) struct Tally {
    /// Of sizes above the certified one, or ahead of our own log.
    open: BTreeMap<u64, BTreeMap<String, KeptCosignature>>,
    /// The largest size each node has cosigned, for status and for `everyone`.
    newest: BTreeMap<String, u64>,
    /// Something was added since the last look.
    changed: bool,
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
                    self.keep(own)?;
                }
                other = self.others.recv() => {
                    let Some(other) = other else { return Ok(()) };
                    self.keep(other)?;
                    while let Ok(other) = self.others.try_recv() {
                        self.keep(other)?;
                    }
                }
                changed = self.applied.changed() => if changed.is_err() { return Ok(()) },
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
            self.tally.add(kept, from);
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

    /// Keeps a cosignature by a voter that holds, ours or another's.
    fn keep(&mut self, kept: KeptCosignature) -> Result<(), NodeError> {
        let known = self.tally.holds(&kept);
        if known || !self.holds(&kept) || !self.tally.has_room(&kept) {
            return Ok(());
        }
        if kept.size <= self.applied.borrow().chain.size {
            let root = self.reader.log_root(kept.size)?;
            if root != kept.root {
                let node = &kept.cosignature.node;
                tracing::error!(node, size = kept.size, theirs = %kept.root, ours = %root, "a cosignature contradicts our log");
                return Ok(());
            }
        }
        self.reader.put_cosignature(&kept)?;
        self.tally.add(kept, self.certified.borrow().size);
        Ok(())
    }

    fn holds(&self, kept: &KeptCosignature) -> bool {
        let members = self.members.borrow();
        let Some(keys) = members.membership.node(&kept.cosignature.node) else {
            return false;
        };
        let checkpoint = Checkpoint { origin: self.origin.clone(), size: kept.size, root: kept.root };
        let cosigned = checkpoint.cosigned_message(kept.cosignature.time);
        keys.cosign.verify_strict(&cosigned, &kept.cosignature.signature)
            && keys.log.verify_strict(checkpoint.to_text().as_bytes(), &kept.log_signature)
    }

    /// Certifies the largest size within our log that a quorum signed, or adds late signatures to the certified one.
    fn certify(&mut self) -> Result<(), NodeError> {
        let applied = self.applied.borrow_and_update().chain.size;
        let members = self.members.borrow().clone();
        let certified = self.certified.borrow().size;
        let Some((size, note)) = self.tally.certificate(&self.reader, certified, applied, &self.origin, &members)?
        else {
            return Ok(());
        };
        // Durable before anyone is told. A crash before it loses nothing: the cosignatures can be pulled again.
        self.reader.put_certificate(size, &note)?;
        if size > certified {
            self.reader.sync()?;
            self.tally.forget_below(size);
        }
        self.publish(size)
    }

    fn publish(&mut self, size: u64) -> Result<(), NodeError> {
        let bytes = self.reader.leaf(size - 1)?.ok_or_else(|| NodeError::Halted(format!("no leaf {}", size - 1)))?;
        let seal = match Leaf::parse(&bytes) {
            Ok(Leaf::Seal(seal)) => seal,
            other => return Err(NodeError::Halted(format!("a checkpoint of size {size} ends in {other:?}"))),
        };
        let index = self.reader.block(seal.height)?.map_or(0, |block| block.position.index);
        let members = self.members.borrow().clone();
        let organisations = members.membership.organisations.keys();
        let everyone = organisations.map(|name| self.tally.newest_of(name)).min().unwrap_or(0);
        let before = *self.certified.borrow();
        let now = Certified { index, height: seal.height, size, everyone: everyone.max(before.everyone) };
        assert!(now.size >= before.size, "certified never goes back: {before:?} to {now:?}");
        if now != before {
            self.certified.send_replace(now);
            self.cosigned.send_replace(Arc::new(self.tally.newest.clone()));
        }
        Ok(())
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
            let (body, pulled) = (body.clone(), self.pulled.clone());
            tokio::spawn(async move {
                let call = transport.call(&name, Lane::Control, SERVICE_COSIGNATURES, body, PULL_DEADLINE);
                let found: Option<CosignaturesFound> = call.await.ok().and_then(decode);
                for frame in found.map(|found| found.cosignatures).unwrap_or_default() {
                    if let Some(kept) = frame.parse() {
                        // A full queue: the next pull brings it.
                        drop(pulled.try_send(kept));
                    }
                }
            });
        }
    }
}

impl Tally {
    fn holds(&self, kept: &KeptCosignature) -> bool {
        let held = self.open.get(&kept.size).and_then(|nodes| nodes.get(&kept.cosignature.node));
        held.is_some_and(|held| held.root == kept.root && held.cosignature.time >= kept.cosignature.time)
    }

    fn has_room(&self, kept: &KeptCosignature) -> bool {
        self.open.len() < COSIGNATURES_AHEAD_MAX || self.open.contains_key(&kept.size)
    }

    fn add(&mut self, kept: KeptCosignature, certified: u64) {
        let node = kept.cosignature.node.clone();
        let newest = self.newest.entry(node.clone()).or_default();
        *newest = (*newest).max(kept.size);
        self.changed = true;
        // A certified size covers those below it.
        if kept.size >= certified {
            self.open.entry(kept.size).or_default().insert(node, kept);
        }
    }

    /// The note of the largest size in `certified..=applied` that a quorum signed over our own root; none when
    /// nothing changed.
    fn certificate(
        &mut self,
        reader: &Reader,
        certified: u64,
        applied: u64,
        origin: &str,
        members: &Members,
    ) -> Result<Option<(u64, String)>, NodeError> {
        let again = std::mem::take(&mut self.changed);
        for (size, nodes) in self.open.range(certified.max(1)..=applied).rev() {
            if *size == certified && !again {
                continue;
            }
            let root = reader.log_root(*size)?;
            let signing: Vec<&KeptCosignature> = nodes.values().filter(|kept| kept.root == root).collect();
            let organisations: BTreeSet<&str> =
                signing.iter().map(|kept| organisation_of(&kept.cosignature.node)).collect();
            if organisations.len() >= members.membership.quorum() {
                return Ok(Some((*size, note(origin, *size, root, &signing, members))));
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

fn note(origin: &str, size: u64, root: Hash, signing: &[&KeptCosignature], members: &Members) -> String {
    let checkpoint = Checkpoint { origin: origin.to_owned(), size, root };
    let log = signing.first().and_then(|kept| {
        let key = VerifierKey::log(origin, members.membership.node(&kept.cosignature.node)?.log);
        Some(NoteSignature { id: key.id(), name: key.name, signature: kept.log_signature.to_vec() })
    });
    let cosigned = signing.iter().filter_map(|kept| {
        let node = &kept.cosignature.node;
        let key = VerifierKey::cosigner(node, members.membership.node(node)?.cosign);
        Some(kept.cosignature.to_note_signature(&key))
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
