//! Fetch blocks from members for a node that is behind the purged log.
//!
//! A member's blocks are executed only once they are known to be everybody's: each header names the digest of the one
//! before, the last one's digest is in a seal, and that seal has a receipt under a certificate.

use crate::NodeError;
use crate::cursors::Applied;
use crate::frames::{BlockFrame, BlocksAsked, BlocksFound, SERVICE_BLOCKS, decode, encode};
use crate::limits::CATCH_UP_BYTES_MAX;
use crate::members::Members;
use bytes::Bytes;
use countersign_ledger::store::{Reader, StoredBlock};
use countersign_p2p::{Lane, Transport};
use countersign_proof::limits::JSON_DEPTH_MAX;
use countersign_proof::{Hash, Leaf, ProposalHeader, Receipt, Trust, parse_canonical};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const FETCH_DEADLINE: Duration = Duration::from_secs(20);
const FETCH_AGAIN: Duration = Duration::from_millis(500);

/// Asks one member after the other.
pub(crate) struct CatchUp {
    pub(crate) transport: Transport,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) node: String,
    /// Which member is asked next.
    pub(crate) turn: usize,
    /// The newest certificate a member showed: checked once its epoch is reached.
    pub(crate) certificate: Option<String>,
}

impl CatchUp {
    /// What the next member has from a height on, as far as it is bound to a certificate; nothing when it does not
    /// answer, or answers with something else.
    pub(crate) async fn fetch(&mut self, applied: &Applied) -> BlocksFound {
        let from_height = applied.chain.height + 1;
        let members = self.members.borrow().clone();
        let others: Vec<&String> = members.nodes.keys().filter(|name| **name != self.node).collect();
        let Some(peer) = others.get(self.turn % others.len().max(1)) else {
            return BlocksFound::default();
        };
        self.turn += 1;
        let body = encode(&BlocksAsked { from_height, uncertified: false });
        let answer = self.transport.call(peer, Lane::Bulk, SERVICE_BLOCKS, body, FETCH_DEADLINE).await;
        let found: Option<BlocksFound> = answer.ok().and_then(decode);
        let Some(found) = found.filter(|found| !found.blocks.is_empty() || !found.certificate.is_empty()) else {
            tokio::time::sleep(FETCH_AGAIN).await;
            return BlocksFound::default();
        };
        if !found.blocks.is_empty()
            && let Err(reason) = bound(&found, applied.chain.digest, &applied.epochs.trust)
        {
            tracing::error!(peer, from_height, reason, "blocks that no certificate covers are refused");
            return BlocksFound::default();
        }
        if !found.certificate.is_empty() {
            self.certificate = Some(found.certificate.clone());
        }
        if found.blocks.is_empty() {
            tokio::time::sleep(FETCH_AGAIN).await;
        }
        found
    }

    /// Whether what was executed is what a quorum countersigned, up to the newest certificate shown, under the epoch
    /// that was reached by executing from genesis.
    pub(crate) fn reached(&self, applied: &Applied) -> bool {
        let certified = self.certificate.as_ref().and_then(|note| applied.epochs.trust.certify(note).ok());
        certified.is_some_and(|certified| {
            let (checkpoint, size) = (certified.checkpoint(), applied.chain.size);
            checkpoint.size < size || (checkpoint.size == size && checkpoint.root == applied.log_root)
        })
    }
}

/// Whether these blocks are the ones after `previous` that a quorum countersigned.
fn bound(found: &BlocksFound, previous: Hash, trust: &Trust) -> Result<(), String> {
    let blocks = found.blocks.iter().map(|block| block.proposal.as_ref().map_or(&[][..], |proposal| &proposal.header));
    let mut last = (0, previous);
    for bytes in blocks.chain(found.headers.iter().map(Vec::as_slice)) {
        let header: ProposalHeader =
            parse_canonical("proposal.header", bytes, JSON_DEPTH_MAX).map_err(|e| e.to_string())?;
        if header.previous != last.1 {
            return Err(format!("the header of height {} does not follow the one before", header.height));
        }
        last = (header.height, header.digest());
    }
    let receipt = Receipt::parse(&found.anchor).map_err(|e| format!("anchor: {e}"))?;
    let verified = receipt.verify(trust).map_err(|e| format!("anchor: {e}"))?;
    match verified.leaf() {
        Leaf::Seal(seal) if (seal.height, seal.proposal) == last => Ok(()),
        _ => Err(format!("the anchor is not the seal of height {} with these headers", last.0)),
    }
}

/// Answers a member that asks for blocks: certified ones, and what binds them to their certificate.
pub(crate) fn serve(reader: &Reader, body: Bytes) -> Result<Bytes, NodeError> {
    let Some(asked) = decode::<BlocksAsked>(body) else {
        return Ok(Bytes::new());
    };
    // The position first: every block up to it is then among those up to the tip.
    let mut found =
        BlocksFound { applied_index: reader.position()?.map_or(0, |position| position.index), ..Default::default() };
    let (size, certificate) = reader.newest_certificate()?.unwrap_or_default();
    found.certificate = certificate;
    let certified = if size == 0 { 0 } else { sealed_at(reader, size)? };
    if let Some(open) = reader.block(certified + 1)? {
        found.applied_index = found.applied_index.min(open.position.index.saturating_sub(1));
    }
    let last = if asked.uncertified { reader.chain()?.height } else { certified };
    let (mut bytes, mut end) = (0, None);
    for height in asked.from_height.max(1)..=last {
        let Some(block) = reader.block(height)? else { break };
        bytes += block.proposal.transactions.iter().map(Vec::len).sum::<usize>();
        if bytes > CATCH_UP_BYTES_MAX && end.is_some() {
            break;
        }
        let (certificate, size) = (certificate_of_change(reader, &block)?, size_of(&block));
        let changes = !certificate.is_empty();
        found.blocks.push(BlockFrame::of(block, certificate));
        end = Some((height, size));
        // Whoever asks knows no keys beyond: what follows is bound by a certificate of theirs.
        if changes {
            break;
        }
    }
    if let Some((height, size)) = end {
        bind(reader, &mut found, height, size)?;
    }
    #[cfg(feature = "byzantine")]
    crate::misbehave::forge_blocks(&mut found);
    Ok(encode(&found))
}

/// Adds what leads from the last block to the first certificate that covers it.
fn bind(reader: &Reader, found: &mut BlocksFound, height: u64, size: u64) -> Result<(), NodeError> {
    let Some((certified, _)) = reader.certificate_from(size)? else { return Ok(()) };
    for above in height + 1..=sealed_at(reader, certified)? {
        let Some(block) = reader.block(above)? else { return Ok(()) };
        found.headers.push(block.proposal.header);
    }
    found.anchor = reader.receipt(certified - 1)?.map(|receipt| receipt.to_string()).unwrap_or_default();
    Ok(())
}

/// The height of the block whose seal ends the log at this size.
fn sealed_at(reader: &Reader, size: u64) -> Result<u64, NodeError> {
    match reader.leaf(size - 1)?.map(|bytes| Leaf::parse(&bytes)) {
        Some(Ok(Leaf::Seal(seal))) => Ok(seal.height),
        _ => Err(NodeError::Halted(format!("no seal ends the log at certified size {size}"))),
    }
}

fn size_of(block: &StoredBlock) -> u64 {
    match block.leaves.last().map(|bytes| Leaf::parse(bytes)) {
        Some(Ok(Leaf::Seal(seal))) => seal.tree_size(),
        _ => 0,
    }
}

/// The certificate of exactly this block's size, where it ends an epoch: whoever follows the epochs needs it.
fn certificate_of_change(reader: &Reader, block: &StoredBlock) -> Result<String, NodeError> {
    let seal = block.leaves.last().map(|bytes| Leaf::parse(bytes));
    let Some(Ok(Leaf::Seal(seal))) = seal else { return Ok(String::new()) };
    if seal.members == seal.next_members {
        return Ok(String::new());
    }
    Ok(reader.certificate_at(seal.tree_size())?.unwrap_or_default())
}
