//! Fetch blocks from members for a node that is behind the purged log.

use crate::NodeError;
use crate::cursors::Applied;
use crate::frames::{BlockFrame, BlocksAsked, BlocksFound, SERVICE_BLOCKS, decode, encode};
use crate::limits::CATCH_UP_BYTES_MAX;
use crate::members::Members;
use bytes::Bytes;
use countersign_ledger::store::{Reader, StoredBlock};
use countersign_p2p::{Lane, Transport};
use countersign_proof::Leaf;
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
    /// What the next member has from a height on; nothing when it does not answer.
    pub(crate) async fn fetch(&mut self, from_height: u64) -> BlocksFound {
        let members = self.members.borrow().clone();
        let others: Vec<&String> = members.nodes.keys().filter(|name| **name != self.node).collect();
        let Some(peer) = others.get(self.turn % others.len().max(1)) else {
            return BlocksFound::default();
        };
        self.turn += 1;
        let body = encode(&BlocksAsked { from_height });
        let answer = self.transport.call(peer, Lane::Bulk, SERVICE_BLOCKS, body, FETCH_DEADLINE).await;
        let found: Option<BlocksFound> = answer.ok().and_then(decode);
        let Some(found) = found.filter(|found| !found.blocks.is_empty() || !found.certificate.is_empty()) else {
            tokio::time::sleep(FETCH_AGAIN).await;
            return BlocksFound::default();
        };
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

/// Answers a member that asks for blocks.
pub(crate) fn serve(reader: &Reader, body: Bytes) -> Result<Bytes, NodeError> {
    let Some(asked) = decode::<BlocksAsked>(body) else {
        return Ok(Bytes::new());
    };
    // The position first: every block up to it is then among those up to the tip.
    let applied_index = reader.position()?.map_or(0, |position| position.index);
    let tip = reader.chain()?.height;
    let mut found = BlocksFound { applied_index, ..BlocksFound::default() };
    let mut bytes = 0;
    for height in asked.from_height..=tip {
        let Some(block) = reader.block(height)? else { break };
        bytes += block.proposal.transactions.iter().map(Vec::len).sum::<usize>();
        if bytes > CATCH_UP_BYTES_MAX && !found.blocks.is_empty() {
            break;
        }
        let certificate = certificate_of_change(reader, &block)?;
        found.blocks.push(BlockFrame::of(block, certificate));
    }
    found.certificate = reader.newest_certificate()?.map(|(_, note)| note).unwrap_or_default();
    Ok(encode(&found))
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
