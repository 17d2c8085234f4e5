//! Say which rounds a run has, in which order.

use super::{Arguments, Promise, To};
use crate::report::Case;

/// Where the leader alone is loaded too.
const LEADER_AT: [usize; 2] = [64, 1024];

/// A round of a closed loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) level: Promise,
    pub(super) leader: bool,
    pub(super) in_flight: usize,
    pub(super) accounts: usize,
}

impl Closed {
    pub(super) fn to(&self) -> &'static str {
        if self.leader { "leader" } else { "all" }
    }

    pub(super) fn case(&self) -> Case {
        Case {
            system: "countersign".into(),
            level: self.level.name().into(),
            to: self.to().into(),
            pace: "closed".into(),
            in_flight: self.in_flight,
            rate: 0,
            accounts: self.accounts,
        }
    }
}

/// The closed loops of a run.
pub(super) fn closed(arguments: &Arguments) -> Vec<Closed> {
    let mut rounds = Vec::new();
    let most = arguments.in_flight.iter().copied().max().unwrap_or(1);
    for level in arguments.level.iter().copied() {
        for (n, accounts) in arguments.accounts.iter().copied().enumerate() {
            for in_flight in arguments.in_flight.iter().copied().filter(|in_flight| n == 0 || *in_flight == most) {
                let at_leader = n == 0 && LEADER_AT.contains(&in_flight);
                let leaders: &[bool] = match arguments.to {
                    To::All => &[false],
                    To::Leader => &[true],
                    To::Both if at_leader => &[false, true],
                    To::Both => &[false],
                };
                rounds.extend(leaders.iter().map(|leader| Closed { level, leader: *leader, in_flight, accounts }));
            }
        }
    }
    rounds
}
