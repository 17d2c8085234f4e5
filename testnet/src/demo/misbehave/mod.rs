//! Let one node lie, and show what becomes of it: evidence that names it, or a refusal that says why.

mod copies;
mod leaders;
mod signing;

use super::{COLLECTION, WorkFolder, flights, say};
use crate::error::hold;
use crate::layout::text;
use crate::{Client, Network, Options, TestnetError, operations_account, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(90);
/// port.example: it neither proposes the collection nor approves it.
const LIAR: usize = 3;

/// The lies there are.
pub const MISBEHAVIOURS: [&str; 8] = [
    "equivocate",
    "forge-root",
    "restore-backup",
    "clone",
    "wild-clock",
    "forge-blocks",
    "censor",
    // No lie, but the same binary: it dies where a signature could be forgotten.
    "kill-signing",
];

/// Shows one; an error says which claim did not hold. `byzantine` is a binary with the feature of that name.
pub fn misbehave(name: &str, byzantine: Option<&Path>) -> Result<(), TestnetError> {
    // Where every certificate needs every organisation, each of them answers for each of its signatures.
    let organisations = if name == "kill-signing" { 2 } else { 4 };
    let mut network = Network::start(Options { organisations, ..Options::default() })?;
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
        let needed = || TestnetError::Usage(format!("{name} needs a binary that lies: use testnet/demo --misbehave"));
        byzantine.ok_or_else(needed)
    };
    match name {
        "equivocate" => leaders::equivocate(network, liar()?, &work),
        "wild-clock" => leaders::wild_clock(network, liar()?),
        "censor" => leaders::censor(network, liar()?),
        "forge-root" => signing::forge_root(network, liar()?, &work),
        "kill-signing" => signing::kill_signing(network, liar()?, &work),
        "restore-backup" => copies::restore_backup(network, &work),
        "clone" => copies::clone(network, &work),
        "forge-blocks" => copies::forge_blocks(network, liar()?),
        _ => Err(TestnetError::Usage(format!("{name:?} is none of {}", MISBEHAVIOURS.join(", ")))),
    }
}

/// Every one of these nodes accuses this organisation, and nobody else.
fn wait_accused(network: &Network, nodes: &[usize], organisation: &str) -> Result<(), TestnetError> {
    for n in nodes {
        wait_until("every honest node accuses the liar", WITHIN, || match network.status(*n) {
            Ok(status) if status.accused.iter().any(|name| name == organisation) => Ok(()),
            Ok(status) => Err(format!("{} accuses {:?}", status.node, status.accused)),
            Err(error) => Err(error.to_string()),
        })?;
        let others: Vec<String> =
            network.status(*n)?.accused.into_iter().filter(|name| *name != organisation).collect();
        hold(others.is_empty(), || format!("nobody honest is accused: {others:?}"))?;
    }
    Ok(())
}

/// Fetches the evidence files and lets `countersign-verify` judge each, from the genesis alone.
fn verify_evidence(network: &Network, work: &WorkFolder, organisation: &str) -> Result<(), TestnetError> {
    let folder = work.file("evidence");
    fs::create_dir(&folder).map_err(TestnetError::file(&folder))?;
    let account = operations_account(&network.nodes()[0].organisation);
    let listed = network.cli(&account, &["evidence", "list", "--out", text(&folder)])?.ok()?;
    print!("{}", listed.stdout);
    let mut files = 0;
    for file in fs::read_dir(&folder).map_err(TestnetError::file(&folder))? {
        let file = file.map_err(TestnetError::file(&folder))?.path();
        let verifier = network.binary().with_file_name("countersign-verify");
        let mut command = Command::new(verifier);
        command.args(["evidence", "--no-memory", "--genesis"]).arg(network.layout().genesis()).arg(&file);
        let output = command.output().map_err(TestnetError::file(&file))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let named = output.status.success() && said.contains(organisation);
        hold(named, || format!("{} names {organisation}: {said}", file.display()))?;
        files += 1;
    }
    hold(files > 0, || "there is an evidence file".to_owned())?;
    say(&format!("countersign-verify names {organisation} in each of {files} files"));
    Ok(())
}

/// The first line that node `n` has logged with this text in it.
fn logged(network: &Network, n: usize, what: &str) -> Result<Option<String>, TestnetError> {
    let log = network.layout().log(&network.nodes()[n].organisation);
    let bytes = fs::read(&log).map_err(TestnetError::file(&log))?;
    let said = String::from_utf8_lossy(&bytes);
    Ok(said.lines().find(|line| line.contains(what)).map(str::to_owned))
}

/// The flight of this number; after the last there is comes the first again.
fn document_of(n: usize) -> String {
    let line = flights::load(None).map(|flights| flights[n % flights.len()].line.clone());
    line.unwrap_or_else(|_| "{}".to_owned())
}

/// Writes a few documents, each certified, through the first node.
fn write(network: &Network, from: usize, count: usize) -> Result<(), TestnetError> {
    let account = operations_account(&network.nodes()[0].organisation);
    for n in from..from + count {
        submit(network, &account, n, "60s")?;
    }
    Ok(())
}

/// Creates document `XX<n>` as this account at its own node, certified within so long.
fn submit(network: &Network, account: &str, n: usize, within: &str) -> Result<(), TestnetError> {
    let client = network.client(account, network.node_of(account));
    create(&client, &document_file(network, n)?, n, within).map(drop)
}

/// A file with the document of this number.
fn document_file(network: &Network, n: usize) -> Result<PathBuf, TestnetError> {
    let file = network.layout().root().join(format!("document-{n}.json"));
    fs::write(&file, document_of(n)).map_err(TestnetError::file(&file))?;
    Ok(file)
}

/// Creates document `XX<n>`, certified within so long, and gives its transaction's id.
fn create(client: &Client, file: &Path, n: usize, within: &str) -> Result<String, TestnetError> {
    let id = format!("XX{n}");
    let submit = ["submit", "--create", COLLECTION, &id, "--json", text(file), "--timeout", within];
    let answer = client.run(&submit)?.ok()?;
    let word = answer.stdout.split_whitespace().find(|word| word.len() == 64).map(str::to_owned);
    word.ok_or_else(|| TestnetError::Broken(format!("an answer names its transaction: {}", answer.stdout)))
}
