//! Check who calls, as the gateway does: by the metadata `authorization` or `x-api-key`, or by the connection's certificate.

use super::{Api, Refusal};
use countersign_gateway::{Caller, Presented};
use std::sync::Arc;
use tonic::Request;
use tonic::codegen::http::Extensions;

impl Api {
    /// Who calls.
    pub(super) fn authenticate<T>(&self, request: &Request<T>) -> Result<Caller, Refusal> {
        let headers = request.metadata().clone().into_headers();
        let mut extensions = Extensions::new();
        let certificates = request.peer_certs();
        let presented = certificates.as_ref().and_then(|chain| Presented::read(chain.first()?));
        presented.map(|presented| extensions.insert(Arc::new(presented)));
        Ok(self.callers.caller(&headers, &extensions)?)
    }
}
