//! Serve a router over TCP with a bounded number of patient connections.

use crate::identity::Presented;
use crate::limits::{
    ACCEPT_FAILURES_MAX, CONNECTION_SECONDS_MAX, CONNECTIONS_MAX, FAREWELL_SECONDS_MAX, HEAD_BYTES_MAX,
    HEAD_SECONDS_MAX,
};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// Serves until `shutdown` is ready and the answers under way have been given, which they have ten seconds for.
///
/// `axum::serve` bounds neither connections nor the time a client may take, so this does. It errs when accepting
/// goes on failing for half a minute; a shortage of file descriptors that passes is waited out.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    let (stop, stopped) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    let mut failures = 0;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &seats) => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, seat)) => {
                failures = 0;
                tokio::spawn(greet(stream, tls.clone(), router.clone(), seat, stopped.clone()));
            }
            Err(error) if failures == ACCEPT_FAILURES_MAX => return Err(error),
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, failures, "could not accept an HTTP connection");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
    drop((listener, stop));
    // Every conversation holds a seat: when all are back, all have ended.
    let _all = seats.acquire_many(CONNECTIONS_MAX).await.expect("never closed");
    Ok(())
}

/// Takes a seat, then a client: whoever finds none waits in the listener's backlog.
async fn accept(listener: &TcpListener, seats: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let seat = seats.clone().acquire_owned().await.expect("never closed");
    let (stream, _) = listener.accept().await?;
    // An event is small and somebody waits for it: it must not wait for the acknowledgement of the one before. A client that
    // is gone already is met later.
    let _gone = stream.set_nodelay(true);
    Ok((stream, seat))
}

/// Over TLS, where there is an acceptor; a certificate that a client shows goes with each of its requests.
async fn greet(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    seat: OwnedSemaphorePermit,
    stopped: watch::Receiver<()>,
) {
    let Some(tls) = tls else { return converse(stream, router, seat, stopped).await };
    let shaking = timeout(Duration::from_secs(HEAD_SECONDS_MAX), tls.accept(stream));
    let Ok(Ok(stream)) = shaking.await else { return };
    let certificates = stream.get_ref().1.peer_certificates();
    let presented = certificates.and_then(|chain| Presented::read(chain.first()?)).map(Arc::new);
    let router = match presented {
        None => router,
        Some(presented) => router.layer(Extension(presented)),
    };
    converse(stream, router, seat, stopped).await;
}

async fn converse<S>(stream: S, router: Router, _seat: OwnedSemaphorePermit, mut stopped: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_buf_size(HEAD_BYTES_MAX);
    let service = TowerToHyperService::new(router);
    // What is upgraded leaves its seat; who takes it over bounds it anew.
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    tokio::select! {
        // What a client did to its own connection concerns nobody here.
        _ = connection.as_mut() => return,
        _ = stopped.changed() => {}
        () = sleep(Duration::from_secs(CONNECTION_SECONDS_MAX)) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _cut = timeout(Duration::from_secs(FAREWELL_SECONDS_MAX), connection).await;
}
