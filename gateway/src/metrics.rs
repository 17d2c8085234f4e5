//! Write the node's numbers in the Prometheus text format (version 0.0.4).

use crate::explorer::Explorer;
use crate::view::{NodeView, PeerView, WitnessView};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::fmt::Write;

pub(crate) async fn metrics(State(explorer): State<Explorer>) -> Response {
    let type_and_version = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (type_and_version, exposition(&explorer.view(), explorer.trouble().is_none())).into_response()
}

/// Every number of the view: read from the node, never counted here.
fn exposition(view: &NodeView, healthy: bool) -> String {
    let mut page = Page::default();
    let build = [("node", &view.node[..]), ("origin", &view.origin), ("release", &view.release)];
    page.gauge("info", "Which node this is; always 1.", &[(&build[..], 1)]);
    page.number("healthy", "1 when the node does its work.", healthy.into());
    page.number("leader", "1 when this node leads.", view.leads().into());
    page.number("term", "The Raft term.", view.term);
    page.number("raft_id", "The number of this node in Raft.", view.raft_id);
    cursors(&mut page, view);
    page.number("tree_size", "Leaves of the Merkle log here.", view.tree_size);
    page.number("certified_size", "Leaves under the newest certified checkpoint.", view.certified_size);
    page.number("certified_lag_blocks", "Blocks applied and not yet certified.", view.certified_lag_blocks());
    page.number("certified_lag_leaves", "Leaves not yet certified.", view.certified_lag_leaves());
    let missing = view.missing.len() as u64;
    page.number("missing_organisations", "Organisations whose cosignature is waited for.", missing);
    page.number("mempool_transactions", "Transactions that wait to be proposed.", view.mempool_transactions);
    page.number("mempool_bytes", "Bytes of transactions that wait to be proposed.", view.mempool_bytes);
    peers(&mut page, &view.peers);
    witnesses(&mut page, &view.witnesses);
    stations(&mut page, &view.station_microseconds);
    page.text
}

fn cursors(page: &mut Page, view: &NodeView) {
    let labels = view.cursors().map(|(name, _)| [("cursor", name)]);
    let cursors = || labels.iter().zip(view.cursors());
    let indexes: Vec<_> = cursors().map(|(labels, (_, cursor))| (&labels[..], cursor.index)).collect();
    page.gauge("cursor_index", "The Raft log index of each cursor.", &indexes);
    let heights: Vec<_> = cursors().map(|(labels, (_, cursor))| (&labels[..], cursor.height)).collect();
    page.gauge("cursor_height", "The block's height at each cursor.", &heights);
}

fn peers(page: &mut Page, peers: &[PeerView]) {
    page.number("peers", "Other nodes of the network.", peers.len() as u64);
    let connected = peers.iter().filter(|peer| peer.control_connected && peer.bulk_connected).count();
    page.number("peers_connected", "Peers with both connections.", connected as u64);
    let lanes = |peer: &PeerView| [("control", peer.control_connected), ("bulk", peer.bulk_connected)];
    let labelled: Vec<_> = peers
        .iter()
        .flat_map(|peer| lanes(peer).map(|(lane, up)| ([("peer", &peer.node[..]), ("connection", lane)], up)))
        .collect();
    let samples: Vec<_> = labelled.iter().map(|(labels, up)| (&labels[..], u64::from(*up))).collect();
    page.gauge("peer_connected", "1 when the connection to a peer stands.", &samples);
    let labelled: Vec<_> = peers.iter().map(|peer| ([("peer", &peer.node[..])], peer.cosigned_size)).collect();
    let samples: Vec<_> = labelled.iter().map(|(labels, size)| (&labels[..], *size)).collect();
    page.gauge("peer_cosigned_size", "The largest tree size that a peer cosigned.", &samples);
}

fn witnesses(page: &mut Page, witnesses: &[WitnessView]) {
    let labelled: Vec<_> = witnesses.iter().map(|of| ([("witness", &of.name[..])], of.size)).collect();
    let samples: Vec<_> = labelled.iter().map(|(labels, size)| (&labels[..], *size)).collect();
    page.gauge("witness_cosigned_size", "The largest tree size that a witness outside cosigned.", &samples);
}

fn stations(page: &mut Page, stations: &[(&str, u64)]) {
    let labelled: Vec<_> = stations.iter().map(|(station, spent)| ([("station", *station)], *spent)).collect();
    let samples: Vec<_> = labelled.iter().map(|(labels, spent)| (&labels[..], *spent)).collect();
    let help = "CPU time of each station since the node started; what serves the API is not among them.";
    page.samples("counter", "station_cpu_microseconds_total", help, &samples);
}

/// A sample: its labels and its value.
type Sample<'a> = (&'a [(&'a str, &'a str)], u64);

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn number(&mut self, name: &str, help: &str, value: u64) {
        self.gauge(name, help, &[(&[], value)]);
    }

    fn gauge(&mut self, name: &str, help: &str, samples: &[Sample<'_>]) {
        self.samples("gauge", name, help, samples);
    }

    fn samples(&mut self, kind: &str, name: &str, help: &str, samples: &[Sample<'_>]) {
        let text = &mut self.text;
        let head = writeln!(text, "# HELP countersign_{name} {help}\n# TYPE countersign_{name} {kind}");
        head.expect("a string takes all");
        for (labels, value) in samples {
            let labels: Vec<String> =
                labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            writeln!(text, "countersign_{name}{labels} {value}").expect("a string takes all");
        }
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
