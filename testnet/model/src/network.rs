//! Describe a network to explore: who is in it, what may go wrong, which rule is left out.

use crate::quorum::quorum;
use crate::root::Height;

/// One honest organisation, with one node. Liars have no seat: see [`Network::liars`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Whether it is a member before and after the change of membership.
    pub member: [bool; 2],
    /// Whether this is the one whose storage may be restored.
    pub restorable: bool,
}

impl Seat {
    /// A member throughout.
    pub const STAYS: Seat = Seat { member: [true, true], restorable: false };
    /// A member from the change on; before it an observer.
    pub const JOINS: Seat = Seat { member: [false, true], restorable: false };
    /// A member up to the change.
    pub const LEAVES: Seat = Seat { member: [true, false], restorable: false };
    /// A member throughout, whose storage may be restored.
    pub const RESTORED: Seat = Seat { member: [true, true], restorable: true };
}

/// How a node knows what it may echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// No echo round: a node signs what it applied.
    Off,
    /// It echoes what its log holds and remembers nothing else.
    OfLog,
    /// It also keeps its last echo beside the sign lock, outside the log's folder, and never echoes against it.
    Recorded,
}

/// What a restore takes back to an earlier moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// The log's folder: what is kept beside it (sign lock, echo record) stays.
    Log,
    /// The whole disk: the lock and the echo record go back with it.
    Disk,
}

/// What the others can tell a starting node about its own signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Every honest one holds all of them.
    Hold,
    /// Each honest one holds what it happened to receive.
    MayHold,
}

/// When a node leaves its log for another history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// When it heard a quorum of echoes, or a certificate, for the other one.
    ToQuorum,
    /// Whenever its operator thinks so.
    Freely,
}

/// How often something may go wrong in one history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Budget {
    /// Restarts of any honest node.
    pub crashes: u8,
    /// Restores of the restorable node.
    pub restores: u8,
    /// Moves of any honest node to another history.
    pub resyncs: u8,
}

/// A rule of the protocol that a mutation leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The last signed (height, root) survives a restart, and a start compares it with what peers hold.
    SignLock,
    /// Our own root at the last signed height equals the last signed root.
    OwnRoot,
    /// The checkpoint at a change needs a quorum of both memberships, and nothing above it is signed before.
    DoubleCertificate,
    /// An organisation counts once.
    CountOnce,
    /// A re-sync to a lower root keeps the record of an echo above it, of the same history.
    HigherEcho,
}

/// A network, its faults and its budget. Honest organisations with equal seats stand side by side.
#[derive(Clone, Debug)]
pub struct Network {
    /// The honest organisations.
    pub seats: Vec<Seat>,
    /// How many members lie, before and after the change. Their messages cost no state: every guard only ever needs
    /// *more* messages, so a liar that has said everything to everybody can do whatever any liar can, and one that
    /// keeps silent is a message that is never heard.
    pub liars: [u8; 2],
    /// Whether a liar leads, and so hands out X and Y as it likes.
    pub lying_leader: bool,
    /// How many blocks there are.
    pub heights: Height,
    /// The height at which the membership changes.
    pub change: Option<Height>,
    /// The echo round.
    pub echo: Echo,
    /// Whether a cosignature travels with the echoes it rests on, so that whoever sees it has heard them too.
    pub echoes_shown: bool,
    /// What goes wrong, and how often.
    pub budget: Budget,
    /// What a restore takes back.
    pub restore: Restore,
    /// What the start-up check can learn.
    pub peers: Peers,
    /// When a log is left.
    pub resync: Resync,
    /// The rule left out, in a mutation.
    pub without: Option<Rule>,
    /// Whether states that differ only in which of equal nodes is which are one state.
    pub sorted: bool,
}

impl Network {
    /// `honest` and `liars` members for good; a liar leads if there is one; echo round on; nothing else goes wrong.
    pub fn of(honest: usize, liars: u8, heights: Height) -> Network {
        Network {
            seats: vec![Seat::STAYS; honest],
            liars: [liars; 2],
            lying_leader: liars > 0,
            heights,
            change: None,
            echo: Echo::OfLog,
            echoes_shown: false,
            budget: Budget::default(),
            restore: Restore::Log,
            peers: Peers::Hold,
            resync: Resync::ToQuorum,
            without: None,
            sorted: true,
        }
    }

    /// Whether a rule is in force.
    pub fn keeps(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// How many members there are, before (0) or after (1) the change.
    pub fn members(&self, epoch: usize) -> u8 {
        let honest = self.seats.iter().filter(|seat| seat.member[epoch]).count();
        honest as u8 + self.liars[epoch]
    }

    /// The quorum before (0) or after (1) the change.
    pub fn quorum(&self, epoch: usize) -> u8 {
        quorum(self.members(epoch))
    }

    /// The memberships whose quorum a checkpoint at this height needs.
    pub fn epochs_at(&self, height: Height) -> &'static [usize] {
        match self.change {
            None => &[0],
            Some(change) if height < change => &[0],
            Some(change) if height > change => &[1],
            Some(_) if self.keeps(Rule::DoubleCertificate) => &[0, 1],
            Some(_) => &[0],
        }
    }
}
