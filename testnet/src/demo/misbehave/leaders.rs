//! Show what becomes of a leader that lies: two proposals, a wild clock, transactions left out.

use super::{LIAR, WITHIN, submit, verify_evidence, wait_accused, write};
use crate::demo::{WorkFolder, say};
use crate::error::hold;
use crate::{Network, TestnetError, operations_account, wait_until};
use std::path::Path;
use std::thread;
use std::time::Instant;

const LEADERS_MAX: usize = 20;

/// A leader sends one follower other proposals than the rest: everyone holds both, and lets it lead no more.
pub(super) fn equivocate(network: &mut Network, byzantine: &Path, work: &WorkFolder) -> Result<(), TestnetError> {
    let organisation = network.nodes()[LIAR].organisation.clone();
    lead(network, byzantine, "equivocate")?;
    say(&format!("{organisation} leads, and proposes two ways"));
    write(network, 0, 3)?;
    wait_accused(network, &[0, 1, 2], &organisation)?;
    verify_evidence(network, work, &organisation)?;
    say("and its lead is over; those on the history that a quorum signed certify on");
    write(network, 3, 3)?;
    refused_leader(network, "signed two proposals")
}

/// A leader whose clock is an hour ahead: nobody acknowledges what it proposes, and another is elected.
pub(super) fn wild_clock(network: &mut Network, byzantine: &Path) -> Result<(), TestnetError> {
    lead(network, byzantine, "wild-clock")?;
    say(&format!("{} leads, its clock an hour ahead", network.nodes()[LIAR].node));
    let asked = Instant::now();
    write(network, 0, 1)?;
    say(&format!(
        "a document was certified all the same, {:.1} s after it was submitted",
        asked.elapsed().as_secs_f64()
    ));
    refused_leader(network, "ahead of this node's clock")?;
    write(network, 1, 2)
}

/// A leader that orders nothing of one organisation: the others learn of it, see it for themselves, and elect another.
pub(super) fn censor(network: &mut Network, byzantine: &Path) -> Result<(), TestnetError> {
    lead(network, byzantine, "censor")?;
    let (victim, other) = (network.nodes()[0].organisation.clone(), network.nodes()[2].organisation.clone());
    say(&format!("{} leads, and leaves out what {victim} signs", network.nodes()[LIAR].node));
    let (victim, other) = (operations_account(&victim), operations_account(&other));
    let asked = Instant::now();
    let shared = &*network;
    let certified = thread::scope(|scope| {
        let waiting = scope.spawn(|| submit(shared, &victim, 0, "90s"));
        let mut n = 1;
        while !waiting.is_finished() {
            // While the leader changes, these wait as well.
            submit(shared, &other, n, "60s")?;
            n += 1;
        }
        say(&format!("{} documents of {other} went past it", n - 1));
        waiting.join().expect("submitting does not panic")
    });
    certified?;
    say(&format!(
        "the document of {victim} is certified, {:.1} s after it was submitted",
        asked.elapsed().as_secs_f64()
    ));
    refused_leader(network, "leaves it out")
}

/// Some node says why it refuses the liar, and another one leads.
fn refused_leader(network: &mut Network, why: &str) -> Result<(), TestnetError> {
    let liar = network.nodes()[LIAR].node.clone();
    let refused = network.statuses().into_iter().flat_map(|status| status.refused);
    let line = refused.into_iter().find(|refused| refused.node == liar && refused.reason.contains(why));
    let line = line.ok_or_else(|| TestnetError::Broken(format!("some status says that {liar} is refused: {why}")))?;
    println!("refused     {}: {}", line.node, line.reason);
    wait_until("another leads", WITHIN, || match network.leader() {
        Ok(leader) if leader != LIAR => Ok(()),
        Ok(_) => Err(format!("{liar} leads")),
        Err(seen) => Err(seen),
    })?;
    let leader = network.wait_leader(WITHIN)?;
    say(&format!("{} leads", network.nodes()[leader].node));
    Ok(())
}

/// Starts the liar and ends other leaders until it leads.
fn lead(network: &mut Network, byzantine: &Path, lie: &str) -> Result<(), TestnetError> {
    let liar = network.nodes()[LIAR].node.clone();
    network.restart_lying(LIAR, byzantine, lie)?;
    let mut tries = 0;
    while network.wait_leader(WITHIN)? != LIAR {
        hold(tries < LEADERS_MAX, || format!("{liar} is elected within {LEADERS_MAX} elections"))?;
        tries += 1;
        let leader = network.wait_leader(WITHIN)?;
        network.kill(leader)?;
        // Those who live still name the dead one for a while.
        let dead = network.nodes()[leader].node.clone();
        wait_until("the others elect someone", WITHIN, || {
            let named: Vec<String> = network.statuses().into_iter().map(|status| status.leader).collect();
            if named.iter().all(|name| !name.is_empty() && *name != dead) { Ok(()) } else { Err(format!("{named:?}")) }
        })?;
        network.restart(leader)?;
    }
    Ok(())
}
