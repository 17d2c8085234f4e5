//! Found a network: keys, node folders, one genesis that every founder has signed.

use crate::answer::Answer;
use crate::layout::text;
use crate::record::{NetworkRecord, NodeRecord};
use crate::{Client, Layout, Network, TestnetError, gateway_account, governance_account, operations_account};
use countersign_proof::Genesis;
use std::fs;
use std::path::Path;

const LEDGER: &str = "testnet";
/// Peers, gRPC, HTTP.
pub(crate) const PORTS_A_NODE: usize = 3;

/// Does what the founders would do, each step with the command that they would type. Writes network.json last. Where
/// there are `addresses`, one a node, other nodes reach it there, and something else leads to where it listens.
pub(crate) fn found(
    binary: &Path,
    layout: &Layout,
    organisations: &[String],
    ports: &[u16],
    addresses: &[u16],
) -> Result<NetworkRecord, TestnetError> {
    assert_eq!(ports.len(), organisations.len() * PORTS_A_NODE, "three ports a node");
    let founding = Founding { client: Client::offline(binary), layout };
    founding.make_folders(organisations)?;
    let mut nodes: Vec<NodeRecord> =
        organisations.iter().zip(ports.chunks(PORTS_A_NODE)).map(|(name, ports)| node(layout, name, ports)).collect();
    for (node, address) in nodes.iter_mut().zip(addresses) {
        node.listen_port = Some(std::mem::replace(&mut node.address_port, *address));
    }
    let gateways = nodes.iter().map(|node| founding.make_node(node)).collect::<Result<Vec<_>, _>>()?;
    founding.make_genesis(organisations, &gateways)?;
    organisations.iter().try_for_each(|organisation| founding.sign(organisation))?;
    nodes.iter().try_for_each(|node| founding.hand_genesis_to(node))?;
    let record = NetworkRecord { genesis_hash: founding.genesis_hash()?, nodes };
    record.save(layout)?;
    Ok(record)
}

impl Network {
    /// Keys, folder and genesis of an organisation that is not on the ledger yet; gives its governance key.
    pub(crate) fn prepare_organisation(&self, organisation: &str, ports: &[u16]) -> Result<String, TestnetError> {
        let founding = Founding { client: Client::offline(self.binary()), layout: self.layout() };
        let node = node(self.layout(), organisation, ports);
        founding.make_folders(&[organisation.to_owned()])?;
        founding.make_node(&node)?;
        founding.hand_genesis_to(&node)?;
        founding.make_key(&operations_account(organisation))?;
        founding.make_key(&governance_account(organisation))
    }
}

pub(crate) fn node(layout: &Layout, organisation: &str, ports: &[u16]) -> NodeRecord {
    NodeRecord {
        organisation: organisation.to_owned(),
        node: format!("{organisation}/1"),
        folder: layout.node_folder(organisation),
        address_port: ports[0],
        listen_port: None,
        api_port: ports[1],
        http_port: ports[2],
        pid: None,
        tls: None,
    }
}

struct Founding<'a> {
    client: Client,
    layout: &'a Layout,
}

impl Founding<'_> {
    fn make_folders(&self, organisations: &[String]) -> Result<(), TestnetError> {
        let of_files = organisations.iter().flat_map(|organisation| {
            [
                self.layout.account_key(&governance_account(organisation)),
                self.layout.node_folder(organisation),
                self.layout.node_file(organisation),
                self.layout.log(organisation),
            ]
        });
        for file in of_files {
            let folder = file.parent().expect("every place of a layout lies in its root");
            fs::create_dir_all(folder).map_err(TestnetError::file(folder))?;
        }
        Ok(())
    }

    /// Makes a node's folder; gives the public key of its gateway account.
    fn make_node(&self, node: &NodeRecord) -> Result<String, TestnetError> {
        let listen_port = node.listen_port.unwrap_or(node.address_port);
        let [address, listen, api, http] =
            [node.address_port, listen_port, node.api_port, node.http_port].map(|port| format!("127.0.0.1:{port}"));
        let out = self.layout.node_file(&node.organisation);
        let places = ["--folder", text(&node.folder), "--node", &node.node, "--out", text(&out)];
        let ports = ["--address", &address, "--listen", &listen, "--api", &api, "--http", &http];
        let gateway = gateway_account(&node.organisation);
        let account = ["--gateway-account", &gateway];
        public_key(&self.client.run(&[&["node", "init"], &places[..], &ports[..], &account[..]].concat())?.ok()?)
    }

    /// Makes the key of an account; gives its public half.
    fn make_key(&self, account: &str) -> Result<String, TestnetError> {
        public_key(&self.client.run(&["key", "new", "--out", text(&self.layout.account_key(account))])?.ok()?)
    }

    fn make_genesis(&self, organisations: &[String], gateways: &[String]) -> Result<(), TestnetError> {
        let out = self.layout.genesis();
        let mut arguments: Vec<String> =
            ["genesis", "new", "--ledger", LEDGER, "--out", text(&out)].map(str::to_owned).to_vec();
        for (organisation, gateway_key) in organisations.iter().zip(gateways) {
            let gateway = gateway_account(organisation);
            arguments.extend(["--account".to_owned(), format!("{gateway}={gateway_key}")]);
            let (governance, operations) = (governance_account(organisation), operations_account(organisation));
            let governance_key = self.make_key(&governance)?;
            let operations_key = self.make_key(&operations)?;
            let node_file = self.layout.node_file(organisation);
            arguments.extend(["--organisation".to_owned(), format!("{governance}={governance_key}")]);
            arguments.extend(["--account".to_owned(), format!("{operations}={operations_key}")]);
            arguments.extend(["--node-file".to_owned(), text(&node_file).to_owned()]);
        }
        self.client.run(&arguments)?.ok()?;
        Ok(())
    }

    fn sign(&self, organisation: &str) -> Result<(), TestnetError> {
        let (genesis, out) = (self.layout.genesis(), self.layout.signatures());
        let key = self.layout.account_key(&governance_account(organisation));
        let files = ["--genesis", text(&genesis), "--key", text(&key), "--out", text(&out)];
        self.client.run(&[&["genesis", "sign", "--organisation", organisation], &files[..]].concat())?.ok()?;
        Ok(())
    }

    fn hand_genesis_to(&self, node: &NodeRecord) -> Result<(), TestnetError> {
        for file in [self.layout.genesis(), self.layout.signatures()] {
            let to = node.folder.join(file.file_name().expect("both are files"));
            fs::copy(&file, &to).map_err(TestnetError::file(&to))?;
        }
        Ok(())
    }

    /// Computed here from the bytes, not taken from the command that wrote them.
    fn genesis_hash(&self) -> Result<String, TestnetError> {
        let path = self.layout.genesis();
        let bytes = fs::read(&path).map_err(TestnetError::file(&path))?;
        let wrong = |e| TestnetError::Broken(format!("{} is a genesis: {e}", path.display()));
        Ok(Genesis::parse(&bytes).map_err(wrong)?.hash().to_string())
    }
}

/// The first public key that a command printed.
fn public_key(answer: &Answer) -> Result<String, TestnetError> {
    let key = answer.stdout.split_whitespace().find(|word| word.starts_with("ed25519:"));
    key.map(str::to_owned).ok_or_else(|| TestnetError::Answer {
        command: answer.command.clone(),
        reason: format!("no ed25519: key in {:?}", answer.stdout),
    })
}
