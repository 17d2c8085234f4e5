//! Explore a network with stateright, and judge what it found.
//!
//! **No stall** is a claim about every path, which stateright's `eventually` does not check where paths join or go round
//! (its own comments say so: it takes the first path's word for all). So it is put as an `always` over states in which no
//! fair move is left. That is the same claim, because the graph has no circle: every move makes `State::progress` grow
//! (asserted at each) and budgets bound it, so every path ends in such a state. Faults are never owed: a state counts as
//! ended while crashes are left in the budget, which only asks for more.

use crate::claims::{Claim, Sight};
use crate::moves::{Move, after, fair, faults};
use crate::network::Network;
use crate::state::State;
use crate::tally::Tally;
use stateright::{Checker, HasDiscoveries, Model, Path, Property};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// One network and what exploring it must show.
#[derive(Clone, Debug)]
pub struct Run {
    /// How it is called.
    pub name: &'static str,
    /// What is explored.
    pub network: Network,
    /// What must be true in every state. Where there is any, every state is visited.
    pub holds: Vec<Claim>,
    /// What the checker must find a counterexample of.
    pub breaks: Vec<Claim>,
    /// What some state must show.
    pub shows: Vec<Sight>,
}

/// What exploring one found.
#[derive(Debug)]
pub struct Found {
    /// Different states visited.
    pub states: usize,
    /// How long it took.
    pub took: Duration,
    /// What turned out otherwise than the run says; empty when all is as said.
    pub wrong: Vec<String>,
}

impl Run {
    /// A run of which everything is still to be said.
    pub fn of(name: &'static str, network: Network) -> Run {
        Run { name, network, holds: vec![], breaks: vec![], shows: vec![] }
    }

    /// These are true in every state.
    pub fn holds(mut self, claims: &[Claim]) -> Run {
        self.holds.extend(claims);
        self
    }

    /// These are broken somewhere.
    pub fn breaks(mut self, claims: &[Claim]) -> Run {
        self.breaks.extend(claims);
        self
    }

    /// These are seen somewhere.
    pub fn shows(mut self, sights: &[Sight]) -> Run {
        self.shows.extend(sights);
        self
    }

    /// Visits every state, or stops when everything that must be found is.
    pub fn explore(&self, threads: usize) -> Found {
        let began = Instant::now();
        let checker = self.clone().checker().threads(threads).spawn_bfs().join();
        assert!(checker.is_done(), "{} was not explored to its end", self.name);
        let histories = checker.discoveries();
        let found = |name: &str| histories.contains_key(name);
        let mut wrong = Vec::new();
        wrong.extend(self.holds.iter().filter(|c| found(c.name())).map(|c| format!("BROKEN: {}", c.name())));
        wrong.extend(self.breaks.iter().filter(|c| !found(c.name())).map(|c| format!("NOT BROKEN: {}", c.name())));
        wrong.extend(self.shows.iter().filter(|s| !found(s.name())).map(|s| format!("NEVER SEEN: {}", s.name())));
        let states = checker.unique_state_count();
        if states < 2 || self.breaks.is_empty() && self.shows.is_empty() {
            wrong.push("explored nothing, or would not notice".to_owned());
        }
        Found { states, took: began.elapsed(), wrong }
    }

    /// The shortest history that breaks or shows what is so named, with nodes that keep their places.
    pub fn trace(&self, name: &'static str) -> Option<Vec<String>> {
        let mut run = self.clone();
        run.network.sorted = false;
        // The checker keeps the last history it finds, not the first: so one depth after the other.
        let path = (2..self.depth_max(name)?).find_map(|depth| run.to_depth(name, depth))?;
        Some(path.into_actions().iter().map(|step| format!("{step:?}")).collect())
    }

    /// A bound on the shortest history; `None` when there is none.
    fn depth_max(&self, name: &'static str) -> Option<usize> {
        let wanted = HasDiscoveries::AllOf(BTreeSet::from([name]));
        let checker = self.clone().checker().finish_when(wanted).spawn_bfs().join();
        checker.discovery(name).map(|path| path.into_actions().len() + 3)
    }

    fn to_depth(&self, name: &'static str, depth: usize) -> Option<Path<State, Move>> {
        let wanted = HasDiscoveries::AllOf(BTreeSet::from([name]));
        self.clone().checker().target_max_depth(depth).finish_when(wanted).spawn_bfs().join().discovery(name)
    }
}

impl Model for Run {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(&self.network)]
    }

    fn actions(&self, state: &State, moves: &mut Vec<Move>) {
        let tally = Tally::new(&self.network, state);
        fair(tally, moves);
        faults(tally, moves);
    }

    fn next_state(&self, before: &State, step: Move) -> Option<State> {
        Some(after(&self.network, before, step))
    }

    fn properties(&self) -> Vec<Property<Run>> {
        let claims = self.holds.iter().chain(&self.breaks).map(|claim| always(*claim));
        claims.chain(self.shows.iter().map(|sight| sometimes(*sight))).collect()
    }
}

/// stateright takes function pointers, which capture nothing: so one a claim.
fn always(claim: Claim) -> Property<Run> {
    let condition: fn(&Run, &State) -> bool = match claim {
        Claim::OneHistory => |run, state| Claim::OneHistory.holds(&run.network, state),
        Claim::OwnWord => |run, state| Claim::OwnWord.holds(&run.network, state),
        Claim::HonestAgree => |run, state| Claim::HonestAgree.holds(&run.network, state),
        Claim::Gatherable => |run, state| Claim::Gatherable.holds(&run.network, state),
        Claim::ForkNamesLiars => |run, state| Claim::ForkNamesLiars.holds(&run.network, state),
        Claim::NoStall => |run, state| Claim::NoStall.holds(&run.network, state),
        Claim::SilenceHarmless => |run, state| Claim::SilenceHarmless.holds(&run.network, state),
    };
    Property::always(claim.name(), condition)
}

fn sometimes(sight: Sight) -> Property<Run> {
    let condition: fn(&Run, &State) -> bool = match sight {
        Sight::TipCertified => |run, state| Sight::TipCertified.seen(&run.network, state),
        Sight::CrashBeforeSend => |run, state| Sight::CrashBeforeSend.seen(&run.network, state),
        Sight::Retired => |run, state| Sight::Retired.seen(&run.network, state),
        Sight::HeldBackByOwnRoot => |run, state| Sight::HeldBackByOwnRoot.seen(&run.network, state),
        Sight::StrandedUnlessLiarsHelp => |run, state| Sight::StrandedUnlessLiarsHelp.seen(&run.network, state),
        Sight::StrandedForGood => |run, state| Sight::StrandedForGood.seen(&run.network, state),
        Sight::PassedBehind => |run, state| Sight::PassedBehind.seen(&run.network, state),
        Sight::SignedAfterResync => |run, state| Sight::SignedAfterResync.seen(&run.network, state),
    };
    Property::sometimes(sight.name(), condition)
}
