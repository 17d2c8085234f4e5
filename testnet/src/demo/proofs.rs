//! Change who is a member, then check proofs in an empty folder without a network, with two verifiers.

use super::receipts::may_cut_network;
use super::{COLLECTION, Flight, WorkFolder, say};
use crate::answer::{Answer, code};
use crate::error::hold;
use crate::layout::text;
use crate::repository::repository;
use crate::run_within::run_within;
use crate::{Network, RowResult, TestnetError, operations_account};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const VERIFY_WITHIN: Duration = Duration::from_secs(60);
const AGREE_WITHIN: Duration = Duration::from_secs(60);
const JOINS: &str = "sw.example";
const LEAVES: &str = "port.example";
const NOBODYS_FLIGHT: &str = "XX0000";

/// What was verified, and by whom.
#[derive(Debug, Clone)]
pub(super) struct VerifiedProofs {
    pub files: usize,
    pub epochs: u64,
    pub audited: String,
    /// The JavaScript verifier ran too; it needs Node.js.
    pub second_verifier: bool,
}

/// One joins, one leaves; then a receipt, a state, an absence, a history and the trust bundle are verified from the
/// genesis hash alone, and the whole ledger is audited.
pub(super) fn show(
    network: &mut Network,
    row: (&Flight, &RowResult),
    work: &WorkFolder,
) -> Result<VerifiedProofs, TestnetError> {
    say(&format!("{JOINS} joins: admitted by a quorum, caught up, activated"));
    network.join(JOINS)?;
    network.wait_agreement(AGREE_WITHIN)?;
    say(&format!("{LEAVES} leaves"));
    network.leave(LEAVES)?;
    network.wait_agreement(AGREE_WITHIN)?;
    let epochs = network.status(0)?.epoch + 1;
    hold(epochs == 3, || format!("{epochs} epochs after two changes of membership"))?;
    let files = fetch(network, row, work)?;
    let second_verifier = may_run_node();
    if !second_verifier {
        say(
            "ATTENTION: there is no Node.js here; the JavaScript verifier does NOT check what countersign-verify checks",
        );
    }
    let cut = may_cut_network();
    let hash = network.genesis_hash().to_owned();
    for proof in &files {
        check(network, proof, &hash, work, cut, second_verifier)?;
    }
    say(&format!("{} proofs over {epochs} epochs verified in empty folders, each altered one refused", files.len()));
    let account = operations_account(&network.nodes()[0].organisation);
    let audit = network.cli(&account, &["audit", "--level", "full"])?.ok()?;
    let audited = audit.stdout.lines().next().unwrap_or_default().to_owned();
    say(&audited);
    Ok(VerifiedProofs { files: files.len(), epochs, audited, second_verifier })
}

/// A proof file and what the verifiers are told about it.
struct Proof {
    file: PathBuf,
    verb: &'static str,
    document: Option<String>,
}

fn fetch(
    network: &Network,
    (flight, row): (&Flight, &RowResult),
    work: &WorkFolder,
) -> Result<Vec<Proof>, TestnetError> {
    let account = operations_account(&network.nodes()[0].organisation);
    let place = |name: &str| work.file(&format!("{name}.exhibit"));
    let get = |arguments: &[&str]| network.cli(&account, arguments)?.ok().map(drop);
    let transaction =
        row.transaction.as_deref().ok_or_else(|| TestnetError::Broken("a row has no transaction".into()))?;
    let (receipt, state, absence) = (place("receipt"), place("state"), place("absence"));
    let (history, trust) = (place("history"), place("trust"));
    // Under the newest checkpoint, so that the proof needs the bundle's every change.
    let newest = network.status(0)?.tree_size.to_string();
    get(&[
        "receipt",
        "get",
        "--transaction",
        transaction,
        "--checkpoint-size",
        &newest,
        "--exhibit",
        "--out",
        text(&receipt),
    ])?;
    get(&["get", COLLECTION, &flight.id, "--proof", text(&state), "--exhibit"])?;
    // The command ends with "not found", as it must; the proof of it is kept.
    let absent = ["get", COLLECTION, NOBODYS_FLIGHT, "--proof", text(&absence), "--exhibit"];
    network.cli(&account, &absent)?.expect_code(code::OTHER)?;
    get(&["history", COLLECTION, &flight.id, "--proof", text(&history), "--exhibit"])?;
    get(&["trust", "get", "--out", text(&trust)])?;
    let proof = |file, verb, document: Option<&str>| Proof { file, verb, document: document.map(str::to_owned) };
    Ok(vec![
        proof(receipt, "receipt", None),
        proof(state, "state", Some(&flight.id)),
        proof(absence, "state", Some(NOBODYS_FLIGHT)),
        proof(history, "history", Some(&flight.id)),
        proof(trust, "trust", None),
    ])
}

/// Both verifiers must say yes to the file, and no to it with one byte altered.
fn check(
    network: &Network,
    proof: &Proof,
    hash: &str,
    work: &WorkFolder,
    cut: bool,
    second_verifier: bool,
) -> Result<(), TestnetError> {
    let name = proof.file.file_name().expect("a file").to_string_lossy().into_owned();
    let folder = work.file(&format!("empty-for-{name}"));
    fs::create_dir(&folder).map_err(TestnetError::file(&folder))?;
    let bytes = fs::read(&proof.file).map_err(TestnetError::file(&proof.file))?;
    let mut altered = bytes.clone();
    let at = within_a_hash_or_signature(&bytes)
        .ok_or_else(|| TestnetError::Broken(format!("{name} has no hash and no signature to alter")))?;
    altered[at] ^= 1;
    let mut words = vec![proof.verb.to_owned(), name.clone(), "--genesis-hash".to_owned(), hash.to_owned()];
    if let Some(id) = &proof.document {
        words.extend(["--collection".to_owned(), COLLECTION.to_owned(), "--id".to_owned(), id.clone()]);
    }
    let rust = network.binary().with_file_name("countersign-verify");
    let script = repository().join("proof/js/cli.js");
    let verifiers = [vec![text(&rust).to_owned()], vec!["node".to_owned(), text(&script).to_owned()]];
    for (verifier, no_memory) in verifiers.iter().zip([true, false]).take(if second_verifier { 2 } else { 1 }) {
        let mut command = [&verifier[..], &words[..]].concat();
        if no_memory {
            command.push("--no-memory".to_owned());
        }
        let file = folder.join(&name);
        fs::write(&file, &bytes).map_err(TestnetError::file(&file))?;
        run_in(&folder, &command, cut)?.ok()?;
        fs::write(&file, &altered).map_err(TestnetError::file(&file))?;
        run_in(&folder, &command, cut)?.expect_code(code::VERIFICATION_FAILED)?;
    }
    Ok(())
}

/// The place nearest behind the middle that no verifier may pass over. In a signature's line the name and the key's id are no
/// such place: a line of a key that nobody knows is left out, and a quorum may be there without it.
fn within_a_hash_or_signature(file: &[u8]) -> Option<usize> {
    const BESIDE: usize = 20;
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let (middle, mut begins) = (file.len() / 2, 0);
    (0..file.len()).find_map(|at| {
        if !is_digit(&file[at]) {
            begins = at + 1;
        }
        (at >= begins + 2 * BESIDE && at - BESIDE >= middle).then(|| at - BESIDE)
    })
}

/// Runs in `folder` with no variables set and, if it can be, with no network.
fn run_in(folder: &Path, command: &[String], cut: bool) -> Result<Answer, TestnetError> {
    let unshare = ["unshare".to_owned(), "-rn".to_owned()];
    let words = if cut { [&unshare[..], command].concat() } else { command.to_vec() };
    let mut process = Command::new(&words[0]);
    process.args(&words[1..]).current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let ended = run_within(&mut process, VERIFY_WITHIN).map_err(TestnetError::file(folder))?;
    let code = ended.status.and_then(|status| status.code());
    Ok(Answer { command: words.join(" "), code, stdout: ended.stdout, stderr: ended.stderr })
}

fn may_run_node() -> bool {
    let tried = run_within(Command::new("node").arg("--version"), VERIFY_WITHIN);
    tried.is_ok_and(|ended| ended.status.is_some_and(|status| status.success()))
}

#[cfg(test)]
mod tests {
    use super::within_a_hash_or_signature;

    #[test]
    fn what_is_altered_lies_in_a_signature_and_not_in_its_name_or_key_id() {
        let signature =
            "NovKTQAAAABrCtv9NT6h1EzGORpDGx3dKGgwFpLlHPtztRaaRdnifJA2XOXqrcNqZ+lmDdmv0+p0ypa9YJ2JPAa72JIwS6BDPF+nDA==";
        let head = "- ".repeat(65);
        for shift in 0..60 {
            // The middle of the file moves through the name, the key's id and the signature.
            let file = format!("{} \u{2014} dl.example/1 {signature}\n", &head[shift..]);
            let begins = file.find(signature).expect("there");
            let at = within_a_hash_or_signature(file.as_bytes()).expect("a place");
            assert!(at >= file.len() / 2 && at >= begins + 20 && at < begins + signature.len() - 20, "{shift}: {at}");
        }
        assert_eq!(within_a_hash_or_signature(b"dl.example/1 dl.example/1 dl.example/1 dl.example/1"), None);
    }
}
