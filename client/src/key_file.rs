//! Keep a private key in a file that only its owner can read: one line `ed25519-seed:<64 hex>`.

use crate::ClientError;
use countersign_proof::KeyPair;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

const PREFIX: &str = "ed25519-seed:";
/// The line and its line feed.
const FILE_BYTES: usize = PREFIX.len() + 64 + 1;

/// A new key pair from the operating system's randomness.
pub fn generate() -> Result<KeyPair, ClientError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|e| ClientError::invalid("key", format!("the operating system gave no randomness: {e}")))?;
    Ok(KeyPair::from_seed(&seed))
}

/// Writes a new file with mode 0600, durably. A file that is there is never overwritten.
pub fn write(path: &Path, key: &KeyPair) -> Result<(), ClientError> {
    let failed = |e: std::io::Error| wrong(path, format!("cannot be written: {e}"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(format!("{PREFIX}{}\n", hex::encode(key.seed())).as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Reads a key file. One that the group or others may touch is refused.
pub fn read(path: &Path) -> Result<KeyPair, ClientError> {
    let failed = |e: std::io::Error| wrong(path, format!("cannot be read: {e}"));
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(wrong(path, format!("others may read it; run chmod 600 {}", path.display())));
    }
    let mut text = String::new();
    file.take(FILE_BYTES as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    parse(&text)
        .ok_or_else(|| wrong(path, "not one line ed25519-seed:<64 hex>; make one with countersign key new".into()))
}

fn parse(text: &str) -> Option<KeyPair> {
    let digits = text.strip_prefix(PREFIX)?;
    let digits = digits.strip_suffix('\n').unwrap_or(digits);
    let mut seed = [0; 32];
    hex::decode_to_slice(digits, &mut seed).ok()?;
    Some(KeyPair::from_seed(&seed))
}

fn wrong(path: &Path, reason: String) -> ClientError {
    ClientError::KeyFile { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ops.key");
        let key = generate().expect("randomness");
        write(&path, &key).expect("written");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).expect("read").public(), key.public());
        write(&path, &key).expect_err("it is there");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ops.key");
        write(&path, &KeyPair::from_seed(&[1; 32])).expect("written");
        for mode in [0o640, 0o604, 0o660, 0o601] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("chmod");
            let refusal = read(&path).expect_err("too open").to_string();
            assert!(refusal.contains(&format!("chmod 600 {}", path.display())), "{refusal}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bad.key");
        write(&path, &KeyPair::from_seed(&[1; 32])).expect("written");
        let good = std::fs::read_to_string(&path).expect("text");
        for text in ["", "ed25519-seed:\n", &good[..good.len() - 2], &format!("{good}\n"), "ed25519:00\n"] {
            std::fs::write(&path, text).expect("written");
            read(&path).expect_err(text);
        }
    }
}
