//! Sign for callers who cannot: the organisation's gateway account, with the caller recorded.

use countersign_proof::{Body, Hash, KeyPair, Operation, Signer};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Such a transaction without an `Idempotency-Key` is executed within this time or never.
const EXPIRY_MS: u64 = 60_000;

/// The account that signs for callers, and the secret that turns their keys into nonces.
pub struct GatewayAccount {
    account: String,
    key: KeyPair,
    secret: [u8; 32],
}

/// A transaction that is ready to be handed on.
pub(crate) struct Signed {
    pub(crate) id: Hash,
    pub(crate) bytes: Vec<u8>,
}

/// Where a transaction's nonce comes from.
#[derive(Clone, Copy)]
pub(crate) enum Intent<'a> {
    /// From the caller's `Idempotency-Key`: the same request is the same transaction for ever.
    Key(&'a str),
    /// From chance: 16 bytes. The request is another each time it is sent.
    Once([u8; 16]),
}

impl GatewayAccount {
    /// `secret` is 32 random bytes that only this organisation's gateways share: from another secret the same
    /// `Idempotency-Key` makes another transaction.
    pub fn new(account: String, key: KeyPair, secret: [u8; 32]) -> GatewayAccount {
        GatewayAccount { account, key, secret }
    }

    /// The first 16 bytes of HMAC-SHA-256 under the secret over caller and key, zero bytes between.
    pub(crate) fn nonce(&self, caller: &str, intent: Intent<'_>) -> [u8; 16] {
        let key = match intent {
            Intent::Once(nonce) => return nonce,
            Intent::Key(key) => key,
        };
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        mac.update(caller.as_bytes());
        mac.update(b"\0");
        mac.update(key.as_bytes());
        let tag = mac.finalize().into_bytes();
        *tag.first_chunk().expect("32 bytes hold 16")
    }

    /// Signs these operations for `caller`. With a key the bytes are a function of caller, key and request alone.
    pub(crate) fn sign(
        &self,
        genesis: &Hash,
        caller: &str,
        intent: Intent<'_>,
        operations: Vec<Operation>,
        now_ms: u64,
    ) -> Signed {
        let public_key = self.key.public().as_bytes().to_vec();
        let body = Body {
            genesis: genesis.0.to_vec(),
            nonce: self.nonce(caller, intent).to_vec(),
            expires_ms: match intent {
                Intent::Key(_) => 0,
                Intent::Once(_) => now_ms + EXPIRY_MS,
            },
            caller: caller.to_owned(),
            operations,
            signers: vec![Signer { account: self.account.clone(), public_key }],
        };
        Signed { id: body.transaction_id(), bytes: body.sign(&[&self.key]) }
    }
}

/// 16 random bytes of the operating system.
pub(crate) fn chance() -> [u8; 16] {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).expect("the operating system has randomness");
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proof::operation::Change;

    #[test]
    fn one_caller_one_key_one_request_make_one_transaction() {
        let gateway = GatewayAccount::new("ua.example/gateway".into(), KeyPair::from_seed(&[1; 32]), [2; 32]);
        let operation = |value: &[u8]| Operation {
            collection: "flights".into(),
            id: "1".into(),
            change: Some(Change::Create(value.to_vec())),
            precondition: None,
        };
        let sign = |caller: &str, key: &str, value: &[u8], now| {
            gateway.sign(&Hash([0; 32]), caller, Intent::Key(key), vec![operation(value)], now)
        };
        let first = sign("ua.example/app", "k1", b"{}", 1);
        assert_eq!(first.bytes, sign("ua.example/app", "k1", b"{}", 99).bytes, "no clock");
        assert_eq!(first.id, sign("ua.example/app", "k1", b"[]", 1).id, "another request under the key: the same id");
        assert_ne!(first.bytes, sign("ua.example/app", "k1", b"[]", 1).bytes);
        assert_ne!(first.id, sign("ua.example/other", "k1", b"{}", 1).id);
        assert_ne!(first.id, sign("ua.example/app", "k2", b"{}", 1).id);
        assert_ne!(chance(), chance());
    }
}
