//! Start a node on given seams: databases, files, clock, sockets, threads.

use crate::accuse::{Accuse, Suspicion};
use crate::api::Api;
use crate::apply::{Apply, Sealed, starting_point};
use crate::catch_up::CatchUp;
use crate::certify::{Certify, Late, Tally};
use crate::clock::Clock;
use crate::cursors::{Applied, Certified, Epochs, Signed};
use crate::distrust::Distrust;
use crate::echo::{EchoRecord, Echoes};
use crate::files::Files;
use crate::folder::NodeSecrets;
use crate::frames::{RaftIdFound, SERVICE_RAFT_ID, decode};
use crate::gate::Gate;
use crate::left_out::Complaints;
use crate::limits::*;
use crate::members::{self, Members};
use crate::mempool::{Mempool, MempoolSize};
use crate::metered::Meters;
use crate::order::Order;
use crate::publish::Publish;
use crate::purge::Purge;
use crate::read_index::Asker;
use crate::services::{Answers, Asked};
use crate::sign::{Sign, Signer};
use crate::sign_lock::SignLock;
use crate::submit::{Desk, Submit};
use crate::verifier::Verifier;
use crate::wire::MemberWire;
use crate::{NodeError, incarnations};
use bytes::Bytes;
use countersign_consensus::{Consensus, Position, Settings, Wire};
use countersign_gateway::{Callers, Feeds, Governed, Progress, Sight, Vouched};
use countersign_ledger::store::kv::Kv;
use countersign_ledger::store::{CacheSize, Ledger, Reader};
use countersign_p2p::{Lane, Services, Sockets, Transport};
use countersign_proof::{Checkpoint, Genesis, Leaf, organisation_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

const ADMISSION_AGAIN: Duration = Duration::from_millis(500);

/// Who a node is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// `<organisation>/<node>`.
    pub node: String,
    /// Its private keys.
    pub secrets: NodeSecrets,
    /// Its ledger.
    pub genesis: Genesis,
    /// Where it listens for members.
    pub listen: String,
}

/// Everything through which a node touches the world.
pub struct Seams {
    /// The ledger database.
    pub ledger: Arc<dyn Kv>,
    /// How much of its state is kept in memory.
    pub cache: CacheSize,
    /// The Raft log's database.
    pub raft: Arc<dyn Kv>,
    /// The small files beside them.
    pub files: Arc<dyn Files>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The network.
    pub sockets: Arc<dyn Sockets>,
    /// Threads that verify signatures; 0 verifies inline.
    pub verifier_threads: usize,
    /// Consensus' own settings; its Raft id is set here.
    pub consensus: Settings,
    /// Whom the operator vouches for at the API.
    pub vouched: Vouched,
    /// Where stations run: not on the threads that carry Raft's heartbeats.
    pub stations: Handle,
}

/// A node that runs.
pub struct Node {
    pub(crate) api: Api,
    stations: JoinSet<Result<(), NodeError>>,
}

/// Starts a node. Must be called on the runtime that shall carry Raft and the members' connections.
pub async fn start(identity: Identity, seams: Seams) -> Result<Node, NodeError> {
    let ledger = Ledger::open(seams.ledger.clone(), &identity.genesis)?.with_cache(seams.cache);
    let reader = ledger.reader();
    let first = Members::read(&reader)?;
    let (directory, directory_seen) = watch::channel(Arc::new(first.directory()?));
    let (members, members_seen) = watch::channel(Arc::new(first));
    let mut services = Services::new();
    let asked = Asked::register(&mut services);
    let own = countersign_p2p::Identity {
        name: identity.node.clone(),
        genesis: identity.genesis.hash().0,
        tls_seed: identity.secrets.tls.seed(),
    };
    let transport =
        countersign_p2p::start(own, directory_seen, seams.sockets.clone(), &identity.listen, services).await?;
    let raft_id = raft_id(&identity.node, &members_seen, &transport).await;
    incarnations::begin(&*seams.files, raft_id, Consensus::is_pristine(seams.raft.clone())?)?;
    let wire: Arc<dyn Wire> = Arc::new(MemberWire { transport: transport.clone(), members: members_seen.clone() });
    #[cfg(feature = "byzantine")]
    let wire = {
        crate::misbehave::begin(&identity);
        crate::misbehave::wire(wire, raft_id)
    };
    let suspicion = mpsc::channel(SUSPICIONS_MAX);
    let (applied_now, applied_seen) = watch::channel(starting_point(&ledger, &identity.genesis.origin())?);
    let distrust = Distrust::default();
    let gate = Gate {
        applied: applied_seen,
        members: members_seen.clone(),
        clock: seams.clock.clone(),
        suspicions: suspicion.0.clone(),
        distrust: distrust.clone(),
        origin: identity.genesis.origin(),
        seen: Mutex::default(),
    };
    let settings = Settings { raft_id, admit: Some(Arc::new(gate)), ..seams.consensus.clone() };
    let entries_min = settings.log_entries_kept.max(1);
    let applied = ledger.position().map(|at| Position { term: at.term, index: at.index });
    let (consensus, committed) = Consensus::start(settings, seams.raft.clone(), wire, applied).await?;
    // Genesis gives its nodes the Raft ids from 1, and an id is never used again.
    let founders: BTreeSet<u64> = (1..=identity.genesis.membership().nodes().count() as u64).collect();
    if founders.contains(&raft_id) {
        consensus.initialize(founders).await?;
    }
    let parts = Parts {
        identity,
        seams,
        ledger,
        transport,
        consensus,
        committed,
        asked,
        entries_min,
        applied_now,
        suspicion,
        distrust,
    };
    parts.run(members, members_seen, directory).await
}

/// This node's Raft id: from its own ledger, or, for one that joins, from a member that has admitted it.
async fn raft_id(node: &str, members: &watch::Receiver<Arc<Members>>, transport: &Transport) -> u64 {
    if let Some(entry) = members.borrow().nodes.get(node) {
        return entry.raft;
    }
    tracing::info!(node, "not in the ledger yet: asking the members for the raft id");
    loop {
        let names: Vec<String> = members.borrow().nodes.keys().cloned().collect();
        for name in names {
            let call = transport.call(&name, Lane::Control, SERVICE_RAFT_ID, Bytes::new(), READ_DEADLINE);
            if let Some(found) = call.await.ok().and_then(decode::<RaftIdFound>) {
                return found.raft_id;
            }
        }
        tokio::time::sleep(ADMISSION_AGAIN).await;
    }
}

/// What the stations are made from.
struct Parts {
    identity: Identity,
    seams: Seams,
    ledger: Ledger,
    transport: Transport,
    consensus: Consensus,
    committed: mpsc::Receiver<countersign_consensus::Committed>,
    asked: Asked,
    entries_min: u64,
    applied_now: watch::Sender<Applied>,
    suspicion: (mpsc::Sender<Suspicion>, mpsc::Receiver<Suspicion>),
    distrust: Distrust,
}

impl Parts {
    /// Wires the stations, left to right, and starts them.
    async fn run(
        mut self,
        members: watch::Sender<Arc<Members>>,
        members_seen: watch::Receiver<Arc<Members>>,
        directory: watch::Sender<Arc<countersign_p2p::Directory>>,
    ) -> Result<Node, NodeError> {
        let genesis = Arc::new(self.identity.genesis.clone());
        let (origin, node) = (genesis.origin(), self.identity.node.clone());
        let reader = self.ledger.reader();
        let (_, limits) = self.ledger.in_force()?;
        let verifier =
            Verifier::start(self.seams.verifier_threads, genesis.hash()).map_err(|e| NodeError::file("thread", e))?;
        let (applied, applied_seen) = (self.applied_now.clone(), self.applied_now.subscribe());
        let (signed, signed_seen) = watch::channel(Signed::default());
        let (certified, certified_seen) = watch::channel(Certified::default());
        let (published, published_seen) = watch::channel(Certified::default());
        let (cosigned, cosigned_seen) = watch::channel(Arc::new(BTreeMap::new()));
        let (mempool_size, mempool_seen) = watch::channel(MempoolSize::default());
        let (submissions, submitted) = mpsc::channel(OWNED_MAX);
        let (to_mempool, in_mempool) = mpsc::channel(MEMPOOL_TRANSACTIONS_MAX);
        let (batches, to_order) = mpsc::channel(1);
        let (wanted, wanted_seen) = watch::channel(0);
        let (sealed, to_sign) = mpsc::channel(SEALS_WAITING_MAX);
        let (own, own_cosignatures) = mpsc::channel(COSIGNATURES_WAITING_MAX);
        let (others, other_cosignatures) = mpsc::channel(COSIGNATURES_WAITING_MAX);
        let leadership = self.consensus.leadership();
        let unsigned = self.unsigned(&reader, &applied.borrow().epochs)?;
        let (echoes, heard) = mpsc::channel(ECHOES_WAITING_MAX);
        let (halts, halts_seen) = watch::channel(String::new());
        let (accusations, accusations_seen) = watch::channel(Arc::default());
        let (not_signing, not_signing_seen) = watch::channel(String::new());
        let signer = self.signer(&reader, &members_seen)?;
        let (suspicions, suspected) = self.suspicion;
        let complaints = Complaints::default();
        let meters = Meters::default();

        let answers = Answers {
            consensus: self.consensus.clone(),
            reader: reader.clone(),
            verifier: verifier.clone(),
            mempool: to_mempool.clone(),
            cosignatures: others.clone(),
            echoes: echoes.clone(),
            suspicions: suspicions.clone(),
            members: members_seen.clone(),
            distrust: self.distrust.clone(),
            complaints: complaints.clone(),
            submissions: submissions.clone(),
            limits,
            meters: meters.clone(),
        };
        tokio::spawn(self.asked.run(answers));

        let submit = Submit {
            incoming: submitted,
            mempool: to_mempool,
            reader: reader.clone(),
            applied: applied_seen.clone(),
            // Whoever is told that it is certified may read it here at once.
            certified: published_seen.clone(),
            cosigned: cosigned_seen.clone(),
            members: members_seen.clone(),
            leadership: leadership.clone(),
            transport: self.transport.clone(),
            distrust: self.distrust.clone(),
            complaints,
            node: node.clone(),
            limits,
            desk: Desk::default(),
        };
        let mempool = Mempool {
            incoming: in_mempool,
            order: batches,
            wanted: wanted_seen,
            leadership: leadership.clone(),
            members: members_seen.clone(),
            transport: self.transport.clone(),
            size: mempool_size,
            proposal_bytes_max: limits.proposal_bytes as usize,
        };
        let order = self.identity.secrets.voter.as_ref().map(|secrets| Order {
            batches: to_order,
            wanted,
            taken: 0,
            waiting: mempool_seen.clone(),
            consensus: self.consensus.clone(),
            leadership: leadership.clone(),
            applied: applied_seen.clone(),
            certified: certified_seen.clone(),
            clock: self.seams.clock.clone(),
            key: secrets.proposal.clone(),
            node: node.clone(),
            origin: origin.clone(),
            lead: None,
        });
        let apply = Apply {
            committed: self.committed,
            verifier: verifier.clone(),
            applied,
            appended: self.consensus.appended(),
            sealed: sealed.clone(),
            catch_up: CatchUp {
                transport: self.transport.clone(),
                members: members_seen.clone(),
                node: node.clone(),
                turn: 0,
                certificate: None,
            },
            origin: origin.clone(),
            ledger: self.ledger,
        };
        let sign = Sign {
            sealed: to_sign,
            heard,
            suspicions: suspicions.clone(),
            certified: certified_seen.clone(),
            halts: halts_seen,
            signer,
            cosignatures: own,
            signed,
            not_signing,
        };
        let accuse = Accuse {
            suspicions: suspected,
            found: suspicions.clone(),
            reader: reader.clone(),
            applied: applied_seen.clone(),
            certified: certified_seen.clone(),
            members: members_seen.clone(),
            transport: self.transport.clone(),
            halts,
            accusations,
            distrust: self.distrust.clone(),
            node: node.clone(),
            origin: origin.clone(),
            open: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        let certify = Certify {
            own: own_cosignatures,
            others: other_cosignatures,
            pulled: others,
            echoes,
            suspicions,
            reader: reader.clone(),
            applied: applied_seen.clone(),
            members: members_seen.clone(),
            transport: self.transport.clone(),
            certified,
            cosigned,
            node: node.clone(),
            cosign: self.identity.secrets.voter.as_ref().map(|keys| keys.cosign.public()),
            origin: origin.clone(),
            tally: Tally::default(),
            late: Late::default(),
            unwritten: Vec::new(),
        };
        let purge = Purge {
            certified: certified_seen.clone(),
            reader: reader.clone(),
            consensus: self.consensus.clone(),
            entries_min: self.entries_min,
        };
        // What was applied before the last stop may not have been signed.
        for seal in unsigned {
            drop(sealed.send(seal).await);
        }
        drop(sealed);

        let on = &self.seams.stations;
        let mut stations = JoinSet::new();
        let following = members::run(reader.clone(), applied_seen.clone(), members, directory, self.consensus.clone());
        stations.spawn_on(meters.meter("members", following), on);
        stations.spawn_on(meters.meter("submit", submit.run()), on);
        let mempool = async {
            mempool.run().await;
            Ok(())
        };
        stations.spawn_on(meters.meter("mempool", mempool), on);
        if let Some(order) = order {
            let order = async {
                order.run().await;
                Ok(())
            };
            stations.spawn_on(meters.meter("order", order), on);
        }
        stations.spawn_on(meters.meter("apply", apply.run()), on);
        stations.spawn_on(meters.meter("sign", sign.run()), on);
        stations.spawn_on(meters.meter("certify", certify.run()), on);
        stations.spawn_on(meters.meter("accuse", accuse.run()), on);
        let (told, progress) = watch::channel(Progress::default());
        let (applied, certified) = (applied_seen.clone(), certified_seen.clone());
        let mut publish = Publish { applied, certified, published, progress: told };
        // Whoever reads from now on sees what is there already.
        publish.tell();
        let publish = async {
            publish.run().await;
            Ok(())
        };
        stations.spawn_on(meters.meter("publish", publish), on);
        stations.spawn_on(meters.meter("purge", purge.run()), on);
        let (consensus, transport) = (self.consensus.clone(), self.transport.clone());
        let (read_indexes, asking) = Asker { consensus, transport, members: members_seen.clone() }.start();
        let asking = async {
            asking.await;
            Ok(())
        };
        stations.spawn_on(meters.meter("read_index", asking), on);

        let governing = applied_seen.clone();
        let governed: Governed = Arc::new(move || governing.borrow().governed_height);
        let sight = Sight::new(reader.clone(), Some(governed.clone()));
        let (organisation, clock) = (organisation_of(&node).to_owned(), self.seams.clock.clone());
        let now_ms = Arc::new(move || clock.now_ms());
        let vouched = self.seams.vouched;
        let callers =
            Callers::new(reader.clone(), origin.clone(), organisation, vouched, now_ms, Some(governed.clone()));
        let (reading, seeing, calling) = (reader.clone(), sight.clone(), callers.clone());
        let api = Api {
            feeds: Feeds { reader: reading, sight: seeing, callers: calling, progress },
            sight,
            callers,
            node,
            origin,
            genesis,
            reader,
            verifier,
            submissions,
            owned: Arc::new(Semaphore::new(OWNED_MAX)),
            owned_bytes: Arc::new(Semaphore::new(OWNED_BYTES_MAX)),
            subscriptions: Arc::new(Semaphore::new(SUBSCRIPTIONS_MAX)),
            limits,
            consensus: self.consensus,
            read_indexes,
            transport: self.transport,
            members: members_seen,
            applied: applied_seen,
            signed: signed_seen,
            certified: certified_seen,
            published: published_seen,
            cosigned: cosigned_seen,
            mempool: mempool_seen,
            not_signing: not_signing_seen,
            accusations: accusations_seen,
            distrust: self.distrust,
            meters,
        };
        Ok(Node { api, stations })
    }

    fn signer(&self, reader: &Reader, members: &watch::Receiver<Arc<Members>>) -> Result<Option<Signer>, NodeError> {
        let Some(keys) = self.identity.secrets.voter.clone() else { return Ok(None) };
        let lock = SignLock::open(self.seams.files.clone(), keys.cosign.public())?;
        Ok(Some(Signer {
            lock,
            record: EchoRecord::open(self.seams.files.clone())?,
            keys,
            node: self.identity.node.clone(),
            origin: self.identity.genesis.origin(),
            reader: reader.clone(),
            clock: self.seams.clock.clone(),
            transport: self.transport.clone(),
            members: members.clone(),
            waiting: BTreeMap::new(),
            echoes: Echoes::default(),
            checked: false,
            refused: None,
        }))
    }

    /// The seals to begin with: the one that ends the last epoch, while it has no certificate, and the newest.
    fn unsigned(&self, reader: &Reader, epochs: &Arc<Epochs>) -> Result<Vec<Sealed>, NodeError> {
        let tip = self.ledger.chain().size;
        let boundary = epochs.boundary();
        let open = boundary > 0 && boundary < tip && reader.certificate_at(boundary)?.is_none();
        [open.then_some(boundary), Some(tip)]
            .into_iter()
            .flatten()
            .map(|size| self.sealed(reader, epochs, size))
            .collect()
    }

    fn sealed(&self, reader: &Reader, epochs: &Arc<Epochs>, size: u64) -> Result<Sealed, NodeError> {
        let no_seal = || NodeError::Halted(format!("no seal ends the log at size {size}"));
        let leaf = reader.leaf(size - 1)?.ok_or_else(no_seal)?;
        let Ok(Leaf::Seal(seal)) = Leaf::parse(&leaf) else { return Err(no_seal()) };
        let position = reader.position_of(seal.height)?.ok_or_else(no_seal)?;
        let checkpoint = Checkpoint { origin: self.identity.genesis.origin(), size, root: reader.log_root(size)? };
        Ok(Sealed { height: seal.height, index: position.index, checkpoint, epochs: epochs.clone() })
    }
}

impl Node {
    /// Resolves when a station has ended, which none does while the node is well, or Raft has died.
    pub async fn ended(&mut self) -> NodeError {
        let consensus = self.api.consensus.clone();
        tokio::select! {
            biased;
            reason = consensus.died() => NodeError::RaftDied(reason),
            ended = self.stations.join_next() => match ended {
                Some(Ok(Err(error))) => error,
                Some(Err(panic)) => NodeError::Halted(format!("a station panicked: {panic}")),
                Some(Ok(Ok(()))) | None => NodeError::Halted("a station ended".into()),
            },
        }
    }

    /// Stops taking part. What was answered is on disk; what was not is asked again by its callers.
    pub async fn stop(mut self) {
        self.api.consensus.shutdown().await;
        self.api.transport.shutdown().await;
        self.stations.shutdown().await;
        if let Err(error) = self.api.reader.sync() {
            tracing::warn!(%error, "the ledger was not synced at the end; it is replayed at the next start");
        }
    }

    /// The height, tree size and log root this node has applied.
    pub fn applied(&self) -> crate::Applied {
        self.api.applied.borrow().clone()
    }

    /// What it knows to be certified.
    pub fn certified(&self) -> Certified {
        *self.api.certified.borrow()
    }

    /// Whether it leads.
    pub fn leads(&self) -> bool {
        self.api.consensus.leadership().borrow().here
    }

    /// A handle that reads its ledger.
    pub fn reader(&self) -> countersign_ledger::store::Reader {
        self.api.reader.clone()
    }

    /// `<organisation>/<node>`.
    pub fn name(&self) -> &str {
        &self.api.node
    }

    /// Where its consensus stands.
    pub fn consensus(&self) -> countersign_consensus::Status {
        self.api.consensus.status()
    }

    /// What it has signed since it started.
    pub fn signed(&self) -> Signed {
        *self.api.signed.borrow()
    }

    /// The organisations that the evidence it holds names.
    pub fn accused(&self) -> BTreeSet<String> {
        let shown = self.api.accusations.borrow();
        let accused = shown.iter().flat_map(|accusation| accusation.verified.accused());
        accused.map(|accused| accused.organisation.clone()).collect()
    }

    /// The members whose Raft requests it refuses now, and why.
    pub fn refused(&self) -> Vec<(String, String)> {
        self.api.distrust.all()
    }

    /// How far subscribers may read.
    pub fn published(&self) -> Certified {
        *self.api.published.borrow()
    }

    /// Submits a transaction as the API does, without a network between. The answer may be awaited elsewhere.
    pub fn submit(
        &self,
        request: countersign_proto::v1::SubmitRequest,
    ) -> impl Future<Output = Result<countersign_proto::v1::SubmitResponse, tonic::Status>> + Send + use<> {
        use countersign_proto::v1::ledger_server::Ledger as _;
        let api = self.api.clone();
        async move { Ok(api.submit(tonic::Request::new(request)).await?.into_inner()) }
    }
}
