//! Sign checkpoints and count the organisations that countersigned one.

use crate::limits::COSIGNATURE_TIME_MAX;
use crate::note::{Note, NoteSignature, TYPE_LOG, VerifierKey};
use crate::refusal::At;
use crate::{Check, Hash, KeyPair, Membership, Policy, ProofError, PublicKey, Refusal};
use base64::prelude::{BASE64_STANDARD, Engine};
use std::collections::{BTreeMap, BTreeSet};

/// A tree size and root of one ledger's log (C2SP tlog-checkpoint with exactly three lines).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger: `<ledger>/<genesis hash>`.
    pub origin: String,
    /// How many leaves the log has.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The three lines that are signed.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root.0))
    }

    /// Reads exactly three lines.
    pub fn parse(text: &str) -> Result<Checkpoint, ProofError> {
        match Checkpoint::parse_extended(text)? {
            (checkpoint, 0) => Ok(checkpoint),
            _ => Err(ProofError::malformed("checkpoint", "not three lines")),
        }
    }

    /// Reads three lines and counts the extension lines after them, which C2SP allows and no log of ours writes.
    pub(crate) fn parse_extended(text: &str) -> Result<(Checkpoint, usize), ProofError> {
        let wrong = |reason: &str| ProofError::malformed("checkpoint", reason);
        let lines: Vec<&str> =
            text.strip_suffix('\n').ok_or_else(|| wrong("no line feed at the end"))?.split('\n').collect();
        let [origin, size, root, extensions @ ..] = &lines[..] else {
            return Err(wrong("not three lines"));
        };
        if origin.is_empty() {
            return Err(wrong("no origin"));
        }
        if extensions.iter().any(|line| line.is_empty()) {
            return Err(wrong("an empty line"));
        }
        let number: u64 = size.parse().map_err(|_| wrong("the size is no number"))?;
        if number.to_string() != *size || number > crate::INTEGER_MAX {
            return Err(wrong("the size is not in its one decimal form"));
        }
        let bytes = BASE64_STANDARD.decode(root).map_err(|_| wrong("the root is not base64"))?;
        let root = Hash::from_slice("checkpoint.root", &bytes)?;
        Ok((Checkpoint { origin: (*origin).to_owned(), size: number, root }, extensions.len()))
    }

    /// The log signature line of a node, under its log key.
    pub fn log_signature(&self, key: &KeyPair) -> NoteSignature {
        let verifier = VerifierKey::log(&self.origin, key.public());
        let signature = key.sign(self.to_text().as_bytes()).to_vec();
        NoteSignature { id: verifier.id(), name: verifier.name, signature }
    }

    /// The cosignature of a node over this checkpoint at `time`, seconds since 1970.
    pub fn cosign(&self, node: &str, time: u64, key: &KeyPair) -> Cosignature {
        Cosignature { node: node.to_owned(), time, signature: key.sign(&self.cosigned_message(time)) }
    }

    /// What a cosigner signs (C2SP tlog-cosignature, type 0x04).
    pub fn cosigned_message(&self, time: u64) -> Vec<u8> {
        cosigned_message(&self.to_text(), time)
    }
}

/// What a cosigner signs of a checkpoint's text, extension lines included.
pub(crate) fn cosigned_message(text: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// One node's countersignature over a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Who: `<organisation>/<node>`.
    pub node: String,
    /// When, seconds since 1970.
    pub time: u64,
    /// Over [`Checkpoint::cosigned_message`].
    pub signature: [u8; 64],
}

impl Cosignature {
    /// The note line, for the node's cosign key.
    pub fn to_note_signature(&self, key: &VerifierKey) -> NoteSignature {
        let mut signature = self.time.to_be_bytes().to_vec();
        signature.extend_from_slice(&self.signature);
        NoteSignature { name: self.node.clone(), id: key.id(), signature }
    }
}

/// How many organisations of one epoch countersigned, and how many had to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The epoch.
    pub epoch: u64,
    /// Organisations of it that countersigned, each once.
    pub signed: usize,
    /// How many are needed.
    pub quorum: usize,
    /// How many there are.
    pub organisations: usize,
}

/// A checkpoint that a quorum of the organisations countersigned. Only [`crate::Trust`] makes one.
#[derive(Debug, Clone)]
pub struct CertifiedCheckpoint {
    checkpoint: Checkpoint,
    note: String,
    signers: BTreeMap<String, BTreeMap<String, u64>>,
    counts: Vec<Count>,
}

impl CertifiedCheckpoint {
    /// What is certified.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note as it was given.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The organisations that countersigned, and for each its nodes with the seconds since 1970 of their signing.
    pub fn signers(&self) -> &BTreeMap<String, BTreeMap<String, u64>> {
        &self.signers
    }

    /// The count under the membership in force; under both where an epoch ends; none under a policy.
    pub fn counts(&self) -> &[Count] {
        &self.counts
    }

    /// The epoch that covers it; none under a policy, which knows no epochs.
    pub fn epoch(&self) -> Option<u64> {
        self.counts.first().map(|count| count.epoch)
    }
}

/// Under whom a note is counted.
pub(crate) struct Tally<'a> {
    pub(crate) origin: &'a str,
    pub(crate) rule: Rule<'a>,
}

/// Whose lines are known, which of them count, and how many are enough.
pub(crate) enum Rule<'a> {
    /// One membership, or two where an epoch ends; and the newest document known, which says what no longer counts.
    Epochs { in_force: &'a [&'a Membership], revoked: &'a Membership },
    /// A policy, which knows no epochs and revokes nothing.
    Policy(&'a Policy),
}

/// Those whose cosignatures hold and count, with their times.
type Signed = BTreeMap<(String, PublicKey), u64>;

impl Tally<'_> {
    /// The keys known here that a line may be by.
    fn keys_of(&self, line: &NoteSignature) -> Vec<VerifierKey> {
        match &self.rule {
            Rule::Epochs { in_force, .. } => in_force.iter().flat_map(|m| m.keys_of(self.origin, line)).collect(),
            Rule::Policy(policy) => policy.keys_of(line),
        }
    }

    /// Whether a signature that holds counts: a policy may know logs of other origins.
    fn counts(&self, key: &VerifierKey, size: u64) -> bool {
        match &self.rule {
            Rule::Epochs { revoked, .. } => revoked.counts(&key.key, size),
            Rule::Policy(_) => key.kind != TYPE_LOG || key.name == self.origin,
        }
    }

    /// The count under each membership in force, when it is enough; a policy counts no organisations.
    fn enough(&self, signed: &Signed) -> Result<Vec<Count>, ProofError> {
        match &self.rule {
            Rule::Epochs { in_force, .. } => {
                let counts: Vec<Count> = in_force.iter().map(|membership| count(membership, signed)).collect();
                match counts.iter().find(|count| count.signed < count.quorum) {
                    Some(Count { epoch, signed, quorum, .. }) => {
                        Err(ProofError::NoQuorum { epoch: *epoch, signed: *signed, quorum: *quorum })
                    }
                    None => Ok(counts),
                }
            }
            Rule::Policy(policy) => {
                let named = |(_, key): &(&String, &VerifierKey)| signed.contains_key(&(key.name.clone(), key.key));
                let names = policy.witnesses().iter().filter(named).map(|(name, _)| name.clone()).collect();
                if policy.satisfied(&names) {
                    Ok(Vec::new())
                } else {
                    Err(ProofError::NoPolicyQuorum { signed: names.len() })
                }
            }
        }
    }
}

/// Counts the signatures of a note: every line by a known key must hold, then quorum, then log signature.
pub(crate) fn certify(note: &str, parsed: &Note, tally: &Tally<'_>) -> Result<CertifiedCheckpoint, Refusal> {
    let checkpoint = Checkpoint::parse(&parsed.text).at(Check::File)?;
    if checkpoint.origin != tally.origin {
        return Err(ProofError::mismatch("checkpoint.origin", tally.origin, &checkpoint.origin)).at(Check::Genesis);
    }
    let mut logged = false;
    let mut signed = Signed::new();
    for line in &parsed.signatures {
        for (key, time) in holding(&parsed.text, line, tally.keys_of(line), Check::Quorum)? {
            match time {
                _ if !tally.counts(&key, checkpoint.size) => {}
                Some(time) => drop(signed.insert((key.name, key.key), time)),
                None => logged = true,
            }
        }
    }
    let counts = tally.enough(&signed).at(Check::Quorum)?;
    if !logged {
        return Check::LogSignature.refuse("checkpoint", "no log signature of a member's node");
    }
    let mut signers: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for ((node, _), time) in signed {
        signers.entry(crate::organisation_of(&node).to_owned()).or_default().insert(node, time);
    }
    Ok(CertifiedCheckpoint { checkpoint, note: note.to_owned(), signers, counts })
}

/// An organisation counts once, whichever of its nodes signed, and only with the key this membership gives the node.
fn count(membership: &Membership, signed: &Signed) -> Count {
    let of_epoch = signed.keys().filter(|(node, key)| membership.node(node).is_some_and(|keys| keys.cosign == *key));
    let organisations: BTreeSet<&str> = of_epoch.map(|(node, _)| crate::organisation_of(node)).collect();
    Count {
        epoch: membership.epoch,
        signed: organisations.len(),
        quorum: membership.quorum(),
        organisations: membership.organisations.len(),
    }
}

/// Those of the keys that a line may be by under which it holds, a cosigner's with its time.
///
/// Where ids of 32 bits collide, one key suffices: a member who makes a log key with the id of another member's would
/// else make every note false that the other has signed. With keys and no one under which it holds, the line is false,
/// and so is its note; `cosigned` is the check that a cosignature then fails.
pub(crate) fn holding(
    text: &str,
    line: &NoteSignature,
    keys: Vec<VerifierKey>,
    cosigned: Check,
) -> Result<Vec<(VerifierKey, Option<u64>)>, Refusal> {
    let mut held = Vec::new();
    let mut failed = None;
    for key in keys {
        let (check, holds) = match key.kind {
            TYPE_LOG => (Check::LogSignature, check_log_line(text, line, &key).map(|()| None)),
            _ => (cosigned, check_cosignature_line(text, line, &key).map(Some)),
        };
        match holds {
            Ok(time) => held.push((key, time)),
            Err(error) => failed = failed.or(Some(Refusal { check, error })),
        }
    }
    match failed {
        Some(refusal) if held.is_empty() => Err(refusal),
        _ => Ok(held),
    }
}

pub(crate) fn check_log_line(text: &str, line: &NoteSignature, key: &VerifierKey) -> Result<(), ProofError> {
    let false_line = || ProofError::FalseSignature { field: format!("log signature {}", hex::encode(line.id)) };
    let signature = line.signature.as_slice().try_into().map_err(|_| false_line())?;
    let holds = key.key.verify_strict(text.as_bytes(), signature);
    if holds { Ok(()) } else { Err(false_line()) }
}

pub(crate) fn check_cosignature_line(text: &str, line: &NoteSignature, key: &VerifierKey) -> Result<u64, ProofError> {
    let false_line = || ProofError::FalseSignature { field: format!("cosignature of {}", line.name) };
    let (time, signature) = line.signature.split_first_chunk::<8>().ok_or_else(false_line)?;
    let time = u64::from_be_bytes(*time);
    if time > COSIGNATURE_TIME_MAX {
        return Err(false_line());
    }
    let signature = signature.try_into().map_err(|_| false_line())?;
    let holds = key.key.verify_strict(&cosigned_message(text, time), signature);
    if holds { Ok(time) } else { Err(false_line()) }
}
