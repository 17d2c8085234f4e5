//! Let one node lie, and show what becomes of it: evidence that names it, or a refusal that says why.

use super::{COLLECTION, WorkFolder, flights, say};
use crate::error::hold;
use crate::layout::text;
use crate::{Network, Options, TestnetError, operations_account, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(90);
/// port.example: it neither proposes the collection nor approves it.
const LIAR: usize = 3;
const LEADERS_MAX: usize = 20;

/// The lies there are.
pub const MISBEHAVIOURS: [&str; 3] = ["forge-root", "restore-backup", "wild-clock"];

/// Shows one; an error says which claim did not hold. `byzantine` is a binary with the feature of that name.
pub fn misbehave(name: &str, byzantine: Option<&Path>) -> Result<(), TestnetError> {
    let mut network = Network::start(Options::default())?;
    let shown = show(&mut network, name, byzantine);
    if shown.is_err() {
        network.keep_folder();
        network.print_logs();
    }
    shown
}

fn show(network: &mut Network, name: &str, byzantine: Option<&Path>) -> Result<(), TestnetError> {
    let work = WorkFolder::make(network.layout())?;
    network.define_collection(COLLECTION, &flights::schema())?;
    let liar = || {
        let needed = || TestnetError::Usage(format!("{name} needs a binary that lies: use testnet/misbehave"));
        byzantine.ok_or_else(needed)
    };
    match name {
        "forge-root" => forge_root(network, liar()?, &work),
        "wild-clock" => wild_clock(network, liar()?),
        "restore-backup" => restore_backup(network, &work),
        _ => Err(TestnetError::Usage(format!("{name:?} is none of {}", MISBEHAVIOURS.join(", ")))),
    }
}

/// A node signs roots that are not its log's: every other node holds evidence that names its organisation.
fn forge_root(network: &mut Network, byzantine: &Path, work: &WorkFolder) -> Result<(), TestnetError> {
    let (liar, organisation) = (network.nodes()[LIAR].node.clone(), network.nodes()[LIAR].organisation.clone());
    network.restart_lying(LIAR, byzantine, "forge-root")?;
    say(&format!("{liar} cosigns forged roots"));
    write(network, 0, 3)?;
    for n in 0..LIAR {
        wait_until("every honest node accuses the liar", WITHIN, || match network.status(n) {
            Ok(status) if status.accused.contains(&organisation) => Ok(()),
            Ok(status) => Err(format!("{} accuses {:?}", status.node, status.accused)),
            Err(error) => Err(error.to_string()),
        })?;
        let others: Vec<String> = network.status(n)?.accused.into_iter().filter(|name| *name != organisation).collect();
        hold(others.is_empty(), || format!("nobody honest is accused: {others:?}"))?;
    }
    let folder = work.file("evidence");
    fs::create_dir(&folder).map_err(TestnetError::file(&folder))?;
    let account = operations_account(&network.nodes()[0].organisation);
    let listed = network.cli(&account, &["evidence", "list", "--out", text(&folder)])?.ok()?;
    print!("{}", listed.stdout);
    for file in fs::read_dir(&folder).map_err(TestnetError::file(&folder))? {
        let file = file.map_err(TestnetError::file(&folder))?.path();
        let verifier = network.binary().with_file_name("countersign-verify");
        let mut command = Command::new(verifier);
        command.args(["evidence", "--no-memory", "--genesis"]).arg(network.layout().genesis()).arg(&file);
        let output = command.output().map_err(TestnetError::file(&file))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let named = output.status.success() && said.contains(&organisation);
        hold(named, || format!("{} names {organisation}: {said}", file.display()))?;
    }
    say(&format!("countersign-verify names {organisation} in every file"));
    write(network, 3, 3)?;
    say("and the three others certify on");
    Ok(())
}

/// A leader whose clock is an hour ahead: nobody acknowledges what it proposes.
fn wild_clock(network: &mut Network, byzantine: &Path) -> Result<(), TestnetError> {
    let liar = network.nodes()[LIAR].node.clone();
    network.restart_lying(LIAR, byzantine, "wild-clock")?;
    let mut tries = 0;
    while network.wait_leader(WITHIN)? != LIAR {
        hold(tries < LEADERS_MAX, || format!("{liar} is elected within {LEADERS_MAX} elections"))?;
        tries += 1;
        let leader = network.wait_leader(WITHIN)?;
        network.kill(leader)?;
        // Those who live still name the dead one for a while; the liar answers nobody, so two voices must do.
        let dead = network.nodes()[leader].node.clone();
        wait_until("the others elect someone", WITHIN, || {
            let named: Vec<String> = network.statuses().into_iter().map(|status| status.leader).collect();
            if named.iter().all(|name| !name.is_empty() && *name != dead) { Ok(()) } else { Err(format!("{named:?}")) }
        })?;
        network.restart(leader)?;
    }
    say(&format!("{liar} leads, its clock an hour ahead"));
    let account = operations_account(&network.nodes()[0].organisation);
    let document = network.layout().root().join("late.json");
    fs::write(&document, document_of(0)).map_err(TestnetError::file(&document))?;
    let submit = ["submit", "--create", COLLECTION, "XX0", "--json", text(&document), "--timeout", "3s"];
    let answer = network.cli(&account, &submit)?;
    hold(answer.code != Some(0), || "nothing that it proposes is certified".to_owned())?;
    let refusal = (0..LIAR).find_map(|n| {
        let log = network.log_tail(n);
        log.lines().find(|line| line.contains("ahead of this node's clock")).map(str::to_owned)
    });
    let refusal = refusal.ok_or_else(|| TestnetError::Broken("an honest node says why it refuses".to_owned()))?;
    println!("{refusal}");
    say("the refusal is in the log of the others; the liar is stopped, and they go on");
    network.kill(LIAR)?;
    write(network, 1, 2)
}

/// A node comes back from a backup that was made while it stood: it must never sign with that key again.
fn restore_backup(network: &mut Network, work: &WorkFolder) -> Result<(), TestnetError> {
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

fn copy_folder(from: &Path, to: &PathBuf) -> Result<(), TestnetError> {
    let mut copy = Command::new("cp");
    let copied = copy.arg("-a").arg(from).arg(to).status().map_err(TestnetError::file(to))?;
    hold(copied.success(), || format!("{} is copied", from.display()))
}

fn document_of(n: usize) -> String {
    let line = flights::load(Some(n + 1)).map(|flights| flights[n].line.clone());
    line.unwrap_or_else(|_| "{}".to_owned())
}

/// Writes a few documents, each certified, through the first node.
fn write(network: &Network, from: usize, count: usize) -> Result<(), TestnetError> {
    let account = operations_account(&network.nodes()[0].organisation);
    for n in from..from + count {
        let file = network.layout().root().join("document.json");
        fs::write(&file, document_of(n)).map_err(TestnetError::file(&file))?;
        let id = format!("XX{n}");
        let submit = ["submit", "--create", COLLECTION, &id, "--json", text(&file), "--timeout", "60s"];
        network.cli(&account, &submit)?.ok()?;
    }
    Ok(())
}
