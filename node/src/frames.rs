//! Encode what nodes send each other beside Raft: forwarded transactions, cosignatures, blocks, read indexes.

use bytes::Bytes;
use countersign_ledger::store::{KeptCosignature, Position, StoredBlock};
use countersign_proof::{Cosignature, Hash, Proposal};
use prost::Message;

/// Raft's own requests.
pub(crate) const SERVICE_RAFT: u8 = 1;
/// Transactions for the leader.
pub(crate) const SERVICE_FORWARD: u8 = 2;
/// A cosignature, told to everyone.
pub(crate) const SERVICE_COSIGNATURE: u8 = 3;
/// Asks for cosignatures.
pub(crate) const SERVICE_COSIGNATURES: u8 = 4;
/// Asks for blocks.
pub(crate) const SERVICE_BLOCKS: u8 = 5;
/// Asks the leader for a read index.
pub(crate) const SERVICE_READ_INDEX: u8 = 6;
/// Asks under which Raft id the asking node was admitted.
pub(crate) const SERVICE_RAFT_ID: u8 = 7;

/// What the sender applied, told to everyone before it is signed.
pub(crate) const SERVICE_ECHO: u8 = 8;
/// Asks for the newest cosignature that is kept of the asking node.
pub(crate) const SERVICE_OWN: u8 = 9;
/// An evidence file, told to everyone once.
pub(crate) const SERVICE_EVIDENCE: u8 = 10;

/// A transaction that the leader leaves out, for every member to own.
pub(crate) const SERVICE_COMPLAINT: u8 = 11;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EchoFrame {
    #[prost(uint64, tag = "1")]
    pub(crate) size: u64,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) root: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct EchoesTold {
    #[prost(message, repeated, tag = "1")]
    pub(crate) echoes: Vec<EchoFrame>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct OwnFound {
    /// Absent when none is kept.
    #[prost(message, optional, tag = "1")]
    pub(crate) newest: Option<CosignatureFrame>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Transactions {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) transactions: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CosignatureFrame {
    #[prost(uint64, tag = "1")]
    size: u64,
    #[prost(bytes = "vec", tag = "2")]
    root: Vec<u8>,
    #[prost(string, tag = "3")]
    node: String,
    #[prost(uint64, tag = "4")]
    time: u64,
    #[prost(bytes = "vec", tag = "5")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    log_signature: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CosignaturesAsked {
    #[prost(uint64, tag = "1")]
    pub(crate) from_size: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CosignaturesFound {
    #[prost(message, repeated, tag = "1")]
    pub(crate) cosignatures: Vec<CosignatureFrame>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BlocksAsked {
    #[prost(uint64, tag = "1")]
    pub(crate) from_height: u64,
    /// Those too that no certificate covers: to compare them, never to execute them.
    #[prost(bool, tag = "2")]
    pub(crate) uncertified: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BlocksFound {
    #[prost(message, repeated, tag = "1")]
    pub(crate) blocks: Vec<BlockFrame>,
    /// The newest certificate of the answering node, as a note; empty when it has none.
    #[prost(string, tag = "2")]
    pub(crate) certificate: String,
    /// The answering node has no other certified blocks up to this Raft index.
    #[prost(uint64, tag = "3")]
    pub(crate) applied_index: u64,
    /// The headers of the blocks after these, up to the one that `anchor` is about.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub(crate) headers: Vec<Vec<u8>>,
    /// The receipt of the seal over the last of these headers: it binds all of them, and they bind the blocks.
    #[prost(string, tag = "5")]
    pub(crate) anchor: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BlockFrame {
    #[prost(message, optional, tag = "1")]
    pub(crate) proposal: Option<Proposal>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) seal: Vec<u8>,
    #[prost(uint64, tag = "3")]
    pub(crate) raft_term: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) raft_index: u64,
    /// Where the block ends an epoch, the certificate of exactly its size; empty elsewhere, and before there is one.
    #[prost(string, tag = "5")]
    pub(crate) certificate: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReadIndexFound {
    #[prost(uint64, tag = "1")]
    pub(crate) index: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RaftIdFound {
    #[prost(uint64, tag = "1")]
    pub(crate) raft_id: u64,
}

impl CosignatureFrame {
    pub(crate) fn of(kept: &KeptCosignature) -> CosignatureFrame {
        CosignatureFrame {
            size: kept.size,
            root: kept.root.0.to_vec(),
            node: kept.cosignature.node.clone(),
            time: kept.cosignature.time,
            signature: kept.cosignature.signature.to_vec(),
            log_signature: kept.log_signature.to_vec(),
        }
    }

    /// What it says, when it has its form: nobody signs the empty log. No signature is checked.
    pub(crate) fn parse(self) -> Option<KeptCosignature> {
        if self.size == 0 {
            return None;
        }
        Some(KeptCosignature {
            size: self.size,
            root: Hash::from_slice("root", &self.root).ok()?,
            cosignature: Cosignature { node: self.node, time: self.time, signature: self.signature.try_into().ok()? },
            log_signature: self.log_signature.try_into().ok()?,
        })
    }
}

impl BlockFrame {
    pub(crate) fn of(block: StoredBlock, certificate: String) -> BlockFrame {
        let seal = block.leaves.last().cloned().unwrap_or_default();
        let Position { term, index } = block.position;
        BlockFrame { proposal: Some(block.proposal), seal, raft_term: term, raft_index: index, certificate }
    }

    pub(crate) fn position(&self) -> Position {
        Position { term: self.raft_term, index: self.raft_index }
    }
}

pub(crate) fn encode<M: Message>(message: &M) -> Bytes {
    message.encode_to_vec().into()
}

pub(crate) fn decode<M: Message + Default>(body: Bytes) -> Option<M> {
    M::decode(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosignature_over_the_empty_log_or_of_another_length_is_none() {
        let frame = |size, length| CosignatureFrame {
            size,
            root: vec![1; 32],
            node: "ua.example/1".into(),
            time: 1,
            signature: vec![2; length],
            log_signature: vec![3; 64],
        };
        assert!(frame(1, 64).parse().is_some());
        assert!(frame(0, 64).parse().is_none());
        assert!(frame(1, 63).parse().is_none());
    }
}
