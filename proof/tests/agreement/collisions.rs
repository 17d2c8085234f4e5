//! Make notes under two log keys whose ids of 32 bits are the same.

use crate::case::Case;
use crate::model::{FOUNDERS, JOINS, Model, pair};
use crate::ruled::Ruled;
use countersign_proof::*;

/// Two log keys whose ids are the same under this name; found by trying 2^17 seeds.
const COLLIDING: (&str, [u64; 2]) =
    ("collide.example/0000000000000000000000000000000000000000000000000000000000000000", [14_962, 43_001]);

fn numbered(number: u64) -> KeyPair {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    KeyPair::from_seed(&seed)
}

#[test]
#[ignore = "finds the seeds above"]
fn find_colliding_seeds() {
    let mut seen = std::collections::HashMap::new();
    for number in 0.. {
        if let Some(other) = seen.insert(VerifierKey::log(COLLIDING.0, numbered(number).public()).id(), number) {
            println!("{other} and {number}");
            return;
        }
    }
}

/// Lines under either key, both, and neither, judged by a pinned epoch and by a policy.
pub fn cases(model: &Model) -> Vec<Ruled> {
    let (origin, [one, other]) = COLLIDING;
    let keys = [numbered(one), numbered(other)];
    let ids = [&keys[0], &keys[1]].map(|key| VerifierKey::log(origin, key.public()).id());
    assert!(ids[0] == ids[1] && one != other, "{ids:?}");
    let mut members = model.memberships[1].clone();
    members.revoked.clear();
    for (name, key) in [FOUNDERS[0], FOUNDERS[1]].iter().zip(&keys) {
        let member = members.organisations.get_mut(*name).expect("a member");
        member.nodes.get_mut("1").expect("a voter").log = key.public();
    }
    let pinned = PinnedEpoch { after: 0, kind: "epoch".into(), members, origin: origin.into(), v: 1 }.to_bytes();
    let checkpoint = Checkpoint { origin: origin.into(), ..model.checkpoint(model.seals[3].tree_size()) };
    let policy = format!(
        "log {}\nlog {}\nwitness w {}\nquorum w\n",
        VerifierKey::log(origin, keys[0].public()),
        VerifierKey::log(origin, keys[1].public()),
        VerifierKey::cosigner("acme.example/1", pair("acme.example/1/cosign").public())
    );
    let by = |lines: &[&NoteSignature]| {
        let note = Note::parse(&model.note_by(&checkpoint, &[FOUNDERS[0], FOUNDERS[1], JOINS])).expect("a note");
        let lines = lines.iter().map(|line| (*line).clone()).chain(note.signatures[1..].iter().cloned());
        let note = Note { text: note.text, signatures: lines.collect() }.to_string();
        let receipt = Receipt { note, ..model.receipt(2, checkpoint.size) };
        let files = [("file", receipt.to_string().into_bytes()), ("pinned", pinned.clone())];
        let by_policy = [("file", receipt.to_string().into_bytes()), ("policy", policy.clone().into_bytes())];
        let line = format!("receipt @file --policy @policy --origin {origin}");
        (Case::new("receipt @file --epoch @pinned", &files), Case::new(&line, &by_policy))
    };
    let [first, second] = [&keys[0], &keys[1]].map(|key| checkpoint.log_signature(key));
    let mut neither = first.clone();
    neither.signature[3] ^= 1;
    let mut ruled = Vec::new();
    for (rule, code, lines) in [
        ("a line whose id two keys have holds under the first", 0, vec![&first]),
        ("and under the second", 0, vec![&second]),
        ("and both may stand", 0, vec![&second, &first]),
        ("under neither it is false", 11, vec![&neither]),
        ("and makes the note false", 11, vec![&first, &neither]),
    ] {
        let (pinned, policy) = by(&lines);
        ruled.extend([(rule, code, pinned), (rule, code, policy)]);
    }
    ruled
}
