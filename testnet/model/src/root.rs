//! Name a log by the values it holds, so that a root is its whole prefix.

use std::fmt;

/// A block's height; 0 is the genesis.
pub type Height = u8;

/// The most heights a model may have: the roots of all of them must fit [`Roots`].
pub const HEIGHTS_MAX: Height = 4;

/// What a leader hands out at one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// What an honest leader hands to all.
    X,
    /// What a lying one may hand to some instead.
    Y,
}

/// The root at a height: one bit a value behind a leading one, so that no two prefixes share a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Root(u8);

impl Root {
    /// The root of the empty log.
    pub const GENESIS: Root = Root(1);

    /// How many values the log holds.
    pub fn height(self) -> Height {
        7 - self.0.leading_zeros() as Height
    }

    /// The log with one more value.
    pub fn then(self, value: Value) -> Root {
        assert!(self.height() < HEIGHTS_MAX, "{self:?} is full");
        Root(self.0 << 1 | value as u8)
    }

    /// The root this log had at a height it has reached.
    pub fn at(self, height: Height) -> Root {
        assert!(height <= self.height(), "{self:?} has not reached {height}");
        Root(self.0 >> (self.height() - height))
    }

    /// Whether this log begins with the other.
    pub fn extends(self, other: Root) -> bool {
        self.height() >= other.height() && self.at(other.height()) == other
    }

    /// Whether the two are of one history.
    pub fn agrees(self, other: Root) -> bool {
        self.extends(other) || other.extends(self)
    }

    /// Every root with 1 to `heights` values.
    pub fn all(heights: Height) -> impl Iterator<Item = Root> {
        (2..2u8 << heights).map(Root)
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Root::GENESIS {
            return f.write_str("-");
        }
        (0..self.height()).rev().try_for_each(|bit| f.write_str(if self.0 >> bit & 1 == 0 { "X" } else { "Y" }))
    }
}

/// A set of roots.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Roots(u32);

impl Roots {
    /// Adds one.
    pub fn insert(&mut self, root: Root) {
        self.0 |= 1 << root.0;
    }

    /// Whether it is in.
    pub fn contains(self, root: Root) -> bool {
        self.0 >> root.0 & 1 == 1
    }

    /// How many there are.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either.
    pub fn or(self, other: Roots) -> Roots {
        Roots(self.0 | other.0)
    }

    /// Lowest heights first.
    pub fn iter(self) -> impl Iterator<Item = Root> + Clone {
        (1..32u8).filter(move |bit| self.0 >> bit & 1 == 1).map(Root)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_its_whole_prefix() {
        let log = Root::GENESIS.then(Value::X).then(Value::Y);
        assert_eq!(format!("{log:?} {:?}", log.at(1)), "XY X");
        assert!(log.extends(log.at(1)) && log.at(1).agrees(log) && !log.at(1).extends(log));
        assert!(!log.agrees(Root::GENESIS.then(Value::Y)));
        assert_eq!(Root::all(2).count(), 6);
    }

    #[test]
    fn the_largest_root_fits_the_set() {
        let mut roots = Roots::default();
        let last = Root::all(HEIGHTS_MAX).last().expect("there are heights");
        roots.insert(last);
        assert_eq!(roots.iter().collect::<Vec<_>>(), [last]);
    }
}
