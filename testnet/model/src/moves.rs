//! List what can happen next in a state, and make it happen.

use crate::network::{Echo, Network, Peers, Restore, Resync, Rule};
use crate::root::{Height, Root, Value};
use crate::state::{Node, State};
use crate::tally::Tally;

/// One thing that happens, at the node of one seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The leader hands it a value; it flushes, applies and echoes it.
    Append(usize, Value),
    /// It applies again what its log holds, after a restart.
    Replay(usize),
    /// It has heard a quorum of echoes of its own root.
    Hear(usize, Height),
    /// It writes the sign lock. A crash may fall between this and `Send`.
    Lock(usize),
    /// It signs what its lock says and sends it.
    Send(usize),
    /// It comes to hold the double certificate of the change.
    HoldChange(usize),
    /// Of q-1 others asked, none holds a signature of its own that is ahead of its lock.
    PassCheck(usize),
    /// One of them holds such a signature: it never signs again.
    Retire(usize),
    /// It receives the restorable node's newest cosignature.
    Receive(usize),
    /// It loses what is in memory and starts again.
    Crash(usize),
    /// Its storage goes back to this log and this lock.
    Restore(usize, Root, Root),
    /// It leaves its log for this history.
    Resync(usize, Root),
}

/// All moves but those of the budget: what happens sooner or later unless somebody lies.
pub fn fair(tally: Tally<'_>, moves: &mut Vec<Move>) {
    for at in 0..tally.state.nodes.len() {
        follow(tally, at, moves);
        countersign(tally, at, moves);
        start(tally, at, moves);
    }
}

/// The moves of the budget: what may go wrong.
pub fn faults(tally: Tally<'_>, moves: &mut Vec<Move>) {
    let State { nodes, left } = tally.state;
    for (at, node) in nodes.iter().enumerate() {
        // A crash that loses nothing is no event.
        if left.crashes > 0 && (node.applied > 0 || node.unchecked) {
            moves.push(Move::Crash(at));
        }
        if left.restores > 0 && tally.network.seats[at].restorable {
            restores(tally.network, at, node, moves);
        }
        if left.resyncs > 0 {
            moves.extend(resyncs(tally, at));
        }
    }
}

/// What follows the log.
fn follow(tally: Tally<'_>, at: usize, moves: &mut Vec<Move>) {
    let Tally { network, state, .. } = tally;
    let node = &state.nodes[at];
    if node.applied < node.log.height() {
        moves.push(Move::Replay(at));
    } else if node.applied < network.heights {
        moves.push(Move::Append(at, Value::X));
        if network.lying_leader {
            moves.push(Move::Append(at, Value::Y));
        }
    }
}

fn countersign(tally: Tally<'_>, at: usize, moves: &mut Vec<Move>) {
    let Tally { network, state, .. } = tally;
    let node = &state.nodes[at];
    if let Some(change) = network.change
        && !node.holds_change
        && node.applied >= change
        && tally.certified(node.log.at(change))
    {
        moves.push(Move::HoldChange(at));
    }
    if node.unchecked || node.retired {
        return;
    }
    if node.owes_signature() {
        if node.applied >= node.lock.height() && node.log.extends(node.lock) {
            moves.push(Move::Send(at));
        }
        // What is heard meanwhile can as well be heard after: hearing changes nothing but the next choice.
        return;
    }
    if node.stands_by_its_lock(network) && waiting(network, at, node).aligned().is_some() {
        moves.push(Move::Lock(at));
    }
    if network.echo != Echo::Off {
        let unheard = (node.lock.height() + 1..=node.applied).filter(|height| node.ready >> height & 1 == 0);
        let heard = unheard.filter(|height| may_sign(network, at, node, *height) && tally.echoed(node.log.at(*height)));
        moves.extend(heard.map(|height| Move::Hear(at, height)));
    }
}

/// The node with everything ready that it may sign: without the echo round, all that it has applied.
fn waiting(network: &Network, at: usize, node: &Node) -> Node {
    let mut node = node.clone();
    if network.echo == Echo::Off {
        let heights = (1..=node.applied).filter(|height| may_sign(network, at, &node, *height));
        node.ready = heights.fold(0, |ready, height| ready | 1 << height);
    }
    node
}

/// Whether it is a member whose signature counts there, and no change below still lacks its double certificate.
fn may_sign(network: &Network, at: usize, node: &Node, height: Height) -> bool {
    let member = network.seats[at].member;
    match network.change {
        None => member[0],
        Some(change) if height < change => member[0],
        Some(change) if height == change => member[0] || member[1],
        Some(_) => member[1] && (node.holds_change || !network.keeps(Rule::DoubleCertificate)),
    }
}

/// What a start begins with, and what makes its check see something.
fn start(tally: Tally<'_>, at: usize, moves: &mut Vec<Move>) {
    let Tally { network, state, .. } = tally;
    let node = &state.nodes[at];
    if node.unchecked {
        let ahead = |other: usize| held(network, state, other, at) > node.lock.height();
        let others = (0..state.nodes.len()).filter(|other| *other != at && network.seats[*other].member[0]);
        let (ahead, behind): (Vec<_>, Vec<_>) = others.partition(|other| ahead(*other));
        // A liar can hide a signature, and cannot make one.
        if behind.len() as u8 + network.liars[0] >= network.quorum(0) - 1 {
            moves.push(Move::PassCheck(at));
        }
        if !ahead.is_empty() {
            moves.push(Move::Retire(at));
        }
    }
    if network.peers == Peers::MayHold
        && let Some(restorable) = network.seats.iter().position(|seat| seat.restorable)
        && at != restorable
        && newest(&state.nodes[restorable]) > node.held
    {
        moves.push(Move::Receive(at));
    }
}

/// How far `other` holds the cosignatures of the node `of`.
fn held(network: &Network, state: &State, other: usize, of: usize) -> Height {
    match network.peers {
        Peers::Hold => newest(&state.nodes[of]),
        Peers::MayHold => state.nodes[other].held,
    }
}

fn newest(node: &Node) -> Height {
    node.signed.iter().map(Root::height).max().unwrap_or(0)
}

/// Every earlier log, with every lock that it can have stood beside.
fn restores(network: &Network, at: usize, node: &Node, moves: &mut Vec<Move>) {
    for height in 0..=node.log.height() {
        let log = node.log.at(height);
        match network.restore {
            Restore::Log if log != node.log => moves.push(Move::Restore(at, log, node.lock)),
            Restore::Log => {}
            Restore::Disk => {
                let earlier = std::iter::once(Root::GENESIS).chain(node.signed.iter());
                let locks = earlier.filter(|lock| log.extends(*lock) && *lock != node.lock);
                moves.extend(locks.map(|lock| Move::Restore(at, log, lock)));
            }
        }
    }
}

/// Every history that contradicts its log and not its lock.
pub fn resyncs(tally: Tally<'_>, at: usize) -> impl Iterator<Item = Move> {
    let node = &tally.state.nodes[at];
    let others = Root::all(tally.network.heights).filter(|root| !root.agrees(node.log) && root.extends(node.lock));
    let reasons = others.filter(move |root| match tally.network.resync {
        Resync::ToQuorum => tally.echoed(*root),
        Resync::Freely => true,
    });
    reasons.map(move |root| Move::Resync(at, root))
}

/// The state after a move that was listed for it.
pub fn after(network: &Network, before: &State, step: Move) -> State {
    let mut state = before.clone();
    match step {
        Move::Append(at, value) => state.nodes[at].append(value, network),
        Move::Replay(at) => state.nodes[at].applied += 1,
        Move::Hear(at, height) => state.nodes[at].ready |= 1 << height,
        Move::Lock(at) => lock(network, at, &mut state.nodes[at]),
        Move::Send(at) => {
            let lock = state.nodes[at].lock;
            state.nodes[at].signed.insert(lock);
        }
        Move::HoldChange(at) => state.nodes[at].holds_change = true,
        Move::PassCheck(at) => state.nodes[at].unchecked = false,
        Move::Retire(at) => {
            state.nodes[at].unchecked = false;
            state.nodes[at].retired = true;
        }
        Move::Receive(at) => {
            let restorable = network.seats.iter().position(|seat| seat.restorable).expect("it was received from one");
            state.nodes[at].held = newest(&state.nodes[restorable]);
        }
        Move::Crash(at) => {
            state.left.crashes -= 1;
            state.nodes[at].restart(network);
        }
        Move::Restore(at, log, lock) => {
            state.left.restores -= 1;
            state.nodes[at].restore(log, lock, network);
        }
        Move::Resync(at, root) => {
            state.left.resyncs -= 1;
            state.nodes[at].resync(root, network);
        }
    }
    assert!(state.progress(network) > before.progress(network), "{step:?} in {before:?} can be undone");
    if network.sorted {
        state.sort(network);
    }
    state
}

fn lock(network: &Network, at: usize, node: &mut Node) {
    let height = waiting(network, at, node).aligned().expect("one waits");
    node.lock = node.log.at(height);
    // What is below is covered.
    node.ready &= !0 << (height + 1);
}
