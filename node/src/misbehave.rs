//! Lie on purpose, in builds with the feature `byzantine` that no release has: for showing what becomes of a liar.

use crate::clock::{Clock, SystemClock};
use crate::folder::VoterSecrets;
use countersign_ledger::store::KeptCosignature;
use countersign_proof::{Checkpoint, plain_hash};
use std::sync::Arc;

/// The variable that names the lie.
const MISBEHAVE: &str = "COUNTERSIGN_MISBEHAVE";
const WILD_CLOCK_MS: u64 = 3_600_000;

fn lies(name: &str) -> bool {
    std::env::var(MISBEHAVE).is_ok_and(|lie| lie == name)
}

/// `forge-root`: what is told in place of a true cosignature, signed with the true keys, and in no sign lock.
pub(crate) fn forged(true_one: KeptCosignature, origin: &str, keys: &VoterSecrets) -> KeptCosignature {
    if !lies("forge-root") {
        return true_one;
    }
    let root = plain_hash(b"a forged root");
    let checkpoint = Checkpoint { origin: origin.to_owned(), size: true_one.size, root };
    let cosignature = checkpoint.cosign(&true_one.cosignature.node, true_one.cosignature.time, &keys.cosign);
    let log_signature = checkpoint.log_signature(&keys.log).signature.try_into().expect("64 bytes");
    KeptCosignature { size: true_one.size, root, cosignature, log_signature }
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
