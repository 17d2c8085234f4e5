//! Keep one host: its disks, its clock, its power, and the node that runs on it now and then.

use crate::founding::Founder;
use crate::power::{Disk, Power, PoweredFiles};
use crate::random::Random;
use crate::slow::SlowSockets;
use countersign_consensus::{Flushing, Settings};
use countersign_ledger::store::MemoryKv;
use countersign_node::{Identity, MemoryFiles, Node, NodeError, Seams, SignLock, TokioClock, start};
use countersign_p2p::MemoryNetwork;
use countersign_proof::Genesis;
use futures::FutureExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long a node may take to start or to stop.
const TURN_MAX: Duration = Duration::from_secs(9);

/// A machine of one organisation.
pub struct Host {
    /// Whose it is.
    pub founder: Founder,
    /// Its power since the last start.
    pub power: Power,
    /// The small files, which forget nothing.
    pub files: Arc<MemoryFiles>,
    /// Every line that its sign lock ever had.
    pub locked: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Heights below and with this one were looked at.
    pub seen_height: u64,
    /// The certified size that was looked at.
    pub seen_certified: u64,
    /// How long it may be down after a crash or a stop.
    outage_ms_max: u64,
    /// Whether it led, and its term, when it was looked at.
    pub seen_lead: (bool, u64),
    state: State,
    ledger: Arc<MemoryKv>,
    raft: Arc<MemoryKv>,
    clock: Arc<TokioClock>,
    settings: Settings,
    random: Random,
}

/// ```text
///  Down ─▶ Starting ─▶ Up ─▶ Stopping ─▶ Down
/// ```
enum State {
    Down { until: Instant },
    Starting { node: JoinHandle<Result<Node, NodeError>>, since: Instant },
    Up { node: Box<Node> },
    Stopping { task: JoinHandle<()>, since: Instant },
}

/// What changed at a look.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    None,
    /// The node runs.
    Up,
    /// The node is gone; the power was cut under it, with so many writes lost.
    Crashed(usize),
    /// The node has stopped when it was asked to.
    Stopped,
}

impl Host {
    /// A host with empty disks, and the sign lock that is made with the key.
    pub fn new(founder: Founder, power: Power, clock: TokioClock, outage_ms_max: u64, mut random: Random) -> Host {
        let files = Arc::new(MemoryFiles::default());
        let voter = founder.secrets.voter.as_ref().expect("every founder votes");
        SignLock::create(&*files, voter.cosign.public()).expect("empty files");
        let settings = Settings {
            heartbeat_ms: 100,
            election_ms_min: 500,
            election_ms_max: 1_000,
            append_deadline_ms: 2_000,
            append_bytes_max: *random.pick(&[1, 2_000, 6 << 20]),
            committed_queue: *random.pick(&[1, 256]),
            log_entries_kept: *random.pick(&[4, 32, 10_000]),
            flushing: Flushing::Inline,
            ..Settings::new(0)
        };
        Host {
            founder,
            power,
            files,
            locked: Arc::default(),
            seen_height: 0,
            seen_certified: 0,
            outage_ms_max,
            seen_lead: (false, 0),
            state: State::Down { until: Instant::now() },
            ledger: Arc::new(MemoryKv::new()),
            raft: Arc::new(MemoryKv::new()),
            clock: Arc::new(clock),
            settings,
            random,
        }
    }

    /// The node, while it runs on power.
    pub fn node(&self) -> Option<&Node> {
        match &self.state {
            State::Up { node } if self.power.is_on() => Some(node),
            _ => None,
        }
    }

    /// Whether nothing runs and it is time to start.
    pub fn is_due(&self) -> bool {
        matches!(self.state, State::Down { until } if until <= Instant::now())
    }

    /// Whether it is up, or on the way.
    pub fn is_powered(&self) -> bool {
        self.power.is_on() && !matches!(self.state, State::Down { .. })
    }

    /// Starts a node on what the disks hold.
    pub fn start(&mut self, genesis: &Genesis, network: &MemoryNetwork, power: Power) {
        self.power = power.clone();
        let identity = Identity {
            node: self.founder.node.clone(),
            secrets: self.founder.secrets.clone(),
            genesis: genesis.clone(),
            listen: self.founder.address.clone(),
        };
        let sockets = SlowSockets::new(network.sockets(&self.founder.address), self.random.branch());
        let seams = Seams {
            ledger: Arc::new(Disk { kv: self.ledger.clone(), power: power.clone() }),
            raft: Arc::new(Disk { kv: self.raft.clone(), power: power.clone() }),
            files: Arc::new(PoweredFiles { files: self.files.clone(), locked: self.locked.clone(), power }),
            clock: self.clock.clone(),
            sockets: Arc::new(sockets),
            cache: Default::default(),
            verifier_threads: 0,
            vouched: Default::default(),
            consensus: Settings { seed: self.random.next(), ..self.settings.clone() },
            stations: Handle::current(),
        };
        self.state = State::Starting { node: tokio::spawn(start(identity, seams)), since: Instant::now() };
    }

    /// Asks the node to stop, as an operator does.
    pub fn stop(&mut self) {
        if matches!(self.state, State::Up { .. }) {
            self.leave();
        }
    }

    /// Moves on. Errs when the node has failed though it had power.
    pub fn turn(&mut self) -> Result<Turn, String> {
        let now = Instant::now();
        match &mut self.state {
            State::Down { .. } => Ok(Turn::None),
            State::Starting { node, since } => match node.now_or_never() {
                None if now - *since > TURN_MAX => Err(self.fault("it does not start")),
                None => Ok(Turn::None),
                Some(Ok(Ok(node))) => {
                    self.state = State::Up { node: Box::new(node) };
                    self.seen_certified = 0;
                    Ok(Turn::Up)
                }
                Some(_) if !self.power.is_on() => Ok(self.down()),
                Some(Ok(Err(error))) => Err(self.fault(&error.to_string())),
                Some(Err(error)) => Err(self.fault(&error.to_string())),
            },
            State::Up { .. } if !self.power.is_on() => {
                self.leave();
                Ok(Turn::None)
            }
            State::Up { node } => match node.ended().now_or_never() {
                // The power may have gone within this very look.
                Some(error) if self.power.is_on() => Err(self.fault(&error.to_string())),
                _ => Ok(Turn::None),
            },
            State::Stopping { task, since } => match task.now_or_never() {
                None if now - *since > TURN_MAX => Err(self.fault("it does not stop")),
                None => Ok(Turn::None),
                Some(Ok(())) => Ok(self.down()),
                Some(Err(error)) => Err(self.fault(&error.to_string())),
            },
        }
    }

    fn leave(&mut self) {
        let (nowhere, now) = (State::Down { until: Instant::now() }, Instant::now());
        if let State::Up { node } = std::mem::replace(&mut self.state, nowhere) {
            self.state = State::Stopping { task: tokio::spawn(node.stop()), since: now };
        }
    }

    /// After a power cut, each disk has lost the newest of its unsynced writes, be it none or all.
    fn down(&mut self) -> Turn {
        let crashed = !self.power.is_on();
        self.power.cut();
        self.state =
            State::Down { until: Instant::now() + Duration::from_millis(self.random.between(50, self.outage_ms_max)) };
        if !crashed {
            return Turn::Stopped;
        }
        let mut lost = 0;
        for kv in [&self.ledger, &self.raft] {
            let unsynced = kv.unsynced();
            let kept = self.random.below(unsynced as u64 + 1) as usize;
            kv.crash_keeping(kept);
            lost += unsynced - kept;
        }
        Turn::Crashed(lost)
    }

    fn fault(&self, what: &str) -> String {
        format!("{}: {what}", self.founder.node)
    }
}
