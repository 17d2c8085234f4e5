//! Take tokens of OIDC issuers and client certificates for whom the operator said they are, and nothing that looks like one.

mod common;

use axum::http::header::AUTHORIZATION;
use axum::http::{Extensions, HeaderMap};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use common::Network;
use countersign_gateway::{Callers, Issuer, IssuerKeys, JwkSet, Presented, Problem, Vouched};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SanType};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::{mpsc, watch};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://login.acme.example";

/// An issuer with a key of each kind, and a node that trusts it.
struct Scene {
    callers: Callers,
    now_ms: Arc<AtomicU64>,
    keys: watch::Sender<Option<Arc<JwkSet>>>,
    asked: mpsc::Receiver<()>,
    p256: KeyPair,
    ed25519: KeyPair,
}

impl Scene {
    fn new() -> Scene {
        let network = Network::found();
        let p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let ed25519 = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let (keys, newest) = watch::channel(Some(Arc::new(key_set(&p256, &ed25519))));
        let (again, asked) = mpsc::channel(1);
        let account = |name: &str, account: &str| (name.to_owned(), account.to_owned());
        let vouched = Vouched {
            api_keys: None,
            issuers: vec![Issuer {
                issuer: ISSUER.into(),
                audience: "countersign".into(),
                claim: "sub".into(),
                accounts: BTreeMap::from([
                    account("alice", "acme.example/ops"),
                    account("mallory", "bolt.example/ops"),
                ]),
                keys: IssuerKeys { newest, again },
            }],
            certificates: BTreeMap::from([
                account("uri:spiffe://acme.example/erp", "acme.example/erp"),
                account("cn:erp", "acme.example/erp"),
                account("dns:ops.acme.example", "acme.example/ops"),
            ]),
        };
        let now_ms = Arc::new(AtomicU64::new(NOW * 1000));
        let clock = now_ms.clone();
        let callers = Callers::new(
            network.reader(),
            network.genesis.origin(),
            "acme.example".into(),
            vouched,
            Arc::new(move || clock.load(Relaxed)),
            None,
        );
        Scene { callers, now_ms, keys, asked, p256, ed25519 }
    }

    fn token(&self, alg: Algorithm, kid: Option<&str>, claims: &Value) -> String {
        let key = match alg {
            Algorithm::ES256 => EncodingKey::from_ec_der(&self.p256.serialize_der()),
            Algorithm::EdDSA => EncodingKey::from_ed_der(&self.ed25519.serialize_der()),
            // As one who confuses algorithms does: the public key is no secret.
            _ => EncodingKey::from_secret(self.p256.public_key_raw()),
        };
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(alg) };
        encode(&header, claims, &key).expect("signed")
    }

    /// Another kind of token than one that lets in.
    fn token_of(&self, kind: &str, claims: &Value) -> String {
        let header = Header { kid: Some("e".into()), typ: Some(kind.into()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &EncodingKey::from_ec_der(&self.p256.serialize_der())).expect("signed")
    }

    fn calls(&self, token: &str) -> Result<String, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().expect("ASCII"));
        self.callers.caller(&headers, &Extensions::new()).map(|caller| caller.account().to_owned())
    }
}

fn key_set(p256: &KeyPair, ed25519: &KeyPair) -> JwkSet {
    let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let point = p256.public_key_raw();
    serde_json::from_value(json!({"keys": [
        {"kty": "EC", "crv": "P-256", "kid": "e", "use": "sig", "x": text(&point[1..33]), "y": text(&point[33..])},
        {"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": text(ed25519.public_key_raw())},
        {"kty": "oct", "kid": "h", "k": text(b"a secret that everybody knows, for it is in the set of keys")},
        {"kty": "EC", "crv": "P-256", "kid": "e2", "key_ops": ["verify"], "x": text(&point[1..33]), "y": text(&point[33..])},
        {"kty": "OKP", "crv": "Ed25519", "kid": "short", "x": text(b"too short")},
        {"kty": "EC", "crv": "P-256", "kid": "other", "alg": "ES384", "x": text(&point[1..33]), "y": text(&point[33..])},
        {"kty": "EC", "crv": "P-256", "kid": "x", "use": "enc", "x": text(&point[1..33]), "y": text(&point[33..])}
    ]}))
    .expect("a JWK Set")
}

fn claims(change: &[(&str, Value)]) -> Value {
    let mut claims = json!({"iss": ISSUER, "aud": "countersign", "sub": "alice", "exp": NOW + 300, "iat": NOW});
    for (name, value) in change {
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(*name)),
            value => claims[*name] = value.clone(),
        }
    }
    claims
}

#[test]
fn a_token_of_an_issuer_stands_for_the_account_that_the_operator_gave_its_name() {
    let scene = Scene::new();
    let good = claims(&[]);
    assert_eq!(scene.calls(&scene.token(Algorithm::ES256, Some("e"), &good)).expect("known"), "acme.example/ops");
    assert_eq!(scene.calls(&scene.token(Algorithm::EdDSA, Some("o"), &good)).expect("known"), "acme.example/ops");
    assert_eq!(scene.calls(&scene.token(Algorithm::EdDSA, None, &good)).expect("the only one"), "acme.example/ops");
    let many = claims(&[("aud", json!(["others", "countersign"])), ("exp", json!(NOW + 9_000))]);
    assert_eq!(scene.calls(&scene.token(Algorithm::ES256, Some("e"), &many)).expect("known"), "acme.example/ops");
}

#[test]
fn what_is_not_quite_such_a_token_is_refused_with_the_reason() {
    let mut scene = Scene::new();
    let es256 = |scene: &Scene, change: &[(&str, Value)]| scene.token(Algorithm::ES256, Some("e"), &claims(change));
    let altered = es256(&scene, &[]).replace(".ey", ".fy");
    let none = {
        let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(json!({"alg": "none", "typ": "JWT"})), part(claims(&[])))
    };
    let cases = [
        (es256(&scene, &[("aud", json!("others"))]), "UNAUTHENTICATED", "InvalidAudience"),
        (es256(&scene, &[("aud", Value::Null)]), "UNAUTHENTICATED", "aud"),
        (es256(&scene, &[("iss", json!("https://evil.example"))]), "UNAUTHENTICATED", "not one of this node's"),
        (es256(&scene, &[("exp", json!(NOW - 61))]), "UNAUTHENTICATED", "expired"),
        (es256(&scene, &[("exp", Value::Null)]), "UNAUTHENTICATED", "exp"),
        (es256(&scene, &[("nbf", json!(NOW + 61))]), "UNAUTHENTICATED", "not valid yet"),
        (es256(&scene, &[("sub", json!(7))]), "UNAUTHENTICATED", "no text as \"sub\""),
        (es256(&scene, &[("sub", json!("bob"))]), "PERMISSION_DENIED", "no account"),
        // The operator's table is checked when it is read; whatever is in it, a node speaks for its own organisation alone.
        (es256(&scene, &[("sub", json!("mallory"))]), "PERMISSION_DENIED", "bolt.example"),
        (altered, "UNAUTHENTICATED", ""),
        (none, "UNAUTHENTICATED", ""),
        (scene.token(Algorithm::HS256, Some("e"), &claims(&[])), "UNAUTHENTICATED", "HS256"),
        (scene.token(Algorithm::HS256, Some("h"), &claims(&[])), "UNAUTHENTICATED", "HS256"),
        (scene.token(Algorithm::ES256, Some("o"), &claims(&[])), "UNAUTHENTICATED", ""),
        (scene.token(Algorithm::ES256, Some("x"), &claims(&[])), "UNAUTHENTICATED", "not among"),
        (scene.token(Algorithm::EdDSA, Some("short"), &claims(&[])), "UNAUTHENTICATED", "not among"),
        (scene.token(Algorithm::ES256, Some("other"), &claims(&[])), "UNAUTHENTICATED", "not among"),
        (scene.token(Algorithm::ES256, None, &claims(&[])), "UNAUTHENTICATED", "not among"),
        (scene.token_of("logout+jwt", &claims(&[])), "UNAUTHENTICATED", "logout+jwt"),
        (format!("{}.", es256(&scene, &[])), "UNAUTHENTICATED", ""),
    ];
    for (token, code, says) in cases {
        let problem = scene.calls(&token).expect_err(says);
        assert_eq!(problem.code(), code, "{says}: {}", problem.detail());
        assert!(problem.detail().contains(says), "{says}: {}", problem.detail());
    }
    assert!(scene.asked.try_recv().is_ok(), "an unknown key asks for the keys again");
    let stranger = scene.calls(&scene.token(Algorithm::ES256, Some("new"), &claims(&[]))).expect_err("unknown key");
    assert!(stranger.retry_after().is_some() && scene.asked.try_recv().is_ok());
    scene.keys.send_replace(None);
    let unreached = scene.calls(&es256(&scene, &[])).expect_err("no keys yet");
    assert!(unreached.detail().contains("could not be fetched") && unreached.retry_after().is_some());
}

#[test]
fn a_caller_who_stays_is_asked_again() {
    let scene = Scene::new();
    let mut headers = HeaderMap::new();
    let token = scene.token(Algorithm::ES256, Some("e"), &claims(&[]));
    headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().expect("ASCII"));
    let caller = scene.callers.caller(&headers, &Extensions::new()).expect("known");
    scene.now_ms.store((NOW + 300 + 60) * 1000, Relaxed);
    scene.callers.check_still(&caller).expect("within what clocks differ");
    scene.now_ms.store((NOW + 300 + 61) * 1000, Relaxed);
    assert_eq!(scene.callers.check_still(&caller).expect_err("expired").code(), "UNAUTHENTICATED");
}

#[test]
fn a_certificate_stands_for_the_account_of_its_name() {
    let scene = Scene::new();
    let calls = |names: Vec<SanType>, common: Option<&str>| {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.subject_alt_names = names;
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = common {
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
        }
        let certificate = params.self_signed(&scene.p256).expect("a certificate");
        let mut extensions = Extensions::new();
        extensions.insert(Arc::new(Presented::read(certificate.der()).expect("it parses")));
        scene.callers.caller(&HeaderMap::new(), &extensions).map(|caller| caller.account().to_owned())
    };
    let uri = |name: &str| SanType::URI(name.try_into().expect("ASCII"));
    let dns = |name: &str| SanType::DnsName(name.try_into().expect("ASCII"));
    let erp = "spiffe://acme.example/erp";
    assert_eq!(calls(vec![dns("erp.acme.example"), uri(erp)], None).expect("known"), "acme.example/erp");
    assert_eq!(calls(vec![], Some("erp")).expect("known"), "acme.example/erp");
    // Where it has alternative names, the common name says nothing (RFC 9525, section 2).
    let other = calls(vec![dns("other.example")], Some("erp")).expect_err("unknown");
    assert!(other.code() == "UNAUTHENTICATED" && other.detail().contains("other.example"), "{}", other.detail());
    let address = SanType::IpAddress("127.0.0.1".parse().expect("an address"));
    calls(vec![address], Some("erp")).expect_err("it has alternative names, of another kind");
    calls(vec![dns(erp)], None).expect_err("a name of another kind");
    let both = calls(vec![uri(erp), dns("ops.acme.example")], None).expect_err("names of two accounts");
    assert!(both.detail().contains("several accounts"), "{}", both.detail());
    assert_eq!(calls(vec![], None).expect_err("nobody").code(), "UNAUTHENTICATED");
    assert!(Presented::read(b"no certificate").is_none());
}
