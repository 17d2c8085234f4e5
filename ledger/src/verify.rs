//! Check the signatures of transactions under ZIP-215, singly or in batches with equal verdicts.

use countersign_proof::Transaction;
use ed25519_zebra::{Signature, VerificationKeyBytes, batch};
use getrandom::SysRng;
use rand_core::UnwrapErr;

/// Whether every signature of this transaction holds.
pub fn verify_one(transaction: &Transaction) -> bool {
    items(transaction).all(|item| item.verify_single().is_ok())
}

/// For each transaction whether every signature of it holds. The verdict on one never depends on its neighbours:
/// that is what ZIP-215 is for.
pub fn verify_batch(transactions: &[&Transaction]) -> Vec<bool> {
    let mut verifier = batch::Verifier::new();
    transactions.iter().flat_map(|t| items(t)).for_each(|item| verifier.queue(item));
    // The random coefficients only make the one equation sound; the verdict is the same for all of them.
    if verifier.verify(UnwrapErr(SysRng)).is_ok() {
        return vec![true; transactions.len()];
    }
    transactions.iter().map(|t| verify_one(t)).collect()
}

fn items(transaction: &Transaction) -> impl Iterator<Item = batch::Item> + '_ {
    let message = &transaction.signed_message[..];
    transaction.keys.iter().zip(&transaction.signatures).map(move |(key, signature)| {
        batch::Item::from((VerificationKeyBytes::from(*key.as_bytes()), Signature::from(*signature), message))
    })
}
