//! Take the flags that say who calls, which ledger, and which nodes.

use crate::failure::Failure;
use crate::output::{self, public_key, read_file};
use clap::Args;
use countersign_client::{Client, Config, bearer_token};
use countersign_proof::{Genesis, KeyPair, PublicKey};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Who calls, and which ledger.
#[derive(Debug, Args)]
pub struct Caller {
    /// The ledger's genesis file; everything is verified against it
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_GENESIS", help_heading = "Connection")]
    pub genesis: PathBuf,
    /// The account that calls and signs, such as ua.example/ops
    #[arg(long, env = "COUNTERSIGN_ACCOUNT", help_heading = "Connection")]
    pub account: String,
    /// The key file of that account
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_KEY", help_heading = "Connection")]
    pub key: PathBuf,
}

/// Who calls, and which nodes serve.
#[derive(Debug, Args)]
pub struct Connection {
    /// A node's API address; repeat it (or separate by commas) to go on to the next when one fails
    #[arg(
        long,
        value_name = "https://HOST:PORT",
        env = "COUNTERSIGN_NODE",
        value_delimiter = ',',
        required = true,
        help_heading = "Connection"
    )]
    pub node: Vec<String>,
    #[command(flatten)]
    pub caller: Caller,
    /// A TLS key to trust beside those of the genesis: for a node that was admitted later
    #[arg(
        long,
        value_name = "ed25519:HEX",
        env = "COUNTERSIGN_TLS_KEY",
        value_delimiter = ',',
        value_parser = public_key,
        help_heading = "Connection"
    )]
    pub tls_key: Vec<PublicKey>,
}

impl Connection {
    /// A client; it connects at its first call.
    pub fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(Config {
            nodes: self.node.clone(),
            genesis: read_genesis(&self.caller.genesis)?,
            account: self.caller.account.clone(),
            key: self.caller.key_pair()?,
            tls_keys: self.tls_key.clone(),
        })?)
    }
}

impl Caller {
    /// The account's key.
    pub fn key_pair(&self) -> Result<KeyPair, Failure> {
        output::key(&self.key)
    }
}

/// Reads a genesis file.
pub fn read_genesis(path: &Path) -> Result<Genesis, Failure> {
    Genesis::parse(&read_file(path)?).map_err(|e| Failure::malformed(path, &e))
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    u64::try_from(since.as_millis()).expect("before the year 500000000")
}

/// Prints a token.
pub fn new_token(caller: &Caller) -> Result<(), Failure> {
    let genesis = read_genesis(&caller.genesis)?;
    output::line(bearer_token(&genesis.origin(), &caller.account, &caller.key_pair()?, now_ms() / 1000))
}
