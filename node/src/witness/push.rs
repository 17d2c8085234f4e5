//! Push the newest certified checkpoint to a witness outside, in nobody's way.

use crate::NodeError;
use crate::cursors::Certified;
use crate::outside::{Answered, Endpoint};
use crate::witness::OutsideWitness;
use countersign_gateway::WitnessView;
use countersign_ledger::store::Reader;
use countersign_proof::{AddCheckpoint, Checkpoint, INTEGER_MAX, Note, VerifierKey, consistency_proof, cosignature_by};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Between two pushes to one witness.
const PUSH_EVERY: Duration = Duration::from_secs(1);
/// Between two tries of a witness that does not answer as it should.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Witnesses that one node pushes to.
const WITNESSES_MAX: usize = 16;
/// Requests of one push: the witness's own size may have to be learnt, and another node may push between.
const TRIES_MAX: usize = 3;

/// The newest cosignature of each witness, by its name.
pub(crate) type Cosigned = Arc<BTreeMap<String, WitnessView>>;

/// One witness, and how far it has come.
pub(crate) struct Push {
    witness: VerifierKey,
    endpoint: Endpoint,
    reader: Reader,
    certified: watch::Receiver<Certified>,
    cosigned: Arc<watch::Sender<Cosigned>>,
    /// The size that the witness cosigned last, as far as is known; 0 asks it.
    known: u64,
}

/// What the witness made of a request.
enum Asked {
    Cosigned(String),
    OtherSize(u64),
}

/// A witness and where it takes checkpoints.
pub(crate) type Reached = (VerifierKey, Endpoint);

/// The witnesses that node.toml names. Paths are relative to the node's folder.
pub(crate) fn reached(folder: &Path, witnesses: &[OutsideWitness]) -> Result<Vec<Reached>, NodeError> {
    let wrong = |reason: String| NodeError::Config(format!("[[witnesses]]: {reason}"));
    if witnesses.len() > WITNESSES_MAX {
        return Err(wrong(format!("{}, at most {WITNESSES_MAX}", witnesses.len())));
    }
    let mut names = BTreeSet::new();
    let mut reached = Vec::new();
    for OutsideWitness { url, vkey, authorities } in witnesses {
        let witness = VerifierKey::parse(vkey).map_err(|e| wrong(format!("vkey {vkey:?}: {e}")))?;
        if !witness.is_cosigner() {
            return Err(wrong(format!("vkey {vkey:?}: not of a cosigner (type 0x04)")));
        }
        if !names.insert(witness.name.clone()) {
            return Err(wrong(format!("vkey {vkey:?}: the name stands twice")));
        }
        let authorities = authorities.as_ref().map(|file| folder.join(file));
        if url.contains('?') {
            return Err(wrong(format!("url {url:?}: has a query; give scheme, host, port and path alone")));
        }
        let endpoint = Endpoint::parse(url, authorities.as_deref()).map_err(|reason| wrong(format!("url {reason}")))?;
        reached.push((witness, endpoint.under("/add-checkpoint")));
    }
    Ok(reached)
}

/// A push to each, and what they have cosigned.
pub(crate) fn pushes(
    reached: Vec<Reached>,
    reader: &Reader,
    certified: &watch::Receiver<Certified>,
) -> (Vec<Push>, watch::Receiver<Cosigned>) {
    let none = |(witness, _): &Reached| (witness.name.clone(), view(witness, 0, String::new()));
    let (cosigned, seen) = watch::channel(Arc::new(reached.iter().map(none).collect()));
    let cosigned = Arc::new(cosigned);
    let push = |(witness, endpoint)| Push {
        witness,
        endpoint,
        reader: reader.clone(),
        certified: certified.clone(),
        cosigned: cosigned.clone(),
        known: 0,
    };
    (reached.into_iter().map(push).collect(), seen)
}

/// Pushes to all of them, each in a task of its own: a slow one keeps no other waiting. Ends with the node.
pub(crate) async fn run(pushes: Vec<Push>) {
    let mut tasks: JoinSet<()> = pushes.into_iter().map(Push::run).collect();
    while tasks.join_next().await.is_some() {}
}

impl Push {
    async fn run(mut self) {
        let mut wait = PUSH_EVERY;
        loop {
            let size = self.size();
            // Only the newest is worth a cosignature: what was certified meanwhile is passed over.
            if self.certified.wait_for(|certified| certified.size > size).await.is_err() {
                return;
            }
            wait = match self.push().await {
                Ok(()) => PUSH_EVERY,
                Err(reason) => {
                    self.known = 0;
                    tracing::warn!(witness = self.witness.name, reason, "a witness did not cosign");
                    (wait * 2).min(BACKOFF_MAX)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// The largest size that this witness cosigned for us.
    fn size(&self) -> u64 {
        self.cosigned.borrow().get(&self.witness.name).map_or(0, |view| view.size)
    }

    async fn push(&mut self) -> Result<(), String> {
        let size = self.certified.borrow().size;
        let note = self.reader.certificate_at(size).map_err(|e| e.to_string())?;
        let note = note.ok_or_else(|| format!("no certificate of size {size} here"))?;
        for _ in 0..TRIES_MAX {
            if self.known > size {
                let known = self.known;
                return Err(format!("it has cosigned size {known}, and the newest certified here is {size}"));
            }
            match self.ask(size, &note).await? {
                Asked::OtherSize(known) => self.known = known,
                Asked::Cosigned(line) => {
                    self.known = size;
                    self.keep(size, line);
                    return Ok(());
                }
            }
        }
        Err("it names another size each time".into())
    }

    async fn ask(&self, size: u64, note: &str) -> Result<Asked, String> {
        let path = match self.known {
            0 => Vec::new(),
            old => consistency_proof(&self.reader, old, size).map_err(|e| e.to_string())?,
        };
        let request = AddCheckpoint { old: self.known, path, note: note.to_owned() };
        let Answered { status, kind, body } = self.endpoint.post(request.to_string()).await?;
        match status.as_u16() {
            200 => {
                let parsed = Note::parse(note).and_then(|note| Checkpoint::parse(&note.text));
                let line = parsed.and_then(|checkpoint| cosignature_by(&self.witness, &checkpoint, &body));
                Ok(Asked::Cosigned(line.map_err(|e| e.to_string())?.to_line()))
            }
            409 if kind == "text/x.tlog.size" => {
                let known = body.trim_end().parse().ok().filter(|size| *size <= INTEGER_MAX);
                known.map(Asked::OtherSize).ok_or_else(|| "its size is no number".to_owned())
            }
            code => Err(format!("{code}: {}", body.lines().next().unwrap_or_default())),
        }
    }

    fn keep(&self, size: u64, line: String) {
        tracing::debug!(witness = self.witness.name, size, "a witness cosigned");
        let view = view(&self.witness, size, line);
        self.cosigned.send_modify(|all| drop(Arc::make_mut(all).insert(view.name.clone(), view)));
    }
}

fn view(witness: &VerifierKey, size: u64, line: String) -> WitnessView {
    WitnessView { name: witness.name.clone(), size, line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_ledger::store::{Ledger, MemoryKv};
    use countersign_proof::{Genesis, KeyPair};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A push of the golden ledger's first checkpoint to a witness that gives every request this answer.
    async fn push_to(status: &'static str, kind: &'static str, body: String) -> (Push, watch::Receiver<Cosigned>) {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../proof/tests/vectors/ledger.json")).expect("JSON");
        let genesis = Genesis::parse(vectors["genesis"].as_str().expect("text").as_bytes()).expect("a genesis");
        let ledger = Ledger::open(Arc::new(MemoryKv::new()), &genesis).expect("a ledger");
        let reader = ledger.reader();
        let checkpoint = checkpoint_of(&reader, &genesis);
        let line = checkpoint.log_signature(&KeyPair::from_seed(&[1; 32]));
        let note = Note { text: checkpoint.to_text(), signatures: vec![line] };
        reader.put_certificate(checkpoint.size, &note.to_string()).expect("memory");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                // The last line is the log's.
                while !(request.ends_with(b"\n") && String::from_utf8_lossy(&request).contains('\u{2014}')) {
                    assert!(stream.read_buf(&mut request).await.expect("a request") > 0, "all of it");
                }
                let answer = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.expect("it listens");
            }
        });
        let outside = OutsideWitness { url, vkey: witness().to_string(), authorities: None };
        let reached = reached(Path::new("."), &[outside]).expect("well named");
        let certified = Certified { size: checkpoint.size, ..Certified::default() };
        let (mut pushes, seen) = pushes(reached, &reader, &watch::channel(certified).1);
        (pushes.remove(0), seen)
    }

    fn checkpoint_of(reader: &Reader, genesis: &Genesis) -> Checkpoint {
        Checkpoint { origin: genesis.origin(), size: 2, root: reader.log_root(2).expect("two leaves") }
    }

    fn key() -> KeyPair {
        KeyPair::from_seed(&[7; 32])
    }

    fn witness() -> VerifierKey {
        VerifierKey::cosigner("witness.example/1", key().public())
    }

    #[tokio::test]
    async fn only_a_cosignature_that_holds_over_what_was_pushed_is_kept() {
        let (push, _) = push_to("200 OK", "text/plain", String::new()).await;
        let note = push.reader.certificate_at(2).expect("memory").expect("there");
        let checkpoint = Checkpoint::parse(&Note::parse(&note).expect("a note").text).expect("a checkpoint");
        let line = |checkpoint: &Checkpoint, key: &KeyPair| {
            checkpoint.cosign("witness.example/1", 5, key).to_note_signature(&witness()).to_line()
        };
        let good = line(&checkpoint, &key());
        let false_line = line(&checkpoint, &KeyPair::from_seed(&[8; 32]));
        let other = line(&Checkpoint { size: 3, ..checkpoint.clone() }, &key());
        let stranger = checkpoint.log_signature(&key()).to_line();
        let (size, text) = ("text/x.tlog.size", "text/plain");
        for (status, kind, body, says) in [
            ("200 OK", text, false_line, "signature is false"),
            ("200 OK", text, other, "signature is false"),
            ("200 OK", text, stranger.clone(), "no cosignature by"),
            ("200 OK", text, "<html>".into(), "note"),
            ("403 Forbidden", text, "checkpoint: no\nmore".into(), "403: checkpoint: no"),
            ("301 Moved", text, String::new(), "301: "),
            ("409 Conflict", text, "2\n".into(), "409: 2"),
            ("409 Conflict", size, "many\n".into(), "its size is no number"),
            ("409 Conflict", size, "7\n".into(), "it has cosigned size 7, and the newest certified here is 2"),
            ("409 Conflict", size, "1\n".into(), "another size each time"),
            ("409 Conflict", size, "2\n".into(), "another size each time"),
        ] {
            let (mut push, seen) = push_to(status, kind, body).await;
            let refusal = push.push().await.expect_err(says);
            assert!(refusal.contains(says), "{refusal}");
            assert_eq!(seen.borrow()["witness.example/1"].size, 0, "{says}");
        }
        let (mut push, seen) = push_to("200 OK", text, stranger + &good).await;
        push.push().await.expect("it holds");
        let kept = seen.borrow()["witness.example/1"].clone();
        assert_eq!((kept.size, kept.line), (2, good));
    }
}
