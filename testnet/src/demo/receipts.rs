//! Take receipts away from the network and check them where nothing of it is in reach.

use super::{Flight, WorkFolder, say};
use crate::answer::{Answer, code};
use crate::error::hold;
use crate::layout::text;
use crate::run_within::run_within;
use crate::{Client, Network, RowResult, TestnetError, operations_account};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const VERIFY_WITHIN: Duration = Duration::from_secs(30);
const GENESIS: &str = "genesis.json";
const RECEIPT: &str = "receipt";

/// What was verified, and where.
#[derive(Debug, Clone)]
pub(super) struct VerifiedReceipts {
    pub count: usize,
    /// False when this machine does not permit a namespace without network.
    pub without_network: bool,
}

/// Verifies the receipt of each row; the first also offline, as it is and with one byte altered.
pub(super) fn show(
    network: &Network,
    rows: &[(&Flight, &RowResult)],
    work: &WorkFolder,
) -> Result<VerifiedReceipts, TestnetError> {
    let receipts = rows.iter().map(|(flight, result)| fetch(network, flight, result, work));
    let receipts = receipts.collect::<Result<Vec<PathBuf>, _>>()?;
    let verifier = Client::offline(network.binary());
    let genesis = network.layout().genesis();
    for receipt in &receipts {
        verifier.run(&["verify", "receipt", "--no-memory", "--genesis", text(&genesis), text(receipt)])?.ok()?;
    }
    say(&format!("{} receipts verified", receipts.len()));
    let without_network = may_cut_network();
    if !without_network {
        say("ATTENTION: `unshare -rn` is not permitted here; the receipt is verified WITHOUT cutting the network off");
    }
    show_offline(network, &receipts[0], work, without_network)?;
    Ok(VerifiedReceipts { count: receipts.len(), without_network })
}

fn fetch(network: &Network, flight: &Flight, row: &RowResult, work: &WorkFolder) -> Result<PathBuf, TestnetError> {
    let out = work.file(&format!("{}.receipt", flight.id));
    let account = operations_account(flight.organisation());
    let transaction =
        row.transaction.as_deref().ok_or_else(|| TestnetError::Broken(format!("{} has a transaction", row.id)))?;
    let arguments = ["receipt", "get", "--transaction", transaction, "--out", text(&out), "--wait", "10s"];
    network.cli(&account, &arguments)?.ok()?;
    Ok(out)
}

fn show_offline(network: &Network, receipt: &Path, work: &WorkFolder, cut: bool) -> Result<(), TestnetError> {
    let folder = work.file("offline");
    fs::create_dir(&folder).map_err(TestnetError::file(&folder))?;
    let here = folder.join(RECEIPT);
    copy(&network.layout().genesis(), &folder.join(GENESIS))?;
    copy(receipt, &here)?;
    verify_in(network.binary(), &folder, cut)?.ok()?;
    say("verified in a folder that holds genesis.json and the receipt, nothing else");
    let bytes = fs::read(&here).map_err(TestnetError::file(&here))?;
    let altered = alter(&bytes).ok_or_else(|| TestnetError::Broken("a receipt has a line `extra`".to_owned()))?;
    hold(differences(&bytes, &altered) == 1, || "exactly one byte is altered".to_owned())?;
    fs::write(&here, altered).map_err(TestnetError::file(&here))?;
    let refusal = verify_in(network.binary(), &folder, cut)?.expect_code(code::VERIFICATION_FAILED)?;
    say(&format!("with one byte altered: {}", refusal.output().trim_end()));
    Ok(())
}

/// `countersign verify receipt` in `folder`, with no variables set and, if it can be, with no network.
fn verify_in(binary: &Path, folder: &Path, cut: bool) -> Result<Answer, TestnetError> {
    let verify = [text(binary), "verify", "receipt", "--no-memory", "--genesis", GENESIS, RECEIPT];
    let words: Vec<&str> = if cut { [&["unshare", "-rn"], &verify[..]].concat() } else { verify.to_vec() };
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let ended = run_within(&mut command, VERIFY_WITHIN).map_err(TestnetError::file(binary))?;
    let code = ended.status.and_then(|status| status.code());
    Ok(Answer { command: words.join(" "), code, stdout: ended.stdout, stderr: ended.stderr })
}

pub(super) fn may_cut_network() -> bool {
    let tried = run_within(Command::new("unshare").args(["-rn", "true"]), VERIFY_WITHIN);
    tried.is_ok_and(|ended| ended.status.is_some_and(|status| status.success()))
}

/// Alters one character in the leaf, in the middle of the line `extra`, so that it stays base64.
fn alter(receipt: &[u8]) -> Option<Vec<u8>> {
    const LINE: &[u8] = b"\nextra ";
    let begin = receipt.windows(LINE.len()).position(|window| window == LINE)? + LINE.len();
    let length = receipt[begin..].iter().position(|byte| *byte == b'\n')?;
    let mut altered = receipt.to_vec();
    let byte = altered.get_mut(begin + length / 2)?;
    *byte = if *byte == b'A' { b'B' } else { b'A' };
    Some(altered)
}

fn differences(one: &[u8], other: &[u8]) -> usize {
    one.len().abs_diff(other.len()) + one.iter().zip(other).filter(|(a, b)| a != b).count()
}

fn copy(from: &Path, to: &Path) -> Result<(), TestnetError> {
    fs::copy(from, to).map(drop).map_err(TestnetError::file(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_of_the_leaf_is_altered() {
        let receipt = b"c2sp.org/tlog-proof@v1\nextra eyJhIjoxfQ==\nindex 4\n";
        let altered = alter(receipt).expect("there is a leaf");
        assert_eq!(differences(receipt, &altered), 1);
        assert_eq!(altered, b"c2sp.org/tlog-proof@v1\nextra eyJhIjAxfQ==\nindex 4\n");
        assert_eq!(alter(b"no leaf"), None);
    }
}
