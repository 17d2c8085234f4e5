//! End a node around its sign lock where both organisations must sign, and let no further block come to its help.

use crate::founded::{Disks, Founded, submit, transaction};
use countersign_node::{Files, SIGN_LOCK};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use tokio::time::timeout;

const WITHIN: Duration = Duration::from_secs(60);

/// Files whose disk goes with the next line of the sign lock: before it is written, or after.
struct Failing {
    files: Arc<dyn Files>,
    armed: AtomicBool,
    writes: bool,
}

impl Files for Failing {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.files.read(name)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if name != SIGN_LOCK || !self.armed.load(SeqCst) {
            return self.files.append(name, bytes);
        }
        if self.writes {
            self.files.append(name, bytes)?;
        }
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn note(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.files.note(name, bytes)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.files.replace(name, bytes)
    }
}

async fn signs_after_the_restart(writes: bool) {
    let founded = Founded::new(2);
    let disks = founded.disks(1);
    let failing = Arc::new(Failing { files: disks.files.clone(), armed: AtomicBool::new(false), writes });
    let stays = founded.start(0, founded.disks(0)).await;
    let mut ends = founded.start(1, Disks { files: failing.clone(), ..disks.clone() }).await;
    let account = "acme.example/ops";
    let first = transaction(&founded, 0, account, "first");
    timeout(WITHIN, submit(&stays, first)).await.expect("both sign");
    failing.armed.store(true, SeqCst);
    let second = transaction(&founded, 0, account, "second");
    let restarted = async {
        let reason = timeout(WITHIN, ends.ended()).await.expect("its sign lock fails");
        assert!(reason.to_string().contains(SIGN_LOCK), "{reason}");
        ends.stop().await;
        founded.start(1, disks).await
    };
    let (ends, answered) = tokio::join!(restarted, timeout(2 * WITHIN, submit(&stays, second)));
    answered.expect("it signs what it had applied, though nothing new comes");
    assert!(stays.accused().is_empty() && ends.accused().is_empty(), "a crash is no lie");
    stays.stop().await;
    ends.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_line_without_its_signature_is_signed_after_the_restart() {
    signs_after_the_restart(true).await;
}

#[tokio::test(start_paused = true)]
async fn a_block_without_its_line_is_signed_after_the_restart() {
    signs_after_the_restart(false).await;
}
