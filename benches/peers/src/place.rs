//! Give a system its ports and its processes, which end with ours.

use rustix::process::{Pid, Signal, kill_process};
use std::error::Error;
use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const SERVES_WITHIN: Duration = Duration::from_secs(60);

/// Ports that are free now.
pub fn free_ports(count: usize) -> std::io::Result<Vec<u16>> {
    let held = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<std::io::Result<Vec<_>>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// A server that is told to end, and waited for, when this value goes.
pub struct Server {
    child: Child,
    end: Signal,
}

impl Server {
    /// Starts it; `end` is the signal that it ends at once upon.
    pub fn start(command: &mut Command, end: Signal) -> std::io::Result<Server> {
        Ok(Server { child: command.spawn()?, end })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // One that has ended already needs no signal.
            let _ = kill_process(pid, self.end);
        }
        drop(self.child.wait());
    }
}

/// Asks until there is an answer.
pub async fn until<T, A>(what: &str, ask: impl Fn() -> A) -> Result<T, Box<dyn Error>>
where
    A: Future<Output = Result<T, Box<dyn Error>>>,
{
    let deadline = Instant::now() + SERVES_WITHIN;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => return Err(format!("{what}: {error}").into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
