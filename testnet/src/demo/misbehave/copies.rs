//! Show what becomes of copies: a node restored from a backup, one that runs twice, and blocks that nobody certified.

use super::{LIAR, WITHIN, logged, write};
use crate::demo::{WorkFolder, say};
use crate::error::hold;
use crate::found::PORTS_A_NODE;
use crate::node_process::{Lifetime, NodeProcess};
use crate::ports::free_ports;
use crate::record::NodeRecord;
use crate::{Client, Network, TestnetError, operations_account, wait_until};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// b6.example: its name sorts first, so it dials every member, as its clone does.
const CLONED: usize = 1;
/// The member that is asked first by one who catches up.
const ASKED_FIRST: usize = 1;
/// How often it is tried.
const AWAY_MAX: usize = 5;
const REFUSED: &str = "no certificate covers";
/// Twice as long as a node waits between two purges of its log.
const PURGED_WITHIN: Duration = Duration::from_secs(6);

/// A node comes back from a backup that was made while it stood: it must never sign with that key again.
pub(super) fn restore_backup(network: &mut Network, work: &WorkFolder) -> Result<(), TestnetError> {
    let node = network.nodes()[LIAR].clone();
    write(network, 0, 2)?;
    network.wait_agreement(WITHIN)?;
    network.kill(LIAR)?;
    let backup = work.file("backup");
    copy_folder(&node.folder, &backup)?;
    network.restart(LIAR)?;
    write(network, 2, 3)?;
    network.wait_agreement(WITHIN)?;
    network.kill(LIAR)?;
    fs::remove_dir_all(&node.folder).map_err(TestnetError::file(&node.folder))?;
    copy_folder(&backup, &node.folder)?;
    network.restart(LIAR)?;
    say(&format!("{} was restored from a backup, its sign lock among it", node.node));
    let reason = wait_until("it says why it signs nothing", WITHIN, || match network.status(LIAR) {
        Ok(status) if status.not_signing.contains("rotate the key") => Ok(status.not_signing),
        Ok(status) => Err(format!("not signing: {:?}", status.not_signing)),
        Err(error) => Err(error.to_string()),
    })?;
    say(&reason);
    write(network, 5, 2)?;
    say("and the three others certify on");
    Ok(())
}

/// Two processes run with the keys of one node, equal to the byte when they start: one of them notices, and signs no more.
pub(super) fn clone(network: &mut Network, work: &WorkFolder) -> Result<(), TestnetError> {
    let node = network.nodes()[CLONED].clone();
    write(network, 0, 2)?;
    network.wait_agreement(WITHIN)?;
    network.kill(CLONED)?;
    let folder = work.file("clone");
    copy_folder(&node.folder, &folder)?;
    let ports = free_ports(PORTS_A_NODE)?;
    let clone = NodeRecord { folder, address_port: ports[0], api_port: ports[1], http_port: ports[2], ..node.clone() };
    for (old, new) in
        [(node.address_port, clone.address_port), (node.api_port, clone.api_port), (node.http_port, clone.http_port)]
    {
        replace_in(&clone.folder.join("node.toml"), &format!(":{old}\""), &format!(":{new}\""))?;
    }
    network.restart(CLONED)?;
    let (binary, hash) = (network.binary().to_owned(), network.genesis_hash().to_owned());
    let mut process = NodeProcess::start(&binary, network.layout(), &clone, &hash, Lifetime::Ours)?;
    say(&format!("{} runs twice", node.node));
    let shown = one_notices(network, &clone);
    process.end(Signal::KILL)?;
    shown?;
    // Behind all that a fast machine writes until one of the two has noticed.
    write(network, 1_000_000, 2)?;
    say("and the others certify on");
    Ok(())
}

fn one_notices(network: &Network, clone: &NodeRecord) -> Result<(), TestnetError> {
    let account = operations_account(&clone.organisation);
    let second = Client::new(network.binary(), network.layout(), clone.api_url(), &account);
    let mut n = 2;
    let reason = wait_until("one of the two says why it signs nothing", WITHIN, || {
        write(network, n, 1).map_err(|e| e.to_string())?;
        n += 1;
        let reasons = [network.status(CLONED), second.status()].map(|status| match status {
            Ok(status) => status.not_signing,
            Err(error) => error.to_string(),
        });
        let refusal = reasons.iter().find(|reason| reason.contains("rotate the key")).cloned();
        refusal.ok_or_else(|| format!("{reasons:?}"))
    })?;
    say(&reason);
    let accused: Vec<String> = network.status(0)?.accused;
    hold(accused.is_empty(), || format!("as long as both sign one history, nobody is accused: {accused:?}"))
}

/// A member gives false blocks to one that catches up: they are refused, and the next member's are taken.
pub(super) fn forge_blocks(network: &mut Network, byzantine: &Path) -> Result<(), TestnetError> {
    network.stop_all()?;
    for node in network.nodes() {
        // Nothing is kept behind what is certified, so that whoever was away must catch up from members.
        let file = node.folder.join("node.toml");
        let config = fs::read_to_string(&file).map_err(TestnetError::file(&file))?;
        fs::write(&file, format!("log_entries_kept = 1\n{config}")).map_err(TestnetError::file(&file))?;
    }
    network.restart_all()?;
    network.restart_lying(ASKED_FIRST, byzantine, "forge-blocks")?;
    network.wait_answers(ASKED_FIRST)?;
    let (liar, victim) = (network.nodes()[ASKED_FIRST].node.clone(), network.nodes()[LIAR].node.clone());
    let mut refused = None;
    for away in 0..AWAY_MAX {
        network.kill(LIAR)?;
        write(network, 8 * away, 6)?;
        thread::sleep(PURGED_WITHIN);
        write(network, 8 * away + 6, 2)?;
        network.restart(LIAR)?;
        say(&format!("{victim} was away, and catches up from {liar}, who forges blocks"));
        network.wait_agreement(WITHIN)?;
        refused = logged(network, LIAR, REFUSED)?;
        // It may have reached another member first.
        if refused.is_some() {
            break;
        }
    }
    let refusal = refused.ok_or_else(|| TestnetError::Broken(format!("{victim} refuses what {liar} forges")))?;
    println!("{refusal}");
    hold(refusal.contains(&liar), || format!("the refusal names {liar}"))?;
    let agreed = network.wait_agreement(WITHIN)?;
    say(&format!("and {victim} holds what all hold at height {}", agreed.height));
    Ok(())
}

fn copy_folder(from: &Path, to: &PathBuf) -> Result<(), TestnetError> {
    let mut copy = Command::new("cp");
    let copied = copy.arg("-a").arg(from).arg(to).status().map_err(TestnetError::file(to))?;
    hold(copied.success(), || format!("{} is copied", from.display()))
}

fn replace_in(file: &Path, old: &str, new: &str) -> Result<(), TestnetError> {
    let text = fs::read_to_string(file).map_err(TestnetError::file(file))?;
    hold(text.contains(old), || format!("{} has {old}", file.display()))?;
    fs::write(file, text.replace(old, new)).map_err(TestnetError::file(file))
}
