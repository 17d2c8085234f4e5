//! Accept TLS connections to the API: the node's own key for those who can use it, P-256 for the others.

use crate::NodeError;
use crate::http_tls::verifier;
use crate::limits::{API_HANDSHAKE_MAX, API_HANDSHAKES_MAX};
use crate::vouch::ClientCertificates;
use countersign_proof::KeyPair;
use rcgen::{CertificateParams, DistinguishedName, DnType, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SignatureScheme};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

/// The DER of an Ed25519 private key (RFC 8410) up to its seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// In the node's folder: the key of the second certificate. It proves nothing about the ledger.
const STOCK_KEY: &str = "keys/api-p256.pem";
/// For stock clients, which want certificates to trust.
const STOCK_CERTIFICATES: &str = "api.pem";

/// What the API shows of itself: one certificate a kind of key.
pub(crate) struct ApiTls {
    acceptor: TlsAcceptor,
}

/// Chooses by what the client can check. Libraries on BoringSSL know no Ed25519 certificates; our SDK, which compares
/// the key with the genesis, offers nothing else.
#[derive(Debug)]
struct Certificates {
    own: Arc<CertifiedKey>,
    stock: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let knows_ours = hello.signature_schemes().contains(&SignatureScheme::ED25519);
        Some(if knows_ours { self.own.clone() } else { self.stock.clone() })
    }
}

impl ApiTls {
    /// Makes the certificates of this folder's node, and writes them to `api.pem`.
    pub(crate) fn prepare(
        folder: &Path,
        tls: &KeyPair,
        host: &str,
        clients: Option<&ClientCertificates>,
    ) -> Result<ApiTls, NodeError> {
        let der = PrivatePkcs8KeyDer::from([&PKCS8_PREFIX[..], &tls.seed()].concat());
        let own = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519).map_err(failed)?;
        let stock = stock_key(&folder.join(STOCK_KEY))?;
        let (own, own_pem) = certify(&own, "countersign node, ed25519", host)?;
        let (stock, stock_pem) = certify(&stock, "countersign node, p-256", host)?;
        std::fs::write(folder.join(STOCK_CERTIFICATES), own_pem + &stock_pem)
            .map_err(|e| NodeError::file(STOCK_CERTIFICATES, e))?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(failed)?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(verifier(folder, clients)?),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Certificates { own, stock }));
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(ApiTls { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Accepts for ever. Each handshake is a task with a deadline, so that a silent stranger keeps nobody waiting.
    pub(crate) fn accept(self, listener: TcpListener) -> ReceiverStream<io::Result<TlsStream<TcpStream>>> {
        let (accepted, stream) = mpsc::channel(1);
        tokio::spawn(async move {
            let seats = Arc::new(Semaphore::new(API_HANDSHAKES_MAX));
            while let Ok(seat) = seats.clone().acquire_owned().await {
                let (acceptor, accepted) = (self.acceptor.clone(), accepted.clone());
                let socket = tokio::select! {
                    biased;
                    () = accepted.closed() => return,
                    socket = listener.accept() => socket,
                };
                let Ok((socket, _)) = socket else {
                    // Out of file descriptors: what is open may close.
                    tokio::time::sleep(API_HANDSHAKE_MAX / 50).await;
                    continue;
                };
                tokio::spawn(async move {
                    let shaken = tokio::time::timeout(API_HANDSHAKE_MAX, shake(acceptor, socket)).await;
                    drop(seat);
                    if let Ok(Ok(stream)) = shaken {
                        drop(accepted.send(Ok(stream)).await);
                    }
                });
            }
        });
        ReceiverStream::new(stream)
    }
}

async fn shake(acceptor: TlsAcceptor, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    socket.set_nodelay(true)?;
    acceptor.accept(socket).await
}

/// The second key, made at the first start and kept, so that a client need not fetch the certificates again.
fn stock_key(path: &Path) -> Result<rcgen::KeyPair, NodeError> {
    match std::fs::read_to_string(path) {
        Ok(pem) => rcgen::KeyPair::from_pem(&pem).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
            write_private(path, key.serialize_pem().as_bytes()).map_err(|e| NodeError::file(STOCK_KEY, e))?;
            Ok(key)
        }
        Err(error) => Err(NodeError::file(STOCK_KEY, error)),
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A certificate over this key, signed by itself, and its PEM. Clients look issuers up by subject, so each has its own.
fn certify(key: &rcgen::KeyPair, subject: &str, host: &str) -> Result<(Arc<CertifiedKey>, String), NodeError> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    if !host.is_empty() && !names.iter().any(|name| name == host) {
        names.push(host.to_owned());
    }
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    let certificate = params.self_signed(key).map_err(failed)?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signing = ring::sign::any_supported_type(&der).map_err(failed)?;
    Ok((Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signing)), certificate.pem()))
}

fn failed(error: impl std::fmt::Display) -> NodeError {
    NodeError::Server(format!("certificate: {error}"))
}
