//! Lists who may connect.

use std::collections::BTreeMap;

use crate::P2pError;
use crate::limits::{NAME_BYTES_MAX, PEERS_MAX};

/// Where a peer listens and which key it must prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// As [`crate::Sockets::connect`] takes it; for TCP `host:port`.
    pub address: String,
    /// Its raw Ed25519 public key.
    pub tls_key: [u8; 32],
}

/// The peers in force, by name; derived from the membership, replaced as a whole when that changes.
///
/// It may list the node itself, which is then ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    peers: BTreeMap<String, Peer>,
}

impl Directory {
    /// Takes peers by name (`<organisation>/<node>`). Errs when a name is empty or longer than [`NAME_BYTES_MAX`], when
    /// there are more than [`PEERS_MAX`], or when two have one key.
    pub fn new(peers: BTreeMap<String, Peer>) -> Result<Self, P2pError> {
        if peers.len() > PEERS_MAX {
            return Err(P2pError::DirectorySize(peers.len()));
        }
        let mut names_by_key = BTreeMap::new();
        for (name, peer) in &peers {
            check_name(name)?;
            if let Some(first) = names_by_key.insert(peer.tls_key, name) {
                return Err(P2pError::SharedKey { first: first.clone(), second: name.clone() });
            }
        }
        Ok(Directory { peers })
    }

    /// The peer of that name.
    pub fn get(&self, name: &str) -> Option<&Peer> {
        self.peers.get(name)
    }

    /// All peers in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Peer)> {
        self.peers.iter()
    }

    /// Whether that key is in force for that name.
    pub(crate) fn admits(&self, name: &str, tls_key: &[u8; 32]) -> bool {
        self.get(name).is_some_and(|peer| peer.tls_key == *tls_key)
    }

    /// Whether that key is in force for any name.
    pub(crate) fn knows_key(&self, tls_key: &[u8; 32]) -> bool {
        self.peers.values().any(|peer| peer.tls_key == *tls_key)
    }
}

/// Refuses a name that does not fit into a hello.
pub(crate) fn check_name(name: &str) -> Result<(), P2pError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX { Err(P2pError::Name(name.len())) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(key: u8) -> Peer {
        Peer { address: "nowhere".into(), tls_key: [key; 32] }
    }

    #[test]
    fn two_names_of_one_key_are_refused() {
        let peers = BTreeMap::from([("a/1".to_string(), peer(7)), ("b/1".to_string(), peer(7))]);
        assert!(matches!(Directory::new(peers), Err(P2pError::SharedKey { .. })));
    }

    #[test]
    fn a_name_that_fits_no_hello_is_refused() {
        for name in [String::new(), "n".repeat(NAME_BYTES_MAX + 1)] {
            assert!(matches!(Directory::new(BTreeMap::from([(name, peer(7))])), Err(P2pError::Name(_))));
        }
    }
}
