//! Publish: let subscribers read up to what is certified, and tell every surface how far the node has come.

use crate::cursors::{Applied, Certified};
use countersign_gateway::Progress;
use tokio::sync::watch;

/// What readers are told of.
pub(crate) struct Publish {
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) certified: watch::Receiver<Certified>,
    pub(crate) published: watch::Sender<Certified>,
    pub(crate) progress: watch::Sender<Progress>,
}

impl Publish {
    /// Moves `published` after `certified`. Subscribers read the events themselves from the store, so nothing waits for
    /// the slowest of them.
    pub(crate) async fn run(mut self) {
        loop {
            self.tell();
            let moved = tokio::select! {
                moved = self.applied.changed() => moved,
                moved = self.certified.changed() => moved,
            };
            if moved.is_err() {
                return;
            }
        }
    }

    /// Tells where the node stands.
    pub(crate) fn tell(&mut self) {
        let now = *self.certified.borrow_and_update();
        let progress = {
            let applied = self.applied.borrow_and_update();
            Progress {
                applied: applied.chain.height,
                governed: applied.governed_height,
                published: now.height,
                certified_size: now.size,
                everyone_size: now.everyone,
            }
        };
        self.progress.send_if_modified(|before| std::mem::replace(before, progress) != progress);
        // Last: whoever waits for it finds the rest told.
        self.published.send_if_modified(|before| {
            assert!(now.height >= before.height, "published never goes back");
            std::mem::replace(before, now) != now
        });
    }
}
