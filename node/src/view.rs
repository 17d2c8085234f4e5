//! Show the node to the gateway: a snapshot of its status, published when it changes.

use crate::api::Api;
use crate::witness::Cosigned;
use countersign_gateway::{CursorView, NodeView, PeerView};
use countersign_proto::v1;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const VIEW_EVERY: Duration = Duration::from_millis(250);

/// Publishes until nobody looks.
pub(crate) async fn run(api: Api, cosigned: watch::Receiver<Cosigned>, views: watch::Sender<Arc<NodeView>>) {
    while !views.is_closed() {
        match api.status() {
            Ok(status) => drop(views.send_replace(Arc::new(NodeView {
                station_microseconds: api.meters.microseconds(),
                ..view(status, &cosigned.borrow())
            }))),
            Err(refusal) => views.send_modify(|view| {
                let view = Arc::make_mut(view);
                view.healthy = false;
                view.reason = refusal.detail.clone();
            }),
        }
        tokio::time::sleep(VIEW_EVERY).await;
    }
}

fn view(status: v1::Status, cosigned: &Cosigned) -> NodeView {
    let cursor = |cursor: Option<v1::Cursor>| {
        cursor.map(|cursor| CursorView { index: cursor.index, height: cursor.height }).unwrap_or_default()
    };
    let healthy = !status.leader.is_empty();
    NodeView {
        node: status.node,
        origin: status.origin,
        release: status.release,
        term: status.term,
        raft_id: status.raft_id,
        appended: cursor(status.appended),
        committed: cursor(status.committed),
        applied: cursor(status.applied),
        signed: cursor(status.signed),
        certified: cursor(status.certified),
        published: cursor(status.published),
        tree_size: status.tree_size,
        certified_size: status.certified_size,
        missing: status.missing,
        witnesses: cosigned.values().cloned().collect(),
        peers: status.peers.into_iter().map(peer).collect(),
        mempool_transactions: status.mempool_transactions,
        mempool_bytes: status.mempool_bytes,
        leader: healthy.then_some(status.leader),
        station_microseconds: Vec::new(),
        healthy,
        reason: if healthy { String::new() } else { "no leader is known".to_owned() },
    }
}

fn peer(peer: v1::Peer) -> PeerView {
    PeerView {
        node: peer.node,
        voter: peer.voter,
        control_connected: peer.control_connected,
        bulk_connected: peer.bulk_connected,
        cosigned_size: peer.cosigned_size,
    }
}
