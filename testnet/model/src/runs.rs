//! List the networks that are explored, and what each must show.

use crate::claims::Claim;
use crate::claims::Claim::{ForkNamesLiars, Gatherable, HonestAgree, NoStall, OneHistory, OwnWord, SilenceHarmless};
use crate::claims::Sight::{
    CrashBeforeSend, HeldBackByOwnRoot, PassedBehind, Retired, SignedAfterResync, StrandedForGood,
    StrandedUnlessLiarsHelp, TipCertified,
};
use crate::explore::Run;
use crate::network::{Budget, Echo, Network, Peers, Restore, Resync, Rule, Seat};

const SAFE: [Claim; 4] = [OneHistory, OwnWord, HonestAgree, Gatherable];
const NO_CRASH: Budget = Budget { crashes: 0, restores: 0, resyncs: 0 };
const CRASH: Budget = Budget { crashes: 1, ..NO_CRASH };
const RESTORE: Budget = Budget { restores: 1, ..NO_CRASH };
const RESYNCS: Budget = Budget { resyncs: 2, ..NO_CRASH };
const RESYNC: Budget = Budget { resyncs: 1, ..NO_CRASH };

/// Every run, in the order of the decision that rests on them.
pub fn all() -> Vec<Run> {
    [without_liars(), with_a_liar(), changes(), restored(), limits(), mutations()].concat()
}

/// Nobody lies: the tip is certified, whatever crashes.
pub fn without_liars() -> Vec<Run> {
    let run = |name, honest, heights, budget| {
        let network = Network { budget, ..Network::of(honest, 0, heights) };
        Run::of(name, network).holds(&SAFE).holds(&[NoStall]).shows(&[TipCertified])
    };
    let plain = Network { budget: CRASH, echo: Echo::Off, ..Network::of(4, 0, 3) };
    vec![
        run("n=3, 4 heights", 3, 4, NO_CRASH),
        run("n=3, 3 heights, 1 crash", 3, 3, CRASH).shows(&[CrashBeforeSend]),
        run("n=4, 3 heights, 1 crash", 4, 3, CRASH).shows(&[CrashBeforeSend]),
        Run::of("n=4, 3 heights, 1 crash, no echo round", plain).holds(&SAFE).holds(&[NoStall]).shows(&[TipCertified]),
    ]
}

/// A liar leads and hands out what it likes.
pub fn with_a_liar() -> Vec<Run> {
    let liar = |honest, liars, heights, budget| Network { budget, ..Network::of(honest, liars, heights) };
    let shown = |heights, budget| Network { echo: Echo::Recorded, echoes_shown: true, ..liar(3, 1, heights, budget) };
    let plain = Network { echo: Echo::Off, ..liar(3, 1, 2, NO_CRASH) };
    vec![
        Run::of("n=4, 1 liar, 3 heights, 1 crash", liar(3, 1, 3, CRASH))
            .holds(&SAFE)
            .shows(&[TipCertified, CrashBeforeSend]),
        Run::of("n=5, 1 liar, 2 heights, 1 crash", liar(4, 1, 2, CRASH))
            .holds(&SAFE)
            .shows(&[TipCertified, CrashBeforeSend]),
        Run::of("n=7, 2 liars, 1 height, 1 crash", liar(5, 2, 1, CRASH))
            .holds(&SAFE)
            .shows(&[TipCertified, CrashBeforeSend]),
        Run::of("n=4, 1 liar, 2 heights, 2 re-syncs to a quorum", liar(3, 1, 2, RESYNCS))
            .holds(&SAFE)
            .shows(&[SignedAfterResync]),
        Run::of("n=4, 1 liar, 2 re-syncs, echoes recorded and shown", shown(2, RESYNCS))
            .holds(&SAFE)
            .holds(&[SilenceHarmless])
            .shows(&[SignedAfterResync]),
        Run::of("n=4, 1 liar, no echo round", plain)
            .holds(&[OneHistory, OwnWord])
            .breaks(&[HonestAgree, Gatherable])
            .shows(&[StrandedUnlessLiarsHelp, StrandedForGood]),
    ]
}

/// The membership changes at a height.
pub fn changes() -> Vec<Run> {
    let network = |seats: &[Seat], liars, heights, change| Network {
        seats: seats.to_vec(),
        liars,
        lying_leader: liars != [0, 0],
        change: Some(change),
        ..Network::of(0, 0, heights)
    };
    let quiet = |name, seats: &[Seat], heights, change| {
        let network = Network { budget: CRASH, ..network(seats, [0, 0], heights, change) };
        Run::of(name, network).holds(&SAFE).holds(&[NoStall]).shows(&[TipCertified, CrashBeforeSend])
    };
    let lying = |name, seats: &[Seat], liars| {
        let network = Network { budget: CRASH, ..network(seats, liars, 2, 1) };
        Run::of(name, network).holds(&SAFE).shows(&[TipCertified, CrashBeforeSend])
    };
    vec![
        quiet("3->4 at 1 of 2, 1 crash", &THREE_TO_FOUR, 2, 1),
        quiet("4->3 at 1 of 2, 1 crash", &FOUR_TO_THREE, 2, 1),
        quiet("3->4 at 2 of 3, 1 crash", &THREE_TO_FOUR, 3, 2),
        quiet("4->5 at 1 of 2, 1 crash", &FOUR_TO_FIVE, 2, 1),
        quiet("4->4, one replaced, at 1 of 2, 1 crash", &FOUR_TO_FOUR, 2, 1),
        Run::of("4->5 at 2 of 3", network(&FOUR_TO_FIVE, [0, 0], 3, 2))
            .holds(&SAFE)
            .holds(&[NoStall])
            .shows(&[TipCertified]),
        lying("3->4 at 1 of 2, a liar joins, 1 crash", &[Seat::STAYS; 3], [0, 1]),
        lying("4->3 at 1 of 2, the liar leaves, 1 crash", &[Seat::STAYS; 3], [1, 0]),
        lying("4->5 at 1 of 2, 1 liar stays, 1 crash", &[Seat::STAYS, Seat::STAYS, Seat::STAYS, Seat::JOINS], [1, 1]),
        Run::of("4->4, an honest one replaced, at 1 of 2, 1 liar", replaced()).holds(&SAFE).shows(&[TipCertified]),
        Run::of("4->4, an honest one replaced, 1 liar, no echo round", Network { echo: Echo::Off, ..replaced() })
            .holds(&[OneHistory, OwnWord])
            .shows(&[TipCertified]),
    ]
}

const THREE_TO_FOUR: [Seat; 4] = [Seat::STAYS, Seat::STAYS, Seat::STAYS, Seat::JOINS];
const FOUR_TO_THREE: [Seat; 4] = [Seat::LEAVES, Seat::STAYS, Seat::STAYS, Seat::STAYS];
const FOUR_TO_FIVE: [Seat; 5] = [Seat::STAYS, Seat::STAYS, Seat::STAYS, Seat::STAYS, Seat::JOINS];
const FOUR_TO_FOUR: [Seat; 5] = [Seat::LEAVES, Seat::STAYS, Seat::STAYS, Seat::STAYS, Seat::JOINS];

fn replaced() -> Network {
    let seats = vec![Seat::LEAVES, Seat::STAYS, Seat::STAYS, Seat::JOINS];
    Network { seats, change: Some(1), ..Network::of(0, 1, 2) }
}

fn one_restored(honest: usize, liars: u8, heights: u8, restore: Restore) -> Network {
    let seats = [vec![Seat::STAYS; honest - 1], vec![Seat::RESTORED]].concat();
    Network { seats, restore, budget: RESTORE, ..Network::of(0, liars, heights) }
}

fn restored_then_resynced() -> Network {
    let budget = Budget { restores: 1, resyncs: 1, ..NO_CRASH };
    Network { budget, echo: Echo::Recorded, ..one_restored(3, 1, 2, Restore::Log) }
}

/// One node's storage is restored, and what protects it does.
pub fn restored() -> Vec<Run> {
    let quiet = Network { echo: Echo::Recorded, ..one_restored(4, 0, 2, Restore::Log) };
    let recorded = Network { echo: Echo::Recorded, ..one_restored(3, 1, 2, Restore::Log) };
    let freely = Network { echo: Echo::Recorded, resync: Resync::Freely, budget: RESYNC, ..Network::of(3, 1, 2) };
    vec![
        Run::of("n=4, nobody lies, a disk restored", one_restored(4, 0, 2, Restore::Disk))
            .holds(&[OneHistory, OwnWord, HonestAgree, NoStall])
            .shows(&[TipCertified, Retired]),
        Run::of("n=4, nobody lies, a log restored, echoes recorded", quiet)
            .holds(&[OneHistory, OwnWord, HonestAgree, NoStall])
            .shows(&[TipCertified]),
        Run::of("n=4, 1 liar, a log restored, echoes recorded", recorded)
            .holds(&[OneHistory, OwnWord, HonestAgree])
            .shows(&[TipCertified, HeldBackByOwnRoot]),
        Run::of("n=4, 1 liar, a log restored, then a re-sync, echoes recorded", restored_then_resynced())
            .holds(&[OneHistory, OwnWord, HonestAgree])
            .shows(&[TipCertified, HeldBackByOwnRoot, SignedAfterResync]),
        Run::of("n=4, 1 liar, re-sync as the operator likes, echoes recorded", freely)
            .holds(&SAFE)
            .shows(&[TipCertified]),
    ]
}

/// Where a promise ends: the checker finds what breaks beyond it.
pub fn limits() -> Vec<Run> {
    let may_hold = |network| Network { peers: Peers::MayHold, ..network };
    let disk = |honest, heights| one_restored(honest, 1, heights, Restore::Disk);
    let freely = Network { resync: Resync::Freely, budget: RESYNC, ..Network::of(3, 1, 2) };
    vec![
        Run::of("n=3, 1 liar of f=0", Network::of(2, 1, 2))
            .holds(&[OwnWord, ForkNamesLiars])
            .breaks(&[OneHistory, HonestAgree]),
        Run::of("n=4, 1 liar that may fall silent", Network::of(3, 1, 1)).holds(&SAFE).breaks(&[SilenceHarmless]),
        Run::of("n=4, 1 liar, re-sync as the operator likes", freely)
            .holds(&[OneHistory, OwnWord])
            .breaks(&[HonestAgree]),
        Run::of("n=4, 1 liar, a log restored, echoes not recorded", one_restored(3, 1, 2, Restore::Log))
            .holds(&[OneHistory, OwnWord])
            .breaks(&[HonestAgree]),
        Run::of("n=4, 1 liar, a disk restored, peers hold its signatures", disk(3, 2))
            .holds(&[OneHistory, OwnWord])
            .breaks(&[HonestAgree])
            .shows(&[Retired]),
        Run::of("n=4, 1 liar, a disk restored, peers may not hold them", may_hold(disk(3, 1)))
            .breaks(&[OneHistory, OwnWord, HonestAgree])
            .shows(&[PassedBehind]),
        Run::of("n=7, 1 liar, a disk restored, peers may not hold them", may_hold(disk(6, 1)))
            .holds(&SAFE[..3])
            .shows(&[PassedBehind, Retired]),
        Run::of(
            "n=7, 1 liar, a disk restored, peers may not hold them, no echo round",
            Network { echo: Echo::Off, ..may_hold(disk(6, 1)) },
        )
        .holds(&[OneHistory])
        .breaks(&[OwnWord])
        .shows(&[PassedBehind, Retired]),
    ]
}

/// The protocol with a rule left out: each must break something that holds with it.
pub fn mutations() -> Vec<Run> {
    let without = |rule, network| Network { without: Some(rule), ..network };
    let log = || one_restored(3, 1, 2, Restore::Log);
    let quiet = Network { seats: FOUR_TO_FIVE.to_vec(), change: Some(1), ..Network::of(0, 0, 2) };
    vec![
        Run::of("without the sign lock", without(Rule::SignLock, log())).breaks(&[OwnWord, OneHistory]),
        Run::of("without our own root at the last signed", without(Rule::OwnRoot, log())).breaks(&[OwnWord]),
        Run::of("without the double certificate", without(Rule::DoubleCertificate, replaced())).breaks(&[OneHistory]),
        Run::of("without the double certificate, nobody lies", without(Rule::DoubleCertificate, quiet))
            .breaks(&[NoStall]),
        Run::of("an organisation counted twice", without(Rule::CountOnce, Network::of(3, 1, 2)))
            .breaks(&[OneHistory, HonestAgree]),
        Run::of("a re-sync that forgets an echo above it", without(Rule::HigherEcho, restored_then_resynced()))
            .breaks(&[HonestAgree]),
    ]
}
