//! Run the gRPC server: TLS with the node's own key, health, reflection, limits.

use super::Api;
use crate::NodeError;
use crate::limits::{MESSAGE_BYTES_MAX, REQUESTS_PER_CONNECTION_MAX};
use countersign_proof::KeyPair;
use countersign_proto::v1;
use countersign_proto::v1::ledger_server::LedgerServer;
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};

const KEEPALIVE: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX_STREAMS: u32 = 1_024;
/// The DER of an Ed25519 private key (RFC 8410) up to its seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A certificate over the node's TLS key, signed by itself, as PEM: (certificate, key). Nobody has to trust its
/// signature: clients compare the key with the genesis.
pub(crate) fn tls_identity(tls: &KeyPair, host: &str) -> Result<(String, String), NodeError> {
    let failed = |e: rcgen::Error| NodeError::Server(format!("certificate: {e}"));
    let der = [&PKCS8_PREFIX[..], &tls.seed()].concat();
    let der = rustls_pki_types::PrivatePkcs8KeyDer::from(der);
    let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).map_err(failed)?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    if !names.iter().any(|name| name == host) && !host.is_empty() {
        names.push(host.to_owned());
    }
    let params = rcgen::CertificateParams::new(names).map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Serves until `shutdown` resolves.
pub(crate) async fn serve(
    api: Api,
    listener: TcpListener,
    identity: (String, String),
    shutdown: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let failed = |e: &dyn std::fmt::Display| NodeError::Server(e.to_string());
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<LedgerServer<Api>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::DESCRIPTOR)
        .build_v1()
        .map_err(|e| failed(&e))?;
    let ledger = LedgerServer::new(api)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(4 * MESSAGE_BYTES_MAX);
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(identity.0, identity.1));
    Server::builder()
        .tls_config(tls)
        .map_err(|e| failed(&e))?
        .tcp_nodelay(true)
        .max_concurrent_streams(CONNECTIONS_MAX_STREAMS)
        .concurrency_limit_per_connection(REQUESTS_PER_CONNECTION_MAX as usize)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .add_service(health)
        .add_service(reflection)
        .add_service(ledger)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), shutdown)
        .await
        .map_err(|e| failed(&e))
}
