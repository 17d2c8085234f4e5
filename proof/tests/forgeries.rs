//! Forge proofs as somebody who knows the formats would, and see which check refuses each.

mod model;

use countersign_proof::*;
use model::{FOUNDERS, JOINS, LEAVES, Model, ok, pair};

/// One cosignature line of an organisation's node, whatever the name and key.
fn cosigned(checkpoint: &Checkpoint, node: &str, time: u64, key: &KeyPair) -> NoteSignature {
    checkpoint.cosign(node, time, key).to_note_signature(&VerifierKey::cosigner(node, key.public()))
}

fn by(checkpoint: &Checkpoint, organisation: &str, time: u64) -> NoteSignature {
    cosigned(checkpoint, &format!("{organisation}/1"), time, &pair(&format!("{organisation}/1/cosign")))
}

fn logged(checkpoint: &Checkpoint) -> NoteSignature {
    checkpoint.log_signature(&pair("acme.example/1/log"))
}

fn note(checkpoint: &Checkpoint, signatures: Vec<NoteSignature>) -> String {
    Note { text: checkpoint.to_text(), signatures }.to_string()
}

/// A checkpoint of epoch 0 with two of the three signers it needs, and a third line that must not count.
fn third_line(model: &Model, third: impl FnOnce(&Checkpoint) -> Vec<NoteSignature>) -> Result<(), Check> {
    let checkpoint = model.checkpoint(model.seals[3].tree_size());
    let two = vec![logged(&checkpoint), by(&checkpoint, "bolt.example", 1), by(&checkpoint, "cargo.example", 1)];
    let signatures = two.into_iter().chain(third(&checkpoint)).collect();
    model.trust().certify(&note(&checkpoint, signatures)).map(drop).map_err(|refusal| refusal.check)
}

#[test]
fn a_quorum_is_of_organisations_and_nothing_else_makes_up_for_one() {
    let model = Model::new();
    assert_eq!(third_line(&model, |c| vec![by(c, LEAVES, 1)]), Ok(()), "with a third it holds");
    let short = Err(Check::Quorum);
    assert_eq!(third_line(&model, |_| vec![]), short, "one fewer");
    assert_eq!(third_line(&model, |c| vec![by(c, "bolt.example", 1)]), short, "one signer twice");
    assert_eq!(third_line(&model, |c| vec![by(c, "bolt.example", 2)]), short, "one signer at two times");
    let bolt = pair("bolt.example/1/cosign");
    assert_eq!(third_line(&model, |c| vec![cosigned(c, "bolt.example/2", 1, &bolt)]), short, "by another node's name");
    assert_eq!(
        third_line(&model, |c| vec![cosigned(c, "dock.example/1", 1, &bolt)]),
        short,
        "by another member's name"
    );
    let own = pair("a key of nobody");
    assert_eq!(third_line(&model, |c| vec![cosigned(c, "dock.example/1", 1, &own)]), short, "by a member's name alone");
    assert_eq!(third_line(&model, |c| vec![by(c, JOINS, 1)]), short, "who joins later");
    assert_eq!(third_line(&model, |c| vec![by(c, "stranger.example", 1)]), short, "an outsider");
    assert_eq!(third_line(&model, |c| vec![c.log_signature(&pair("dock.example/1/log"))]), short, "a log signature");
    let log_as_cosignature = |c: &Checkpoint| {
        let key = VerifierKey::cosigner("dock.example/1", pair("dock.example/1/cosign").public());
        let signature = [&1u64.to_be_bytes()[..], &pair("dock.example/1/cosign").sign(c.to_text().as_bytes())].concat();
        vec![NoteSignature { id: key.id(), name: key.name, signature }]
    };
    assert_eq!(third_line(&model, log_as_cosignature), short, "the log's text signed by the cosign key");
    let of_another_root = |c: &Checkpoint| vec![by(&Checkpoint { root: plain_hash(b""), ..c.clone() }, LEAVES, 1)];
    assert_eq!(third_line(&model, of_another_root), short, "over another root");
    let proposal = pair("dock.example/1/proposal");
    assert_eq!(
        third_line(&model, |c| vec![cosigned(c, "dock.example/1", 1, &proposal)]),
        short,
        "by a key of another role"
    );
}

#[test]
fn a_false_line_by_a_known_key_makes_a_full_certificate_false() {
    let model = Model::new();
    let checkpoint = model.checkpoint(model.seals[3].tree_size());
    let mut full = Note::parse(&model.note_by(&checkpoint, &FOUNDERS)).expect("a note");
    full.signatures[4].signature[20] ^= 1;
    assert_eq!(model.trust().certify(&full.to_string()).expect_err("one is false").check, Check::Quorum);
}

#[test]
fn the_log_itself_must_have_signed() {
    let model = Model::new();
    let checkpoint = model.checkpoint(model.seals[3].tree_size());
    let cosigners = || FOUNDERS.map(|organisation| by(&checkpoint, organisation, 1)).to_vec();
    let check = |first: Vec<NoteSignature>| {
        let note = note(&checkpoint, first.into_iter().chain(cosigners()).collect());
        model.trust().certify(&note).map(drop).map_err(|refusal| refusal.check)
    };
    assert_eq!(check(vec![logged(&checkpoint)]), Ok(()));
    assert_eq!(check(vec![]), Err(Check::LogSignature), "all cosigned, none logged");
    let log = logged(&checkpoint);
    let cosignature = by(&checkpoint, "acme.example", 1).signature;
    for signature in [cosignature[8..].to_vec(), cosignature] {
        let line = NoteSignature { signature, ..log.clone() };
        assert_eq!(check(vec![line]), Err(Check::LogSignature), "a cosignature in the log's place");
    }
    let by_cosign_key = checkpoint.log_signature(&pair("acme.example/1/cosign"));
    assert_eq!(check(vec![by_cosign_key]), Err(Check::LogSignature), "a cosigner's key is no log key");
    let alone = model.trust().certify(&note(&checkpoint, vec![log])).expect_err("logged, not cosigned");
    assert_eq!(alone.check, Check::Quorum);
}

#[test]
fn no_epoch_certifies_for_another_nor_one_network_for_another() {
    let model = Model::new();
    let trust = model.trust();
    let refused = |trust: &Trust, note: &str| trust.certify(note).expect_err("refused").check;
    let late = model.note_by(&model.checkpoint(model.seals[5].tree_size()), &["bolt.example", "cargo.example", LEAVES]);
    assert_eq!(refused(&trust, &late), Check::Quorum, "an epoch that has ended");
    let early = model.note_by(&model.checkpoint(model.seals[3].tree_size()), &["bolt.example", "cargo.example", JOINS]);
    assert_eq!(refused(&trust, &early), Check::Quorum, "an epoch that had not begun");
    let pinned = Trust::from_epoch(model.pinned());
    assert_eq!(refused(&pinned, &model.note(model.boundary())), Check::Epochs, "below the pinned epoch");
    let mut document: serde_json::Value = serde_json::from_slice(model.genesis.bytes()).expect("JSON");
    document["time"] = (model.seals[0].time + 1).into();
    let other = Genesis::parse(&canonical(&document)).expect("a genesis of the same members");
    let receipt = model.receipt(2, model.seals[3].tree_size());
    let refusal = receipt.verify(&Trust::from_genesis(&other)).expect_err("another network's");
    assert_eq!(refusal.check, Check::Genesis);
    let renamed = Checkpoint { origin: other.origin(), ..model.checkpoint(model.seals[3].tree_size()) };
    let mut note = Note::parse(&receipt.note).expect("a note");
    note.text = renamed.to_text();
    let renamed = Receipt { note: note.to_string(), ..receipt };
    assert_eq!(renamed.verify(&Trust::from_genesis(&other)).expect_err("renamed").check, Check::Quorum);
    assert_eq!(model.bundle().verify(&other.hash()).expect_err("another genesis").check, Check::Genesis);
}

#[test]
fn a_policy_certifies_what_its_membership_does_and_no_more() {
    let model = Model::new();
    let genesis = Trust::from_genesis(&model.genesis);
    let text = policy(&model.genesis.origin(), &model.memberships[0]);
    let parse = || parse_policy(&text).expect("its own form");
    let by_policy = Trust::from_policy(&model.genesis.origin(), parse()).expect("it names this log");
    let checkpoint = model.checkpoint(model.seals[3].tree_size());
    let mut certified = 0;
    for bits in 0..64u8 {
        let picked = |at: usize| bits >> at & 1 == 1;
        let signers = [FOUNDERS[0], FOUNDERS[1], FOUNDERS[2], FOUNDERS[3], JOINS];
        let lines = signers.iter().enumerate().filter(|(at, _)| picked(*at)).map(|(_, who)| by(&checkpoint, who, 1));
        let lines: Vec<NoteSignature> = lines.chain(picked(5).then(|| logged(&checkpoint))).collect();
        let note = note(&checkpoint, lines);
        let check = |trust: &Trust| trust.certify(&note).map(|c| c.signers().clone()).map_err(|refusal| refusal.check);
        assert_eq!(check(&by_policy), check(&genesis), "{bits:b}");
        certified += u32::from(check(&by_policy).is_ok());
    }
    assert_eq!(certified, 10, "three or four of four, whoever else, and the log");
    let mut false_line = Note::parse(&model.note_by(&checkpoint, &FOUNDERS)).expect("a note");
    false_line.signatures[4].signature[20] ^= 1;
    assert_eq!(by_policy.certify(&false_line.to_string()).expect_err("one is false").check, Check::Quorum);
    let receipt = model.receipt(2, checkpoint.size).verify(&by_policy).expect("it holds");
    assert_eq!((receipt.epoch(), receipt.certified().counts(), by_policy.epochs()), (None, &[][..], &[][..]));
    for (_, evidence) in model.evidence() {
        assert_eq!(evidence.verify(&by_policy).expect_err("it knows no epochs").check, Check::Evidence);
    }
    let mut follows = by_policy;
    assert_eq!(follows.follow(&model.bundle().changes[0]).expect_err("nor follows any").check, Check::Epochs);
    assert!(Trust::from_policy("another.example", parse()).is_err());
    let keys = text.split("group ").next().expect("the keys");
    let nobody = parse_policy(&format!("{keys}quorum none\n")).expect("C2SP allows it");
    assert!(Trust::from_policy(&model.genesis.origin(), nobody).is_err());
}

#[test]
fn an_organisation_with_two_voters_is_in_no_membership() {
    let model = Model::new();
    let mut two = model.pinned();
    let keys = |role: &str| pair(&format!("bolt.example/2/{role}")).public();
    let second = NodeKeys { cosign: keys("cosign"), log: keys("log"), proposal: keys("proposal") };
    two.members.organisations.get_mut("bolt.example").expect("a member").nodes.insert("2".into(), second);
    assert!(PinnedEpoch::parse(&two.to_bytes()).expect_err("pinned").to_string().contains("exactly one voter"));
    assert!(Membership::parse(&canonical(&two.members)).is_err());
    let mut change = model.bundle().changes.remove(0);
    change.members = two.members;
    let bundle = TrustBundle::new(&model.genesis, vec![change]);
    assert_eq!(bundle.verify(&model.genesis.hash()).expect_err("followed").check, Check::Epochs);
    let mut shared = model.pinned();
    let bolt = shared.members.node("bolt.example/1").expect("a member").clone();
    shared.members.organisations.get_mut("echo.example").expect("a member").nodes.insert("1".into(), bolt);
    assert!(
        PinnedEpoch::parse(&shared.to_bytes()).expect_err("one key, two organisations").to_string().contains("twice")
    );
}

#[test]
fn a_history_with_a_hole_is_refused() {
    let model = Model::new();
    let trust = model.trust();
    let check = |history: &HistoryProof| history.verify(&trust, "shipments", "S-1").map(drop).map_err(|r| r.check);
    let whole = model.history_proof("S-1", 0, 5);
    assert_eq!(whole.earlier.len(), 2);
    assert_eq!(check(&whole), Ok(()));
    let mut hole = whole.clone();
    hole.earlier.remove(0);
    assert_eq!(check(&hole), Err(Check::History), "a version between is left out");
    let mut short = whole.clone();
    short.earlier.pop();
    assert_eq!(check(&short), Err(Check::History), "the oldest is left out");
    let mut swapped = whole.clone();
    swapped.earlier.swap(0, 1);
    assert_eq!(check(&swapped), Err(Check::History), "out of order");
    let earlier = whole.earlier[1..].to_vec();
    let newest_left_out = HistoryProof { state: model.state_proof("S-1", 3, false), earlier, ..whole.clone() };
    assert_eq!(check(&newest_left_out), Err(Check::History), "the state is older than the last height asked about");
    let up_to_it = HistoryProof { to: 3, ..newest_left_out };
    assert_eq!(check(&up_to_it), Ok(()), "it is complete up to its own height");
    let stale = StateProof { seal: whole.state.seal.clone(), ..model.state_proof("S-1", 3, false) };
    let stale = HistoryProof { state: stale, ..up_to_it };
    assert_eq!(check(&stale), Err(Check::State), "an older version under the newest seal");
    let below = HistoryProof { from: 4, ..whole.clone() };
    assert_eq!(check(&below), Err(Check::History), "it goes on below the first height asked about");
    let backwards = HistoryProof { from: 6, to: 5, ..whole.clone() };
    assert_eq!(check(&backwards), Err(Check::History));
    let mut other = whole.clone();
    other.earlier[0].value = Some(serde_json::json!({"status": "lost"}));
    assert_eq!(check(&other), Err(Check::History), "a value that the record does not name");
    let never = HistoryProof { earlier: whole.earlier, ..model.history_proof("S-9", 0, 5) };
    assert_eq!(never.verify(&trust, "shipments", "S-9").expect_err("never was").check, Check::History);
}

#[test]
fn a_state_answers_only_for_the_document_on_its_way() {
    let model = Model::new();
    let trust = model.trust();
    let check = |proof: &StateProof, id: &str| proof.verify(&trust, "shipments", id).map(drop).map_err(|r| r.check);
    let (present, absent) = (model.state_proof("S-1", 5, false), model.state_proof("S-9", 5, false));
    assert_eq!((check(&present, "S-1"), check(&absent, "S-9")), (Ok(()), Ok(())));
    assert_eq!(check(&present, "S-9"), Err(Check::State), "the record of another document");
    assert_eq!(check(&absent, "S-1"), Err(Check::State), "absence of another document");
    // The way of every other key, real as it is, ends elsewhere.
    let mut off_the_way = 0;
    for id in ["S-1", "S-2", "S-4", "S-9", "S-10", "S-11"] {
        let other = model.state_proof(id, 5, false);
        let key = state_key("shipments", id);
        let record = other.record.as_ref().map(|record| (key, record.hash()));
        for neighbour in [record, other.neighbour, None] {
            let forged = StateProof {
                neighbour,
                siblings: other.siblings.clone(),
                record: None,
                salt: None,
                value: None,
                ..absent.clone()
            };
            // Another document on the same way is a witness as good as the right one.
            if (forged.neighbour, &forged.siblings) != (absent.neighbour, &absent.siblings) {
                off_the_way += 1;
                assert_eq!(check(&forged, "S-9"), Err(Check::State), "{id}");
            }
            assert_eq!(check(&forged, "S-1"), Err(Check::State), "{id}: it is present");
        }
    }
    assert!(off_the_way > 5);
    let old = model.state_proof("S-1", 3, false);
    assert_eq!(
        check(&StateProof { seal: present.seal.clone(), ..old.clone() }, "S-1"),
        Err(Check::State),
        "an old version"
    );
    let salted = StateProof { salt: old.salt, ..present.clone() };
    assert_eq!(check(&salted, "S-1"), Err(Check::State), "another version's salt");
    let under = model.receipt(2, model.seals[3].tree_size()).to_string();
    assert_eq!(check(&StateProof { seal: under, ..present }, "S-1"), Err(Check::Leaf), "a leaf that is no seal");
}

#[test]
fn a_consistency_path_joins_only_its_own_sizes() {
    let model = Model::new();
    let sizes: Vec<u64> = model.seals.iter().map(SealLeaf::tree_size).collect();
    let mut refused = 0;
    for (at, old) in sizes.iter().enumerate() {
        for new in &sizes[at..] {
            let right = model.consistency(*old, *new);
            right.verify(&model.trust()).expect("its own path");
            for (from, to) in [(1, 2), (*old, new + 1), (old + 1, *new + 1), (1, *new)] {
                let path = if from <= to && to <= model.leaves.len() as u64 {
                    ok(consistency_proof(&model.hashes()[..], from, to))
                } else {
                    continue;
                };
                if path != right.path {
                    let forged = ConsistencyProof { path, ..right.clone() };
                    assert_eq!(forged.verify(&model.trust()).expect_err("another's path").check, Check::Consistency);
                    refused += 1;
                }
            }
            if old != new {
                let backwards = ConsistencyProof::new(right.new, right.old, right.path);
                assert_eq!(backwards.verify(&model.trust()).expect_err("backwards").check, Check::Consistency);
            }
        }
    }
    assert!(refused > 30, "{refused}");
}

#[test]
fn who_signed_one_truth_is_never_accused() {
    let model = Model::new();
    let trust = model.trust();
    let (small, large) = (model.seals[1].tree_size(), model.seals[3].tree_size());
    let right = model.checkpoint(small);
    let wrong = Checkpoint { root: plain_hash(b"another history"), ..right.clone() };
    let alone = |checkpoint: &Checkpoint, organisation: &str| note(checkpoint, vec![by(checkpoint, organisation, 1)]);
    let path = ok(consistency_proof(&model.hashes()[..], small, large));
    let refused = |evidence: Evidence| {
        let parsed = Evidence::parse(&evidence.to_bytes()).expect("its form");
        parsed.verify(&trust).expect_err("refused").check
    };
    let (acme, bolt) = ("acme.example", "bolt.example");
    let two = |one: String, other: String| refused(Evidence::two_cosignatures(one, other));
    assert_eq!(two(alone(&right, acme), alone(&wrong, bolt)), Check::Evidence, "two who differ");
    assert_eq!(two(alone(&right, acme), note(&right, vec![by(&right, acme, 2)])), Check::Evidence, "the same twice");
    assert_eq!(two(alone(&right, acme), alone(&model.checkpoint(large), acme)), Check::Evidence, "two sizes");
    let mut moved = by(&right, acme, 1);
    moved.name = "acme.example/1".into();
    assert_eq!(two(alone(&right, acme), note(&wrong, vec![moved])), Check::Evidence, "a line moved under another root");
    let log = |checkpoint: &Checkpoint| note(checkpoint, vec![logged(checkpoint)]);
    assert_eq!(two(log(&right), log(&wrong)), Check::Evidence, "log signatures accuse nobody: they vote for nothing");
    let fork = |old: String, new: String| refused(Evidence::fork(old, new, right.root, path.clone()));
    assert_eq!(fork(alone(&right, acme), alone(&model.checkpoint(large), acme)), Check::Evidence, "one history");
    assert_eq!(fork(alone(&wrong, acme), alone(&model.checkpoint(large), bolt)), Check::Evidence, "two who differ");
    let against = Evidence::against_certificate(alone(&right, acme), model.note(large), right.root, path.clone());
    assert_eq!(refused(against), Check::Evidence, "who signed what was certified");
    let certificate = model.note_by(&model.checkpoint(large), &[acme, bolt]);
    let against = Evidence::against_certificate(alone(&wrong, acme), certificate, right.root, path.clone());
    assert_eq!(refused(against), Check::Quorum, "against no certificate");
    let against = Evidence::against_certificate(alone(&wrong, acme), model.note(large), wrong.root, path);
    assert_eq!(refused(against), Check::Consistency, "a root that the certified log never had");
    let header = model.signed_header(2, 1);
    assert_eq!(refused(Evidence::two_proposals(header.clone(), header.clone())), Check::Evidence, "one header twice");
    let other = SignedHeader { header: model.signed_header(2, 2).header, signature: header.signature.clone() };
    assert_eq!(refused(Evidence::two_proposals(header.clone(), other)), Check::Evidence, "a header nobody signed");
    let height = model.signed_header(3, 1);
    assert_eq!(refused(Evidence::two_proposals(header, height)), Check::Evidence, "two heights");
}

#[test]
fn one_contradiction_has_one_file() {
    let model = Model::new();
    let mut swapped = 0;
    for (_, evidence) in model.evidence() {
        let (first, second) = match evidence.clone() {
            Evidence::TwoProposals { first, second, kind, v, seal } => {
                let upper = SignedHeader { signature: first.signature.to_uppercase(), ..first.clone() };
                let (other, kind_of) = (second.clone(), kind.clone());
                let upper =
                    Evidence::TwoProposals { first: upper, second: other, kind: kind_of, v, seal: seal.clone() };
                assert_eq!(upper.verify(&model.trust()).expect_err("upper case").check, Check::Evidence);
                (evidence, Evidence::TwoProposals { first: second, second: first, kind, v, seal })
            }
            Evidence::TwoCosignatures { first, second, kind, v } => {
                (evidence, Evidence::TwoCosignatures { first: second, second: first, kind, v })
            }
            _ => continue,
        };
        Evidence::parse(&first.to_bytes()).expect("the smaller first");
        assert!(Evidence::parse(&second.to_bytes()).expect_err("the larger first").to_string().contains("smaller"));
        swapped += 1;
    }
    assert_eq!(swapped, 2);
}
