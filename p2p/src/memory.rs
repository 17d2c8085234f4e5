//! Connects nodes of one process by pipes whose links can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::{mpsc, oneshot};

use crate::{Listener, Sockets, Stream};

const PIPE_BYTES: usize = 64 << 10;
const BACKLOG_MAX: usize = 64;

/// The wires between hosts; clones are the same wires.
#[derive(Clone, Default)]
pub struct MemoryNetwork {
    // A mutex because it stands for hardware that all nodes share; it is never held across a wait.
    wires: Arc<Mutex<Wires>>,
}

#[derive(Default)]
struct Wires {
    listeners: BTreeMap<String, mpsc::Sender<Box<dyn Stream>>>,
    cut: BTreeSet<(String, String)>,
    /// Dropping a sender breaks the half of a stream that holds its receiver.
    open: Vec<((String, String), oneshot::Sender<()>)>,
}

impl MemoryNetwork {
    /// The sockets of the host of that name, which is also its only address.
    pub fn sockets(&self, host: &str) -> MemorySockets {
        MemorySockets { network: self.clone(), host: host.to_string() }
    }

    /// Breaks every stream between two hosts, and refuses new ones until [`Self::heal`].
    pub fn cut(&self, one: &str, other: &str) {
        let link = link(one, other);
        let mut wires = self.lock();
        wires.open.retain(|(ends, _)| *ends != link);
        wires.cut.insert(link);
    }

    /// Lets two hosts connect again.
    pub fn heal(&self, one: &str, other: &str) {
        self.lock().cut.remove(&link(one, other));
    }

    fn lock(&self) -> MutexGuard<'_, Wires> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, from: &str, to: &str) -> io::Result<MemoryStream> {
        let ends = link(from, to);
        let mut wires = self.lock();
        let listener = wires.listeners.get(to).filter(|_| !wires.cut.contains(&ends)).cloned();
        let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
        wires.open.retain(|(_, breaker)| !breaker.is_closed());
        let (near, far) = duplex(PIPE_BYTES);
        let far = wires.watched(&ends, far);
        listener.try_send(Box::new(far)).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(wires.watched(&ends, near))
    }
}

impl Wires {
    fn watched(&mut self, ends: &(String, String), pipe: DuplexStream) -> MemoryStream {
        let mut breaker = || {
            let (sender, receiver) = oneshot::channel();
            self.open.push((ends.clone(), sender));
            Some(receiver)
        };
        MemoryStream { pipe, read_break: breaker(), write_break: breaker() }
    }
}

fn link(one: &str, other: &str) -> (String, String) {
    (one.min(other).to_string(), one.max(other).to_string())
}

/// One host's view of a [`MemoryNetwork`].
#[derive(Clone)]
pub struct MemorySockets {
    network: MemoryNetwork,
    host: String,
}

#[async_trait]
impl Sockets for MemorySockets {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>> {
        Ok(Box::new(self.network.open(&self.host, address)?))
    }

    /// `address` must be the host's own name.
    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        let mut wires = self.network.lock();
        if address != self.host {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if wires.listeners.get(address).is_some_and(|listener| !listener.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (sender, streams) = mpsc::channel(BACKLOG_MAX);
        wires.listeners.insert(address.to_string(), sender);
        Ok(Box::new(MemoryListener { streams, address: address.to_string() }))
    }
}

struct MemoryListener {
    streams: mpsc::Receiver<Box<dyn Stream>>,
    address: String,
}

#[async_trait]
impl Listener for MemoryListener {
    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        self.streams.recv().await.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn address(&self) -> String {
        self.address.clone()
    }
}

/// A pipe that fails in both directions once its link is cut. Each direction has its own breaker, because a breaker wakes
/// only the last task that polled it.
struct MemoryStream {
    pipe: DuplexStream,
    read_break: Option<oneshot::Receiver<()>>,
    write_break: Option<oneshot::Receiver<()>>,
}

fn check(breaker: &mut Option<oneshot::Receiver<()>>, cx: &mut Context<'_>) -> io::Result<()> {
    let broken = breaker.as_mut().is_none_or(|receiver| Pin::new(receiver).poll(cx).is_ready());
    if broken {
        *breaker = None;
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    Ok(())
}

impl AsyncRead for MemoryStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        check(&mut self.read_break, cx)?;
        Pin::new(&mut self.pipe).poll_read(cx, buffer)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        check(&mut self.write_break, cx)?;
        Pin::new(&mut self.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        check(&mut self.write_break, cx)?;
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}
