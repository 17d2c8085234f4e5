//! Accept a node by its TLS key: names, dates and authorities do not count, the genesis does.

use crate::ClientError;
use crate::limits::{ANSWER_BYTES_MAX, CONNECT_TIMEOUT, KEEP_ALIVE};
use countersign_proof::PublicKey;
use countersign_proto::v1::ledger_client::LedgerClient;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme};
use std::sync::Arc;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

/// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410, section 4), without its tag and length.
const ED25519_SPKI: [u8; 10] = [0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The name we send: nodes are known by key, and have one certificate.
const SERVER_NAME: &str = "countersign";

/// Believes a TLS 1.3 server whose certificate's public key is one of these, and no other.
#[derive(Debug)]
pub struct PinnedKeys {
    keys: Vec<PublicKey>,
}

impl PinnedKeys {
    /// A verifier for the keys of the ledger's nodes.
    pub fn new(keys: Vec<PublicKey>) -> PinnedKeys {
        PinnedKeys { keys }
    }
}

impl ServerCertVerifier for PinnedKeys {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let spki = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        let key = key_of_spki(&spki).ok_or(CertificateError::BadEncoding)?;
        let pinned = self.keys.iter().any(|pinned| pinned.as_bytes() == key);
        if pinned { Ok(ServerCertVerified::assertion()) } else { Err(CertificateError::UnknownIssuer.into()) }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// The raw key at the end of a SubjectPublicKeyInfo; `None` for anything but exactly one Ed25519 key.
fn key_of_spki(spki: &[u8]) -> Option<&[u8; 32]> {
    let inner = match spki {
        [0x30, 0x2a, rest @ ..] => rest,
        bare => bare,
    };
    inner.strip_prefix(&ED25519_SPKI)?.try_into().ok()
}

/// A connection to `https://HOST:PORT`, opened at the first call and again whenever it broke.
pub(crate) fn connect_lazy(node: &str, keys: &[PublicKey]) -> Result<LedgerClient<Channel>, ClientError> {
    let wrong = |reason: &str| ClientError::invalid("node", format!("{node:?} {reason}; give https://HOST:PORT"));
    if !node.starts_with("https://") {
        return Err(wrong("is not an https address"));
    }
    let endpoint = Endpoint::from_shared(node.to_owned()).map_err(|_| wrong("is not an address"))?;
    let verifier = Arc::new(PinnedKeys::new(keys.to_vec()));
    let tls = ClientTlsConfig::new().domain_name(SERVER_NAME).timeout(CONNECT_TIMEOUT);
    let channel = endpoint
        .tls_config_with_verifier(tls, verifier)
        .map_err(|_| wrong("cannot be used with TLS"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .connect_lazy();
    Ok(LedgerClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_proof::KeyPair;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

    /// PKCS#8 version 1 around an Ed25519 seed (RFC 8410, section 7).
    fn pkcs8(seed: &[u8; 32]) -> Vec<u8> {
        let prefix = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        [prefix.as_slice(), seed].concat()
    }

    fn server(
        key: rcgen::KeyPair,
        der: PrivateKeyDer<'static>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ServerConnection {
        let certificate =
            rcgen::CertificateParams::new(vec!["x".into()]).and_then(|p| p.self_signed(&key)).expect("made");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], der)
            .expect("a pair");
        ServerConnection::new(Arc::new(config)).expect("a server")
    }

    fn node(seed: &[u8; 32], versions: &[&'static rustls::SupportedProtocolVersion]) -> ServerConnection {
        let der = PrivatePkcs8KeyDer::from(pkcs8(seed));
        let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).expect("a key");
        server(key, der.into(), versions)
    }

    fn handshake(mut server: ServerConnection, pinned: &[u8; 32]) -> Result<(), Error> {
        let verifier = PinnedKeys::new(vec![KeyPair::from_seed(pinned).public()]);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let name = ServerName::try_from(SERVER_NAME).expect("a name");
        let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
        while client.is_handshaking() || server.is_handshaking() {
            let mut flight = Vec::new();
            client.write_tls(&mut flight).expect("memory");
            server.read_tls(&mut &flight[..]).expect("memory");
            server.process_new_packets()?;
            let mut flight = Vec::new();
            server.write_tls(&mut flight).expect("memory");
            client.read_tls(&mut &flight[..]).expect("memory");
            client.process_new_packets()?;
        }
        Ok(())
    }

    #[test]
    fn a_pinned_key_is_accepted_and_any_other_refused() {
        handshake(node(&[1; 32], &[&rustls::version::TLS13]), &[1; 32]).expect("pinned");
        let refusal = handshake(node(&[2; 32], &[&rustls::version::TLS13]), &[1; 32]).expect_err("another key");
        assert_eq!(refusal, Error::InvalidCertificate(CertificateError::UnknownIssuer));
    }

    #[test]
    fn a_certificate_without_its_private_key_is_refused() {
        let shown = PrivatePkcs8KeyDer::from(pkcs8(&[1; 32]));
        let shown = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&shown, &rcgen::PKCS_ED25519).expect("a key");
        let certificate =
            rcgen::CertificateParams::new(vec!["x".into()]).and_then(|p| p.self_signed(&shown)).expect("made");
        let held =
            rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8(&[2; 32]))).expect("a key");
        let pair = rustls::sign::CertifiedKey::new(vec![certificate.der().clone()], held);
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair)));
        let server = ServerConnection::new(Arc::new(config)).expect("a server");
        handshake(server, &[1; 32]).expect_err("it does not hold the key");
    }

    #[test]
    fn tls_1_2_is_refused() {
        handshake(node(&[1; 32], &[&rustls::version::TLS12]), &[1; 32]).expect_err("too old");
    }
}
