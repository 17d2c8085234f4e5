//! Read a ledger: blocks, leaves, transactions, documents, history, certificates, proofs.

use super::Position;
use super::kv::{Kv, KvError};
use super::log::{Roots, tree_node};
use super::rows::*;
use super::state_tree::{STATE_HEIGHTS_KEPT, STATE_WRITES_KEPT, StateTrees};
use crate::execute::MEMBERS_CURRENT;
use crate::state::{IdUse, Version};
use crate::{Chain, LedgerError, Violation};
use countersign_proof::limits::{EPOCHS_MAX, HISTORY_VERSIONS_MAX};
use countersign_proof::{
    ConsistencyProof, EarlierVersion, Epoch, Genesis, Hash, HistoryProof, Leaf, LogTree, Membership, Proposal,
    PublicKey, Receipt, SealLeaf, StateProof, StateProofKind, TrustBundle, canonical, consistency_proof,
    inclusion_proof, log_root, state_key,
};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads a ledger database while its one writer appends. Every answer is of whole blocks.
#[derive(Clone)]
pub struct Reader {
    kv: Arc<dyn Kv>,
    genesis: Hash,
    roots: Arc<Roots>,
    states: StateTrees,
}

/// A transaction with what became of it.
#[derive(Debug, Clone)]
pub struct FoundTransaction {
    /// Where its leaf stands.
    pub leaf_index: u64,
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
    /// The block's height.
    pub height: u64,
    /// The transaction's bytes.
    pub bytes: Vec<u8>,
}

/// Why a transaction was rejected, in this node's words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RejectionDetail {
    /// Which operation; none when it is the transaction itself.
    pub operation: Option<u32>,
    /// One sentence.
    pub detail: String,
    /// Where a document breaks its schema.
    pub violations: Vec<Violation>,
    /// The id of the document that holds the unique key.
    pub existing: Option<String>,
}

/// One version that a block wrote.
#[derive(Debug, Clone)]
pub struct Change {
    /// The block's height.
    pub height: u64,
    /// Its order among the block's changes.
    pub order: u32,
    /// The leaf of the transaction that wrote it.
    pub leaf: u64,
    /// The version.
    pub version: Version,
}

/// A block as it is kept: its proposal, its leaves and the Raft entry it came in.
#[derive(Debug, Clone)]
pub struct StoredBlock {
    /// The proposal with its transactions; empty at height 0.
    pub proposal: Proposal,
    /// The index of the first leaf.
    pub first: u64,
    /// The bytes of the leaves, the seal last.
    pub leaves: Vec<Vec<u8>>,
    /// Where it stood in the Raft log.
    pub position: Position,
}

impl LogTree for Reader {
    type Error = KvError;

    fn node(&self, level: u32, index: u64) -> Result<Hash, KvError> {
        tree_node(&*self.kv, level, index)
    }
}

impl Reader {
    pub(crate) fn new(kv: Arc<dyn Kv>, genesis: Hash, roots: Arc<Roots>, states: StateTrees) -> Reader {
        Reader { kv, genesis, roots, states }
    }

    pub(super) fn kv(&self) -> &dyn Kv {
        &*self.kv
    }

    /// The genesis hash of the ledger.
    pub fn genesis(&self) -> Hash {
        self.genesis
    }

    /// The same, to borrow.
    pub fn genesis_ref(&self) -> &Hash {
        &self.genesis
    }

    /// Where the chain stands.
    pub fn chain(&self) -> Result<Chain, KvError> {
        let bytes = self.kv.get(META, TIP)?.ok_or(KvError::Corrupt { family: META, message: "no tip".into() })?;
        decode::<TipRow>(META, &bytes)?.chain()
    }

    /// Where the last Raft entry taken in stood; none before the first.
    pub fn position(&self) -> Result<Option<Position>, KvError> {
        let bytes = self.kv.get(META, TIP)?.ok_or(KvError::Corrupt { family: META, message: "no tip".into() })?;
        Ok(decode::<TipRow>(META, &bytes)?.position())
    }

    /// Who used this transaction id.
    pub fn find(&self, id: &Hash) -> Result<Option<IdUse>, KvError> {
        let Some(bytes) = self.kv.get(IDS, &id.0)? else {
            return Ok(None);
        };
        let row: IdRow = decode(IDS, &bytes)?;
        row.id_use(&self.need(LEAVES, &number_key(row.leaf))?).map(Some)
    }

    /// Whether a key has ever stood on this ledger.
    pub fn key_stands(&self, key: &PublicKey) -> Result<bool, KvError> {
        Ok(self.kv.get(KEYS, key.as_bytes())?.is_some())
    }

    /// A transaction that has a leaf.
    pub fn transaction(&self, id: &Hash) -> Result<Option<FoundTransaction>, KvError> {
        let Some(used) = self.find(id)? else {
            return Ok(None);
        };
        let leaf = self.need(LEAVES, &number_key(used.leaf))?;
        let bytes = self.need(TRANSACTIONS, &pair_key(used.height, used.position))?;
        Ok(Some(FoundTransaction { leaf_index: used.leaf, leaf, height: used.height, bytes }))
    }

    /// Why the transaction of this leaf was rejected; none when it was applied.
    pub fn rejection(&self, leaf: u64) -> Result<Option<RejectionDetail>, KvError> {
        let Some(bytes) = self.kv.get(REJECTIONS, &number_key(leaf))? else {
            return Ok(None);
        };
        let row: RejectionRow = decode(REJECTIONS, &bytes)?;
        let pairs = row.pointers.into_iter().zip(row.keywords);
        let violations = pairs.map(|(pointer, keyword)| Violation { pointer, keyword }).collect();
        Ok(Some(RejectionDetail { operation: row.operation, detail: row.detail, violations, existing: row.existing }))
    }

    /// A leaf's bytes.
    pub fn leaf(&self, index: u64) -> Result<Option<Vec<u8>>, KvError> {
        self.kv.get(LEAVES, &number_key(index))
    }

    /// The bytes of at most `limit` leaves from `first`.
    pub fn leaves(&self, first: u64, limit: usize) -> Result<Vec<Vec<u8>>, KvError> {
        let to = number_key(first.saturating_add(limit as u64));
        Ok(self.kv.scan(LEAVES, &number_key(first), &to, limit)?.into_iter().map(|(_, bytes)| bytes).collect())
    }

    /// The seal of a block.
    pub fn seal(&self, height: u64) -> Result<Option<SealLeaf>, KvError> {
        let Some(bytes) = self.kv.get(BLOCKS, &number_key(height))? else {
            return Ok(None);
        };
        let row: BlockRow = decode(BLOCKS, &bytes)?;
        let bytes = self.need(LEAVES, &number_key(row.first + row.leaves - 1))?;
        match Leaf::parse(&bytes) {
            Ok(Leaf::Seal(seal)) => Ok(Some(seal)),
            other => Err(KvError::Corrupt { family: LEAVES, message: format!("no seal of block {height}: {other:?}") }),
        }
    }

    /// Every epoch so far: the membership, and the size after which it is in force.
    ///
    /// # Errors
    /// When the store fails, or holds a membership document that does not have its form.
    pub fn epochs(&self) -> Result<Vec<Epoch>, KvError> {
        let corrupt = |message: String| KvError::Corrupt { family: HISTORY, message };
        let mut epochs = Vec::new();
        for version in self.history("$members", MEMBERS_CURRENT, 1, EPOCHS_MAX)? {
            let membership = Membership::parse(&canonical(&version.value)).map_err(|e| corrupt(e.to_string()))?;
            // Epoch 0 is in force from the first leaf; each other one above the block that brought it in.
            let after = match version.record.height {
                0 => 0,
                height => self.seal(height)?.ok_or_else(|| corrupt(format!("no block {height}")))?.tree_size(),
            };
            epochs.push(Epoch { membership, after });
        }
        Ok(epochs)
    }

    /// The trust bundle up to the last epoch whose change is certified: the genesis and each change.
    pub fn trust_bundle(&self, genesis: &Genesis) -> Result<TrustBundle, KvError> {
        let mut changes = Vec::new();
        for epoch in self.epochs()?.into_iter().skip(1) {
            // Exactly that size: it needs the quorum of both sets.
            let Some(note) = self.certificate_at(epoch.after)? else { break };
            let path = inclusion_proof(self, epoch.after - 1, epoch.after)?;
            let index = epoch.after - 1;
            let receipt = Receipt { leaf: self.need(LEAVES, &number_key(index))?, index, path, note };
            changes.push(countersign_proof::Change { members: epoch.membership, seal: receipt.to_string() });
        }
        Ok(TrustBundle::new(genesis, changes))
    }

    /// A whole block.
    pub fn block(&self, height: u64) -> Result<Option<StoredBlock>, KvError> {
        let Some(bytes) = self.kv.get(BLOCKS, &number_key(height))? else {
            return Ok(None);
        };
        let row: BlockRow = decode(BLOCKS, &bytes)?;
        let (from, to) = (pair_key(height, 0), pair_key(height, row.transactions));
        let transactions = self.kv.scan(TRANSACTIONS, &from, &to, row.transactions as usize)?;
        let proposal = Proposal {
            header: row.header,
            signature: row.signature,
            transactions: transactions.into_iter().map(|(_, bytes)| bytes).collect(),
        };
        let leaves = self.leaves(row.first, row.leaves as usize)?;
        let position = Position { term: row.raft_term, index: row.raft_index };
        Ok(Some(StoredBlock { proposal, first: row.first, leaves, position }))
    }

    /// The Raft position of a block, without the block.
    pub fn position_of(&self, height: u64) -> Result<Option<Position>, KvError> {
        let row = self.kv.get(BLOCKS, &number_key(height))?;
        let row = row.map(|bytes| decode::<BlockRow>(BLOCKS, &bytes)).transpose()?;
        Ok(row.map(|row| Position { term: row.raft_term, index: row.raft_index }))
    }

    /// The newest version of a document, be it a deletion.
    pub fn document(&self, collection: &str, id: &str) -> Result<Option<Version>, KvError> {
        let row = self.newest_row(collection, id)?;
        row.map(|row| row.version(DOCUMENTS, collection, id)).transpose()
    }

    fn newest_row(&self, collection: &str, id: &str) -> Result<Option<VersionRow>, KvError> {
        let row = self.kv.get(DOCUMENTS, &document_key(collection, id))?;
        row.map(|bytes| decode(DOCUMENTS, &bytes)).transpose()
    }

    /// One version of a document.
    pub fn version(&self, collection: &str, id: &str, version: u64) -> Result<Option<Version>, KvError> {
        // The newest is read first: whatever it replaced stands in the history by then, and does not move again.
        let Some(newest) = self.newest_row(collection, id)? else {
            return Ok(None);
        };
        match version.cmp(&newest.version) {
            Ordering::Less => self.replaced(collection, id, version),
            Ordering::Equal => newest.version(DOCUMENTS, collection, id).map(Some),
            Ordering::Greater => Ok(None),
        }
    }

    /// A version that a later one has replaced.
    fn replaced(&self, collection: &str, id: &str, version: u64) -> Result<Option<Version>, KvError> {
        let row = self.kv.get(HISTORY, &history_key(collection, id, version))?;
        row.map(|bytes| decode::<VersionRow>(HISTORY, &bytes)?.version(HISTORY, collection, id)).transpose()
    }

    /// The version of a document that was the newest after the block at `height`.
    pub fn document_at(&self, collection: &str, id: &str, height: u64) -> Result<Option<Version>, KvError> {
        let Some(newest) = self.document(collection, id)? else {
            return Ok(None);
        };
        if newest.record.height <= height {
            return Ok(Some(newest));
        }
        // Heights grow with versions: the last version whose height is not above.
        let (mut low, mut high) = (0, newest.record.version);
        let mut found = None;
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            let version = self.replaced(collection, id, middle)?;
            match version.filter(|version| version.record.height <= height) {
                Some(version) => (low, found) = (middle, Some(version)),
                None => high = middle,
            }
        }
        Ok(found)
    }

    /// At most `limit` documents of a collection with ids after `after`, by id, deletions left out; and the id to
    /// go on after when there may be more.
    pub fn documents(
        &self,
        collection: &str,
        after: &str,
        limit: usize,
    ) -> Result<(Vec<Version>, Option<String>), KvError> {
        let mut from = [&document_key(collection, after)[..], b"\0"].concat();
        if after.is_empty() {
            from.pop();
        }
        let to = [collection.as_bytes(), b"\x01"].concat();
        let mut alive = Vec::new();
        // One more than asked for, so that "more" is never an empty promise.
        while alive.len() <= limit {
            let rows = self.kv.scan(DOCUMENTS, &from, &to, limit + 1)?;
            let full = rows.len() > limit;
            for (key, bytes) in rows {
                let row: VersionRow = decode(DOCUMENTS, &bytes)?;
                let version = row.version(DOCUMENTS, collection, id_in(collection, &key)?)?;
                from = [&key[..], b"\0"].concat();
                if version.value.is_some() {
                    alive.push(version);
                }
            }
            if !full {
                break;
            }
        }
        let more = alive.len() > limit;
        alive.truncate(limit);
        let next = alive.last().filter(|_| more).map(|version| version.record.id.clone());
        Ok((alive, next))
    }

    /// The next `limit` ids of a collection after `after`, each with its document as it was after the block at `height`:
    /// none where it was not there yet or was deleted. Reads `limit` documents at the most, whatever became of them.
    pub fn documents_at(
        &self,
        collection: &str,
        after: &str,
        height: u64,
        limit: usize,
    ) -> Result<Vec<(String, Option<Version>)>, KvError> {
        let mut from = document_key(collection, after);
        // An id has one byte at least, so that nothing lies under the empty one.
        from.push(0);
        let to = [collection.as_bytes(), b"\x01"].concat();
        let mut found = Vec::new();
        for (key, bytes) in self.kv.scan(DOCUMENTS, &from, &to, limit)? {
            let id = id_in(collection, &key)?.to_owned();
            let newest = decode::<VersionRow>(DOCUMENTS, &bytes)?.version(DOCUMENTS, collection, &id)?;
            let then = match newest.record.height <= height {
                true => Some(newest),
                false => self.document_at(collection, &id, height)?,
            };
            found.push((id, then.filter(|version| version.value.is_some())));
        }
        Ok(found)
    }

    /// The greatest height whose block's time is at or before this; none before genesis.
    pub fn height_at(&self, time_ms: u64) -> Result<Option<u64>, KvError> {
        let (mut low, mut high) = (0, self.chain()?.height + 1);
        let time = |height| Ok::<_, KvError>(self.seal(height)?.map_or(u64::MAX, |seal| seal.time));
        if time(0)? > time_ms {
            return Ok(None);
        }
        // Times grow with heights: the block at `low` is not after, that at `high` is, or is none.
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if time(middle)? <= time_ms { low = middle } else { high = middle }
        }
        Ok(Some(low))
    }

    /// At most `limit` versions of a document from version `from`, oldest first.
    pub fn history(&self, collection: &str, id: &str, from: u64, limit: usize) -> Result<Vec<Version>, KvError> {
        let Some(newest) = self.newest_row(collection, id)?.filter(|newest| from <= newest.version) else {
            return Ok(Vec::new());
        };
        // Up to the newest that was read and no further: a block may be replacing it.
        let (from, to) = (history_key(collection, id, from), history_key(collection, id, newest.version));
        let rows = self.kv.scan(HISTORY, &from, &to, limit)?;
        let rows = rows.iter().map(|(_, bytes)| decode(HISTORY, bytes)).chain([Ok(newest)]).take(limit);
        rows.map(|row: Result<VersionRow, _>| row?.version(HISTORY, collection, id)).collect()
    }

    /// At most `limit` changes of blocks up to `last_height`, from (height, order) on.
    pub fn changes(&self, height: u64, order: u32, last_height: u64, limit: usize) -> Result<Vec<Change>, KvError> {
        let to = pair_key(last_height.saturating_add(1), 0);
        let rows = self.kv.scan(CHANGES, &pair_key(height, order), &to, limit)?;
        rows.into_iter().map(|(key, bytes)| self.change(&key, &bytes)).collect()
    }

    pub(super) fn change(&self, key: &[u8], bytes: &[u8]) -> Result<Change, KvError> {
        let corrupt = |message: &str| KvError::Corrupt { family: CHANGES, message: message.to_owned() };
        let row: ChangeRow = decode(CHANGES, bytes)?;
        let (height, order) = key.split_first_chunk::<8>().ok_or_else(|| corrupt("a short key"))?;
        let order = order.try_into().map_err(|_| corrupt("a short key"))?;
        let version = self.version(&row.collection, &row.id, row.version)?;
        Ok(Change {
            height: u64::from_be_bytes(*height),
            order: u32::from_be_bytes(order),
            leaf: row.leaf,
            version: version.ok_or_else(|| corrupt("a change without its version"))?,
        })
    }

    /// What was the record of each document after `height` that was written from then until after `last`.
    fn records_before(&self, height: u64, last: u64) -> Result<BTreeMap<Hash, Option<Hash>>, KvError> {
        let mut before = BTreeMap::new();
        for change in self.changes(height + 1, 0, last, usize::MAX)? {
            let record = change.version.record;
            before.entry(record.state_key()).or_insert(record.previous);
        }
        Ok(before)
    }

    /// Whether the state after `height` can be proved: it is one of the newest [`STATE_HEIGHTS_KEPT`], and no more than
    /// [`STATE_WRITES_KEPT`] versions were written since.
    pub fn proves_state_at(&self, height: u64) -> Result<bool, KvError> {
        let tip = self.chain()?.height;
        if height.saturating_add(STATE_HEIGHTS_KEPT) <= tip {
            return Ok(false);
        }
        let Some(nearest) = self.states.nearest(height).filter(|nearest| *nearest > height) else { return Ok(true) };
        let (from, to) = (pair_key(height + 1, 0), pair_key(nearest + 1, 0));
        Ok(self.kv.scan(CHANGES, &from, &to, STATE_WRITES_KEPT + 1)?.len() <= STATE_WRITES_KEPT)
    }

    /// The root over the first `size` leaves.
    pub fn log_root(&self, size: u64) -> Result<Hash, KvError> {
        match self.roots.get(size) {
            Some(root) => Ok(root),
            None => log_root(self, size),
        }
    }

    /// The receipt of a leaf, under the smallest certified checkpoint that covers it; none while none does.
    pub fn receipt(&self, index: u64) -> Result<Option<Receipt>, KvError> {
        self.receipt_from(index, 0)
    }

    /// The same, under the smallest certified checkpoint of `size` or more.
    pub fn receipt_from(&self, index: u64, size: u64) -> Result<Option<Receipt>, KvError> {
        let Some((size, note)) = self.certificate_from(size.max(index.saturating_add(1)))? else {
            return Ok(None);
        };
        let path = inclusion_proof(self, index, size)?;
        Ok(Some(Receipt { leaf: self.need(LEAVES, &number_key(index))?, index, path, note }))
    }

    /// A proof of what the state after `height` holds under a document; none while the seal is not certified.
    pub fn state_proof(&self, collection: &str, id: &str, height: u64) -> Result<Option<StateProof>, LedgerError> {
        let Some(seal) = self.seal(height)? else {
            return Ok(None);
        };
        let Some(receipt) = self.receipt(seal.index())? else {
            return Ok(None);
        };
        if !self.proves_state_at(height)? {
            return Err(LedgerError::StateTree(format!("height {height} is too far back to be proved")));
        }
        let before = |last| self.records_before(height, last);
        let key = state_key(collection, id);
        let Some((end, siblings)) = self.states.way(&*self.kv, height, &seal.state, &key, before)? else {
            return Ok(None);
        };
        let version = self.document_at(collection, id, height)?;
        let neighbour = end.filter(|_| version.is_none());
        let (record, salt, value) = match version {
            Some(version) => (Some(version.record), version.salt, version.value.map(Arc::unwrap_or_clone)),
            None => (None, None, None),
        };
        let seal = receipt.to_string();
        Ok(Some(StateProof { kind: StateProofKind::StateProof, neighbour, record, salt, seal, siblings, v: 1, value }))
    }

    /// A proof that a list of versions written between two heights is complete; `from <= to`. None while `to` is not
    /// certified, or when it would hold more than [`HISTORY_VERSIONS_MAX`] versions: ask for fewer heights then.
    pub fn history_proof(
        &self,
        collection: &str,
        id: &str,
        from: u64,
        to: u64,
        height: u64,
    ) -> Result<Option<HistoryProof>, LedgerError> {
        let Some(state) = self.state_proof(collection, id, height)? else {
            return Ok(None);
        };
        let mut earlier = Vec::new();
        let mut after = state.record.clone();
        while let Some(record) = after.filter(|record| record.height >= from && record.previous.is_some()) {
            if earlier.len() == HISTORY_VERSIONS_MAX {
                return Ok(None);
            }
            let missing = || KvError::Corrupt { family: HISTORY, message: format!("{id}: a version is missing") };
            let before = self.replaced(collection, id, record.version - 1)?.ok_or_else(missing)?;
            let within = from <= before.record.height && before.record.height <= to;
            let (salt, value) =
                if within { (before.salt, before.value.map(Arc::unwrap_or_clone)) } else { (None, None) };
            after = Some(before.record.clone());
            earlier.push(EarlierVersion { record: before.record, salt, value });
        }
        Ok(Some(HistoryProof { earlier, from, kind: "history-proof".into(), state, to, v: 1 }))
    }

    /// A proof that joins the smallest certified checkpoints of `old` and `new` or more; none while one is not there.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Option<ConsistencyProof>, KvError> {
        let (Some((old, old_note)), Some((new, new_note))) = (self.certificate_from(old)?, self.certificate_from(new)?)
        else {
            return Ok(None);
        };
        if old == 0 || old > new {
            return Ok(None);
        }
        Ok(Some(ConsistencyProof::new(old_note, new_note, consistency_proof(self, old, new)?)))
    }

    pub(super) fn need(&self, family: super::kv::Family, key: &[u8]) -> Result<Vec<u8>, KvError> {
        let missing = || KvError::Corrupt { family, message: format!("nothing under {}", hex::encode(key)) };
        self.kv.get(family, key)?.ok_or_else(missing)
    }
}
