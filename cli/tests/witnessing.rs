//! Run two ledgers of one organisation each: the node of the first witnesses the second, over loopback HTTP.

use countersign_proof::{
    ConsistencyProof, CoseReceipt, Genesis, HistoryProof, Note, Receipt, StateProof, Trust, TrustBundle, VerifierKey,
    parse_policy, plain_hash,
};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const WITHIN: Duration = Duration::from_secs(120);
const WITNESS: &str = "witness.regulator.example/1";

/// A ledger with one organisation and its one node.
struct Ledger {
    folder: PathBuf,
    organisation: &'static str,
    ports: [u16; 3],
    genesis: Genesis,
    node: Option<Child>,
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.kill();
    }
}

fn countersign(folder: &Path, line: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for name in ["NODE", "GENESIS", "ACCOUNT", "KEY", "TLS_KEY"] {
        command.env_remove(format!("COUNTERSIGN_{name}"));
    }
    let output = command.current_dir(folder).args(line.split_whitespace()).output().expect("it runs");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Held together, so that they differ; another process may still take one before the node does.
fn free_ports() -> [u16; 3] {
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    held.map(|listener| listener.local_addr().expect("bound").port())
}

impl Ledger {
    fn found(root: &Path, organisation: &'static str) -> Ledger {
        let (folder, ports) = (root.join(organisation), free_ports());
        std::fs::create_dir(&folder).expect("a new folder");
        let run = |line: &str| countersign(&folder, line);
        let [address, api, http] = ports.map(|port| format!("127.0.0.1:{port}"));
        run(&format!(
            "node init --folder node --node {organisation}/1 --address {address} --api {api} --http {http} --out n.json"
        ));
        let key = run("key new --out governance.key");
        run(&format!(
            "genesis new --ledger test --out genesis.json --organisation {organisation}={key} --node-file n.json"
        ));
        run(&format!(
            "genesis sign --genesis genesis.json --key governance.key --organisation {organisation} --out genesis.signatures.json"
        ));
        for file in ["genesis.json", "genesis.signatures.json"] {
            std::fs::copy(folder.join(file), folder.join("node").join(file)).expect("copied");
        }
        let genesis = Genesis::parse(&std::fs::read(folder.join("genesis.json")).expect("there")).expect("a genesis");
        Ledger { folder, organisation, ports, genesis, node: None }
    }

    /// Adds to node.toml.
    fn configure(&self, text: &str) {
        let file = self.folder.join("node").join("node.toml");
        let before = std::fs::read_to_string(&file).expect("there");
        std::fs::write(file, before + text).expect("written");
    }

    fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .current_dir(&self.folder)
            .args(["node", "run", "--folder", "node", "--genesis-hash", &self.genesis.hash().to_string()])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.node = Some(child.expect("it runs"));
    }

    /// As kill -9 does.
    fn kill(&mut self) {
        if let Some(mut node) = self.node.take() {
            node.kill().and_then(|()| node.wait()).expect("it was running");
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Speaks with the organisation's governance account.
    fn run(&self, line: &str) -> String {
        let (organisation, api) = (self.organisation, self.ports[1]);
        let connection = format!(
            "--node https://127.0.0.1:{api} --genesis genesis.json --account {organisation} --key governance.key"
        );
        countersign(&self.folder, &format!("{line} {connection}"))
    }

    /// Code and body of an answer; none while nothing listens.
    fn get(&self, path: &str, accept: &str) -> Option<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports[2])).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&answer[..end]).ok()?;
        Some((head.split(' ').nth(1)?.parse().ok()?, answer[end + 4..].to_vec()))
    }

    fn bytes(&self, path: &str, accept: &str) -> Vec<u8> {
        let (code, body) = self.get(path, accept).expect("it serves");
        assert_eq!(code, 200, "{path}: {}", String::from_utf8_lossy(&body));
        body
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path, "*/*")).expect("text")
    }

    /// The newest certified checkpoint of more than `size` leaves, once the witness's line is in it.
    fn witnessed_above(&self, size: u64, other: &Ledger) -> String {
        let started = Instant::now();
        while started.elapsed() < WITHIN {
            if let Some((200, note)) = self.get("/checkpoint", "*/*") {
                let note = String::from_utf8(note).expect("text");
                let of: u64 = note.lines().nth(1).and_then(|line| line.parse().ok()).expect("a size");
                if of > size && note.contains(&format!("\u{2014} {WITNESS} ")) {
                    return note;
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("not witnessed in time:\n{}\n{}", self.log(), other.log());
    }
}

/// Two ledgers that know each other: the first follows the second, which asks it for cosignatures.
fn two_ledgers(root: &TempDir) -> (Ledger, Ledger, VerifierKey) {
    let mut regulator = Ledger::found(root.path(), "regulator.example");
    let mut acme = Ledger::found(root.path(), "acme.example");
    let vkey = countersign(&regulator.folder, &format!("witness init --folder node --name {WITNESS}"));
    let witness = VerifierKey::parse(&vkey).expect("a vkey");
    let origin = acme.genesis.origin();
    let membership = acme.genesis.membership();
    let logs: Vec<String> =
        membership.nodes().map(|(_, keys)| VerifierKey::log(&origin, keys.log).to_string()).collect();
    regulator.configure(&format!(
        "[witness]\nname = \"{WITNESS}\"\n[[witness.logs]]\norigin = \"{origin}\"\nvkeys = {logs:?}\n"
    ));
    let prefix = format!("http://127.0.0.1:{}", regulator.ports[2]);
    acme.configure(&format!("[[witnesses]]\nurl = \"{prefix}\"\nvkey = \"{vkey}\"\n"));
    regulator.start();
    acme.start();
    (regulator, acme, witness)
}

/// The served policy, and the same with the witness as a second condition.
fn policies(acme: &Ledger, witness: &VerifierKey) -> (Trust, Trust) {
    let served = acme.text("/policy");
    assert_eq!(acme.text("/policy?epoch=0"), served);
    let (groups, quorum) = served.trim_end().rsplit_once("\nquorum ").expect("its last line");
    let both = format!("{groups}\nwitness regulator {witness}\ngroup both all {quorum} regulator\nquorum both\n");
    let trust = |text: &str| Trust::from_policy(&acme.genesis.origin(), parse_policy(text).expect("a policy"));
    (trust(&served).expect("trust"), trust(&both).expect("trust"))
}

#[test]
fn a_node_of_another_ledger_witnesses_this_one_and_the_files_over_http_verify() {
    let root = tempfile::tempdir().expect("a folder");
    let (mut regulator, acme, witness) = two_ledgers(&root);
    let first = acme.witnessed_above(0, &regulator);
    let (members, with_regulator) = policies(&acme, &witness);
    let trust = Trust::from_genesis(&acme.genesis);
    for anchor in [&members, &with_regulator, &trust] {
        anchor.certify(&first).expect("the checkpoint served holds");
    }
    let lines = first.split_inclusive('\n').filter(|line| !line.contains(WITNESS)).collect::<String>();
    members.certify(&lines).expect("the members suffice for the members' policy");
    with_regulator.certify(&lines).expect_err("not for the one that asks for the regulator");

    let size = trust.certify(&first).expect("it holds").checkpoint().size;
    std::fs::write(acme.folder.join("schema.json"), r#"{"type":"object"}"#).expect("written");
    acme.run("collection define --name things --schema schema.json --write acme.example");
    let second = acme.witnessed_above(size, &regulator);
    with_regulator.certify(&second).expect("the larger one holds");

    regulator.kill();
    std::fs::write(acme.folder.join("one.json"), r#"{"n":1}"#).expect("written");
    let submitted = acme.run("submit --create things a/1 --json one.json");
    regulator.start();
    let size = trust.certify(&second).expect("it holds").checkpoint().size;
    let third = acme.witnessed_above(size, &regulator);
    with_regulator.certify(&third).expect("and the one after the witness was killed");
    with_regulator.certify(&acme.text("/checkpoint/witnessed")).expect("the newest that is witnessed");
    let hash = plain_hash(acme.genesis.origin().as_bytes());
    let monitored = Note::parse(&regulator.text(&format!("/witnessed/{hash}/checkpoint"))).expect("a note");
    assert_eq!(monitored.text, Note::parse(&third).expect("a note").text);
    assert!(acme.text("/metrics").contains(&format!("witness_cosigned_size{{witness=\"{WITNESS}\"}}")));

    files_verify(&acme, &trust, &submitted, size);
}

/// Every proof file that is served over HTTP holds from the genesis alone.
fn files_verify(acme: &Ledger, trust: &Trust, submitted: &str, old: u64) {
    let id = submitted.split_whitespace().find(|word| word.len() == 64 && hex::decode(word).is_ok());
    let id = id.unwrap_or_else(|| panic!("no transaction id in {submitted:?}"));
    let path = format!("/proofs/receipt/{id}");
    let receipt = Receipt::parse(&acme.text(&path)).expect("a receipt");
    receipt.verify(trust).expect("it holds");
    for (path, accept) in [(format!("{path}.json"), "*/*"), (path.clone(), "application/json")] {
        let json = Receipt::from_json(&acme.bytes(&path, accept)).expect("a receipt in JSON");
        assert_eq!(json.leaf, receipt.leaf);
        json.verify(trust).expect("it holds");
    }
    for (path, accept) in [(format!("{path}.cose"), "*/*"), (path, "application/cose")] {
        let cose = CoseReceipt::parse(&acme.bytes(&path, accept)).expect("a COSE receipt");
        cose.verify_leaf(trust, &receipt.leaf).expect("it holds");
    }
    let state = StateProof::parse(&acme.bytes("/proofs/state/things/a/1", "*/*")).expect("a state proof");
    state.verify(trust, "things", "a/1").expect("it holds");
    let absent = StateProof::parse(&acme.bytes("/proofs/state/things/nobody", "*/*")).expect("a state proof");
    absent.verify(trust, "things", "nobody").expect("absence holds");
    let history = HistoryProof::parse(&acme.bytes("/proofs/history/things/a/1?from=0", "*/*")).expect("a history");
    history.verify(trust, "things", "a/1").expect("it holds");
    let path = format!("/proofs/consistency?old={old}");
    let grown = ConsistencyProof::parse(&acme.bytes(&path, "*/*")).expect("a consistency proof");
    let grown = grown.verify(trust).expect("it holds");
    assert!(grown.smaller().checkpoint().size >= old);
    let cose = CoseReceipt::parse(&acme.bytes(&path, "application/cose")).expect("a COSE receipt");
    cose.verify_after(trust, grown.smaller().checkpoint()).expect("it holds");
    let bundle = TrustBundle::parse(&acme.bytes("/trust-bundle", "*/*")).expect("a bundle");
    bundle.verify(&acme.genesis.hash()).expect("it holds");
    for (path, code) in [
        ("/proofs/receipt/00", 400),
        (&format!("/proofs/receipt/{}", "00".repeat(32))[..], 404),
        ("/proofs/state/things/a/1?height=99999", 400),
        ("/proofs/state/things/a/1?hieght=1", 400),
        ("/proofs/history/things/a/1?from=9&to=1", 400),
        ("/proofs/consistency?old=0", 400),
        ("/proofs/consistency", 400),
        ("/policy?epoch=1", 404),
        ("/policy?epoch=x", 400),
    ] {
        let (got, body) = acme.get(path, "*/*").expect("it serves");
        assert_eq!(got, code, "{path}: {}", String::from_utf8_lossy(&body));
    }
}

#[test]
fn a_witness_without_its_memory_or_with_a_shared_key_does_not_start() {
    let root = tempfile::tempdir().expect("a folder");
    let mut ledger = Ledger::found(root.path(), "regulator.example");
    let key = VerifierKey::log("log.example", ledger.genesis.membership().nodes().next().expect("one").1.log);
    ledger.configure(&format!(
        "[witness]\nname = \"{WITNESS}\"\n[[witness.logs]]\norigin = \"log.example\"\nvkeys = [\"{key}\"]\n"
    ));
    let mut ends = |says: &str| {
        ledger.start();
        let mut node = ledger.node.take().expect("started");
        let code = node.wait().expect("it ends").code();
        assert!(code.is_some_and(|code| code != 0) && ledger.log().contains(says), "{code:?}: {}", ledger.log());
    };
    ends("witness.key");
    let folder = root.path().join("regulator.example");
    countersign(&folder, &format!("witness init --folder node --name {WITNESS}"));
    let lock = folder.join("node").join("witness.lock");
    let whole = std::fs::read(&lock).expect("made");
    std::fs::write(&lock, &whole[..whole.len() / 2]).expect("torn");
    ends("it is damaged, and is left as it is");
    std::fs::remove_file(&lock).expect("lost");
    ends("it is missing: this key must not cosign");
    std::fs::write(&lock, &whole).expect("put back");
    std::fs::copy(folder.join("node/keys/cosign.key"), folder.join("node/keys/witness.key")).expect("copied");
    ends("is another key of this node");
}
