//! Show what becomes of signatures: forged ones, and those that a process was killed over.

use super::{LIAR, create, document_file, verify_evidence, wait_accused, write};
use crate::demo::{WorkFolder, say};
use crate::error::hold;
use crate::layout::text;
use crate::{Network, TestnetError, operations_account};
use countersign_proof::{Genesis, Receipt, Trust};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

const KILLS: usize = 50;
/// The second of two, both of which must sign.
const KILLED: usize = 1;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A node signs roots that are not its log's: every other node holds evidence that names its organisation.
pub(super) fn forge_root(network: &mut Network, byzantine: &Path, work: &WorkFolder) -> Result<(), TestnetError> {
    let organisation = network.nodes()[LIAR].organisation.clone();
    network.restart_lying(LIAR, byzantine, "forge-root")?;
    say(&format!("{organisation} cosigns forged roots"));
    write(network, 0, 3)?;
    wait_accused(network, &[0, 1, 2], &organisation)?;
    verify_evidence(network, work, &organisation)?;
    write(network, 3, 3)?;
    say("and the three others certify on");
    Ok(())
}

/// A process kills itself (SIGKILL) after each new line of its sign lock, before the signature exists. Started again it
/// must sign what the line says, and nothing else: here no document is certified without it.
pub(super) fn kill_signing(network: &mut Network, byzantine: &Path, work: &WorkFolder) -> Result<(), TestnetError> {
    let node = network.nodes()[KILLED].clone();
    let account = operations_account(&network.nodes()[0].organisation);
    let client = network.client(&account, 0);
    network.restart_lying(KILLED, byzantine, "kill-signing")?;
    say(&format!("{} kills itself over every signature, {KILLS} times", node.node));
    let (mut transactions, mut kills) = (Vec::new(), 0);
    while kills < KILLS {
        let n = transactions.len();
        let (file, client) = (document_file(network, n)?, client.clone());
        let submitting = thread::spawn(move || create(&client, &file, n, "90s"));
        // It dies once a size; one document may need more than one.
        while !submitting.is_finished() {
            if network.pid(KILLED).is_none() {
                kills += 1;
                network.restart_lying(KILLED, byzantine, "kill-signing")?;
            }
            thread::sleep(LOOK_EVERY);
        }
        transactions.push(submitting.join().expect("submitting does not panic")?);
    }
    network.restart(KILLED)?;
    let lines = lock_lines(&node.folder.join("cosign.lock"))?;
    let genesis = network.layout().genesis();
    let genesis = Genesis::parse(&fs::read(&genesis).map_err(TestnetError::file(&genesis))?);
    let trust = Trust::from_genesis(&genesis.map_err(|e| TestnetError::Broken(e.to_string()))?);
    for (n, transaction) in transactions.iter().enumerate() {
        let out = work.file(&format!("{n}.receipt"));
        let get = ["receipt", "get", "--transaction", transaction, "--out", text(&out), "--wait", "30s"];
        client.run(&get)?.ok()?;
        signed_as_locked(&out, &trust, &node.node, &lines)?;
    }
    let evidence: usize = network.statuses().iter().map(|status| status.accused.len()).sum();
    hold(evidence == 0, || "no crash looks like a lie".to_owned())?;
    say(&format!(
        "{kills} kills: {} sizes in its sign lock, none twice; each of {} certificates carries the bytes of its line",
        lines.len(),
        transactions.len()
    ));
    Ok(())
}

/// Size to (root, time), as the sign lock has them: it never has one size twice.
fn lock_lines(file: &Path) -> Result<BTreeMap<u64, (String, u64)>, TestnetError> {
    let text = fs::read_to_string(file).map_err(TestnetError::file(file))?;
    let mut lines = BTreeMap::new();
    // The first line says whose the lock is.
    for line in text.lines().skip(1) {
        let line: Value = serde_json::from_str(line).map_err(|e| TestnetError::Broken(format!("sign lock: {e}")))?;
        let size = line["size"].as_u64().unwrap_or_default();
        let (root, time) = (line["root"].as_str().unwrap_or_default(), line["time"].as_u64().unwrap_or_default());
        let before = lines.insert(size, (root.to_owned(), time));
        hold(before.is_none(), || format!("the sign lock has size {size} once"))?;
    }
    Ok(lines)
}

/// Ed25519 gives the same bytes for the same message and key, so equal size, root and time are equal bytes.
fn signed_as_locked(
    receipt: &Path,
    trust: &Trust,
    node: &str,
    lines: &BTreeMap<u64, (String, u64)>,
) -> Result<(), TestnetError> {
    let text = fs::read_to_string(receipt).map_err(TestnetError::file(receipt))?;
    let receipt = Receipt::parse(&text).map_err(|e| TestnetError::Broken(e.to_string()))?;
    let verified = receipt.verify(trust).map_err(|e| TestnetError::Broken(e.to_string()))?;
    let certified = verified.certified();
    let checkpoint = certified.checkpoint();
    let time = certified.signers().values().find_map(|nodes| nodes.get(node)).copied();
    let signed = time.map(|time| (checkpoint.root.to_string(), time));
    let locked = lines.get(&checkpoint.size);
    hold(signed.is_some() && signed.as_ref() == locked, || {
        format!("{node} signed size {} as {signed:?}, its lock has {locked:?}", checkpoint.size)
    })
}
