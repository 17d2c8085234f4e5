//! Give the wires of a simulated network delays, drawn from a seed.

use crate::random::Random;
use async_trait::async_trait;
use countersign_p2p::{Listener, MemorySockets, Sockets, Stream};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, split};
use tokio::time::sleep;

const PIPE_BYTES: usize = 64 << 10;
const DELAY_MS_MAX: u64 = 6;
/// Now and then a packet is lost and sent again.
const LATE_ONCE_IN: u64 = 50;
const LATE_MS_MAX: u64 = 250;

/// One host's sockets: whatever it dials is slow in both directions, and keeps its order.
pub struct SlowSockets {
    inner: MemorySockets,
    // Drawn from at every dial; never held across a wait.
    random: Arc<Mutex<Random>>,
}

impl SlowSockets {
    /// Slows what `inner` dials.
    pub fn new(inner: MemorySockets, random: Random) -> SlowSockets {
        SlowSockets { inner, random: Arc::new(Mutex::new(random)) }
    }
}

#[async_trait]
impl Sockets for SlowSockets {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>> {
        let (far_read, far_write) = split(self.inner.connect(address).await?);
        let (near, middle) = duplex(PIPE_BYTES);
        let (near_read, near_write) = split(middle);
        let (there, back) = {
            let mut random = self.random.lock().expect("no panic under the lock");
            (random.branch(), random.branch())
        };
        tokio::spawn(async move {
            // When one direction ends, dropping the halves ends the other.
            tokio::select! {
                biased;
                () = relay(near_read, far_write, there) => {}
                () = relay(far_read, near_write, back) => {}
            }
        });
        Ok(Box::new(near))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        self.inner.bind(address).await
    }
}

async fn relay(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut random: Random) {
    let mut buffer = vec![0; PIPE_BYTES];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let late = if random.once_in(LATE_ONCE_IN) { random.below(LATE_MS_MAX) } else { 0 };
        sleep(Duration::from_millis(random.below(DELAY_MS_MAX) + late)).await;
        if to.write_all(&buffer[..length]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
