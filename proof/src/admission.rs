//! Describe a change of membership, and check that those who join hold their keys.

use crate::limits::ADDRESS_BYTES_MAX;
use crate::name::check_node;
use crate::{Checkpoint, Epoch, Membership, Note, ProofError, PublicKey, Refusal, Trust, VerifierKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an `admit` records: the next membership, and for whoever is new what the ledger must know beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// The membership document of the next epoch.
    pub members: Membership,
    /// Nodes that are not on the ledger yet, by name `<organisation>/<node>`.
    pub nodes: BTreeMap<String, AdmittedNode>,
    /// Organisations that have no account yet, with their governance key.
    pub organisations: BTreeMap<String, PublicKey>,
}

/// Where a new node is, and how it authenticates its connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmittedNode {
    /// Where the members reach it: `host:port`.
    pub address: String,
    /// Its TLS key.
    pub tls: PublicKey,
}

impl Admission {
    /// Checks names and addresses, and that the document has its form and follows `current`.
    pub fn check(&self, current: &Membership) -> Result<(), ProofError> {
        self.members.check()?;
        if self.members.epoch != current.epoch + 1 || self.members.previous != current.hash() {
            let expected = format!("epoch {} after {}", current.epoch + 1, current.hash());
            let found = format!("epoch {} after {}", self.members.epoch, self.members.previous);
            return Err(ProofError::mismatch("admission.members", expected, found));
        }
        for (name, node) in &self.nodes {
            check_node("admission.nodes", name)?;
            if node.address.is_empty() || node.address.len() > ADDRESS_BYTES_MAX {
                let reason = format!("an address of 1 to {ADDRESS_BYTES_MAX} bytes");
                return Err(ProofError::malformed("admission.nodes.address", reason));
            }
            if self.members.node(name).is_none() {
                return Err(ProofError::malformed("admission.nodes", format!("{name} is no voter of the next epoch")));
            }
        }
        match self.organisations.keys().find(|name| !self.members.organisations.contains_key(*name)) {
            Some(name) => Err(ProofError::malformed("admission.organisations", format!("{name} is no member"))),
            None => Ok(()),
        }
    }
}

/// The cosign keys of `next` that `current` does not have, with their nodes: those that join, or were rotated.
pub fn joining(current: &Membership, next: &Membership) -> Vec<(String, PublicKey)> {
    let known: Vec<PublicKey> = current.nodes().map(|(_, keys)| keys.cosign).collect();
    let keys = next.nodes().map(|(node, keys)| (node, keys.cosign));
    keys.filter(|(_, key)| !known.contains(key)).collect()
}

/// Checks the note of an `activate`: certified by `current`, and cosigned by every key that joins. The caller compares
/// the checkpoint with his own log.
pub fn check_activation(
    note: &str,
    origin: &str,
    current: &Membership,
    next: &Membership,
) -> Result<Checkpoint, Refusal> {
    let trust = Trust::executed(origin, vec![Epoch { membership: current.clone(), after: 0 }]);
    let certified = trust.certify(note)?;
    let parsed = Note::parse(note)?;
    for (node, key) in joining(current, next) {
        let key = VerifierKey::cosigner(&node, key);
        let line = parsed.signatures.iter().find(|line| line.name == node && line.id == key.id());
        let missing =
            || ProofError::malformed("activate.checkpoint", format!("{node}, which joins, has not cosigned it"));
        crate::checkpoint::check_cosignature_line(&parsed.text, line.ok_or_else(missing)?, &key)?;
    }
    Ok(certified.checkpoint().clone())
}
