//! Count which roots the organisations echo, and remember the last root this node echoed itself.
//!
//! A node tells every member what it applied before it signs it, and signs only what a quorum echoes. A leader that
//! hands different proposals to different nodes so strands no signature: two roots of one size cannot both be echoed by
//! a quorum unless more than f organisations lie (docs/decisions, "echo before signing").

use crate::NodeError;
use crate::files::Files;
use crate::limits::ECHOES_AHEAD_MAX;
use countersign_proof::{Hash, Membership, canonical, organisation_of, parse_canonical};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The file's name in the node's folder.
pub(crate) const ECHO_RECORD: &str = "cosign.echo";

/// What the members' nodes echoed. Each has room of its own, so that nobody crowds out another.
#[derive(Default)]
pub(crate) struct Echoes {
    heard: BTreeMap<String, BTreeMap<u64, Hash>>,
}

impl Echoes {
    /// Takes a node's word for a size. Above its room, its largest size is let go: it is told again.
    pub(crate) fn hear(&mut self, node: &str, size: u64, root: Hash) {
        let heard = self.heard.entry(node.to_owned()).or_default();
        heard.insert(size, root);
        if heard.len() > ECHOES_AHEAD_MAX {
            heard.pop_last();
        }
    }

    /// Whether a quorum of this membership echoes exactly this root.
    pub(crate) fn quorum(&self, size: u64, root: &Hash, membership: &Membership) -> bool {
        let same =
            self.heard.iter().filter(|(node, heard)| heard.get(&size) == Some(root) && membership.node(node).is_some());
        same.map(|(node, _)| organisation_of(node)).collect::<BTreeSet<_>>().len() >= membership.quorum()
    }

    /// Drops what lies below a size: it is signed, or covered.
    pub(crate) fn forget_below(&mut self, size: u64) {
        self.heard.values_mut().for_each(|heard| *heard = heard.split_off(&size));
    }
}

/// The last (size, root) this node echoed. Written and not flushed: while the Raft log is there it is a function of the
/// log; it is needed when the log is lost and the disk was not.
pub(crate) struct EchoRecord {
    files: Arc<dyn Files>,
    last: Option<Recorded>,
    /// This node's own log is known to extend what it echoed before it started.
    extends: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    root: Hash,
    size: u64,
}

impl EchoRecord {
    /// Reads the record; one that a power cut tore is none.
    pub(crate) fn open(files: Arc<dyn Files>) -> Result<EchoRecord, NodeError> {
        let bytes = files.read(ECHO_RECORD).map_err(|e| NodeError::file(ECHO_RECORD, e))?;
        let last = bytes.and_then(|bytes| parse_canonical("echo record", &bytes, 1).ok());
        Ok(EchoRecord { files, last, extends: false })
    }

    /// Whether (size, root) may be echoed, which it then is on record. False while it lies below the record: it was echoed
    /// before, or its log is another one. `root_at` is this node's own log; `certified` how far a quorum has signed it.
    pub(crate) fn admit(
        &mut self,
        size: u64,
        root: Hash,
        certified: u64,
        root_at: impl Fn(u64) -> Result<Hash, NodeError>,
    ) -> Result<Result<(), String>, NodeError> {
        if let Some(last) = &self.last
            && !self.extends
        {
            if size < last.size {
                return Ok(Err(format!("its log has not reached size {}, which it has echoed", last.size)));
            }
            // What a quorum signed over our own root is the history to be on, whatever was echoed once.
            if root_at(last.size)? != last.root && certified < last.size {
                return Ok(Err(format!(
                    "its log is not the one it echoed at size {}: catch up under a new id",
                    last.size
                )));
            }
        }
        self.extends = true;
        if self.last.as_ref().is_some_and(|last| size <= last.size) {
            return Ok(Ok(()));
        }
        let recorded = Recorded { root, size };
        self.files.note(ECHO_RECORD, &canonical(&recorded)).map_err(|e| NodeError::file(ECHO_RECORD, e))?;
        self.last = Some(recorded);
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;
    use countersign_proof::plain_hash;

    fn root(size: u64) -> Result<Hash, NodeError> {
        Ok(plain_hash(&size.to_be_bytes()))
    }

    #[test]
    fn what_was_echoed_is_never_echoed_against_while_its_record_is_there() {
        let files = Arc::new(MemoryFiles::default());
        let mut record = EchoRecord::open(files.clone()).expect("opens");
        assert_eq!(record.admit(5, root(5).expect("a root"), 0, root).expect("reads"), Ok(()));
        let mut again = EchoRecord::open(files.clone()).expect("opens");
        assert!(again.admit(4, root(4).expect("a root"), 0, root).expect("reads").is_err(), "the log is behind");
        assert_eq!(again.admit(5, root(5).expect("a root"), 0, root).expect("reads"), Ok(()));
        let other = |_: u64| Ok(plain_hash(b"another log"));
        let mut rejoined = EchoRecord::open(files.clone()).expect("opens");
        assert!(rejoined.admit(6, plain_hash(b"x"), 0, other).expect("reads").is_err(), "another log");
        assert_eq!(rejoined.admit(6, plain_hash(b"x"), 6, other).expect("reads"), Ok(()), "certified, so followed");
    }

    #[test]
    fn a_quorum_is_of_organisations_and_of_one_root() {
        let member = |_: &str| {
            let key = |seed| countersign_proof::KeyPair::from_seed(&[seed; 32]).public();
            let keys = countersign_proof::NodeKeys { cosign: key(1), log: key(2), proposal: key(3) };
            countersign_proof::Member { nodes: BTreeMap::from([("1".to_owned(), keys)]) }
        };
        let membership = Membership {
            epoch: 0,
            organisations: ["a", "b", "c", "d"].into_iter().map(|name| (name.to_owned(), member(name))).collect(),
            previous: plain_hash(b""),
            quorum: "(n+f+1)/2".into(),
            revoked: BTreeMap::new(),
            v: 1,
        };
        let mut echoes = Echoes::default();
        let right = plain_hash(b"x");
        for (node, echoed) in [("a/1", right), ("b/1", right), ("c/1", plain_hash(b"y")), ("z/1", right)] {
            echoes.hear(node, 7, echoed);
        }
        assert!(!echoes.quorum(7, &right, &membership), "two of three, and a stranger");
        echoes.hear("d/1", 7, right);
        assert!(echoes.quorum(7, &right, &membership));
        echoes.forget_below(8);
        assert!(!echoes.quorum(7, &right, &membership));
    }

    #[test]
    fn a_member_that_echoes_every_size_there_is_crowds_out_nobody() {
        let mut echoes = Echoes::default();
        for size in 0..10 * ECHOES_AHEAD_MAX as u64 {
            echoes.hear("liar/1", size, plain_hash(b"x"));
        }
        echoes.hear("a/1", 1 << 40, plain_hash(b"x"));
        assert_eq!(echoes.heard["liar/1"].len(), ECHOES_AHEAD_MAX);
        assert_eq!(echoes.heard["a/1"].len(), 1, "what an honest one says later is heard");
    }
}
