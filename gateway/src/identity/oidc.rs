//! Take tokens of OIDC issuers: signed under a key of the issuer's JWKS, for this node's audience, of a name that has an
//! account.

use crate::problem::Problem;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Issuers of one node.
pub const ISSUERS_MAX: usize = 16;
/// Bytes of a token: issuers put groups and names into theirs.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// How far the issuer's clock may be from ours, in seconds.
const CLOCK_SECONDS_MAX: u64 = 60;
/// What an issuer may sign with: nothing that verifies with a secret.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// An issuer whose tokens this node takes, for accounts of its own organisation.
pub struct Issuer {
    /// Its name, as tokens say it (`iss`).
    pub issuer: String,
    /// What its tokens for this node are for (`aud`).
    pub audience: String,
    /// The claim whose value names the caller.
    pub claim: String,
    /// Accounts by that value.
    pub accounts: BTreeMap<String, String>,
    /// Its keys.
    pub keys: IssuerKeys,
}

/// The keys of an issuer, which somebody else fetches.
pub struct IssuerKeys {
    /// The newest; none as long as it has not been reached.
    pub newest: watch::Receiver<Option<Arc<JwkSet>>>,
    /// Asks for them again: a token names a key that is not among them.
    pub again: mpsc::Sender<()>,
}

/// The issuer that a text names, when it is a token of one. Nothing of it is believed yet.
pub(super) fn issuer_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        iss: String,
    }
    if text.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let claims = text.split('.').nth(1)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    serde_json::from_slice::<Named>(&bytes).ok().map(|named| named.iss)
}

impl Issuer {
    /// The account of a token at `now`, seconds since 1970, and how long the token holds, in milliseconds.
    pub(super) fn account(&self, text: &str, now: u64) -> Result<(String, u64), Problem> {
        let refused = |reason: String| Problem::new("UNAUTHENTICATED", format!("token of {}: {reason}", self.issuer));
        let header = decode_header(text).map_err(|e| refused(e.to_string()))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(refused(format!("{:?} is no algorithm that is taken", header.alg)));
        }
        // Of what a token says of itself this has to be understood, or the token is another thing (RFC 7515, 4.1.11; RFC 8725, 3.11).
        let kind = header.typ.as_deref().unwrap_or("JWT");
        if header.crit.is_some() || !["JWT", "at+jwt"].iter().any(|known| known.eq_ignore_ascii_case(kind)) {
            return Err(refused(format!("it is a {kind:?}, or demands what is not known here")));
        }
        let keys = self.keys.newest.borrow().clone();
        let keys = keys.ok_or_else(|| {
            refused("its issuer's keys could not be fetched yet".into()).retry(Duration::from_secs(1))
        })?;
        let Some(key) = key_of(&keys, header.kid.as_deref(), header.alg) else {
            // Issuers change their keys; whoever fetches bounds how often.
            let _asked_already = self.keys.again.try_send(());
            return Err(refused("its key is not among the issuer's".into()).retry(Duration::from_secs(1)));
        };
        let key = DecodingKey::from_jwk(key).map_err(|e| refused(format!("the issuer's key: {e}")))?;
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        // Its times are compared with this node's clock below.
        validation.validate_exp = false;
        let claims = decode::<Map<String, Value>>(text, &key, &validation).map_err(|e| refused(e.to_string()))?.claims;
        let time = |name: &str| claims.get(name).and_then(Value::as_f64);
        let until = time("exp").ok_or_else(|| refused("exp is no number".into()))?;
        if until + (CLOCK_SECONDS_MAX as f64) < now as f64 {
            return Err(refused("it has expired".into()));
        }
        if time("nbf").is_some_and(|from| from > (now + CLOCK_SECONDS_MAX) as f64) {
            return Err(refused("it is not valid yet".into()));
        }
        let named = claims.get(&self.claim).and_then(Value::as_str);
        let named = named.ok_or_else(|| refused(format!("it has no text as {:?}", self.claim)))?;
        let account = self.accounts.get(named);
        let account = account.ok_or_else(|| {
            Problem::new("PERMISSION_DENIED", format!("node.toml gives {named:?} of {} no account", self.issuer))
        })?;
        let until_ms = (until.max(0.0) as u64).saturating_add(CLOCK_SECONDS_MAX).saturating_mul(1000);
        Ok((account.clone(), until_ms))
    }
}

/// The key of this id that verifies by this algorithm; of a token without an id the only such key there is.
fn key_of<'a>(keys: &'a JwkSet, id: Option<&str>, algorithm: Algorithm) -> Option<&'a Jwk> {
    let named = |key: &&Jwk| id.is_none() || key.common.key_id.as_deref() == id;
    let mut signing = keys.keys.iter().filter(|key| verifies(key, algorithm)).filter(named);
    let first = signing.next()?;
    if id.is_none() && signing.next().is_some() { None } else { Some(first) }
}

/// Whether a key is meant for this, by its form and by what it says of its use.
fn verifies(key: &Jwk, algorithm: Algorithm) -> bool {
    use Algorithm::{ES256, ES384, EdDSA};
    let common = &key.common;
    let form = match &key.algorithm {
        AlgorithmParameters::RSA(_) => !matches!(algorithm, ES256 | ES384 | EdDSA),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => algorithm == ES256,
            EllipticCurve::P384 => algorithm == ES384,
            _ => false,
        },
        // 32 bytes: the library takes the length for granted.
        AlgorithmParameters::OctetKeyPair(key) => {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(&key.x).unwrap_or_default();
            algorithm == EdDSA && key.curve == EllipticCurve::Ed25519 && bytes.len() == 32
        }
        _ => false,
    };
    let operations = common.key_operations.as_ref();
    form && matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
        && operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify))
        && common.key_algorithm.is_none_or(|of| Algorithm::try_from(of).is_ok_and(|of| of == algorithm))
}
