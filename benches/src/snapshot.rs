//! See what nodes and client have used, twice, and share the difference out over the transactions between.

use crate::Failure;
use crate::http;
use crate::usage::{Memory, cpu_by_thread, cpu_of, disk_of, memory_of};
use countersign_testnet::{Network, NodeRecord};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A node publishes its counters so often; with some leave.
pub const PUBLISHED_EVERY: Duration = Duration::from_millis(350);
const QUIET_WITHIN: Duration = Duration::from_secs(120);
const METRIC: &str = "countersign_station_cpu_microseconds_total{station=\"";
const TREE_SIZE: &str = "countersign_tree_size ";
const MIB: f64 = 1024.0 * 1024.0;

/// One node of the network that is looked at.
#[derive(Clone)]
pub struct Watched {
    record: NodeRecord,
    pid: u32,
}

impl Watched {
    /// All nodes.
    pub fn all(network: &mut Network) -> Result<Vec<Watched>, Failure> {
        let records = network.nodes().to_vec();
        let watched = records.into_iter().enumerate().map(|(n, record)| {
            let pid = network.pid(n).ok_or_else(|| format!("{} does not run", record.node))?;
            Ok(Watched { record, pid })
        });
        watched.collect()
    }

    /// Where its HTTP side listens.
    pub fn http_port(&self) -> u16 {
        self.record.http_port
    }
}

/// Waits until no node has a transaction to order, and no log has grown, for a while: whatever a round before left behind
/// is not this round's.
pub fn wait_quiet(nodes: &[Watched]) -> Result<(), Failure> {
    let deadline = Instant::now() + QUIET_WITHIN;
    let mut before = None;
    loop {
        let mut now = Vec::new();
        for node in nodes {
            let page = http::text(node.http_port(), "/metrics")?;
            let of = |name: &str| page.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            now.push((of(TREE_SIZE), of("countersign_mempool_transactions ")));
        }
        let idle = now.iter().all(|(_, waiting)| waiting.as_deref() == Some("0"));
        if idle && before.as_ref() == Some(&now) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err("the nodes do not come to rest".into());
        }
        before = Some(now);
        std::thread::sleep(PUBLISHED_EVERY);
    }
}

struct OfNode {
    cpu: Duration,
    threads: BTreeMap<String, Duration>,
    stations: BTreeMap<String, u64>,
    leaves: u64,
    ledger: u64,
    raft: u64,
    memory: Memory,
}

/// What was used up to now. Take it when the nodes have been quiet for [`PUBLISHED_EVERY`].
pub struct Snapshot {
    nodes: Vec<OfNode>,
    /// Leaves of the log: a transaction has one, and so has a block.
    leaves: u64,
    client: Duration,
}

impl Snapshot {
    /// Looks at all of them.
    pub fn take(nodes: &[Watched]) -> Result<Snapshot, Failure> {
        let nodes = nodes.iter().map(|Watched { record, pid }| {
            let metrics = http::text(record.http_port, "/metrics")?;
            Ok::<_, Failure>(OfNode {
                cpu: cpu_of(*pid),
                threads: cpu_by_thread(*pid),
                stations: stations(&metrics),
                leaves: leaves(&metrics),
                ledger: disk_of(&record.folder.join("ledger-0")),
                raft: disk_of(&record.folder.join("raft")),
                memory: memory_of(*pid),
            })
        });
        let nodes = nodes.collect::<Result<Vec<OfNode>, _>>()?;
        let leaves = nodes.iter().map(|node| node.leaves).max().unwrap_or(0);
        Ok(Snapshot { nodes, leaves, client: cpu_of(std::process::id()) })
    }

    /// What was used since, a transaction where it says so; all nodes together where it does not name one.
    pub fn since(&self, before: &Snapshot, transactions: u64) -> BTreeMap<String, f64> {
        let each = |of_all: Duration| of_all.as_secs_f64() * 1e6 / transactions.max(1) as f64;
        let mut figures = BTreeMap::new();
        let mut add = |name: String, value: f64| *figures.entry(name).or_default() += value;
        let client = each(self.client.saturating_sub(before.client));
        add("cpu_us.client".into(), client);
        add("cpu_us.all".into(), client);
        for (n, (now, before)) in self.nodes.iter().zip(&before.nodes).enumerate() {
            let cpu = each(now.cpu.saturating_sub(before.cpu));
            add(format!("cpu_us.node-{}", n + 1), cpu);
            add("cpu_us.nodes".into(), cpu);
            add("cpu_us.all".into(), cpu);
            let count = self.nodes.len() as f64 * transactions.max(1) as f64;
            add("disk_bytes.ledger".into(), (now.ledger as f64 - before.ledger as f64) / count);
            add("disk_bytes.raft".into(), (now.raft as f64 - before.raft as f64) / count);
            for (part, spent) in now.parts_since(before) {
                add(format!("part_us.{part}"), each(spent));
            }
        }
        let blocks = self.leaves.saturating_sub(before.leaves).saturating_sub(transactions);
        figures.insert("transactions_a_block".into(), transactions as f64 / blocks.max(1) as f64);
        let most = |of: fn(&Memory) -> u64| self.nodes.iter().map(|node| of(&node.memory)).max().unwrap_or(0) as f64;
        figures.insert("memory_mib.node_now".into(), most(|memory| memory.now) / MIB);
        figures.insert("memory_mib.node_most".into(), most(|memory| memory.most) / MIB);
        figures
    }
}

impl OfNode {
    /// CPU by station, and what is left of the threads that stations run on.
    fn parts_since(&self, before: &OfNode) -> BTreeMap<String, Duration> {
        let since = |name: &str| {
            let of = |node: &OfNode| node.threads.get(name).copied().unwrap_or_default();
            of(self).saturating_sub(of(before))
        };
        let mut parts = BTreeMap::new();
        let mut on_threads = [Duration::ZERO; 2];
        for (station, now) in &self.stations {
            let spent = Duration::from_micros(now - before.stations.get(station).unwrap_or(&0).min(now));
            let service = station.starts_with("service_");
            on_threads[usize::from(service)] += spent;
            *parts.entry(station.clone()).or_default() += spent;
        }
        // The thread that the process began with drives Raft's runtime too.
        let raft = since("raft") + since("countersign");
        parts.insert("api_and_rest".into(), since("station").saturating_sub(on_threads[0]));
        parts.insert("raft_and_p2p".into(), raft.saturating_sub(on_threads[1]));
        let others = self.threads.keys().filter(|name| !["raft", "countersign", "station"].contains(&&name[..]));
        for name in others {
            let part = if name.starts_with("rocksdb") { "rocksdb" } else { name };
            *parts.entry(part.to_owned()).or_default() += since(name);
        }
        parts
    }
}

/// How many leaves the log of a node has, from its metrics.
fn leaves(page: &str) -> u64 {
    page.lines().find_map(|line| line.strip_prefix(TREE_SIZE)?.parse().ok()).unwrap_or(0)
}

/// The counters of a node by station, from its metrics.
fn stations(page: &str) -> BTreeMap<String, u64> {
    let samples = page.lines().filter_map(|line| line.strip_prefix(METRIC)?.split_once("\"} "));
    samples.filter_map(|(station, value)| Some((station.to_owned(), value.parse().ok()?))).collect()
}
