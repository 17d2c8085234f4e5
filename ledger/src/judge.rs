//! Judge whether a committed proposal is valid, from the log and the rules in force alone.

use crate::execute::Chain;
use countersign_proof::{Hash, Limits, Membership, ProofError, Proposal, ProposalHeader, Transaction};
use std::sync::Arc;
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

/// A valid proposal.
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
    pub transactions: Vec<Arc<Transaction>>,
}

/// A proposal whose header is valid, and whose transactions are not read yet.
#[derive(Debug)]
pub struct Opened {
    header: ProposalHeader,
    header_bytes: Vec<u8>,
    signature: Vec<u8>,
    /// The transactions' bytes; whoever reads them takes them.
    pub transactions: Vec<Vec<u8>>,
}

/// Judges the header of a Raft entry of `term` that follows `chain`, and the proposal's size.
pub fn open(
    bytes: &[u8],
    term: u64,
    chain: &Chain,
    origin: &str,
    membership: &Membership,
    limits: &Limits,
) -> Result<Opened, Skip> {
    let proposal = Proposal::parse(bytes).map_err(malformed)?;
    let total: usize = proposal.transactions.iter().map(Vec::len).sum();
    if total as u64 > limits.proposal_bytes {
        return Err(Skip::Limit(format!("{total} bytes of transactions, at most {}", limits.proposal_bytes)));
    }
    let header =
        proposal.checked_header(origin, |node| membership.node(node).map(|keys| keys.proposal)).map_err(malformed)?;
    check_chain(&header, term, chain)?;
    let Proposal { header: header_bytes, signature, transactions } = proposal;
    Ok(Opened { header, header_bytes, signature, transactions })
}

impl Opened {
    /// Judges the proposal with its transactions read, each of this ledger and within its limits.
    pub fn with(self, transactions: Vec<Arc<Transaction>>) -> Result<Judged, Skip> {
        if transactions.len() > 1 && transactions.iter().any(|transaction| transaction.stands_alone()) {
            return Err(Skip::Malformed("a change of rules stands alone in its proposal".into()));
        }
        let Opened { header, header_bytes, signature, .. } = self;
        Ok(Judged { digest: header.digest(), header, header_bytes, signature, transactions })
    }
}

/// Judges the bytes of a Raft entry of `term` that follows `chain`, but for its transactions' signatures, which the caller
/// checks.
pub fn judge(
    bytes: &[u8],
    term: u64,
    chain: &Chain,
    origin: &str,
    genesis: &Hash,
    membership: &Membership,
    limits: &Limits,
) -> Result<Judged, Skip> {
    let mut opened = open(bytes, term, chain, origin, membership, limits)?;
    let read = |bytes| Transaction::parse(bytes, genesis, limits.transaction_bytes as usize).map(Arc::new);
    let transactions = std::mem::take(&mut opened.transactions).into_iter().map(read);
    opened.with(transactions.collect::<Result<_, _>>().map_err(malformed)?)
}

fn malformed(error: ProofError) -> Skip {
    Skip::Malformed(error.to_string())
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
