//! Show where this node stands, to gRPC callers and to the gateway's pages alike.

use super::{Api, Refusal};
use crate::cursors::Epochs;
use countersign_p2p::Lane;
use countersign_proof::{joining, organisation_of};
use countersign_proto::v1;
use std::collections::BTreeSet;

impl Api {
    pub(crate) fn status(&self) -> Result<v1::Status, Refusal> {
        let members = self.members.borrow().clone();
        let applied = self.applied.borrow().clone();
        let (signed, certified, published) =
            (*self.signed.borrow(), *self.certified.borrow(), *self.published.borrow());
        let raft = self.consensus.status();
        let mempool = *self.mempool.borrow();
        let state_root = self.reader.seal(applied.chain.height)?.map(|seal| seal.state.0.to_vec()).unwrap_or_default();
        let leader = raft.leadership.leader.and_then(|id| members.name_of(id)).unwrap_or_default().to_owned();
        let evidence = self.accusations.borrow().clone();
        let accused = evidence.iter().flat_map(|accusation| accusation.verified.accused());
        let accused: BTreeSet<String> = accused.map(|accused| accused.organisation.clone()).collect();
        let cursor = |index, height| Some(v1::Cursor { index, height });
        Ok(v1::Status {
            origin: self.origin.clone(),
            genesis_hash: self.genesis.hash().0.to_vec(),
            node: self.node.clone(),
            release: env!("CARGO_PKG_VERSION").to_owned(),
            rules: self.genesis.document().rules,
            epoch: members.membership.epoch,
            quorum: u32::try_from(members.membership.quorum()).unwrap_or(u32::MAX),
            raft_id: members.nodes.get(&self.node).map_or(0, |entry| entry.raft),
            term: raft.leadership.term,
            leader,
            appended: cursor(raft.appended_index, applied.chain.height),
            committed: cursor(raft.committed.map_or(0, |position| position.index), applied.chain.height),
            applied: cursor(applied.index(), applied.chain.height),
            signed: cursor(signed.index, signed.height),
            certified: cursor(certified.index, certified.height),
            published: cursor(published.index, published.height),
            tree_size: applied.chain.size,
            log_root: applied.log_root.0.to_vec(),
            state_root,
            certified_size: certified.size,
            missing: self.missing(certified.size),
            not_signing: self.not_signing.borrow().clone(),
            joining: self.joining(&applied.epochs),
            evidence: evidence.len() as u64,
            accused: accused.into_iter().collect(),
            refused: self.distrust.all().into_iter().map(|(node, reason)| v1::Refused { node, reason }).collect(),
            mempool_transactions: mempool.transactions as u64,
            mempool_bytes: mempool.bytes as u64,
            peers: self.peers(),
        })
    }

    fn joining(&self, epochs: &Epochs) -> Vec<String> {
        let next = epochs.next.iter().flat_map(|next| joining(&epochs.trust.newest().membership, next));
        next.map(|(node, _)| node).collect()
    }

    /// Organisations none of whose nodes has cosigned the certified size or more.
    fn missing(&self, size: u64) -> Vec<String> {
        let (members, cosigned) = (self.members.borrow().clone(), self.cosigned.borrow().clone());
        let signed = |name: &str| cosigned.iter().any(|(node, at)| organisation_of(node) == name && *at >= size);
        members.membership.organisations.keys().filter(|name| !signed(name)).cloned().collect()
    }

    fn peers(&self) -> Vec<v1::Peer> {
        let (members, cosigned) = (self.members.borrow().clone(), self.cosigned.borrow().clone());
        let connected = self.transport.connected();
        let on = |name: &str, lane: Lane| connected.iter().any(|(peer, l)| peer == name && *l == lane);
        let others = members.nodes.iter().filter(|(name, _)| **name != self.node);
        others
            .map(|(name, entry)| v1::Peer {
                node: name.clone(),
                raft_id: entry.raft,
                voter: members.membership.node(name).is_some(),
                control_connected: on(name, Lane::Control),
                bulk_connected: on(name, Lane::Bulk),
                cosigned_size: cosigned.get(name).copied().unwrap_or(0),
            })
            .collect()
    }
}
