//! Take blocks in as a node does: read, check every signature, execute, seal, write, certify.

use crate::Failure;
use crate::founded::{Founded, TERM};
use countersign_ledger::store::{CacheSize, Ledger, Position, open_database};
use countersign_ledger::{Fate, open, verify_batch};
use countersign_proof::Transaction;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Transactions in one batch equation, as in a node.
const BATCH_MAX: usize = 1_024;

/// Where the time of blocks went, on the one thread that takes them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// Making the proposal, as a leader does.
    pub propose: Duration,
    /// Its header, and the form of every transaction.
    pub parse: Duration,
    pub verify: Duration,
    /// Execution, state tree, seal, and the one write.
    pub append: Duration,
    /// Signing the checkpoint for all organisations, and keeping the note.
    pub certify: Duration,
}

/// A ledger on disk, and whoever writes it.
pub struct Taking {
    pub founded: Arc<Founded>,
    pub ledger: Ledger,
    pub spent: Spent,
}

impl Taking {
    /// Opens the ledger in this folder, or founds it there.
    pub fn open(folder: &Path, founded: Arc<Founded>, cache: CacheSize) -> Result<Taking, Failure> {
        let ledger = Ledger::open(Arc::new(open_database(folder, cache)?), &founded.genesis)?.with_cache(cache);
        Ok(Taking { founded, ledger, spent: Spent::default() })
    }

    /// Takes one block. Errs unless every transaction of it is applied.
    pub fn block(&mut self, transactions: Vec<Vec<u8>>) -> Result<(), Failure> {
        let mut begun = Instant::now();
        let mut lap = |spent: &mut Duration| {
            let now = Instant::now();
            *spent += now - std::mem::replace(&mut begun, now);
        };
        let bytes = self.founded.proposal(self.ledger.chain(), transactions);
        lap(&mut self.spent.propose);
        let (membership, limits) = self.ledger.in_force()?;
        let mut opened = open(&bytes, TERM, self.ledger.chain(), &self.founded.origin, &membership, &limits)?;
        let read = |bytes| Transaction::parse(bytes, &self.founded.hash, limits.transaction_bytes as usize);
        let transactions = std::mem::take(&mut opened.transactions).into_iter().map(|bytes| read(bytes).map(Arc::new));
        let transactions = transactions.collect::<Result<Vec<_>, _>>()?;
        lap(&mut self.spent.parse);
        for batch in transactions.chunks(BATCH_MAX) {
            if verify_batch(&batch.iter().map(|transaction| &**transaction).collect::<Vec<_>>()).contains(&false) {
                return Err("a signature of ours does not hold".into());
            }
        }
        lap(&mut self.spent.verify);
        let judged = opened.with(transactions)?;
        let index = self.ledger.position().map_or(0, |position| position.index) + 1;
        let appended = self.ledger.append(Position { term: TERM, index }, judged)?;
        lap(&mut self.spent.append);
        let size = appended.seal.tree_size();
        self.ledger.reader().put_certificate(size, &self.founded.note(size, appended.log_root))?;
        lap(&mut self.spent.certify);
        match appended.block.executed.iter().find(|executed| executed.fate != Fate::Applied) {
            Some(executed) => Err(format!("transaction {} became {:?}", executed.id, executed.fate).into()),
            None => Ok(()),
        }
    }
}
