//! Hold four levels of the state tree in one page, and set keys: in place, or in a copy of what somebody else still holds.

use super::super::kv::KvError;
use super::super::rows::STATE_PAGES;
use super::place::Place;
use super::rows::{ROWLESS_LEAVES_MAX, Rows};
use countersign_proof::{Hash, StateTree as Nodes};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Levels of a page: a nibble of the key.
const LEVELS: u8 = 4;
const SLOTS: usize = 1 << LEVELS;
/// Fewer slots than this are hashed anew rather than remembered.
const REMEMBERED_MIN: u32 = 6;
/// Stands for a number of leaves that is not counted: above [`ROWLESS_LEAVES_MAX`], for ever.
const MANY: u32 = u32::MAX;

/// What a key will hold: a record hash, or nothing, where a tree of before is made of one of now.
pub(super) type Set = (Hash, Option<Hash>);

/// The subtree below some depth, down to four levels; two leaves or more, but for the root.
#[derive(Clone)]
pub(super) struct Page {
    /// Which of the sixteen slots are taken, the lowest bit for the first.
    taken: u16,
    /// Whether its row is not what it is.
    unsaved: bool,
    /// How many there are below; [`MANY`] from when it first has a row.
    leaves: u32,
    /// The taken ones, in order.
    slots: Vec<Slot>,
    hash: Hash,
    /// Of the nodes between, numbered like a heap: 1 is the page's own, the children of n are 2n and 2n+1. None where few slots are taken.
    inner: Option<Box<[Hash; SLOTS]>>,
    /// The height that changed it last; 0 for one that was read.
    made: u64,
}

/// What lies at the end of four levels.
#[derive(Clone)]
enum Slot {
    /// The only leaf below.
    Leaf { key: Hash, record: Hash },
    /// More than one.
    Child(Child),
}

/// A page below, which is read when it is needed. Copies share the place where it then lies.
#[derive(Clone)]
struct Child {
    hash: Hash,
    /// As the page has it; any number up to [`ROWLESS_LEAVES_MAX`] when it is one that has no row, and was not read yet.
    leaves: u32,
    page: Arc<OnceLock<Arc<Page>>>,
}

/// What setting keys leaves behind.
#[derive(Default)]
pub(super) struct Made {
    /// The keys of the rows that are no longer what their pages are, and were before.
    pub(super) unsaved: Vec<Vec<u8>>,
    /// Bytes in memory that the tree takes more than before, or fewer.
    pub(super) grown: isize,
    /// Bytes of the pages that somebody else holds still and were copied for that.
    pub(super) copied: usize,
}

impl Page {
    /// A page without a leaf, to be set.
    pub(super) fn empty() -> Page {
        Page { taken: 0, unsaved: false, leaves: 0, slots: Vec::new(), hash: Nodes::EMPTY, inner: None, made: 0 }
    }

    /// The root of a tree without a leaf. It has a row, however few leaves there are.
    pub(super) fn root() -> Page {
        Page { leaves: MANY, ..Page::empty() }
    }

    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    /// Roughly what it takes in memory, without the pages below.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Page>()
            + self.slots.capacity() * size_of::<Slot>()
            + self.inner.as_ref().map_or(0, |_| SLOTS * 32)
            + 32
    }

    /// Sets these keys, ascending, every one of which leads here. An error leaves the page half set.
    pub(super) fn set(
        this: &mut Arc<Page>,
        rows: Rows<'_>,
        place: Place<'_>,
        height: u64,
        sets: &[Set],
        made: &mut Made,
    ) -> Result<(), KvError> {
        if Arc::get_mut(this).is_none() {
            made.copied += this.bytes();
        }
        let page = Arc::make_mut(this);
        let bytes = page.bytes();
        let mut touched = 0u16;
        let mut rest = sets;
        while let Some((key, _)) = rest.first() {
            let nibble = place.nibble(key);
            let (of_slot, others) = rest.split_at(rest.partition_point(|(key, _)| place.nibble(key) == nibble));
            rest = others;
            touched |= 1 << nibble;
            page.set_slot(nibble, rows, place.below(key), height, of_slot, made)?;
        }
        page.made = height;
        if page.leaves <= ROWLESS_LEAVES_MAX {
            let leaves = page.slots.iter().map(Slot::leaves).fold(0, u32::saturating_add);
            page.leaves = if leaves > ROWLESS_LEAVES_MAX { MANY } else { leaves };
        }
        if page.leaves == MANY && !page.unsaved {
            page.unsaved = true;
            made.unsaved.push(place.row_key());
        }
        page.rehash(touched);
        made.grown += page.bytes() as isize - bytes as isize;
        Ok(())
    }

    /// Sets keys of one slot, which lead to the place below.
    fn set_slot(
        &mut self,
        nibble: usize,
        rows: Rows<'_>,
        below: Place<'_>,
        height: u64,
        sets: &[Set],
        made: &mut Made,
    ) -> Result<(), KvError> {
        let leaf = match self.slot_mut(nibble) {
            Some(Slot::Child(child)) => {
                let page = child.page_mut(rows, below, made)?;
                Page::set(page, rows, below, height, sets, made)?;
                let only = match page.slots[..] {
                    [] => None,
                    [Slot::Leaf { key, record }] => Some(Slot::Leaf { key, record }),
                    _ => {
                        (child.hash, child.leaves) = (page.hash, page.leaves);
                        return Ok(());
                    }
                };
                made.grown -= page.bytes() as isize;
                self.put(nibble, only);
                return Ok(());
            }
            Some(Slot::Leaf { key, record }) => Some((*key, *record)),
            None => None,
        };
        let is_set = |key: &Hash| sets.iter().any(|(set, _)| set == key);
        let kept = leaf.filter(|(key, _)| !is_set(key)).map(|(key, record)| (key, Some(record)));
        let mut leaves: Vec<Set> = sets.iter().filter(|(_, record)| record.is_some()).copied().chain(kept).collect();
        let slot = match leaves[..] {
            [] => None,
            [(key, Some(record))] => Some(Slot::Leaf { key, record }),
            _ => {
                leaves.sort_unstable();
                let mut page = Arc::new(Page::empty());
                made.grown += page.bytes() as isize;
                Page::set(&mut page, rows, below, height, &leaves, made)?;
                let (hash, leaves) = (page.hash, page.leaves);
                Some(Slot::Child(Child { hash, leaves, page: Arc::new(OnceLock::from(page)) }))
            }
        };
        self.put(nibble, slot);
        Ok(())
    }

    /// Where a slot stands, or would stand, among the taken ones.
    fn at(&self, nibble: usize) -> usize {
        (self.taken & ((1u32 << nibble) - 1) as u16).count_ones() as usize
    }

    fn put(&mut self, nibble: usize, slot: Option<Slot>) {
        let (at, was_taken) = (self.at(nibble), self.taken >> nibble & 1 == 1);
        let bit = 1u16 << nibble;
        match (slot, was_taken) {
            (Some(slot), true) => self.slots[at] = slot,
            (Some(slot), false) => {
                self.slots.insert(at, slot);
                self.taken |= bit;
            }
            (None, true) => {
                self.slots.remove(at);
                self.taken &= !bit;
            }
            (None, false) => {}
        }
    }

    fn slot_mut(&mut self, nibble: usize) -> Option<&mut Slot> {
        let at = self.at(nibble);
        (self.taken >> nibble & 1 == 1).then(|| &mut self.slots[at])
    }

    fn slot(&self, nibble: usize) -> Option<&Slot> {
        (self.taken >> nibble & 1 == 1).then(|| &self.slots[self.at(nibble)])
    }

    /// Hashes the nodes on the ways of the touched slots, and remembers them where that is worth it.
    fn rehash(&mut self, touched: u16) {
        let large = self.taken.count_ones() >= REMEMBERED_MIN;
        let (mut inner, touched) = match self.inner.take() {
            Some(inner) if large => (inner, touched),
            _ => (Box::new([Nodes::EMPTY; SLOTS]), u16::MAX),
        };
        for node in (1..SLOTS).rev() {
            let (first, count) = span(node);
            let below = ((1u32 << count) - 1) << first;
            if u32::from(touched) & below != 0 {
                inner[node] = self.node(node, &inner);
            }
        }
        self.hash = inner[1];
        self.inner = large.then_some(inner);
    }

    /// The hash of a node of this page, given those below it.
    fn node(&self, node: usize, inner: &[Hash; SLOTS]) -> Hash {
        let (first, count) = span(node);
        let below = (((1u32 << count) - 1) << first) as u16 & self.taken;
        match below.count_ones() {
            0 => return Nodes::EMPTY,
            1 => {
                if let Some(Slot::Leaf { key, record }) = self.slot(below.trailing_zeros() as usize) {
                    return Nodes::leaf_node(key, record);
                }
            }
            _ => {}
        }
        if node >= SLOTS {
            let Some(Slot::Child(child)) = self.slot(first) else { return Nodes::EMPTY };
            return child.hash;
        }
        let of = |child: usize| if child < SLOTS { inner[child] } else { self.node(child, inner) };
        Nodes::inner_node(&of(2 * node), &of(2 * node + 1))
    }

    /// What lies at the end of a key's way from here, and the siblings of the way, leaf to root.
    pub(super) fn way(&self, rows: Rows<'_>, place: Place<'_>, key: &Hash) -> Result<super::Way, KvError> {
        let mut siblings = Vec::new();
        let end = self.walk(rows, place, key, &mut siblings)?;
        siblings.reverse();
        Ok((end, siblings))
    }

    /// The siblings root to leaf.
    fn walk(
        &self,
        rows: Rows<'_>,
        place: Place<'_>,
        key: &Hash,
        siblings: &mut Vec<Hash>,
    ) -> Result<Option<(Hash, Hash)>, KvError> {
        let whole = self.all_inner();
        let nibble = place.nibble(key);
        let mut node = 1;
        loop {
            let (first, count) = span(node);
            let below = (((1u32 << count) - 1) << first) as u16 & self.taken;
            if below == 0 {
                return Ok(None);
            }
            match self.slot(below.trailing_zeros() as usize) {
                Some(Slot::Leaf { key, record }) if below.count_ones() == 1 => return Ok(Some((*key, *record))),
                Some(Slot::Child(child)) if node >= SLOTS => {
                    let below = place.below(key);
                    return child.page(rows, below, &mut Made::default())?.walk(rows, below, key, siblings);
                }
                _ => {}
            }
            let next = 2 * node + (nibble >> (usize::from(LEVELS) - 1 - node.ilog2() as usize) & 1);
            let sibling = next ^ 1;
            siblings.push(if sibling < SLOTS { whole[sibling] } else { self.node(sibling, &whole) });
            node = next;
        }
    }

    fn all_inner(&self) -> Box<[Hash; SLOTS]> {
        match &self.inner {
            Some(inner) => inner.clone(),
            None => {
                let mut inner = Box::new([Nodes::EMPTY; SLOTS]);
                (1..SLOTS).rev().for_each(|node| inner[node] = self.node(node, &inner));
                inner
            }
        }
    }

    /// Its row: which slots are taken, which of them are leaves, which are pages with rows, and what they hold.
    fn encode(&self, depth: u8) -> Vec<u8> {
        let those = |is: fn(&Slot) -> bool| -> u16 {
            self.slots.iter().zip(bits(self.taken)).map(|(slot, nibble)| u16::from(is(slot)) << nibble).sum()
        };
        let leaves = those(|slot| matches!(slot, Slot::Leaf { .. }));
        let with_rows = those(|slot| slot.leaves() == MANY);
        let mut row = [self.taken, leaves, with_rows].map(u16::to_be_bytes).concat();
        for slot in &self.slots {
            match slot {
                // The nibbles that lead here are in the row's key.
                Slot::Leaf { key, record } => {
                    row.extend_from_slice(&key.0[usize::from(depth / 2)..]);
                    row.extend_from_slice(&record.0);
                }
                Slot::Child(child) => row.extend_from_slice(&child.hash.0),
            }
        }
        row
    }

    /// Reads what was kept; none when it does not decode.
    pub(super) fn decode(place: Place<'_>, row: &[u8]) -> Option<Page> {
        let (masks, mut rest) = row.split_first_chunk::<6>()?;
        let [taken, leaves, with_rows] = [0, 2, 4].map(|at| u16::from_be_bytes([masks[at], masks[at + 1]]));
        if leaves & !taken != 0 || with_rows & (leaves | !taken) != 0 {
            return None;
        }
        let given = usize::from(place.depth / 2);
        let mut slots = Vec::with_capacity(taken.count_ones() as usize);
        for nibble in bits(taken) {
            if leaves >> nibble & 1 == 1 {
                let (own, after) = rest.split_at_checked(32 - given)?;
                let mut key = *place.key;
                key.0[given..].copy_from_slice(own);
                let (record, after) = after.split_first_chunk::<32>()?;
                slots.push(Slot::Leaf { key, record: Hash(*record) });
                rest = after;
            } else {
                let (hash, after) = rest.split_first_chunk::<32>()?;
                let leaves = if with_rows >> nibble & 1 == 1 { MANY } else { 1 };
                slots.push(Slot::Child(Child { hash: Hash(*hash), leaves, page: Arc::default() }));
                rest = after;
            }
        }
        let mut page = Page { taken, slots, ..Page::root() };
        page.rehash(u16::MAX);
        rest.is_empty().then_some(page)
    }

    /// Gives the row of the page at `target`, which is this one or one below, and takes it for saved. None when there is
    /// none: its leaves went, or few are left.
    pub(super) fn save(
        this: &mut Arc<Page>,
        rows: Rows<'_>,
        place: Place<'_>,
        target: Place<'_>,
    ) -> Result<Option<Vec<u8>>, KvError> {
        let page = Arc::make_mut(this);
        if place.depth == target.depth {
            page.unsaved = false;
            return Ok(Some(page.encode(place.depth)));
        }
        match page.slot_mut(place.nibble(target.key)) {
            Some(Slot::Child(child)) if child.leaves == MANY => {
                let below = place.below(target.key);
                Page::save(child.page_mut(rows, below, &mut Made::default())?, rows, below, target)
            }
            _ => Ok(None),
        }
    }

    /// Adds what this page and the pages in memory below take, by the height that made them.
    pub(super) fn count_bytes(&self, by_height: &mut BTreeMap<u64, usize>) {
        *by_height.entry(self.made).or_default() += self.bytes();
        self.children().filter_map(|child| child.page.get()).for_each(|page| page.count_bytes(by_height));
    }

    /// Forgets the pages below, and below them, that no height from `since` on made, but for those that are not saved.
    pub(super) fn let_go(this: &mut Arc<Page>, since: u64) {
        for slot in &mut Arc::make_mut(this).slots {
            let Slot::Child(child) = slot else { continue };
            let Some(below) = Arc::make_mut(&mut child.page).get_mut() else { continue };
            Page::let_go(below, since);
            let is_kept =
                below.made >= since || below.unsaved || below.children().any(|child| child.page.get().is_some());
            if !is_kept {
                child.page = Arc::default();
            }
        }
    }

    fn children(&self) -> impl Iterator<Item = &Child> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Child(child) => Some(child),
            Slot::Leaf { .. } => None,
        })
    }
}

impl Slot {
    fn leaves(&self) -> u32 {
        match self {
            Slot::Leaf { .. } => 1,
            Slot::Child(child) => child.leaves,
        }
    }
}

impl Child {
    /// The page, from memory or from disk, where the newest lies. Whoever changes a page reads it here first, and all copies of
    /// the parent share this place: so a tree of before finds the page as it was, here or on disk.
    fn page(&self, rows: Rows<'_>, place: Place<'_>, made: &mut Made) -> Result<&Arc<Page>, KvError> {
        if let Some(page) = self.page.get() {
            return Ok(page);
        }
        let read = rows.page(place, self.leaves == MANY, made)?;
        if let Some(page) = read.filter(|page| rows.are_stale || page.hash == self.hash) {
            return Ok(self.page.get_or_init(|| page));
        }
        let named = hex::encode(place.row_key());
        let message = || format!("the page of the state tree at {named} is not the one its parent names");
        self.page.get().ok_or_else(|| KvError::Corrupt { family: STATE_PAGES, message: message() })
    }

    /// The same, to change: a copy, when somebody else holds it still.
    fn page_mut(&mut self, rows: Rows<'_>, place: Place<'_>, made: &mut Made) -> Result<&mut Arc<Page>, KvError> {
        self.page(rows, place, made)?;
        Ok(Arc::make_mut(&mut self.page).get_mut().expect("it was read"))
    }
}

/// The slots below a node of a page: the first, and how many.
fn span(node: usize) -> (usize, usize) {
    let depth = node.ilog2() as usize;
    let count = SLOTS >> depth;
    ((node - (1 << depth)) * count, count)
}

/// The numbers of the bits that are set, ascending.
fn bits(mask: u16) -> impl Iterator<Item = usize> {
    (0..SLOTS).filter(move |bit| mask >> bit & 1 == 1)
}
