//! Count how many organisations may lie, and how many a certificate needs.

/// f: how many of n may lie.
pub fn liars_max(organisations: u8) -> u8 {
    (organisations - 1) / 3
}

/// q: how many distinct ones make a quorum.
pub fn quorum(organisations: u8) -> u8 {
    (organisations + liars_max(organisations) + 1).div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_are_those_of_the_design() {
        let table = [(2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (10, 7), (13, 9)];
        assert!(table.iter().all(|(organisations, expected)| quorum(*organisations) == *expected));
    }

    #[test]
    fn two_quorums_share_more_than_may_lie_and_the_honest_alone_are_one() {
        for n in 1..=40 {
            assert!(2 * quorum(n) > n + liars_max(n), "{n}");
            assert!(n - liars_max(n) >= quorum(n), "{n}");
        }
    }
}
