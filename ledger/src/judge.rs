//! Judge whether a committed proposal is valid, from the log and the rules in force alone.

use crate::execute::Chain;
use countersign_proof::{Hash, Limits, Membership, Proposal, ProposalHeader, Transaction};
use thiserror::Error;

/// Why every node alike skips a committed proposal. Its transactions are proposed again by their owners.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Skip {
    /// It does not have its form, or its header is not signed by a voter.
    #[error("malformed: {0}")]
    Malformed(String),
    /// It does not follow the last valid proposal.
    #[error("does not follow: {0}")]
    Chain(String),
    /// It breaks a limit of the ledger.
    #[error("over a limit: {0}")]
    Limit(String),
    /// A signature in it does not hold.
    #[error("a false signature in transaction {0}")]
    Signature(usize),
}

/// A proposal that is valid but for its transactions' signatures, which the caller checks in batches.
#[derive(Debug)]
pub struct Judged {
    /// The checked header.
    pub header: ProposalHeader,
    /// Its canonical bytes.
    pub header_bytes: Vec<u8>,
    /// The proposer's signature over them.
    pub signature: Vec<u8>,
    /// What the next header must name.
    pub digest: Hash,
    /// The transactions, parsed.
    pub transactions: Vec<Transaction>,
}

/// Judges the bytes of a Raft entry of `term` that follows `chain`.
pub fn judge(
    bytes: &[u8],
    term: u64,
    chain: &Chain,
    origin: &str,
    genesis: &Hash,
    membership: &Membership,
    limits: &Limits,
) -> Result<Judged, Skip> {
    let malformed = |e: countersign_proof::ProofError| Skip::Malformed(e.to_string());
    let proposal = Proposal::parse(bytes).map_err(malformed)?;
    let total: usize = proposal.transactions.iter().map(Vec::len).sum();
    if total as u64 > limits.proposal_bytes {
        return Err(Skip::Limit(format!("{total} bytes of transactions, at most {}", limits.proposal_bytes)));
    }
    let header =
        proposal.checked_header(origin, |node| membership.node(node).map(|keys| keys.proposal)).map_err(malformed)?;
    check_chain(&header, term, chain)?;
    let Proposal { header: header_bytes, signature, transactions } = proposal;
    let transactions = transactions
        .into_iter()
        .map(|bytes| Transaction::parse(bytes, genesis, limits.transaction_bytes as usize))
        .collect::<Result<Vec<_>, _>>()
        .map_err(malformed)?;
    if transactions.len() > 1 && transactions.iter().any(Transaction::stands_alone) {
        return Err(Skip::Malformed("a change of rules stands alone in its proposal".into()));
    }
    Ok(Judged { digest: header.digest(), header, header_bytes, signature, transactions })
}

fn check_chain(header: &ProposalHeader, term: u64, chain: &Chain) -> Result<(), Skip> {
    let differs = |what: &str, expected: &dyn std::fmt::Display, found: &dyn std::fmt::Display| {
        Err(Skip::Chain(format!("{what} is {found}, expected {expected}")))
    };
    if header.term != term {
        return differs("term", &term, &header.term);
    }
    if header.height != chain.height + 1 {
        return differs("height", &(chain.height + 1), &header.height);
    }
    if header.previous != chain.digest {
        return differs("previous", &chain.digest, &header.previous);
    }
    if header.time < chain.time || header.time > countersign_proof::INTEGER_MAX {
        return differs("time", &format_args!("{} or later", chain.time), &header.time);
    }
    Ok(())
}
