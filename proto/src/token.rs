//! Make and check the bearer tokens of the API: JWTs that an account signs itself, EdDSA and nothing else.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use countersign_proof::{KeyPair, PublicKey};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest life of a token, in seconds.
pub const TOKEN_SECONDS_MAX: u64 = 3600;
/// How far the caller's clock may be ahead, in seconds.
const CLOCK_SECONDS_AHEAD_MAX: u64 = 60;
const TOKEN_BYTES_MAX: usize = 2048;

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not a JWT of this form.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// For another ledger.
    #[error("the token is for the audience {found:?}, this ledger is {expected:?}")]
    Audience {
        /// The ledger's origin.
        expected: String,
        /// The token's `aud`.
        found: String,
    },
    /// Too old, from the future, or living too long.
    #[error("the token is not valid at this time: {0}")]
    Time(&'static str),
    /// The signature does not hold.
    #[error("the token's signature is false")]
    Signature,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The ledger's origin.
    pub aud: String,
    /// When it ends, seconds since 1970.
    pub exp: u64,
    /// When it was made, seconds since 1970.
    pub iat: u64,
    /// The account.
    pub sub: String,
}

/// A token whose signature holds under the key it names. Whether that key is the account's is for the ledger to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it says.
    pub claims: Claims,
    /// The key that signed it (`kid`).
    pub key: PublicKey,
}

impl Claims {
    /// Signs the token.
    pub fn sign(&self, key: &KeyPair) -> String {
        let header = Header { alg: "EdDSA".into(), kid: key.public().to_string(), typ: "JWT".into() };
        let part = |json: Vec<u8>| BASE64_URL_SAFE_NO_PAD.encode(json);
        let header = part(serde_json::to_vec(&header).expect("plain data"));
        let claims = part(serde_json::to_vec(self).expect("plain data"));
        let signed = format!("{header}.{claims}");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

impl Token {
    /// Reads a token for the ledger `origin` at `now`, seconds since 1970.
    pub fn parse(token: &str, origin: &str, now: u64) -> Result<Token, TokenError> {
        let malformed = TokenError::Malformed;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(malformed("longer than 2048 bytes"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed("not three parts"))?;
        let (header, claims) = signed.split_once('.').ok_or(malformed("not three parts"))?;
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("not base64url"));
        let header: Header =
            serde_json::from_slice(&decode(header)?).map_err(|_| malformed("the header needs alg, kid and typ"))?;
        if header.alg != "EdDSA" || header.typ != "JWT" {
            return Err(malformed("alg must be EdDSA and typ JWT"));
        }
        let key = PublicKey::parse(&header.kid).map_err(|_| malformed("kid is no ed25519 key"))?;
        let signature = decode(signature)?.try_into().map_err(|_| malformed("a signature has 64 bytes"))?;
        if !key.verify_strict(signed.as_bytes(), &signature) {
            return Err(TokenError::Signature);
        }
        let claims: Claims =
            serde_json::from_slice(&decode(claims)?).map_err(|_| malformed("the claims need aud, exp, iat and sub"))?;
        claims.check(origin, now)?;
        Ok(Token { claims, key })
    }
}

impl Claims {
    fn check(&self, origin: &str, now: u64) -> Result<(), TokenError> {
        if self.aud != origin {
            return Err(TokenError::Audience { expected: origin.to_owned(), found: self.aud.clone() });
        }
        if self.exp <= now {
            return Err(TokenError::Time("it has expired"));
        }
        if self.iat > now + CLOCK_SECONDS_AHEAD_MAX {
            return Err(TokenError::Time("it was made in the future"));
        }
        if self.exp.saturating_sub(self.iat) > TOKEN_SECONDS_MAX {
            return Err(TokenError::Time("it lives longer than 3600 s"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_for_its_ledger_its_time_and_its_key_only() {
        let key = KeyPair::from_seed(&[3; 32]);
        let claims = Claims { aud: "l/1".into(), exp: 1100, iat: 1000, sub: "ua.example/ops".into() };
        let token = claims.sign(&key);
        assert_eq!(Token::parse(&token, "l/1", 1050), Ok(Token { claims: claims.clone(), key: key.public() }));
        assert!(matches!(Token::parse(&token, "l/2", 1050), Err(TokenError::Audience { .. })));
        assert!(matches!(Token::parse(&token, "l/1", 1100), Err(TokenError::Time(_))));
        assert!(matches!(Token::parse(&token, "l/1", 900), Err(TokenError::Time(_))));
        let long = Claims { exp: 9999, ..claims }.sign(&key);
        assert!(matches!(Token::parse(&long, "l/1", 1050), Err(TokenError::Time(_))));
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1;
            let altered = String::from_utf8(bytes).expect("ASCII");
            assert!(Token::parse(&altered, "l/1", 1050).is_err(), "byte {at}");
        }
        for text in ["", ".", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
            assert!(Token::parse(text, "l/1", 1050).is_err());
        }
    }
}
