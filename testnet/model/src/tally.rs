//! Count echoes and cosignatures by distinct organisations.

use crate::network::{Network, Rule};
use crate::root::{Root, Roots};
use crate::state::{Node, State};

/// A count over everything told so far.
#[derive(Clone, Copy)]
pub struct Tally<'a> {
    /// Whose quorums.
    pub network: &'a Network,
    /// What was told.
    pub state: &'a State,
    /// Whether the liars say everything to everybody; else they say nothing.
    pub liars_speak: bool,
}

impl<'a> Tally<'a> {
    /// With liars that say everything.
    pub fn new(network: &'a Network, state: &'a State) -> Tally<'a> {
        Tally { network, state, liars_speak: true }
    }

    /// Whether a quorum echoed exactly this root. A cosignature is an echo too, so a certificate is a quorum of echoes.
    pub fn echoed(self, root: Root) -> bool {
        let shown = self.network.echoes_shown && self.state.nodes.iter().any(|node| node.signed.contains(root));
        shown || self.quorum(root, |node| node.echoed.or(node.signed).contains(root))
    }

    /// Whether there is a certificate over exactly this root.
    pub fn certified(self, root: Root) -> bool {
        self.quorum(root, |node| node.signed.contains(root))
    }

    /// Every root with a certificate. One has an honest signer: liars are fewer than a quorum.
    pub fn certificates(self) -> impl Iterator<Item = Root> + Clone {
        let signed = self.state.nodes.iter().fold(Roots::default(), |all, node| all.or(node.signed));
        signed.iter().filter(move |root| self.certified(*root))
    }

    /// Whether the honest of whom this is true, and the liars if they speak, are a quorum wherever this height needs one.
    pub fn quorum(self, root: Root, votes: impl Fn(&Node) -> bool) -> bool {
        self.network.epochs_at(root.height()).iter().all(|epoch| {
            let seats = self.network.seats.iter().zip(&self.state.nodes);
            let honest = seats.filter(|(seat, node)| seat.member[*epoch] && votes(node)).count();
            honest as u8 + self.liars(*epoch) >= self.network.quorum(*epoch)
        })
    }

    fn liars(self, epoch: usize) -> u8 {
        // What a liar sends twice counts twice only where organisations are not told apart.
        let each = if self.network.keeps(Rule::CountOnce) { 1 } else { 2 };
        if self.liars_speak { self.network.liars[epoch] * each } else { 0 }
    }
}
