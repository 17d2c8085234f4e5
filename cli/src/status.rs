//! Show where a node stands.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output;
use clap::Args;
use countersign_client::v1::{Cursor, Status};
use serde_json::{Value, json};

#[derive(Debug, Args)]
pub struct ShowStatus {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub async fn run(command: &ShowStatus) -> Result<(), Failure> {
    let status = command.connection.client()?.status().await?;
    if command.json { output::line(to_json(&status)) } else { print(&status) }
}

fn cursors(status: &Status) -> [(&'static str, Cursor); 6] {
    let at = |cursor: &Option<Cursor>| cursor.unwrap_or_default();
    [
        ("appended", at(&status.appended)),
        ("committed", at(&status.committed)),
        ("applied", at(&status.applied)),
        ("signed", at(&status.signed)),
        ("certified", at(&status.certified)),
        ("published", at(&status.published)),
    ]
}

fn print(status: &Status) -> Result<(), Failure> {
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    output::line(format_args!("node        {} (release {})", status.node, status.release))?;
    output::line(format_args!("ledger      {}", status.origin))?;
    output::line(format_args!("leader      {} in term {}", or_none(&status.leader), status.term))?;
    output::line(format_args!("epoch       {}, quorum {}, rules {}", status.epoch, status.quorum, status.rules))?;
    for (name, cursor) in cursors(status) {
        output::line(format_args!("{name:<11} index {}, height {}", cursor.index, cursor.height))?;
    }
    output::line(format_args!("tree size   {}, certified {}", status.tree_size, status.certified_size))?;
    output::line(format_args!("missing     {}", or_none(&status.missing.join(", "))))?;
    output::line(format_args!(
        "mempool     {} transactions, {} bytes",
        status.mempool_transactions, status.mempool_bytes
    ))?;
    output::line(format_args!(
        "signing     {}",
        if status.not_signing.is_empty() { "yes" } else { &status.not_signing }
    ))?;
    if !status.joining.is_empty() {
        output::line(format_args!("joining     {}", status.joining.join(", ")))?;
    }
    if status.evidence > 0 {
        output::line(format_args!("evidence    {} files, against {}", status.evidence, status.accused.join(", ")))?;
    }
    for refused in &status.refused {
        output::line(format_args!("refused     {}: {}", refused.node, refused.reason))?;
    }
    for peer in &status.peers {
        let role = if peer.voter { "voter" } else { "observer" };
        let connected = if peer.control_connected && peer.bulk_connected { "connected" } else { "not connected" };
        output::line(format_args!("peer        {} ({role}) {connected}, cosigned {}", peer.node, peer.cosigned_size))?;
    }
    Ok(())
}

fn to_json(status: &Status) -> Value {
    let mut all = json!({
        "certified_size": status.certified_size, "epoch": status.epoch, "genesis_hash": hex::encode(&status.genesis_hash),
        "leader": status.leader, "log_root": hex::encode(&status.log_root), "mempool_bytes": status.mempool_bytes,
        "mempool_transactions": status.mempool_transactions, "missing": status.missing, "node": status.node,
        "origin": status.origin, "quorum": status.quorum, "raft_id": status.raft_id, "release": status.release,
        "rules": status.rules, "state_root": hex::encode(&status.state_root), "term": status.term,
        "tree_size": status.tree_size, "not_signing": status.not_signing, "joining": status.joining,
        "evidence": status.evidence, "accused": status.accused,
    });
    for (name, cursor) in cursors(status) {
        all[name] = json!({ "height": cursor.height, "index": cursor.index });
    }
    let refused = status.refused.iter();
    all["refused"] = refused.map(|refused| json!({ "node": refused.node, "reason": refused.reason })).collect();
    let peers = status.peers.iter().map(|peer| {
        json!({
            "bulk_connected": peer.bulk_connected, "control_connected": peer.control_connected,
            "cosigned_size": peer.cosigned_size, "node": peer.node, "raft_id": peer.raft_id, "voter": peer.voter,
        })
    });
    all["peers"] = peers.collect();
    all
}
