//! Run three members of etcd and put values.

use crate::place::{Server, free_ports, until};
use crate::round::{self, Order, Round, Writer};
use api::kv_client::KvClient;
use api::maintenance_client::MaintenanceClient;
use api::{PutRequest, StatusRequest, StatusResponse};
use rustix::process::Signal;
use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use tonic::transport::{Channel, Endpoint};

mod api {
    #![allow(missing_docs)]
    tonic::include_proto!("etcdserverpb");
}

const MEMBERS: usize = 3;
/// Writes under way that share a connection, and the most connections: more gained nothing.
const WRITES_A_CONNECTION: usize = 16;
const CONNECTIONS_MAX: usize = 16;
/// Its default of 2 GiB would end a long series of rounds.
const QUOTA_BYTES: &str = "8589934592";

/// Three members on loopback.
pub struct Etcd {
    members: Vec<Server>,
    endpoints: Vec<String>,
    /// Which version answers.
    pub version: String,
}

impl Etcd {
    /// Starts them, and waits until one leads.
    pub async fn start(folder: &Path) -> Result<Etcd, Box<dyn Error>> {
        let ports = free_ports(2 * MEMBERS)?;
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let (clients, peers) = ports.split_at(MEMBERS);
        let cluster: Vec<String> = peers.iter().enumerate().map(|(n, port)| format!("m{n}={}", url(*port))).collect();
        let mut members = Vec::new();
        for n in 0..MEMBERS {
            let (name, client, peer) = (format!("m{n}"), url(clients[n]), url(peers[n]));
            let mut command = Command::new("etcd");
            command.args(["--name", &name, "--data-dir"]).arg(folder.join(&name));
            command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
            command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
            command.args(["--initial-cluster", &cluster.join(","), "--initial-cluster-state", "new"]);
            command.args(["--logger", "zap", "--log-level", "error", "--quota-backend-bytes", QUOTA_BYTES]);
            let log = std::fs::File::create(folder.join(format!("{name}.log")))?;
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            members.push(Server::start(&mut command, Signal::KILL).map_err(|e| format!("etcd: {e}"))?);
        }
        let endpoints: Vec<String> = clients.iter().map(|port| url(*port)).collect();
        let leads = until("etcd has no leader", || async {
            let status = status(&endpoints[0]).await?;
            if status.leader == 0 { Err("no leader".into()) } else { Ok(status) }
        });
        let version = format!("etcd {}", leads.await?.version);
        Ok(Etcd { members, endpoints, version })
    }

    /// The members' processes.
    pub fn pids(&self) -> Vec<u32> {
        self.members.iter().map(Server::pid).collect()
    }

    /// Keeps puts under way.
    pub async fn run(&self, order: Order) -> Result<Round, Box<dyn Error>> {
        let endpoints = if order.to_leader { vec![self.leader().await?] } else { self.endpoints.clone() };
        let mut channels = Vec::new();
        let connections = order.in_flight.div_ceil(WRITES_A_CONNECTION).clamp(endpoints.len(), CONNECTIONS_MAX);
        for endpoint in endpoints.iter().cycle().take(connections) {
            channels.push(Endpoint::from_shared(endpoint.clone())?.tcp_nodelay(true).connect().await?);
        }
        let puts = channels.into_iter().cycle().take(order.in_flight).map(|channel| Puts(KvClient::new(channel)));
        round::run(puts.collect(), order).await
    }

    async fn leader(&self) -> Result<String, Box<dyn Error>> {
        for endpoint in &self.endpoints {
            let status = status(endpoint).await?;
            if status.header.is_some_and(|header| header.member_id == status.leader) {
                return Ok(endpoint.clone());
            }
        }
        Err("no member of etcd says that it leads".into())
    }
}

async fn status(endpoint: &str) -> Result<StatusResponse, Box<dyn Error>> {
    let mut client = MaintenanceClient::connect(endpoint.to_owned()).await?;
    Ok(client.status(StatusRequest {}).await?.into_inner())
}

struct Puts(KvClient<Channel>);

impl Writer for Puts {
    async fn write(&mut self, key: String, value: Vec<u8>) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0.put(PutRequest { key: key.into_bytes(), value }).await?;
        Ok(())
    }
}
