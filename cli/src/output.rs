//! Read the files and write the lines that commands share.

use crate::failure::Failure;
use countersign_proof::{Hash, KeyPair, PublicKey, limits::DEFINITION_DEPTH_MAX, parse_json};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

/// The most that is read from a file other than an import: a genesis is at most 4 MiB.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Writes one line to the standard output.
pub fn line(text: impl std::fmt::Display) -> Result<(), Failure> {
    text_out(&format!("{text}\n"))
}

/// Writes text as it is to the standard output.
pub fn text_out(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| match e.kind() {
        ErrorKind::BrokenPipe => Failure::PipeClosed,
        _ => Failure::Other(format!("the output cannot be written: {e}")),
    })
}

/// Writes a file, or the standard output for `-`.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path == Path::new("-") {
        return text_out(&String::from_utf8_lossy(bytes));
    }
    std::fs::write(path, bytes).map_err(|e| Failure::file(path, "written", &e))
}

/// Reads a file, or the standard input for `-`, up to 8 MiB.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |e: std::io::Error| Failure::file(path, "read", &e);
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(path).map_err(failed)?),
    };
    let mut bytes = Vec::new();
    source.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::file(path, "read", &"it is longer than 8 MiB"));
    }
    Ok(bytes)
}

/// Reads a file of I-JSON.
pub fn read_json(path: &Path) -> Result<Value, Failure> {
    parse_json("json", &read_file(path)?, DEFINITION_DEPTH_MAX).map_err(|e| Failure::malformed(path, &e))
}

/// The JSON in bytes that a node gave; null where there is none.
pub fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or(Value::Null)
}

/// Reads `NAME=VALUE`.
pub fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    if name.is_empty() || value.is_empty() {
        return Err("write NAME=VALUE, neither empty".into());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads `500ms`, `10s`, `2m`, `1h` or a number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit_ms = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a time as 500ms, 10s, 2m or 1h".into()),
    };
    let number: u64 = number.parse().map_err(|_| "write a time as 500ms, 10s, 2m or 1h")?;
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(|| "too long".into())
}

/// Reads a public key.
pub fn public_key(text: &str) -> Result<PublicKey, String> {
    PublicKey::parse(text).map_err(|e| format!("{e}; write ed25519:<64 hex>"))
}

/// Reads a hash.
pub fn hash(text: &str) -> Result<Hash, String> {
    Hash::from_hex("hash", text).map_err(|e| e.to_string())
}

/// Reads an account's key file.
pub fn key(path: &Path) -> Result<KeyPair, Failure> {
    Ok(countersign_client::key_file::read(path)?)
}

pub use countersign_proof::cli::utc;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_dates() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_763_892_000), "2025-11-23T10:00:00Z");
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10"), duration("10s"));
        for wrong in ["", "s", "1d", "-1s", "99999999999999999999s", "18446744073709551615h"] {
            duration(wrong).expect_err(wrong);
        }
    }
}
