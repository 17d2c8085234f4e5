//! Read a node's folder: its configuration, its keys, its genesis.

use crate::NodeError;
use crate::files::FolderFiles;
use crate::http_tls::HttpTls;
use crate::sign_lock::SignLock;
use crate::vouch::{ClientCertificates, IssuerConfig};
use crate::witness::{OutsideWitness, WitnessConfig};
use countersign_client::key_file;
use countersign_ledger::store::CacheSize;
use countersign_proof::{Genesis, Hash, KeyPair};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// `node.toml`: what one node may choose.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `<organisation>/<node>`.
    pub node: String,
    /// Where members connect: `host:port`.
    pub listen: String,
    /// Where accounts connect, gRPC over TLS.
    pub api: String,
    /// The HTTP side: explorer, metrics, health. It shows documents without asking for a token: keep it on loopback
    /// or behind a proxy of yours.
    pub http: Option<String>,
    /// TLS on the HTTP side; plain HTTP without it.
    pub http_tls: Option<HttpTls>,
    /// Who may call with a certificate of his own, on both sides.
    pub client_certificates: Option<ClientCertificates>,
    /// OIDC issuers whose tokens are taken on both sides.
    #[serde(default)]
    pub issuers: Vec<IssuerConfig>,
    /// The account that signs what callers of the HTTP side write; its key lies in `keys/gateway.key`. Without one the HTTP
    /// side only reads.
    pub gateway_account: Option<String>,
    /// The genesis hash, when it is not given on the command line.
    pub genesis_hash: Option<String>,
    /// Raft entries kept behind what may be purged, so that a member a little behind needs no catch-up.
    #[serde(default = "log_entries_kept")]
    pub log_entries_kept: u64,
    /// MiB of memory in which the ledger's state and rows are kept; 384 when absent.
    #[serde(default)]
    pub cache_mib: CacheSize,
    /// The other logs that this node witnesses, on its http address.
    pub witness: Option<WitnessConfig>,
    /// The witnesses outside that are asked to cosign this ledger.
    #[serde(default)]
    pub witnesses: Vec<OutsideWitness>,
}

fn log_entries_kept() -> u64 {
    10_000
}

/// The private keys of a node.
#[derive(Debug, Clone)]
pub struct NodeSecrets {
    /// Authenticates connections.
    pub tls: KeyPair,
    /// The keys of a voter; none for an observer.
    pub voter: Option<VoterSecrets>,
}

/// The signing keys of a voter.
#[derive(Debug, Clone)]
pub struct VoterSecrets {
    /// Countersigns checkpoints.
    pub cosign: KeyPair,
    /// Signs checkpoints for the log.
    pub log: KeyPair,
    /// Signs proposals.
    pub proposal: KeyPair,
}

/// A folder that has been read.
#[derive(Clone)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Its configuration.
    pub config: Config,
    /// Its keys.
    pub secrets: NodeSecrets,
    /// Its genesis, whose hash and signatures hold.
    pub genesis: Genesis,
}

/// Makes the sign lock of the cosign key in a node's folder.
pub fn init_sign_lock(folder: &Path) -> Result<(), NodeError> {
    let cosign = read_key(folder, "cosign")?;
    SignLock::create(&FolderFiles(folder.to_owned()), cosign.public())
}

impl Folder {
    /// Reads the folder of a node. The genesis must have the hash that the operator gives, here or in node.toml.
    pub fn read(path: &Path, genesis_hash: Option<Hash>) -> Result<Folder, NodeError> {
        let config = read_config(path)?;
        let expected = match (genesis_hash, &config.genesis_hash) {
            (Some(hash), _) => hash,
            (None, Some(text)) => Hash::from_hex("genesis_hash", text).map_err(|e| NodeError::Config(e.to_string()))?,
            (None, None) => {
                let message = "no genesis hash: give --genesis-hash, or genesis_hash in node.toml";
                return Err(NodeError::Config(message.into()));
            }
        };
        let genesis = read_genesis(path, &expected)?;
        let secrets = read_secrets(path)?;
        Ok(Folder { path: path.to_owned(), config, secrets, genesis })
    }
}

/// The organisation whose node lies in this folder.
pub fn organisation_of_folder(folder: &Path) -> Result<String, NodeError> {
    Ok(countersign_proof::organisation_of(&read_config(folder)?.node).to_owned())
}

fn read_config(path: &Path) -> Result<Config, NodeError> {
    let file = path.join("node.toml");
    let text = fs::read_to_string(&file).map_err(|e| NodeError::Config(format!("{}: {e}", file.display())))?;
    let config: Config = toml::from_str(&text).map_err(|e| NodeError::Config(format!("{}: {e}", file.display())))?;
    countersign_proof::check_node("node", &config.node).map_err(|e| NodeError::Config(e.to_string()))?;
    Ok(config)
}

fn read_genesis(path: &Path, expected: &Hash) -> Result<Genesis, NodeError> {
    let read = |name: &str| fs::read(path.join(name)).map_err(|e| NodeError::file(name, e));
    let refuse = |e: countersign_proof::ProofError| NodeError::Folder(format!("genesis.json: {e}"));
    let genesis = Genesis::parse_expecting(&read("genesis.json")?, expected).map_err(refuse)?;
    genesis.check_signatures(&read("genesis.signatures.json")?).map_err(refuse)?;
    Ok(genesis)
}

fn read_secrets(path: &Path) -> Result<NodeSecrets, NodeError> {
    let tls = read_key(path, "tls")?;
    if !path.join("keys").join("cosign.key").exists() {
        return Ok(NodeSecrets { tls, voter: None });
    }
    let voter = VoterSecrets {
        cosign: read_key(path, "cosign")?,
        log: read_key(path, "log")?,
        proposal: read_key(path, "proposal")?,
    };
    Ok(NodeSecrets { tls, voter: Some(voter) })
}

/// 32 random bytes as hex in `keys/`, made when they are not there: private to this node, and kept, for the same
/// `Idempotency-Key` makes another transaction under another secret.
pub(crate) fn read_or_make_secret(folder: &Path, name: &str) -> Result<[u8; 32], NodeError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join("keys").join(name);
    let wrong = |reason: &str| NodeError::Folder(format!("{}: {reason}", path.display()));
    match fs::read_to_string(&path) {
        Ok(text) => {
            let mut secret = [0; 32];
            hex::decode_to_slice(text.trim(), &mut secret).map_err(|_| wrong("not 64 hex digits"))?;
            Ok(secret)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = key_file::generate().map_err(|e| wrong(&e.to_string()))?.seed();
            // Beside it, then renamed: a crash leaves the whole secret or none.
            let beside = path.with_extension("secret.new");
            let made = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside);
            let written = made.and_then(|mut file| {
                file.write_all(hex::encode(secret).as_bytes())?;
                file.sync_all()?;
                fs::rename(&beside, &path)?;
                fs::File::open(folder.join("keys"))?.sync_all()
            });
            written.map_err(|e| wrong(&e.to_string()))?;
            Ok(secret)
        }
        Err(error) => Err(wrong(&error.to_string())),
    }
}

pub(crate) fn read_key(folder: &Path, role: &str) -> Result<KeyPair, NodeError> {
    let path = folder.join("keys").join(format!("{role}.key"));
    key_file::read(&path).map_err(|e| NodeError::Folder(e.to_string()))
}
