//! Define a collection, with the approvals that governance asks for.

use crate::layout::text;
use crate::{Network, TestnetError, governance_account};
use countersign_proof::Genesis;
use std::fs;
use std::path::Path;

impl Network {
    /// Defines `collection` by a JSON Schema file; every organisation may write. The first organisation proposes it
    /// and as many others approve as make a quorum.
    pub fn define_collection(&self, collection: &str, schema: &Path) -> Result<(), TestnetError> {
        let organisations: Vec<&str> = self.nodes().iter().map(|node| node.organisation.as_str()).collect();
        self.define(collection, schema, ["--write", &organisations.join(",")])
    }

    /// The same, under the access rule in a file.
    pub fn define_collection_under(&self, collection: &str, schema: &Path, access: &Path) -> Result<(), TestnetError> {
        self.define(collection, schema, ["--access", text(access)])
    }

    fn define(&self, collection: &str, schema: &Path, access: [&str; 2]) -> Result<(), TestnetError> {
        let organisations: Vec<&str> = self.nodes().iter().map(|node| node.organisation.as_str()).collect();
        let schema = schema.to_string_lossy();
        let mut arguments: Vec<String> = ["collection", "define", "--name", collection, "--schema", &schema]
            .into_iter()
            .chain(access)
            .map(str::to_owned)
            .collect();
        for organisation in &organisations[1..self.quorum()?] {
            let account = governance_account(organisation);
            let key = self.layout().account_key(&account);
            arguments.extend(["--approve".to_owned(), format!("{account}={}", text(&key))]);
        }
        let proposer = self.client(&governance_account(organisations[0]), 0);
        proposer.run(&arguments)?.ok().map(drop)
    }

    /// How many organisations a certificate needs.
    fn quorum(&self) -> Result<usize, TestnetError> {
        let path = self.layout().genesis();
        let bytes = fs::read(&path).map_err(TestnetError::file(&path))?;
        let genesis = Genesis::parse(&bytes).map_err(|e| TestnetError::Usage(format!("{}: {e}", path.display())))?;
        Ok(genesis.membership().quorum())
    }
}
