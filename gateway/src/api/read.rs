//! Read documents as a caller may see them, at the height that the request names.

use super::Api;
use super::asked::{number, time_ms};
use super::catalogue::Served;
use crate::identity::Caller;
use crate::problem::Problem;
use crate::sight::{NOT_VERIFIABLE, Sighted};
use countersign_ledger::Version;
use countersign_proof::StateProof;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// A version of a document as one caller sees it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Seen {
    /// Its collection.
    pub(crate) collection: String,
    /// Its id.
    pub(crate) id: String,
    /// Its version, from 1.
    pub(crate) version: u64,
    /// The block that wrote it.
    pub(crate) height: u64,
    /// The transaction that wrote it.
    pub(crate) transaction: String,
    /// Whether this version deletes the document.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleted: bool,
    /// JSON pointers to what the caller may not see, left out of the value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) redacted: Vec<String>,
    /// The value; absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Value>,
}

/// A document, the height it is true at, and a proof of it where one was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct Answered {
    #[serde(flatten)]
    pub(crate) seen: Seen,
    /// The height that was read.
    pub(crate) read_height: u64,
    /// Whether a quorum has countersigned that height.
    pub(crate) certified: bool,
    /// A state proof file; without value and salt where the caller sees a redacted document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<StateProof>,
    /// What the proof does not prove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proof_note: Option<&'static str>,
}

impl From<Sighted> for Seen {
    fn from(sighted: Sighted) -> Seen {
        let Sighted { version, redacted } = sighted;
        Seen {
            collection: version.record.collection,
            id: version.record.id,
            version: version.record.version,
            height: version.record.height,
            transaction: version.record.transaction.to_string(),
            deleted: version.value.is_none(),
            redacted,
            value: version.value.map(Arc::unwrap_or_clone),
        }
    }
}

impl Seen {
    /// About how many bytes it takes as JSON.
    pub(crate) fn bytes(&self) -> usize {
        json_bytes(self)
    }
}

/// How many bytes a value takes as JSON.
pub(crate) fn json_bytes(value: &impl Serialize) -> usize {
    let mut counted = Counted(0);
    // Counting does not fail.
    drop(serde_json::to_writer(&mut counted, value));
    counted.0
}

/// Counts what is written to it.
struct Counted(usize);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Which state a read sees.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReadAsked {
    pub(crate) consistency: Option<String>,
    pub(crate) height: Option<String>,
    pub(crate) proof: Option<String>,
    pub(crate) time: Option<String>,
    pub(crate) version: Option<String>,
}

/// The words for how sure a read must be.
pub(crate) const CONSISTENCIES: [&str; 3] = ["certified", "linearizable", "local"];

impl Api {
    /// Up to which height a read of this consistency sees.
    pub(crate) async fn read_height(&self, consistency: Option<&str>) -> Result<u64, Problem> {
        match consistency.unwrap_or("certified") {
            "certified" => Ok(self.door.progress.borrow().published),
            "local" => Ok(self.door.progress.borrow().applied),
            "linearizable" => Ok(self.door.linearize().await?),
            other => {
                Err(Problem::field("consistency", format_args!("{other:?} is none of {}", CONSISTENCIES.join(", "))))
            }
        }
    }

    /// The height that `height` or `time` names, within what may be read; that limit when neither is given.
    pub(crate) fn point_in_time(&self, head: u64, height: Option<&str>, time: Option<&str>) -> Result<u64, Problem> {
        let beyond = |what: String| Problem::new("OUT_OF_RANGE", format!("{what}: this read goes up to {head}"));
        match (height, time) {
            (None, None) => Ok(head),
            (Some(_), Some(_)) => Err(Problem::field("time", "given together with height")),
            (Some(text), None) => {
                let height = number("height", text)?;
                if height <= head { Ok(height) } else { Err(beyond(format!("height {height}")).at("height")) }
            }
            (None, Some(text)) => {
                let time = time_ms("time", text)?;
                let none = || Problem::new("OUT_OF_RANGE", format!("time {time}: before this ledger began")).at("time");
                Ok(self.reader.height_at(time)?.ok_or_else(none)?.min(head))
            }
        }
    }

    /// The document that was asked for. What the caller may not know of is answered as what is not there.
    pub(crate) async fn answer(
        &self,
        caller: &Caller,
        served: &Served,
        id: &str,
        asked: &ReadAsked,
    ) -> Result<Answered, Problem> {
        caller.check_read(&served.name)?;
        let with_proof = match asked.proof.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Problem::field("proof", "neither true nor false")),
        };
        let absent = || Problem::not_found(format!("no document {id:?} in {:?}", served.name));
        let head = self.read_height(asked.consistency.as_deref()).await?;
        let at = self.point_in_time(head, asked.height.as_deref(), asked.time.as_deref())?;
        let version = match &asked.version {
            None => self.reader.document_at(&served.name, id, at)?.filter(|version| version.value.is_some()),
            Some(_) if asked.height.is_some() || asked.time.is_some() => {
                return Err(Problem::field("version", "given together with height or time"));
            }
            Some(text) => {
                let number = number("version", text)?;
                self.reader.version(&served.name, id, number)?.filter(|version| version.record.height <= at)
            }
        };
        let seen = self.see(caller, version.ok_or_else(absent)?)?.ok_or_else(absent)?;
        let certified = at <= self.door.progress.borrow().published;
        let (proof, proof_note) = match with_proof {
            false => (None, None),
            true => self.prove(&seen, at, asked.version.is_some()).await?,
        };
        Ok(Answered { seen, read_height: at, certified, proof, proof_note })
    }

    /// What this caller sees of a version; none where the rules hide the document.
    pub(crate) fn see(&self, caller: &Caller, version: Version) -> Result<Option<Seen>, Problem> {
        Ok(self.sight.see(Some(caller.account()), version)?.map(Seen::from))
    }

    async fn prove(
        &self,
        seen: &Seen,
        height: u64,
        of_version: bool,
    ) -> Result<(Option<StateProof>, Option<&'static str>), Problem> {
        if of_version {
            return Err(Problem::field("proof", "a state proof is of a height, not of a version"));
        }
        if !self.reader.proves_state_at(height)? {
            let detail = format!("height {height}: {}", countersign_ledger::store::STATE_KEPT);
            return Err(Problem::new("OUT_OF_RANGE", detail).at("height"));
        }
        let (reader, collection, id) = (self.reader.clone(), seen.collection.clone(), seen.id.clone());
        let making = tokio::task::spawn_blocking(move || reader.state_proof(&collection, &id, height));
        let stopping = |_| Problem::new("UNAVAILABLE", "the node is stopping");
        let not_yet = || {
            let after = std::time::Duration::from_millis(200);
            Problem::new("NOT_CERTIFIED_YET", format!("height {height} is not certified yet")).retry(after)
        };
        let mut proof = making.await.map_err(stopping)??.ok_or_else(not_yet)?;
        if seen.redacted.is_empty() {
            return Ok((Some(proof), None));
        }
        // Version and value hash stay; the salt goes too, or the value could be confirmed by guessing.
        (proof.salt, proof.value) = (None, None);
        Ok((Some(proof), Some(NOT_VERIFIABLE)))
    }
}
