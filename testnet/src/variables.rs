//! Tell a shell, or a program, how to speak with the network.

use crate::{Network, NodeRecord, operations_account};

impl Network {
    /// The variables of `.testnet/env`: those the `countersign` command reads, for the operations account of the first
    /// organisation, and of each organisation its name and where its HTTP side is.
    ///
    /// `path` is what stands in `PATH` after the folder of that command.
    pub fn variables(&self, path: &str) -> Vec<(String, String)> {
        let (first, layout) = (&self.nodes()[0], self.layout());
        let account = operations_account(&first.organisation);
        let mut variables = vec![
            ("COUNTERSIGN_NODE".to_owned(), first.api_url()),
            ("COUNTERSIGN_GENESIS".to_owned(), layout.genesis().display().to_string()),
            ("COUNTERSIGN_KEY".to_owned(), layout.account_key(&account).display().to_string()),
            ("COUNTERSIGN_ACCOUNT".to_owned(), account),
            ("COUNTERSIGN_TESTNET".to_owned(), layout.root().display().to_string()),
            ("COUNTERSIGN_HTTP".to_owned(), http(first)),
            // Another company's node, whose callers hear of what this one writes.
            ("COUNTERSIGN_HTTP_OTHER".to_owned(), http(self.nodes().get(2).unwrap_or(first))),
            ("PATH".to_owned(), format!("{}:{path}", self.binary().parent().unwrap_or(self.binary()).display())),
        ];
        for (at, node) in self.nodes().iter().enumerate() {
            variables.push((format!("COUNTERSIGN_ORGANISATION_{}", at + 1), node.organisation.clone()));
            variables.push((format!("COUNTERSIGN_HTTP_{}", at + 1), http(node)));
        }
        variables
    }
}

/// Where a node's typed API and explorer are.
fn http(node: &NodeRecord) -> String {
    format!("http://127.0.0.1:{}", node.http_port)
}
