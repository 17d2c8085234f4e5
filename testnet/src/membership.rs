//! Let an organisation join a running network, and another leave it.

use crate::found::PORTS_A_NODE;
use crate::layout::text;
use crate::ports::free_ports;
use crate::{Client, Network, TestnetError, governance_account, operations_account, wait_until};
use serde::Deserialize;
use std::fs;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(120);

/// A node's public description, as far as a network needs it.
#[derive(Deserialize)]
struct Described {
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    tls: String,
}

impl Network {
    /// Makes an organisation with a node, has a quorum admit it, starts the node, and activates the membership once it has
    /// caught up. It is the last of [`Network::nodes`] then.
    pub fn join(&mut self, organisation: &str) -> Result<(), TestnetError> {
        let ports = free_ports(PORTS_A_NODE)?;
        let key = self.prepare_organisation(organisation, &ports)?;
        let node_file = self.layout().node_file(organisation);
        let added = format!("{organisation}={key}");
        self.admit(&["--add", &added, "--node-file", text(&node_file)])?;
        let bytes = fs::read(&node_file).map_err(TestnetError::file(&node_file))?;
        let described: Described = serde_json::from_slice(&bytes)
            .map_err(|e| TestnetError::Broken(format!("{} describes a node: {e}", node_file.display())))?;
        self.add_node(organisation, &ports, described.keys.tls)?;
        self.activate()?;
        let operations = operations_account(organisation);
        let shown = Client::offline(self.binary())
            .run(&["key", "show", text(&self.layout().account_key(&operations))])?
            .ok()?;
        let set = ["account", "set", "--target", &operations, "--public-key", shown.stdout.trim()];
        self.client(&governance_account(organisation), 0).run(&set)?.ok()?;
        let n = self.node_of(organisation);
        self.wait_answers(n)
    }

    /// Has a quorum take an organisation out, activates that, and ends its node.
    pub fn leave(&mut self, organisation: &str) -> Result<(), TestnetError> {
        self.admit(&["--remove", organisation])?;
        self.activate()?;
        let n = self.node_of(organisation);
        self.remove_node(n)
    }

    /// The governance accounts of a quorum record the membership of the next epoch.
    fn admit(&self, change: &[&str]) -> Result<(), TestnetError> {
        let organisations: Vec<String> = self.nodes().iter().map(|node| node.organisation.clone()).collect();
        let quorum = self.status(0)?.quorum;
        let mut arguments: Vec<String> =
            ["membership", "admit"].iter().chain(change).map(|a| (*a).to_owned()).collect();
        for organisation in &organisations[1..quorum] {
            let account = governance_account(organisation);
            arguments
                .extend(["--approve".to_owned(), format!("{account}={}", text(&self.layout().account_key(&account)))]);
        }
        self.client(&governance_account(&organisations[0]), 0).run(&arguments)?.ok().map(drop)
    }

    /// Any account asks for it; it waits for those who join. Then every node must see the new epoch.
    fn activate(&mut self) -> Result<(), TestnetError> {
        let before = self.status(0)?.epoch;
        let account = operations_account(&self.nodes()[0].organisation);
        self.cli(&account, &["membership", "activate", "--wait", "60s", "--timeout", "60s"])?.ok()?;
        wait_until("every node is in the new epoch", WITHIN, || {
            let behind: Vec<String> =
                self.statuses().into_iter().filter(|s| s.epoch <= before).map(|s| s.node).collect();
            if behind.is_empty() { Ok(()) } else { Err(format!("{behind:?} are not")) }
        })
    }
}
