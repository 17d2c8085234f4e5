//! Show where the node stands: its cursors, the members, the newest blocks.

use super::page::{Answer, Explorer, Frame, answer};
use crate::asked::Asked;
use crate::limits::ROWS_MAX;
use crate::links;
use crate::refusal::Refusal;
use crate::show::{short, time};
use crate::view::{NodeView, PeerView};
use askama::Template;
use axum::extract::State;
use countersign_ledger::store::Reader;
use countersign_proof::{Membership, SealLeaf, canonical};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    trouble: Option<String>,
    view: Arc<NodeView>,
    genesis: String,
    organisations: usize,
    quorum: usize,
    members: Vec<MemberRow>,
    blocks: Vec<BlockRow>,
    newest: bool,
    older: Option<String>,
}

struct MemberRow {
    peer: PeerView,
    behind: u64,
}

struct BlockRow {
    seal: SealLeaf,
    link: String,
    time: String,
    transactions: u64,
    state: String,
    certified: bool,
}

pub(crate) async fn overview(State(explorer): State<Explorer>, asked: Asked) -> Answer {
    let before = asked.before()?;
    let (reader, view) = (&explorer.reader, explorer.view());
    let membership = membership(reader)?;
    let end = reader.chain()?.height + 1;
    let blocks = blocks(&explorer, before.unwrap_or(end).min(end))?;
    answer(Overview {
        frame: explorer.frame(),
        trouble: explorer.trouble(),
        genesis: reader.genesis().to_string(),
        organisations: membership.organisations.len(),
        quorum: membership.quorum(),
        members: view.peers.iter().map(|peer| member_row(peer, &view)).collect(),
        newest: before.is_none_or(|before| before >= end),
        older: blocks.last().filter(|row| row.seal.height > 0).map(|row| links::older_blocks(row.seal.height)),
        blocks,
        view,
    })
}

fn membership(reader: &Reader) -> Result<Membership, Refusal> {
    let current = reader.document("$members", "current")?.and_then(|version| version.value);
    Ok(Membership::parse(&canonical(&current))?)
}

fn member_row(peer: &PeerView, view: &NodeView) -> MemberRow {
    MemberRow { peer: peer.clone(), behind: view.tree_size.saturating_sub(peer.cosigned_size) }
}

/// The blocks below `before`, newest first.
fn blocks(explorer: &Explorer, before: u64) -> Result<Vec<BlockRow>, Refusal> {
    let certified_size = explorer.certified_size()?;
    let heights = (before.saturating_sub(ROWS_MAX as u64)..before).rev();
    let seals = heights.map(|height| explorer.reader.seal(height)).filter_map(Result::transpose);
    seals.map(|seal| Ok(block_row(seal?, certified_size))).collect()
}

fn block_row(seal: SealLeaf, certified_size: u64) -> BlockRow {
    BlockRow {
        link: links::block(seal.height),
        time: time(seal.time),
        transactions: transactions(&seal),
        state: short(seal.state),
        certified: seal.tree_size() <= certified_size,
        seal,
    }
}

/// How many leaves of a block are of transactions: not its seal, and not the genesis leaf of block 0.
pub(super) fn transactions(seal: &SealLeaf) -> u64 {
    seal.leaves - if seal.height == 0 { 2 } else { 1 }
}
