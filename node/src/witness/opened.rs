//! Open the witness of a node's folder, on a key that does nothing else.

use super::{FollowedLog, WitnessConfig};
use crate::clock::Clock;
use crate::files::{Files, FolderFiles};
use crate::folder::{NodeSecrets, read_key};
use crate::{Config, NodeError};
use countersign_gateway::{Witness, WitnessSetup, WitnessStore, init_heads};
use countersign_proof::{KeyPair, ProofError, VerifierKey, WitnessedLog};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The key's file in `keys/`.
const WITNESS_KEY: &str = "witness";

/// The node's small files, as the gateway asks for them.
struct InFolder(FolderFiles);

impl WitnessStore for InFolder {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Files::read(&self.0, name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        Files::replace(&self.0, name, bytes)
    }
}

/// Makes the memory of the witness key in a node's folder, and gives the key as others are told it.
pub fn init_witness(folder: &Path, name: &str) -> Result<VerifierKey, NodeError> {
    let key = read_key(folder, WITNESS_KEY)?;
    let verifier = VerifierKey::cosigner(name, key.public());
    VerifierKey::parse(&verifier.to_string()).map_err(|e| NodeError::Config(format!("name: {e}")))?;
    init_heads(&InFolder(FolderFiles(folder.to_owned())), &verifier)?;
    Ok(verifier)
}

/// The witness that node.toml asks for; none where it asks for none.
pub(crate) fn open(
    folder: &Path,
    config: &Config,
    secrets: &NodeSecrets,
    clock: Arc<dyn Clock>,
) -> Result<Option<Arc<Witness>>, NodeError> {
    let Some(WitnessConfig { name, logs }) = &config.witness else { return Ok(None) };
    if config.http.is_none() {
        return Err(NodeError::Config("[witness]: it answers on the http address, and there is none".into()));
    }
    let key = read_key(folder, WITNESS_KEY)?;
    refuse_shared_key(&key, secrets)?;
    let logs = logs.iter().map(followed).collect::<Result<_, _>>()?;
    let store = Arc::new(InFolder(FolderFiles(folder.to_owned())));
    let clock = Arc::new(move || clock.now_ms() / 1000);
    let witness = Witness::open(WitnessSetup { name: name.clone(), key, logs, store, clock })?;
    tracing::info!(vkey = %witness.verifier_key(), "witnesses other logs");
    Ok(Some(Arc::new(witness)))
}

fn followed(log: &FollowedLog) -> Result<WitnessedLog, NodeError> {
    let wrong = |e: ProofError| NodeError::Config(format!("[[witness.logs]] {:?}: {e}", log.origin));
    let keys = log.vkeys.iter().map(|key| VerifierKey::parse(key)).collect::<Result<_, _>>().map_err(wrong)?;
    WitnessedLog::new(&log.origin, keys).map_err(wrong)
}

/// A key that countersigns here under the rules of this ledger must not say anything under other rules.
fn refuse_shared_key(key: &KeyPair, secrets: &NodeSecrets) -> Result<(), NodeError> {
    let voter = secrets.voter.iter().flat_map(|voter| [&voter.cosign, &voter.log, &voter.proposal]);
    if voter.chain([&secrets.tls]).any(|other| other.public() == key.public()) {
        let message = "keys/witness.key is another key of this node: a witness has one of its own";
        return Err(NodeError::Folder(message.into()));
    }
    Ok(())
}
