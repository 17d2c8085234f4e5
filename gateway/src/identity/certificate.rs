//! Read the names that a client certificate carries, each with its kind.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Names of one certificate that are looked at.
const NAMES_MAX: usize = 64;

/// A client certificate that the TLS handshake has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Its alternative names as `uri:...`, `email:...` and `dns:...`, in their order; of a certificate that has no such
    /// extension its only common name, as `cn:...`.
    pub names: Vec<String>,
    /// Milliseconds since 1970 after which it is worth nothing.
    pub until_ms: u64,
}

impl Presented {
    /// Reads a certificate; none when it is not one. Whether to trust it is not asked here.
    pub fn read(der: &[u8]) -> Option<Presented> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = match certificate.subject_alternative_name().ok()? {
            Some(alternatives) => {
                let names = alternatives.value.general_names.iter().filter_map(|name| match name {
                    GeneralName::URI(name) => Some(format!("uri:{name}")),
                    GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
                    GeneralName::DNSName(name) => Some(format!("dns:{name}")),
                    _ => None,
                });
                names.take(NAMES_MAX).collect()
            }
            None => {
                let mut common = certificate.subject().iter_common_name();
                let only = common.next().filter(|_| common.next().is_none()).and_then(|name| name.as_str().ok());
                only.map(|name| format!("cn:{name}")).into_iter().collect()
            }
        };
        let until_ms = u64::try_from(certificate.validity().not_after.timestamp()).ok()?.saturating_mul(1000);
        Some(Presented { names, until_ms })
    }
}
