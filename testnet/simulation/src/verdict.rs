//! Judge a network at rest: every node holds the same ledger, and it is what the clients were told.

use crate::clients::{COUNTERS, Clients, Intent, number_in};
use crate::founding::COLLECTION;
use crate::host::Host;
use countersign_ledger::store::Reader;
use countersign_proof::{Genesis, Hash, Leaf, Outcome, TransactionLeaf, Trust};
use countersign_proto::v1;
use serde_json::Value;
use std::collections::BTreeMap;

const LEAVES_MAX: usize = 100_000;
/// Every how manieth leaf has its receipt checked.
const RECEIPTS_APART: usize = 9;

/// Where each transaction stands, by its id.
type Places = BTreeMap<Hash, (u64, TransactionLeaf)>;

/// Judges all hosts, and returns how many transactions the ledger has.
pub fn judge(hosts: &[Host], clients: &Clients, genesis: &Genesis) -> Result<u64, String> {
    as_locked(hosts)?;
    let mut transactions = 0;
    let mut first_leaves: Option<Vec<Vec<u8>>> = None;
    for host in hosts {
        let name = &host.founder.node;
        let reader = host.node().ok_or_else(|| format!("{name} does not run"))?.reader();
        let leaves = reader.leaves(0, LEAVES_MAX).map_err(text)?;
        let places = places(&leaves).map_err(|e| format!("{name}: {e}"))?;
        clients.intents.iter().enumerate().try_for_each(|(number, intent)| {
            told_the_truth(intent, &places).map_err(|e| format!("{name}, intent {number}: {e}"))
        })?;
        invented(clients, &places).map_err(|e| format!("{name}: {e}"))?;
        counters(clients, &places, &reader).map_err(|e| format!("{name}: {e}"))?;
        receipts(&reader, leaves.len(), genesis).map_err(|e| format!("{name}: {e}"))?;
        signed(&reader, host).map_err(|e| format!("{name}: {e}"))?;
        transactions = places.len() as u64;
        if first_leaves.get_or_insert_with(|| leaves.clone()) != &leaves {
            return Err(format!("{name} holds other leaves than {}", hosts[0].founder.node));
        }
    }
    Ok(transactions)
}

/// Exactly once: no id has two leaves.
fn places(leaves: &[Vec<u8>]) -> Result<Places, String> {
    let mut places = Places::new();
    for (index, bytes) in (0..).zip(leaves) {
        if let Leaf::Transaction(leaf) = Leaf::parse(bytes).map_err(text)?
            && let Some((other, leaf)) = places.insert(leaf.id, (index, leaf))
        {
            return Err(format!("transaction {} has the leaves {other} and {index}", leaf.id));
        }
    }
    Ok(places)
}

/// What was answered is on the ledger, as it was answered; what was outrun is not.
fn told_the_truth(intent: &Intent, places: &Places) -> Result<(), String> {
    let transaction = &intent.transaction;
    let place = places.get(&transaction.id);
    let place = place.filter(|(_, leaf)| leaf.body == transaction.body_hash);
    match (&intent.answer, place) {
        (None, None) if intent.outrun => Ok(()),
        (None, None) => Err("it has no answer and no leaf".into()),
        // Its twin's answer, or its own, is enough: the caller who stopped asking may not know.
        (None, Some(_)) if intent.outrun => Err("it was refused for its nonce, and has a leaf".into()),
        (None, Some(_)) => Err("it has a leaf, and no answer in the end".into()),
        (Some(answer), None) => Err(format!("{answer:?} was answered and is lost")),
        (Some(answer), Some((index, leaf))) => {
            let outcome = match leaf.outcome {
                Outcome::Applied => v1::Outcome::Applied,
                Outcome::Rejected => v1::Outcome::Rejected,
            };
            let code = leaf.code.clone().unwrap_or_default();
            let same = answer.leaf_index == *index
                && answer.height == leaf.height
                && answer.outcome == outcome
                && answer.code == code;
            if same { Ok(()) } else { Err(format!("{answer:?} was answered, leaf {index} is {leaf:?}")) }
        }
    }
}

fn invented(clients: &Clients, places: &Places) -> Result<(), String> {
    let known: std::collections::BTreeSet<(Hash, Hash)> =
        clients.intents.iter().map(|intent| (intent.transaction.id, intent.transaction.body_hash)).collect();
    match places.values().find(|(_, leaf)| !known.contains(&(leaf.id, leaf.body))) {
        Some((index, _)) => Err(format!("leaf {index} is of no transaction that anyone signed")),
        None => Ok(()),
    }
}

/// Each counter is the sum of what was applied to it.
fn counters(clients: &Clients, places: &Places, reader: &Reader) -> Result<(), String> {
    for number in 0..COUNTERS {
        let id = format!("counter{number}");
        let applied = |intent: &&Intent| {
            let place = places.get(&intent.transaction.id);
            place.is_some_and(|(_, l)| l.outcome == Outcome::Applied && l.body == intent.transaction.body_hash)
        };
        let adds = clients.intents.iter().filter(applied).filter_map(|intent| intent.adds.as_ref());
        let sum: i64 = adds.filter(|(counter, _)| *counter == id).map(|(_, by)| by).sum();
        let document = reader.document(COLLECTION, &id).map_err(text)?;
        let holds = number_in(document.as_ref().and_then(|version| version.value.as_deref()));
        if holds != sum {
            return Err(format!("{id} holds {holds}, and {sum} was applied"));
        }
    }
    Ok(())
}

/// Receipts verify offline.
fn receipts(reader: &Reader, leaves: usize, genesis: &Genesis) -> Result<(), String> {
    for index in (0..leaves as u64).step_by(RECEIPTS_APART) {
        let receipt = reader.receipt(index).map_err(text)?.ok_or_else(|| format!("no receipt of leaf {index}"))?;
        let verified = receipt.verify(&Trust::from_genesis(genesis));
        verified.map_err(|e| format!("the receipt of leaf {index}: {e}"))?;
    }
    Ok(())
}

/// Every cosignature that anyone keeps of a node is the one that its sign lock allows: the same size, root and time, so,
/// since Ed25519 is deterministic, the same bytes, however often it was sent.
fn as_locked(hosts: &[Host]) -> Result<(), String> {
    for host in hosts {
        let lock = lock_lines(host)?;
        for keeper in hosts.iter().filter_map(Host::node) {
            let kept = keeper.reader().cosignatures(0, LEAVES_MAX).map_err(text)?;
            for kept in kept.into_iter().filter(|kept| kept.cosignature.node == host.founder.node) {
                let sent = (kept.root.to_string(), kept.cosignature.time);
                if lock.get(&kept.size) != Some(&sent) {
                    let (keeper, node, size) = (keeper.name(), &host.founder.node, kept.size);
                    return Err(format!(
                        "{keeper} keeps {sent:?} of {node} at size {size}, its lock {:?}",
                        lock.get(&size)
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Size to root and time; one size is never there twice.
fn lock_lines(host: &Host) -> Result<BTreeMap<u64, (String, u64)>, String> {
    let mut sizes = BTreeMap::new();
    for line in host.locked.lock().expect("no panic under the lock").iter() {
        let line: Value = serde_json::from_slice(line).map_err(text)?;
        let size = line["size"].as_u64().ok_or("a size")?;
        let root = line["root"].as_str().ok_or("a root")?.to_owned();
        if sizes.insert(size, (root, line["time"].as_u64().ok_or("a time")?)).is_some() {
            return Err(format!("the sign lock of {} has size {size} twice", host.founder.node));
        }
    }
    Ok(sizes)
}

/// Whatever the sign lock says was signed, and every cosignature kept, is of the one history.
fn signed(reader: &Reader, host: &Host) -> Result<(), String> {
    let lock = lock_lines(host)?.into_iter();
    let mut signed: Vec<(u64, String)> = lock.map(|(size, (root, _))| (size, root)).collect();
    let kept = reader.cosignatures(0, LEAVES_MAX).map_err(text)?;
    signed.extend(kept.iter().map(|kept| (kept.size, kept.root.to_string())));
    for (size, root) in signed {
        let ours = reader.log_root(size).map_err(text)?.to_string();
        if ours != root {
            return Err(format!("{root} was signed for size {size}, and the root is {ours}"));
        }
    }
    Ok(())
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
