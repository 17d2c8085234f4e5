//! Drive another system through the program in benches/peers, which starts it and measures it.

use crate::Failure;
use crate::usage::{cpu_of, cpu_of_family};
use clap::ValueEnum;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Connections of PostgreSQL: each write under way has one.
const POSTGRES_IN_FLIGHT_MAX: usize = 256;
const PROGRAM: &str = "countersign-bench-peers";

/// What we are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Three members, without TLS, its own default of fsync; puts of 256 bytes.
    Etcd,
    /// A primary and two standbys, one of which must flush; inserts of 256 bytes, one row a transaction.
    Postgres,
}

impl Kind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Etcd => "etcd",
            Kind::Postgres => "postgres",
        }
    }

    /// Where writes that we spread so would go; none where it cannot do that.
    pub fn to(self, to: &str, in_flight: usize) -> Option<String> {
        match self {
            Kind::Etcd => Some(to.to_owned()),
            Kind::Postgres => (to == "all" && in_flight <= POSTGRES_IN_FLIGHT_MAX).then(|| "primary".to_owned()),
        }
    }
}

/// A system that runs, until this value goes.
pub struct Peer {
    pub kind: Kind,
    pub version: String,
    child: Child,
    /// Its end is the program's.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pids: Vec<u32>,
    next: u64,
    _folder: TempDir,
}

#[derive(Deserialize)]
struct Ready {
    version: String,
    pids: Vec<u32>,
}

#[derive(Deserialize)]
struct Round {
    answered: u64,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
}

impl Peer {
    /// Starts it in a folder of its own, where temporary files go, as ours do.
    pub fn start(kind: Kind) -> Result<Peer, Failure> {
        let folder = TempDir::new()?;
        let mut command = Command::new(program()?);
        command.arg(kind.name()).arg("--folder").arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("{PROGRAM}: {e}; benches/network builds it"))?;
        let orders = child.stdin.take();
        let mut answers = BufReader::new(child.stdout.take().ok_or("no output of a peer")?);
        let Ready { version, pids } = read(&mut answers)?;
        Ok(Peer { kind, version, child, orders, answers, pids, next: 1, _folder: folder })
    }

    /// One round of a closed loop.
    pub fn run(&mut self, to: &str, in_flight: usize, lasts: Duration) -> Result<BTreeMap<String, f64>, Failure> {
        let order = json!({
            "in_flight": in_flight, "seconds": lasts.as_secs(), "to_leader": to == "leader", "first": self.next,
        });
        // Whatever a round writes, its keys are below those of the next.
        self.next += 100_000_000;
        let (servers, client) = (self.servers_cpu(), cpu_of(self.child.id()));
        writeln!(self.orders.as_mut().ok_or("the peer is gone")?, "{order}")?;
        let Round { answered, per_second, p50_ms, p99_ms, p999_ms } = read(&mut self.answers)?;
        let each = |spent: Duration| spent.as_secs_f64() * 1e6 / answered.max(1) as f64;
        let servers = each(self.servers_cpu().saturating_sub(servers));
        let client = each(cpu_of(self.child.id()).saturating_sub(client));
        let figures = [
            ("per_second", per_second),
            ("p50_ms", p50_ms),
            ("p99_ms", p99_ms),
            ("p999_ms", p999_ms),
            ("cpu_us.nodes", servers),
            ("cpu_us.client", client),
            ("cpu_us.all", servers + client),
        ];
        Ok(figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn servers_cpu(&self) -> Duration {
        self.pids.iter().map(|pid| cpu_of_family(*pid)).sum()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.orders.take());
        drop(self.child.wait());
    }
}

/// Beside our own program, unless a variable says where.
fn program() -> Result<PathBuf, Failure> {
    match env::var_os("COUNTERSIGN_BENCH_PEERS") {
        Some(path) => Ok(path.into()),
        None => Ok(env::current_exe()?.with_file_name(PROGRAM)),
    }
}

fn read<T: for<'a> Deserialize<'a>>(answers: &mut BufReader<ChildStdout>) -> Result<T, Failure> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        return Err("the peer ended; its reason is above".into());
    }
    Ok(serde_json::from_str(&line)?)
}
