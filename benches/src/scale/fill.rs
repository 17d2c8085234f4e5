//! Fill a ledger: one thread signs, the other takes blocks.

use crate::Failure;
use crate::founded::Founded;
use crate::taking::Taking;
use std::ops::Range;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// Blocks that are signed and wait.
const WAITING_MAX: usize = 8;
const SAID_EVERY: Duration = Duration::from_secs(30);

/// Creates these documents, so many a transaction and a block; gives how long it took.
pub(super) fn fill(taking: &mut Taking, numbers: Range<u64>, operations: u64, block: u64) -> Result<Duration, Failure> {
    let (begun, last) = (Instant::now(), numbers.end);
    let (signed, blocks) = sync_channel(WAITING_MAX);
    let founded = taking.founded.clone();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Whoever takes them has failed when nobody does: he says why.
            ranges(numbers, block)
                .all(|numbers| signed.send((numbers.end, sign(&founded, numbers, operations))).is_ok())
        });
        let mut said = Instant::now();
        for (next, transactions) in blocks {
            taking.block(transactions)?;
            if said.elapsed() > SAID_EVERY {
                said = Instant::now();
                eprintln!("filled: {next} of {last} documents");
            }
        }
        Ok(begun.elapsed())
    })
}

/// Blocks of transactions of one document each, signed beforehand.
pub(super) fn signed(founded: &Founded, numbers: Range<u64>, block: u64) -> Vec<Vec<Vec<u8>>> {
    ranges(numbers, block).map(|numbers| sign(founded, numbers, 1)).collect()
}

fn sign(founded: &Founded, numbers: Range<u64>, operations: u64) -> Vec<Vec<u8>> {
    ranges(numbers, operations).map(|numbers| founded.transaction(numbers)).collect()
}

/// The numbers in parts of `at_most`.
fn ranges(numbers: Range<u64>, at_most: u64) -> impl Iterator<Item = Range<u64>> {
    let end = numbers.end;
    numbers.step_by(at_most as usize).map(move |from| from..(from + at_most).min(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_every_number_once() {
        for (numbers, at_most) in [(1..11, 3), (5..8, 3), (0..0, 4), (7..8, 50)] {
            let parts: Vec<Range<u64>> = ranges(numbers.clone(), at_most).collect();
            assert!(parts.iter().all(|part| !part.is_empty() && part.end - part.start <= at_most), "{parts:?}");
            assert_eq!(parts.into_iter().flatten().collect::<Vec<_>>(), numbers.collect::<Vec<_>>());
        }
    }
}
