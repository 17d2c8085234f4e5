//! Lie on purpose, in builds with the feature `byzantine` that no release has: for showing what becomes of a liar.

use crate::clock::{Clock, SystemClock};
use crate::folder::VoterSecrets;
use crate::frames::BlocksFound;
use crate::start::Identity;
use crate::verifier::Verified;
use bytes::Bytes;
use countersign_consensus::{Lane, Wire, WireError};
use countersign_ledger::store::KeptCosignature;
use countersign_proof::limits::JSON_DEPTH_MAX;
use countersign_proof::{
    Checkpoint, Hash, Proposal, ProposalHeader, canonical, organisation_of, parse_canonical, plain_hash,
};
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// The variable that names the lie.
const MISBEHAVE: &str = "COUNTERSIGN_MISBEHAVE";
const WILD_CLOCK_MS: u64 = 3_600_000;
/// Whom the censor leaves out.
const CENSORED: &str = "ua.example";

static LIAR: OnceLock<(String, VoterSecrets)> = OnceLock::new();

fn lies(name: &str) -> bool {
    std::env::var(MISBEHAVE).is_ok_and(|lie| lie == name)
}

/// Tells the lies whose keys they are told with.
pub(crate) fn begin(identity: &Identity) {
    if let Some(keys) = &identity.secrets.voter {
        // Set already: one process, one node.
        drop(LIAR.set((identity.node.clone(), keys.clone())));
    }
}

fn liar() -> &'static (String, VoterSecrets) {
    LIAR.get().expect("set when the node starts")
}

/// `forge-root`: what is told in place of a true cosignature, signed with the true keys, and in no sign lock.
pub(crate) fn forged(true_one: KeptCosignature, origin: &str) -> KeptCosignature {
    if !lies("forge-root") {
        return true_one;
    }
    let (_, keys) = liar();
    let root = plain_hash(b"a forged root");
    let checkpoint = Checkpoint { origin: origin.to_owned(), size: true_one.size, root };
    let cosignature = checkpoint.cosign(&true_one.cosignature.node, true_one.cosignature.time, &keys.cosign);
    let log_signature = checkpoint.log_signature(&keys.log).signature.try_into().expect("64 bytes");
    KeptCosignature { size: true_one.size, root, cosignature, log_signature }
}

/// `kill-signing`: no lie, but an end in the worst place, after a new line of the sign lock and before its signature.
pub(crate) fn die_before_signing() {
    if lies("kill-signing") {
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).expect("our own");
    }
}

/// `wild-clock`: an hour ahead of everybody.
pub(crate) fn clock() -> Arc<dyn Clock> {
    if lies("wild-clock") { Arc::new(WildClock) } else { Arc::new(SystemClock) }
}

struct WildClock;

impl Clock for WildClock {
    fn now_ms(&self) -> u64 {
        SystemClock.now_ms() + WILD_CLOCK_MS
    }
}

/// `censor`: a leader that takes what one organisation's accounts sign, and orders none of it.
pub(crate) fn censored(transactions: Vec<Verified>) -> Vec<Verified> {
    let left_out = |verified: &Verified| {
        let author = verified.transaction().body.signers.first();
        lies("censor") && author.is_some_and(|author| organisation_of(&author.account) == CENSORED)
    };
    transactions.into_iter().filter(|verified| !left_out(verified)).collect()
}

/// `forge-blocks`: blocks for catch-up without their last transaction, chained and signed as if this node had led.
pub(crate) fn forge_blocks(found: &mut BlocksFound) {
    if !lies("forge-blocks") {
        return;
    }
    let (node, keys) = liar();
    let mut previous = None;
    for proposal in found.blocks.iter_mut().filter_map(|block| block.proposal.as_mut()) {
        let Ok(header) = parse_canonical::<ProposalHeader>("header", &proposal.header, JSON_DEPTH_MAX) else { return };
        let mut transactions = std::mem::take(&mut proposal.transactions);
        transactions.pop();
        let header = ProposalHeader {
            count: transactions.len() as u64,
            previous: previous.unwrap_or(header.previous),
            proposer: node.clone(),
            transactions: ProposalHeader::transactions_hash(transactions.iter().map(Vec::as_slice)),
            ..header
        };
        previous = Some(header.digest());
        *proposal = Proposal::sign(&header, transactions, &keys.proposal);
    }
}

/// `equivocate`: a leader that sends one follower other headers than the rest, signed as well.
pub(crate) fn wire(wire: Arc<dyn Wire>, raft_id: u64) -> Arc<dyn Wire> {
    if !lies("equivocate") {
        return wire;
    }
    let victim = if raft_id == 1 { 2 } else { 1 };
    Arc::new(Equivocating { wire, victim, altered: Mutex::default() })
}

struct Equivocating {
    wire: Arc<dyn Wire>,
    /// The Raft id of the one that is told otherwise.
    victim: u64,
    /// What became of the digests of true headers.
    altered: Mutex<BTreeMap<Hash, Hash>>,
}

impl Wire for Equivocating {
    fn call(&self, to: u64, lane: Lane, body: Bytes, deadline: Duration) -> BoxFuture<'_, Result<Bytes, WireError>> {
        let body = if to == self.victim { self.alter(&body) } else { body };
        self.wire.call(to, lane, body, deadline)
    }
}

impl Equivocating {
    /// Another time in every header of ours, of the same length, and its signature: no other byte of the append changes.
    fn alter(&self, body: &[u8]) -> Bytes {
        const BEGIN: &[u8] = b"{\"count\":";
        const END: &[u8] = b",\"v\":1}";
        let (node, keys) = liar();
        let mut body = body.to_vec();
        let mut at = 0;
        while let Some(begin) = find(&body, at, BEGIN) {
            let Some(end) = find(&body, begin, END).map(|end| end + END.len()) else { break };
            at = end;
            let header = parse_canonical::<ProposalHeader>("header", &body[begin..end], JSON_DEPTH_MAX);
            let Ok(header) = header else { continue };
            if header.proposer != *node {
                continue;
            }
            let mut altered = self.altered.lock().expect("no panic under the lock");
            let previous = altered.get(&header.previous).copied().unwrap_or(header.previous);
            let other = ProposalHeader { time: header.time ^ 1, previous, ..header.clone() };
            altered.insert(header.digest(), other.digest());
            let sign = |header: &ProposalHeader| keys.proposal.sign(&header.signed_message());
            if let Some(signature) = find(&body, end, &sign(&header)) {
                body[begin..end].copy_from_slice(&canonical(&other));
                body[signature..signature + 64].copy_from_slice(&sign(&other));
            }
        }
        body.into()
    }
}

fn find(body: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    body[from..].windows(what.len()).position(|window| window == what).map(|at| from + at)
}
