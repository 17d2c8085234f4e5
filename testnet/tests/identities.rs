//! Let in, over real connections, whom an operator's node.toml vouches for: client certificates, tokens of an OIDC issuer.
//!
//! These tests drive the `countersign` binary: `./check` builds it first.

mod common;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use common::define_readings;
use countersign_proto::v1::GetStatusRequest;
use countersign_proto::v1::ledger_client::LedgerClient;
use countersign_testnet::{Network, Options};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Code, Request};

const READ_WITHIN: Duration = Duration::from_secs(60);
const ISSUER: &str = "https://login.ua.example";

/// A key and its certificate, both PEM.
struct Issued {
    certificate: String,
    key: String,
}

/// An authority, what it issued, and the key of an OIDC issuer.
struct Made {
    authority: String,
    server: Issued,
    erp: Issued,
    stranger: Issued,
    oidc: KeyPair,
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key")
}

fn authority() -> (String, Issuer<'static, KeyPair>) {
    let (mut params, key) = (CertificateParams::new(Vec::new()).expect("parameters"), key());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    (certificate, Issuer::new(params, key))
}

fn issue(issuer: &Issuer<'_, KeyPair>, name: SanType) -> Issued {
    let (mut params, key) = (CertificateParams::new(Vec::new()).expect("parameters"), key());
    params.subject_alt_names = vec![name];
    let certificate = params.signed_by(&key, issuer).expect("a certificate").pem();
    Issued { certificate, key: key.serialize_pem() }
}

impl Made {
    fn new() -> Made {
        let (authority_pem, issuer) = authority();
        let uri = |name: &str| SanType::URI(name.try_into().expect("ASCII"));
        let dns = SanType::DnsName("localhost".try_into().expect("ASCII"));
        Made {
            authority: authority_pem,
            server: issue(&issuer, dns),
            erp: issue(&issuer, uri("spiffe://ua.example/erp")),
            // The same name, from an authority that nobody trusts.
            stranger: issue(&authority().1, uri("spiffe://ua.example/erp")),
            oidc: key(),
        }
    }

    /// Writes the files and what node.toml says of them.
    fn configure(&self, folder: &Path, organisation: &str) {
        fs::create_dir_all(folder.join("tls")).expect("a folder");
        let point = self.oidc.public_key_raw();
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = (text(&point[1..33]), text(&point[33..]));
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": x, "y": y}]}).to_string();
        let files = [
            ("http.pem", &self.server.certificate),
            ("http.key", &self.server.key),
            ("clients.pem", &self.authority),
            ("jwks.json", &keys),
        ];
        for (name, text) in files {
            fs::write(folder.join("tls").join(name), text).expect("written");
        }
        let more = format!(
            "\n[http_tls]\ncertificate = \"tls/http.pem\"\nkey = \"tls/http.key\"\n\n[client_certificates]\n\
             authorities = \"tls/clients.pem\"\naccounts = {{ \"uri:spiffe://ua.example/erp\" = \"{organisation}/erp\" }}\n\n\
             [[issuers]]\nissuer = \"{ISSUER}\"\naudience = \"countersign\"\njwks = \"tls/jwks.json\"\n\
             accounts = {{ \"alice\" = \"{organisation}/alice\" }}\n"
        );
        let mut file = OpenOptions::new().append(true).open(folder.join("node.toml")).expect("node.toml");
        file.write_all(more.as_bytes()).expect("written");
    }

    fn token(&self, name: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let header = Header { kid: Some("k".into()), ..Header::new(Algorithm::ES256) };
        let claims = json!({"iss": ISSUER, "aud": "countersign", "sub": name, "exp": now + 60});
        let key = EncodingKey::from_ec_der(&self.oidc.serialize_der());
        encode(&header, &claims, &key).expect("signed")
    }
}

/// What `GetStatus` answers to a client with this certificate and this token.
async fn asks(network: &Network, shown: Option<&Issued>, token: Option<String>) -> Result<(), Code> {
    let node = &network.nodes()[0];
    let pem = fs::read(node.folder.join("api.pem")).expect("the node's certificates");
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)).domain_name("localhost");
    if let Some(Issued { certificate, key }) = shown {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let channel =
        Channel::from_shared(node.api_url()).expect("an address").tls_config(tls).expect("TLS").connect_lazy();
    let mut request = Request::new(GetStatusRequest {});
    token
        .map(|token| request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ASCII")));
    LedgerClient::new(channel).get_status(request).await.map(drop).map_err(|status| status.code())
}

/// The status and the body of an answer over HTTPS; none when the connection is refused.
fn over_https(made: &Made, port: u16, shown: Option<&Issued>, request: &str) -> Option<(u16, String)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(made.authority.as_bytes()).expect("a certificate")).expect("trusted");
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ours")
        .with_root_certificates(roots);
    let config = match shown {
        None => builder.with_no_client_auth(),
        Some(Issued { certificate, key }) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
            builder.with_client_auth_cert(chain, key).expect("they belong together")
        }
    };
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the node listens");
    stream.set_read_timeout(Some(READ_WITHIN)).expect("a timeout");
    let mut tls = StreamOwned::new(connection, stream);
    tls.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    // The node may close without a farewell; what it said before counts.
    let _unfinished = tls.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("UTF-8");
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some((status, text.split_once("\r\n\r\n")?.1.to_owned()))
}

#[tokio::test]
async fn a_node_lets_in_whom_its_operator_vouches_for() {
    let mut network = Network::start(Options { organisations: 3, ..Options::default() }).expect("three nodes start");
    define_readings(&network, "readings");
    let made = Made::new();
    network.kill(0).expect("ended");
    let organisation = network.nodes()[0].organisation.clone();
    made.configure(&network.nodes()[0].folder, &organisation);
    network.restart(0).expect("it takes the new node.toml");
    network.wait_leader(READ_WITHIN).expect("a leader");

    assert_eq!(asks(&network, None, None).await, Err(Code::Unauthenticated));
    assert_eq!(asks(&network, Some(&made.erp), None).await, Ok(()));
    assert_eq!(asks(&network, None, Some(made.token("alice"))).await, Ok(()));
    assert_eq!(asks(&network, None, Some(made.token("bob"))).await, Err(Code::PermissionDenied));
    // What the caller says goes before what his connection shows.
    assert_eq!(asks(&network, Some(&made.erp), Some(made.token("bob"))).await, Err(Code::PermissionDenied));
    let refused = asks(&network, Some(&made.stranger), None).await.expect_err("no connection");
    assert!(![Code::Ok, Code::Unauthenticated].contains(&refused), "refused in the handshake: {refused:?}");

    let port = network.nodes()[0].http_port;
    let get = "GET /v1/collections HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(over_https(&made, port, None, get).expect("an answer").0, 401);
    let (status, body) = over_https(&made, port, Some(&made.erp), get).expect("an answer");
    assert!(status == 200 && body.contains("readings"), "{status} {body}");
    assert_eq!(over_https(&made, port, Some(&made.stranger), get), None);
    let put = "PUT /v1/collections/readings/documents/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
               Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"value\":1}";
    let (status, body) = over_https(&made, port, Some(&made.erp), put).expect("an answer");
    assert_eq!(status, 201, "{body}");
    // Who does not speak TLS gets nothing.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).expect("the node listens");
    plain.write_all(get.as_bytes()).expect("sent");
    let mut answer = String::new();
    assert!(plain.read_to_string(&mut answer).is_err() || !answer.starts_with("HTTP"), "{answer}");
}
