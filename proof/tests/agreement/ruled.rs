//! Name every rule of docs/formats.md on which two implementers could differ, with a file that tells them apart.

use crate::case::Case;
use crate::collisions;
use crate::forged::{certified, sealed};
use crate::model::{FOUNDERS, JOINS, Model, ok, pair};
use base64::prelude::{BASE64_STANDARD, Engine};
use countersign_proof::*;
use serde_json::json;

/// What is ruled, the exit code, and the case.
pub type Ruled = (&'static str, u8, Case);

pub fn cases(model: &Model) -> Vec<Ruled> {
    [
        notes(model),
        collisions::cases(model),
        boundary(model),
        evidence(model),
        leaves(model),
        documents(model),
        trust(model),
    ]
    .concat()
}

fn trusted(model: &Model) -> String {
    format!("--genesis-hash {} --trust @trust", model.genesis.hash())
}

fn receipt_case(model: &Model, receipt: &Receipt) -> Case {
    Case::new(&format!("receipt @file {}", trusted(model)), &[("file", receipt.to_string().into_bytes())])
}

/// A good receipt with more lines under its note.
fn notes(model: &Model) -> Vec<Ruled> {
    let size = model.seals[3].tree_size();
    let with = |line: &str| {
        let good = model.receipt(2, size);
        receipt_case(model, &Receipt { note: format!("{}{line}\n", good.note), ..good })
    };
    let checkpoint = model.checkpoint(size);
    let cosigned = |time: u64, key: &str| {
        let cosignature = checkpoint.cosign("acme.example/1", time, &pair(key));
        let line = cosignature.to_note_signature(&VerifierKey::cosigner("acme.example/1", pair(key).public()));
        line.to_line().trim_end().to_owned()
    };
    let named = |name: &str| format!("\u{2014} {name} {}", BASE64_STANDARD.encode([7; 5]));
    vec![
        ("a line by an unknown name is skipped", 0, with(&named("x"))),
        ("a line by another key of a member's node is skipped", 0, with(&cosigned(1, "nobody"))),
        ("a payload is longer than its key id", 11, with(&format!("\u{2014} x {}", BASE64_STANDARD.encode([7; 4])))),
        ("only ASCII's control characters are refused", 0, with(&named("x\u{80}\u{7f}"))),
        ("a control character below U+0020 is refused", 11, with(&named("x\u{1}"))),
        ("a Unicode space is refused in a name", 11, with(&named("x\u{85}"))),
        ("and so is any other", 11, with(&named("x\u{3000}"))),
        ("but not what is no longer one", 0, with(&named("x\u{180e}"))),
        ("base64 has no stray bits", 11, with("\u{2014} x AAAAAAB=")),
        ("and is padded", 11, with("\u{2014} x AAAAAAA")),
        ("a cosignature's time is at most 2^63-1", 0, with(&cosigned((1 << 63) - 1, "acme.example/1/cosign"))),
        ("and a line with a later one is false", 11, with(&cosigned(1 << 63, "acme.example/1/cosign"))),
    ]
}

/// At the size that ends an epoch.
fn boundary(model: &Model) -> Vec<Ruled> {
    let checkpoint = model.checkpoint(model.boundary());
    let under = |loggers: &[&str], signers: &[&str]| {
        let mut note = Note::parse(&model.note_by(&checkpoint, signers)).expect("a note");
        let logs = loggers.iter().map(|name| checkpoint.log_signature(&pair(&format!("{name}/1/log"))));
        note.signatures.splice(..1, logs);
        let seal = model.receipt(model.seals[4].index(), model.boundary());
        let receipt = Receipt { note: note.to_string(), ..seal };
        let change = Change { members: model.memberships[1].clone(), seal: receipt.to_string() };
        let bundle = TrustBundle::new(&model.genesis, vec![change]).to_bytes();
        let follow = format!("trust @file --genesis-hash {}", model.genesis.hash());
        (receipt_case(model, &receipt), Case::new(&follow, &[("file", bundle)]))
    };
    let both = &FOUNDERS[..3];
    let mut ruled = Vec::new();
    for (rule, code, loggers, signers) in [
        ("where an epoch ends, a log of the old set suffices", 0, &["dock.example"][..], both),
        ("and so does one of the new set", 0, &[JOINS], both),
        ("and one of both", 0, &["acme.example"], both),
        ("but not none", 11, &[], both),
        ("nor a stranger's", 11, &["stranger.example"], both),
        ("each set needs its own quorum", 11, &["acme.example"], &["acme.example", "bolt.example", JOINS]),
    ] {
        let (receipt, follow) = under(loggers, signers);
        ruled.extend([(rule, code, receipt), (rule, code, follow)]);
    }
    ruled
}

fn evidence(model: &Model) -> Vec<Ruled> {
    let size = |height: usize| model.seals[height].tree_size();
    let key = pair("bolt.example/1/proposal").public();
    let two = || (model.signed_header(2, 1), model.signed_header(2, 2));
    // The proposal key revoked at a size, by the newest document there is.
    let revoked_at = |last: Option<u64>, evidence: Evidence| {
        let mut pinned = PinnedEpoch { after: 0, ..model.pinned() };
        pinned.members.revoked.extend(last.map(|last| (key, last)));
        Case::new("evidence @file --epoch @pinned", &[("file", evidence.to_bytes()), ("pinned", pinned.to_bytes())])
    };
    let seal = |height: usize, signers: &[&str]| {
        let note = model.note_by(&model.checkpoint(size(height)), signers);
        Receipt { note, ..model.receipt(model.seals[height].index(), size(height)) }
    };
    let members = [FOUNDERS[0], FOUNDERS[1], JOINS];
    let bare = || Evidence::two_proposals(two().0, two().1);
    let with = |seal: &Receipt| Evidence::two_proposals_by(two().0, two().1, seal);
    let right = seal(2, &members);
    let alone = |checkpoint: &Checkpoint, organisation: &str| {
        let node = format!("{organisation}/1");
        let key = pair(&format!("{node}/cosign"));
        checkpoint.cosign(&node, 1, &key).to_note(checkpoint, key.public())
    };
    let wrong = |size: u64| Checkpoint { root: plain_hash(b"another history"), ..model.checkpoint(size) };
    let file =
        |evidence: Evidence| Case::new(&format!("evidence @file {}", trusted(model)), &[("file", evidence.to_bytes())]);
    let path = ok(consistency_proof(&model.hashes()[..], size(1), size(3)));
    let against = |note: u64, certificate: u64, root: Hash, path: Vec<Hash>| {
        file(Evidence::against_certificate(alone(&wrong(note), "dock.example"), model.note(certificate), root, path))
    };
    let [same, smaller] = [size(3), size(1)].map(|size| model.checkpoint(size).root);
    let forked = Evidence::fork(
        alone(&wrong(size(1)), "dock.example"),
        alone(&model.checkpoint(size(1)), "dock.example"),
        smaller,
        vec![],
    );
    let lie = SealLeaf { first: 1, ..model.seals[3].clone() };
    let lie = certified(model, &Leaf::Seal(lie).to_bytes(), model.seals[3].index(), size(3)).to_string();
    vec![
        ("a proposal key that is not revoked accuses", 0, revoked_at(None, bare())),
        ("a revoked one accuses by no height alone", 11, revoked_at(Some(1 << 40), bare())),
        ("it does with the seal of a height at its last size", 0, revoked_at(Some(size(2)), with(&right))),
        ("and not of one above", 11, revoked_at(Some(size(2) - 1), with(&right))),
        ("the seal is of that height", 11, revoked_at(Some(size(3)), with(&seal(1, &members)))),
        ("and certified", 11, revoked_at(Some(size(2)), with(&seal(2, &members[..2])))),
        ("also where it is not needed", 11, revoked_at(None, with(&seal(2, &members[..2])))),
        ("a transaction's receipt is no seal's", 11, revoked_at(None, with(&model.receipt(2, size(3))))),
        ("a note is held against a larger certificate", 0, against(size(1), size(3), smaller, path.clone())),
        ("or one of its size", 0, against(size(3), size(3), same, vec![])),
        ("and never against a smaller one", 11, against(size(3), size(1), smaller, path)),
        ("a fork may be of one size", 0, file(forked)),
        ("a false seal need not lie where it says", 13, file(Evidence::false_seal(lie))),
    ]
}

fn leaves(model: &Model) -> Vec<Ruled> {
    let size = model.seals[3].tree_size();
    let at = |index: u64, leaf: Leaf| receipt_case(model, &certified(model, &leaf.to_bytes(), index, size));
    let genesis = || Leaf::Genesis(GenesisLeaf { genesis: model.genesis.hash(), v: 1 });
    let seal = |change: &dyn Fn(&mut SealLeaf)| {
        let mut seal = model.seals[3].clone();
        change(&mut seal);
        at(model.seals[3].index(), Leaf::Seal(seal))
    };
    let Ok(Leaf::Transaction(rejected)) = Leaf::parse(&model.leaves[4]) else { panic!("moved") };
    let code = |code: &str| at(4, Leaf::Transaction(TransactionLeaf { code: Some(code.into()), ..rejected.clone() }));
    vec![
        ("the leaf of the genesis is leaf 0", 0, at(0, genesis())),
        ("and stands nowhere else", 11, at(2, genesis())),
        ("it names the ledger's own", 11, at(0, Leaf::Genesis(GenesisLeaf { genesis: plain_hash(b""), v: 1 }))),
        ("a seal ends its block", 11, seal(&|seal| seal.leaves += 1)),
        ("also where the sum is the largest there is", 11, seal(&|seal| seal.first = INTEGER_MAX)),
        ("rules count from 1", 11, seal(&|seal| seal.rules = 0)),
        ("a proposer is a node", 11, seal(&|seal| seal.proposer = Some("bolt.example".into()))),
        ("a code need not be known", 0, code("OF_RULES_2")),
        ("but has its form", 11, code("lower_case")),
    ]
}

fn documents(model: &Model) -> Vec<Ruled> {
    let ask = |record: VersionRecord, value: Option<serde_json::Value>| {
        let salt = plain_hash(b"salt");
        let hashed = value.as_ref().map(|value| value_hash(&salt, &canonical(value)));
        let record = VersionRecord { value: hashed.or(record.value), ..record };
        let seal = sealed(model, StateTree::leaf_node(&record.state_key(), &record.hash())).to_string();
        let (collection, id) = (record.collection.clone(), record.id.clone());
        let salt = value.as_ref().map(|_| salt);
        let (kind, neighbour, siblings) = (StateProofKind::StateProof, None, vec![]);
        let proof = StateProof { kind, neighbour, record: Some(record), salt, seal, siblings, v: 1, value };
        let case = Case::new(&format!("state @file {}", trusted(model)), &[("file", proof.to_bytes())]);
        case.with("--collection", &collection).with("--id", &id)
    };
    let (record, ..) = model.versions[&("shipments".to_owned(), "S-1".to_owned())][0].clone();
    let named = |collection: &str, id: &str| {
        let (collection, id) = (collection.to_owned(), id.to_owned());
        ask(VersionRecord { collection, id, ..record.clone() }, None)
    };
    let absent = |collection: &str, id: &str| {
        let seal = sealed(model, StateTree::EMPTY).to_string();
        let proof = StateProof {
            record: None,
            neighbour: None,
            salt: None,
            value: None,
            siblings: vec![],
            seal,
            ..model.state_proof("S-9", 3, false)
        };
        let case = Case::new(&format!("state @file {}", trusted(model)), &[("file", proof.to_bytes())]);
        case.with("--collection", collection).with("--id", id)
    };
    let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let numbered =
        |version: u64, previous: Option<Hash>| ask(VersionRecord { version, previous, ..record.clone() }, None);
    vec![
        ("a value is nested as deeply as a definition", 0, ask(record.clone(), Some(deep(96)))),
        ("and no deeper", 11, ask(record.clone(), Some(deep(97)))),
        ("a document may be the system's", 0, named("$schemas", "shipments")),
        ("of a collection there is", 11, named("$none", "x")),
        ("a collection has its form", 11, named("Shipments", "x")),
        ("an id has no control characters", 11, named("shipments", "a\u{9f}")),
        ("an id has at most 256 bytes", 11, named("shipments", &"\u{e4}".repeat(129))),
        ("an id is compared as bytes", 0, named("shipments", "e\u{301}")),
        ("what can be is absent from an empty state", 0, absent("shipments", "x")),
        ("of what cannot be, nothing is said", 11, absent("Shipments", "x")),
        ("not by its id either", 11, absent("shipments", "a\nb")),
        ("versions count from 1", 11, numbered(0, None)),
        ("the first has none before it", 11, numbered(1, Some(plain_hash(b"")))),
        ("and every other one has", 11, numbered(2, None)),
    ]
}

fn trust(model: &Model) -> Vec<Ruled> {
    let hash = model.genesis.hash();
    let origin = model.genesis.origin();
    let mut document: serde_json::Value = serde_json::from_slice(model.genesis.bytes()).expect("JSON");
    document["time"] = 1.into();
    let foreign = TrustBundle::new(&Genesis::parse(&canonical(&document)).expect("a genesis"), vec![]);
    let late = model.receipt(model.seals[5].first, model.seals[5].tree_size()).to_string();
    let exhibit = |proof: &str, bundle: &TrustBundle| Exhibit::new(proof.to_owned(), bundle.clone()).to_bytes();
    let within = |line: &str, file: Vec<u8>| Case::new(line, &[("file", file)]);
    let pinned = |change: &dyn Fn(&mut PinnedEpoch)| {
        let mut pinned = model.pinned();
        change(&mut pinned);
        Case::new(
            "receipt @exhibit --epoch @file",
            &[("file", pinned.to_bytes()), ("exhibit", exhibit(&late, &model.bundle()))],
        )
    };
    let policy = policy(&origin, &model.memberships[1]).into_bytes();
    let by_policy = |bundle: &TrustBundle| {
        let line = format!("receipt @file --policy @policy --origin {origin}");
        Case::new(&line, &[("file", exhibit(&late, bundle)), ("policy", policy.clone())])
    };
    let founding = |members: &Membership, origin: &str| {
        let (kind, origin) = ("epoch".to_owned(), origin.to_owned());
        let pinned = PinnedEpoch { after: 0, kind, members: members.clone(), origin, v: 1 };
        Case::new("receipt @old --epoch @file", &[("file", pinned.to_bytes())])
    };
    let mut revoking = model.memberships[0].clone();
    revoking.revoked.insert(pair("nobody").public(), 1);
    let mut weak = model.pinned().to_bytes();
    let text = String::from_utf8(weak.clone()).expect("JSON");
    let key = model.memberships[1].revoked.keys().next().expect("one").to_string();
    weak.clone_from(&text.replace(&key, &format!("ed25519:01{}", "0".repeat(62))).into_bytes());
    let joined = format!("receipt @file --genesis-hash {hash}");
    let bare = TrustBundle::new(&model.genesis, vec![]);
    vec![
        ("an exhibit brings its bundle", 0, within(&joined, exhibit(&late, &model.bundle()))),
        ("which leads no further than its changes", 11, within(&joined, exhibit(&late, &bare))),
        ("a bundle is of the genesis that is trusted", 11, within(&joined, exhibit(&late, &foreign))),
        ("also under a pinned epoch", 11, within("receipt @file --epoch @epoch", exhibit(&late, &foreign))),
        ("also under a policy", 11, by_policy(&foreign)),
        ("which follows no bundle, but wants it whole", 0, by_policy(&bare)),
        (
            "a bundle that leads less far takes nothing back",
            0,
            within("receipt @file --epoch @epoch", exhibit(&late, &bare)),
        ),
        (
            "an exhibit is no bundle",
            11,
            within(
                &format!("trust @file --genesis-hash {hash}"),
                exhibit("{\"kind\":\"trust-bundle\"}", &model.bundle()),
            ),
        ),
        ("a file is text, whatever it is judged by", 11, within(&joined, vec![0xff])),
        ("without a bundle a hash alone is no anchor", 2, within(&joined, late.clone().into_bytes())),
        (
            "an exhibit holds no exhibit",
            11,
            within(
                &joined,
                exhibit(&String::from_utf8(exhibit(&late, &model.bundle())).expect("JSON"), &model.bundle()),
            ),
        ),
        ("a pinned epoch agrees with a bundle", 0, pinned(&|_| ())),
        ("in the size that it begins after", 11, pinned(&|pinned| pinned.after -= 1)),
        ("and in its document", 11, pinned(&|pinned| pinned.members.revoked.clear())),
        ("its origin has its form", 11, pinned(&|pinned| pinned.origin = "proofs.example".into())),
        ("epoch 0 may be pinned", 0, founding(&model.memberships[0], &origin)),
        (
            "it follows from its genesis",
            11,
            founding(&model.memberships[0], &origin.replace(&hash.to_string()[..4], "0000")),
        ),
        ("and revokes no key", 11, founding(&revoking, &origin)),
        ("a revoked key is a key", 11, Case::new("receipt @receipt --epoch @file", &[("file", weak)])),
    ]
}
