//! State what must hold in every state, and what some state must show.

use crate::moves::{Move, fair, resyncs};
use crate::network::{Budget, Network};
use crate::quorum::liars_max;
use crate::root::Root;
use crate::state::{Node, State};
use crate::tally::Tally;

/// Something that is true in every state, or is broken by a state that the checker finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// No two certificates are of two histories: at one height, or one above the other.
    OneHistory,
    /// No honest organisation signs roots of two histories.
    OwnWord,
    /// No two honest organisations sign roots of two histories.
    HonestAgree,
    /// Every honest signature is on a history that the honest alone could still certify.
    Gatherable,
    /// Two certificates of two histories name more than f organisations that signed both.
    ForkNamesLiars,
    /// Where nothing more can happen, the tip is certified, and the change doubly.
    NoStall,
    /// Where nothing more can happen unless a liar speaks, re-syncs included, the honest alone have certified every honest
    /// signature.
    SilenceHarmless,
}

/// Something that happens in some history; else the run exercised less than it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The tip is certified, and the change doubly.
    TipCertified,
    /// A node has written its lock, crashed, and not yet sent the signature.
    CrashBeforeSend,
    /// A node that the start-up check has stopped.
    Retired,
    /// A restored node's log contradicts what it signed, and the own-root check holds it back.
    HeldBackByOwnRoot,
    /// Honest nodes have signed two values at one height, and without the liars no certificate can ever form there or
    /// above.
    StrandedUnlessLiarsHelp,
    /// The same, whatever the liars sign.
    StrandedForGood,
    /// A restored node has passed the start-up check with a lock behind what it signed.
    PassedBehind,
    /// A node left its log for the history that a quorum echoed, and signed it.
    SignedAfterResync,
}

impl Claim {
    /// How it is printed, and what stateright calls it.
    pub fn name(self) -> &'static str {
        match self {
            Claim::OneHistory => "certificates are of one history",
            Claim::OwnWord => "no honest organisation contradicts itself",
            Claim::HonestAgree => "honest signatures are of one history",
            Claim::Gatherable => "every honest signature can still gather a quorum of the honest",
            Claim::ForkNamesLiars => "a fork names more than f organisations",
            Claim::NoStall => "where nothing more can happen the tip is certified",
            Claim::SilenceHarmless => "every honest signature is certified even if the liars fall silent",
        }
    }

    /// Whether it is true in a state.
    pub fn holds(self, network: &Network, state: &State) -> bool {
        match self {
            Claim::OneHistory => pairs(Tally::new(network, state).certificates()).all(|(a, b)| a.agrees(b)),
            Claim::OwnWord => state.nodes.iter().all(|node| pairs(node.signed.iter()).all(|(a, b)| a.agrees(b))),
            Claim::HonestAgree => honest_agree(state.nodes.iter()),
            Claim::Gatherable => signed(state).all(|root| can_gather(network, state, root, false)),
            Claim::ForkNamesLiars => fork_names_liars(network, state),
            Claim::NoStall => !nothing_more(Tally::new(network, state)) || tip_certified(network, state),
            Claim::SilenceHarmless => silence_harmless(network, state),
        }
    }
}

impl Sight {
    /// How it is printed, and what stateright calls it.
    pub fn name(self) -> &'static str {
        match self {
            Sight::TipCertified => "the tip is certified",
            Sight::CrashBeforeSend => "a crash between lock and signature",
            Sight::Retired => "a restored node is stopped by the start-up check",
            Sight::HeldBackByOwnRoot => "a restored node is held back by its own root",
            Sight::StrandedUnlessLiarsHelp => "a stranded height, unless liars help",
            Sight::StrandedForGood => "a stranded height, whatever liars do",
            Sight::PassedBehind => "a restored node passes the start-up check with its lock behind",
            Sight::SignedAfterResync => "a re-synced node signs the other history",
        }
    }

    /// Whether a state shows it.
    pub fn seen(self, network: &Network, state: &State) -> bool {
        match self {
            Sight::TipCertified => tip_certified(network, state),
            Sight::CrashBeforeSend => state.nodes.iter().any(|node| node.unchecked && node.owes_signature()),
            Sight::Retired => state.nodes.iter().any(|node| node.retired),
            Sight::HeldBackByOwnRoot => state.nodes.iter().any(|node| {
                node.applied >= node.lock.height() && !node.log.extends(node.lock) && !node.unchecked && !node.retired
            }),
            Sight::StrandedUnlessLiarsHelp => stranded(network, state, false),
            Sight::StrandedForGood => stranded(network, state, true),
            Sight::PassedBehind => state.nodes.iter().any(|node| {
                let behind = node.signed.iter().any(|root| root.height() > node.lock.height());
                behind && !node.unchecked && !node.retired
            }),
            Sight::SignedAfterResync => {
                // A move to another history is the only thing that makes a node echo two.
                let two = |node: &&Node| pairs(node.echoed.iter()).any(|(a, b)| !a.agrees(b));
                let spent = network.budget != state.left && state.left == Budget::default();
                spent && state.nodes.iter().filter(two).any(|node| !node.signed.is_empty())
            }
        }
    }
}

fn pairs<T: Copy>(all: impl Iterator<Item = T> + Clone) -> impl Iterator<Item = (T, T)> {
    all.clone().enumerate().flat_map(move |(at, a)| all.clone().skip(at + 1).map(move |b| (a, b)))
}

fn signed(state: &State) -> impl Iterator<Item = Root> {
    state.nodes.iter().flat_map(|node| node.signed.iter())
}

fn honest_agree<'a>(nodes: impl Iterator<Item = &'a Node> + Clone) -> bool {
    pairs(nodes).all(|(one, other)| one.signed.iter().all(|a| other.signed.iter().all(|b| a.agrees(b))))
}

/// Whether some root at this one's height or above, of its history, can still be certified.
fn can_gather(network: &Network, state: &State, root: Root, liars_help: bool) -> bool {
    let tally = Tally { network, state, liars_speak: liars_help };
    let goals = Root::all(network.heights).filter(|goal| goal.extends(root));
    goals.into_iter().any(|goal| tally.quorum(goal, |node| can_sign(node, goal)))
}

/// Whether a node signed it or may do so yet, be it after a re-sync.
fn can_sign(node: &Node, root: Root) -> bool {
    let may = node.lock == root || root.height() > node.lock.height() && root.extends(node.lock);
    node.signed.contains(root) || may && !node.retired
}

/// Whether honest nodes signed two values at one height, and nothing from there on can be certified.
fn stranded(network: &Network, state: &State, liars_help: bool) -> bool {
    let split = |a: Root, b: Root| a.height() == b.height() && a != b;
    let mut splits = signed(state).filter(|a| signed(state).any(|b| split(*a, b)));
    let tally = Tally { network, state, liars_speak: liars_help };
    splits.next().is_some_and(|one| {
        let mut goals = Root::all(network.heights).filter(|goal| goal.height() >= one.height());
        !goals.any(|goal| tally.quorum(goal, |node| can_sign(node, goal)))
    })
}

fn fork_names_liars(network: &Network, state: &State) -> bool {
    pairs(Tally::new(network, state).certificates()).filter(|(a, b)| !a.agrees(*b)).all(|(a, b)| {
        let both = state.nodes.iter().filter(|node| node.signed.contains(a) && node.signed.contains(b)).count();
        both as u8 + network.liars[0] > liars_max(network.members(0))
    })
}

fn nothing_more(tally: Tally<'_>) -> bool {
    let mut moves: Vec<Move> = Vec::new();
    fair(tally, &mut moves);
    moves.is_empty()
}

fn silence_harmless(network: &Network, state: &State) -> bool {
    let tally = Tally { network, state, liars_speak: false };
    // Whatever the budget says: a node that may re-sync is not stuck.
    let resync = || (0..state.nodes.len()).any(|at| resyncs(tally, at).next().is_some());
    let certified = |root: Root| tally.certificates().any(|above| above.extends(root));
    signed(state).all(certified) || resync() || !nothing_more(tally)
}

fn tip_certified(network: &Network, state: &State) -> bool {
    let tally = Tally::new(network, state);
    let tip = tally.certificates().find(|root| root.height() == network.heights);
    tip.is_some_and(|tip| network.change.is_none_or(|change| tally.certified(tip.at(change))))
}
