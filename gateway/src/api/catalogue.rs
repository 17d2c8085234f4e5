//! Know the collections of the ledger: parsed once, and again when the ledger's own documents have changed.

use super::Api;
use super::openapi::Described;
use crate::graphql::Typed;
use crate::problem::Problem;
use countersign_ledger::{Definition, Version};
use countersign_proof::{Access, Collection};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

/// Collections that are described; more are on the ledger and have no API.
const COLLECTIONS_MAX: usize = 1_024;

/// A collection as the API serves it.
pub(crate) struct Served {
    pub(crate) name: String,
    /// The JSON Schema.
    pub(crate) definition: Value,
    pub(crate) access: Access,
    pub(crate) compiled: Definition,
    /// The version of its definition.
    pub(crate) version: u64,
}

/// All collections at one height of governance.
#[derive(Default)]
pub(crate) struct Collections {
    governed: Option<u64>,
    pub(crate) by_name: BTreeMap<String, Arc<Served>>,
    pub(crate) described: OnceLock<Described>,
    pub(crate) graphql: OnceLock<Typed>,
}

/// Keeps the newest [`Collections`].
#[derive(Default)]
pub(crate) struct Catalogue {
    newest: Mutex<Arc<Collections>>,
}

impl Api {
    /// The collections there are now.
    pub(crate) fn collections(&self) -> Result<Arc<Collections>, Problem> {
        let governed = self.door.progress.borrow().governed;
        let mut newest = self.catalogue.newest.lock().expect("nobody panics with it");
        if newest.governed != Some(governed) {
            *newest = Arc::new(self.read_collections(governed, &newest)?);
        }
        Ok(newest.clone())
    }

    /// One collection.
    pub(crate) fn collection(&self, name: &str) -> Result<Arc<Served>, Problem> {
        let unknown = || Problem::new("UNKNOWN_COLLECTION", format!("no collection {name:?}"));
        self.collections()?.by_name.get(name).cloned().ok_or_else(unknown)
    }

    fn read_collections(&self, governed: u64, before: &Collections) -> Result<Collections, Problem> {
        let mut by_name = BTreeMap::new();
        let (versions, _) = self.reader.documents("$schemas", "", COLLECTIONS_MAX)?;
        for version in versions {
            let (name, number) = (version.record.id.clone(), version.record.version);
            let known = before.by_name.get(&name).filter(|served| served.version == number).cloned();
            let served = match known {
                Some(served) => served,
                None => Arc::new(serve(name.clone(), &version)?),
            };
            by_name.insert(name, served);
        }
        Ok(Collections { governed: Some(governed), by_name, described: OnceLock::new(), graphql: OnceLock::new() })
    }
}

fn serve(name: String, version: &Version) -> Result<Served, Problem> {
    // Execution has compiled it before it was written.
    let broken = |error: String| {
        tracing::error!(collection = name, error, "a definition on the ledger does not parse");
        Problem::new("INTERNAL", format!("the definition of {name:?} could not be read; the node's log says why"))
    };
    let collection: Collection = version.parsed().map_err(|e| broken(e.to_string()))?;
    let compiled = Definition::compile(&collection).map_err(|e| broken(e.to_string()))?;
    let Collection { access, schema: definition } = collection;
    Ok(Served { name, definition, access, compiled, version: version.record.version })
}
