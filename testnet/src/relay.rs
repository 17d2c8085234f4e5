//! Stand between two nodes as distance would: hand their bytes on, in order, each a fixed time after it came.

use crate::TestnetError;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

/// Bytes that are read, and handed on, at once.
const CHUNK_BYTES_MAX: usize = 64 << 10;
/// Chunks on their way in one direction of a connection. When so many are, the sender waits, as for a full window.
const CHUNKS_MAX: usize = 1_024;
/// How soon the relay notices that it is not needed any more.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// A port whose connections lead to another, from afar. Dropping it lets no more in.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    ended: Arc<AtomicBool>,
}

/// What was read, and when it is to arrive.
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
}

impl Relay {
    /// Leads a port of its own to port `to` of this machine; what is sent takes `one_way`, and so does what comes back.
    pub(crate) fn start(to: u16, one_way: Duration) -> Result<Relay, TestnetError> {
        let failed = |e: std::io::Error| TestnetError::Broken(format!("a relay cannot listen: {e}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let ended = Arc::new(AtomicBool::new(false));
        let seen = ended.clone();
        spawn(move || accept(&listener, to, one_way, &seen));
        Ok(Relay { port, ended })
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

fn accept(listener: &TcpListener, to: u16, one_way: Duration, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((from, _)) => {
                spawn(move || connect(&from, to, one_way));
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => sleep(LOOK_AGAIN),
            // One connection failed, not the port.
            Err(_) => {}
        }
    }
}

/// Joins two ends, until both have said that they are done. Who cannot be reached hangs up at once.
fn connect(from: &TcpStream, to: u16, one_way: Duration) {
    sleep(one_way);
    let Ok(to) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else { return };
    for (reads, writes) in [(from, &to), (&to, from)] {
        let (Ok(reads), Ok(writes)) = (reads.try_clone(), writes.try_clone()) else { return };
        // The relay adds the time that it was told, and no more.
        if writes.set_nonblocking(false).and_then(|()| writes.set_nodelay(true)).is_err() {
            return;
        }
        let (chunks, under_way) = sync_channel(CHUNKS_MAX);
        spawn(move || take(reads, one_way, &chunks));
        spawn(move || give(writes, &under_way));
    }
}

fn take(mut from: TcpStream, one_way: Duration, chunks: &SyncSender<Chunk>) {
    let mut buffer = vec![0; CHUNK_BYTES_MAX];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let chunk = Chunk { due: Instant::now() + one_way, bytes: buffer[..count].to_vec() };
        if chunks.send(chunk).is_err() {
            return;
        }
    }
}

fn give(mut to: TcpStream, under_way: &Receiver<Chunk>) {
    for chunk in under_way {
        sleep(chunk.due.saturating_duration_since(Instant::now()));
        if to.write_all(&chunk.bytes).is_err() {
            break;
        }
    }
    // The other side is told that no more comes; it may have been first.
    drop(to.shutdown(Shutdown::Both));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends back what it gets.
    fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("bound").port();
        spawn(move || {
            let (mut stream, _) = listener.accept().expect("one comes");
            let mut back = stream.try_clone().expect("cloned");
            std::io::copy(&mut stream, &mut back).expect("copied");
        });
        port
    }

    #[test]
    fn bytes_arrive_in_order_and_each_after_the_round_trip() {
        let relay = Relay::start(echo(), Duration::from_millis(20)).expect("listens");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).expect("connects");
        for round in 0..3_u8 {
            let (sent, mut came) = (vec![round; 100_000], vec![0; 100_000]);
            let begun = Instant::now();
            stream.write_all(&sent).expect("written");
            stream.read_exact(&mut came).expect("read");
            assert_eq!(came, sent);
            assert!(begun.elapsed() >= Duration::from_millis(40), "{:?}", begun.elapsed());
        }
    }

    #[test]
    fn much_is_under_way_at_once() {
        let relay = Relay::start(echo(), Duration::from_millis(50)).expect("listens");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).expect("connects");
        let mut writes = stream.try_clone().expect("cloned");
        let begun = Instant::now();
        let writing = spawn(move || (0..20_u8).for_each(|n| writes.write_all(&[n; 1_000]).expect("written")));
        let mut came = vec![0; 20_000];
        stream.read_exact(&mut came).expect("read");
        writing.join().expect("written");
        assert!(came.chunks(1_000).zip(0..).all(|(chunk, n)| chunk.iter().all(|byte| *byte == n)));
        // One after the other they would take two seconds.
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }

    #[test]
    fn the_end_is_handed_on() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let relay =
            Relay::start(listener.local_addr().expect("bound").port(), Duration::from_millis(1)).expect("listens");
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).expect("connects");
        let (mut other, _) = listener.accept().expect("it comes");
        drop(stream);
        assert_eq!(other.read(&mut [0; 8]).expect("an end"), 0);
    }
}
