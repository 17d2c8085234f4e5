//! Hold the tree against the one in memory of the proof crate, and against jmt.

use super::super::kv::{Batch, Kv};
use super::super::memory::MemoryKv;
use super::super::rows::STATE_PAGES;
use super::*;
use countersign_proof::{StateTree as Naive, plain_hash};
use jmt::mock::MockTreeStore;
use jmt::{KeyHash, Sha256Jmt};

/// Numbers without a pattern, the same at every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Keys some of which share long beginnings, so that ways are deep.
fn key(number: u64) -> Hash {
    let mut key = plain_hash(&number.to_be_bytes());
    if number.is_multiple_of(3) {
        let near = plain_hash(&(number / 30).to_be_bytes());
        let shared = (number % 7) as usize * 4;
        key.0[..shared].copy_from_slice(&near.0[..shared]);
        key.0[shared] = near.0[shared] ^ (1 << (number % 8));
    }
    key
}

struct Both {
    kv: MemoryKv,
    tree: StateTree,
    naive: Naive,
    jmt: MockTreeStore,
    height: u64,
    /// After each height: the tree in memory, and for taking back what each key held before.
    past: Vec<(Naive, BTreeMap<Hash, Option<Hash>>)>,
    held: BTreeMap<Hash, Hash>,
}

impl Both {
    fn new(memory: usize) -> Both {
        Both {
            kv: MemoryKv::new(),
            tree: StateTree::with_memory(memory),
            naive: Naive::default(),
            jmt: MockTreeStore::new(true),
            height: 0,
            past: Vec::new(),
            held: BTreeMap::new(),
        }
    }

    fn block(&mut self, keys: impl IntoIterator<Item = Hash>) {
        let mut writes = BTreeMap::new();
        for key in keys {
            let preimage = [&key.0[..], &self.height.to_be_bytes()].concat();
            writes.insert(key, preimage);
        }
        let before = writes.keys().map(|key| (*key, self.held.get(key).copied())).collect();
        let mut batch = Batch::default();
        let of = |(key, preimage): (&Hash, &Vec<u8>)| Write { key: *key, record: plain_hash(preimage) };
        let root = self.tree.commit(&self.kv, self.height, writes.iter().map(of), &mut batch).expect("commits");
        self.kv.write(batch).expect("writes");
        self.tree.written(self.height);
        let values = writes.iter().map(|(key, preimage)| (KeyHash(key.0), Some(preimage.clone())));
        let (theirs, update) = Sha256Jmt::new(&self.jmt).put_value_set(values, self.height).expect("puts");
        self.jmt.write_tree_update_batch(update).expect("writes");
        for (key, preimage) in &writes {
            self.naive.insert(*key, plain_hash(preimage));
            self.held.insert(*key, plain_hash(preimage));
        }
        assert_eq!((root, root.0), (self.naive.root(), theirs.0), "height {}", self.height);
        self.past.push((self.naive.clone(), before));
        self.height += 1;
    }

    /// What `before` of a reader gives.
    fn since(&self, height: u64, last: u64) -> BTreeMap<Hash, Option<Hash>> {
        let mut all = BTreeMap::new();
        for (_, before) in &self.past[height as usize + 1..=last as usize] {
            for (key, record) in before {
                all.entry(*key).or_insert(*record);
            }
        }
        all
    }

    fn check_ways(&self, height: u64, key: &Hash) {
        let trees = self.tree.trees();
        let root = self.past[height as usize].0.root();
        let way = trees.way(&self.kv, height, &root, key, |last| Ok(self.since(height, last))).expect("reads");
        assert_eq!(way.expect("it is there"), self.past[height as usize].0.prove(key), "{key} at {height}");
    }

    fn reopen(&mut self, memory: usize) {
        let root = self.tree.root.hash();
        self.tree = StateTree::open(&self.kv, self.height - 1, root).expect("opens");
        self.tree.loaded_bytes_max = memory;
    }
}

fn campaign(memory: usize, reopen_every: u64) {
    let mut numbers = Numbers(memory as u64);
    let mut both = Both::new(memory);
    for _ in 0..120 {
        let count = [0, 1, 2, 7, 40][numbers.below(5) as usize];
        let keys: Vec<Hash> = (0..count).map(|_| key(numbers.below(900))).collect();
        both.block(keys);
        if both.height.is_multiple_of(reopen_every) {
            both.reopen(memory);
        }
        for _ in 0..6 {
            both.check_ways(numbers.below(both.height), &key(numbers.below(1_000)));
        }
        both.check_ways(both.height - 1, &key(numbers.below(1_000)));
    }
}

#[test]
fn roots_and_ways_are_those_of_two_other_trees() {
    campaign(LOADED_BYTES_MAX, u64::MAX);
}

#[test]
fn they_are_the_same_when_pages_are_always_let_go_or_read_anew() {
    campaign(0, u64::MAX);
    campaign(20_000, u64::MAX);
    campaign(LOADED_BYTES_MAX, 5);
    campaign(0, 2);
}

#[test]
fn the_root_does_not_depend_on_who_came_first() {
    let keys: Vec<Hash> = (0..300).map(key).collect();
    let root_of = |blocks: Vec<Vec<Hash>>| {
        let (kv, mut tree) = (MemoryKv::new(), StateTree::empty());
        for (height, keys) in blocks.into_iter().enumerate() {
            let mut batch = Batch::default();
            let writes = keys.into_iter().map(|key| Write { key, record: plain_hash(&key.0) });
            tree.commit(&kv, height as u64, writes, &mut batch).expect("commits");
            kv.write(batch).expect("writes");
            tree.written(height as u64);
        }
        (tree.root.hash(), kv.scan(STATE_PAGES, &[], &[0xff], usize::MAX).expect("reads"))
    };
    let at_once = root_of(vec![keys.clone()]);
    assert_eq!(root_of(keys.iter().map(|key| vec![*key]).collect()), at_once);
    assert_eq!(root_of(keys.rchunks(17).map(<[Hash]>::to_vec).collect()), at_once);
}

#[test]
fn a_page_that_is_not_what_its_parent_names_is_refused() {
    let mut both = Both::new(0);
    both.block((0..400).map(key));
    let rows = both.kv.scan(STATE_PAGES, &[1], &[0xff], usize::MAX).expect("reads");
    assert!(rows.len() > 20, "pages below the root");
    for (at, (row, bytes)) in rows.iter().enumerate().step_by(3) {
        for altered in [Vec::new(), bytes[..bytes.len() - 1].to_vec(), flipped(bytes, at % bytes.len())] {
            let mut batch = Batch::default();
            batch.put(STATE_PAGES, row.clone(), altered);
            both.kv.write(batch).expect("writes");
            both.reopen(0);
            let trees = both.tree.trees();
            let root = both.naive.root();
            let read = (0..400).map(key).map(|key| trees.way(&both.kv, 0, &root, &key, |_| Ok(BTreeMap::new())));
            assert!(read.into_iter().any(|way| way.is_err()), "page {row:?}");
        }
        let mut batch = Batch::default();
        batch.put(STATE_PAGES, row.clone(), bytes.clone());
        both.kv.write(batch).expect("writes");
    }
    assert!(StateTree::open(&both.kv, 0, plain_hash(b"another")).is_err(), "another root than the seal's");
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn a_tree_of_before_is_read_while_the_next_is_made() {
    let mut both = Both::new(LOADED_BYTES_MAX);
    both.block((0..500).map(key));
    // Nothing of it is in memory but the root, so that whoever reads it must find each page as it was.
    both.reopen(LOADED_BYTES_MAX);
    let trees = both.tree.trees();
    let (_, old) = trees.tree(0).expect("there");
    for round in 1..4 {
        both.block((0..500).filter(|number| number % 3 == round % 3).map(key));
    }
    for number in 0..600 {
        let key = key(number);
        assert_eq!(old.way(&both.kv, Place::root(&key), &key).expect("reads"), both.past[0].0.prove(&key));
    }
}
