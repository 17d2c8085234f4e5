//! Read where nodes stand, and judge whether they agree.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A cursor's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Position {
    /// The Raft log index.
    pub index: u64,
    /// The block's height there.
    pub height: u64,
}

/// What `countersign status --json` says, as far as networks of this crate need it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeStatus {
    /// `<organisation>/<name>`.
    pub node: String,
    /// The epoch of the membership in force.
    pub epoch: u64,
    /// How many organisations a certificate needs.
    pub quorum: usize,
    /// Why it countersigns nothing; empty when it does.
    pub not_signing: String,
    /// Organisations that the evidence it holds names.
    pub accused: Vec<String>,
    /// Members whose Raft requests it refuses.
    pub refused: Vec<RefusedNode>,
    /// Raft's term.
    pub term: u64,
    /// The leader's node; empty while there is none.
    pub leader: String,
    /// Executed and kept.
    pub applied: Position,
    /// Countersigned by a quorum.
    pub certified: Position,
    /// Leaves of the log.
    pub tree_size: u64,
    /// The log's root at that size.
    pub log_root: String,
    /// The state's root at `applied`.
    pub state_root: String,
}

/// A member whose Raft requests a node refuses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RefusedNode {
    /// `<organisation>/<name>`.
    pub node: String,
    /// Why.
    pub reason: String,
}

/// What all nodes hold alike, with nothing left to certify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Applied and certified.
    pub height: u64,
    /// Leaves of the log.
    pub tree_size: u64,
    /// The log's root: it covers every seal up to this height.
    pub log_root: String,
    /// The state's root.
    pub state_root: String,
}

/// What these nodes agree on, or in what they differ.
pub(crate) fn agreement(statuses: &[NodeStatus]) -> Result<Agreement, String> {
    let first = statuses.first().ok_or("no node")?;
    for status in statuses {
        if status.certified.height < status.applied.height {
            let (certified, applied) = (status.certified.height, status.applied.height);
            return Err(format!("{} has certified {certified} of {applied} blocks", status.node));
        }
        if view(status) != view(first) {
            return Err(format!("{} has {:?}, {} has {:?}", first.node, view(first), status.node, view(status)));
        }
    }
    Ok(view(first))
}

fn view(status: &NodeStatus) -> Agreement {
    Agreement {
        height: status.applied.height,
        tree_size: status.tree_size,
        log_root: status.log_root.clone(),
        state_root: status.state_root.clone(),
    }
}

/// The leader's node that more than half of `nodes` name in the highest term anyone knows.
pub(crate) fn leader(statuses: &[NodeStatus], nodes: usize) -> Result<String, String> {
    let term = statuses.iter().map(|s| s.term).max().ok_or("no node answers")?;
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for status in statuses.iter().filter(|s| s.term == term && !s.leader.is_empty()) {
        *named.entry(&status.leader).or_default() += 1;
    }
    let chosen = named.iter().find(|(_, voices)| **voices * 2 > nodes);
    chosen.map(|(node, _)| (*node).to_owned()).ok_or_else(|| format!("in term {term} the nodes name {named:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(node: &str, term: u64, leader: &str, height: u64, state_root: &str) -> NodeStatus {
        let at = Position { index: height + 3, height };
        NodeStatus {
            node: node.to_owned(),
            epoch: 0,
            quorum: 3,
            not_signing: String::new(),
            accused: Vec::new(),
            refused: Vec::new(),
            term,
            leader: leader.to_owned(),
            applied: at,
            certified: at,
            tree_size: height * 2,
            log_root: "0a".to_owned(),
            state_root: state_root.to_owned(),
        }
    }

    #[test]
    fn equal_nodes_agree() {
        let agreed = agreement(&[status("a/1", 1, "a/1", 7, "ff"), status("b/1", 1, "a/1", 7, "ff")]);
        assert_eq!(agreed.expect("they are equal").height, 7);
    }

    #[test]
    fn another_state_root_is_no_agreement() {
        let seen = agreement(&[status("a/1", 1, "a/1", 7, "ff"), status("b/1", 1, "a/1", 7, "fe")]);
        assert!(seen.expect_err("the roots differ").contains("fe"));
    }

    #[test]
    fn an_uncertified_block_is_no_agreement() {
        let mut behind = status("b/1", 1, "a/1", 7, "ff");
        behind.certified.height = 6;
        let seen = agreement(&[status("a/1", 1, "a/1", 7, "ff"), behind]).expect_err("one block waits");
        assert_eq!(seen, "b/1 has certified 6 of 7 blocks");
    }

    #[test]
    fn the_leader_is_named_by_a_majority_in_the_highest_term() {
        let old = status("a/1", 1, "a/1", 7, "");
        let new = |node| status(node, 2, "b/1", 7, "");
        assert_eq!(leader(&[old.clone(), new("b/1"), new("c/1"), new("d/1")], 4).as_deref(), Ok("b/1"));
        leader(&[old, new("b/1"), new("c/1")], 4).expect_err("two of four are no majority");
        leader(&[], 4).expect_err("nobody answers");
    }
}
