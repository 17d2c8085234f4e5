//! Keep what countersigning leaves behind: certificates, cosignatures, evidence.

use super::kv::{Batch, KvError};
use super::reader::Reader;
use super::rows::*;
use countersign_proof::{Cosignature, Evidence, Hash, plain_hash};
use prost::Message;

/// Evidence files that a node keeps.
pub const EVIDENCE_MAX: usize = 256;

/// A node's signatures over a checkpoint of this ledger: its cosignature, and its log signature beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCosignature {
    /// The checkpoint's tree size.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// Under the node's cosign key.
    pub cosignature: Cosignature,
    /// Under the node's log key, over the same checkpoint.
    pub log_signature: [u8; 64],
}

impl Reader {
    /// Keeps the note of a certified checkpoint. Idempotent; a later note with more signatures replaces it.
    pub fn put_certificate(&self, size: u64, note: &str) -> Result<(), KvError> {
        self.put_countersigned(&[], Some((size, note)))
    }

    /// Keeps checked cosignatures, and the certificate that they make, in one write.
    pub fn put_countersigned(
        &self,
        cosignatures: &[KeptCosignature],
        certificate: Option<(u64, &str)>,
    ) -> Result<(), KvError> {
        let mut batch = Batch::default();
        // Ascending, so that of several by one node the largest is its newest.
        let mut ascending: Vec<&KeptCosignature> = cosignatures.iter().collect();
        ascending.sort_by_key(|kept| kept.size);
        for kept in ascending {
            self.put_cosignature(kept, &mut batch)?;
        }
        if let Some((size, note)) = certificate {
            batch.put(CERTIFICATES, number_key(size), note.as_bytes());
        }
        self.kv().write(batch)
    }

    /// The certified checkpoint with the smallest size that is `size` or more.
    pub fn certificate_from(&self, size: u64) -> Result<Option<(u64, String)>, KvError> {
        let rows = self.kv().scan(CERTIFICATES, &number_key(size), &number_key(u64::MAX), 1)?;
        rows.into_iter().next().map(certificate).transpose()
    }

    /// The certified checkpoint of exactly this size.
    pub fn certificate_at(&self, size: u64) -> Result<Option<String>, KvError> {
        let note = self.kv().get(CERTIFICATES, &number_key(size))?;
        note.map(|note| certificate((number_key(size), note))).transpose().map(|found| found.map(|(_, note)| note))
    }

    /// The newest certified checkpoint.
    pub fn newest_certificate(&self) -> Result<Option<(u64, String)>, KvError> {
        self.kv().last(CERTIFICATES, &number_key(0), &number_key(u64::MAX))?.map(certificate).transpose()
    }

    fn put_cosignature(&self, kept: &KeptCosignature, batch: &mut Batch) -> Result<(), KvError> {
        let row = CosignatureRow {
            root: kept.root.0.to_vec(),
            time: kept.cosignature.time,
            signature: kept.cosignature.signature.to_vec(),
            log_signature: kept.log_signature.to_vec(),
        };
        let key = [&number_key(kept.size)[..], kept.cosignature.node.as_bytes()].concat();
        let newest = self.kv().get(COSIGNED, kept.cosignature.node.as_bytes())?;
        // The key begins with the size, so the larger key is the newer cosignature.
        if newest.is_none_or(|newest| newest <= key) {
            batch.put(COSIGNED, kept.cosignature.node.as_bytes(), key.clone());
        }
        batch.put(COSIGNATURES, key, row.encode_to_vec());
        Ok(())
    }

    /// The newest cosignature that is kept of a node.
    pub fn newest_cosignature(&self, node: &str) -> Result<Option<KeptCosignature>, KvError> {
        let Some(key) = self.kv().get(COSIGNED, node.as_bytes())? else { return Ok(None) };
        let row = self.need(COSIGNATURES, &key)?;
        cosignature((key, row)).map(Some)
    }

    /// Keeps a checked evidence file; false when it is kept already, or [`EVIDENCE_MAX`] are.
    pub fn put_evidence(&self, evidence: &Evidence) -> Result<bool, KvError> {
        let bytes = evidence.to_bytes();
        let key = plain_hash(&bytes).0;
        let full = self.kv().scan(EVIDENCE, &[], &[0xff; 33], EVIDENCE_MAX)?.len() == EVIDENCE_MAX;
        if full || self.kv().get(EVIDENCE, &key)?.is_some() {
            return Ok(false);
        }
        let mut batch = Batch::default();
        batch.put(EVIDENCE, key, bytes);
        self.kv().write(batch)?;
        self.kv().sync()?;
        Ok(true)
    }

    /// The evidence files that are kept.
    pub fn evidence(&self) -> Result<Vec<Evidence>, KvError> {
        let corrupt = |message: String| KvError::Corrupt { family: EVIDENCE, message };
        let rows = self.kv().scan(EVIDENCE, &[], &[0xff; 33], EVIDENCE_MAX)?;
        rows.into_iter().map(|(_, bytes)| Evidence::parse(&bytes).map_err(|e| corrupt(e.to_string()))).collect()
    }

    /// The kept cosignatures of sizes from `from` on, at most `limit`.
    pub fn cosignatures(&self, from: u64, limit: usize) -> Result<Vec<KeptCosignature>, KvError> {
        let rows = self.kv().scan(COSIGNATURES, &number_key(from), &number_key(u64::MAX), limit)?;
        rows.into_iter().map(cosignature).collect()
    }

    /// Makes certificates and cosignatures so far durable.
    pub fn sync(&self) -> Result<(), KvError> {
        self.kv().sync()
    }
}

fn certificate((key, note): (Vec<u8>, Vec<u8>)) -> Result<(u64, String), KvError> {
    let corrupt = |message: &str| KvError::Corrupt { family: CERTIFICATES, message: message.to_owned() };
    let size = key.try_into().map_err(|_| corrupt("a short key"))?;
    Ok((u64::from_be_bytes(size), String::from_utf8(note).map_err(|_| corrupt("not UTF-8"))?))
}

fn cosignature((key, bytes): (Vec<u8>, Vec<u8>)) -> Result<KeptCosignature, KvError> {
    let corrupt = |message: &str| KvError::Corrupt { family: COSIGNATURES, message: message.to_owned() };
    let row: CosignatureRow = decode(COSIGNATURES, &bytes)?;
    let (size, node) = key.split_first_chunk::<8>().ok_or_else(|| corrupt("a short key"))?;
    let cosignature = Cosignature {
        node: String::from_utf8(node.to_vec()).map_err(|_| corrupt("not UTF-8"))?,
        time: row.time,
        signature: row.signature.try_into().map_err(|_| corrupt("a signature"))?,
    };
    Ok(KeptCosignature {
        size: u64::from_be_bytes(*size),
        root: Hash::from_slice("root", &row.root).map_err(|_| corrupt("a root"))?,
        cosignature,
        log_signature: row.log_signature.try_into().map_err(|_| corrupt("a log signature"))?,
    })
}
