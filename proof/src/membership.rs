//! Know which nodes sign for which organisations, and how many organisations make a quorum.

use crate::limits::{JSON_DEPTH_MAX, ORGANISATIONS_MAX, REVOKED_KEYS_MAX};
use crate::name::check_name;
use crate::note::{NoteSignature, VerifierKey};
use crate::{Hash, ProofError, PublicKey, canonical, parse_canonical, plain_hash};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The membership document of one epoch: what a verifier needs and no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// Counts from 0.
    pub epoch: u64,
    /// The organisations and their voters.
    pub organisations: BTreeMap<String, Member>,
    /// The hash of the document of the epoch before; the genesis hash at epoch 0.
    pub previous: Hash,
    /// The quorum's formula: `(n+f+1)/2`.
    pub quorum: String,
    /// Keys that no longer count, with the last tree size at which they did.
    pub revoked: BTreeMap<PublicKey, u64>,
    /// The form of this document: 1.
    pub v: u64,
}

/// One organisation of a [`Membership`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its voters by name.
    pub nodes: BTreeMap<String, NodeKeys>,
}

/// The keys of one voter that a verifier needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeKeys {
    /// Countersigns checkpoints.
    pub cosign: PublicKey,
    /// Signs checkpoints for the log.
    pub log: PublicKey,
    /// Signs proposals.
    pub proposal: PublicKey,
}

/// The only quorum formula there is.
pub(crate) const QUORUM_FORMULA: &str = "(n+f+1)/2";

impl Membership {
    /// Reads a membership document.
    pub fn parse(bytes: &[u8]) -> Result<Membership, ProofError> {
        let membership: Membership = parse_canonical("membership", bytes, JSON_DEPTH_MAX)?;
        membership.check()?;
        Ok(membership)
    }

    /// Checks version, quorum formula, names, that each organisation has exactly one voter, and that no key stands
    /// twice.
    pub fn check(&self) -> Result<(), ProofError> {
        if self.v != 1 {
            return Err(ProofError::mismatch("membership.v", 1, self.v));
        }
        if self.quorum != QUORUM_FORMULA {
            return Err(ProofError::mismatch("membership.quorum", QUORUM_FORMULA, &self.quorum));
        }
        ProofError::check_max("membership.organisations", self.organisations.len(), ORGANISATIONS_MAX)?;
        ProofError::check_max("membership.revoked", self.revoked.len(), REVOKED_KEYS_MAX)?;
        if self.organisations.is_empty() {
            return Err(ProofError::malformed("membership.organisations", "none"));
        }
        if self.epoch == 0 && !self.revoked.is_empty() {
            return Err(ProofError::malformed("membership.revoked", "epoch 0 revokes no key"));
        }
        let mut keys = BTreeSet::new();
        for (organisation, member) in &self.organisations {
            check_name("membership.organisations", organisation)?;
            if member.nodes.len() != 1 {
                let reason = format!("{organisation} needs exactly one voter");
                return Err(ProofError::malformed("membership.organisations.nodes", reason));
            }
            for (node, of_node) in &member.nodes {
                check_name("membership.organisations.nodes", node)?;
                for key in [of_node.cosign, of_node.log, of_node.proposal] {
                    if !keys.insert(key) {
                        return Err(ProofError::malformed("membership", format!("{key} stands twice")));
                    }
                }
            }
        }
        Ok(())
    }

    /// The hash that a seal names.
    pub fn hash(&self) -> Hash {
        plain_hash(&canonical(self))
    }

    /// How many organisations may lie without two certificates for one size: `(n-1)/3` rounded down.
    pub fn faulty_max(&self) -> usize {
        self.organisations.len().saturating_sub(1) / 3
    }

    /// How many organisations a certificate needs: `(n+f+1)/2` rounded up.
    pub fn quorum(&self) -> usize {
        (self.organisations.len() + self.faulty_max() + 1).div_ceil(2)
    }

    /// The keys of a voter, `<organisation>/<node>`.
    pub fn node(&self, node: &str) -> Option<&NodeKeys> {
        let (organisation, name) = node.split_once('/')?;
        self.organisations.get(organisation)?.nodes.get(name)
    }

    /// Every voter with its keys, by name.
    pub fn nodes(&self) -> impl Iterator<Item = (String, &NodeKeys)> {
        self.organisations.iter().flat_map(|(organisation, member)| {
            member.nodes.iter().map(move |(name, keys)| (format!("{organisation}/{name}"), keys))
        })
    }

    /// Whether a signature by `key` counts at this tree size.
    pub fn counts(&self, key: &PublicKey, size: u64) -> bool {
        self.revoked.get(key).is_none_or(|last| size <= *last)
    }

    /// The verifier keys of all log keys, for a C2SP policy.
    pub fn log_keys(&self, origin: &str) -> Vec<VerifierKey> {
        self.nodes().map(|(_, keys)| VerifierKey::log(origin, keys.log)).collect()
    }

    /// The verifier keys of all cosigners, for a C2SP policy.
    pub fn cosign_keys(&self) -> Vec<VerifierKey> {
        self.nodes().map(|(node, keys)| VerifierKey::cosigner(&node, keys.cosign)).collect()
    }

    /// The keys that a line may be by: more than one where ids collide.
    pub(crate) fn keys_of(&self, origin: &str, line: &NoteSignature) -> Vec<VerifierKey> {
        let logs = if line.name == origin { self.log_keys(origin) } else { Vec::new() };
        let cosigner = self.node(&line.name).map(|keys| VerifierKey::cosigner(&line.name, keys.cosign));
        logs.into_iter().chain(cosigner).filter(|key| line.is_by(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quorum_is_that_of_the_design() {
        for (n, quorum) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (10, 7), (13, 9)] {
            let organisations = (0..n).map(|i| (format!("o{i}"), Member { nodes: BTreeMap::new() })).collect();
            let membership = Membership {
                epoch: 0,
                organisations,
                previous: Hash([0; 32]),
                quorum: QUORUM_FORMULA.into(),
                revoked: BTreeMap::new(),
                v: 1,
            };
            assert_eq!(membership.quorum(), quorum, "n = {n}");
        }
    }
}
