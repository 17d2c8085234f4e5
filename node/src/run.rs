//! Run a node from its folder until it is told to stop.

use crate::api;
#[cfg(not(feature = "byzantine"))]
use crate::clock::SystemClock;
use crate::files::FolderFiles;
use crate::folder::Folder;
use crate::start::{Identity, Seams, start};
use crate::{NodeError, door, http_tls, view, vouch, witness};
use countersign_consensus::{FAMILIES, Settings};
use countersign_gateway::{NodeView, Served};
use countersign_ledger::store::{RocksKv, open_database};
use countersign_p2p::TcpSockets;
use countersign_proof::Hash;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

const VERIFIER_THREADS: usize = 2;
const RAFT_THREADS: usize = 1;
const STATION_THREADS: usize = 2;

/// Runs the node of this folder until SIGTERM or SIGINT, or until it must stop.
///
/// Two runtimes: Raft and the members' connections on one, stations and API on the other, so that no execution or
/// fsync keeps a heartbeat waiting.
pub fn run(path: &Path, genesis_hash: Option<Hash>) -> Result<(), NodeError> {
    let folder = Folder::read(path, genesis_hash)?;
    let _lock = lock_folder(path)?;
    let runtime = |name: &str, threads: usize| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(name)
            .enable_all()
            .build()
            .map_err(|e| NodeError::file("runtime", e))
    };
    let stations = runtime("station", STATION_THREADS)?;
    let raft = runtime("raft", RAFT_THREADS)?;
    raft.block_on(run_on(folder, stations.handle().clone()))
}

#[cfg(feature = "byzantine")]
use crate::misbehave::clock;

#[cfg(not(feature = "byzantine"))]
fn clock() -> Arc<dyn crate::clock::Clock> {
    Arc::new(SystemClock)
}

/// One process a folder. The lock goes with the process.
fn lock_folder(path: &Path) -> Result<File, NodeError> {
    let file = File::create(path.join("lock")).map_err(|e| NodeError::file("lock", e))?;
    let taken = |_| NodeError::Folder(format!("another process runs the node in {}", path.display()));
    file.try_lock().map_err(taken)?;
    Ok(file)
}

async fn run_on(folder: Folder, stations: tokio::runtime::Handle) -> Result<(), NodeError> {
    let mut stop = Stop::new()?;
    let Folder { path, config, secrets, genesis } = folder.clone();
    let api_listener = bind(&config.api).await?;
    let http_listener = match &config.http {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let witness = witness::open(&path, &config, &secrets, clock())?;
    let reached = witness::reached(&path, &config.witnesses)?;
    let host = config.api.rsplit_once(':').map_or("", |(host, _)| host);
    let clients = config.client_certificates.as_ref();
    let tls = api::ApiTls::prepare(&path, &secrets.tls, host, clients)?;
    let http_tls = config.http_tls.as_ref().map(|tls| http_tls::acceptor(&path, tls, clients)).transpose()?;
    let (vouched, fetches) = vouch::open(&folder)?;
    let seams = Seams {
        ledger: Arc::new(open_database(&path.join("ledger-0"), config.cache_mib)?),
        cache: config.cache_mib,
        raft: Arc::new(RocksKv::open(&path.join("raft"), &FAMILIES)?),
        files: Arc::new(FolderFiles(path.clone())),
        clock: clock(),
        sockets: Arc::new(TcpSockets),
        verifier_threads: VERIFIER_THREADS,
        consensus: Settings { log_entries_kept: config.log_entries_kept, ..Settings::new(0) },
        vouched,
        stations: stations.clone(),
    };
    let log = secrets.voter.as_ref().map(|voter| voter.log.clone());
    let identity = Identity { node: config.node.clone(), secrets, genesis, listen: config.listen.clone() };
    let starting = start(identity, seams);
    let mut node = tokio::select! {
        biased;
        () = stop.asked() => return Ok(()),
        node = starting => node?,
    };
    for fetch in fetches {
        stations.spawn(fetch.run());
    }
    let (pushes, cosigned) = witness::pushes(reached, &node.reader(), &node.api.certified);
    stations.spawn(witness::run(pushes));
    tracing::info!(node = config.node, listen = config.listen, api = config.api, "node runs");
    let (ending, ended) = watch::channel(());
    let quit = move || {
        let mut ended = ended.clone();
        async move { drop(ended.changed().await) }
    };
    let mut servers = tokio::task::JoinSet::new();
    servers.spawn_on(api::serve(node.api.clone(), api_listener, tls, quit()), &stations);
    if let Some(listener) = http_listener {
        let (views, seen) = watch::channel(Arc::new(NodeView::default()));
        stations.spawn(view::run(node.api.clone(), cosigned, views));
        let (reader, genesis) = (node.reader(), node.api.genesis.clone());
        let api = Some(door::open(&folder, node.api.clone(), &stations)?);
        let router = countersign_gateway::router(Served { reader, genesis, log, view: seen, api, witness });
        let serving = countersign_gateway::serve(listener, router, http_tls, quit());
        servers.spawn_on(async { serving.await.map_err(|e| NodeError::Server(e.to_string())) }, &stations);
    }
    let reason = tokio::select! {
        biased;
        () = stop.asked() => None,
        error = node.ended() => Some(error),
        Some(Ok(Err(error))) = servers.join_next() => Some(error),
    };
    // A node that must stop answers nobody any more.
    drop(ending);
    servers.abort_all();
    match reason {
        None => {
            node.stop().await;
            tracing::info!("node stopped");
            Ok(())
        }
        Some(error) => {
            tracing::error!(%error, "node stops");
            Err(error)
        }
    }
}

async fn bind(address: &str) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|e| NodeError::Server(format!("{address}: {e}")))
}

struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Stop, NodeError> {
        let listen = |kind| signal(kind).map_err(|e| NodeError::file("signal", e));
        Ok(Stop { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
