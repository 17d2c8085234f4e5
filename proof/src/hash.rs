//! Hash bytes, each kind under its own tag.

use crate::ProofError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// A SHA-256 hash; as text 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// SHA-256 of `bytes`, as `sha256sum` prints it.
pub fn plain_hash(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// SHA-256 of the tag `countersign/<what>/v1\n` and the parts, one after the other.
pub fn tagged_hash(what: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(b"countersign/");
    hasher.update(what.as_bytes());
    hasher.update(b"/v1\n");
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// The bytes `countersign/<what>/v1\n` and `rest`: what a signature of kind `what` signs.
pub(crate) fn tagged(what: &str, rest: &[u8]) -> Vec<u8> {
    let mut message = format!("countersign/{what}/v1\n").into_bytes();
    message.extend_from_slice(rest);
    message
}

/// Reads exactly `N` bytes of lower-case hexadecimal.
pub(crate) fn parse_hex<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], ProofError> {
    let wrong = || ProofError::malformed(field, format!("not {} lower-case hexadecimal digits", 2 * N));
    if text.len() != 2 * N || text.bytes().any(|b| !matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(wrong());
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| wrong())?;
    Ok(bytes)
}

impl Hash {
    /// Reads 64 lower-case hexadecimal digits; `field` names them in the error.
    pub fn from_hex(field: &'static str, text: &str) -> Result<Hash, ProofError> {
        Ok(Hash(parse_hex(field, text)?))
    }

    /// Reads exactly 32 bytes.
    pub fn from_slice(field: &'static str, bytes: &[u8]) -> Result<Hash, ProofError> {
        let wrong = |_| ProofError::malformed(field, format!("{} bytes where 32 are needed", bytes.len()));
        Ok(Hash(bytes.try_into().map_err(wrong)?))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 64];
        hex::encode_to_slice(self.0, &mut digits).expect("two digits a byte");
        serializer.serialize_str(std::str::from_utf8(&digits).expect("digits"))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::from_hex("hash", &text).map_err(serde::de::Error::custom)
    }
}
