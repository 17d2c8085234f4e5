//! Ask the members for this node's own newest signatures, before it signs anything after a start.

use crate::frames::{OwnFound, SERVICE_OWN, decode};
use crate::limits::READ_DEADLINE;
use crate::members::Members;
use bytes::Bytes;
use countersign_ledger::store::KeptCosignature;
use countersign_p2p::{Lane, Transport};
use countersign_proof::organisation_of;
use futures::future::join_all;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Asks until q-1 other organisations have answered.
pub(crate) struct OwnSignatures {
    pub(crate) transport: Transport,
    pub(crate) members: watch::Receiver<Arc<Members>>,
    pub(crate) node: String,
}

impl OwnSignatures {
    pub(crate) async fn run(self, found: oneshot::Sender<Vec<KeptCosignature>>) {
        let mut answered = BTreeSet::new();
        let mut newest = Vec::new();
        loop {
            let members = self.members.borrow().clone();
            let own = organisation_of(&self.node);
            let needed = members.membership.quorum() - 1;
            if answered.len() >= needed {
                // The station may be gone already.
                drop(found.send(newest));
                return;
            }
            let voters = members.membership.nodes().map(|(node, _)| node);
            let open: Vec<String> =
                voters.filter(|n| organisation_of(n) != own && !answered.contains(organisation_of(n))).collect();
            for (node, answer) in join_all(open.iter().map(|node| self.ask(node))).await {
                let Some(answer) = answer else { continue };
                answered.insert(organisation_of(&node).to_owned());
                newest.extend(answer.newest.and_then(|frame| frame.parse()));
            }
            if answered.len() < needed {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
    }

    async fn ask(&self, node: &str) -> (String, Option<OwnFound>) {
        let call = self.transport.call(node, Lane::Control, SERVICE_OWN, Bytes::new(), READ_DEADLINE);
        (node.to_owned(), call.await.ok().and_then(decode))
    }
}
