//! Read the names that a client certificate carries.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Names of one certificate that are looked at.
const NAMES_MAX: usize = 64;

/// A client certificate that the TLS handshake has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Its subject alternative names (URI, e-mail, DNS) in their order; the subject's common names where it has none.
    pub names: Vec<String>,
    /// Milliseconds since 1970 after which it is worth nothing.
    pub until_ms: u64,
}

impl Presented {
    /// Reads a certificate; none when it is not one. Whether to trust it is not asked here.
    pub fn read(der: &[u8]) -> Option<Presented> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let alternatives = certificate.subject_alternative_name().ok()?;
        let mut names: Vec<String> = Vec::new();
        for name in alternatives.iter().flat_map(|extension| &extension.value.general_names).take(NAMES_MAX) {
            match name {
                GeneralName::URI(name) | GeneralName::RFC822Name(name) | GeneralName::DNSName(name) => {
                    names.push((*name).to_owned());
                }
                _ => {}
            }
        }
        if names.is_empty() {
            let common = certificate.subject().iter_common_name().take(NAMES_MAX);
            names.extend(common.filter_map(|name| name.as_str().ok()).map(str::to_owned));
        }
        let until_ms = u64::try_from(certificate.validity().not_after.timestamp()).ok()?.saturating_mul(1000);
        Some(Presented { names, until_ms })
    }
}
