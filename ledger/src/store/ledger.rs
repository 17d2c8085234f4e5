//! Append blocks to the ledger on disk: one atomic write each.

use super::Position;
use super::cache_size::CacheSize;
use super::kv::{Batch, Kv, KvError};
use super::log::{LogEdge, Roots};
use super::reader::Reader;
use super::rocks::{RocksKv, Rows};
use super::rows::*;
use super::state_tree::{StateTree, Write};
use crate::execute::{Fate, MEMBERS_CURRENT, Writer};
use crate::index::{IndexChanges, Move, Place};
use crate::rejection::Rejection;
use crate::state::{IdUse, Written};
use crate::{Block, Chain, Definition, Executor, Judged, LedgerError, StateReader, Version};
use countersign_proof::{
    Genesis, GenesisLeaf, Hash, Leaf, Limits, Membership, PublicKey, SealLeaf, VersionRecord, leaf_hash, state_key,
};
use prost::Message;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The one writer of a ledger database.
pub struct Ledger {
    kv: Arc<dyn Kv>,
    genesis: Hash,
    executor: Executor,
    log: LogEdge,
    roots: Arc<Roots>,
    state: StateTree,
    chain: Chain,
    position: Option<Position>,
}

/// A block on disk.
#[derive(Debug)]
pub struct Appended {
    /// The seal.
    pub seal: SealLeaf,
    /// The root of the log up to and with the seal.
    pub log_root: Hash,
    /// What execution decided.
    pub block: Block,
}

/// The database of a ledger in this folder.
pub fn open_database(path: &Path, cache: CacheSize) -> Result<RocksKv, KvError> {
    let rows = |family| Rows { kept: true, sought: SOUGHT.contains(&family), hashes: HASHES.contains(&family) };
    RocksKv::open_with(path, &FAMILIES, cache.rows_bytes(), rows)
}

impl Ledger {
    /// Opens the ledger of `genesis` in this database, writing block 0 when it is empty.
    pub fn open(kv: Arc<dyn Kv>, genesis: &Genesis) -> Result<Ledger, LedgerError> {
        let Some(bytes) = kv.get(META, TIP)? else {
            return Ledger::found(kv, genesis);
        };
        let tip: TipRow = decode(META, &bytes)?;
        if tip.layout != LAYOUT {
            return Err(LedgerError::Layout { found: tip.layout.max(1), implemented: LAYOUT });
        }
        if tip.genesis != genesis.hash().0 {
            let found = hex::encode(&tip.genesis);
            return Err(LedgerError::Genesis(format!("the database is of {found}, not of {}", genesis.hash())));
        }
        let log = LogEdge::load(&*kv, tip.size)?;
        let chain = tip.chain()?;
        let position = tip.position();
        let state = StateTree::open(&*kv, chain.height, state_root(&*kv, &chain)?, keys_since(&*kv, &tip)?)?;
        let (genesis, executor) = (genesis.hash(), Executor::new(genesis.origin()));
        Ok(Ledger { kv, genesis, executor, log, roots: Arc::default(), state, chain, position })
    }

    /// Keeps so much of the state in memory.
    pub fn with_cache(mut self, cache: CacheSize) -> Ledger {
        self.state.keep_loaded(cache.state_bytes());
        self
    }

    fn found(kv: Arc<dyn Kv>, genesis: &Genesis) -> Result<Ledger, LedgerError> {
        for (name, collection) in &genesis.document().collections {
            Definition::compile(collection).map_err(|e| LedgerError::Genesis(format!("collection {name}: {e}")))?;
        }
        let hash = genesis.hash();
        let chain = Chain { height: 0, digest: hash, time: genesis.document().time, size: 0, seal: hash };
        let log = LogEdge::load(&*kv, 0)?;
        let (executor, state) = (Executor::new(genesis.origin()), StateTree::empty());
        let roots = Arc::default();
        let mut ledger = Ledger { kv, genesis: hash, executor, log, roots, state, chain, position: None };
        ledger.append_genesis(genesis)?;
        Ok(ledger)
    }

    fn append_genesis(&mut self, genesis: &Genesis) -> Result<(), LedgerError> {
        let hash = genesis.hash();
        let writer = Writer { leaf: 0, height: 0, transaction: hash, nonce: &hash.0[..16] };
        let first_version = |(collection, id, bytes): (&str, String, Vec<u8>)| {
            let value = serde_json::from_slice(&bytes).expect("ours");
            writer.next_version(None, collection, &id, Some((value, bytes.into())))
        };
        let versions: Vec<Written> = genesis.first_documents().into_iter().map(first_version).collect();
        let mut batch = Batch::default();
        let state = self.put_versions(0, &versions, &mut batch)?;
        let members = genesis.membership().hash();
        let seal = SealLeaf {
            first: 0,
            height: 0,
            leaves: 2,
            members,
            next_members: members,
            previous: hash,
            proposal: hash,
            proposer: None,
            rules: genesis.document().rules,
            state,
            term: 0,
            time: genesis.document().time,
            v: 1,
        };
        genesis_keys(genesis).for_each(|key| batch.put(KEYS, *key.as_bytes(), Vec::new()));
        let leaves = [Leaf::Genesis(GenesisLeaf { genesis: hash, v: 1 }).to_bytes()];
        self.put_leaves(0, &leaves, &seal, &mut batch);
        let row = BlockRow { first: 0, leaves: 2, ..BlockRow::default() };
        batch.put(BLOCKS, number_key(0), row.encode_to_vec());
        self.finish(seal, hash, None, batch)?;
        self.kv.sync()?;
        Ok(())
    }

    /// A handle to read with; any number, on any thread.
    pub fn reader(&self) -> Reader {
        Reader::new(self.kv.clone(), self.genesis, self.roots.clone(), self.state.trees())
    }

    /// Where the chain stands.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The Raft position of the last entry taken in; none at genesis.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The root of the whole log.
    pub fn log_root(&self) -> Hash {
        self.log.root()
    }

    /// The membership and limits in force for the next block.
    pub fn in_force(&mut self) -> Result<(Arc<Membership>, Limits), LedgerError> {
        let reader = self.reader();
        self.executor.in_force(&reader)
    }

    /// Executes a judged proposal, whose transactions' signatures hold, and writes the block. Not durable until
    /// [`Ledger::sync`]; after a crash it is replayed from the Raft log.
    pub fn append(&mut self, position: Position, judged: Judged) -> Result<Appended, LedgerError> {
        let reader = self.reader();
        let header = &judged.header;
        let block = self.executor.execute(&reader, &self.chain, header.time, &judged.transactions)?;
        let mut batch = Batch::default();
        let state = self.put_versions(block.height, &block.versions, &mut batch)?;
        let members = block.membership.hash();
        let seal = SealLeaf {
            first: block.first,
            height: block.height,
            leaves: block.leaves.len() as u64 + 1,
            members,
            next_members: next_members(&block).unwrap_or(members),
            previous: self.chain.seal,
            proposal: judged.digest,
            proposer: Some(header.proposer.clone()),
            rules: block.rules,
            state,
            term: header.term,
            time: header.time,
            v: 1,
        };
        self.put_leaves(block.first, &block.leaves, &seal, &mut batch);
        put_lookups(&block, &mut batch);
        self.put_indexes(block.height, &block.indexes, &mut batch)?;
        put_proposal(position, &judged, &seal, &mut batch);
        let log_root = self.finish(seal.clone(), judged.digest, Some(position), batch)?;
        Ok(Appended { seal, log_root, block })
    }

    /// Notes that the Raft log was read up to `position` without a block: a blank, a membership, a skipped proposal.
    pub fn pass(&mut self, position: Position) -> Result<(), LedgerError> {
        let mut batch = Batch::default();
        batch.put(META, TIP, self.tip_row(Some(position)).encode_to_vec());
        self.kv.write(batch)?;
        self.position = Some(position);
        Ok(())
    }

    /// Makes every block so far durable.
    pub fn sync(&self) -> Result<(), LedgerError> {
        Ok(self.kv.sync()?)
    }

    /// Puts what a block wrote. A version that another one replaces moves to the history, the newest stand as documents:
    /// each stands once, and a document that is created costs one row.
    fn put_versions(&mut self, height: u64, versions: &[Written], batch: &mut Batch) -> Result<Hash, LedgerError> {
        let mut newest = BTreeMap::new();
        let mut documents = BTreeMap::new();
        for (order, Written { leaf, version, bytes }) in versions.iter().enumerate() {
            let record = &version.record;
            let row = VersionRow::of(version, bytes.as_deref()).encode_to_vec();
            let key = document_key(&record.collection, &record.id);
            let earlier = documents.insert(key.clone(), row);
            if record.version > 1 {
                let missing = || KvError::Corrupt { family: DOCUMENTS, message: format!("{:?} is missing", record.id) };
                let replaced = earlier.map_or_else(|| self.kv.get(DOCUMENTS, &key), |row| Ok(Some(row)))?;
                let key = history_key(&record.collection, &record.id, record.version - 1);
                batch.put(HISTORY, key, replaced.ok_or_else(missing)?);
            }
            let change = ChangeRow {
                collection: record.collection.clone(),
                id: record.id.clone(),
                version: record.version,
                leaf: *leaf,
            };
            batch.put(CHANGES, pair_key(height, order as u32), change.encode_to_vec());
            newest.insert((&record.collection[..], &record.id[..]), version);
        }
        documents.into_iter().for_each(|(key, row)| batch.put(DOCUMENTS, key, row));
        let write = |version: &Arc<Version>| Write { key: version.record.state_key(), record: version.hash };
        Ok(self.state.commit(&*self.kv, height, versions.len(), newest.into_values().map(write), batch)?)
    }

    /// What holds a unique key now, and what was indexed from when until when. A row that ends is moved to where it says
    /// so: the cost is that of the keys that changed, however many documents there are.
    fn put_indexes(&self, height: u64, changes: &IndexChanges, batch: &mut Batch) -> Result<(), LedgerError> {
        for (place, holder) in &changes.holders {
            let key = index_key(&place.collection, place.index, place.key.as_bytes());
            match holder {
                Some(id) => batch.put(HOLDERS, key, id.as_bytes()),
                None => batch.delete(HOLDERS, key),
            }
        }
        for ((collection, index, id), Move { before, now }) in &changes.moves {
            if before == now {
                continue;
            }
            if let Some(key) = before {
                let row_key = |end| indexed_key(collection, *index, key.as_bytes(), id, end);
                let open = row_key(NOT_ENDED);
                let missing = || KvError::Corrupt { family: INDEXED, message: format!("{id:?} has no row to end") };
                let row = self.kv.get(INDEXED, &open)?.ok_or_else(missing)?;
                batch.delete(INDEXED, open);
                batch.put(INDEXED, row_key(height), row);
            }
            if let Some(key) = now {
                let row = IndexedRow { from: height, id: id.clone() }.encode_to_vec();
                batch.put(INDEXED, indexed_key(collection, *index, key.as_bytes(), id, NOT_ENDED), row);
            }
        }
        Ok(())
    }

    fn put_leaves(&mut self, first: u64, leaves: &[Vec<u8>], seal: &SealLeaf, batch: &mut Batch) {
        let seal_bytes = Leaf::Seal(seal.clone()).to_bytes();
        for (index, bytes) in (first..).zip(leaves.iter().chain([&seal_bytes])) {
            self.log.append(leaf_hash(bytes), batch);
            batch.put(LEAVES, number_key(index), bytes.clone());
        }
        self.log.put_open(batch);
        assert_eq!(self.log.size(), seal.tree_size(), "the seal is the last leaf of its block");
    }

    /// Writes the batch with the new tip. On disk it is all or nothing; a crash before the next sync takes it back
    /// together with its Raft position, and the entry is applied again.
    fn finish(
        &mut self,
        seal: SealLeaf,
        digest: Hash,
        position: Option<Position>,
        mut batch: Batch,
    ) -> Result<Hash, LedgerError> {
        let size = seal.tree_size();
        let (height, time) = (seal.height, seal.time);
        let seal_hash = leaf_hash(&Leaf::Seal(seal).to_bytes());
        self.chain = Chain { height, digest, time, size, seal: seal_hash };
        batch.put(META, TIP, self.tip_row(position).encode_to_vec());
        self.kv.write(batch)?;
        self.state.written(height);
        self.position = position;
        let root = self.log.root();
        // Only now: a root that is remembered is of leaves that can be read.
        self.roots.push(size, root);
        Ok(root)
    }

    fn tip_row(&self, position: Option<Position>) -> TipRow {
        TipRow {
            genesis: self.genesis.0.to_vec(),
            height: self.chain.height,
            digest: self.chain.digest.0.to_vec(),
            time: self.chain.time,
            size: self.chain.size,
            seal: self.chain.seal.0.to_vec(),
            raft_term: position.map_or(0, |p| p.term),
            raft_index: position.map_or(0, |p| p.index),
            layout: LAYOUT,
            state_from: self.state.unsaved_from().unwrap_or(self.chain.height + 1),
        }
    }
}

/// The root of the state after the chain's last block, as its seal has it.
fn state_root(kv: &dyn Kv, chain: &Chain) -> Result<Hash, LedgerError> {
    let missing = || KvError::Corrupt { family: LEAVES, message: "the log does not end in a seal".into() };
    let leaf = kv.get(LEAVES, &number_key(chain.size - 1))?.ok_or_else(missing)?;
    match Leaf::parse(&leaf)? {
        Leaf::Seal(seal) => Ok(seal.state),
        _ => Err(missing().into()),
    }
}

/// The keys of the state that were set since the rows of its pages are all what they were.
fn keys_since(kv: &dyn Kv, tip: &TipRow) -> Result<Vec<Hash>, KvError> {
    let (from, to) = (pair_key(tip.state_from, 0), pair_key(tip.height + 1, 0));
    let changes = kv.scan(CHANGES, &from, &to, usize::MAX)?;
    let key = |(_, row): &(Vec<u8>, Vec<u8>)| {
        decode(CHANGES, row).map(|ChangeRow { collection, id, .. }| state_key(&collection, &id))
    };
    changes.iter().map(key).collect()
}

fn genesis_keys(genesis: &Genesis) -> impl Iterator<Item = &PublicKey> {
    let document = genesis.document();
    let accounts = document.accounts.values().flatten();
    let organisations = document.organisations.values();
    accounts.chain(organisations.flat_map(|organisation| {
        let nodes = organisation.nodes.values();
        let node_keys = nodes.flat_map(|node| [&node.cosign, &node.log, &node.proposal, &node.tls]);
        [&organisation.governance].into_iter().chain(node_keys)
    }))
}

/// The hash of the membership document that the block leaves in the state, when it wrote one.
fn next_members(block: &Block) -> Option<Hash> {
    let is_current = |record: &VersionRecord| record.collection == "$members" && record.id == MEMBERS_CURRENT;
    let written = block.versions.iter().rev().find(|written| is_current(&written.version.record));
    written.and_then(|written| written.bytes.as_ref()).map(|bytes| countersign_proof::plain_hash(bytes))
}

fn put_lookups(block: &Block, batch: &mut Batch) {
    for (id, used) in &block.ids {
        batch.put(IDS, id.0, IdRow::of(used).encode_to_vec());
    }
    for key in &block.keys {
        batch.put(KEYS, *key.as_bytes(), Vec::new());
    }
    for executed in &block.executed {
        if let Fate::Rejected(rejection) = &executed.fate {
            batch.put(REJECTIONS, number_key(executed.leaf), rejection_row(rejection).encode_to_vec());
        }
    }
}

fn rejection_row(rejection: &Rejection) -> RejectionRow {
    RejectionRow {
        operation: rejection.operation.map(|at| at as u32),
        detail: rejection.detail.clone(),
        pointers: rejection.violations.iter().map(|v| v.pointer.clone()).collect(),
        keywords: rejection.violations.iter().map(|v| v.keyword.clone()).collect(),
        existing: rejection.existing.clone(),
    }
}

fn put_proposal(position: Position, judged: &Judged, seal: &SealLeaf, batch: &mut Batch) {
    for (at, transaction) in judged.transactions.iter().enumerate() {
        batch.put(TRANSACTIONS, pair_key(seal.height, at as u32), transaction.bytes.clone());
    }
    let row = BlockRow {
        header: judged.header_bytes.clone(),
        signature: judged.signature.clone(),
        transactions: judged.transactions.len() as u32,
        first: seal.first,
        leaves: seal.leaves,
        raft_term: position.term,
        raft_index: position.index,
    };
    batch.put(BLOCKS, number_key(seal.height), row.encode_to_vec());
}

// Kept here so that a reader of `append` sees what execution may ask of the disk.
impl StateReader for Reader {
    fn newest(&self, collection: &str, id: &str) -> Result<Option<Arc<Version>>, KvError> {
        Ok(self.document(collection, id)?.map(Arc::new))
    }

    fn id_use(&self, id: &Hash) -> Result<Option<IdUse>, KvError> {
        self.find(id)
    }

    fn key_used(&self, key: &PublicKey) -> Result<bool, KvError> {
        self.key_stands(key)
    }

    fn holder(&self, place: &Place) -> Result<Option<String>, KvError> {
        self.holder_of(place)
    }

    fn root_at(&self, size: u64) -> Result<Option<Hash>, KvError> {
        if size == 0 || size > self.chain()?.size { Ok(None) } else { self.log_root(size).map(Some) }
    }

    fn size_after(&self, height: u64) -> Result<Option<u64>, KvError> {
        Ok(self.seal(height)?.map(|seal| seal.tree_size()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryKv;

    #[test]
    fn a_database_of_another_layout_is_refused_by_both_numbers() {
        let vectors = include_str!("../../../proof/tests/vectors/ledger.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).expect("JSON");
        let genesis = Genesis::parse(vectors["genesis"].as_str().expect("text").as_bytes()).expect("a genesis");
        let kv = Arc::new(MemoryKv::new());
        drop(Ledger::open(kv.clone(), &genesis).expect("founds"));
        assert!(Ledger::open(kv.clone(), &genesis).is_ok(), "its own layout");
        for (layout, named) in [(0, "layout 1,"), (2, "layout 2,"), (4, "layout 4,")] {
            let mut tip: TipRow = decode(META, &kv.get(META, TIP).expect("memory").expect("a tip")).expect("decodes");
            tip.layout = layout;
            let mut batch = Batch::default();
            batch.put(META, TIP, tip.encode_to_vec());
            kv.write(batch).expect("memory");
            let Err(refused) = Ledger::open(kv.clone(), &genesis) else { panic!("layout {layout} was opened") };
            let text = refused.to_string();
            assert!(
                text.contains(named) && text.contains("layout 3:") && text.contains("docs/operations.md"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_keys_set_since_a_height_are_those_of_its_changes_and_all_later_ones() {
        let (kv, mut batch) = (MemoryKv::new(), Batch::default());
        let id = |height: u64, order: u32| format!("{height}-{order}");
        for (height, order) in (0..6).flat_map(|height| (0..3).map(move |order| (height, order))) {
            let (collection, id) = ("c".to_owned(), id(height, order));
            let change = ChangeRow { collection, id, version: 1, leaf: 0 };
            batch.put(CHANGES, pair_key(height, order), change.encode_to_vec());
        }
        kv.write(batch).expect("memory");
        // The last height's changes cannot be there; were they, they would not be of this tip.
        for state_from in 0..=5 {
            let keys = keys_since(&kv, &TipRow { height: 4, state_from, ..TipRow::default() }).expect("reads");
            let of = |height| (0..3).map(move |order| state_key("c", &id(height, order)));
            assert_eq!(keys, (state_from..=4).flat_map(of).collect::<Vec<Hash>>(), "from {state_from}");
        }
    }
}
