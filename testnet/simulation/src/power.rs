//! Cut a host's power between any two effects: its disks fail from then on, and the network loses it.

use countersign_ledger::store::MemoryKv;
use countersign_ledger::store::kv::{Batch, Family, Kv, KvError, Pair};
use countersign_node::{Files, MemoryFiles};
use countersign_p2p::MemoryNetwork;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

const SIGN_LOCK: &str = "cosign.lock";

const NEVER: u64 = u64::MAX;

/// One host's power, from a start to the stop after it. Clones are one.
#[derive(Clone)]
pub struct Power(Arc<Supply>);

struct Supply {
    on: AtomicBool,
    /// Effects until the power goes, where that was asked for.
    fuse: AtomicU64,
    effects: AtomicU64,
    /// The power goes once the next line of the sign lock is durable, before the signature that it allows is sent.
    at_signing: AtomicBool,
    went_at_signing: AtomicBool,
    network: MemoryNetwork,
    host: String,
    others: Vec<String>,
}

impl Power {
    /// Power for `host`, which loses its links to the `others` with it.
    pub fn on(network: MemoryNetwork, host: String, others: Vec<String>) -> Power {
        let (on, fuse, effects) = (AtomicBool::new(true), AtomicU64::new(NEVER), AtomicU64::new(0));
        let (at_signing, went_at_signing) = (AtomicBool::new(false), AtomicBool::new(false));
        Power(Arc::new(Supply { on, fuse, effects, at_signing, went_at_signing, network, host, others }))
    }

    /// Whether it still is.
    pub fn is_on(&self) -> bool {
        self.0.on.load(SeqCst)
    }

    /// How many effects the disks have seen: the finest measure of whether two runs are one.
    pub fn effects(&self) -> u64 {
        self.0.effects.load(SeqCst)
    }

    /// The power goes now.
    pub fn cut(&self) {
        self.0.on.store(false, SeqCst);
        self.0.others.iter().for_each(|other| self.0.network.cut(&self.0.host, other));
    }

    /// The power goes in place of an effect, after so many more.
    pub fn cut_after(&self, effects: u64) {
        self.0.fuse.store(effects, SeqCst);
    }

    /// The power goes between the next line of the sign lock and its signature.
    pub fn cut_at_signing(&self) {
        self.0.at_signing.store(true, SeqCst);
    }

    /// Whether it went there.
    pub fn went_at_signing(&self) -> bool {
        self.0.went_at_signing.load(SeqCst)
    }

    fn locked(&self) {
        if self.is_on() && self.0.at_signing.load(SeqCst) {
            self.0.went_at_signing.store(true, SeqCst);
            self.cut();
        }
    }

    /// Says whether one more effect happens.
    fn spend(&self) -> bool {
        if !self.is_on() {
            return false;
        }
        self.0.effects.fetch_add(1, SeqCst);
        match self.0.fuse.load(SeqCst) {
            NEVER => true,
            0 => {
                self.cut();
                false
            }
            left => {
                self.0.fuse.store(left - 1, SeqCst);
                true
            }
        }
    }
}

/// A database's disk while the power is on.
pub struct Disk {
    /// What outlives the power.
    pub kv: Arc<MemoryKv>,
    /// The host's.
    pub power: Power,
}

impl Disk {
    fn read(&self) -> Result<(), KvError> {
        if self.power.is_on() { Ok(()) } else { Err(gone()) }
    }

    fn effect(&self) -> Result<(), KvError> {
        if self.power.spend() { Ok(()) } else { Err(gone()) }
    }
}

fn gone() -> KvError {
    KvError::Database { path: "memory".into(), message: "the power is off".into() }
}

impl Kv for Disk {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.read()?;
        self.kv.get(family, key)
    }

    fn scan(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        self.read()?;
        self.kv.scan(family, from, to, limit)
    }

    fn scan_back(&self, family: Family, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Pair>, KvError> {
        self.read()?;
        self.kv.scan_back(family, from, to, limit)
    }

    fn write(&self, batch: Batch) -> Result<(), KvError> {
        self.effect()?;
        self.kv.write(batch)
    }

    fn sync(&self) -> Result<(), KvError> {
        self.effect()?;
        self.kv.sync()
    }
}

/// The small files while the power is on. An append that the power cut hits is torn.
pub struct PoweredFiles {
    /// What outlives the power.
    pub files: Arc<MemoryFiles>,
    /// Every line that the sign lock ever had; the file itself keeps the last one when a torn one is cut off.
    pub locked: Arc<Mutex<Vec<Vec<u8>>>>,
    /// The host's.
    pub power: Power,
}

impl Files for PoweredFiles {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        if self.power.is_on() { self.files.read(name) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let was_on = self.power.is_on();
        if self.power.spend() {
            self.files.append(name, bytes)?;
            if name == SIGN_LOCK {
                self.locked.lock().expect("no panic under the lock").push(bytes.to_vec());
                self.power.locked();
            }
            return Ok(());
        }
        if was_on {
            self.files.append(name, &bytes[..bytes.len() / 2])?;
        }
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn note(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.power.is_on() { self.files.note(name, bytes) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.power.spend() { self.files.replace(name, bytes) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}
