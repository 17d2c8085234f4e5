//! Hold Ed25519 keys and make signatures with them.

use crate::ProofError;
use crate::hash::parse_hex;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

const PREFIX: &str = "ed25519:";

/// An Ed25519 public key that is a canonical, not weak point; as text `ed25519:<64 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of a key that may be enrolled: a canonical encoding, not of small order.
    pub fn from_bytes(bytes: &[u8]) -> Result<PublicKey, ProofError> {
        let array: [u8; 32] = bytes
            .try_into()
            .map_err(|_| ProofError::malformed("key", format!("{} bytes where 32 are needed", bytes.len())))?;
        enrolled_point(&array)?;
        Ok(PublicKey(array))
    }

    /// Reads `ed25519:<64 hex>`.
    pub fn parse(text: &str) -> Result<PublicKey, ProofError> {
        let digits = text.strip_prefix(PREFIX).ok_or_else(|| ProofError::malformed("key", "unknown algorithm"))?;
        PublicKey::from_bytes(&parse_hex::<32>("key", digits)?)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks a signature singly and strictly (RFC 8032, no small-order parts), so that every other
    /// implementation accepts what we count.
    pub fn verify_strict(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let key = enrolled_point(&self.0).expect("checked when it was made");
        key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

/// Keys remembered by each thread.
const ENROLLABLE_MAX: usize = 4_096;

thread_local! {
    /// Points of keys that were checked before: decompressing one costs more than reading the rest of the transaction it
    /// signed, and a fifth of checking a signature.
    static ENROLLABLE: RefCell<HashMap<[u8; 32], VerifyingKey>> = RefCell::default();
}

/// The point of a key that may be enrolled.
fn enrolled_point(bytes: &[u8; 32]) -> Result<VerifyingKey, ProofError> {
    ENROLLABLE.with_borrow_mut(|keys| {
        if let Some(key) = keys.get(bytes) {
            return Ok(*key);
        }
        let key = check_enrollable(bytes)?;
        if keys.len() >= ENROLLABLE_MAX {
            keys.clear();
        }
        keys.insert(*bytes, key);
        Ok(key)
    })
}

fn check_enrollable(bytes: &[u8; 32]) -> Result<VerifyingKey, ProofError> {
    let key = VerifyingKey::from_bytes(bytes).map_err(|_| ProofError::malformed("key", "not a point of the curve"))?;
    if key.is_weak() {
        return Err(ProofError::malformed("key", "a weak key (small order)"));
    }
    if !is_canonical(bytes) {
        return Err(ProofError::malformed("key", "not in canonical encoding"));
    }
    Ok(key)
}

/// Whether the y coordinate is below p = 2^255 - 19.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let mut y = *bytes;
    y[31] &= 0x7f;
    let all_ones = y[31] == 0x7f && y[1..31].iter().all(|b| *b == 0xff);
    !(all_ones && y[0] >= 0xed)
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        PublicKey::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A private key with its public half. The seed is wiped when it is dropped and never printed.
#[derive(Clone)]
pub struct KeyPair(SigningKey);

impl KeyPair {
    /// The pair of a 32-byte seed (RFC 8032).
    pub fn from_seed(seed: &[u8; 32]) -> KeyPair {
        KeyPair(SigningKey::from_bytes(seed))
    }

    /// The seed, for the file that keeps it.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The deterministic Ed25519 signature over `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_and_foreign_keys_are_refused() {
        let mut identity = [0u8; 32];
        identity[0] = 1;
        assert!(PublicKey::from_bytes(&identity).expect_err("small order").to_string().contains("weak"));
        assert!(PublicKey::parse("ml-dsa-44:00").expect_err("foreign").to_string().contains("unknown algorithm"));
        let pair = KeyPair::from_seed(&[7; 32]);
        assert_eq!(PublicKey::parse(&pair.public().to_string()).expect("round trip"), pair.public());
        assert!(PublicKey::parse(&pair.public().to_string().to_uppercase()).is_err());
    }
}
