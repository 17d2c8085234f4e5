//! Hold the tree against the one in memory of the proof crate, and against jmt.

use super::super::kv::{Batch, Kv};
use super::super::memory::MemoryKv;
use super::super::rows::{STATE_LEAVES, STATE_PAGES};
use super::trees::RECENT_HEIGHTS_MAX;
use super::*;
use countersign_proof::{StateTree as Naive, plain_hash};
use jmt::mock::MockTreeStore;
use jmt::{KeyHash, Sha256Jmt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// More than any tree here takes.
const ALL: usize = 1 << 30;

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
    unsaved_from: u64,
}

impl Both {
    fn new(memory: usize, unsaved_changes_max: u64) -> Both {
        Both {
            kv: MemoryKv::new(),
            tree: StateTree { loaded_bytes_max: memory, unsaved_changes_max, ..StateTree::empty() },
            naive: Naive::default(),
            jmt: MockTreeStore::new(true),
            height: 0,
            past: Vec::new(),
            held: BTreeMap::new(),
            unsaved_from: 0,
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
        let (count, writes_of) = (writes.len(), writes.iter().map(of));
        let root = self.tree.commit(&self.kv, self.height, count, writes_of, &mut batch).expect("commits");
        self.unsaved_from = self.tree.unsaved_from().unwrap_or(self.height + 1);
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

    /// As after a crash: nothing is written that was not.
    fn reopen(&mut self) {
        let (memory, unsaved) = (self.tree.loaded_bytes_max, self.tree.unsaved_changes_max);
        self.tree = self.open().expect("opens");
        (self.tree.loaded_bytes_max, self.tree.unsaved_changes_max) = (memory, unsaved);
    }

    fn open(&self) -> Result<StateTree, KvError> {
        let since = self.past[self.unsaved_from as usize..].iter().flat_map(|(_, before)| before.keys().copied());
        StateTree::open(&self.kv, self.height - 1, self.naive.root(), since)
    }
}

fn campaign(memory: usize, unsaved_changes_max: u64, reopen_every: u64) {
    let mut numbers = Numbers(memory as u64);
    let mut both = Both::new(memory, unsaved_changes_max);
    for _ in 0..120 {
        let count = [0, 1, 2, 7, 40][numbers.below(5) as usize];
        let keys: Vec<Hash> = (0..count).map(|_| key(numbers.below(1_200))).collect();
        both.block(keys);
        if both.height.is_multiple_of(reopen_every) {
            both.reopen();
        }
        for _ in 0..6 {
            both.check_ways(numbers.below(both.height), &key(numbers.below(1_300)));
        }
        both.check_ways(both.height - 1, &key(numbers.below(1_300)));
    }
}

#[test]
fn roots_and_ways_are_those_of_two_other_trees() {
    campaign(ALL, UNSAVED_CHANGES_MAX, u64::MAX);
    campaign(ALL, 0, u64::MAX);
}

#[test]
fn they_are_the_same_when_pages_are_always_let_go_or_read_anew() {
    for unsaved_changes_max in [0, 50, UNSAVED_CHANGES_MAX] {
        campaign(0, unsaved_changes_max, u64::MAX);
        campaign(20_000, unsaved_changes_max, u64::MAX);
        campaign(ALL, unsaved_changes_max, 5);
        campaign(0, unsaved_changes_max, 17);
    }
}

#[test]
fn the_root_does_not_depend_on_who_came_first() {
    let keys: Vec<Hash> = (0..300).map(key).collect();
    let root_of = |blocks: Vec<Vec<Hash>>| {
        let (kv, mut tree) = (MemoryKv::new(), StateTree { unsaved_changes_max: 0, ..StateTree::empty() });
        let mut root = Hash([0; 32]);
        for (height, keys) in (0..).zip(blocks) {
            let mut batch = Batch::default();
            let (count, writes) = (keys.len(), keys.iter().map(|key| Write { key: *key, record: plain_hash(&key.0) }));
            root = tree.commit(&kv, height, count, writes, &mut batch).expect("commits");
            kv.write(batch).expect("writes");
            tree.written(height);
        }
        let rows = |family| kv.scan(family, &[], &[0xff], usize::MAX).expect("reads");
        (root, rows(STATE_LEAVES), rows(STATE_PAGES))
    };
    let at_once = root_of(vec![keys.clone()]);
    assert_eq!(root_of(keys.iter().map(|key| vec![*key]).collect()), at_once);
    assert_eq!(root_of(keys.rchunks(17).map(<[Hash]>::to_vec).collect()), at_once);
}

#[test]
fn a_row_that_is_not_what_a_parent_names_is_refused() {
    let mut both = Both::new(0, 0);
    both.block((0..2_000).map(key));
    let rows = |family| both.kv.scan(family, &[], &[0xff; 33], usize::MAX).expect("reads");
    let (pages, leaves) = (rows(STATE_PAGES), rows(STATE_LEAVES));
    assert!(pages.len() > 10 && leaves.len() > pages.len(), "pages with rows and pages without");
    let all = pages
        .iter()
        .step_by(2)
        .map(|row| (STATE_PAGES, row))
        .chain(leaves.iter().step_by(97).map(|row| (STATE_LEAVES, row)));
    for (at, (family, (row, bytes))) in all.enumerate() {
        for altered in [None, Some(bytes[..bytes.len() - 1].to_vec()), Some(flipped(bytes, at % bytes.len()))] {
            let mut batch = Batch::default();
            batch.delete(family, row.clone());
            altered.into_iter().for_each(|altered| batch.put(family, row.clone(), altered));
            both.kv.write(batch).expect("writes");
            let refused = match both.open() {
                Err(_) => true,
                Ok(tree) => {
                    let (trees, root) = (tree.trees(), both.naive.root());
                    let mut ways =
                        (0..2_000).map(|at| trees.way(&both.kv, 0, &root, &key(at), |_| Ok(BTreeMap::new())));
                    ways.any(|way| way.is_err())
                }
            };
            assert!(refused, "{family} {row:?}");
        }
        let mut batch = Batch::default();
        batch.put(family, row.clone(), bytes.clone());
        both.kv.write(batch).expect("writes");
    }
    assert!(both.open().is_ok());
    let another = StateTree::open(&both.kv, 0, plain_hash(b"another"), []);
    assert!(another.is_err(), "another root than the seal's");
}

#[test]
fn a_tree_opened_without_the_keys_that_were_set_since_is_refused() {
    let mut both = Both::new(ALL, 500);
    for block in 0..20 {
        both.block((block * 90..block * 90 + 100).map(key));
    }
    assert!((10..both.height).contains(&both.unsaved_from), "some pages are saved, and some are not");
    assert!(StateTree::open(&both.kv, both.height - 1, both.naive.root(), []).is_err());
    both.reopen();
    // All of them are saved now.
    assert!(StateTree::open(&both.kv, both.height - 1, both.naive.root(), []).is_ok());
}

#[test]
fn nothing_is_copied_until_somebody_asks_for_a_tree() {
    let mut both = Both::new(ALL, UNSAVED_CHANGES_MAX);
    let kept = |both: &Both| both.tree.shared.recent.lock().expect(NO_PANIC).trees.len() as u64;
    for _ in 0..3 {
        both.block((0..500).map(key));
        assert_eq!(kept(&both), 0);
    }
    both.check_ways(2, &key(1));
    assert_eq!(kept(&both), 1);
    for height in 3..=2 + RECENT_HEIGHTS_MAX {
        both.block([key(height)]);
        assert_eq!(kept(&both), (height - 1).min(RECENT_HEIGHTS_MAX), "wanted");
    }
    for gone in 1..=RECENT_HEIGHTS_MAX {
        both.block([key(1)]);
        assert_eq!(kept(&both), RECENT_HEIGHTS_MAX - gone, "no longer");
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn a_tree_of_before_is_read_while_the_next_is_made() {
    let mut both = Both::new(ALL, 0);
    both.block((0..2_000).map(key));
    // Nothing of it is in memory but the root, so that whoever reads it must find each page as it was.
    both.reopen();
    let (_, old) = both.tree.trees().tree(0).expect("reads").expect("there");
    for round in 1..4 {
        both.block((0..2_000).filter(|number| number % 3 == round % 3).map(key));
    }
    for number in 0..2_200 {
        let key = key(number);
        let way = old.way(Rows::fresh(&both.kv), Place::root(&key), &key).expect("reads");
        assert_eq!(way, both.past[0].0.prove(&key));
    }
}

/// What a reader needs of the heights there are: their trees, and what the keys that they set held before.
type Past = Vec<(Arc<Naive>, BTreeMap<Hash, Option<Hash>>)>;

/// Proves keys of heights old and new until the writer is gone; how many.
fn prove_meanwhile(trees: &StateTrees, kv: &MemoryKv, past: &Mutex<Past>, seed: u64, is_over: &AtomicBool) -> u64 {
    let (mut numbers, mut proved) = (Numbers(seed), 0);
    while !is_over.load(Ordering::Acquire) {
        let written = past.lock().expect(NO_PANIC).len() as u64;
        let back = [1, 2, 5, written][numbers.below(4) as usize];
        let height = written.saturating_sub(1 + numbers.below(back.max(1)));
        let Some((naive, _)) = past.lock().expect(NO_PANIC).get(height as usize).cloned() else { continue };
        let key = key(numbers.below(1_300));
        let before = |last: u64| {
            let past = past.lock().expect(NO_PANIC);
            let mut all = BTreeMap::new();
            for (key, record) in past[height as usize + 1..=last as usize].iter().flat_map(|(_, before)| before) {
                all.entry(*key).or_insert(*record);
            }
            Ok(all)
        };
        // None: its block is not written yet.
        let Some(way) = trees.way(kv, height, &naive.root(), &key, before).expect("reads") else { continue };
        assert_eq!(way, naive.prove(&key), "{key} at {height}");
        proved += 1;
    }
    proved
}

#[test]
fn old_heights_are_proved_while_blocks_go_on_and_pages_are_let_go() {
    for memory in [0, 20_000, ALL] {
        let kv = MemoryKv::new();
        let mut tree = StateTree { loaded_bytes_max: memory, unsaved_changes_max: 50, ..StateTree::empty() };
        let (past, is_over) = (Mutex::new(Past::new()), AtomicBool::new(false));
        let (mut numbers, mut naive, mut held) = (Numbers(7), Naive::default(), BTreeMap::new());
        std::thread::scope(|scope| {
            let (trees, kv_of, past_of, over) = (tree.trees(), &kv, &past, &is_over);
            let reader = |seed: u64| {
                let trees = trees.clone();
                scope.spawn(move || prove_meanwhile(&trees, kv_of, past_of, seed, over))
            };
            let readers = [reader(1), reader(2), reader(3)];
            for height in 0..400u64 {
                let keys: BTreeSet<Hash> = (0..numbers.below(40)).map(|_| key(numbers.below(1_200))).collect();
                let before = keys.iter().map(|key| (*key, held.get(key).copied())).collect();
                for key in &keys {
                    let record = plain_hash(&[&key.0[..], &height.to_be_bytes()].concat());
                    held.insert(*key, record);
                    naive.insert(*key, record);
                }
                let mut batch = Batch::default();
                let writes = keys.iter().map(|key| Write { key: *key, record: held[key] });
                let root = tree.commit(&kv, height, keys.len(), writes, &mut batch).expect("commits");
                assert_eq!(root, naive.root());
                kv.write(batch).expect("writes");
                past.lock().expect(NO_PANIC).push((Arc::new(naive.clone()), before));
                tree.written(height);
                std::thread::yield_now();
            }
            is_over.store(true, Ordering::Release);
            for reader in readers {
                let proved = reader.join().expect("it reads what was");
                assert!(proved > 0, "a reader with {memory} bytes proved nothing");
            }
        });
    }
}
