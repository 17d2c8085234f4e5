//! Check three nodes over a network that fails, in virtual time.
#![allow(missing_docs)]

mod support;

use bytes::Bytes;
use countersign_consensus::{Consensus, ConsensusError, Entry, ProposeError, ReceiveError};
use countersign_ledger::store::MemoryKv;
use countersign_ledger::store::kv::Kv;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use support::*;

fn memory() -> Arc<dyn Kv> {
    Arc::new(MemoryKv::new())
}

#[tokio::test(start_paused = true)]
async fn pipelined_proposals_arrive_in_call_order_on_every_node() {
    let net = Arc::new(Net::default());
    let nodes = founders(&net, &[1, 2, 3], memory).await;
    let (at, term) = leader(&nodes).await;
    let positions = propose(&nodes[at], term, 0..200).await;
    assert!(positions.windows(2).all(|pair| pair[0].index < pair[1].index && pair[1].term == term));
    let first = nodes[0].see_proposals(200).await;
    assert_eq!(proposals(&first), (0..200).collect::<Vec<_>>());
    for node in &nodes[1..] {
        assert_eq!(node.see_proposals(200).await, first, "node {}", node.id);
    }
    // Founding again changes nothing.
    nodes[0].consensus.initialize(BTreeSet::from([1, 2, 3])).await.expect("idempotent");
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_survives_the_leader() {
    let net = Arc::new(Net::default());
    let mut nodes = founders(&net, &[1, 2, 3], memory).await;
    let (at, term) = leader(&nodes).await;
    propose(&nodes[at], term, 0..50).await;
    nodes.remove(at).stop().await;
    let (at, next) = leader(&nodes).await;
    assert!(next > term);
    assert_eq!(
        nodes[at].consensus.propose(term, numbered(99)).expect("room").await.expect_err("the term is over"),
        ProposeError::NotLeader { leader: Some(nodes[at].id) }
    );
    propose(&nodes[at], next, 50..100).await;
    for node in &nodes {
        assert_eq!(proposals(&node.see_proposals(100).await), (0..100).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_cut_off_commits_nothing_and_its_tail_is_replaced() {
    let net = Arc::new(Net::default());
    let nodes = founders(&net, &[1, 2, 3], memory).await;
    let (old, term) = leader(&nodes).await;
    propose(&nodes[old], term, 0..3).await;
    net.cut(nodes[old].id);
    let lost = nodes[old].consensus.propose(term, numbered(1_000)).expect("room");
    let mut others = nodes;
    let cut = others.remove(old);
    let (new, next) = leader(&others).await;
    propose(&others[new], next, 3..6).await;
    net.heal(cut.id);
    assert_eq!(proposals(&cut.see_proposals(6).await), (0..6).collect::<Vec<_>>());
    let outcome = tokio::time::timeout(DEADLINE, lost).await.expect("answered");
    assert!(matches!(outcome, Err(ProposeError::Unknown | ProposeError::NotLeader { .. })), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn an_isolated_follower_does_not_raise_the_term() {
    let net = Arc::new(Net::default());
    let nodes = founders(&net, &[1, 2, 3], memory).await;
    let (at, term) = leader(&nodes).await;
    propose(&nodes[at], term, 0..1).await;
    let isolated = &nodes[(at + 1) % 3];
    isolated.see_proposals(1).await;
    net.cut(isolated.id);
    // Virtual: twenty election timeouts.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(isolated.consensus.status().leadership.term, term);
    net.heal(isolated.id);
    propose(&nodes[at], term, 1..2).await;
    isolated.see_proposals(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_behind_the_purged_log_catches_up_and_goes_on() {
    let net = Arc::new(Net::default());
    let nodes = founders(&net, &[1, 2, 3], memory).await;
    let (at, term) = leader(&nodes).await;
    let late = (at + 1) % 3;
    propose(&nodes[at], term, 0..5).await;
    nodes[late].see_proposals(5).await;
    net.cut(nodes[late].id);
    let positions = propose(&nodes[at], term, 5..30).await;
    let purged = positions[19];
    for node in nodes.iter().filter(|node| node.id != nodes[late].id) {
        node.see_proposals(30).await;
        node.consensus.purge_to(purged).await.expect("committed");
        until(|| node.consensus.status().purged == Some(purged)).await;
        // Once more, and further back: nothing to do.
        node.consensus.purge_to(positions[3]).await.expect("done already");
    }
    net.heal(nodes[late].id);
    propose(&nodes[at], term, 30..35).await;
    let seen = nodes[late].see(|seen| proposals(seen).last() == Some(&34)).await;
    let caught_up = seen.iter().position(|seen| *seen == Seen::CatchUp(purged)).expect("it was asked to catch up");
    assert_eq!(proposals(&seen[..caught_up]), (0..5).collect::<Vec<_>>());
    assert_eq!(proposals(&seen[caught_up..]), (25..35).collect::<Vec<_>>());
    assert_eq!(nodes[late].consensus.status().voters, BTreeSet::from([1, 2, 3]));
}

#[tokio::test(start_paused = true)]
async fn a_caught_up_node_restarts_from_where_its_ledger_stands() {
    let net = Arc::new(Net::default());
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let mut nodes = founders(&net, &[1, 2], memory).await;
    let (at, term) = leader(&nodes).await;
    let positions = propose(&nodes[at], term, 0..10).await;
    nodes[at].see_proposals(10).await;
    nodes[at].consensus.purge_to(positions[9]).await.expect("committed");
    until(|| nodes[at].consensus.status().purged == Some(positions[9])).await;
    nodes.push(Node::start(&net, quick(3), kv.clone(), None).await);
    nodes[at].consensus.add_observer(3).await.expect("added");
    nodes[2].see(|seen| seen.contains(&Seen::CatchUp(positions[9]))).await;
    propose(&nodes[at], term, 10..12).await;
    let seen = nodes[2].see_proposals(2).await;
    nodes.pop().expect("three").stop().await;
    let applied = position_of(&seen, 10);
    nodes.push(Node::start(&net, quick(3), kv.clone(), Some(applied)).await);
    assert_eq!(proposals(&nodes[2].see_proposals(1).await), [11]);
    // A ledger that lost what the log no longer holds must not start.
    nodes.pop().expect("three").stop().await;
    let refused = Consensus::start(quick(3), kv, Arc::new(Nowhere), Some(positions[5])).await;
    assert!(matches!(refused.err(), Some(ConsensusError::LedgerBehindLog { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_catch_up_cut_short_is_asked_for_again_wherever_the_ledger_stands() {
    let net = Arc::new(Net::default());
    let nodes = founders(&net, &[1], memory).await;
    let (_, term) = leader(&nodes).await;
    let positions = propose(&nodes[0], term, 0..10).await;
    nodes[0].see_proposals(10).await;
    nodes[0].consensus.purge_to(positions[7]).await.expect("committed");
    until(|| nodes[0].consensus.status().purged == Some(positions[7])).await;
    nodes[0].consensus.add_observer(2).await.expect("added");
    let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
    let (late, mut committed) = net.join(quick(2), kv.clone(), None).await;
    let first = committed.recv().await.expect("the first entry");
    assert!(matches!(&first.entry, Entry::CatchUp { to, .. } if *to == positions[7]), "{first:?}");
    // It fails after some blocks: the node must exit, and its ledger stands where its log holds nothing.
    drop(first);
    tokio::time::timeout(DEADLINE, late.died()).await.expect("it dies");
    late.shutdown().await;
    let again = Node::start(&net, quick(2), kv, Some(positions[3])).await;
    let seen = again.see_proposals(2).await;
    assert_eq!(seen[0], Seen::CatchUp(positions[7]));
    assert_eq!(proposals(&seen), [8, 9]);
}

#[tokio::test(start_paused = true)]
async fn voters_change_and_the_lead_moves() {
    let net = Arc::new(Net::default());
    let mut nodes = founders(&net, &[1, 2, 3], memory).await;
    nodes.push(Node::start(&net, quick(4), memory(), None).await);
    let (at, term) = leader(&nodes).await;
    propose(&nodes[at], term, 0..10).await;
    let follower = (at + 1) % 3;
    let read = nodes[at].consensus.read_index().await.expect("it leads");
    assert!(read >= position_of(&nodes[at].see_proposals(10).await, 9).index);
    let refused = nodes[follower].consensus.read_index().await;
    assert!(matches!(refused, Err(ConsensusError::NotLeader { leader: Some(id) }) if id == nodes[at].id));
    nodes[at].consensus.add_observer(4).await.expect("added");
    assert_eq!(proposals(&nodes[3].see_proposals(10).await), (0..10).collect::<Vec<_>>());
    let removed = nodes[follower].id;
    let voters: BTreeSet<u64> = [1, 2, 3, 4].into_iter().filter(|id| *id != removed).collect();
    nodes[at].consensus.set_voters(voters.clone()).await.expect("changed");
    nodes[at].consensus.remove_observer(removed).await.expect("removed");
    let status = nodes[at].consensus.status();
    assert_eq!((status.voters, status.observers), (voters, BTreeSet::new()));
    assert!(matches!(nodes[at].consensus.transfer_leader(removed).await, Err(ConsensusError::NoSuchVoter(_))));
    nodes[at].consensus.transfer_leader(4).await.expect("asked");
    nodes.remove(follower).stop().await;
    let mut leadership = nodes[2].consensus.leadership();
    let moved = leadership.wait_for(|now| now.here);
    let term = tokio::time::timeout(DEADLINE, moved).await.expect("in time").expect("alive").term;
    nodes[2].see(|seen| seen.iter().any(|seen| matches!(seen, Seen::Blank(at) if at.term == term))).await;
    nodes[2].consensus.give_up_term().await.expect("asked");
    let mut leadership = nodes[2].consensus.leadership();
    let given_up = leadership.wait_for(|now| now.term > term);
    tokio::time::timeout(DEADLINE, given_up).await.expect("in time").expect("alive");
}

#[tokio::test(start_paused = true)]
async fn requests_in_anothers_name_of_far_terms_or_of_no_sense_are_refused() {
    let net = Arc::new(Net::default());
    let nodes = founders(&net, &[1, 2, 3], memory).await;
    let (at, term) = leader(&nodes).await;
    propose(&nodes[at], term, 0..1).await;
    let (sender, append) = net.last_append.lock().expect("no panic").clone().expect("an append was sent");
    assert_eq!(sender, nodes[at].id);
    let target = &nodes[(at + 1) % 3].consensus;
    let forger = nodes[(at + 2) % 3].id;
    let refused = target.receive(forger, append.clone()).await.expect_err("forged");
    assert_eq!(refused, ReceiveError::NotItsOwn { from: forger, named: sender });
    target.receive(sender, append).await.expect("the leader's own");
    // vote { candidate { term: 5000, node: 2 } }
    let far = Bytes::from_static(&[0x12, 7, 0x0a, 5, 0x08, 0x88, 0x27, 0x10, 2]);
    let refused = target.receive(2, far).await.expect_err("far ahead");
    assert_eq!(refused, ReceiveError::TermAhead { term: 5_000, ours: term });
    for garbage in [&b""[..], b"\xff", b"no request", &[0x12, 200, 1]] {
        let refused = target.receive(2, Bytes::from_static(garbage)).await;
        assert!(matches!(refused, Err(ReceiveError::Malformed(_))), "{garbage:?}");
    }
    assert_eq!(target.status().leadership.term, term);
}

/// Polls in virtual time.
async fn until(done: impl Fn() -> bool) {
    let polled = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, polled).await.expect("in time");
}
