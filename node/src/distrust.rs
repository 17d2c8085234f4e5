//! Distrust: refuse the Raft requests of a member that breaks the rules of leading, so that another is elected.
//!
//! To Raft it is a link that is cut in one direction, which is always safe. A term ends when so many refuse that no
//! majority is left; one node that distrusts without cause only falls behind for a while. Everything else that the member
//! asks or tells is served as before: its cosignatures count, and as a follower it is welcome.

use crate::limits::DISTRUST_FOR;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::time::Instant;

/// Whose Raft requests are refused here, and why. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Distrust(Arc<Mutex<BTreeMap<String, Cause>>>);

#[derive(Clone)]
struct Cause {
    reason: String,
    /// None: for as long as this process runs.
    until: Option<Instant>,
}

impl Distrust {
    /// For a while: after it the member may be elected again, and be refused again.
    pub(crate) fn refuse(&self, node: &str, reason: &str) {
        self.note(node, reason, Some(Instant::now() + DISTRUST_FOR));
    }

    /// For good: it is proved. Another key is another member.
    pub(crate) fn refuse_for_good(&self, node: &str, reason: &str) {
        self.note(node, reason, None);
    }

    fn note(&self, node: &str, reason: &str, until: Option<Instant>) {
        let mut causes = self.0.lock().expect("no panic under the lock");
        let new = causes.get(node).is_none_or(|cause| !cause.holds());
        if new || until.is_none() {
            tracing::error!(node, reason, "its raft requests are refused");
            causes.insert(node.to_owned(), Cause { reason: reason.to_owned(), until });
        }
    }

    /// Why this member's Raft requests are refused; none while they are served.
    pub(crate) fn of(&self, node: &str) -> Option<String> {
        let causes = self.0.lock().expect("no panic under the lock");
        causes.get(node).filter(|cause| cause.holds()).map(|cause| cause.reason.clone())
    }

    /// Every member that is refused now, with the reason.
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        let causes = self.0.lock().expect("no panic under the lock");
        let now = causes.iter().filter(|(_, cause)| cause.holds());
        now.map(|(node, cause)| (node.clone(), cause.reason.clone())).collect()
    }
}

impl Cause {
    fn holds(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_ends_unless_it_is_proved() {
        let distrust = Distrust::default();
        distrust.refuse("a/1", "its clock");
        distrust.refuse_for_good("b/1", "two proposals");
        assert_eq!(distrust.of("a/1").as_deref(), Some("its clock"));
        assert_eq!(distrust.of("c/1"), None);
        tokio::time::sleep(DISTRUST_FOR).await;
        assert_eq!(distrust.all(), [("b/1".to_owned(), "two proposals".to_owned())]);
        distrust.refuse("b/1", "its clock");
        assert_eq!(distrust.of("b/1").as_deref(), Some("two proposals"), "what is proved stays");
    }
}
