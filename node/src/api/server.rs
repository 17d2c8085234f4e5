//! Run the gRPC server: TLS with the node's own key, health, reflection, limits.

use super::{Api, ApiTls};
use crate::NodeError;
use crate::limits::{MESSAGE_BYTES_MAX, REQUESTS_PER_CONNECTION_MAX};
use countersign_proto::v1;
use countersign_proto::v1::ledger_server::LedgerServer;
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::transport::Server;

const KEEPALIVE: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX_STREAMS: u32 = 1_024;
/// Serves until `shutdown` resolves.
pub(crate) async fn serve(
    api: Api,
    listener: TcpListener,
    tls: ApiTls,
    shutdown: impl Future<Output = ()>,
) -> Result<(), NodeError> {
    let failed = |e: &dyn std::fmt::Display| NodeError::Server(e.to_string());
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<LedgerServer<Api>>().await;
    // Both versions of the protocol: most clients of today still ask for the first.
    let reflection =
        || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(v1::DESCRIPTOR);
    let (reflection, old_reflection) =
        (reflection().build_v1().map_err(|e| failed(&e))?, reflection().build_v1alpha().map_err(|e| failed(&e))?);
    let ledger = LedgerServer::new(api)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(4 * MESSAGE_BYTES_MAX);
    Server::builder()
        .max_concurrent_streams(CONNECTIONS_MAX_STREAMS)
        .concurrency_limit_per_connection(REQUESTS_PER_CONNECTION_MAX as usize)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(8 << 20)
        .add_service(health)
        .add_service(reflection)
        .add_service(old_reflection)
        .add_service(ledger)
        .serve_with_incoming_shutdown(tls.accept(listener), shutdown)
        .await
        .map_err(|e| failed(&e))
}
