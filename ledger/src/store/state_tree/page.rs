//! Hold four levels of the state tree in one page, and change pages without changing them: a new page shares what is the same.

use super::super::kv::{Kv, KvError};
use super::super::rows::STATE_PAGES;
use countersign_proof::{Hash, StateTree as Nodes};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Levels of a page: a nibble of the key.
const LEVELS: u8 = 4;
const SLOTS: usize = 1 << LEVELS;
/// Fewer slots than this are hashed anew rather than remembered.
const REMEMBERED_MIN: u32 = 6;

/// What a key will hold: a record hash, or nothing, where a tree of before is made of one of now.
pub(super) type Set = (Hash, Option<Hash>);

/// The subtree below some depth, down to four levels; two leaves or more, but for the root.
#[derive(Clone)]
pub(super) struct Page {
    /// Which of the sixteen slots are taken, the lowest bit for the first.
    taken: u16,
    /// The taken ones, in order.
    slots: Vec<Slot>,
    hash: Hash,
    /// Of the nodes between, numbered like a heap: 1 is the page's own, the children of n are 2n and 2n+1. None in a small page.
    inner: Option<Box<[Hash; SLOTS]>>,
    /// The height that made it; 0 for one that was read.
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
    page: Arc<OnceLock<Arc<Page>>>,
}

/// What a subtree is.
enum Node {
    Empty,
    Leaf { key: Hash, record: Hash },
    Page(Arc<Page>),
}

/// Where a page lies: how many nibbles of which key lead to it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    depth: u8,
    key: &'a Hash,
}

impl<'a> Place<'a> {
    /// Where the root lies: no nibble of any key leads there.
    pub(super) fn root(key: &'a Hash) -> Place<'a> {
        Place { depth: 0, key }
    }

    fn below(self, key: &'a Hash) -> Place<'a> {
        Place { depth: self.depth + 1, key }
    }

    fn nibble(self, key: &Hash) -> usize {
        let byte = key.0[usize::from(self.depth / 2)];
        usize::from(if self.depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
    }

    /// The key of its row: the depth, then the nibbles.
    pub(super) fn row_key(self) -> Vec<u8> {
        let depth = usize::from(self.depth);
        let mut row = vec![self.depth];
        row.extend_from_slice(&self.key.0[..depth.div_ceil(2)]);
        if !depth.is_multiple_of(2) {
            *row.last_mut().expect("the depth at least") &= 0xf0;
        }
        row
    }
}

/// What a change of pages leaves behind: those that it made, each with the key of its row.
#[derive(Default)]
pub(super) struct Made {
    pub(super) pages: Vec<(Vec<u8>, Arc<Page>)>,
    /// The bytes in memory of all of them.
    pub(super) bytes: usize,
}

impl Page {
    /// The page of a tree without a leaf.
    pub(super) fn empty() -> Page {
        Page { taken: 0, slots: Vec::new(), hash: Nodes::EMPTY, inner: None, made: 0 }
    }

    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    /// Roughly what it takes in memory, without the pages below.
    fn bytes(&self) -> usize {
        size_of::<Page>()
            + self.slots.capacity() * size_of::<Slot>()
            + self.inner.as_ref().map_or(0, |_| SLOTS * 32)
            + 32
    }

    /// The page with these keys set, ascending, every one of which leads here.
    pub(super) fn set(
        &self,
        kv: &dyn Kv,
        place: Place<'_>,
        height: u64,
        sets: &[Set],
        made: &mut Made,
    ) -> Result<Arc<Page>, KvError> {
        let mut slots: [Option<Slot>; SLOTS] = Default::default();
        let mut touched = 0u16;
        let mut rest = sets;
        while let Some((key, _)) = rest.first() {
            let nibble = place.nibble(key);
            let (of_slot, others) = rest.split_at(rest.partition_point(|(key, _)| place.nibble(key) == nibble));
            rest = others;
            touched |= 1 << nibble;
            let before = match self.slot(nibble) {
                None => Node::Empty,
                Some(Slot::Leaf { key, record }) => Node::Leaf { key: *key, record: *record },
                // Read through this page: whoever still holds it finds the page below as it was.
                Some(Slot::Child(child)) => Node::Page(child.page(kv, place.below(key))?),
            };
            slots[nibble] = match before.set(kv, place.below(key), height, of_slot, made)? {
                Node::Empty => None,
                Node::Leaf { key, record } => Some(Slot::Leaf { key, record }),
                Node::Page(page) => Some(Slot::Child(Child { hash: page.hash, page: Arc::new(OnceLock::from(page)) })),
            };
        }
        let mut page = Page { taken: 0, slots: Vec::new(), hash: self.hash, inner: self.inner.clone(), made: height };
        let kept = self.slots.iter().zip(bits(self.taken)).filter(|(_, nibble)| touched & 1 << nibble == 0);
        kept.for_each(|(slot, nibble)| slots[nibble] = Some(slot.clone()));
        for (nibble, slot) in slots.into_iter().enumerate() {
            page.taken |= u16::from(slot.is_some()) << nibble;
            page.slots.extend(slot);
        }
        page.rehash(touched);
        let page = Arc::new(page);
        made.bytes += page.bytes();
        made.pages.push((place.row_key(), page.clone()));
        Ok(page)
    }

    fn slot(&self, nibble: usize) -> Option<&Slot> {
        let at = (self.taken & ((1u32 << nibble) - 1) as u16).count_ones() as usize;
        (self.taken >> nibble & 1 == 1).then(|| &self.slots[at])
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
    pub(super) fn way(&self, kv: &dyn Kv, place: Place<'_>, key: &Hash) -> Result<super::Way, KvError> {
        let mut siblings = Vec::new();
        let end = self.walk(kv, place, key, &mut siblings)?;
        siblings.reverse();
        Ok((end, siblings))
    }

    /// The siblings root to leaf.
    fn walk(
        &self,
        kv: &dyn Kv,
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
                    return child.page(kv, below)?.walk(kv, below, key, siblings);
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

    /// What is kept of it on disk: which slots are taken, which of them are leaves, and what they hold.
    pub(super) fn encode(&self, place_depth: u8) -> Vec<u8> {
        let leaves = self.slots.iter().zip(bits(self.taken));
        let leaves = leaves.filter(|(slot, _)| matches!(slot, Slot::Leaf { .. })).map(|(_, nibble)| 1u16 << nibble);
        let mut row = [self.taken.to_be_bytes(), leaves.sum::<u16>().to_be_bytes()].concat();
        for slot in &self.slots {
            match slot {
                // The nibbles that lead here are in the row's key.
                Slot::Leaf { key, record } => {
                    row.extend_from_slice(&key.0[usize::from(place_depth / 2)..]);
                    row.extend_from_slice(&record.0);
                }
                Slot::Child(child) => row.extend_from_slice(&child.hash.0),
            }
        }
        row
    }

    /// Reads what was kept; none when it does not decode.
    pub(super) fn decode(place: Place<'_>, row: &[u8]) -> Option<Page> {
        let (masks, mut rest) = row.split_first_chunk::<4>()?;
        let (taken, leaves) = (u16::from_be_bytes([masks[0], masks[1]]), u16::from_be_bytes([masks[2], masks[3]]));
        if leaves & !taken != 0 {
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
                slots.push(Slot::Child(Child { hash: Hash(*hash), page: Arc::default() }));
                rest = after;
            }
        }
        let mut page = Page { taken, slots, hash: Nodes::EMPTY, inner: None, made: 0 };
        page.rehash(u16::MAX);
        rest.is_empty().then_some(page)
    }

    /// Reads the page at this place, whatever its hash.
    pub(super) fn read(kv: &dyn Kv, place: Place<'_>) -> Result<Option<Page>, KvError> {
        let corrupt =
            || KvError::Corrupt { family: STATE_PAGES, message: "a page of the state tree does not decode".into() };
        let row = kv.get(STATE_PAGES, &place.row_key())?;
        row.map(|row| Page::decode(place, &row).ok_or_else(corrupt)).transpose()
    }

    /// Adds what this page and the pages in memory below take, by the height that made them.
    pub(super) fn count_bytes(&self, by_height: &mut BTreeMap<u64, usize>) {
        *by_height.entry(self.made).or_default() += self.bytes();
        self.children().filter_map(|child| child.page.get()).for_each(|page| page.count_bytes(by_height));
    }

    /// This page without the pages below, and below them, that no height from `since` on made.
    pub(super) fn without_older(&self, since: u64) -> Page {
        let mut page = self.clone();
        for slot in &mut page.slots {
            let Slot::Child(child) = slot else { continue };
            let Some(below) = child.page.get() else { continue };
            let below = below.without_older(since);
            let is_kept = below.made >= since || below.children().any(|child| child.page.get().is_some());
            child.page = if is_kept { Arc::new(OnceLock::from(Arc::new(below))) } else { Arc::default() };
        }
        page
    }

    fn children(&self) -> impl Iterator<Item = &Child> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Child(child) => Some(child),
            Slot::Leaf { .. } => None,
        })
    }
}

impl Node {
    fn set(self, kv: &dyn Kv, place: Place<'_>, height: u64, sets: &[Set], made: &mut Made) -> Result<Node, KvError> {
        let page = match &self {
            Node::Page(page) => page.set(kv, place, height, sets, made)?,
            Node::Empty | Node::Leaf { .. } => match self.set_small(sets) {
                Ok(node) => return Ok(node),
                Err(leaves) => Page::empty().set(kv, place, height, &leaves, made)?,
            },
        };
        Ok(match &page.slots[..] {
            [] => Node::Empty,
            [Slot::Leaf { key, record }] => Node::Leaf { key: *key, record: *record },
            _ => Node::Page(page),
        })
    }

    /// What no page is needed for; else all leaves there are now, ascending.
    fn set_small(self, sets: &[Set]) -> Result<Node, Vec<Set>> {
        let leaf = match self {
            Node::Leaf { key, record } if sets.iter().all(|(set, _)| *set != key) => Some((key, Some(record))),
            _ => None,
        };
        let mut leaves: Vec<Set> = sets.iter().filter(|(_, record)| record.is_some()).copied().chain(leaf).collect();
        match leaves[..] {
            [] => Ok(Node::Empty),
            [(key, Some(record))] => Ok(Node::Leaf { key, record }),
            _ => {
                leaves.sort_unstable();
                Err(leaves)
            }
        }
    }
}

impl Child {
    /// The page, from memory or from disk, where the newest lies. Whoever changes a page reads it here first, and all copies of
    /// the parent share this place: so a tree of before finds the page as it was, here or on disk.
    fn page(&self, kv: &dyn Kv, place: Place<'_>) -> Result<Arc<Page>, KvError> {
        if let Some(page) = self.page.get() {
            return Ok(page.clone());
        }
        if let Some(page) = Page::read(kv, place)?.filter(|page| page.hash == self.hash) {
            return Ok(self.page.get_or_init(|| Arc::new(page)).clone());
        }
        let missing = || KvError::Corrupt {
            family: STATE_PAGES,
            message: format!(
                "the page of the state tree at {} is not the one its parent names",
                hex::encode(place.row_key())
            ),
        };
        self.page.get().cloned().ok_or_else(missing)
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
