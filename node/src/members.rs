//! Follow the ledger's nodes: who they are, where they are, under which Raft id.

use crate::NodeError;
use crate::cursors::Applied;
use countersign_consensus::{Consensus, ConsensusError};
use countersign_ledger::store::Reader;
use countersign_p2p::{Directory, Peer};
use countersign_proof::{Membership, PublicKey, canonical, organisation_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

const NODES_MAX: usize = 1_000;
const RECONCILE_EVERY: Duration = Duration::from_secs(1);
/// A node whose organisation has left is still sent what is ordered for so long: else those who execute the block first
/// hang up on it, and it never learns that the block is committed.
const FAREWELL: Duration = Duration::from_secs(5);

/// One node as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEntry {
    /// Where the members reach it.
    pub address: String,
    /// Its Raft id.
    pub raft: u64,
    /// Its TLS key.
    pub tls: PublicKey,
}

/// Nodes by name, `<organisation>/<node>`.
type Nodes = BTreeMap<String, NodeEntry>;

/// The nodes and the membership in force.
#[derive(Debug, Clone)]
pub struct Members {
    /// Every node that takes part: those of organisations that are in force or admitted.
    pub nodes: Nodes,
    /// Those that took part a moment ago: they are still told so, and what they send counts no more.
    pub leaving: Nodes,
    /// The voters' keys and the quorum.
    pub membership: Membership,
    /// The membership that is admitted and not active yet.
    pub next: Option<Membership>,
}

impl Members {
    /// Reads the ledger's system documents.
    pub fn read(reader: &Reader) -> Result<Members, NodeError> {
        let corrupt = |what: &str| NodeError::Halted(format!("the ledger's {what} does not have its form"));
        let membership = read_membership(reader, "current")?.ok_or_else(|| corrupt("$members/current"))?;
        let next = read_membership(reader, "next")?;
        let takes_part = |node: &str| {
            let organisation = organisation_of(node);
            let of = |membership: &Membership| membership.organisations.contains_key(organisation);
            of(&membership) || next.as_ref().is_some_and(of)
        };
        let mut nodes = BTreeMap::new();
        let (documents, _) = reader.documents("$nodes", "", NODES_MAX)?;
        for version in documents.into_iter().filter(|version| takes_part(&version.record.id)) {
            let value = version.value.as_ref().ok_or_else(|| corrupt("$nodes"))?;
            let text = |name: &str| value[name].as_str().ok_or_else(|| corrupt("$nodes"));
            let entry = NodeEntry {
                address: text("address")?.to_owned(),
                raft: value["raft"].as_u64().ok_or_else(|| corrupt("$nodes"))?,
                tls: PublicKey::parse(text("tls")?).map_err(|_| corrupt("$nodes"))?,
            };
            nodes.insert(version.record.id.clone(), entry);
        }
        Ok(Members { nodes, leaving: BTreeMap::new(), membership, next })
    }

    /// Those who are connected: who takes part, and who is leaving.
    fn connected(&self) -> impl Iterator<Item = (&String, &NodeEntry)> {
        self.nodes.iter().chain(&self.leaving)
    }

    /// The name of the node with this Raft id, of those that take part or are leaving.
    pub fn name_of(&self, raft: u64) -> Option<&str> {
        self.connected().find(|(_, entry)| entry.raft == raft).map(|(name, _)| &name[..])
    }

    /// The Raft ids of the voters.
    pub fn voters(&self) -> BTreeSet<u64> {
        let voters = self.nodes.iter().filter(|(name, _)| self.membership.node(name).is_some());
        voters.map(|(_, entry)| entry.raft).collect()
    }

    /// Who may connect.
    pub fn directory(&self) -> Result<Directory, NodeError> {
        let peer = |entry: &NodeEntry| Peer { address: entry.address.clone(), tls_key: *entry.tls.as_bytes() };
        let peers = self.connected().map(|(name, entry)| (name.clone(), peer(entry))).collect();
        Ok(Directory::new(peers)?)
    }

    /// With their directory; without those who are leaving when there is no room for them, or one of them has the key of a
    /// node that takes part.
    fn connectable(mut self) -> Result<(Members, Directory), NodeError> {
        if let Ok(directory) = self.directory() {
            return Ok((self, directory));
        }
        self.leaving.clear();
        let directory = self.directory()?;
        Ok((self, directory))
    }
}

fn read_membership(reader: &Reader, id: &str) -> Result<Option<Membership>, NodeError> {
    let value = reader.document("$members", id)?.and_then(|version| version.value);
    let membership = value.map(|value| Membership::parse(&canonical(&value))).transpose();
    membership.map_err(|e| NodeError::Halted(e.to_string()))
}

/// Publishes the members and the directory again whenever a block changed them, and lets Raft's observers follow.
pub(crate) async fn run(
    reader: Reader,
    mut applied: watch::Receiver<Applied>,
    members: watch::Sender<Arc<Members>>,
    directory: watch::Sender<Arc<Directory>>,
    consensus: Consensus,
) -> Result<(), NodeError> {
    let mut governed = applied.borrow().governed_height;
    let mut farewells = Farewells::default();
    let publish = |read: Members| -> Result<(), NodeError> {
        let (read, peers) = read.connectable()?;
        directory.send_replace(Arc::new(peers));
        members.send_replace(Arc::new(read));
        Ok(())
    };
    let mut ticks = tokio::time::interval(RECONCILE_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            changed = applied.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let height = applied.borrow_and_update().governed_height;
                if height == governed {
                    continue;
                }
                governed = height;
                let mut read = Members::read(&reader)?;
                read.leaving = farewells.after(&members.borrow(), &read.nodes, Instant::now());
                publish(read)?;
            }
            _ = ticks.tick() => {
                let mut now = members.borrow().clone();
                let leaving = farewells.after(&now, &now.nodes, Instant::now());
                if leaving != now.leaving {
                    publish(Members { leaving, ..(*now).clone() })?;
                    now = members.borrow().clone();
                }
                follow(&now, &consensus).await;
            }
        }
    }
}

/// Until when those who are leaving are kept.
#[derive(Default)]
struct Farewells(BTreeMap<String, Instant>);

impl Farewells {
    /// Who is leaving at `now`, when `nodes` take part after `before`.
    fn after(&mut self, before: &Members, nodes: &Nodes, now: Instant) -> Nodes {
        let gone = before.connected().filter(|(name, _)| !nodes.contains_key(*name));
        let leaving: Nodes = gone
            .filter(|(name, _)| now < *self.0.entry((*name).clone()).or_insert(now + FAREWELL))
            .map(|(name, entry)| (name.clone(), entry.clone()))
            .collect();
        self.0.retain(|name, _| leaving.contains_key(name));
        leaving
    }
}

/// On the leader: Raft's observers and voters follow the ledger's nodes, never lead them.
async fn follow(members: &Members, consensus: &Consensus) {
    let status = consensus.status();
    if !status.leadership.here {
        return;
    }
    let wanted: BTreeSet<u64> = members.nodes.values().map(|entry| entry.raft).collect();
    let known: BTreeSet<u64> = status.voters.union(&status.observers).copied().collect();
    for id in wanted.difference(&known) {
        log_change("observer added", *id, consensus.add_observer(*id).await.map(drop));
    }
    let voters = members.voters();
    if voters != status.voters && voters.is_subset(&known) {
        log_change("voters changed", voters.len() as u64, consensus.set_voters(voters).await.map(drop));
        return;
    }
    let told: BTreeSet<u64> = members.leaving.values().map(|entry| entry.raft).collect();
    for id in status.observers.difference(&wanted).filter(|id| !told.contains(id)) {
        log_change("observer removed", *id, consensus.remove_observer(*id).await.map(drop));
    }
}

fn log_change(what: &str, raft_id: u64, changed: Result<(), ConsensusError>) {
    match changed {
        Ok(()) => tracing::info!(raft_id, what),
        Err(error) => tracing::warn!(raft_id, what, %error, "not done yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::{FAREWELL, Farewells, Members, NodeEntry, Nodes};
    use countersign_proof::{KeyPair, Membership, plain_hash};
    use std::collections::BTreeMap;
    use std::time::Duration;
    use tokio::time::Instant;

    fn nodes(names: &[&str]) -> Nodes {
        let key = |n: usize| KeyPair::from_seed(&[n as u8; 32]).public();
        let entry = |n: usize| NodeEntry { address: format!("127.0.0.1:{n}"), raft: n as u64, tls: key(n) };
        names.iter().enumerate().map(|(n, name)| ((*name).to_owned(), entry(n + 1))).collect()
    }

    fn members(nodes: Nodes, leaving: Nodes) -> Members {
        let membership = Membership {
            epoch: 0,
            organisations: BTreeMap::new(),
            previous: plain_hash(b""),
            quorum: String::new(),
            revoked: BTreeMap::new(),
            v: 1,
        };
        Members { nodes, leaving, membership, next: None }
    }

    #[test]
    fn who_has_left_is_connected_for_a_farewell_and_no_longer() {
        let (four, three) = (nodes(&["a/1", "b/1", "c/1", "d/1"]), nodes(&["a/1", "b/1", "c/1"]));
        let (mut farewells, start) = (Farewells::default(), Instant::now());
        let leaving = farewells.after(&members(four.clone(), Nodes::new()), &three, start);
        assert_eq!(leaving.keys().collect::<Vec<_>>(), ["d/1"]);
        let after = members(three.clone(), leaving);
        assert_eq!(after.name_of(4), Some("d/1"), "it is still sent what is ordered");
        assert!(after.directory().expect("a directory").get("d/1").is_some());
        let almost = start + FAREWELL - Duration::from_millis(1);
        assert_eq!(farewells.after(&after, &three, almost), after.leaving, "a later change makes it no longer");
        assert_eq!(farewells.after(&after, &four, almost), Nodes::new(), "admitted again, it takes part");
        assert_eq!(farewells.after(&after, &three, almost), after.leaving, "and has a whole farewell");
        assert_eq!(farewells.after(&after, &three, almost + FAREWELL), Nodes::new());
    }

    #[test]
    fn who_takes_part_is_connected_whatever_key_another_has_who_leaves() {
        let (kept, directory) = members(nodes(&["a/1"]), nodes(&["b/1"])).connectable().expect("a directory");
        assert!(kept.leaving.is_empty(), "it has the key of a/1");
        assert!(directory.get("a/1").is_some() && directory.get("b/1").is_none());
    }
}
