//! Change every kind of proof file in every way, and see that none is believed for what it does not prove.
//!
//! `COUNTERSIGN_MUTATIONS=1000` makes so many random mutants of each file (8 without it), beside every bit flip, every
//! JSON member and every part of another file of its kind; `COUNTERSIGN_SEED=<number>` chooses others.

mod claim;
mod corpus;
mod difference;
#[path = "../model/mod.rs"]
mod model;
mod mutant;

use claim::{Claim, Kind, Verifier};
use corpus::{Subject, corpus, verifier};
use countersign_proof::Receipt;
use mutant::Seeded;
use std::collections::{BTreeMap, BTreeSet};

/// Whether a mutant that is accepted may say something else that is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Same,
    OtherTruth,
}
use Says::{OtherTruth, Same};

/// All that may differ in a mutant that is accepted: kinds (none for all), field (`*` for all that begins so), what it
/// then says, and the clause that obliges us. Whatever it says is compared with the model ledger, too.
const ALLOWED: &[(&[Kind], &str, Says, &str)] = &[
    (
        &[],
        "lines:unknown",
        OtherTruth,
        "C2SP signed-note: a line by an unknown key is ignored; that is another name or key id",
    ),
    (&[], "lines:known", OtherTruth, "formats 7: a quorum is enough, whoever else signed; the claim names who did"),
    (&[], "lines:order", Same, "C2SP signed-note: lines have no order"),
    (&[], "lines:repeated", Same, "C2SP signed-note: a line may stand again; an organisation counts once"),
    (&[Kind::Receipt], "extra", OtherTruth, LEAF),
    (&[Kind::Receipt], "index", OtherTruth, LEAF),
    (&[Kind::Receipt], "path*", OtherTruth, LEAF),
    (&[Kind::ReceiptJson], "leaf.*", OtherTruth, LEAF),
    (&[Kind::ReceiptJson], "proof.*", OtherTruth, LEAF),
    (&[Kind::ReceiptJson, Kind::Consistency, Kind::Exhibit], "note.text", OtherTruth, LEAF),
    (&[Kind::State, Kind::History], "salt", OtherTruth, WITHHELD),
    (&[Kind::State, Kind::History], "value", OtherTruth, WITHHELD),
    (&[Kind::History], "earlier[].salt", OtherTruth, WITHHELD),
    (&[Kind::History], "earlier[].value", OtherTruth, WITHHELD),
    (&[Kind::History], "from", OtherTruth, WINDOW),
    (&[Kind::History], "to", OtherTruth, WINDOW),
    (&[Kind::History], "earlier", OtherTruth, WINDOW),
    (&[Kind::Consistency], "path", OtherTruth, "formats 9: the other two certified notes with the path between them"),
    (&[Kind::Bundle], "changes", OtherTruth, CUT),
    (&[Kind::Exhibit], "trust.changes", OtherTruth, CUT),
    (&[Kind::Exhibit], "proof.*", OtherTruth, "formats 11: an exhibit carries any proof; the claim is that proof's"),
    (&[Kind::Pinned], "after", OtherTruth, PINNED),
    (&[Kind::Pinned], "members.*", OtherTruth, PINNED),
];
const LEAF: &str = "formats 7: leaf, index and path of another leaf together are the receipt of that leaf";
const WITHHELD: &str = "formats 8: salt and value may be withheld together; the answer then says so";
const WINDOW: &str = "formats 9: the list is complete for the heights it names, which the answer repeats";
const CUT: &str = "formats 11: a bundle leads as far as its changes; that no later epoch exists is never proved";
const PINNED: &str = "formats 11: the file is the caller's own anchor; nothing vouches for what it says of members";

#[derive(Default)]
struct Campaign {
    tried: BTreeMap<Kind, usize>,
    /// By kind and differing fields: how many, and how many of them say something else.
    accepted: BTreeMap<(Kind, BTreeSet<String>), (usize, usize)>,
    unlisted: Vec<String>,
    untrue: Vec<String>,
}

impl Campaign {
    fn attempt(&mut self, verifier: &Verifier, subject: &Subject, original: &Claim, mutant: &[u8], how: &str) {
        if mutant == subject.file {
            return;
        }
        *self.tried.entry(subject.kind).or_default() += 1;
        let Ok(claim) = verifier.judge(subject.kind, subject.id, mutant) else { return };
        let fields = difference::differences(&verifier.trust, &subject.file, mutant);
        let says = if claim == *original { Same } else { OtherTruth };
        let counts = self.accepted.entry((subject.kind, fields.clone())).or_default();
        counts.0 += 1;
        counts.1 += usize::from(says == OtherTruth);
        let may = |field: &String| ALLOWED.iter().any(|allowed| allows(allowed, subject.kind, field, says));
        let listed = !fields.is_empty() && fields.iter().all(may);
        let text = || {
            format!(
                "{:?} {:?}, {how}: {says:?} {fields:?}\n{}\n{claim:?}",
                subject.kind,
                subject.name,
                String::from_utf8_lossy(mutant)
            )
        };
        if !verifier.is_true(subject.kind, subject.id, &claim) {
            self.untrue.push(text());
        } else if !listed {
            self.unlisted.push(text());
        }
    }

    fn report(&self) {
        println!("tried {:?}", self.tried);
        for ((kind, fields), (count, other)) in &self.accepted {
            println!("accepted {count:6} ({other} say another truth)  {kind:?} {fields:?}");
        }
    }
}

fn allows((kinds, name, allowed, _): &(&[Kind], &str, Says, &str), kind: Kind, field: &str, says: Says) -> bool {
    let named = name.strip_suffix('*').map_or(*name == field, |prefix| field.starts_with(prefix));
    (kinds.is_empty() || kinds.contains(&kind)) && named && (says == Same || *allowed == OtherTruth)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Parts of receipts put together in every way.
fn spliced_receipts(one: &[u8], other: &[u8]) -> Vec<Vec<u8>> {
    let read = |file: &[u8]| Receipt::parse(std::str::from_utf8(file).expect("text")).expect("a receipt");
    let (one, other) = (read(one), read(other));
    let pick = |from_other: bool| if from_other { &other } else { &one };
    let splice = |bits: u8| {
        let of = |bit: u8| pick(bits >> bit & 1 == 1);
        let receipt = Receipt {
            leaf: of(0).leaf.clone(),
            index: of(1).index,
            path: of(2).path.clone(),
            note: of(3).note.clone(),
        };
        receipt.to_string().into_bytes()
    };
    // All from the other would be the other.
    (1..15).map(splice).collect()
}

#[test]
fn no_changed_file_is_believed_for_what_it_does_not_prove() {
    let (count, seed) = (number("COUNTERSIGN_MUTATIONS", 8), number("COUNTERSIGN_SEED", 1));
    let verifier = verifier();
    let subjects = corpus(&verifier.model);
    let mut campaign = Campaign::default();
    for (number, subject) in subjects.iter().enumerate() {
        let original = verifier.judge(subject.kind, subject.id, &subject.file);
        let original = original.unwrap_or_else(|refusal| panic!("{:?} {}: {refusal}", subject.kind, subject.name));
        assert!(verifier.is_true(subject.kind, subject.id, &original), "{:?} {}", subject.kind, subject.name);
        let others: Vec<&[u8]> = subjects.iter().filter(|s| s.kind == subject.kind).map(|s| &s.file[..]).collect();
        let mut seeded = Seeded(seed << 16 | number as u64);
        // Every byte of one file of each kind, some of the others; of all in a campaign.
        let first = number == 0 || subjects[number - 1].kind != subject.kind;
        let every = if first || count >= 1000 { 1 } else { 11 };
        for mutant in mutant::flips(&subject.file, every, &mut Seeded(seeded.next())) {
            campaign.attempt(&verifier, subject, &original, &mutant, &format!("COUNTERSIGN_SEED={seed}, a bit"));
        }
        for mutant in mutant::lines(&subject.file) {
            campaign.attempt(&verifier, subject, &original, &mutant, "a line");
        }
        for at in 0..count {
            let mutant = mutant::random(&subject.file, others[seeded.below(others.len())], &mut seeded);
            campaign.attempt(&verifier, subject, &original, &mutant, &format!("COUNTERSIGN_SEED={seed}, mutant {at}"));
        }
        if subject.kind == Kind::Receipt {
            let spliced = others.iter().flat_map(|other| spliced_receipts(&subject.file, other));
            spliced.for_each(|mutant| campaign.attempt(&verifier, subject, &original, &mutant, "spliced"));
        } else {
            for mutant in mutant::members(&subject.file, &others) {
                campaign.attempt(&verifier, subject, &original, &mutant, "a member");
            }
            for mutant in others.iter().flat_map(|other| mutant::pairs(&subject.file, other)) {
                campaign.attempt(&verifier, subject, &original, &mutant, "two members of another");
            }
        }
    }
    campaign.report();
    for (what, wrong) in [("untrue", &campaign.untrue), ("not in the list", &campaign.unlisted)] {
        let shown: Vec<String> = wrong.iter().take(5).map(|text| text.chars().take(4000).collect()).collect();
        assert!(wrong.is_empty(), "{} accepted that are {what}: {}", wrong.len(), shown.join("\n"));
    }
    assert!(campaign.tried.len() == 9 && campaign.tried.values().all(|tried| *tried > 500), "exercised too little");
    for allowed in ALLOWED {
        let met =
            |(kind, fields): &(Kind, BTreeSet<String>)| fields.iter().any(|field| allows(allowed, *kind, field, Same));
        assert!(campaign.accepted.keys().any(met), "nothing met {}: {}", allowed.1, allowed.3);
    }
}
