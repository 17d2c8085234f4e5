//! Read the path of a tile or an entry bundle in its one form.

use crate::limits::TILE_WIDTH;
use crate::refusal::Refusal;
use axum::http::Uri;
use std::ops::Range;

/// What stands before a tile of hashes.
pub(super) const TILES: &str = "/tile/";
/// What stands before an entry bundle.
pub(super) const BUNDLES: &str = "/tile/entries/";

/// The highest level that C2SP names. No log of ours reaches the seventh.
const LEVEL_MAX: u32 = 63;

/// A tile: so many subtrees of 256^level leaves, side by side. An entry bundle is one of level 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tile {
    level: u32,
    /// Saturated: a number that no u64 holds is beyond every log.
    index: u64,
    width: u64,
}

impl Tile {
    /// Reads `/tile/<L>/<N>[.p/<W>]`, as it is in the address: percent-encoding is another form.
    pub(super) fn of_hashes(uri: &Uri) -> Result<Tile, Refusal> {
        let rest = uri.path().strip_prefix(TILES).unwrap_or_default();
        let (level, rest) = rest.split_once('/').ok_or_else(|| wrong("not /tile/<L>/<N> or /tile/<L>/<N>.p/<W>"))?;
        let level = decimal(level).and_then(|level| u32::try_from(level).ok()).filter(|level| *level <= LEVEL_MAX);
        Tile::parse(level.ok_or_else(|| wrong("the level is not a decimal number from 0 to 63"))?, rest)
    }

    /// Reads `/tile/entries/<N>[.p/<W>]`.
    pub(super) fn of_entries(uri: &Uri) -> Result<Tile, Refusal> {
        Tile::parse(0, uri.path().strip_prefix(BUNDLES).unwrap_or_default())
    }

    /// Reads `<N>[.p/<W>]`.
    fn parse(level: u32, rest: &str) -> Result<Tile, Refusal> {
        let (number, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH),
            Some((number, width)) => {
                let width = decimal(width).filter(|width| (1..TILE_WIDTH).contains(width));
                (number, width.ok_or_else(|| wrong("the width is not a decimal number from 1 to 255"))?)
            }
        };
        let index = index(number)
            .ok_or_else(|| wrong("the index is not in elements of three digits, all but the last after an x"))?;
        Ok(Tile { level, index, width })
    }

    /// Which subtrees of level `8 * level` it holds, all within a log of `size` leaves; refused when they are not.
    pub(super) fn within(&self, size: u64) -> Result<Range<u64>, Refusal> {
        let complete = size.checked_shr(self.node_level()).unwrap_or(0);
        let first = self.index.checked_mul(TILE_WIDTH);
        let range = first.and_then(|first| Some(first..first.checked_add(self.width)?));
        let beyond = || Refusal::Missing(format!("this reaches beyond the newest certified size, {size}"));
        range.filter(|range| range.end <= complete).ok_or_else(beyond)
    }

    /// The level of its hashes in the binary tree.
    pub(super) fn node_level(&self) -> u32 {
        8 * self.level
    }
}

fn wrong(reason: &str) -> Refusal {
    Refusal::field("path", reason)
}

/// `x001/x234/067` is 1234067. There is no first element of `x000`.
fn index(text: &str) -> Option<u64> {
    if text.starts_with("x000") {
        return None;
    }
    let mut elements = text.split('/').rev();
    let last = digits(elements.next()?)?;
    // From the left again, so that each step is times a thousand.
    let before = elements.rev().try_fold(0u64, |number, element| {
        Some(number.saturating_mul(1000).saturating_add(digits(element.strip_prefix('x')?)?))
    });
    Some(before?.saturating_mul(1000).saturating_add(last))
}

fn digits(element: &str) -> Option<u64> {
    let three = element.len() == 3 && element.bytes().all(|byte| byte.is_ascii_digit());
    if three { element.parse().ok() } else { None }
}

/// A number in its one decimal form.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(path: &str) -> Result<Tile, Refusal> {
        Tile::of_hashes(&format!("/tile/{path}").parse().expect(path))
    }

    #[test]
    fn the_examples_of_the_specification_are_read() {
        assert_eq!(tile("0/x001/x234/067").ok(), Some(Tile { level: 0, index: 1_234_067, width: 256 }));
        assert_eq!(tile("63/000.p/1").ok(), Some(Tile { level: 63, index: 0, width: 1 }));
        assert_eq!(tile("2/x010/000.p/255").ok(), Some(Tile { level: 2, index: 10_000, width: 255 }));
        let bundle = Tile::of_entries(&"/tile/entries/x999/999.p/7".parse().expect("a path"));
        assert_eq!(bundle.ok(), Some(Tile { level: 0, index: 999_999, width: 7 }));
        let huge = tile(&format!("0/x100{}/000", "/x000".repeat(300))).expect("its form");
        assert_eq!((huge.level, huge.index), (0, u64::MAX));
        huge.within(u64::MAX).expect_err("beyond every log");
    }

    #[test]
    fn a_log_of_70000_leaves_has_the_tiles_that_the_specification_counts() {
        // 273 full and one of 112 at level 0, one full and one of 17 at level 1, one of 1 at level 2.
        let held = |path: &str| tile(path).expect(path).within(70_000).is_ok();
        for path in ["0/272", "0/273.p/112", "0/000.p/255", "1/000", "1/001.p/17", "2/000.p/1"] {
            assert!(held(path), "{path}");
        }
        for path in ["0/273", "0/273.p/113", "0/274.p/1", "1/001", "1/001.p/18", "2/000.p/2", "3/000.p/1", "63/000.p/1"]
        {
            assert!(!held(path), "{path}");
        }
        assert!(tile("1/000.p/1").expect("a path").within(255).is_err(), "a partial tile is not hashed upward");
        assert_eq!(tile("1/000.p/1").expect("a path").within(256).ok(), Some(0..1));
    }
}
