//! Judge a checkpoint that a log asks a witness to cosign (C2SP tlog-witness, `add-checkpoint`).
//!
//! ```text
//!  AddCheckpoint ─ a known log has signed it ─▶ SignedHead ─ it follows the newest ─▶ FollowingHead ─▶ WitnessedHead
//! ```
//!
//! Nothing here remembers anything: whoever cosigns gives the newest head he has cosigned, and keeps the one that this
//! returns before he shows it to anybody.

use crate::checkpoint::{check_cosignature_line, check_log_line, cosigned_message};
use crate::limits::{
    ADD_CHECKPOINT_BYTES_MAX, ADD_CHECKPOINT_HASHES_MAX, WITNESSED_KEYS_MAX, WITNESSED_TEXT_BYTES_MAX,
};
use crate::note::{NoteSignature, TYPE_LOG, VerifierKey};
use crate::{Checkpoint, Cosignature, Hash, KeyPair, Note, ProofError, plain_hash, verify_consistency};
use base64::prelude::{BASE64_STANDARD, Engine};
use std::fmt;
use thiserror::Error;

/// What a log sends to a witness. Nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size of the checkpoint that the sender thinks the witness has cosigned last; 0 for none.
    pub old: u64,
    /// From that size to the new one (RFC 6962).
    pub path: Vec<Hash>,
    /// The checkpoint note.
    pub note: String,
}

/// Why a witness does not cosign. The sender must act.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WitnessRefusal {
    /// The request does not have its form.
    #[error(transparent)]
    Malformed(#[from] ProofError),
    /// Nobody follows this log here.
    #[error("origin: {0:?} is not a log that this witness follows")]
    UnknownOrigin(String),
    /// No key that is trusted for the origin has signed, or a line by one is false.
    #[error("checkpoint: {0}")]
    NotSigned(String),
    /// The sizes are the wrong way round.
    #[error("old: {old} is more than the checkpoint's size of {new}")]
    OldAboveNew {
        /// The size that was said to be cosigned.
        old: u64,
        /// The checkpoint's.
        new: u64,
    },
    /// Another size was cosigned last.
    #[error("old: the size cosigned last is {newest}")]
    OtherSize {
        /// That size; 0 for none.
        newest: u64,
    },
    /// The new log does not begin with the one that was cosigned.
    #[error("checkpoint: {0}")]
    Inconsistent(String),
}

/// A log that a witness follows: its origin, and keys of which one must have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedLog {
    origin: String,
    keys: Vec<VerifierKey>,
}

/// A request that a trusted key of the log has signed.
#[derive(Debug, Clone)]
pub struct SignedHead {
    request: AddCheckpoint,
    checkpoint: Checkpoint,
    /// The text, and the lines by trusted keys alone.
    note: Note,
}

/// A checkpoint that follows what was cosigned last: it may be cosigned.
#[derive(Debug, Clone)]
pub struct FollowingHead {
    checkpoint: Checkpoint,
    note: Note,
}

/// A checkpoint that a witness has cosigned: the note with the log's lines and the witness's own, which is the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedHead {
    checkpoint: Checkpoint,
    time: u64,
    note: Note,
}

impl AddCheckpoint {
    /// Reads a request.
    pub fn parse(body: &str) -> Result<AddCheckpoint, ProofError> {
        let wrong = |reason: &str| ProofError::malformed("add-checkpoint", reason);
        ProofError::check_max("add-checkpoint", body.len(), ADD_CHECKPOINT_BYTES_MAX)?;
        let (head, note) = body.split_once("\n\n").ok_or_else(|| wrong("no empty line before the checkpoint"))?;
        let mut lines = head.split('\n');
        let old =
            lines.next().and_then(|line| line.strip_prefix("old ")).ok_or_else(|| wrong("no line `old <size>`"))?;
        let size = old.parse().ok().filter(|size: &u64| size.to_string() == old && *size <= crate::INTEGER_MAX);
        let size = size.ok_or_else(|| wrong("old: not a whole number from 0 to 2^53-1 in its one decimal form"))?;
        let path = lines.map(parse_hash_line).collect::<Result<Vec<_>, _>>()?;
        ProofError::check_max("add-checkpoint.path", path.len(), ADD_CHECKPOINT_HASHES_MAX)?;
        Ok(AddCheckpoint { old: size, path, note: note.to_owned() })
    }

    /// The origin that the checkpoint names, so that its log can be looked up.
    pub fn origin(&self) -> &str {
        self.note.split('\n').next().unwrap_or_default()
    }
}

fn parse_hash_line(line: &str) -> Result<Hash, ProofError> {
    let bytes = BASE64_STANDARD.decode(line).map_err(|_| ProofError::malformed("add-checkpoint.path", "not base64"))?;
    Hash::from_slice("add-checkpoint.path", &bytes)
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", BASE64_STANDARD.encode(hash.0)))?;
        write!(f, "\n{}", self.note)
    }
}

impl WitnessedLog {
    /// A log and its keys: at least one, each a log's own (type 0x01).
    pub fn new(origin: &str, keys: Vec<VerifierKey>) -> Result<WitnessedLog, ProofError> {
        if origin.is_empty() || origin.chars().any(char::is_control) {
            return Err(ProofError::malformed("origin", "empty, or with a control character"));
        }
        if keys.is_empty() {
            return Err(ProofError::malformed("vkeys", "none; the signature of one must be asked for"));
        }
        ProofError::check_max("vkeys", keys.len(), WITNESSED_KEYS_MAX)?;
        match keys.iter().find(|key| key.kind != TYPE_LOG) {
            Some(key) => Err(ProofError::malformed("vkeys", format!("{key} is not a log's own key (type 0x01)"))),
            None => Ok(WitnessedLog { origin: origin.to_owned(), keys }),
        }
    }

    /// The log's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Checks that the checkpoint has its form and that a trusted key has signed it. A line by an unknown key is
    /// ignored; one by a trusted key that fails makes the whole note false.
    pub fn signed(&self, request: AddCheckpoint) -> Result<SignedHead, WitnessRefusal> {
        if request.origin() != self.origin {
            return Err(WitnessRefusal::UnknownOrigin(request.origin().to_owned()));
        }
        let Note { text, signatures } = Note::parse(&request.note)?;
        ProofError::check_max("checkpoint", text.len(), WITNESSED_TEXT_BYTES_MAX)?;
        let (checkpoint, _) = Checkpoint::parse_extended(&text)?;
        let trusted = |line: &NoteSignature| self.keys.iter().find(|key| key.name == line.name && key.id() == line.id);
        let mut held: Vec<NoteSignature> = Vec::new();
        for line in signatures {
            let Some(key) = trusted(&line) else { continue };
            check_log_line(&text, &line, key).map_err(|e| WitnessRefusal::NotSigned(e.to_string()))?;
            if !held.contains(&line) {
                held.push(line);
            }
        }
        if held.is_empty() {
            return Err(WitnessRefusal::NotSigned("no signature by a key that is trusted for its origin".into()));
        }
        Ok(SignedHead { request, checkpoint, note: Note { text, signatures: held } })
    }
}

impl SignedHead {
    /// The checkpoint that is asked for.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Checks sizes and path against the newest checkpoint that was cosigned for this origin; none when none was.
    pub fn follows(self, newest: Option<&Checkpoint>) -> Result<FollowingHead, WitnessRefusal> {
        let SignedHead { request, checkpoint, note } = self;
        let (old, new) = (request.old, checkpoint.size);
        if old > new {
            return Err(WitnessRefusal::OldAboveNew { old, new });
        }
        let newest = newest.filter(|newest| newest.size > 0);
        let size = newest.map_or(0, |newest| newest.size);
        if old != size {
            return Err(WitnessRefusal::OtherSize { newest: size });
        }
        match newest {
            None => check_first(&checkpoint, &request.path),
            Some(newest) => check_joined(newest, &checkpoint, &request.path),
        }
        .map_err(|error| WitnessRefusal::Inconsistent(error.to_string()))?;
        Ok(FollowingHead { checkpoint, note })
    }
}

/// Every log begins with the empty one: there is nothing to prove, and the empty log has one root.
fn check_first(checkpoint: &Checkpoint, path: &[Hash]) -> Result<(), ProofError> {
    if !path.is_empty() {
        return Err(ProofError::malformed("path", "not empty, though old is 0"));
    }
    let empty = plain_hash(b"");
    match checkpoint.size == 0 && checkpoint.root != empty {
        true => Err(ProofError::mismatch("root of a log of size 0", empty, checkpoint.root)),
        false => Ok(()),
    }
}

fn check_joined(newest: &Checkpoint, checkpoint: &Checkpoint, path: &[Hash]) -> Result<(), ProofError> {
    let (from, to) = verify_consistency(newest.size, &newest.root, checkpoint.size, path)?;
    for (field, expected, found) in [("old root", newest.root, from), ("new root", checkpoint.root, to)] {
        if expected != found {
            return Err(ProofError::mismatch(field, expected, found));
        }
    }
    Ok(())
}

impl FollowingHead {
    /// Cosigns it. The caller makes the result durable before anybody sees it.
    ///
    /// # Panics
    /// At time 0, which would be a cosignature without a time.
    pub fn cosign(self, witness: &VerifierKey, time: u64, key: &KeyPair) -> WitnessedHead {
        assert!(time > 0, "a witness says when");
        let FollowingHead { checkpoint, mut note } = self;
        let signature = key.sign(&cosigned_message(&note.text, time));
        let cosignature = Cosignature { node: witness.name.clone(), time, signature };
        note.signatures.push(cosignature.to_note_signature(witness));
        WitnessedHead { checkpoint, time, note }
    }
}

impl WitnessedHead {
    /// Reads back what was kept: a checkpoint whose last line is a cosignature of this witness that holds.
    pub fn parse(note: &str, witness: &VerifierKey) -> Result<WitnessedHead, ProofError> {
        let note = Note::parse(note)?;
        let (checkpoint, _) = Checkpoint::parse_extended(&note.text)?;
        let last = note.signatures.last().filter(|line| line.name == witness.name && line.id == witness.id());
        let line = last.ok_or_else(|| ProofError::malformed("witnessed checkpoint", "no cosignature at its end"))?;
        let time = check_cosignature_line(&note.text, line, witness)?;
        Ok(WitnessedHead { checkpoint, time, note })
    }

    /// What was cosigned.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// When, seconds since 1970.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// The note, with the lines of the log that were checked and the witness's own.
    pub fn note(&self) -> String {
        self.note.to_string()
    }

    /// The witness's line alone: the answer to the request.
    pub fn cosignature_line(&self) -> String {
        self.note.signatures.last().map(NoteSignature::to_line).unwrap_or_default()
    }
}

/// Takes this witness's cosignature over a checkpoint out of the lines that it answered with. Others are ignored.
pub fn cosignature_by(
    witness: &VerifierKey,
    checkpoint: &Checkpoint,
    answer: &str,
) -> Result<NoteSignature, ProofError> {
    let text = checkpoint.to_text();
    let note = Note::parse(&format!("{text}\n{answer}"))?;
    let own = |line: &NoteSignature| line.name == witness.name && line.id == witness.id();
    let missing = || ProofError::malformed("answer", format!("no cosignature by {witness}"));
    let line = note.signatures.into_iter().find(own).ok_or_else(missing)?;
    check_cosignature_line(&text, &line, witness)?;
    Ok(line)
}
