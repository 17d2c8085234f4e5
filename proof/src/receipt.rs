//! Prove that a leaf is in the log under a certified checkpoint (C2SP tlog-proof).

use crate::limits::{JSON_DEPTH_MAX, PATH_HASHES_MAX, RECEIPT_BYTES_MAX, RECEIPT_JSON_BYTES_MAX};
use crate::refusal::At;
use crate::{
    CertifiedCheckpoint, Check, Checkpoint, Hash, Leaf, ProofError, Refusal, Trust, canonical, leaf_hash,
    parse_canonical, parse_json, verify_inclusion,
};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};
use std::fmt;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// A receipt file: a leaf, its path, and a checkpoint note. Nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The leaf's bytes, from the `extra` line.
    pub leaf: Vec<u8>,
    /// Where the leaf stands in the log.
    pub index: u64,
    /// The hashes from the leaf up to the root.
    pub path: Vec<Hash>,
    /// The checkpoint note, verbatim.
    pub note: String,
}

impl Receipt {
    /// Reads a receipt file.
    pub fn parse(text: &str) -> Result<Receipt, ProofError> {
        let wrong = |reason: &str| ProofError::malformed("receipt", reason);
        ProofError::check_max("receipt", text.len(), RECEIPT_BYTES_MAX)?;
        let (head, note) = text.split_once("\n\n").ok_or_else(|| wrong("no blank line before the checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(wrong("not a c2sp.org/tlog-proof@v1"));
        }
        let extra =
            lines.next().and_then(|l| l.strip_prefix("extra ")).ok_or_else(|| wrong("no extra line with the leaf"))?;
        let leaf = BASE64_STANDARD.decode(extra).map_err(|_| wrong("extra is not base64"))?;
        let index = lines.next().and_then(|l| l.strip_prefix("index ")).ok_or_else(|| wrong("no index line"))?;
        let number: u64 = index.parse().map_err(|_| wrong("the index is no number"))?;
        if number.to_string() != index || number > crate::INTEGER_MAX {
            return Err(wrong("the index is not in its one decimal form"));
        }
        let path = lines.map(parse_hash_line).collect::<Result<Vec<_>, _>>()?;
        ProofError::check_max("receipt.path", path.len(), PATH_HASHES_MAX)?;
        Ok(Receipt { leaf, index: number, path, note: note.to_owned() })
    }

    /// Checks everything, in this order: quorum, log signature, inclusion, and the leaf's own form and place.
    pub fn verify(&self, trust: &Trust) -> Result<VerifiedReceipt, Refusal> {
        let certified = trust.certify(&self.note)?;
        let (leaf, index) = self.include(&certified)?;
        Ok(VerifiedReceipt { leaf, index, certified })
    }

    /// The leaf, once its path leads to the certified root.
    pub(crate) fn include(&self, certified: &CertifiedCheckpoint) -> Result<(Leaf, u64), Refusal> {
        let leaf = self.include_in(certified.checkpoint())?;
        leaf.check_place(self.index, &certified.checkpoint().origin).at(Check::Leaf)?;
        Ok((leaf, self.index))
    }

    /// As `include`, of any checkpoint. Where the leaf says it stands is not looked at: a false seal may lie in that too.
    pub(crate) fn include_in(&self, checkpoint: &Checkpoint) -> Result<Leaf, Refusal> {
        let root =
            verify_inclusion(&leaf_hash(&self.leaf), self.index, checkpoint.size, &self.path).at(Check::Inclusion)?;
        Check::Inclusion.same("receipt.path", &checkpoint.root, &root)?;
        Leaf::parse(&self.leaf).at(Check::Leaf)
    }

    /// The receipt as JSON, with the leaf beside the tlog-proof.
    pub fn to_json(&self) -> Result<Vec<u8>, ProofError> {
        let leaf = parse_json("receipt.leaf", &self.leaf, JSON_DEPTH_MAX)?;
        Ok(canonical(&ReceiptJson { kind: "receipt".into(), leaf, proof: self.to_string(), v: 1 }))
    }

    /// Reads the JSON form. The leaf beside the proof must be the one inside it.
    pub fn from_json(bytes: &[u8]) -> Result<Receipt, ProofError> {
        ProofError::check_max("receipt", bytes.len(), RECEIPT_JSON_BYTES_MAX)?;
        let json: ReceiptJson = parse_canonical("receipt", bytes, JSON_DEPTH_MAX)?;
        if json.kind != "receipt" || json.v != 1 {
            return Err(ProofError::malformed("receipt", "not a receipt of version 1"));
        }
        let receipt = Receipt::parse(&json.proof)?;
        if canonical(&json.leaf) != receipt.leaf {
            return Err(ProofError::malformed("receipt.leaf", "is not the leaf of the proof"));
        }
        Ok(receipt)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptJson {
    kind: String,
    leaf: serde_json::Value,
    proof: String,
    v: u64,
}

fn parse_hash_line(line: &str) -> Result<Hash, ProofError> {
    let bytes = BASE64_STANDARD.decode(line).map_err(|_| ProofError::malformed("receipt.path", "not base64"))?;
    Hash::from_slice("receipt.path", &bytes)
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}\nextra {}\nindex {}", BASE64_STANDARD.encode(&self.leaf), self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", BASE64_STANDARD.encode(hash.0)))?;
        write!(f, "\n{}", self.note)
    }
}

/// A receipt whose every check held. There is no other way to make one.
#[derive(Debug, Clone)]
pub struct VerifiedReceipt {
    leaf: Leaf,
    index: u64,
    certified: CertifiedCheckpoint,
}

impl VerifiedReceipt {
    /// What was proved to be on the ledger.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// Where it stands.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The checkpoint and who countersigned it.
    pub fn certified(&self) -> &CertifiedCheckpoint {
        &self.certified
    }

    /// The epoch of the membership it was checked against; none under a policy.
    pub fn epoch(&self) -> Option<u64> {
        self.certified.epoch()
    }
}
