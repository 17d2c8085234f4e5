//! Prove that a list of a document's versions between two heights is complete.

use crate::limits::{HISTORY_BYTES_MAX, HISTORY_DEPTH_MAX, HISTORY_VERSIONS_MAX, PROOF_BYTES_MAX};
use crate::refusal::At;
use crate::state_proof::check_value;
use crate::{
    Check, Hash, ProofError, Refusal, StateAnswer, StateProof, Trust, VerifiedState, VersionRecord, canonical,
    parse_canonical,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A history proof file; canonical JSON with `"kind":"history-proof"`. Nothing in it is believed yet.
///
/// The state proof shows the newest version; each version names the one before it by its hash. The list goes down to
/// the first version below `from`, or to version 1, so that nothing in between can be left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryProof {
    /// The versions before the newest, newest first.
    pub earlier: Vec<EarlierVersion>,
    /// The first height asked about.
    pub from: u64,
    /// What file this is: `history-proof`.
    pub kind: String,
    /// The newest version, at a height of `to` or more.
    pub state: StateProof,
    /// The last height asked about.
    pub to: u64,
    /// The form of this proof: 1.
    pub v: u64,
}

/// One version of the list. Salt and value are null together, for a deletion, for a reader without access, and
/// outside the heights asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlierVersion {
    /// The version record.
    pub record: VersionRecord,
    /// The value's salt.
    pub salt: Option<Hash>,
    /// The value.
    pub value: Option<Value>,
}

/// A complete list of versions. There is no other way to make one.
#[derive(Debug, Clone)]
pub struct VerifiedHistory {
    versions: Vec<(VersionRecord, Option<Value>)>,
    from: u64,
    to: u64,
    state: VerifiedState,
}

impl HistoryProof {
    /// Reads a history proof file.
    pub fn parse(bytes: &[u8]) -> Result<HistoryProof, ProofError> {
        ProofError::check_max("history proof", bytes.len(), HISTORY_BYTES_MAX)?;
        let proof: HistoryProof = parse_canonical("history proof", bytes, HISTORY_DEPTH_MAX)?;
        if proof.kind != "history-proof" || proof.v != 1 || proof.state.v != 1 {
            return Err(ProofError::malformed("history proof", "not a history proof of version 1"));
        }
        ProofError::check_max("history proof.earlier", proof.earlier.len(), HISTORY_VERSIONS_MAX)?;
        ProofError::check_max("history proof.state", proof.state.to_bytes().len(), PROOF_BYTES_MAX)?;
        Ok(proof)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Checks that `earlier` and the newest version are all versions of the document between the two heights.
    pub fn verify(&self, trust: &Trust, collection: &str, id: &str) -> Result<VerifiedHistory, Refusal> {
        let state = self.state.verify(trust, collection, id)?;
        if self.from > self.to || state.seal().height < self.to {
            let reason =
                format!("heights {} to {} are not within the state at {}", self.from, self.to, state.seal().height);
            return Check::History.refuse("history proof.to", reason);
        }
        let newest = match state.answer() {
            StateAnswer::Present { record, value } => Some((record, value.clone())),
            StateAnswer::Deleted { record } => Some((record, None)),
            StateAnswer::Absent => None,
        };
        let mut versions: Vec<(VersionRecord, Option<Value>)> = Vec::new();
        let mut last = newest.as_ref().map(|(record, _)| *record);
        for earlier in &self.earlier {
            let Some(after) = last else {
                return Check::History.refuse("history proof.earlier", "versions of a document that never was");
            };
            check_link(after, earlier, self.from).at(Check::History)?;
            last = Some(&earlier.record);
        }
        if let Some(last) = last
            && last.height >= self.from
            && last.previous.is_some()
        {
            let reason = format!("ends at version {} of height {}, which has one before it", last.version, last.height);
            return Check::History.refuse("history proof.earlier", reason);
        }
        let within = |record: &VersionRecord| self.from <= record.height && record.height <= self.to;
        let all = self.earlier.iter().rev().map(|e| (e.record.clone(), e.value.clone()));
        versions.extend(all.chain(newest.map(|(record, value)| (record.clone(), value))).filter(|(r, _)| within(r)));
        Ok(VerifiedHistory { versions, from: self.from, to: self.to, state })
    }
}

/// Whether `earlier` is the version right before `after`, and is needed.
fn check_link(after: &VersionRecord, earlier: &EarlierVersion, from: u64) -> Result<(), ProofError> {
    let record = &earlier.record;
    if after.previous != Some(record.hash()) {
        let expected = after.previous.map_or("none".to_owned(), |hash| hash.to_string());
        return Err(ProofError::mismatch("history proof.earlier", expected, record.hash()));
    }
    if after.height < from {
        return Err(ProofError::malformed("history proof.earlier", "goes on below the first height asked about"));
    }
    let same = (&record.collection, &record.id) == (&after.collection, &after.id);
    if !same || record.version + 1 != after.version || record.height > after.height {
        let reason = format!("version {} does not precede version {}", record.version, after.version);
        return Err(ProofError::malformed("history proof.earlier", reason));
    }
    record.check()?;
    check_value(record, earlier.salt.as_ref(), earlier.value.as_ref())
}

impl VerifiedHistory {
    /// Every version between the two heights, oldest first, each with its value unless it is withheld or deletes.
    pub fn versions(&self) -> &[(VersionRecord, Option<Value>)] {
        &self.versions
    }

    /// The first and last height the list is complete for.
    pub fn heights(&self) -> (u64, u64) {
        (self.from, self.to)
    }

    /// The state that the list ends in.
    pub fn state(&self) -> &VerifiedState {
        &self.state
    }
}
