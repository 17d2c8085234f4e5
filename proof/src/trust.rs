//! Follow the epochs of a ledger and judge checkpoints under the one that covers them.

use crate::checkpoint::{Rule, Tally, certify};
use crate::limits::{EPOCH_BYTES_MAX, EPOCHS_MAX, JSON_DEPTH_MAX};
use crate::name::genesis_of;
use crate::refusal::At;
use crate::{
    CertifiedCheckpoint, Check, Checkpoint, Genesis, Hash, Leaf, Membership, Note, Policy, ProofError, PublicKey,
    Receipt, Refusal, SealLeaf, canonical, parse_canonical,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One epoch: a membership, and the tree size above which it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Who signs, and how many must.
    pub membership: Membership,
    /// It covers the sizes above this one, up to and with the one that brings in the next epoch.
    pub after: u64,
}

/// Where trust began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// A genesis whose hash the caller knows.
    Genesis,
    /// An epoch that the caller pinned.
    PinnedEpoch,
    /// A C2SP policy, which knows keys and a quorum but no epochs.
    Policy,
}

/// What a verifier believes before it reads a proof. Only a [`Trust`] makes a [`CertifiedCheckpoint`].
#[derive(Debug, Clone)]
pub struct Trust {
    origin: String,
    anchor: Anchor,
    basis: Basis,
}

/// What a checkpoint is judged by.
#[derive(Debug, Clone)]
enum Basis {
    /// Ascending, without a gap; at least one, and the last has no known end.
    Epochs(Vec<Epoch>),
    Policy(Policy),
}

/// One change of membership: the new document, and the receipt of the seal that brings it in, whose checkpoint ends
/// exactly at that seal and is certified by both sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The membership document of the new epoch.
    pub members: Membership,
    /// A tlog-proof of the seal.
    pub seal: String,
}

/// A pinned epoch file; canonical JSON with `"kind":"epoch"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedEpoch {
    /// It covers the sizes above this one.
    pub after: u64,
    /// What file this is: `epoch`.
    pub kind: String,
    /// The membership document.
    pub members: Membership,
    /// The ledger.
    pub origin: String,
    /// The form of this file: 1.
    pub v: u64,
}

impl PinnedEpoch {
    /// Reads a pinned epoch.
    pub fn parse(bytes: &[u8]) -> Result<PinnedEpoch, ProofError> {
        ProofError::check_max("epoch", bytes.len(), EPOCH_BYTES_MAX)?;
        let pinned: PinnedEpoch = parse_canonical("epoch", bytes, JSON_DEPTH_MAX)?;
        if pinned.kind != "epoch" || pinned.v != 1 {
            return Err(ProofError::mismatch(
                "epoch.kind and .v",
                "epoch and 1",
                format!("{} and {}", pinned.kind, pinned.v),
            ));
        }
        pinned.members.check()?;
        let genesis = genesis_of("epoch.origin", &pinned.origin)?;
        if pinned.members.epoch == 0 && pinned.members.previous != genesis {
            return Err(ProofError::mismatch("epoch.members.previous", genesis, pinned.members.previous));
        }
        Ok(pinned)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }
}

impl Trust {
    /// Trusts a genesis, whose hash the caller has compared.
    pub fn from_genesis(genesis: &Genesis) -> Trust {
        let founding = Epoch { membership: genesis.membership(), after: 0 };
        Trust { origin: genesis.origin(), anchor: Anchor::Genesis, basis: Basis::Epochs(vec![founding]) }
    }

    /// Trusts one epoch that the caller has pinned; nothing at or below the size it begins after is believed.
    pub fn from_epoch(pinned: PinnedEpoch) -> Trust {
        let epoch = Epoch { membership: pinned.members, after: pinned.after };
        Trust { origin: pinned.origin, anchor: Anchor::PinnedEpoch, basis: Basis::Epochs(vec![epoch]) }
    }

    /// Trusts a policy that the caller chose, for the log of this origin. It covers every size, and follows nobody.
    ///
    /// Refused when the origin has not its form, and when the policy names no log of it or asks for nobody's cosignature.
    pub fn from_policy(origin: &str, policy: Policy) -> Result<Trust, ProofError> {
        genesis_of("origin", origin)?;
        if !policy.logs().iter().any(|log| log.name == origin) {
            return Err(ProofError::malformed("policy", format!("no log of it is named {origin}")));
        }
        if policy.satisfied(&BTreeSet::new()) {
            return Err(ProofError::malformed("policy", "its quorum asks for nobody's cosignature"));
        }
        Ok(Trust { origin: origin.to_owned(), anchor: Anchor::Policy, basis: Basis::Policy(policy) })
    }

    /// The epochs that this node's own ledger has executed, ascending from genesis.
    ///
    /// # Panics
    /// When there is none.
    pub fn executed(origin: &str, epochs: Vec<Epoch>) -> Trust {
        assert!(!epochs.is_empty(), "genesis is an epoch");
        Trust { origin: origin.to_owned(), anchor: Anchor::Genesis, basis: Basis::Epochs(epochs) }
    }

    /// The ledger: `<ledger>/<genesis hash>`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Where trust began.
    pub fn anchor(&self) -> Anchor {
        self.anchor
    }

    /// The epochs known, ascending; none under a policy.
    pub fn epochs(&self) -> &[Epoch] {
        match &self.basis {
            Basis::Epochs(epochs) => epochs,
            Basis::Policy(_) => &[],
        }
    }

    /// The newest epoch known.
    ///
    /// # Panics
    /// Under a policy, which knows none: ask `epochs().last()` where the caller may have chosen one.
    pub fn newest(&self) -> &Epoch {
        self.epochs().last().expect("only a policy knows no epochs")
    }

    /// The epoch that covers a size, as far as is known.
    pub fn epoch_at(&self, size: u64) -> Option<&Epoch> {
        self.epochs().iter().rev().find(|epoch| size > epoch.after)
    }

    /// The memberships whose quorums a checkpoint of this size needs: one, or both at the size that ends an epoch.
    pub fn in_force(&self, size: u64) -> Vec<&Membership> {
        let next = self.epochs().iter().skip(1).find(|epoch| epoch.after == size);
        self.epoch_at(size).into_iter().chain(next).map(|epoch| &epoch.membership).collect()
    }

    /// Every key of a node in a role, over all known epochs.
    pub fn keys_of<'a>(
        &'a self,
        node: &'a str,
        role: impl Fn(&crate::NodeKeys) -> PublicKey + 'a,
    ) -> impl Iterator<Item = PublicKey> + 'a {
        self.epochs().iter().filter_map(move |epoch| epoch.membership.node(node).map(&role))
    }

    /// Whether a signature by `key` counts at this size: the newest document known says what is revoked.
    pub fn counts(&self, key: &PublicKey, size: u64) -> bool {
        self.epochs().last().is_none_or(|newest| newest.membership.counts(key, size))
    }

    /// Follows one change of membership: the seal that names both documents, in a checkpoint that ends with it and
    /// that a quorum of both sets has certified.
    pub fn follow(&mut self, change: &Change) -> Result<(), Refusal> {
        let Some(last) = self.epochs().last() else {
            return Check::Epochs.refuse("trust", "a policy follows no change of membership");
        };
        ProofError::check_max("epochs", self.epochs().len() + 1, EPOCHS_MAX).at(Check::Epochs)?;
        let (old, new) = (&last.membership, &change.members);
        new.check().at(Check::Epochs)?;
        Check::Epochs.same("members.epoch", &(old.epoch + 1), &new.epoch)?;
        Check::Epochs.same("members.previous", &old.hash(), &new.previous)?;
        let receipt = Receipt::parse(&change.seal).at(Check::Epochs)?;
        let note = Note::parse(&receipt.note).at(Check::Epochs)?;
        let rule = Rule::Epochs { in_force: &[old, new], revoked: new };
        let tally = Tally { origin: &self.origin, rule };
        let certified = certify(&receipt.note, &note, &tally).map_err(in_epochs)?;
        let (leaf, _) = receipt.include(&certified).map_err(in_epochs)?;
        let after = seal_of_change(leaf, old, new)?;
        Check::Epochs.same("change.checkpoint.size", &after, &certified.checkpoint().size)?;
        if after <= last.after {
            return Check::Epochs.refuse("change.seal", "it lies before the epoch it ends");
        }
        if let Basis::Epochs(epochs) = &mut self.basis {
            epochs.push(Epoch { membership: change.members.clone(), after });
        }
        Ok(())
    }

    /// Takes over what another trust of the same ledger knows of later epochs. The documents of an epoch that both know,
    /// and the sizes it begins after, must be the same: two for one epoch are a fork of the membership. A policy takes
    /// nothing.
    pub fn join(&mut self, other: &Trust) -> Result<(), Refusal> {
        Check::Genesis.same("origin", &self.origin, &other.origin)?;
        let Basis::Epochs(known) = &mut self.basis else { return Ok(()) };
        for epoch in known.iter() {
            let number = epoch.membership.epoch;
            if let Some(same) = other.epochs().iter().find(|e| e.membership.epoch == number) {
                Check::Epochs.same("epoch.members", &epoch.membership.hash(), &same.membership.hash())?;
                Check::Epochs.same("epoch.after", &epoch.after, &same.after)?;
            }
        }
        let newest = known.last().expect("at least one").membership.epoch;
        known.extend(other.epochs().iter().filter(|epoch| epoch.membership.epoch > newest).cloned());
        Ok(())
    }

    /// Checks a checkpoint note under the membership that covers its size.
    ///
    /// A line by an unknown key is skipped, as C2SP asks; one by a known key that fails makes the whole note false.
    /// It needs cosignatures of a quorum of organisations, each counted once, of both sets at the size that ends an
    /// epoch, or of the quorum that the policy asks for; and a log signature of a member's node.
    pub fn certify(&self, note: &str) -> Result<CertifiedCheckpoint, Refusal> {
        let parsed = Note::parse(note).at(Check::File)?;
        let checkpoint = Checkpoint::parse(&parsed.text).at(Check::File)?;
        Check::Genesis.same("checkpoint.origin", &self.origin, &checkpoint.origin)?;
        let in_force = self.in_force(checkpoint.size);
        let rule = match &self.basis {
            Basis::Policy(policy) => Rule::Policy(policy),
            Basis::Epochs(epochs) if in_force.is_empty() => {
                let reason =
                    format!("{} is not above {}, where the epochs known begin", checkpoint.size, epochs[0].after);
                return Check::Epochs.refuse("checkpoint.size", reason);
            }
            Basis::Epochs(_) => Rule::Epochs { in_force: &in_force, revoked: &self.newest().membership },
        };
        certify(note, &parsed, &Tally { origin: &self.origin, rule })
    }
}

/// What fails inside a change of membership fails the chain of epochs.
fn in_epochs(refusal: Refusal) -> Refusal {
    Refusal { check: Check::Epochs, ..refusal }
}

/// The tree size at which a seal replaces one membership by another.
fn seal_of_change(leaf: Leaf, old: &Membership, new: &Membership) -> Result<u64, Refusal> {
    let Leaf::Seal(SealLeaf { members, next_members, first, leaves, .. }) = leaf else {
        return Check::Epochs.refuse("change.seal", "the receipt is not of a seal");
    };
    let same = |field, expected: Hash, found: Hash| Check::Epochs.same(field, &expected, &found);
    same("change.seal.members", old.hash(), members)?;
    same("change.seal.next_members", new.hash(), next_members)?;
    Ok(first + leaves)
}
