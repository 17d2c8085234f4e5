//! Opens byte streams between nodes: the seam a simulation replaces.

use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Bytes both ways, in order, until either side drops it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects and listens.
#[async_trait]
pub trait Sockets: Send + Sync {
    /// Opens a stream to `address`; the caller sets the deadline.
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>>;

    /// Listens on `address`.
    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>>;
}

/// Takes streams that others opened.
#[async_trait]
pub trait Listener: Send {
    /// The next stream. Errs for one stream only: the caller may accept again. Dropping the future loses no stream.
    async fn accept(&mut self) -> io::Result<Box<dyn Stream>>;

    /// The address actually bound, which others can connect to.
    fn address(&self) -> String;
}

/// TCP of the operating system; addresses are `host:port`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpSockets;

#[async_trait]
impl Sockets for TcpSockets {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?.to_string();
        Ok(Box::new(BoundTcp { listener, address }))
    }
}

struct BoundTcp {
    listener: TcpListener,
    address: String,
}

#[async_trait]
impl Listener for BoundTcp {
    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    fn address(&self) -> String {
        self.address.clone()
    }
}
