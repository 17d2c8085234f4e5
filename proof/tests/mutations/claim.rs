//! Say what a proof file makes a verifier believe, with a check of that against the model ledger.

use crate::model::{Kept, Model};
use countersign_proof::*;
use serde_json::Value;
use std::collections::BTreeSet;

/// How a file is read; what it is asked about is the test's, never the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Receipt,
    ReceiptJson,
    State,
    History,
    Consistency,
    Bundle,
    Pinned,
    Exhibit,
    Evidence,
}

/// What a verifier knows before it reads a file.
pub struct Verifier {
    pub model: Model,
    pub trust: Trust,
    /// A receipt of epoch 1, for pinned epochs.
    pub receipt: Receipt,
    /// Every cosignature that was made: size, root, node, time.
    pub cosigned: BTreeSet<(u64, Hash, String, u64)>,
}

/// A certified checkpoint: size, root, epoch, and the nodes that count with their times.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    pub size: u64,
    pub root: Hash,
    pub epochs: Vec<(u64, usize, usize)>,
    pub signers: Vec<(String, u64)>,
}

/// A version as a history proof shows it.
type Shown = (VersionRecord, Option<Value>);

/// All that a verified file claims.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Claim {
    trees: Vec<Tree>,
    leaf: Option<(u64, Leaf)>,
    answer: Option<(u64, StateAnswer)>,
    versions: Option<(u64, u64, Vec<Shown>)>,
    accused: Option<(String, Vec<Accused>)>,
    epochs: Vec<(u64, Hash)>,
}

fn tree(certified: &CertifiedCheckpoint) -> Tree {
    Tree {
        size: certified.checkpoint().size,
        root: certified.checkpoint().root,
        epochs: certified.counts().iter().map(|count| (count.epoch, count.signed, count.quorum)).collect(),
        signers: certified.signers().values().flatten().map(|(node, time)| (node.clone(), *time)).collect(),
    }
}

fn of_receipt(receipt: &VerifiedReceipt) -> Claim {
    let leaf = Some((receipt.index(), receipt.leaf().clone()));
    Claim { trees: vec![tree(receipt.certified())], leaf, ..Claim::default() }
}

fn of_epochs(trust: &Trust) -> Vec<(u64, Hash)> {
    trust.epochs().iter().map(|epoch| (epoch.after, epoch.membership.hash())).collect()
}

fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    let malformed = |_| ProofError::Malformed { field: "file", reason: "not UTF-8 text".into() };
    Ok(std::str::from_utf8(bytes).map_err(malformed)?)
}

impl Verifier {
    /// Verifies a file as its kind, about the document `id` where it needs one.
    pub fn judge(&self, kind: Kind, id: &str, file: &[u8]) -> Result<Claim, Refusal> {
        match kind {
            Kind::Bundle => {
                let trust = TrustBundle::parse(file)?.verify(&self.model.genesis.hash())?;
                Ok(Claim { epochs: of_epochs(&trust), ..Claim::default() })
            }
            Kind::Pinned => {
                let trust = Trust::from_epoch(PinnedEpoch::parse(file)?);
                Ok(of_receipt(&self.receipt.verify(&trust)?))
            }
            Kind::Exhibit => {
                let exhibit = Exhibit::parse(file)?;
                let trust = exhibit.trust.verify(&self.model.genesis.hash())?;
                let inner = if exhibit.proof.starts_with('{') { Kind::State } else { Kind::Receipt };
                let claim = judge_proof(inner, &trust, id, exhibit.proof.as_bytes())?;
                Ok(Claim { epochs: of_epochs(&trust), ..claim })
            }
            _ => judge_proof(kind, &self.trust, id, file),
        }
    }

    /// Whether the model ledger is as the claim says.
    pub fn is_true(&self, kind: Kind, id: &str, claim: &Claim) -> bool {
        claim.trees.iter().all(|tree| self.tree_is_true(kind, tree))
            && claim.leaf.as_ref().is_none_or(|(index, leaf)| self.model.leaves[*index as usize] == leaf.to_bytes())
            && claim.answer.as_ref().is_none_or(|(height, answer)| self.answer_is_true(id, *height, answer))
            && claim
                .versions
                .as_ref()
                .is_none_or(|(from, to, versions)| self.versions_are_true(id, *from, *to, versions))
            && claim.accused.as_ref().is_none_or(|(what, accused)| accused_are_guilty(what, accused))
            && claim.epochs.iter().zip(of_epochs(&self.trust)).all(|(found, known)| *found == known)
            && claim.epochs.len() <= self.trust.epochs().len()
    }

    fn tree_is_true(&self, kind: Kind, tree: &Tree) -> bool {
        let quorum = tree.epochs.iter().all(|(_, signed, quorum)| signed >= quorum);
        let in_force = self.trust.in_force(tree.size);
        // The quorum of a pinned epoch is what its file says.
        let epochs = tree.epochs.iter().zip(&in_force).all(|(e, m)| (e.0, e.2) == (m.epoch, m.quorum()));
        let made = |(node, time): &(String, u64)| self.cosigned.contains(&(tree.size, tree.root, node.clone(), *time));
        tree.root == self.model.checkpoint(tree.size).root
            && quorum
            && (kind == Kind::Pinned || epochs && tree.epochs.len() == in_force.len())
            && tree.signers.iter().all(made)
    }

    fn version_at(&self, id: &str, height: u64) -> Option<&Kept> {
        let history = self.model.versions.get(&("shipments".to_owned(), id.to_owned()))?;
        history.iter().rev().find(|(record, ..)| record.height <= height)
    }

    fn answer_is_true(&self, id: &str, height: u64, answer: &StateAnswer) -> bool {
        match (answer, self.version_at(id, height)) {
            (StateAnswer::Absent, known) => known.is_none(),
            (StateAnswer::Deleted { record }, Some((known, value, _))) => record == known && value.is_none(),
            (StateAnswer::Present { record, value }, Some((known, kept, _))) => {
                record == known && kept.is_some() && (value.is_none() || value == kept)
            }
            _ => false,
        }
    }

    fn versions_are_true(&self, id: &str, from: u64, to: u64, versions: &[Shown]) -> bool {
        let history = self.model.versions.get(&("shipments".to_owned(), id.to_owned())).cloned().unwrap_or_default();
        let within: Vec<_> =
            history.iter().filter(|(record, ..)| from <= record.height && record.height <= to).collect();
        let same = |(found, known): (&Shown, &&Kept)| found.0 == known.0 && (found.1.is_none() || found.1 == known.1);
        within.len() == versions.len() && versions.iter().zip(&within).all(same)
    }
}

fn judge_proof(kind: Kind, trust: &Trust, id: &str, file: &[u8]) -> Result<Claim, Refusal> {
    match kind {
        Kind::Receipt => Ok(of_receipt(&Receipt::parse(text(file)?)?.verify(trust)?)),
        Kind::ReceiptJson => Ok(of_receipt(&Receipt::from_json(file)?.verify(trust)?)),
        Kind::State => Ok(of_state(&StateProof::parse(file)?.verify(trust, "shipments", id)?)),
        Kind::History => {
            let history = HistoryProof::parse(file)?.verify(trust, "shipments", id)?;
            let (from, to) = history.heights();
            let versions = Some((from, to, history.versions().to_vec()));
            Ok(Claim { versions, ..of_state(history.state()) })
        }
        Kind::Consistency => {
            let proof = ConsistencyProof::parse(file)?.verify(trust)?;
            Ok(Claim { trees: vec![tree(proof.smaller()), tree(proof.larger())], ..Claim::default() })
        }
        Kind::Evidence => {
            let evidence = Evidence::parse(file)?.verify(trust)?;
            let accused = Some((evidence.what().to_owned(), evidence.accused().to_vec()));
            Ok(Claim { accused, ..Claim::default() })
        }
        Kind::Bundle | Kind::Pinned | Kind::Exhibit => unreachable!("judged by the verifier"),
    }
}

fn of_state(state: &VerifiedState) -> Claim {
    let claim = of_receipt(state.receipt());
    Claim { answer: Some((state.seal().height, state.answer().clone())), ..claim }
}

/// Who has done what in the model; anybody who cosigned answers for a seal.
fn accused_are_guilty(what: &str, accused: &[Accused]) -> bool {
    let guilty: &[&str] = match what {
        "two-proposals" => &["bolt.example"],
        "two-cosignatures" | "fork" => &["cargo.example"],
        "against-certificate" => &["cargo.example", "dock.example"],
        _ => return !accused.is_empty(),
    };
    !accused.is_empty() && accused.iter().all(|accused| guilty.contains(&accused.organisation.as_str()))
}
