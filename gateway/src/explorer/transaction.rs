//! Show one transaction: its leaf, what became of it, its operations, its signers.

use super::block::{Certificate, certificate};
use super::operation::{OperationView, operation_views};
use super::page::{Answer, Explorer, Frame, answer};
use crate::asked::{Asked, Named, transaction_id};
use crate::limits::ROWS_MAX;
use crate::links;
use crate::refusal::Refusal;
use crate::show::{time, visible};
use askama::Template;
use axum::extract::State;
use countersign_ledger::store::{FoundTransaction, Reader, RejectionDetail};
use countersign_proof::{
    Hash, Leaf, Limits, Outcome, ProofError, PublicKey, Signer, Transaction, TransactionLeaf, leaf_hash,
};

#[derive(Template)]
#[template(path = "transaction.html")]
struct TransactionPage {
    frame: Frame,
    leaf: TransactionLeaf,
    leaf_index: u64,
    leaf_hash: String,
    leaf_text: String,
    block: String,
    time: String,
    applied: bool,
    rejection: Option<RejectionDetail>,
    certificate: Option<Certificate>,
    receipt: String,
    caller: String,
    expires: String,
    nonce: String,
    signers: Vec<SignerRow>,
    operations: Vec<OperationView>,
    operations_all: usize,
    later_operations: Option<String>,
    /// Whether access rules keep what it says from readers of whom nothing is known.
    hidden: bool,
}

struct SignerRow {
    account: String,
    key: String,
}

pub(crate) async fn transaction(State(explorer): State<Explorer>, Named(id): Named, asked: Asked) -> Answer {
    let id = transaction_id(&id)?;
    let (from, reader) = (asked.from()?.unwrap_or(0), &explorer.reader);
    let found = find(reader, &id)?;
    let leaf = transaction_leaf(&found)?;
    let transaction = Transaction::parse(found.bytes, &reader.genesis(), Limits::MAX.transaction_bytes as usize)?;
    let operations_all = transaction.body.operations.len();
    let from = usize::try_from(from).ok().filter(|from| *from < operations_all);
    let from = from.ok_or_else(|| Refusal::field("from", format!("there are {operations_all} operations, from 0")))?;
    let end = operations_all.min(from + ROWS_MAX);
    let applied = leaf.outcome == Outcome::Applied;
    let shown = explorer.shows_transaction(&transaction, found.height)?;
    answer(TransactionPage {
        frame: explorer.frame(),
        leaf_index: found.leaf_index,
        leaf_hash: leaf_hash(&found.leaf).to_string(),
        leaf_text: visible(&String::from_utf8_lossy(&found.leaf)),
        block: links::block(found.height),
        time: reader.seal(found.height)?.map_or_else(String::new, |seal| time(seal.time)),
        applied,
        rejection: reader.rejection(found.leaf_index)?.filter(|_| shown).map(readable),
        certificate: certificate(reader, found.leaf_index)?,
        receipt: links::receipt(&id),
        caller: visible(&transaction.body.caller),
        expires: if transaction.body.expires_ms == 0 { "never".into() } else { time(transaction.body.expires_ms) },
        nonce: transaction.body.nonce.iter().map(|byte| format!("{byte:02x}")).collect(),
        signers: signers(&transaction),
        operations: if shown { operation_views(&transaction, from..end, applied) } else { Vec::new() },
        hidden: !shown,
        operations_all,
        later_operations: (shown && end < operations_all).then(|| links::transaction_from(&id, end)),
        leaf,
    })
}

/// The transaction with this id.
pub(super) fn find(reader: &Reader, id: &Hash) -> Result<FoundTransaction, Refusal> {
    let missing = || Refusal::Missing(format!("this node has executed no transaction {id}"));
    reader.transaction(id)?.ok_or_else(missing)
}

fn transaction_leaf(found: &FoundTransaction) -> Result<TransactionLeaf, Refusal> {
    match Leaf::parse(&found.leaf)? {
        Leaf::Transaction(leaf) => Ok(leaf),
        _ => {
            let reason = format!("leaf {} is not of a transaction", found.leaf_index);
            Err(ProofError::Malformed { field: "leaf", reason }.into())
        }
    }
}

/// The detail may quote what the submitter wrote.
fn readable(mut rejection: RejectionDetail) -> RejectionDetail {
    rejection.detail = visible(&rejection.detail);
    rejection.violations.iter_mut().for_each(|violation| violation.pointer = visible(&violation.pointer));
    rejection
}

fn signers(transaction: &Transaction) -> Vec<SignerRow> {
    let row =
        |(signer, key): (&Signer, &PublicKey)| SignerRow { account: signer.account.clone(), key: key.to_string() };
    transaction.body.signers.iter().zip(&transaction.keys).map(row).collect()
}
