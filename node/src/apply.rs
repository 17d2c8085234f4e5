//! Apply: judge, verify and execute what was committed, and write the block.

use crate::NodeError;
use crate::catch_up::CatchUp;
use crate::cursors::{Applied, Epochs};
use crate::verifier::{Fault, Verifier};
use bytes::Bytes;
use countersign_consensus::{Committed, Entry};
use countersign_ledger::store::{Appended, Ledger, Position, Reader};
use countersign_ledger::{Judged, Skip, open};
use countersign_proof::{Checkpoint, Membership, Transaction, Trust, canonical};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// A block that was written, for the sign station.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) height: u64,
    pub(crate) index: u64,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) epochs: Arc<Epochs>,
}

impl Sealed {
    /// Whether an epoch ends here: exactly this size must be signed, and nothing above it before both sets have.
    pub(crate) fn ends_epoch(&self) -> bool {
        self.epochs.trust.in_force(self.checkpoint.size).len() > 1
    }
}

pub(crate) struct Apply {
    pub(crate) ledger: Ledger,
    pub(crate) committed: mpsc::Receiver<Committed>,
    pub(crate) verifier: Verifier,
    pub(crate) applied: watch::Sender<Applied>,
    pub(crate) appended: watch::Receiver<u64>,
    pub(crate) sealed: mpsc::Sender<Sealed>,
    pub(crate) catch_up: CatchUp,
    pub(crate) origin: String,
}

/// What `applied` starts from.
pub(crate) fn starting_point(ledger: &Ledger, origin: &str) -> Result<Applied, NodeError> {
    Ok(Applied {
        position: ledger.position(),
        chain: ledger.chain().clone(),
        log_root: ledger.log_root(),
        skipped_term: 0,
        governed_height: 0,
        epochs: Arc::new(read_epochs(&ledger.reader(), origin)?),
    })
}

/// The epochs that the ledger has executed.
pub(crate) fn read_epochs(reader: &Reader, origin: &str) -> Result<Epochs, NodeError> {
    let trust = Trust::executed(origin, reader.epochs()?);
    let next = reader.document("$members", "next")?.and_then(|version| version.value);
    let next = next.map(|value| Membership::parse(&canonical(&value))).transpose();
    Ok(Epochs { trust, next: next.map_err(|e| NodeError::Halted(e.to_string()))? })
}

impl Apply {
    pub(crate) async fn run(mut self) -> Result<(), NodeError> {
        while let Some(Committed { position, entry }) = self.committed.recv().await {
            let position = Position { term: position.term, index: position.index };
            // After a catch-up that went further than asked, entries come that are in the ledger already.
            if self.ledger.position().is_some_and(|at| position.index <= at.index)
                && !matches!(entry, Entry::CatchUp { .. })
            {
                continue;
            }
            // openraft does not wait for our own flush; consensus does, and this is where it matters.
            let appended = *self.appended.borrow();
            assert!(position.index <= appended || matches!(entry, Entry::CatchUp { .. }), "applied <= appended");
            match entry {
                Entry::Blank | Entry::Membership => self.pass(position)?,
                Entry::Proposal(bytes) => self.apply(position, bytes).await?,
                Entry::CatchUp { to, done } => {
                    self.catch_up(Position { term: to.term, index: to.index }).await?;
                    drop(done.send(Ok(())));
                }
            }
        }
        Ok(())
    }

    fn pass(&mut self, position: Position) -> Result<(), NodeError> {
        self.ledger.pass(position)?;
        self.publish(|_| {});
        Ok(())
    }

    async fn apply(&mut self, position: Position, bytes: Bytes) -> Result<(), NodeError> {
        match self.judge(position.term, &bytes).await? {
            Ok(judged) => self.append(position, judged).await.map(drop),
            Err(skip) => {
                tracing::warn!(index = position.index, term = position.term, %skip, "proposal skipped");
                self.ledger.pass(position)?;
                self.publish(|applied| applied.skipped_term = position.term);
                Ok(())
            }
        }
    }

    /// The verdict that every node reaches alike.
    async fn judge(&mut self, term: u64, bytes: &[u8]) -> Result<Result<Judged, Skip>, NodeError> {
        let (membership, limits) = self.ledger.in_force()?;
        let mut opened = match open(bytes, term, self.ledger.chain(), &self.origin, &membership, &limits) {
            Ok(opened) => opened,
            Err(skip) => return Ok(Err(skip)),
        };
        let transactions = std::mem::take(&mut opened.transactions);
        let read = read_all(&self.verifier, transactions, limits.transaction_bytes as usize).await;
        Ok(read.and_then(|transactions| opened.with(transactions)))
    }

    async fn append(&mut self, position: Position, judged: Judged) -> Result<Appended, NodeError> {
        // On disk now: the entry, synced. After the write below: the block and its Raft position, together, unsynced;
        // a crash takes both back and the entry is applied again from the log.
        let appended = self.ledger.append(position, judged)?;
        let wrote =
            |collection: &str| appended.block.versions.iter().any(|w| w.version.record.collection == collection);
        let governs = appended.block.versions.iter().any(|w| w.version.record.collection.starts_with('$'));
        let epochs = wrote("$members").then(|| read_epochs(&self.ledger.reader(), &self.origin)).transpose()?;
        let height = appended.seal.height;
        tracing::debug!(height, index = position.index, leaves = appended.seal.leaves, "block applied");
        self.publish(|applied| {
            if governs {
                applied.governed_height = height;
            }
            if let Some(epochs) = epochs {
                applied.epochs = Arc::new(epochs);
            }
        });
        let epochs = self.applied.borrow().epochs.clone();
        let checkpoint =
            Checkpoint { origin: self.origin.clone(), size: appended.seal.tree_size(), root: appended.log_root };
        // A full queue makes execution wait for signing; a closed one means that the node is stopping.
        drop(self.sealed.send(Sealed { height, index: position.index, checkpoint, epochs }).await);
        Ok(appended)
    }

    fn publish(&self, change: impl FnOnce(&mut Applied)) {
        let (position, chain, log_root) = (self.ledger.position(), self.ledger.chain().clone(), self.ledger.log_root());
        self.applied.send_modify(|applied| {
            assert!(position >= applied.position && chain.height >= applied.chain.height, "applied never goes back");
            applied.position = position;
            applied.chain = chain;
            applied.log_root = log_root;
            change(applied);
        });
    }

    /// Fetches blocks from members and executes them until the ledger stands at `to` or beyond.
    async fn catch_up(&mut self, to: Position) -> Result<(), NodeError> {
        tracing::info!(to_index = to.index, from_height = self.ledger.chain().height, "catching up from members");
        loop {
            let before = self.ledger.chain().height;
            let applied = self.applied.borrow().clone();
            let found = self.catch_up.fetch(&applied).await;
            for block in found.blocks {
                if block.position().index > to.index {
                    return self.caught_up(to);
                }
                if !self.take(block).await? {
                    break;
                }
            }
            // A member that is itself before `to` may have no more blocks, and a certificate of an earlier one: that
            // is not the end, and whoever took it for the end would leave out what was committed in between.
            let no_more = self.ledger.chain().height == before && found.applied_index >= to.index;
            if no_more && self.catch_up.reached(&self.applied.borrow()) {
                return self.caught_up(to);
            }
        }
    }

    /// Executes one fetched block and compares its seal; false when it does not follow, or is no block at all.
    async fn take(&mut self, block: crate::frames::BlockFrame) -> Result<bool, NodeError> {
        let position = block.position();
        let bytes = block.proposal.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default();
        match self.judge(position.term, &bytes).await? {
            Ok(judged) => {
                let appended = self.append(position, judged).await?;
                let (height, size) = (appended.seal.height, appended.seal.tree_size());
                // The member's seal is nobody's signed word: what counts is the certificate at the end.
                if countersign_proof::Leaf::Seal(appended.seal).to_bytes() != block.seal {
                    tracing::error!(height, "a member gave a true proposal with a false seal");
                }
                let certified = self.applied.borrow().epochs.trust.certify(&block.certificate);
                if certified.is_ok_and(|certified| certified.checkpoint().size == size) {
                    self.ledger.reader().put_certificate(size, &block.certificate)?;
                }
                Ok(true)
            }
            Err(skip) => {
                tracing::warn!(%skip, "a member gave a false block");
                Ok(false)
            }
        }
    }

    fn caught_up(&mut self, to: Position) -> Result<(), NodeError> {
        if self.ledger.position().is_none_or(|at| at.index < to.index) {
            self.ledger.pass(to)?;
        }
        self.ledger.sync()?;
        self.publish(|_| {});
        tracing::info!(height = self.ledger.chain().height, "caught up");
        Ok(())
    }
}

/// The transactions, when all have their form and all their signatures hold.
async fn read_all(
    verifier: &Verifier,
    transactions: Vec<Vec<u8>>,
    bytes_max: usize,
) -> Result<Vec<Arc<Transaction>>, Skip> {
    let sorted = loop {
        match verifier.verify_block(transactions.clone(), bytes_max).await {
            Some(sorted) => break sorted,
            // Too many jobs wait: this one must not be refused, so it asks again.
            None => tokio::time::sleep(std::time::Duration::from_millis(1)).await,
        }
    };
    let judged = sorted.into_iter().enumerate().map(|(at, read)| match read {
        Ok(verified) => Ok(verified.shared()),
        Err(Fault::Malformed(reason)) => Err(Skip::Malformed(reason)),
        Err(Fault::Signature) => Err(Skip::Signature(at)),
    });
    judged.collect()
}
