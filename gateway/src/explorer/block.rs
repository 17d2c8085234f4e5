//! Show one block: its seal, its certificate, its leaves.

use super::overview::transactions;
use super::page::{Answer, Explorer, Frame, answer};
use crate::asked::{Asked, Named, number};
use crate::limits::ROWS_MAX;
use crate::links;
use crate::refusal::Refusal;
use crate::show::{short, time};
use askama::Template;
use axum::extract::State;
use countersign_ledger::store::Reader;
use countersign_proof::{Leaf, Note, Outcome, SealLeaf, TransactionLeaf, leaf_hash};

#[derive(Template)]
#[template(path = "block.html")]
struct BlockPage {
    frame: Frame,
    time: String,
    transactions: u64,
    seal_hash: String,
    certificate: Option<Certificate>,
    previous: Option<String>,
    next: Option<String>,
    leaves: Vec<LeafRow>,
    later_leaves: Option<String>,
    seal: SealLeaf,
}

/// The smallest certified checkpoint that covers a leaf.
pub(super) struct Certificate {
    pub(super) size: u64,
    /// The nodes that countersigned, as the note names them.
    pub(super) signers: Vec<String>,
}

struct LeafRow {
    index: u64,
    kind: &'static str,
    hash: String,
    hash_short: String,
    transaction: Option<TransactionRow>,
}

struct TransactionRow {
    leaf: TransactionLeaf,
    link: String,
    id: String,
    applied: bool,
}

pub(crate) async fn block(State(explorer): State<Explorer>, Named(height): Named, asked: Asked) -> Answer {
    let height = number("height", &height)?;
    let (from, reader) = (asked.from()?, &explorer.reader);
    let missing = || Refusal::Missing(format!("this node has no block {height}"));
    let seal = reader.seal(height)?.ok_or_else(missing)?;
    let from = from.unwrap_or(seal.first);
    if !(seal.first..seal.tree_size()).contains(&from) {
        let reason = format!("block {height} has the leaves {} to {}", seal.first, seal.index());
        return Err(Refusal::field("from", reason));
    }
    let end = seal.tree_size().min(from + ROWS_MAX as u64);
    let leaves = (from..).zip(reader.leaves(from, (end - from) as usize)?);
    let next = reader.seal(height + 1)?;
    answer(BlockPage {
        frame: explorer.frame(),
        time: time(seal.time),
        transactions: transactions(&seal),
        seal_hash: leaf_hash(&Leaf::Seal(seal.clone()).to_bytes()).to_string(),
        certificate: certificate(reader, seal.index())?,
        previous: height.checked_sub(1).map(links::block),
        next: next.map(|seal| links::block(seal.height)),
        leaves: leaves.map(|(index, bytes)| leaf_row(index, &bytes)).collect::<Result<_, _>>()?,
        later_leaves: (end < seal.tree_size()).then(|| links::block_from(height, end)),
        seal,
    })
}

/// The certificate that covers a leaf; none while none does.
pub(super) fn certificate(reader: &Reader, leaf: u64) -> Result<Option<Certificate>, Refusal> {
    let Some((size, note)) = reader.certificate_from(leaf + 1)? else {
        return Ok(None);
    };
    let note = Note::parse(&note)?;
    // Beside the cosignatures stand log signatures, whose name is the origin.
    let origin = note.text.lines().next().unwrap_or_default();
    let mut signers: Vec<String> = note.signatures.into_iter().map(|line| line.name).collect();
    signers.retain(|name| name != origin);
    signers.sort();
    Ok(Some(Certificate { size, signers }))
}

fn leaf_row(index: u64, bytes: &[u8]) -> Result<LeafRow, Refusal> {
    let (kind, transaction) = match Leaf::parse(bytes)? {
        Leaf::Genesis(_) => ("genesis", None),
        Leaf::Seal(_) => ("seal", None),
        Leaf::Transaction(leaf) => ("transaction", Some(transaction_row(leaf))),
    };
    let hash = leaf_hash(bytes);
    Ok(LeafRow { index, kind, hash: hash.to_string(), hash_short: short(hash), transaction })
}

fn transaction_row(leaf: TransactionLeaf) -> TransactionRow {
    let (link, id) = (links::transaction(&leaf.id), short(leaf.id));
    TransactionRow { link, id, applied: leaf.outcome == Outcome::Applied, leaf }
}
