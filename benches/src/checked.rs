//! Check, after a round, that every transaction counted is in the log under certificates that hold.

use crate::Failure;
use crate::http;
use countersign_proof::{Hash, Leaf, Outcome, Trust, leaf_hash, log_root};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Leaves of one entry bundle, as C2SP has it.
const BUNDLE: u64 = 256;
/// How long the last certificate may take.
const CERTIFIED_WITHIN: Duration = Duration::from_secs(60);

/// The log as far as it was checked, under the genesis.
pub struct Checker {
    trust: Trust,
    ports: Vec<u16>,
    hashes: Vec<Hash>,
}

/// What was checked.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Checked {
    pub transactions: u64,
    pub certificates: u64,
    pub receipts: u64,
}

impl Checker {
    /// Of a network whose nodes serve their logs at these ports.
    pub fn new(trust: Trust, ports: Vec<u16>) -> Checker {
        Checker { trust, ports, hashes: Vec::new() }
    }

    /// Fetches the newest certificate of every node and the leaves below. Each certificate must hold under the genesis and
    /// be over the root of exactly these leaves; each transaction counted must have its leaf where it was answered, as
    /// applied, and below every certified size.
    pub fn check(&mut self, counted: &[(Hash, u64)]) -> Result<Checked, Failure> {
        let above = counted.iter().map(|(_, leaf)| *leaf).max().unwrap_or(0);
        let mut at: HashMap<u64, Hash> = counted.iter().map(|(id, leaf)| (*leaf, *id)).collect();
        if at.len() != counted.len() {
            return Err("two transactions were answered with one leaf".into());
        }
        let notes: BTreeSet<String> =
            self.ports.iter().map(|port| certificate_above(*port, above)).collect::<Result<_, _>>()?;
        let certified =
            notes.iter().map(|note| self.trust.certify(note).map(|certified| certified.checkpoint().clone()));
        let checkpoints = certified.collect::<Result<Vec<_>, _>>().map_err(|refusal| refusal.error.to_string())?;
        let size = checkpoints.iter().map(|checkpoint| checkpoint.size).max().unwrap_or(0);
        let port = self.port_of(size)?;
        while (self.hashes.len() as u64) < size {
            for leaf in self.fetch(port, size)? {
                let index = self.hashes.len() as u64;
                if let Some(id) = at.remove(&index) {
                    check_leaf(&leaf, &id).map_err(|reason| format!("leaf {index}: {reason}"))?;
                }
                self.hashes.push(leaf_hash(&leaf));
            }
        }
        if let Some((index, id)) = at.iter().next() {
            return Err(format!("{} were answered with leaves of earlier rounds: {id} with {index}", at.len()).into());
        }
        for checkpoint in &checkpoints {
            let Ok(root) = log_root(&self.hashes[..], checkpoint.size);
            if root != checkpoint.root {
                return Err(format!("the leaves below {} have another root than is certified", checkpoint.size).into());
            }
        }
        Ok(Checked { transactions: counted.len() as u64, certificates: checkpoints.len() as u64, receipts: 0 })
    }

    /// A node that has certified so much.
    fn port_of(&self, size: u64) -> Result<u16, Failure> {
        for port in &self.ports {
            if size_of(&http::text(*port, "/checkpoint")?)? >= size {
                return Ok(*port);
            }
        }
        Err("no node serves the size that it certified".into())
    }

    /// The leaves from where we are to the end of their bundle, or of the log.
    fn fetch(&self, port: u16, size: u64) -> Result<Vec<Vec<u8>>, Failure> {
        let from = self.hashes.len() as u64;
        let bundle = from / BUNDLE;
        let width = BUNDLE.min(size - bundle * BUNDLE);
        let bytes = http::get(port, &bundle_path(bundle, width))?;
        let (mut leaves, mut rest) = (Vec::new(), &bytes[..]);
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let leaf = after.split_at_checked(u16::from_be_bytes(*length).into());
            let (leaf, after) = leaf.ok_or("a bundle ends within a leaf")?;
            leaves.push(leaf.to_vec());
            rest = after;
        }
        if leaves.len() as u64 != width {
            return Err(format!("a bundle of {width} leaves has {}", leaves.len()).into());
        }
        Ok(leaves.split_off((from % BUNDLE) as usize))
    }
}

/// Waits for a certificate over more than this leaf.
fn certificate_above(port: u16, leaf: u64) -> Result<String, Failure> {
    let deadline = Instant::now() + CERTIFIED_WITHIN;
    loop {
        let note = http::text(port, "/checkpoint")?;
        if size_of(&note)? > leaf {
            return Ok(note);
        }
        if Instant::now() > deadline {
            return Err(format!("leaf {leaf} is not certified in time").into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn size_of(note: &str) -> Result<u64, Failure> {
    Ok(note.lines().nth(1).ok_or("a checkpoint without its size")?.parse()?)
}

/// `/tile/entries/x001/x234/067`, and `.p/W` where the bundle is not full.
fn bundle_path(index: u64, width: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    let partial = if width < BUNDLE { format!(".p/{width}") } else { String::new() };
    format!("/tile/entries/{path}{partial}")
}

fn check_leaf(bytes: &[u8], id: &Hash) -> Result<(), String> {
    match Leaf::parse(bytes).map_err(|e| e.to_string())? {
        Leaf::Transaction(leaf) if leaf.id == *id && leaf.outcome == Outcome::Applied => Ok(()),
        Leaf::Transaction(leaf) => Err(format!("{id} was answered, {} is there, {:?}", leaf.id, leaf.outcome)),
        _ => Err(format!("{id} was answered, and no transaction is there")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proof::{GenesisLeaf, TransactionLeaf};

    #[test]
    fn a_leaf_counts_for_its_own_transaction_only_and_only_as_applied() {
        let hash = |byte| Hash([byte; 32]);
        let leaf = |id, outcome, code: Option<&str>| {
            let writes = code.is_none().then(|| hash(3));
            let code = code.map(str::to_owned);
            let (body, signatures, by) = (hash(1), hash(2), "ua.example/writer-0".to_owned());
            Leaf::Transaction(TransactionLeaf { body, by, code, height: 1, id, outcome, signatures, v: 1, writes })
                .to_bytes()
        };
        let applied = leaf(hash(9), Outcome::Applied, None);
        assert_eq!(check_leaf(&applied, &hash(9)), Ok(()));
        check_leaf(&applied, &hash(8)).expect_err("another transaction");
        check_leaf(&leaf(hash(9), Outcome::Rejected, Some("UNAUTHORIZED")), &hash(9)).expect_err("rejected");
        check_leaf(&Leaf::Genesis(GenesisLeaf { genesis: hash(1), v: 1 }).to_bytes(), &hash(9))
            .expect_err("another kind");
    }

    #[test]
    fn bundles_have_the_paths_of_c2sp() {
        assert_eq!(bundle_path(0, 256), "/tile/entries/000");
        assert_eq!(bundle_path(1_234_067, 256), "/tile/entries/x001/x234/067");
        assert_eq!(bundle_path(273, 112), "/tile/entries/273.p/112");
    }
}
