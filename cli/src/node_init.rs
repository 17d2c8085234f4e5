//! Make the folder of a node: keys, sign lock, configuration; and describe it to the founders.

use crate::failure::Failure;
use crate::output;
use clap::Args;
use countersign_client::key_file;
use countersign_proof::{FoundingNode, PublicKey, canonical, check_account, check_node, organisation_of};
use serde::{Deserialize, Serialize};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
#[command(
    after_help = "The folder gets node.toml, the keys cosign, log, proposal and tls, and the sign lock. Private keys never
leave it. The organisation's governance key is not made here: keep it elsewhere.

Example:
  countersign node init --folder ua --node ua.example/1 --address ua.example:7000 --api 0.0.0.0:7001 --out ua.json"
)]
pub struct InitNode {
    /// The folder to make
    #[arg(long)]
    folder: PathBuf,
    /// The node's name, <organisation>/<name>
    #[arg(long, value_name = "ORG/NAME")]
    node: String,
    /// Where the other members reach it
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// Where it listens for the members; the address if not given
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Where it listens for clients (gRPC)
    #[arg(long, value_name = "HOST:PORT")]
    api: String,
    /// Where it listens for browsers and tools (HTTP); on the loopback only, and not at all if not given
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    /// The account that signs what callers of the HTTP side write, of the node's organisation; its key is made too, and
    /// printed for the genesis or `account set`
    #[arg(long, value_name = "ACCOUNT", requires = "http")]
    gateway_account: Option<String>,
    /// An observer: it verifies and serves reads, and has a TLS key alone
    #[arg(long)]
    observer: bool,
    /// Where to write the public description; it is printed in any case
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What a node shows of itself, as `countersign genesis new --node-file` takes it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeDescription {
    /// The address and public keys.
    pub keys: FoundingNode,
    /// The last part of the node's name.
    pub node: String,
    /// The first part.
    pub organisation: String,
}

/// `node.toml`.
#[derive(Debug, Serialize)]
struct NodeFile<'a> {
    node: &'a str,
    listen: &'a str,
    api: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_account: Option<&'a str>,
}

pub fn run(command: &InitNode) -> Result<(), Failure> {
    check_node("--node", &command.node).map_err(|e| Failure::Usage(e.to_string()))?;
    if let Some(account) = &command.gateway_account {
        check_account("--gateway-account", account).map_err(|e| Failure::Usage(e.to_string()))?;
        if organisation_of(account) != organisation_of(&command.node) {
            return Err(Failure::usage("--gateway-account", format!("{account} is of another organisation")));
        }
    }
    let listen = command.listen.as_deref().unwrap_or(&command.address);
    let addresses =
        [("--address", Some(&command.address[..])), ("--listen", Some(listen)), ("--api", Some(&command.api))];
    for (flag, address) in addresses.into_iter().chain([("--http", command.http.as_deref())]) {
        check_address(flag, address)?;
    }
    let folder = &command.folder;
    let node_file = folder.join("node.toml");
    if node_file.exists() {
        return Err(Failure::usage("--folder", format!("{} holds a node already", folder.display())));
    }
    let keys = folder.join("keys");
    DirBuilder::new().recursive(true).mode(0o700).create(&keys).map_err(|e| Failure::file(&keys, "made", &e))?;
    let tls = new_key(&keys, "tls")?;
    let configuration = NodeFile {
        node: &command.node,
        listen,
        api: &command.api,
        http: command.http.as_deref(),
        gateway_account: command.gateway_account.as_deref(),
    };
    if let Some(account) = &command.gateway_account {
        output::line(format!("{account}\t{}", new_key(&keys, "gateway")?))?;
    }
    let text = toml::to_string(&configuration).expect("plain text members");
    if command.observer {
        std::fs::write(&node_file, text).map_err(|e| Failure::file(&node_file, "written", &e))?;
        return output::line(format!("{}\ttls\t{tls}", command.node));
    }
    let cosign = new_key(&keys, "cosign")?;
    // The lock before anything shows the cosign key's public half (DESIGN.md, section 6). A crash here leaves a
    // folder without node.toml, which nobody has seen: it is deleted and made again.
    init_sign_lock(folder)?;
    let (log, proposal) = (new_key(&keys, "log")?, new_key(&keys, "proposal")?);
    std::fs::write(&node_file, text).map_err(|e| Failure::file(&node_file, "written", &e))?;
    let organisation = organisation_of(&command.node).to_owned();
    let description = NodeDescription {
        keys: FoundingNode { address: command.address.clone(), cosign, log, proposal, tls },
        node: command.node[organisation.len() + 1..].to_owned(),
        organisation,
    };
    let bytes = canonical(&description);
    if let Some(out) = &command.out {
        output::write_file(out, &bytes)?;
    }
    output::line(String::from_utf8_lossy(&bytes))
}

/// Makes `cosign.lock` for the cosign key in the folder.
fn init_sign_lock(folder: &Path) -> Result<(), Failure> {
    countersign_node::init_sign_lock(folder).map_err(|e| Failure::Other(e.to_string()))
}

pub fn new_key(folder: &Path, name: &str) -> Result<PublicKey, Failure> {
    let key = key_file::generate()?;
    key_file::write(&folder.join(format!("{name}.key")), &key)?;
    Ok(key.public())
}

fn check_address(flag: &str, address: Option<&str>) -> Result<(), Failure> {
    let Some(address) = address else { return Ok(()) };
    let good = address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if good { Ok(()) } else { Err(Failure::usage(flag, format!("{address:?} is not HOST:PORT"))) }
}
