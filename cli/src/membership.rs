//! Change the membership: show it, admit the next one, activate it.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::governance::{Approved, govern};
use crate::node_init::NodeDescription;
use crate::output::{self, duration, name_and_value, public_key, read_json};
use clap::{ArgGroup, Args};
use countersign_client::Client;
use countersign_proof::{Admission, AdmittedNode, Hash, Member, Membership, NodeKeys, PublicKey, plain_hash};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct ShowMembership {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("change").required(true).multiple(true).args(["add", "node_file", "remove", "revoke"])),
    after_help = "The governance accounts of a quorum sign: --account and each --approve; an organisation that changes only its own
keys signs alone. What is admitted takes effect with `membership activate`, once every node that joins has caught up.

Examples:
  countersign membership admit --add sw.example=ed25519:5a2e... --node-file sw.json \
    --account ua.example --key ua.key --approve dl.example=dl.key --approve aa.example=aa.key
  countersign membership admit --remove b6.example --account ua.example --key ua.key --approve ...
  countersign membership admit --node-file ua-2.json --revoke ed25519:77c0...=1200 --account ua.example --key ua.key ..."
)]
pub struct AdmitMembership {
    /// An organisation that joins, with its governance key; its node comes with --node-file
    #[arg(long, value_name = "ORG=KEY", value_parser = name_and_value)]
    add: Vec<(String, String)>,
    /// The description of a node that becomes its organisation's voter, as `node init` prints it
    #[arg(long, value_name = "FILE")]
    node_file: Vec<PathBuf>,
    /// An organisation that leaves
    #[arg(long, value_name = "ORG")]
    remove: Vec<String>,
    /// A key that counts no more above a tree size
    #[arg(long, value_name = "KEY=SIZE", value_parser = name_and_value)]
    revoke: Vec<(String, String)>,
    #[command(flatten)]
    approved: Approved,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Any account of a member may ask for it. It waits until every node that joins has cosigned a certified checkpoint."
)]
pub struct ActivateMembership {
    /// How long to wait for the nodes that join
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    wait: Duration,
    #[command(flatten)]
    approved: Approved,
}

pub async fn show(command: &ShowMembership) -> Result<(), Failure> {
    let client = command.connection.client()?;
    client.follow_epochs().await?;
    for epoch in client.trust().epochs() {
        let Membership { epoch: number, organisations, .. } = &epoch.membership;
        let names = organisations.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        output::line(format_args!(
            "epoch {number}, above size {}: {names}; quorum {}",
            epoch.after,
            epoch.membership.quorum()
        ))?;
    }
    let activation = client.activation().await?;
    if !activation.members.is_empty() {
        let members = Membership::parse(&activation.members).map_err(|e| Failure::Other(e.to_string()))?;
        let names = members.organisations.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let waits = match activation.waiting_for.as_slice() {
            [] => "ready to be activated".to_owned(),
            nodes => format!("waits for {}", nodes.join(", ")),
        };
        output::line(format_args!("admitted as epoch {}: {names}; {waits}", members.epoch))?;
    }
    Ok(())
}

pub async fn admit(command: &AdmitMembership) -> Result<(), Failure> {
    let client = command.approved.client()?;
    client.follow_epochs().await?;
    let admission = admission(command, &client.trust().newest().membership)?;
    govern(&command.approved, |builder| builder.admit(&admission)).await
}

/// What the flags make of the membership in force.
fn admission(command: &AdmitMembership, current: &Membership) -> Result<Admission, Failure> {
    let mut members = Membership { epoch: current.epoch + 1, previous: current.hash(), ..current.clone() };
    for name in &command.remove {
        let gone = members.organisations.remove(name);
        gone.ok_or_else(|| Failure::usage("--remove", format!("{name} is no member")))?;
    }
    let mut organisations = BTreeMap::new();
    for (name, key) in &command.add {
        organisations.insert(name.clone(), public_key(key).map_err(|e| Failure::usage("--add", e))?);
    }
    let mut nodes = BTreeMap::new();
    for file in &command.node_file {
        let NodeDescription { keys, node, organisation } =
            serde_json::from_value(read_json(file)?).map_err(|e| Failure::file(file, "used", &e))?;
        if !members.organisations.contains_key(&organisation) && !organisations.contains_key(&organisation) {
            let reason = format!("{}: {organisation} is no member and not added", file.display());
            return Err(Failure::usage("--node-file", reason));
        }
        nodes.insert(format!("{organisation}/{node}"), AdmittedNode { address: keys.address, tls: keys.tls });
        let voter = NodeKeys { cosign: keys.cosign, log: keys.log, proposal: keys.proposal };
        members.organisations.insert(organisation, Member { nodes: BTreeMap::from([(node, voter)]) });
    }
    for (key, size) in &command.revoke {
        let key: PublicKey = public_key(key).map_err(|e| Failure::usage("--revoke", e))?;
        let size = size.parse().map_err(|_| Failure::usage("--revoke", format!("{size:?} is no tree size")))?;
        members.revoked.insert(key, size);
    }
    let admission = Admission { members, nodes, organisations };
    admission.check(current).map_err(|e| Failure::Usage(e.to_string()))?;
    Ok(admission)
}

pub async fn activate(command: &ActivateMembership) -> Result<(), Failure> {
    let client = command.approved.client()?;
    let (members, checkpoint) = ready(&client, command.wait).await?;
    govern(&command.approved, |builder| builder.activate(members, &checkpoint)).await
}

async fn ready(client: &Client, wait: Duration) -> Result<(Hash, String), Failure> {
    let deadline = Instant::now() + wait;
    loop {
        let activation = client.activation().await?;
        if activation.members.is_empty() {
            return Err(Failure::Other("no membership is admitted".into()));
        }
        if !activation.checkpoint.is_empty() {
            return Ok((plain_hash(&activation.members), activation.checkpoint));
        }
        if Instant::now() >= deadline {
            let nodes = activation.waiting_for.join(", ");
            return Err(Failure::Unknown(format!("not ready: no certified checkpoint is cosigned by {nodes}")));
        }
        sleep(LOOK_AGAIN).await;
    }
}
