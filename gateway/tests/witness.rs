//! Ask for cosignatures as logs do: what C2SP tlog-witness says, nothing twice, nothing back.

mod common;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use common::{Answer, Network, Site};
use countersign_gateway::{WITNESS_LOCK, Witness, WitnessSetup, WitnessStore, WitnessTrouble, init_heads};
use countersign_proof::limits::ADD_CHECKPOINT_BYTES_MAX;
use countersign_proof::{
    AddCheckpoint, Checkpoint, Hash, KeyPair, Note, VerifierKey, WitnessedLog, consistency_proof, cosignature_by,
    leaf_hash, log_root, plain_hash,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tower::ServiceExt;

const ORIGIN: &str = "log.example/behind-the-sofa";
const NAME: &str = "witness.example/1";

/// A disk: what it holds, and whether the next write fails.
#[derive(Default)]
struct Disk {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    fails: AtomicBool,
    writes: AtomicU64,
}

impl WitnessStore for Disk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files.lock().expect("whole").get(name).cloned())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is full"));
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.files.lock().expect("whole").insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }
}

impl Disk {
    fn bytes(&self) -> Vec<u8> {
        WitnessStore::read(self, WITNESS_LOCK).expect("memory").expect("made")
    }
}

/// A log that can be given another history from some leaf on.
struct Log {
    key: KeyPair,
    leaves: Vec<Hash>,
}

impl Log {
    fn of(size: u64) -> Log {
        Log { key: KeyPair::from_seed(&[1; 32]), leaves: (0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect() }
    }

    fn forked_at(size: u64, from: usize) -> Log {
        let mut log = Log::of(size);
        log.leaves[from] = leaf_hash(b"another history");
        log
    }

    fn vkey(&self) -> VerifierKey {
        VerifierKey::log(ORIGIN, self.key.public())
    }

    fn checkpoint(&self, size: u64) -> Checkpoint {
        let root = match size {
            0 => plain_hash(b""),
            _ => log_root(&self.leaves[..], size).unwrap_or_else(|never| match never {}),
        };
        Checkpoint { origin: ORIGIN.into(), size, root }
    }

    fn note(&self, size: u64) -> String {
        let checkpoint = self.checkpoint(size);
        Note { text: checkpoint.to_text(), signatures: vec![checkpoint.log_signature(&self.key)] }.to_string()
    }

    fn path(&self, old: u64, new: u64) -> Vec<Hash> {
        match old {
            0 => Vec::new(),
            _ => consistency_proof(&self.leaves[..], old, new).unwrap_or_else(|never| match never {}),
        }
    }

    fn request(&self, old: u64, new: u64) -> String {
        AddCheckpoint { old, path: self.path(old, new), note: self.note(new) }.to_string()
    }
}

struct Rig {
    site: Site,
    disk: Arc<Disk>,
    time: Arc<AtomicU64>,
    key: VerifierKey,
}

impl Rig {
    fn new() -> Rig {
        let disk = Arc::new(Disk::default());
        init_heads(&*disk, &witness_key()).expect("made");
        Rig::on(disk)
    }

    /// Starts the witness on a disk that is there.
    fn on(disk: Arc<Disk>) -> Rig {
        let time = Arc::new(AtomicU64::new(1_763_892_100));
        let network = Network::found();
        let witness = open(disk.clone(), &time).expect("opens");
        let key = witness.verifier_key().clone();
        Rig { site: network.site_with(network.view(), Some(Arc::new(witness))), disk, time, key }
    }

    async fn post(&self, body: impl Into<Body>) -> Answer {
        post(&self.site, body.into()).await
    }

    /// Asks, and expects the cosignature of this checkpoint.
    async fn cosigned(&self, log: &Log, old: u64, new: u64) -> String {
        let answer = self.post(log.request(old, new)).await;
        let text = String::from_utf8(answer.bytes).expect("text");
        assert_eq!(answer.status, 200, "{old} to {new}: {text}");
        cosignature_by(&self.key, &log.checkpoint(new), &text).expect("it holds");
        text
    }

    async fn refused(&self, body: impl Into<Body>) -> (u16, String) {
        let answer = self.post(body).await;
        (answer.status.as_u16(), String::from_utf8(answer.bytes).expect("text"))
    }
}

fn witness_key() -> VerifierKey {
    VerifierKey::cosigner(NAME, KeyPair::from_seed(&[9; 32]).public())
}

fn open(disk: Arc<Disk>, time: &Arc<AtomicU64>) -> Result<Witness, WitnessTrouble> {
    let time = time.clone();
    Witness::open(WitnessSetup {
        name: NAME.into(),
        key: KeyPair::from_seed(&[9; 32]),
        logs: vec![WitnessedLog::new(ORIGIN, vec![Log::of(0).vkey()]).expect("a log")],
        store: disk,
        clock: Arc::new(move || time.load(Ordering::SeqCst)),
    })
}

async fn post(site: &Site, body: Body) -> Answer {
    let request = Request::post("/add-checkpoint").body(body).expect("a request");
    let response = site.router.clone().oneshot(request).await.expect("a router never fails");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.expect("bounded").to_vec();
    Answer { status: parts.status, headers: parts.headers, bytes }
}

#[tokio::test]
async fn a_log_that_grows_is_cosigned_at_each_size() {
    let (rig, log) = (Rig::new(), Log::of(40));
    rig.cosigned(&log, 0, 0).await;
    let mut old = 0;
    for new in [1, 2, 3, 4, 4, 7, 8, 39, 40] {
        rig.cosigned(&log, old, new).await;
        old = new;
    }
    rig.time.fetch_add(5, Ordering::SeqCst);
    let again = rig.cosigned(&log, 40, 40).await;
    let writes = rig.disk.writes.load(Ordering::SeqCst);
    assert_eq!(rig.cosigned(&log, 40, 40).await, again, "the same second, the same line");
    rig.time.fetch_sub(60, Ordering::SeqCst);
    assert_eq!(rig.cosigned(&log, 40, 40).await, again, "never an earlier time");
    assert_eq!(rig.disk.writes.load(Ordering::SeqCst), writes, "what is cosigned already costs no write");
    let hash = plain_hash(ORIGIN.as_bytes());
    let monitored = rig.site.page(&format!("/witnessed/{hash}/checkpoint")).await;
    assert_eq!(monitored, log.note(40) + &again);
    assert_eq!(rig.site.status(&format!("/witnessed/{}/checkpoint", plain_hash(b"x"))).await, 404);
}

#[tokio::test]
async fn every_other_request_gets_the_code_that_c2sp_asks_for() {
    let (rig, log) = (Rig::new(), Log::of(40));
    rig.cosigned(&log, 0, 8).await;
    let (good, note) = (log.request(8, 20), log.note(20));
    let path = log.path(8, 20);
    let with = |old: u64, path: Vec<Hash>, note: String| AddCheckpoint { old, path, note }.to_string();
    for (name, body, status, says) in [
        ("nothing", String::new(), 400, "no empty line"),
        ("no old line", good.replacen("old", "new", 1), 400, "old <size>"),
        ("a leading zero", good.replacen("old 8", "old 08", 1), 400, "one decimal form"),
        ("a sign", good.replacen("old 8", "old +8", 1), 400, "one decimal form"),
        ("beyond 2^53", good.replacen("old 8", "old 9007199254740993", 1), 400, "2^53-1"),
        ("no base64", good.replacen("old 8\n", "old 8\n!\n", 1), 400, "not base64"),
        ("a short hash", good.replacen("old 8\n", "old 8\nAAAA\n", 1), 400, "32 are needed"),
        ("64 hashes", with(8, vec![path[0]; 64], note.clone()), 400, "maximum of 63"),
        ("no signature line", with(8, path.clone(), log.checkpoint(20).to_text()), 400, "note"),
        ("old above new", with(21, Vec::new(), note.clone()), 400, "more than the checkpoint's size"),
        ("another origin", good.replace(ORIGIN, "log.example/other"), 404, "not a log that this witness follows"),
        ("another key", with(8, path.clone(), note.replace("sofa ", "sofa2 ")), 403, "no signature by a key"),
        ("a false line", with(8, path.clone(), falsified(&note)), 403, "the signature is false"),
        ("a path too short", with(8, path[1..].to_vec(), note.clone()), 422, "path"),
        ("a path altered", with(8, altered(&path), note.clone()), 422, "expected"),
        ("another history", Log::forked_at(40, 3).request(8, 20), 422, "root: expected"),
        ("the same size, another root", Log::forked_at(40, 3).request(8, 8), 422, "new root"),
    ] {
        let (got, sentence) = rig.refused(body).await;
        assert_eq!(got, status, "{name}: {sentence}");
        assert!(sentence.contains(says) && sentence.ends_with('\n'), "{name}: {sentence}");
    }
    for (old, new) in [(0, 20), (7, 20), (9, 20), (20, 20), (0, 1)] {
        let answer = rig.post(log.request(old, new)).await;
        assert_eq!((answer.status.as_u16(), &answer.bytes[..]), (409, &b"8\n"[..]), "{old} {new}");
        assert_eq!(answer.headers["content-type"], "text/x.tlog.size");
    }
    assert_eq!(rig.refused(vec![0xff; 9]).await.0, 400);
    assert_eq!(rig.refused(vec![b'a'; ADD_CHECKPOINT_BYTES_MAX + 1]).await.0, 413);
    assert_eq!(rig.site.status("/add-checkpoint").await, 405, "it is posted to");
    rig.cosigned(&log, 8, 20).await;
}

/// With a base64 digit of the signature changed, past the key's id.
fn falsified(note: &str) -> String {
    let at = note.len() - 20;
    let other = if &note[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &note[..at], &note[at + 1..])
}

fn altered(path: &[Hash]) -> Vec<Hash> {
    let mut path = path.to_vec();
    path[0].0[0] ^= 1;
    path
}

#[tokio::test]
async fn of_a_log_never_seen_only_an_empty_proof_is_taken_and_only_the_one_empty_root() {
    let (rig, log) = (Rig::new(), Log::of(40));
    let note = log.note(20);
    let proved = AddCheckpoint { old: 0, path: vec![plain_hash(b"")], note }.to_string();
    assert_eq!(rig.refused(proved).await.0, 422);
    let empty = Checkpoint { root: plain_hash(b"x"), ..log.checkpoint(0) };
    let note = Note { text: empty.to_text(), signatures: vec![empty.log_signature(&log.key)] }.to_string();
    assert_eq!(rig.refused(AddCheckpoint { old: 0, path: Vec::new(), note }.to_string()).await.0, 422);
    rig.cosigned(&log, 0, 20).await;
}

#[tokio::test]
async fn lines_by_strangers_are_ignored_and_extension_lines_are_cosigned_with_the_rest() {
    let (rig, log) = (Rig::new(), Log::of(40));
    let stranger = log.checkpoint(20).log_signature(&KeyPair::from_seed(&[2; 32]));
    let note = log.note(20) + &stranger.to_line();
    rig.post(AddCheckpoint { old: 0, path: Vec::new(), note }.to_string()).await;
    let text = log.checkpoint(30).to_text() + "an extension\n";
    let line = countersign_proof::NoteSignature {
        name: ORIGIN.into(),
        id: log.vkey().id(),
        signature: log.key.sign(text.as_bytes()).to_vec(),
    };
    let note = Note { text: text.clone(), signatures: vec![line] }.to_string();
    let answer = rig.post(AddCheckpoint { old: 20, path: log.path(20, 30), note: note.clone() }.to_string()).await;
    assert_eq!(answer.status, 200);
    let whole = note + std::str::from_utf8(&answer.bytes).expect("text");
    countersign_proof::WitnessedHead::parse(&whole, &rig.key).expect("over the whole text");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_requests_at_once_no_size_gets_two_roots_and_nothing_goes_back() {
    let rig = Arc::new(Rig::new());
    let (honest, forked) = (Arc::new(Log::of(400)), Arc::new(Log::forked_at(400, 0)));
    rig.time.store(1, Ordering::SeqCst);
    let clients = (0..16).map(|client| {
        let (rig, log) = (rig.clone(), if client % 2 == 0 { honest.clone() } else { forked.clone() });
        tokio::spawn(async move {
            let (mut old, mut cosigned, mut sizes) = (0, Vec::new(), Vec::new());
            for step in 0..30 {
                let new = (old + 1 + (client * 7 + step) % 5).min(400);
                rig.time.fetch_add(1, Ordering::SeqCst);
                let answer = rig.post(log.request(old, new)).await;
                let text = String::from_utf8(answer.bytes).expect("text");
                match answer.status.as_u16() {
                    200 => {
                        cosignature_by(&rig.key, &log.checkpoint(new), &text).expect("it holds");
                        cosigned.push(log.checkpoint(new));
                        old = new;
                    }
                    409 => old = text.trim().parse().expect("a size"),
                    status => assert_eq!(status, 422, "{text}"),
                }
                sizes.push(old);
            }
            assert!(sizes.is_sorted(), "the size that is said to be the newest never goes back: {sizes:?}");
            cosigned
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut roots: BTreeMap<u64, Hash> = BTreeMap::new();
    for client in clients {
        for checkpoint in client.await.expect("no panic") {
            assert_eq!(*roots.entry(checkpoint.size).or_insert(checkpoint.root), checkpoint.root);
        }
    }
    let log = if roots.values().next() == Some(&honest.checkpoint(*roots.keys().next().expect("some")).root) {
        honest
    } else {
        forked
    };
    assert!(roots.len() > 20, "only {}", roots.len());
    assert!(roots.iter().all(|(size, root)| log.checkpoint(*size).root == *root), "one history");
}

#[tokio::test]
async fn what_was_cosigned_is_there_after_a_crash_and_a_torn_file_is_refused_for_ever() {
    let (rig, log) = (Rig::new(), Log::of(40));
    rig.cosigned(&log, 0, 20).await;
    let (disk, time) = (rig.disk.clone(), rig.time.clone());
    drop(rig);
    let rig = Rig::on(disk.clone());
    assert_eq!(rig.refused(log.request(0, 30)).await, (409, "20\n".into()));
    assert_eq!(rig.refused(Log::forked_at(40, 3).request(20, 30)).await.0, 422);
    let whole = disk.bytes();
    for kept in 0..whole.len() {
        disk.replace(WITNESS_LOCK, &whole[..kept]).expect("memory");
        assert!(matches!(open(disk.clone(), &time), Err(WitnessTrouble::Lock(_))), "torn after {kept} bytes");
        assert_eq!(disk.bytes(), whole[..kept], "left as it is");
    }
    let line = log.checkpoint(20).log_signature(&log.key).to_line();
    let first = whole.windows(line.len() - 1).position(|bytes| bytes == &line.as_bytes()[..line.len() - 1]);
    let logs_line = first.expect("kept")..first.expect("kept") + line.len();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        disk.replace(WITNESS_LOCK, &damaged).expect("memory");
        // The log's own line is kept for monitors; what we signed is under our own.
        let noticed = open(disk.clone(), &time).is_err();
        assert!(noticed || logs_line.contains(&at), "byte {at} altered and not noticed");
    }
    disk.files.lock().expect("whole").clear();
    let lost = open(disk.clone(), &time).err().expect("refused").to_string();
    assert!(lost.contains("missing: this key must not cosign"), "{lost}");
    disk.replace(WITNESS_LOCK, &whole).expect("memory");
    assert!(init_heads(&*disk, &witness_key()).is_err(), "a key has one memory");
    open(disk, &time).expect("whole again");
}

#[tokio::test]
async fn no_cosignature_leaves_before_it_is_on_disk_and_a_disk_that_fails_ends_it() {
    let (rig, log) = (Rig::new(), Log::of(40));
    rig.cosigned(&log, 0, 20).await;
    let before = rig.disk.bytes();
    rig.disk.fails.store(true, Ordering::SeqCst);
    let (status, sentence) = rig.refused(log.request(20, 30)).await;
    assert!(status == 503 && !sentence.contains('\u{2014}'), "{status} {sentence}");
    rig.disk.fails.store(false, Ordering::SeqCst);
    assert_eq!(rig.refused(log.request(20, 30)).await.0, 503, "not before a restart has read what is there");
    assert_eq!(rig.disk.bytes(), before);
    let rig = Rig::on(rig.disk.clone());
    rig.cosigned(&log, 20, 30).await;
}
