//! Name where a page lies: how many nibbles of which key lead to it.

use countersign_proof::Hash;

/// The depth of a page in nibbles, and any key that leads through it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) depth: u8,
    pub(super) key: &'a Hash,
}

impl<'a> Place<'a> {
    /// Where the root lies: no nibble of any key leads there.
    pub(super) fn root(key: &'a Hash) -> Place<'a> {
        Place { depth: 0, key }
    }

    pub(super) fn below(self, key: &'a Hash) -> Place<'a> {
        Place { depth: self.depth + 1, key }
    }

    /// Which of the sixteen ways on from here a key takes.
    pub(super) fn nibble(self, key: &Hash) -> usize {
        let byte = key.0[usize::from(self.depth / 2)];
        usize::from(if self.depth.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
    }

    /// The first and the last of all keys that lead here.
    pub(super) fn bounds(self) -> (Hash, Hash) {
        let (mut first, mut last) = (Hash([0; 32]), Hash([0xff; 32]));
        let whole = usize::from(self.depth / 2);
        first.0[..whole].copy_from_slice(&self.key.0[..whole]);
        last.0[..whole].copy_from_slice(&self.key.0[..whole]);
        if !self.depth.is_multiple_of(2) {
            first.0[whole] = self.key.0[whole] & 0xf0;
            last.0[whole] = self.key.0[whole] | 0x0f;
        }
        (first, last)
    }

    /// The key of its row: the depth, then the nibbles.
    pub(super) fn row_key(self) -> Vec<u8> {
        let (first, _) = self.bounds();
        [&[self.depth][..], &first.0[..usize::from(self.depth).div_ceil(2)]].concat()
    }

    /// A key that leads to the page of this row, and its depth.
    pub(super) fn of_row_key(row_key: &[u8]) -> (u8, Hash) {
        let mut key = Hash([0; 32]);
        key.0[..row_key.len() - 1].copy_from_slice(&row_key[1..]);
        (row_key[0], key)
    }
}
