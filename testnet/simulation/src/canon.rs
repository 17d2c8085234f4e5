//! Compare what the nodes show with each other: one history, certified by a quorum, led by one a term.

use countersign_ledger::store::Reader;
use countersign_node::Node;
use countersign_proof::{Genesis, Hash, Leaf, Trust, plain_hash};
use std::collections::BTreeMap;

/// What has been seen of the one history, whoever showed it first.
pub struct Canon {
    trust: Trust,
    /// The hash of each height's seal.
    seals: Vec<Hash>,
    /// Who led each term.
    leaders: BTreeMap<u64, String>,
}

impl Canon {
    /// Nothing but the genesis.
    pub fn of(genesis: &Genesis) -> Canon {
        Canon { trust: Trust::from_genesis(genesis), seals: Vec::new(), leaders: BTreeMap::new() }
    }

    /// The seal of a block that a node has applied; it must be everyone's.
    pub fn seal(&mut self, node: &str, reader: &Reader, height: u64) -> Result<(Hash, u64), String> {
        let seal = reader.seal(height).map_err(|e| e.to_string())?;
        let seal = seal.ok_or_else(|| format!("{node} has applied height {height} and has no seal of it"))?;
        let term = seal.term;
        let hash = plain_hash(&Leaf::Seal(seal).to_bytes());
        match self.seals.get(height as usize) {
            Some(known) if *known != hash => Err(format!("{node} has another block at height {height}: a fork")),
            Some(_) => Ok((hash, term)),
            None if self.seals.len() as u64 == height => {
                self.seals.push(hash);
                Ok((hash, term))
            }
            None => Err(format!("{node} shows height {height} before {}", self.seals.len())),
        }
    }

    /// A term has one leader.
    pub fn leads(&mut self, node: &str, term: u64) -> Result<(), String> {
        let first = self.leaders.entry(term).or_insert_with(|| node.to_owned());
        if first == node { Ok(()) } else { Err(format!("{first} and {node} both led term {term}")) }
    }

    /// The certificate of a size verifies offline, and over the node's own root.
    pub fn certificate(&self, node: &str, reader: &Reader, size: u64) -> Result<Hash, String> {
        let found = reader.certificate_from(size).map_err(|e| e.to_string())?;
        let (found_size, note) = found.ok_or_else(|| format!("{node} has no certificate of size {size}"))?;
        let certified = self.trust.certify(&note).map_err(|e| format!("{node}'s certificate of size {size}: {e}"))?;
        let checkpoint = certified.checkpoint();
        let root = reader.log_root(size).map_err(|e| e.to_string())?;
        if found_size != size || checkpoint.size != size || checkpoint.root != root {
            return Err(format!("{node}'s certificate of size {size} is over {checkpoint:?}; its log has {root}"));
        }
        Ok(root)
    }

    /// The chain of cursors, as DESIGN.md section 1 orders them. What a catch-up brings runs ahead of the log, so the
    /// log is compared only in a run that had none so far; what comes from the log, apply asserts itself.
    pub fn cursors(&self, node: &Node, no_catch_up: bool) -> Result<(), String> {
        let (status, applied) = (node.consensus(), node.applied());
        let (signed, certified, published) = (node.signed(), node.certified(), node.published());
        let committed = status.committed.map_or(0, |position| position.index);
        let chained = published.index <= certified.index
            && certified.index <= applied.index()
            && certified.size <= applied.chain.size
            && signed.index <= applied.index();
        let logged = applied.index() <= committed && applied.index() <= status.appended_index;
        if chained && (logged || !no_catch_up) {
            return Ok(());
        }
        let applied = (applied.index(), applied.chain.height);
        Err(format!("cursors: {published:?} {certified:?} {signed:?} applied {applied:?} {status:?}"))
    }

    /// How many blocks there are, without height 0.
    pub fn blocks(&self) -> u64 {
        (self.seals.len() as u64).saturating_sub(1)
    }

    /// How many terms had a leader, less the first.
    pub fn leader_changes(&self) -> u64 {
        (self.leaders.len() as u64).saturating_sub(1)
    }
}
