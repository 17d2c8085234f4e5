//! Give the same files to `countersign-verify` and to the verifier in JavaScript, and see that both say the same.
//!
//! Each case is a command line and its files. Both command lines judge it in process, the other one for all cases in one
//! run of Node.js; exit code and claims are compared by `proof/js/test/agree.js`. `COUNTERSIGN_MUTATIONS=1000` makes so
//! many random mutants of each file (4 without it), `COUNTERSIGN_SEED=<number>` chooses others, and
//! `COUNTERSIGN_KEEP=<folder>` keeps the cases.

mod case;
#[path = "../mutations/claim.rs"]
#[allow(dead_code)] // Files are mutated here; that none is believed wrongly is seen in the mutation tests.
mod claim;
mod collisions;
#[path = "../mutations/corpus.rs"]
#[allow(dead_code)]
mod corpus;
mod forged;
#[path = "../model/mod.rs"]
mod model;
#[path = "../mutations/mutant.rs"]
#[allow(dead_code)]
mod mutant;
mod ruled;
mod values;

use case::{Case, Desk};
use claim::Kind;
use corpus::Subject;
use model::Model;
use mutant::Seeded;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The command that judges a file of this kind; `@file` is the file.
fn command(model: &Model, subject: &Subject) -> String {
    let hash = model.genesis.hash();
    let document = format!("--collection shipments --id {}", subject.id);
    let trusted = format!("--genesis-hash {hash} --trust @trust");
    match subject.kind {
        Kind::Receipt | Kind::ReceiptJson => format!("receipt @file {trusted}"),
        Kind::State => format!("state @file {document} {trusted}"),
        Kind::History => format!("history @file {document} {trusted}"),
        Kind::Consistency => format!("consistency @file {trusted}"),
        Kind::Evidence => format!("evidence @file {trusted}"),
        Kind::Bundle => format!("trust @file --genesis-hash {hash}"),
        Kind::Pinned => "receipt @receipt --epoch @file".to_owned(),
        Kind::Exhibit if subject.id.is_empty() => format!("receipt @file --genesis-hash {hash}"),
        Kind::Exhibit => format!("state @file {document} --genesis-hash {hash}"),
    }
}

/// Files changed after they were signed: most are refused, and none by one verifier only.
fn mutants(model: &Model, count: u64, seed: u64) -> Vec<Case> {
    let subjects = corpus::corpus(model);
    let mut cases = Vec::new();
    for (number, subject) in subjects.iter().enumerate() {
        let mut seeded = Seeded(seed << 16 | number as u64);
        let others: Vec<&[u8]> = subjects.iter().filter(|s| s.kind == subject.kind).map(|s| &s.file[..]).collect();
        let mut files = vec![subject.file.clone()];
        let every = if count >= 1000 { 5 } else { 211 };
        files.extend(mutant::flips(&subject.file, every, &mut Seeded(seeded.next())));
        files.extend((0..count).map(|_| {
            let other = others[seeded.below(others.len())];
            mutant::random(&subject.file, other, &mut seeded)
        }));
        let mut whole = mutant::lines(&subject.file);
        if subject.kind != Kind::Receipt {
            whole.extend(mutant::members(&subject.file, &[]));
        }
        // All of them in a campaign, else as many as there are random ones for each.
        let most = if count >= 1000 { whole.len() } else { 8 * count as usize };
        files.extend((0..most).filter_map(|_| whole.get(seeded.below(whole.len())).cloned()));
        let words = command(model, subject);
        cases.extend(files.into_iter().map(|file| Case::new(&words, &[("file", file)])));
    }
    cases
}

#[test]
fn both_verifiers_say_the_same_of_every_file() {
    let (count, seed) = (number("COUNTERSIGN_MUTATIONS", 4), number("COUNTERSIGN_SEED", 1));
    let model = Model::new();
    let desk = Desk::new(&model);
    for (what, cases) in [
        ("mutants", mutants(&model, count, seed)),
        ("forged", forged::cases(&model, if count >= 1000 { 1 } else { 7 }, seed)),
        ("values", values::cases(&model, 60 * count, seed)),
        ("ruled", ruled::cases(&model).into_iter().map(|(_, _, case)| case).collect()),
    ] {
        println!("COUNTERSIGN_SEED={seed} {what}: {}", desk.agree(what, &cases));
    }
}

#[test]
fn every_rule_that_had_to_be_decided_is_kept() {
    let model = Model::new();
    let desk = Desk::new(&model);
    for (rule, expected, case) in ruled::cases(&model) {
        let (said, code) = desk.judge(&case);
        assert_eq!(code, expected, "{rule}: {said:#}");
    }
}
