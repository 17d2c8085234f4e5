//! Show what the network does not take: a document that breaks its schema, a signature that was altered.

use super::{COLLECTION, Flight, WorkFolder, say};
use crate::answer::{Answer, code};
use crate::error::hold;
use crate::layout::text;
use crate::{Network, TestnetError, operations_account};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

const REJECTED_ID: &str = "UA-breaks-its-schema";
/// Where no node listens: the discard port.
const NOBODY: &str = "https://127.0.0.1:9";
const REFUSED_ID: &str = "UA-altered-signature";

/// Neither leaves a document; the comparison of all rows at the end would find one.
pub(super) fn show(network: &Network, like: &Flight, work: &WorkFolder) -> Result<(), TestnetError> {
    show_rejected(network, like, work)?;
    show_refused(network, like, work)
}

fn show_rejected(network: &Network, like: &Flight, work: &WorkFolder) -> Result<(), TestnetError> {
    let mut flight = like.value.clone();
    flight["flightNumber"] = json!(0);
    flight["origin"] = json!("Newark");
    let file = write(work, "rejected.json", flight.to_string().as_bytes())?;
    let answer = create(network, REJECTED_ID, &file, &[])?.expect_code(code::REJECTED)?;
    for pointer in ["/flightNumber", "/origin"] {
        hold(answer.output().contains(pointer), || format!("the rejection names {pointer}: {}", answer.output()))?;
    }
    say(&format!("rejected, as it must be: {}", one_line(&answer)));
    Ok(())
}

fn show_refused(network: &Network, like: &Flight, work: &WorkFolder) -> Result<(), TestnetError> {
    let file = write(work, "refused.json", like.line.as_bytes())?;
    let signed = work.file("signed.transaction");
    // To nobody: `--save` keeps the signed bytes before they are sent, and these must never arrive unaltered.
    let nobody = ["--save", text(&signed), "--node", NOBODY, "--timeout", "1s"];
    create(network, REFUSED_ID, &file, &nobody)?.expect_code(code::UNAVAILABLE)?;
    let mut bytes = fs::read(&signed).map_err(TestnetError::file(&signed))?;
    // A transaction ends with the last byte of its last signature.
    *bytes.last_mut().ok_or_else(|| TestnetError::Broken("a signed transaction has bytes".to_owned()))? ^= 1;
    let altered = write(work, "altered.transaction", &bytes)?;
    let answer = network.cli(&submitter(), &["submit", "--file", text(&altered)])?;
    hold(answer.code == Some(code::REFUSED) && answer.output().to_lowercase().contains("signature"), || {
        format!("an altered signature is refused as such: code {:?}, {}", answer.code, answer.output())
    })?;
    say(&format!("refused, as it must be: {}", one_line(&answer)));
    Ok(())
}

fn create(network: &Network, id: &str, file: &Path, more: &[&str]) -> Result<Answer, TestnetError> {
    let arguments = ["submit", "--create", COLLECTION, id, "--json", text(file)];
    network.cli(&submitter(), &[&arguments[..], more].concat())
}

fn submitter() -> String {
    operations_account("ua.example")
}

fn write(work: &WorkFolder, name: &str, bytes: &[u8]) -> Result<PathBuf, TestnetError> {
    let file = work.file(name);
    fs::write(&file, bytes).map_err(TestnetError::file(&file))?;
    Ok(file)
}

fn one_line(answer: &Answer) -> String {
    answer.output().split_whitespace().collect::<Vec<_>>().join(" ")
}
