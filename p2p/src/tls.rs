//! Builds both sides' TLS 1.3 configuration from one raw key.

use std::sync::Arc;

use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, CommonState, ServerConfig};
use tokio::sync::watch;

use crate::identity::{key_of_spki, signing_key};
use crate::verifier::KeyVerifier;
use crate::{Directory, P2pError};

/// Our key and the directory it is shown under; cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    key: Arc<CertifiedKey>,
    directory: watch::Receiver<Arc<Directory>>,
}

impl Tls {
    pub(crate) fn new(tls_seed: &[u8; 32], directory: watch::Receiver<Arc<Directory>>) -> Result<Self, P2pError> {
        let signing_key = signing_key(tls_seed)?;
        let spki = signing_key.public_key().expect("an Ed25519 key of ring has its public half");
        let key = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki.to_vec())], signing_key));
        Ok(Tls { provider: Arc::new(ring::default_provider()), key, directory })
    }

    /// For the side that accepts: any key of the directory, always proven anew.
    ///
    /// Resumption is off on both sides: a resumed session would skip the verifier, and with it a removal.
    pub(crate) fn accepting(&self) -> Result<Arc<ServerConfig>, P2pError> {
        let mut config = ServerConfig::builder_with_details(self.provider.clone(), Arc::new(NoClock))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(self.verifier(None))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.key.clone())));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// For the side that dials `peer`: that peer's key and no other.
    pub(crate) fn dialling(&self, peer: &str) -> Result<Arc<ClientConfig>, P2pError> {
        let mut config = ClientConfig::builder_with_details(self.provider.clone(), Arc::new(NoClock))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(Some(peer.to_string())))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.key.clone())));
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(Arc::new(config))
    }

    fn verifier(&self, dialled: Option<String>) -> Arc<KeyVerifier> {
        let algorithms = self.provider.signature_verification_algorithms;
        Arc::new(KeyVerifier { directory: self.directory.clone(), dialled, algorithms })
    }
}

/// Raw keys have no dates and there are no tickets, so TLS need not know the time, nor may a simulation show it one.
#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::ZERO))
    }
}

/// The raw key the other side proved in this handshake.
pub(crate) fn key_of_peer(session: &CommonState) -> Result<[u8; 32], P2pError> {
    let spki = session.peer_certificates().and_then(|chain| chain.first());
    spki.and_then(|spki| key_of_spki(spki)).ok_or(P2pError::Malformed("no raw key"))
}
