//! Put transactions under a signed, chained header: what the leader gives to Raft.

use crate::hash::tagged;
use crate::limits::{JSON_DEPTH_MAX, PROPOSAL_TRANSACTIONS_MAX};
use crate::{Hash, KeyPair, ProofError, PublicKey, canonical, parse_canonical, plain_hash};
use prost::Message;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The header of a proposal. Signed over `"countersign/proposal/v1\n" || canonical JSON`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalHeader {
    /// How many transactions follow.
    pub count: u64,
    /// The height of the block it becomes.
    pub height: u64,
    /// The ledger.
    pub origin: String,
    /// The digest of the last valid proposal before it; the genesis hash at height 1.
    pub previous: Hash,
    /// The leader's node, `<organisation>/<node>`.
    pub proposer: String,
    /// The Raft term the leader leads.
    pub term: u64,
    /// Milliseconds since 1970, never before the previous proposal's.
    pub time: u64,
    /// See [`ProposalHeader::transactions_hash`].
    pub transactions: Hash,
    /// The form of this header: 1.
    pub v: u64,
}

impl ProposalHeader {
    /// SHA-256 over, for each transaction, its length as u32 big-endian and its bytes.
    pub fn transactions_hash<'a>(transactions: impl IntoIterator<Item = &'a [u8]>) -> Hash {
        let mut hasher = Sha256::new();
        for bytes in transactions {
            hasher.update((bytes.len() as u32).to_be_bytes());
            hasher.update(bytes);
        }
        Hash(hasher.finalize().into())
    }

    /// What the proposer signs.
    pub fn signed_message(&self) -> Vec<u8> {
        tagged("proposal", &canonical(self))
    }

    /// The digest that the next header and the seal name.
    pub fn digest(&self) -> Hash {
        plain_hash(&self.signed_message())
    }
}

/// A proposal as it travels through Raft and catch-up.
#[derive(Clone, PartialEq, Message)]
pub struct Proposal {
    /// The canonical bytes of a [`ProposalHeader`].
    #[prost(bytes = "vec", tag = "1")]
    pub header: Vec<u8>,
    /// The proposer's 64-byte signature.
    #[prost(bytes = "vec", tag = "2")]
    pub signature: Vec<u8>,
    /// The transactions, each in its minimal form.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub transactions: Vec<Vec<u8>>,
}

impl Proposal {
    /// Signs a header over these transactions.
    pub fn sign(header: &ProposalHeader, transactions: Vec<Vec<u8>>, key: &KeyPair) -> Proposal {
        let signature = key.sign(&header.signed_message()).to_vec();
        Proposal { header: canonical(header), signature, transactions }
    }

    /// Reads the bytes of a Raft entry or of a block that is caught up.
    pub fn parse(bytes: &[u8]) -> Result<Proposal, ProofError> {
        let proposal = Proposal::decode(bytes)
            .map_err(|e| ProofError::malformed("proposal", format!("not the protobuf message: {e}")))?;
        ProofError::check_max("proposal.transactions", proposal.transactions.len(), PROPOSAL_TRANSACTIONS_MAX)?;
        Ok(proposal)
    }

    /// The header, when it has its form, covers exactly these transactions and is signed by `key_of(proposer)`.
    pub fn checked_header(
        &self,
        origin: &str,
        key_of: impl Fn(&str) -> Option<PublicKey>,
    ) -> Result<ProposalHeader, ProofError> {
        let header: ProposalHeader = parse_canonical("proposal.header", &self.header, JSON_DEPTH_MAX)?;
        if header.v != 1 {
            return Err(ProofError::mismatch("proposal.v", 1, header.v));
        }
        if header.origin != origin {
            return Err(ProofError::mismatch("proposal.origin", origin, header.origin));
        }
        let covered = ProposalHeader::transactions_hash(self.transactions.iter().map(Vec::as_slice));
        if header.transactions != covered || header.count != self.transactions.len() as u64 {
            return Err(ProofError::mismatch("proposal.transactions", header.transactions, covered));
        }
        let unknown = || ProofError::malformed("proposal.proposer", format!("{:?} is no voter", header.proposer));
        let key = key_of(&header.proposer).ok_or_else(unknown)?;
        let signature = self
            .signature
            .as_slice()
            .try_into()
            .map_err(|_| ProofError::malformed("proposal.signature", "not 64 bytes"))?;
        if !key.verify_strict(&header.signed_message(), signature) {
            return Err(ProofError::FalseSignature { field: format!("proposal of {}", header.proposer) });
        }
        Ok(header)
    }
}
