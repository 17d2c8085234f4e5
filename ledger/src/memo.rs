//! Remember what was parsed from a document until the document changes.

use crate::state::Version;
use countersign_proof::Hash;
use std::collections::HashMap;
use std::sync::Arc;

/// Parsed forms of documents, keyed by id and valid for one record hash. It changes no result, only its cost.
pub(crate) struct Memo<T> {
    entries: HashMap<String, (Hash, Arc<T>)>,
    entries_max: usize,
}

impl<T> Memo<T> {
    pub(crate) fn new(entries_max: usize) -> Memo<T> {
        Memo { entries: HashMap::new(), entries_max }
    }

    /// The parsed form of this version, from memory or by `parse`.
    pub(crate) fn get<E>(
        &mut self,
        version: &Version,
        parse: impl FnOnce(&Version) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if let Some((hash, parsed)) = self.entries.get(&version.record.id)
            && *hash == version.hash
        {
            return Ok(parsed.clone());
        }
        let parsed = Arc::new(parse(version)?);
        if self.entries.len() >= self.entries_max {
            self.entries.clear();
        }
        self.entries.insert(version.record.id.clone(), (version.hash, parsed.clone()));
        Ok(parsed)
    }
}
