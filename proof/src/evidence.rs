//! Prove that an organisation signed two statements that contradict each other.

use crate::cosigned::Cosigned;
use crate::hash::parse_hex;
use crate::limits::{JSON_DEPTH_MAX, PROOF_BYTES_MAX};
use crate::refusal::At;
use crate::{
    Check, Checkpoint, Cosignature, Hash, Leaf, Note, ProofError, ProposalHeader, PublicKey, Receipt, Refusal, Trust,
    VerifierKey, canonical, organisation_of, parse_canonical, verify_consistency,
};
use serde::{Deserialize, Serialize};

/// An evidence file; canonical JSON with `"kind":"evidence"`. Nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Evidence {
    /// Two headers of one proposal key for one (term, height).
    TwoProposals {
        /// One of them.
        first: SignedHeader,
        /// What file this is: `evidence`.
        kind: String,
        /// The receipt of the certified seal of that height, left out where there is none: it tells the tree size by
        /// which the key was used, without which a key that was revoked later accuses nobody.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        seal: Option<String>,
        /// The other.
        second: SignedHeader,
        /// The form of this file: 1.
        v: u64,
    },
    /// Two cosignatures of one key over one size with different roots.
    TwoCosignatures {
        /// A checkpoint note with the one cosignature.
        first: String,
        /// What file this is: `evidence`.
        kind: String,
        /// A checkpoint note with the other.
        second: String,
        /// The form of this file: 1.
        v: u64,
    },
    /// Two cosignatures of one key over logs of which the smaller is not the beginning of the larger.
    Fork {
        /// What file this is: `evidence`.
        kind: String,
        /// The note of the larger log.
        new: String,
        /// The note of the smaller one.
        old: String,
        /// The consistency path from `root` to the larger log.
        path: Vec<Hash>,
        /// What the larger log's root at the smaller size is.
        root: Hash,
        /// The form of this file: 1.
        v: u64,
    },
    /// A cosignature over a root that is not the one which a quorum certified at that size: the node executed falsely,
    /// or signed another history.
    AgainstCertificate {
        /// The note of the certified log, as large as the other or larger.
        certificate: String,
        /// What file this is: `evidence`.
        kind: String,
        /// The note with the cosignature.
        note: String,
        /// The consistency path from `root` to the certified log.
        path: Vec<Hash>,
        /// What the certified log's root at the note's size is.
        root: Hash,
        /// The form of this file: 1.
        v: u64,
    },
    /// A seal that re-executing the ledger does not give. The signatures are checked here; the seal is compared by
    /// whoever has executed the ledger (`countersign audit`).
    FalseSeal {
        /// What file this is: `evidence`.
        kind: String,
        /// The receipt of the seal under a note with the cosignatures of those who answer for it.
        seal: String,
        /// The form of this file: 1.
        v: u64,
    },
}

/// A proposal's header and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHeader {
    /// The canonical bytes of the header, as text.
    pub header: String,
    /// 64 bytes, hex.
    pub signature: String,
}

/// One organisation that answers for a contradiction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Accused {
    /// The organisation.
    pub organisation: String,
    /// Its node.
    pub node: String,
    /// The key that signed both statements.
    pub key: PublicKey,
}

/// Evidence whose every signature held. There is no other way to make one.
#[derive(Debug, Clone)]
pub struct VerifiedEvidence {
    what: &'static str,
    accused: Vec<Accused>,
    sentence: String,
    needs_execution: bool,
}

const KIND: &str = "evidence";

impl Evidence {
    /// Two headers that one key signed.
    pub fn two_proposals(first: SignedHeader, second: SignedHeader) -> Evidence {
        let (first, second) = if first.header <= second.header { (first, second) } else { (second, first) };
        Evidence::TwoProposals { first, kind: KIND.into(), seal: None, second, v: 1 }
    }

    /// Two headers that one key signed, with the receipt of the certified seal of their height: what accuses under a
    /// key that was revoked after it.
    pub fn two_proposals_by(first: SignedHeader, second: SignedHeader, seal: &Receipt) -> Evidence {
        match Evidence::two_proposals(first, second) {
            Evidence::TwoProposals { first, kind, second, v, .. } => {
                Evidence::TwoProposals { first, kind, seal: Some(seal.to_string()), second, v }
            }
            _ => unreachable!("made above"),
        }
    }

    /// Two notes with a cosignature of one node over one size.
    pub fn two_cosignatures(first: String, second: String) -> Evidence {
        let (first, second) = if first <= second { (first, second) } else { (second, first) };
        Evidence::TwoCosignatures { first, kind: KIND.into(), second, v: 1 }
    }

    /// Two notes of one node that no consistency path joins.
    pub fn fork(old: String, new: String, root: Hash, path: Vec<Hash>) -> Evidence {
        Evidence::Fork { kind: KIND.into(), new, old, path, root, v: 1 }
    }

    /// A node's note beside a certified one.
    pub fn against_certificate(note: String, certificate: String, root: Hash, path: Vec<Hash>) -> Evidence {
        Evidence::AgainstCertificate { certificate, kind: KIND.into(), note, path, root, v: 1 }
    }

    /// A seal that re-execution does not give.
    pub fn false_seal(seal: String) -> Evidence {
        Evidence::FalseSeal { kind: KIND.into(), seal, v: 1 }
    }

    /// Reads an evidence file.
    pub fn parse(bytes: &[u8]) -> Result<Evidence, ProofError> {
        ProofError::check_max("evidence", bytes.len(), PROOF_BYTES_MAX)?;
        let evidence: Evidence = parse_canonical("evidence", bytes, JSON_DEPTH_MAX)?;
        let (Evidence::TwoProposals { kind, v, .. }
        | Evidence::TwoCosignatures { kind, v, .. }
        | Evidence::Fork { kind, v, .. }
        | Evidence::AgainstCertificate { kind, v, .. }
        | Evidence::FalseSeal { kind, v, .. }) = &evidence;
        if kind != KIND || *v != 1 {
            return Err(ProofError::malformed("evidence", "not evidence of version 1"));
        }
        evidence.check_order()?;
        Ok(evidence)
    }

    /// One contradiction has one form: the smaller statement is first.
    fn check_order(&self) -> Result<(), ProofError> {
        let ascending = match self {
            Evidence::TwoProposals { first, second, .. } => first.header <= second.header,
            Evidence::TwoCosignatures { first, second, .. } => first <= second,
            _ => true,
        };
        if ascending { Ok(()) } else { Err(ProofError::malformed("evidence.first", "is not the smaller one")) }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// What kind of contradiction it is, as in the file.
    pub fn what(&self) -> &'static str {
        match self {
            Evidence::TwoProposals { .. } => "two-proposals",
            Evidence::TwoCosignatures { .. } => "two-cosignatures",
            Evidence::Fork { .. } => "fork",
            Evidence::AgainstCertificate { .. } => "against-certificate",
            Evidence::FalseSeal { .. } => "false-seal",
        }
    }

    /// Checks every signature, that one key made both statements, and that they contradict each other.
    pub fn verify(&self, trust: &Trust) -> Result<VerifiedEvidence, Refusal> {
        if trust.epochs().is_empty() {
            let reason = "a policy does not say whose keys these were, and when; give the genesis or an epoch";
            return Check::Evidence.refuse("evidence", reason);
        }
        let (accused, sentence) = match self {
            Evidence::TwoProposals { first, second, seal, .. } => two_proposals(trust, first, second, seal.as_deref())?,
            Evidence::TwoCosignatures { first, second, .. } => two_cosignatures(trust, first, second)?,
            Evidence::Fork { new, old, path, root, .. } => fork(trust, old, new, root, path)?,
            Evidence::AgainstCertificate { certificate, note, path, root, .. } => {
                against_certificate(trust, note, certificate, root, path)?
            }
            Evidence::FalseSeal { seal, .. } => false_seal(trust, seal)?,
        };
        if accused.is_empty() {
            return Check::Evidence.refuse("evidence", "no key of a member signed both statements");
        }
        let needs_execution = matches!(self, Evidence::FalseSeal { .. });
        Ok(VerifiedEvidence { what: self.what(), accused, sentence, needs_execution })
    }
}

impl VerifiedEvidence {
    /// What kind of contradiction it is.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// Who answers for it: at least one.
    pub fn accused(&self) -> &[Accused] {
        &self.accused
    }

    /// The contradiction in one sentence.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// Whether the last step, re-execution, remains to be done.
    pub fn needs_execution(&self) -> bool {
        self.needs_execution
    }
}

type Verdict = Result<(Vec<Accused>, String), Refusal>;

fn accuse(node: &str, key: PublicKey) -> Accused {
    Accused { organisation: organisation_of(node).to_owned(), node: node.to_owned(), key }
}

/// A header names a height and no tree size. So a key that the newest membership known revokes at a size accuses only
/// by a height that a certified seal shows to lie at or below that size; who stole it later can name any height.
fn two_proposals(trust: &Trust, first: &SignedHeader, second: &SignedHeader, seal: Option<&str>) -> Verdict {
    let (one, other) = (read_header(trust, first)?, read_header(trust, second)?);
    let same = (one.term, one.height, &one.proposer) == (other.term, other.height, &other.proposer);
    if !same || one == other {
        return Check::Evidence.refuse("evidence", "the headers are not two of one proposer, term and height");
    }
    let signed =
        |key: &PublicKey| header_signed(key, &one, &first.signature) && header_signed(key, &other, &second.signature);
    // No revocation is at a size that no log reaches.
    let size = seal.map_or(Ok(u64::MAX), |seal| size_of_height(trust, seal, one.height))?;
    let keys = trust.keys_of(&one.proposer, |keys| keys.proposal).filter(|key| trust.counts(key, size));
    let accused = unique(keys.filter(signed).map(|key| accuse(&one.proposer, key)));
    let sentence = format!("{} signed two proposals for height {} of term {}", one.proposer, one.height, one.term);
    Ok((accused, sentence))
}

/// The tree size after the block of this height, by the receipt of its certified seal.
fn size_of_height(trust: &Trust, seal: &str, height: u64) -> Result<u64, Refusal> {
    match Receipt::parse(seal).at(Check::File)?.verify(trust)?.leaf() {
        Leaf::Seal(seal) if seal.height == height => Ok(seal.tree_size()),
        _ => Check::Evidence.refuse("evidence.seal", format!("is not of the seal of height {height}")),
    }
}

fn read_header(trust: &Trust, signed: &SignedHeader) -> Result<ProposalHeader, Refusal> {
    let header: ProposalHeader =
        parse_canonical("evidence.header", signed.header.as_bytes(), JSON_DEPTH_MAX).at(Check::File)?;
    Check::File.same("evidence.header.v", &1, &header.v)?;
    Check::Genesis.same("evidence.header.origin", &trust.origin().to_owned(), &header.origin)?;
    Ok(header)
}

fn header_signed(key: &PublicKey, header: &ProposalHeader, signature: &str) -> bool {
    let signature = parse_hex("evidence.signature", signature);
    signature.is_ok_and(|signature| key.verify_strict(&header.signed_message(), &signature))
}

fn two_cosignatures(trust: &Trust, first: &str, second: &str) -> Verdict {
    let (one, other) = (Cosigned::read(trust, first)?, Cosigned::read(trust, second)?);
    if one.checkpoint.size != other.checkpoint.size || one.checkpoint.root == other.checkpoint.root {
        return Check::Evidence.refuse("evidence", "the notes are not of one size with different roots");
    }
    let sentence = format!("cosigned two different logs of size {}", one.checkpoint.size);
    both(&one, &other, &sentence)
}

fn fork(trust: &Trust, old: &str, new: &str, root: &Hash, path: &[Hash]) -> Verdict {
    let (old, new) = (Cosigned::read(trust, old)?, Cosigned::read(trust, new)?);
    contradicts(&old.checkpoint, &new.checkpoint, root, path)?;
    let (from, to) = (old.checkpoint.size, new.checkpoint.size);
    both(&old, &new, &format!("cosigned a log of size {from} and one of size {to} that does not begin with it"))
}

fn against_certificate(trust: &Trust, note: &str, certificate: &str, root: &Hash, path: &[Hash]) -> Verdict {
    let certified = trust.certify(certificate)?;
    let cosigned = Cosigned::read(trust, note)?;
    contradicts(&cosigned.checkpoint, certified.checkpoint(), root, path)?;
    let accused = unique(cosigned.signed.iter().map(|((node, key), _)| accuse(node, *key)));
    let sentence = format!(
        "{} cosigned a log of size {} that is not the one which {} organisations certified",
        names(&accused),
        cosigned.checkpoint.size,
        certified.signers().len()
    );
    Ok((accused, sentence))
}

fn false_seal(trust: &Trust, seal: &str) -> Verdict {
    let receipt = Receipt::parse(seal).at(Check::File)?;
    let cosigned = Cosigned::read(trust, &receipt.note)?;
    let leaf = receipt.include_in(&cosigned.checkpoint)?;
    let Leaf::Seal(seal) = leaf else {
        return Check::Leaf.refuse("evidence.seal", "the receipt is not of a seal");
    };
    let accused = unique(cosigned.signed.iter().map(|((node, key), _)| accuse(node, *key)));
    let sentence = format!(
        "{} signed for the seal of block {}: re-execution must show that it is false",
        names(&accused),
        seal.height
    );
    Ok((accused, sentence))
}

/// The path must lead from `root` to the larger log, and `root` must not be the smaller log's.
fn contradicts(old: &Checkpoint, new: &Checkpoint, root: &Hash, path: &[Hash]) -> Result<(), Refusal> {
    let joined = verify_consistency(old.size, root, new.size, path).at(Check::Consistency)?;
    Check::Consistency.same("evidence.path", &new.root, &joined.1)?;
    Check::Consistency.same("evidence.root", root, &joined.0)?;
    if old.root == *root {
        return Check::Evidence.refuse("evidence", "the smaller log is the beginning of the larger one");
    }
    Ok(())
}

fn both(one: &Cosigned, other: &Cosigned, did: &str) -> Verdict {
    let accused = unique(one.signed.keys().filter(|by| other.signed.contains_key(*by)).map(|(n, k)| accuse(n, *k)));
    let sentence = format!("{} {did}", names(&accused));
    Ok((accused, sentence))
}

fn names(accused: &[Accused]) -> String {
    accused.iter().map(|accused| accused.node.as_str()).collect::<Vec<_>>().join(", ")
}

fn unique(accused: impl Iterator<Item = Accused>) -> Vec<Accused> {
    accused.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

impl Cosignature {
    /// A checkpoint note with this cosignature alone: half of an evidence file.
    pub fn to_note(&self, checkpoint: &Checkpoint, key: PublicKey) -> String {
        let line = self.to_note_signature(&VerifierKey::cosigner(&self.node, key));
        Note { text: checkpoint.to_text(), signatures: vec![line] }.to_string()
    }
}
