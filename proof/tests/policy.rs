//! Read policies: our own of a membership, C2SP's example, and what is no policy.

use base64::prelude::{BASE64_STANDARD, Engine};
use countersign_proof::limits::POLICY_ITEMS_MAX;
use countersign_proof::*;
use serde_json::Value;
use std::collections::BTreeSet;

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn membership() -> (String, Membership) {
    let vectors = vectors(include_str!("vectors/ledger.json"));
    let genesis = Genesis::parse(vectors["genesis"].as_str().expect("text").as_bytes()).expect("a genesis");
    (genesis.origin(), genesis.membership())
}

fn key(seed: u8) -> PublicKey {
    KeyPair::from_seed(&[seed; 32]).public()
}

fn log(seed: u8) -> String {
    format!("log {}\n", VerifierKey::log("log.example", key(seed)))
}

fn witness(name: &str, seed: u8) -> String {
    format!("witness {name} {}\n", VerifierKey::cosigner(name, key(seed)))
}

fn satisfied(policy: &Policy, signed: &[&str]) -> bool {
    policy.satisfied(&signed.iter().map(|name| (*name).to_owned()).collect())
}

/// Every choice of some of these names.
fn choices(names: &[String]) -> impl Iterator<Item = BTreeSet<String>> {
    (0..1u32 << names.len()).map(|bits| {
        let chosen = names.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
        chosen.map(|(_, name)| name.clone()).collect()
    })
}

#[test]
fn the_policy_of_the_golden_ledger_is_this_text() {
    let (origin, membership) = membership();
    let written = policy(&origin, &membership);
    let mut expected = String::new();
    for key in membership.log_keys(&origin) {
        expected += &format!("log {key}\n");
    }
    for key in membership.cosign_keys() {
        expected += &format!("witness {} {key}\n", key.name);
    }
    expected += "\
group org:acme.example any acme.example/1
group org:bolt.example any bolt.example/1
group org:cargo.example any cargo.example/1
group org:dock.example any dock.example/1
group quorum-of-organisations 3 org:acme.example org:bolt.example org:cargo.example org:dock.example
quorum quorum-of-organisations
";
    assert_eq!(written, expected);
    assert_eq!(written.lines().filter(|line| line.starts_with("log ")).count(), 4);
    let parsed = parse_policy(&written).expect("its own form");
    assert_eq!(parsed.logs(), membership.log_keys(&origin));
    assert_eq!(parsed.witnesses().values().cloned().collect::<Vec<_>>(), membership.cosign_keys());
}

#[test]
fn a_policy_counts_organisations_as_the_membership_does() {
    let (origin, mut membership) = membership();
    let extra = |seed| NodeKeys { cosign: key(seed), log: key(seed + 1), proposal: key(seed + 2) };
    let acme = membership.organisations.get_mut("acme.example").expect("a founder");
    acme.nodes.extend([("2".to_owned(), extra(10)), ("3".to_owned(), extra(20))]);
    // Names that C2SP or this file could take for their own.
    for (name, seed) in [("none", 30), ("any", 40), ("quorum-of-organisations", 50)] {
        membership.organisations.insert(name.into(), Member { nodes: [("all".to_owned(), extra(seed))].into() });
    }
    let parsed = parse_policy(&policy(&origin, &membership)).expect("its own form");
    let names: Vec<String> = membership.nodes().map(|(node, _)| node).collect();
    assert_eq!(names.len(), 9);
    let mut held = 0;
    for signed in choices(&names) {
        let organisations: BTreeSet<&str> = signed.iter().map(|node| organisation_of(node)).collect();
        let enough = organisations.len() >= membership.quorum();
        assert_eq!(parsed.satisfied(&signed), enough, "{signed:?}");
        held += usize::from(enough);
    }
    assert!((100..400).contains(&held), "{held} of 512");
}

#[test]
fn a_revoked_key_does_not_count() {
    let (origin, mut membership) = membership();
    let keys = membership.node("dock.example/1").expect("a founder").clone();
    membership.revoked.extend([(keys.cosign, 7), (keys.log, 7)]);
    let parsed = parse_policy(&policy(&origin, &membership)).expect("its own form");
    assert!(parsed.logs().iter().all(|log| log.key != keys.log) && parsed.logs().len() == 3);
    assert!(!satisfied(&parsed, &["acme.example/1", "bolt.example/1", "dock.example/1"]));
    assert!(satisfied(&parsed, &["acme.example/1", "bolt.example/1", "cargo.example/1"]));
    for node in ["acme.example/1", "bolt.example/1"] {
        let cosign = membership.node(node).expect("a founder").cosign;
        membership.revoked.insert(cosign, 7);
    }
    parse_policy(&policy(&origin, &membership)).expect_err("one organisation is left of the three needed");
}

#[test]
fn the_keys_of_the_c2sp_vectors_make_a_policy_that_their_note_satisfies() {
    let v = vectors(include_str!("vectors/c2sp.json"));
    let log = v["log_vkey"].as_str().expect("text");
    let cosigners = v["cosigner_vkeys"].as_array().expect("an array").iter().map(|key| key.as_str().expect("text"));
    let mut text = format!("log {log}\n");
    let mut members = String::new();
    for vkey in cosigners {
        let key = VerifierKey::parse(vkey).expect(vkey);
        assert_eq!(key.to_string(), vkey);
        text += &format!("witness {} {vkey}\n", key.name);
        members += &format!(" {}", key.name);
    }
    text += &format!("group all-three 3{members}\nquorum all-three\n");
    let parsed = parse_policy(&text).expect("a policy");
    let note = Note::parse(v["checkpoint_note"].as_str().expect("text")).expect("a note");
    let checkpoint = Checkpoint::parse(&note.text).expect("a checkpoint");
    let signed: BTreeSet<String> = note
        .signatures
        .iter()
        .filter_map(|line| {
            let (name, key) = parsed.witnesses().iter().find(|(_, key)| key.name == line.name)?;
            let (time, signature) = line.signature.split_first_chunk::<8>().expect("a time");
            let message = checkpoint.cosigned_message(u64::from_be_bytes(*time));
            key.key.verify_strict(&message, signature.try_into().expect("64 bytes")).then(|| name.clone())
        })
        .collect();
    assert_eq!(signed.len(), 3);
    assert!(parsed.satisfied(&signed));
    assert!(!parsed.satisfied(&signed.into_iter().skip(1).collect()));
}

#[test]
fn the_example_of_the_specification_means_what_it_says() {
    let mut text = format!("# two operators\n\n\t{}", log(1));
    for (i, name) in ["X1", "X2", "X3"].iter().enumerate() {
        text += &witness(name, 10 + i as u8).replace('\n', " https://witness.example/\n");
    }
    text += "group X-witnesses 2 X1 X2 X3\n";
    for (i, name) in ["Y1", "Y2", "Y3"].iter().enumerate() {
        text += &witness(name, 20 + i as u8).replace(' ', "\t  ");
    }
    text += "group Y-witnesses any Y1 Y2 Y3 \n  # the two\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";
    let policy = parse_policy(&text).expect("the example");
    assert!(satisfied(&policy, &["X1", "X3", "Y2"]));
    assert!(satisfied(&policy, &["X1", "X2", "X3", "Y1", "Y2", "Y3", "Z1"]));
    assert!(!satisfied(&policy, &["X1", "Y1", "Y2", "Y3"]));
    assert!(!satisfied(&policy, &["X1", "X2", "X3"]));
    assert!(!satisfied(&policy, &["X-and-Y", "X-witnesses", "Y-witnesses"]), "the name of a group is no signature");
    let single = parse_policy(&format!("{}quorum a\n", witness("a", 1))).expect("one witness");
    assert!(satisfied(&single, &["a"]) && !satisfied(&single, &[]));
    assert!(satisfied(&parse_policy("quorum none\n").expect("nobody"), &[]));
}

#[test]
fn what_is_no_policy_is_refused_with_its_line() {
    let (a, b) = (witness("a", 1), witness("b", 2));
    let unknown_type = BASE64_STANDARD.encode([6; 33]);
    for (text, reason) in [
        (String::new(), "no line feed"),
        ("quorum none".into(), "no line feed"),
        ("\n".into(), "no quorum"),
        ("quorum none\r\n".into(), "control"),
        ("quorum\u{b}none\n".into(), "control"),
        ("quorum none\nquorum none\n".into(), "line 2: item: \"none\": a second quorum"),
        ("quorum a\n".into(), "line 1: item: \"a\": not defined"),
        (format!("quorum a\n{a}"), "not defined"),
        ("quorum\n".into(), "too few"),
        ("quorum none none\n".into(), "too many"),
        ("Quorum none\n".into(), "no such line"),
        ("log\n".into(), "too few"),
        ("witness a\n".into(), "too few"),
        ("group a\n".into(), "too few"),
        (format!("{}{}", log(1), log(1)), "line 2: item: \"log.example\": a log key that stands twice"),
        (format!("{a}{}", witness("b", 1)), "a witness key that stands twice"),
        (format!("{a}{}", witness("a", 2)), "defined already"),
        (witness("none", 1), "defined already"),
        (log(1).replace("log ", "witness a "), "the wrong signature type"),
        (a.replace("witness a", "log"), "the wrong signature type"),
        (format!("log x+00000000+{unknown_type}\n"), "not known here"),
        (format!("{a}group g any\n"), "1 of 0"),
        (format!("{a}group g 0 a\n"), "0 of 1"),
        (format!("{a}group g 2 a\n"), "2 of 1"),
        (format!("{a}group g 01 a\n"), "not all, any"),
        (format!("{a}group g +1 a\n"), "not all, any"),
        (format!("{a}group g 99999999999999999999 a\n"), "not all, any"),
        (format!("{a}group a any a\n"), "defined already"),
        (format!("{a}group none any a\n"), "defined already"),
        (format!("{a}group g any g\n"), "not defined"),
        (format!("{a}group g any none\n"), "not defined"),
        (format!("{a}group g any a a\n"), "a member twice"),
        (format!("{a}{b}group g any a\ngroup h all a b\n"), "line 4: item: \"a\": a member twice"),
        (format!("quorum none\n{}", "\n".repeat(limits::POLICY_BYTES_MAX)), "maximum"),
    ] {
        let error = parse_policy(&text).expect_err(&text).to_string();
        assert!(error.contains(reason), "{text:?}: {error}");
    }
}

#[test]
fn the_largest_policy_is_read_and_one_more_of_anything_is_not() {
    let keys = |count: usize| {
        (0..count).map(|i| {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&(i as u64).to_be_bytes());
            KeyPair::from_seed(&seed).public()
        })
    };
    let logs = |count| keys(count).map(|k| format!("log {}\n", VerifierKey::log("l", k))).collect::<String>();
    let cosigner = |(i, k)| format!("witness w{i} {}\n", VerifierKey::cosigner("w", k));
    let witnesses = |count| keys(count).enumerate().map(cosigner).collect::<String>();
    // Each group within the next, as deep as there are groups.
    let groups = |count: usize| {
        let inner = |i: usize| if i == 0 { "w0".to_owned() } else { format!("g{}", i - 1) };
        (0..count).map(|i| format!("group g{i} all {}\n", inner(i))).collect::<String>()
    };
    let max = POLICY_ITEMS_MAX;
    let text = |l, w, g| format!("{}{}{}quorum g{}\n", logs(l), witnesses(w), groups(g), g - 1);
    let policy = parse_policy(&text(max, max, max)).expect("the largest");
    assert!(satisfied(&policy, &["w0"]) && !satisfied(&policy, &["w1"]));
    for text in [text(max + 1, max, max), text(max, max + 1, max), text(max, max, max + 1)] {
        assert!(parse_policy(&text).expect_err("one more").to_string().contains("256"));
    }
}
