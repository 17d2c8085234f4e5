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

const NODES_MAX: usize = 1_000;
const RECONCILE_EVERY: Duration = Duration::from_secs(1);

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

/// The nodes and the membership in force.
#[derive(Debug, Clone)]
pub struct Members {
    /// Every node that takes part, by name, `<organisation>/<node>`: those of organisations that are in force or admitted.
    pub nodes: BTreeMap<String, NodeEntry>,
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
        Ok(Members { nodes, membership, next })
    }

    /// The name of the node with this Raft id.
    pub fn name_of(&self, raft: u64) -> Option<&str> {
        self.nodes.iter().find(|(_, entry)| entry.raft == raft).map(|(name, _)| &name[..])
    }

    /// The Raft ids of the voters.
    pub fn voters(&self) -> BTreeSet<u64> {
        let voters = self.nodes.iter().filter(|(name, _)| self.membership.node(name).is_some());
        voters.map(|(_, entry)| entry.raft).collect()
    }

    /// Who may connect.
    pub fn directory(&self) -> Result<Directory, NodeError> {
        let peer = |entry: &NodeEntry| Peer { address: entry.address.clone(), tls_key: *entry.tls.as_bytes() };
        let peers = self.nodes.iter().map(|(name, entry)| (name.clone(), peer(entry))).collect();
        Ok(Directory::new(peers)?)
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
                let read = Members::read(&reader)?;
                directory.send_replace(Arc::new(read.directory()?));
                members.send_replace(Arc::new(read));
            }
            _ = ticks.tick() => {
                let now = members.borrow().clone();
                follow(&now, &consensus).await;
            }
        }
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
    for id in status.observers.difference(&wanted) {
        log_change("observer removed", *id, consensus.remove_observer(*id).await.map(drop));
    }
}

fn log_change(what: &str, raft_id: u64, changed: Result<(), ConsensusError>) {
    match changed {
        Ok(()) => tracing::info!(raft_id, what),
        Err(error) => tracing::warn!(raft_id, what, %error, "not done yet"),
    }
}
