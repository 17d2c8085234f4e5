//! Show that the checker does not call a run green that checked nothing or too little.

use countersign_model::claims::{Claim, Sight};
use countersign_model::explore::Run;
use countersign_model::network::{Budget, Echo, Network, Rule};
use countersign_model::runs;

#[test]
fn a_run_that_explores_nothing_is_red() {
    let run = Run::of("no block", Network::of(3, 1, 0)).holds(&[Claim::OneHistory]).shows(&[Sight::TipCertified]);
    let found = run.explore(1);
    assert_eq!(found.states, 1);
    assert_eq!(found.wrong, ["NEVER SEEN: the tip is certified", "explored nothing, or would not notice"]);
}

#[test]
fn a_claim_that_is_broken_unasked_is_red() {
    let network = Network { echo: Echo::Off, ..Network::of(3, 1, 1) };
    let found = Run::of("no echo", network).holds(&[Claim::HonestAgree]).shows(&[Sight::TipCertified]).explore(1);
    assert_eq!(found.wrong, ["BROKEN: honest signatures are of one history"]);
}

#[test]
fn a_claim_that_holds_where_it_must_break_is_red() {
    let found = Run::of("whole", Network::of(3, 1, 1)).breaks(&[Claim::OneHistory]).explore(1);
    assert_eq!(found.wrong, ["NOT BROKEN: certificates are of one history"]);
}

#[test]
fn nodes_that_keep_their_places_show_the_same_in_more_states() {
    let crash = Budget { crashes: 1, ..Budget::default() };
    let network = Network { budget: crash, ..Network::of(3, 1, 1) };
    let run = Run::of("sorted", network).holds(&[Claim::OneHistory, Claim::HonestAgree]).shows(&[Sight::TipCertified]);
    let mut placed = run.clone();
    placed.network.sorted = false;
    let (sorted, placed) = (run.explore(1), placed.explore(1));
    assert!(sorted.wrong.is_empty() && placed.wrong.is_empty());
    assert!(sorted.states < placed.states && placed.states <= 6 * sorted.states, "{sorted:?} {placed:?}");
}

#[test]
fn the_shortest_history_is_traced() {
    let run =
        runs::mutations().into_iter().find(|run| run.network.without == Some(Rule::CountOnce)).expect("it is listed");
    let steps = run.trace(Claim::OneHistory.name()).expect("it is broken");
    assert_eq!(steps.len(), 8, "{steps:?}");
}

#[test]
fn names_of_runs_are_their_own() {
    let runs = runs::all();
    let names: std::collections::BTreeSet<_> = runs.iter().map(|run| run.name).collect();
    assert_eq!(names.len(), runs.len());
}
