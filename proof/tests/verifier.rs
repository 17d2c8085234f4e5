//! Drive `countersign-verify` as a stranger does: files in a folder, exit codes, what it prints and remembers.

mod model;

use countersign_proof::*;
use model::{FOUNDERS, Model};
use serde_json::Value;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A folder of files, with a home of its own for the memory.
struct Desk {
    folder: TempDir,
    model: Model,
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { folder: TempDir::new().expect("a folder"), model: Model::new() };
        let (model, size) = (&desk.model, |height: usize| desk.model.seals[height].tree_size());
        let receipt = model.receipt(2, size(3));
        desk.put("genesis", model.genesis.bytes());
        desk.put("trust", model.bundle().to_bytes());
        desk.put("epoch", model.pinned().to_bytes());
        desk.put("receipt", receipt.to_string());
        desk.put("receipt.json", receipt.to_json().expect("JSON"));
        desk.put("late", model.receipt(10, size(5)).to_string());
        desk.put("early", model.receipt(2, size(1)).to_string());
        desk.put("state", model.state_proof("S-1", 5, false).to_bytes());
        desk.put("withheld", model.state_proof("S-1", 5, true).to_bytes());
        desk.put("deleted", model.state_proof("S-2", 5, false).to_bytes());
        desk.put("absent", model.state_proof("S-9", 5, false).to_bytes());
        desk.put("history", model.history_proof("S-1", 1, 4).to_bytes());
        desk.put("consistency", model.consistency(size(3), size(5)).to_bytes());
        for (_, evidence) in model.evidence() {
            desk.put(evidence.what(), evidence.to_bytes());
        }
        let exhibit = |proof: String| Exhibit::new(proof, model.bundle()).to_bytes();
        desk.put("exhibit", exhibit(model.receipt(10, size(5)).to_string()));
        desk
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.folder.path().join(name), bytes).expect("written");
    }

    fn get(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).expect("it is there")
    }

    fn hash(&self) -> String {
        self.model.genesis.hash().to_string()
    }

    /// Runs the words of a line; `HASH` and `ORIGIN` are this ledger's.
    fn run(&self, line: &str) -> Ran {
        self.run_with(line, |_| ())
    }

    fn run_with(&self, line: &str, change: impl FnOnce(&mut Command)) -> Ran {
        let line = line.replace("HASH", &self.hash()).replace("ORIGIN", &self.model.genesis.origin());
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-verify"));
        command.args(line.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.folder.path().join("home"));
        change(&mut command);
        let output = command.output().expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// It was verified, and says all of this.
    #[track_caller]
    fn says(&self, lines: &[&str]) {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        for line in lines {
            assert!(self.out.contains(line), "{line:?} is missing in\n{}", self.out);
        }
    }

    /// It was not, for this one reason in one line, and nothing else was printed.
    #[track_caller]
    fn refuses(&self, code: i32, reason: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        assert!(self.err.contains(reason) && self.err.lines().count() == 1, "{reason:?} is not the line {}", self.err);
    }
}

const GENESIS: &str = "--genesis genesis --genesis-hash HASH --trust trust --no-memory";
const S_1: &str = "--collection shipments --id S-1";

#[test]
fn every_kind_of_good_proof_is_verified_and_says_what_it_proves() {
    let desk = Desk::new();
    let run = |line: &str| desk.run(&format!("{line} {GENESIS}"));
    run("receipt receipt").says(&[
        "verified\n  ledger         proofs.example/",
        "trusted from   the genesis hash you gave",
        "by acme.example/ops was applied at height 1",
        "it is leaf 2 of a log of 8",
        "by 3 of 4 organisations of epoch 0, 3 are needed",
        "    bolt.example/1  2025-11-23T",
        "not proved\n    that what the members wrote is true",
        "only that its body has the hash",
    ]);
    run("receipt receipt.json").says(&["it is leaf 2 of a log of 8"]);
    run("receipt late").says(&[
        "by 3 of 4 organisations of epoch 1",
        "    echo.example/1  ",
        "epoch 1 is still in force",
    ]);
    run(&format!("state state {S_1}")).says(&[
        "shipments/S-1 was in version 3, of height 5, at height 5",
        r#"its value was {"status":"received"}"#,
        "what it holds after height 5",
    ]);
    run(&format!("state withheld {S_1}")).says(&["its value: it is withheld"]);
    run("state deleted --collection shipments --id S-2").says(&["was deleted at height 5, by version 2 of height 5"]);
    run("state absent --collection shipments --id S-9").says(&["shipments/S-9 had never been at height 5"]);
    run(&format!("history history {S_1}")).says(&[
        "had exactly 2 versions written at heights 1 to 4",
        r#"version 1 at height 1: {"status":"packed","weight":"12.5"}"#,
        r#"version 2 at height 3: {"status":"shipped"}"#,
        "versions below height 1 or above 4",
    ]);
    run("consistency consistency").says(&["the log of size 12 begins with the log of size 8"]);
    desk.run("trust trust --genesis-hash HASH").says(&[
        "epoch 0, above size 0: acme.example",
        "epoch 1, above size 10: ",
        "3 make a quorum",
        "that no later epoch exists",
    ]);
    for (what, accused) in
        [("two-proposals", "bolt"), ("two-cosignatures", "cargo"), ("fork", "cargo"), ("against-certificate", "dock")]
    {
        run(&format!("evidence {what}")).says(&[what, &format!("{accused}.example answers for it")]);
    }
}

#[test]
fn one_file_and_a_genesis_hash_are_enough_and_nothing_less_is() {
    let desk = Desk::new();
    desk.run("receipt exhibit --genesis-hash HASH --no-memory").says(&["the genesis hash you gave", "of epoch 1"]);
    let wrong = "0".repeat(64);
    desk.run(&format!("receipt exhibit --no-memory --genesis-hash {wrong}")).refuses(11, "not verified, genesis:");
    desk.run("receipt receipt --genesis genesis --no-memory").says(&["the genesis file alone; compare its hash"]);
    desk.run("receipt exhibit --no-memory").refuses(2, "what is trusted?");
    desk.run("receipt late --genesis-hash HASH --no-memory").refuses(2, "--genesis-hash alone is not enough");
    desk.run("receipt late --genesis genesis --no-memory").refuses(11, "quorum: certificate: 2 of the 3");
    desk.run("receipt late --genesis-hash HASH --trust trust --no-memory").says(&["of epoch 1"]);
    desk.run("receipt late --epoch epoch --no-memory").says(&["trusted from   the epoch you pinned"]);
    desk.run("receipt receipt --epoch epoch --no-memory").refuses(11, "epochs: checkpoint.size: 8 is not above 10");
    desk.run("trust trust --genesis-hash HASH --pin pinned").says(&[]);
    assert_eq!(desk.get("pinned"), desk.get("epoch"), "what was pinned is the last epoch");
    let mut other = desk.model.bundle();
    other.changes[0].members.revoked.clear();
    desk.put("other", other.to_bytes());
    desk.run("receipt late --epoch epoch --trust other --no-memory")
        .refuses(11, "epochs: change.seal.next_members: expected");
    // It has changed nothing since, so that its genesis is all that tells that it is of another network.
    let mut document: Value = serde_json::from_slice(desk.model.genesis.bytes()).expect("JSON");
    document["time"] = 1.into();
    let foreign = TrustBundle::new(&Genesis::parse(&canonical(&document)).expect("a genesis"), vec![]);
    desk.put("other", foreign.to_bytes());
    desk.run("receipt late --epoch epoch --trust other --no-memory").refuses(11, "genesis: genesis hash: expected");
    desk.run("trust other --epoch epoch").refuses(11, "genesis: genesis hash: expected");
    let within = Exhibit::new(desk.model.receipt(10, 12).to_string(), foreign).to_bytes();
    desk.put("within", within);
    desk.run("receipt within --epoch epoch --no-memory").refuses(11, "genesis: genesis hash: expected");
    let given = "--genesis genesis --genesis-hash HASH --trust trust --no-memory";
    desk.run(&format!("receipt within {given}")).refuses(11, "genesis: genesis hash: expected");
    // What an exhibit holds as its proof is followed by nobody, so nothing is said of it.
    let forged = Exhibit::new("{\"kind\":\"trust-bundle\"}".into(), desk.model.bundle()).to_bytes();
    desk.put("forged", forged);
    desk.run("trust forged --genesis-hash HASH").refuses(11, "file: trust bundle: unknown field");
    let piped = desk.run_with(&format!("receipt - {GENESIS}"), |command| {
        let file = std::fs::File::open(desk.folder.path().join("receipt")).expect("it is there");
        command.stdin(file);
    });
    piped.says(&["it is leaf 2 of a log of 8"]);
}

#[test]
fn a_genesis_of_the_environment_gives_way_to_what_is_named() {
    let desk = Desk::new();
    let run = |line: &str| {
        desk.run_with(line, |command| {
            command.env("COUNTERSIGN_GENESIS", "genesis");
        })
    };
    run("receipt receipt --no-memory").says(&["the genesis file alone"]);
    run("receipt late --epoch epoch --no-memory").says(&["the epoch you pinned"]);
    desk.put("policy", policy(&desk.model.genesis.origin(), &desk.model.memberships[0]));
    run("receipt receipt --policy policy --origin ORIGIN --no-memory").says(&["the policy file you gave"]);
    desk.run("receipt late --epoch epoch --genesis genesis").refuses_usage("cannot be used with");
    desk.put("other", b"{}");
    let exhibit = desk.run_with("receipt exhibit --genesis-hash HASH --no-memory", |command| {
        command.env("COUNTERSIGN_GENESIS", "other");
    });
    exhibit.says(&["the genesis hash you gave"]);
}

#[test]
fn a_policy_is_an_anchor_that_knows_no_epochs() {
    let desk = Desk::new();
    let origin = desk.model.genesis.origin();
    desk.put("policy", policy(&origin, &desk.model.memberships[0]));
    let anchor = "--policy policy --origin ORIGIN --no-memory";
    desk.run(&format!("receipt receipt {anchor}")).says(&[
        "trusted from   the policy file you gave",
        "countersigned  as the policy asks; no epoch: by policy",
        "    dock.example/1  ",
        "that the policy was ever the ledger's: it knows no epochs",
    ]);
    let json: Value = serde_json::from_str(&desk.run(&format!("receipt receipt --json {anchor}")).out).expect("JSON");
    assert_eq!((&json["epoch"], &json["counts"]), (&Value::Null, &serde_json::json!([])));
    assert_eq!(json["signers"].as_object().expect("an object").len(), 3);
    let old = desk.model.state_proof("S-1", 3, false).to_bytes();
    desk.put("old", old);
    desk.run(&format!("state old {S_1} {anchor}")).says(&["was in version 2"]);
    desk.run(&format!("receipt late {anchor}")).refuses(11, "the 2 witnesses of the policy that have countersigned");
    let evidence = desk.run(&format!("evidence fork {anchor}"));
    evidence.refuses(11, "evidence: a policy does not say whose keys these were");
    desk.run(&format!("trust trust {anchor}")).refuses(2, "a policy follows no epochs");
    let late = policy(&origin, &desk.model.memberships[1]);
    desk.put("policy", &late);
    desk.run(&format!("receipt exhibit {anchor}")).says(&["no epoch: by policy", "    echo.example/1  "]);
    desk.run("receipt late --policy policy --origin another.example --no-memory").refuses(11, "file: origin: ");
    let carts = origin.replace("proofs", "carts");
    let other = desk.run(&format!("receipt late --policy policy --origin {carts} --no-memory"));
    other.refuses(11, "file: policy: no log of it is named");
    desk.run("receipt late --policy policy --no-memory").refuses_usage("--origin");
    desk.put("policy", format!("{}quorum none\n", late.split("group ").next().expect("the keys")));
    desk.run(&format!("receipt late {anchor}")).refuses(11, "nobody's cosignature");
    desk.put("policy", "log\n");
    desk.run(&format!("receipt late {anchor}")).refuses(11, "policy: line 1");
    // Octets that are not UTF-8 are opaque, and two of them are two names.
    let [acme, bolt] = ["acme", "bolt"].map(|name| {
        let node = format!("{name}.example/1");
        VerifierKey::cosigner(&node, model::pair(&format!("{node}/cosign")).public()).to_string().into_bytes()
    });
    let log = VerifierKey::log(&origin, model::pair("acme.example/1/log").public()).to_string();
    let lines: [&[u8]; 7] = [b"log ", log.as_bytes(), b"\nwitness \xfe ", &acme, b"\nwitness \xff ", &bolt, b"\n"];
    let octets = |end: &[u8]| [&lines.concat(), end].concat();
    desk.put("policy", octets(b"group g all \xfe \xff\nquorum g\n"));
    let signed = desk.model.note_by(&desk.model.checkpoint(8), &["acme.example", "bolt.example"]);
    desk.put("signed", Receipt { note: signed, ..desk.model.receipt(2, 8) }.to_string());
    desk.run(&format!("receipt signed {anchor}")).says(&["    acme.example/1  ", "    bolt.example/1  "]);
    desk.put("policy", octets(b"group g all \xfe \xfe\nquorum g\n"));
    desk.run(&format!("receipt signed {anchor}")).refuses(11, "file: policy: line 4");
}

impl Ran {
    /// The command line itself was refused; clap prints more than one line.
    #[track_caller]
    fn refuses_usage(&self, word: &str) {
        assert_eq!((self.code, self.out.as_str()), (2, ""));
        assert!(self.err.contains(word), "{}", self.err);
    }
}

#[test]
fn each_check_has_its_name_and_its_exit_code() {
    let desk = Desk::new();
    let refused = |name: &str, bytes: Vec<u8>, line: &str, check: &str| {
        desk.put(name, bytes);
        let anchor = if line.starts_with("trust") { "--genesis-hash HASH --genesis genesis" } else { GENESIS };
        desk.run(&format!("{line} {anchor}")).refuses(11, &format!("not verified, {check}: "));
        let json = desk.run(&format!("{line} --json {anchor}"));
        let object: Value = serde_json::from_str(&json.out).expect("JSON");
        assert_eq!((json.code, &object["check"], &object["verified"]), (11, &check.into(), &false.into()));
    };
    let edit = |name: &str, from: &str, to: &str| {
        let text = String::from_utf8(desk.get(name)).expect("UTF-8");
        assert!(text.contains(from), "{name} holds {from}");
        text.replacen(from, to, 1).into_bytes()
    };
    let model = &desk.model;
    refused("bad", b"hello".to_vec(), "receipt bad", "file");
    refused("bad", vec![0xff, 0xfe], "receipt bad", "file");
    refused("bad", edit("state", "\"v\":1,\"value\"", "\"v\":1, \"value\""), &format!("state bad {S_1}"), "file");
    refused("bad", edit("receipt", "bolt.example/1 ", "bolt.example/9 "), "receipt bad", "quorum");
    let note = model.note(model.seals[3].tree_size());
    let unlogged = note.lines().filter(|line| !line.starts_with("\u{2014} proofs.example/"));
    let unlogged = unlogged.map(|line| format!("{line}\n")).collect::<String>();
    let receipt = Receipt { note: unlogged, ..model.receipt(2, model.seals[3].tree_size()) };
    refused("bad", receipt.to_string().into_bytes(), "receipt bad", "log-signature");
    refused("bad", edit("receipt", "\nindex 2\n", "\nindex 4\n"), "receipt bad", "inclusion");
    let seal = receipt_of(model, 2, 3);
    let state = StateProof { seal: seal.to_string(), ..model.state_proof("S-1", 3, false) };
    refused("bad", state.to_bytes(), &format!("state bad {S_1}"), "leaf");
    refused("bad", desk.get("state"), "state bad --collection shipments --id S-2", "state");
    let mut history = model.history_proof("S-1", 1, 4);
    history.earlier.remove(0);
    refused("bad", history.to_bytes(), &format!("history bad {S_1}"), "history");
    let mut consistency = model.consistency(4, 12);
    consistency.path.reverse();
    refused("bad", consistency.to_bytes(), "consistency bad", "consistency");
    let (one, other) = (model.evidence().remove(0).1, model.signed_header(3, 1));
    let Evidence::TwoProposals { first, .. } = one else { panic!("moved") };
    refused("bad", Evidence::two_proposals(first, other).to_bytes(), "evidence bad", "evidence");
    let mut bundle = model.bundle();
    bundle.changes[0].members.revoked.clear();
    refused("bad", bundle.to_bytes(), "trust bad", "epochs");
    refused("bad", desk.get("receipt"), "trust bad", "file");
    let wrong = "1".repeat(64);
    refused("bad", desk.get("receipt"), &format!("receipt bad --transaction {wrong}"), "claim");

    let sealed = desk.run(&format!("evidence false-seal {GENESIS}"));
    assert_eq!(sealed.code, 13, "{}", sealed.err);
    assert!(
        sealed.out.starts_with("signatures hold, not yet verified\n")
            && sealed.out.contains("acme.example answers for it")
    );
    assert!(sealed.err.contains("countersign audit --level full") && sealed.err.lines().count() == 1, "{}", sealed.err);
    let json: Value =
        serde_json::from_str(&desk.run(&format!("evidence false-seal --json {GENESIS}")).out).expect("JSON");
    assert_eq!(json["verified"], false);

    desk.run(&format!("receipt nowhere {GENESIS}")).refuses(2, "nowhere: cannot be read");
    desk.run("trust trust --genesis-hash HASH --trust trust").refuses(2, "the bundle to check is the file itself");
    desk.run("receipt receipt --genesis nowhere").refuses(2, "nowhere: cannot be read");
    desk.run("receipt receipt --genesis-hash abc").refuses_usage("64 lower-case hexadecimal digits");
    desk.run("receipt").refuses_usage("Usage");
    let help = desk.run("--help").out;
    ["  2 ", "  11 ", "  12 ", "  13 "].iter().for_each(|code| assert!(help.contains(code), "{help}"));
}

fn receipt_of(model: &Model, index: u64, height: usize) -> Receipt {
    model.receipt(index, model.seals[height].tree_size())
}

#[test]
fn claims_are_compared_with_what_was_proved() {
    let desk = Desk::new();
    let Leaf::Transaction(leaf) = Leaf::parse(&desk.model.leaves[2]).expect("a leaf") else { panic!("a transaction") };
    desk.put("leaf", &desk.model.leaves[2]);
    desk.put("other", &desk.model.leaves[4]);
    desk.put("value", "{\"status\": \"received\"}\n");
    let run = |line: &str| desk.run(&format!("{line} {GENESIS}"));
    run(&format!("receipt receipt --transaction {} --leaf leaf", leaf.id)).says(&["verified"]);
    run(&format!("receipt late --transaction {}", leaf.id)).refuses(11, "claim: transaction: expected");
    run("receipt receipt --leaf other").refuses(11, "claim: leaf");
    run(&format!("state state {S_1} --value value")).says(&["verified"]);
    run(&format!("state state {S_1} --value leaf")).refuses(11, "claim: value");
    run(&format!("state withheld {S_1} --value value")).refuses(11, "a value that is withheld");
    run(&format!("state state {S_1} --absent")).refuses(11, "claim: document: expected absent");
    run("state deleted --collection shipments --id S-2 --absent").says(&["was deleted"]);
    run("state absent --collection shipments --id S-9 --absent").says(&["had never been"]);
    run("state absent --collection shipments --id S-9 --value value").refuses(11, "no document");
    run("state state --collection shipments --id S-9").refuses(11, "state: state proof.record");
    run(&format!("history history {S_1} --from 1 --to 4")).says(&["verified"]);
    run(&format!("history history {S_1} --from 0")).refuses(11, "claim: complete from height: expected 0, found 1");
    run(&format!("history history {S_1} --to 5")).refuses(11, "claim: complete up to height: expected 5, found 4");
}

#[test]
fn the_json_answer_has_what_the_lines_have() {
    let desk = Desk::new();
    let json = |line: &str| -> Value {
        let ran = desk.run(&format!("{line} --json {GENESIS}"));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        serde_json::from_str(&ran.out).expect("one JSON object")
    };
    let receipt = json("receipt receipt");
    assert_eq!(receipt["verified"], true);
    assert_eq!((&receipt["tree_size"], &receipt["index"], &receipt["height"]), (&8.into(), &2.into(), &1.into()));
    assert_eq!((&receipt["epoch"], &receipt["counts"][0]["quorum"]), (&0.into(), &3.into()));
    assert_eq!(receipt["signers"]["bolt.example"]["bolt.example/1"], 1_763_892_001u64);
    assert!(receipt["not_proved"].as_array().is_some_and(|open| open.len() > 2));
    let state = json(&format!("state state {S_1}"));
    assert_eq!(
        (&state["answer"]["answer"], &state["answer"]["value"]["status"]),
        (&"present".into(), &"received".into())
    );
    assert_eq!(json(&format!("history history {S_1}"))["versions"].as_array().map(Vec::len), Some(2));
    assert_eq!(json("consistency consistency")["old_size"], 8);
    let trust = desk.run("trust trust --json --genesis-hash HASH");
    assert_eq!(serde_json::from_str::<Value>(&trust.out).expect("JSON")["epochs"][1]["after"], 10);
    assert_eq!(json("evidence fork")["accused"][0]["organisation"], "cargo.example");
}

#[test]
fn nothing_below_or_beside_what_was_verified_before_is_believed() {
    let desk = Desk::new();
    let trust = "--genesis genesis --genesis-hash HASH --trust trust";
    let run = |line: &str| desk.run(&format!("{line} {trust}"));
    let memory = format!("home/.local/state/countersign/{}.memory.json", desk.model.genesis.origin().replace('/', "@"));
    run("receipt receipt").says(&["memory         nothing was verified here before"]);
    run("receipt receipt").says(&["memory         a checkpoint of size 8 was verified here before"]);
    let first = desk.get(&memory);
    run("receipt early").refuses(12, "size 4 is below 8");
    assert_eq!(desk.get(&memory), first, "a refusal changes no memory");
    run("receipt late").says(&["a checkpoint of size 8 was verified here before"]);
    assert_ne!(desk.get(&memory), first, "the newer is remembered");
    run("receipt receipt").refuses(12, "not verified, memory: checkpoint.size: size 8 is below 12");
    run("receipt receipt --joined-by consistency").says(&["a checkpoint of size 12 was verified here before"]);
    run("receipt early --joined-by consistency").refuses(12, "joins other checkpoints");
    run("receipt receipt --no-memory").says(&["memory         none"]);
    run("receipt early --memory elsewhere").says(&["nothing was verified here before"]);
    desk.run("receipt late --epoch epoch --memory elsewhere")
        .says(&["a checkpoint of size 4 was verified here before"]);
    desk.run("receipt late --epoch epoch").says(&["a checkpoint of size 12 was verified here before"]);
    let json = desk.run(&format!("receipt early --json {trust}"));
    assert_eq!(
        (json.code, serde_json::from_str::<Value>(&json.out).expect("JSON")["check"].clone()),
        (12, "memory".into())
    );
    let wrong = "1".repeat(64);
    let kept = desk.get(&memory);
    run(&format!("receipt late --transaction {wrong} --memory fresh")).refuses(11, "claim");
    assert!(!desk.folder.path().join("fresh").exists(), "what was not what was asked about is not remembered");
    assert_eq!(desk.get(&memory), kept);
}

#[test]
fn two_certificates_of_one_size_are_refused() {
    let desk = Desk::new();
    let trust = "--genesis genesis --genesis-hash HASH --trust trust --memory memory";
    let right = receipt_of(&desk.model, 2, 3);
    let other = Checkpoint { root: plain_hash(b"another history"), ..desk.model.checkpoint(8) };
    // The members have all lied together: their note is certified, and its log holds one leaf only.
    let genesis = Checkpoint { size: 8, root: leaf_hash(&right.leaf), ..other };
    let lie =
        ConsistencyProof::new(desk.model.note_by(&genesis, &FOUNDERS), desk.model.note_by(&genesis, &FOUNDERS), vec![]);
    desk.put("lie", lie.to_bytes());
    desk.run(&format!("receipt receipt {trust}")).says(&["nothing was verified"]);
    desk.run(&format!("consistency lie {trust}")).refuses(12, "two certificates contradict each other");
}

#[test]
fn a_memory_that_cannot_be_read_is_named_and_another_ledgers_is_left_alone() {
    let desk = Desk::new();
    let run = |line: &str| desk.run(&format!("{line} --genesis genesis --genesis-hash HASH --trust trust"));
    run("receipt receipt --memory memory").says(&["verified"]);
    let good = String::from_utf8(desk.get("memory")).expect("UTF-8");
    let corrupt = [
        "",
        "{",
        "{}",
        &good[..good.len() - 9],
        &good.replace("\"v\":1", "\"v\":2"),
        &good.replace("\\n8\\n", "\\n08\\n"),
    ];
    for bytes in corrupt {
        desk.put("memory", bytes);
        run("receipt receipt --memory memory").refuses(12, "not verified, memory: memory: memory: ");
        assert_eq!(desk.get("memory"), bytes.as_bytes(), "it is left as it was");
    }
    let other = good.replace("proofs.example/", "another.example/");
    desk.put("memory", &other);
    run("receipt receipt --memory memory").refuses(12, "memory.origin: expected another.example/");
    assert_eq!(desk.get("memory"), other.as_bytes());
    run("receipt receipt").says(&["nothing was verified here before"]);
    assert_eq!(desk.get("memory"), other.as_bytes(), "each ledger has a file of its own");
}

#[test]
fn a_closed_output_turns_no_verdict_into_another() {
    let desk = Desk::new();
    desk.put("bad", "hello");
    let code = |line: &str| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        desk.run_with(&format!("{line} {GENESIS}"), |command| {
            command.stdout(writer);
        })
        .code
    };
    for json in ["", " --json"] {
        assert_eq!(code(&format!("receipt receipt{json}")), 0);
        assert_eq!(code(&format!("receipt bad{json}")), 11);
        assert_eq!(code(&format!("evidence false-seal{json}")), 13);
    }
}

#[test]
fn a_proof_cannot_write_lines_of_its_own() {
    let desk = Desk::new();
    let mut state = desk.model.state_proof("S-1", 5, false);
    state.record.as_mut().expect("a record").id = "S-1\nverified\u{1b}[2K\u{9b}2K\u{202e}".into();
    desk.put("bad", state.to_bytes());
    let refused = desk.run(&format!("state bad {S_1} {GENESIS}"));
    refused.refuses(11, "S-1\\u{a}verified\\u{1b}[2K\\u{9b}2K\\u{202e}");
    assert!(refused.err.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", refused.err);
}
