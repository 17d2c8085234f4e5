//! Serve the HTTP side over TLS, with a certificate that is read again when its file changes.

use crate::NodeError;
use crate::vouch::ClientCertificates;
use rustls::crypto::ring;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio_rustls::TlsAcceptor;

/// A renewed certificate is shown after this at the latest.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// `[http_tls]`: paths are relative to the node's folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTls {
    /// A PEM file: the certificate, then those that it was issued under.
    pub certificate: PathBuf,
    /// A PEM file: its private key.
    pub key: PathBuf,
}

/// What the HTTP side shows of itself, and whom it asks for a certificate.
pub(crate) fn acceptor(
    folder: &Path,
    tls: &HttpTls,
    clients: Option<&ClientCertificates>,
) -> Result<TlsAcceptor, NodeError> {
    let failed = |e: rustls::Error| NodeError::Config(format!("[http_tls]: {e}"));
    let shown = Shown::open(folder.join(&tls.certificate), folder.join(&tls.key))
        .map_err(|reason| NodeError::Config(format!("[http_tls]: {reason}")))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(verifier(folder, clients)?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Takes clients with a certificate of these authorities, and clients without one.
pub(crate) fn verifier(folder: &Path, clients: &ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, NodeError> {
    let file = folder.join(&clients.authorities);
    let wrong = |reason: String| NodeError::Config(format!("[client_certificates] {}: {reason}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&file).map_err(|e| wrong(e.to_string()))? {
        roots.add(certificate.map_err(|e| wrong(e.to_string()))?).map_err(|e| wrong(e.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
        .allow_unauthenticated()
        .build()
        .map_err(|e| wrong(e.to_string()))
}

/// The certificate that clients are shown.
#[derive(Debug)]
struct Shown {
    certificate: PathBuf,
    key: PathBuf,
    newest: Mutex<Newest>,
}

#[derive(Debug)]
struct Newest {
    shown: Arc<CertifiedKey>,
    stamps: [Option<SystemTime>; 2],
    looked: Instant,
}

impl Shown {
    fn open(certificate: PathBuf, key: PathBuf) -> Result<Shown, String> {
        let (stamps, looked) = (stamps(&certificate, &key), Instant::now());
        let newest = Mutex::new(Newest { shown: read(&certificate, &key)?, stamps, looked });
        Ok(Shown { certificate, key, newest })
    }

    /// Reads the files again when they are others. Files that do not read keep what there is: half of a renewal must not
    /// end the service, and is shown in the log.
    fn look(&self, newest: &mut Newest) {
        if newest.looked.elapsed() < LOOK_AGAIN {
            return;
        }
        newest.looked = Instant::now();
        let stamps = stamps(&self.certificate, &self.key);
        if stamps == newest.stamps {
            return;
        }
        match read(&self.certificate, &self.key) {
            Ok(shown) => (newest.shown, newest.stamps) = (shown, stamps),
            Err(reason) => tracing::error!(reason, "the certificate of [http_tls] was not read; the one before stays"),
        }
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut newest = self.newest.lock().expect("nobody panics with it");
        self.look(&mut newest);
        Some(newest.shown.clone())
    }
}

fn stamps(certificate: &Path, key: &Path) -> [Option<SystemTime>; 2] {
    [certificate, key].map(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok())
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, String> {
    let wrong = |path: &Path, reason: String| format!("{}: {reason}", path.display());
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificate).map_err(|e| wrong(certificate, e.to_string()))?.collect();
    let chain = chain.map_err(|e| wrong(certificate, e.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "no certificate in it".into()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong(key, e.to_string()))?;
    let pair = CertifiedKey::from_der(chain, private, &ring::default_provider());
    pair.map(Arc::new).map_err(|e| wrong(key, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new certificate and its key as PEM.
    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_renewed_certificate_is_shown_and_half_a_renewal_is_not() {
        let folder = std::env::temp_dir().join(format!("countersign-http-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (certificate, key) = (folder.join("http.pem"), folder.join("http.key"));
        let write = |(pem, private): &(String, String)| {
            std::fs::write(&certificate, pem).expect("written");
            std::fs::write(&key, private).expect("written");
        };
        let (first, second) = (made(), made());
        write(&first);
        let shown = Shown::open(certificate.clone(), key.clone()).expect("they belong together");
        let look = || {
            let mut newest = shown.newest.lock().expect("whole");
            newest.looked = Instant::now().checked_sub(2 * LOOK_AGAIN).expect("the machine is up for longer");
            // Two writings within one tick of the file system's clock are told apart here, as no operator could make them.
            newest.stamps = [None; 2];
            shown.look(&mut newest);
            newest.shown.cert[0].to_vec()
        };
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate").to_vec();
        assert_eq!(look(), der(&first.0));
        std::fs::write(&certificate, &second.0).expect("written");
        assert_eq!(look(), der(&first.0), "the key is still the first one's");
        write(&second);
        assert_eq!(look(), der(&second.0));
        std::fs::remove_file(&key).expect("there");
        assert_eq!(look(), der(&second.0));
        std::fs::remove_dir_all(&folder).expect("there");
    }
}
