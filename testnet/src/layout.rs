//! Name the places in a network's folder.
//!
//! ```text
//! network.json                    NetworkRecord: ports, folders, pids
//! genesis.json  genesis.signatures.json
//! accounts/<organisation>/governance.key, ops.key
//! nodes/<organisation>/           the node's own: configuration, keys, sign lock, databases
//! node-files/<organisation>.json  what the node tells the founders
//! logs/<organisation>.log
//! ```

use crate::TestnetError;
use std::path::{Path, PathBuf};

/// The folder of a network.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The network at `root`: absolute, since a node's process is known by its folder, and UTF-8, since it is an
    /// argument of commands.
    pub fn new(root: PathBuf) -> Result<Layout, TestnetError> {
        if root.is_absolute() && root.to_str().is_some() {
            return Ok(Layout { root });
        }
        Err(TestnetError::Usage(format!("{} is not an absolute path in UTF-8", root.display())))
    }

    /// The whole.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What runs where.
    pub fn record(&self) -> PathBuf {
        self.root.join("network.json")
    }

    /// The ledger's genesis.
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    /// The founders' signatures over it.
    pub fn signatures(&self) -> PathBuf {
        self.root.join("genesis.signatures.json")
    }

    /// The key file of an account: `<organisation>` or `<organisation>/<name>`.
    pub fn account_key(&self, account: &str) -> PathBuf {
        let (organisation, name) = account.split_once('/').unwrap_or((account, "governance"));
        self.root.join("accounts").join(organisation).join(format!("{name}.key"))
    }

    /// What only the organisation's node opens.
    pub fn node_folder(&self, organisation: &str) -> PathBuf {
        self.root.join("nodes").join(organisation)
    }

    /// What the organisation's node tells the founders.
    pub fn node_file(&self, organisation: &str) -> PathBuf {
        self.root.join("node-files").join(format!("{organisation}.json"))
    }

    /// What the organisation's node printed, all its lives long.
    pub fn log(&self, organisation: &str) -> PathBuf {
        self.root.join("logs").join(format!("{organisation}.log"))
    }
}

/// A path of a [`Layout`] as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("Layout::new admits UTF-8 only")
}
