//! Show that the model can fail: each rule left out breaks something that holds with it.

use countersign_model::claims::Claim;
use countersign_model::explore::Run;
use countersign_model::network::{Echo, Network, Rule};
use countersign_model::runs;

fn is_as_said(run: &Run) {
    let found = run.explore(2);
    assert!(found.wrong.is_empty(), "{}: {:?}", run.name, found.wrong);
}

fn mutation(rule: Rule) {
    let runs: Vec<Run> = runs::mutations().into_iter().filter(|run| run.network.without == Some(rule)).collect();
    assert!(!runs.is_empty(), "{rule:?} is never left out");
    for run in runs {
        is_as_said(&run);
        let network = Network { without: None, ..run.network };
        let whole = Run { network, holds: run.breaks, breaks: vec![], ..run };
        let found = whole.explore(2);
        assert!(
            found.wrong.iter().all(|wrong| wrong.contains("would not notice")),
            "{}: {:?}",
            whole.name,
            found.wrong
        );
    }
}

#[test]
fn without_the_sign_lock_a_node_contradicts_itself() {
    mutation(Rule::SignLock);
}

#[test]
fn without_the_own_root_check_a_node_contradicts_itself() {
    mutation(Rule::OwnRoot);
}

#[test]
fn without_the_double_certificate_a_replaced_member_lets_the_history_fork_and_a_change_stalls() {
    mutation(Rule::DoubleCertificate);
}

#[test]
fn counting_an_organisation_twice_forks_the_history() {
    mutation(Rule::CountOnce);
}

#[test]
fn a_resync_that_forgets_an_echo_above_it_lets_honest_signatures_part() {
    mutation(Rule::HigherEcho);
}

#[test]
fn without_the_echo_round_a_lying_leader_strands_a_height() {
    let run = runs::with_a_liar().into_iter().find(|run| run.network.echo == Echo::Off).expect("one is without");
    assert!(run.breaks.contains(&Claim::Gatherable) && !run.shows.is_empty());
    is_as_said(&run);
}

#[test]
fn beyond_its_limits_the_protocol_breaks_where_the_decision_says() {
    runs::limits().iter().for_each(is_as_said);
}
