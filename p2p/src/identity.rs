//! Turns a node's seed into the key that TLS uses.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::SigningKey;

use crate::P2pError;

/// PKCS#8 version 1 around a 32-byte Ed25519 seed (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// SubjectPublicKeyInfo around a 32-byte Ed25519 public key (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Who this node is to its peers.
#[derive(Clone)]
pub struct Identity {
    /// `<organisation>/<node>`, at most [`crate::NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// The hash of the network's genesis; frames of any other are refused.
    pub genesis: [u8; 32],
    /// The Ed25519 seed of the TLS key; never printed.
    pub tls_seed: [u8; 32],
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The public key of an Ed25519 seed, as a [`crate::Peer`] carries it.
pub fn tls_key_of(tls_seed: &[u8; 32]) -> [u8; 32] {
    let key = signing_key(tls_seed).expect("ring accepts every seed of 32 bytes");
    let spki = key.public_key().expect("an Ed25519 key of ring has its public half");
    key_of_spki(&spki).expect("ring encodes Ed25519 as RFC 8410 says")
}

/// The key that signs handshakes.
pub(crate) fn signing_key(tls_seed: &[u8; 32]) -> Result<Arc<dyn SigningKey>, P2pError> {
    let der = [PKCS8_PREFIX.as_slice(), tls_seed].concat();
    Ok(any_eddsa_type(&PrivatePkcs8KeyDer::from(der))?)
}

/// The raw key in a SubjectPublicKeyInfo; `None` for anything but exactly one Ed25519 key.
pub(crate) fn key_of_spki(spki: &[u8]) -> Option<[u8; 32]> {
    spki.strip_prefix(SPKI_PREFIX.as_slice())?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_public_key_of_rfc_8032() {
        // RFC 8032, section 7.1, test 1.
        let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        assert_eq!(tls_key_of(&seed), hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
    }

    #[test]
    fn a_printed_identity_has_no_seed() {
        let identity = Identity { name: "a/1".into(), genesis: [1; 32], tls_seed: [0xee; 32] };
        let printed = format!("{identity:?}");
        assert!(!printed.contains("238") && !printed.contains("seed"), "{printed}");
    }

    fn hex(text: &str) -> [u8; 32] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex"))
    }
}
