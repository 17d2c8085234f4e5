//! Read a checkpoint that need not be certified, and those who cosigned it.

use crate::checkpoint::holding;
use crate::refusal::At;
use crate::{Check, Checkpoint, Note, NoteSignature, PublicKey, Refusal, Trust, VerifierKey};
use std::collections::BTreeMap;

/// A checkpoint and those whose signatures under it hold, whatever their number.
pub(crate) struct Cosigned {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) signed: BTreeMap<(String, PublicKey), u64>,
}

impl Cosigned {
    /// A line by a key of any epoch known counts; one that fails makes the note false, as everywhere. A key that was
    /// revoked below this size accuses nobody: somebody else may have had it.
    pub(crate) fn read(trust: &Trust, note: &str) -> Result<Cosigned, Refusal> {
        let note = Note::parse(note).at(Check::File)?;
        let checkpoint = Checkpoint::parse(&note.text).at(Check::File)?;
        Check::Genesis.same("evidence.origin", &trust.origin().to_owned(), &checkpoint.origin)?;
        let mut signed = BTreeMap::new();
        for line in &note.signatures {
            for (key, time) in holding(&note.text, line, keys_ever_of(trust, line), Check::Evidence)? {
                // A log signature votes for nothing, and accuses nobody.
                if let Some(time) = time.filter(|_| trust.counts(&key.key, checkpoint.size)) {
                    signed.insert((key.name, key.key), time);
                }
            }
        }
        Ok(Cosigned { checkpoint, signed })
    }
}

/// The keys of any epoch known that a line may be by, each once.
fn keys_ever_of(trust: &Trust, line: &NoteSignature) -> Vec<VerifierKey> {
    let mut keys: Vec<VerifierKey> = Vec::new();
    for key in trust.epochs().iter().flat_map(|epoch| epoch.membership.keys_of(trust.origin(), line)) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}
