//! Write and check COSE receipts (RFC 9942): the same proofs for readers that know COSE and no C2SP.
//!
//! ```text
//!  18([ << {1: -8, 4: h'log vkey', 395: 1, -65537: tree size} >>,      protected, signed
//!       {396: {-1: [ << [tree size, leaf index, [+ path]] >> ]}},      or {-2: [ << [old size, new size, [+ path]] >> ]}
//!       null,                                                          the root, detached
//!       h'signature' ])          over << ["Signature1", protected, h'', root] >> by the node's log key
//! ```

use crate::limits::{COSE_BYTES_MAX, ORGANISATIONS_MAX, PATH_HASHES_MAX};
use crate::refusal::At;
use crate::{
    Check, Checkpoint, Hash, KeyPair, Leaf, ProofError, PublicKey, Receipt, Refusal, Trust, VerifierKey, leaf_hash,
    organisation_of, verify_consistency, verify_inclusion,
};
use minicbor::data::Tag;
use minicbor::decode::Error as DecodeError;
use minicbor::{Decoder, Encoder};
use std::collections::BTreeMap;

const TAG_SIGN1: u64 = 18;
const ALG: i64 = 1;
const EDDSA: i64 = -8;
const KID: i64 = 4;
const VDS: i64 = 395;
const RFC9162_SHA256: i64 = 1;
const VDP: i64 = 396;
const INCLUSION: i64 = -1;
const CONSISTENCY: i64 = -2;
/// Of the labels for private use, which are those below -65536. The root says nothing of the size it is of, and one path
/// leads from one leaf to one root at several sizes and indexes: so the size is signed, too.
const TREE_SIZE: i64 = -65537;

/// What a COSE receipt proves of the tree whose root is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoseProof {
    /// A leaf is in it.
    Inclusion {
        /// Where the leaf stands.
        index: u64,
        /// From the leaf to the root, at least one.
        path: Vec<Hash>,
    },
    /// It begins with a smaller one.
    Consistency {
        /// The size of the smaller one.
        old: u64,
        /// From the smaller to the larger, at least one.
        path: Vec<Hash>,
    },
}

/// One node's COSE receipt. Nothing in it is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoseReceipt {
    /// The node's log key as C2SP text, which names the ledger.
    pub kid: String,
    /// The size of the tree whose root is signed.
    pub size: u64,
    /// The proof, which is not signed.
    pub proof: CoseProof,
    /// Over the [`Sig_structure`](https://www.rfc-editor.org/rfc/rfc9052#section-4.4).
    pub signature: [u8; 64],
}

/// A COSE receipt whose every check held. There is no other way to make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCose {
    node: String,
    checkpoint: Checkpoint,
}

impl CoseReceipt {
    /// The receipt of a leaf, signed by a node's log key.
    ///
    /// Give only a receipt whose note is certified: a node says nothing by COSE that it has not countersigned. Refused
    /// when the path does not lead to the note's root, or is empty, as COSE has no form for a log of one leaf.
    pub fn of_receipt(receipt: &Receipt, log: &KeyPair) -> Result<CoseReceipt, ProofError> {
        let checkpoint = Checkpoint::parse(&crate::Note::parse(&receipt.note)?.text)?;
        receipt.include_in(&checkpoint)?;
        let proof = CoseProof::Inclusion { index: receipt.index, path: receipt.path.clone() };
        CoseReceipt::sign(&checkpoint, proof, log)
    }

    /// The proof that the log of `new` begins with that of `old`, signed by a node's log key; both certified.
    pub fn of_consistency(
        old: &Checkpoint,
        new: &Checkpoint,
        path: Vec<Hash>,
        log: &KeyPair,
    ) -> Result<CoseReceipt, ProofError> {
        check_joins(old, new.size, &path).and_then(|root| same_root(&new.root, &root))?;
        CoseReceipt::sign(new, CoseProof::Consistency { old: old.size, path }, log)
    }

    fn sign(checkpoint: &Checkpoint, proof: CoseProof, log: &KeyPair) -> Result<CoseReceipt, ProofError> {
        check_path(&proof)?;
        let kid = VerifierKey::log(&checkpoint.origin, log.public()).to_string();
        let signature = log.sign(&signed_message(&protected(&kid, checkpoint.size), &checkpoint.root));
        Ok(CoseReceipt { kid, size: checkpoint.size, proof, signature })
    }

    /// The tagged COSE_Sign1, in deterministic encoding (RFC 8949, 4.2).
    pub fn to_bytes(&self) -> Vec<u8> {
        write(|e| {
            e.tag(Tag::new(TAG_SIGN1))?.array(4)?.bytes(&protected(&self.kid, self.size))?;
            let (label, first, second, path) = match &self.proof {
                CoseProof::Inclusion { index, path } => (INCLUSION, self.size, *index, path),
                CoseProof::Consistency { old, path } => (CONSISTENCY, *old, self.size, path),
            };
            let proof = write(|e| {
                e.array(3)?.u64(first)?.u64(second)?.array(path.len() as u64)?;
                path.iter().try_for_each(|hash| e.bytes(&hash.0).map(drop))
            });
            e.map(1)?.i64(VDP)?.map(1)?.i64(label)?.array(1)?.bytes(&proof)?;
            e.null()?.bytes(&self.signature).map(drop)
        })
    }

    /// Reads a COSE receipt of exactly this form: one proof, these headers, deterministic encoding, nothing after it.
    pub fn parse(bytes: &[u8]) -> Result<CoseReceipt, ProofError> {
        ProofError::check_max("cose receipt", bytes.len(), COSE_BYTES_MAX)?;
        let malformed = |e: DecodeError| ProofError::malformed("cose receipt", e.to_string());
        let receipt = read(&mut Decoder::new(bytes)).map_err(malformed)?;
        check_path(&receipt.proof)?;
        if receipt.to_bytes() != bytes {
            return Err(ProofError::malformed("cose receipt", "not in its one form"));
        }
        Ok(receipt)
    }

    /// Checks that the leaf is in a tree whose root a member's node signed, the size with it.
    pub fn verify_leaf(&self, trust: &Trust, leaf: &[u8]) -> Result<(VerifiedCose, Leaf), Refusal> {
        let CoseProof::Inclusion { index, path } = &self.proof else {
            return Check::File.refuse("cose receipt", "a consistency proof where an inclusion proof is needed");
        };
        let root = verify_inclusion(&leaf_hash(leaf), *index, self.size, path).at(Check::Inclusion)?;
        let verified = self.verify_root(trust, root)?;
        let leaf = Leaf::parse(leaf).at(Check::Leaf)?;
        leaf.check_place(*index, trust.origin()).at(Check::Leaf)?;
        Ok((verified, leaf))
    }

    /// Checks that a tree whose root a member's node signed begins with one that the caller believes.
    pub fn verify_after(&self, trust: &Trust, old: &Checkpoint) -> Result<VerifiedCose, Refusal> {
        let CoseProof::Consistency { old: size, path } = &self.proof else {
            return Check::File.refuse("cose receipt", "an inclusion proof where a consistency proof is needed");
        };
        Check::Genesis.same("cose receipt.origin", &trust.origin().to_owned(), &old.origin)?;
        Check::Consistency.same("cose receipt.old", &old.size, size)?;
        let root = check_joins(old, self.size, path).at(Check::Consistency)?;
        self.verify_root(trust, root)
    }

    /// The root that the proof leads to must be the one signed: it is computed, never read.
    fn verify_root(&self, trust: &Trust, root: Hash) -> Result<VerifiedCose, Refusal> {
        let (node, key) = self.signer(trust)?;
        let message = signed_message(&protected(&self.kid, self.size), &root);
        if !key.verify_strict(&message, &self.signature) {
            let error = ProofError::FalseSignature { field: format!("cose receipt of {node}") };
            return Err(error).at(Check::LogSignature);
        }
        let checkpoint = Checkpoint { origin: trust.origin().to_owned(), size: self.size, root };
        Ok(VerifiedCose { node, checkpoint })
    }

    /// The voter whose log key the kid is, in an epoch that covers the size, unless it is revoked there.
    fn signer(&self, trust: &Trust) -> Result<(String, PublicKey), Refusal> {
        let voters = trust.in_force(self.size).into_iter().flat_map(|membership| membership.nodes());
        let named = |key: PublicKey| VerifierKey::log(trust.origin(), key).to_string() == self.kid;
        let signer = voters.map(|(node, keys)| (node, keys.log)).find(|(_, key)| named(*key));
        match signer.filter(|(_, key)| trust.counts(key, self.size)) {
            Some(signer) => Ok(signer),
            None => Check::LogSignature.refuse("cose receipt.kid", "no log key of a member at this size"),
        }
    }
}

impl VerifiedCose {
    /// The node that signed, `<organisation>/<node>`.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The tree whose root it signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

/// The value of header 394: several receipts together.
pub fn cose_receipts(receipts: &[CoseReceipt]) -> Vec<u8> {
    write(|e| {
        e.array(receipts.len() as u64)?;
        receipts.iter().try_for_each(|receipt| e.bytes(&receipt.to_bytes()).map(drop))
    })
}

/// Reads the value of header 394: at least one receipt, each of its one form.
pub fn parse_cose_receipts(bytes: &[u8]) -> Result<Vec<CoseReceipt>, ProofError> {
    ProofError::check_max("cose receipts", bytes.len(), ORGANISATIONS_MAX * COSE_BYTES_MAX)?;
    let malformed = |e: DecodeError| ProofError::malformed("cose receipts", e.to_string());
    let mut decoder = Decoder::new(bytes);
    let count = decoder.array().map_err(malformed)?.unwrap_or(0) as usize;
    ProofError::check_max("cose receipts", count, ORGANISATIONS_MAX)?;
    let one = |_| CoseReceipt::parse(decoder.bytes().map_err(malformed)?);
    let receipts = (0..count).map(one).collect::<Result<Vec<_>, _>>()?;
    if receipts.is_empty() || cose_receipts(&receipts) != bytes {
        return Err(ProofError::malformed("cose receipts", "not in their one form"));
    }
    Ok(receipts)
}

/// Checks that nodes of a quorum of organisations signed for one tree with the leaf in it, and gives the organisations
/// with their nodes. Each receipt must hold, and all must be of one tree.
pub fn verify_cose_receipts(
    trust: &Trust,
    receipts: &[CoseReceipt],
    leaf: &[u8],
) -> Result<(Checkpoint, Leaf, BTreeMap<String, String>), Refusal> {
    let mut signers = BTreeMap::new();
    let mut first: Option<(Checkpoint, Leaf)> = None;
    for receipt in receipts {
        let (verified, leaf) = receipt.verify_leaf(trust, leaf)?;
        let (checkpoint, _) = first.get_or_insert_with(|| (verified.checkpoint.clone(), leaf));
        Check::Inclusion.same("cose receipts", &checkpoint.to_text(), &verified.checkpoint.to_text())?;
        signers.insert(organisation_of(&verified.node).to_owned(), verified.node);
    }
    let Some((checkpoint, leaf)) = first else {
        return Check::File.refuse("cose receipts", "none");
    };
    for membership in trust.in_force(checkpoint.size) {
        let signed = signers.keys().filter(|name| membership.organisations.contains_key(*name)).count();
        let (epoch, quorum) = (membership.epoch, membership.quorum());
        if signed < quorum {
            return Err(ProofError::NoQuorum { epoch, signed, quorum }).at(Check::Quorum);
        }
    }
    Ok((checkpoint, leaf, signers))
}

/// The root of the larger log, when the path begins at the smaller one.
fn check_joins(old: &Checkpoint, new: u64, path: &[Hash]) -> Result<Hash, ProofError> {
    let (from, to) = verify_consistency(old.size, &old.root, new, path)?;
    same_root(&old.root, &from)?;
    Ok(to)
}

fn same_root(expected: &Hash, found: &Hash) -> Result<(), ProofError> {
    if expected == found { Ok(()) } else { Err(ProofError::mismatch("cose receipt.path", expected, found)) }
}

fn check_path(proof: &CoseProof) -> Result<(), ProofError> {
    let (CoseProof::Inclusion { path, .. } | CoseProof::Consistency { path, .. }) = proof;
    if path.is_empty() {
        return Err(ProofError::malformed("cose receipt.path", "empty; RFC 9942 has no form for it"));
    }
    ProofError::check_max("cose receipt.path", path.len(), PATH_HASHES_MAX + 1)
}

fn protected(kid: &str, size: u64) -> Vec<u8> {
    write(|e| {
        e.map(4)?.i64(ALG)?.i64(EDDSA)?.i64(KID)?.bytes(kid.as_bytes())?;
        e.i64(VDS)?.i64(RFC9162_SHA256)?.i64(TREE_SIZE)?.u64(size).map(drop)
    })
}

/// The Sig_structure of RFC 9052, 4.4. It begins with 0x84, and no checkpoint does.
fn signed_message(protected: &[u8], root: &Hash) -> Vec<u8> {
    write(|e| e.array(4)?.str("Signature1")?.bytes(protected)?.bytes(&[])?.bytes(&root.0).map(drop))
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn write(content: impl FnOnce(&mut Encoder<Vec<u8>>) -> Written) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    content(&mut encoder).expect("a Vec takes everything");
    encoder.into_writer()
}

/// Takes the parts out; what else is wrong with the encoding shows when they are written again.
fn read(decoder: &mut Decoder<'_>) -> Result<CoseReceipt, DecodeError> {
    decoder.tag()?;
    decoder.array()?;
    let (kid, size) = read_protected(&mut Decoder::new(decoder.bytes()?))?;
    let label = {
        decoder.map()?;
        decoder.i64()?;
        decoder.map()?;
        decoder.i64()?
    };
    decoder.array()?;
    let (first, second, path) = read_proof(&mut Decoder::new(decoder.bytes()?))?;
    let proof = match label {
        INCLUSION if first == size => CoseProof::Inclusion { index: second, path },
        CONSISTENCY if second == size => CoseProof::Consistency { old: first, path },
        INCLUSION | CONSISTENCY => {
            return Err(DecodeError::message("the proof is of another size than the one signed"));
        }
        _ => return Err(DecodeError::message("neither an inclusion nor a consistency proof")),
    };
    decoder.null()?;
    let signature =
        decoder.bytes()?.try_into().map_err(|_| DecodeError::message("a signature of 64 bytes is needed"))?;
    Ok(CoseReceipt { kid, size, proof, signature })
}

fn read_protected(decoder: &mut Decoder<'_>) -> Result<(String, u64), DecodeError> {
    decoder.map()?;
    for _ in [ALG, EDDSA, KID] {
        decoder.i64()?;
    }
    let kid = std::str::from_utf8(decoder.bytes()?).map_err(|_| DecodeError::message("the kid is no text"))?;
    for _ in [VDS, RFC9162_SHA256, TREE_SIZE] {
        decoder.i64()?;
    }
    Ok((kid.to_owned(), decoder.u64()?))
}

fn read_proof(decoder: &mut Decoder<'_>) -> Result<(u64, u64, Vec<Hash>), DecodeError> {
    decoder.array()?;
    let (first, second) = (decoder.u64()?, decoder.u64()?);
    let count = decoder.array()?.unwrap_or(0);
    if count > PATH_HASHES_MAX as u64 + 1 {
        return Err(DecodeError::message("a path too long"));
    }
    let hash = |_| {
        let bytes = decoder.bytes()?.try_into().map_err(|_| DecodeError::message("a hash of 32 bytes is needed"))?;
        Ok(Hash(bytes))
    };
    let path = (0..count).map(hash).collect::<Result<Vec<_>, DecodeError>>()?;
    Ok((first, second, path))
}
