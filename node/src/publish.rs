//! Publish: let subscribers read up to what is certified.

use crate::cursors::Certified;
use tokio::sync::watch;

/// Moves `published` after `certified`. Subscribers read the events themselves from the store, so nothing waits for
/// the slowest of them.
pub(crate) async fn run(mut certified: watch::Receiver<Certified>, published: watch::Sender<Certified>) {
    loop {
        let now = *certified.borrow_and_update();
        published.send_if_modified(|before| {
            assert!(now.height >= before.height, "published never goes back");
            std::mem::replace(before, now) != now
        });
        if certified.changed().await.is_err() {
            return;
        }
    }
}
