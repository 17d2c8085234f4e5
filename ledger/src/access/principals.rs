//! Remember who asks: accounts with the attributes of their organisations.

use super::Principal;
use crate::state::Version;
use crate::store::kv::KvError;
use countersign_proof::Hash;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::Arc;

const REMEMBERED: usize = 65_536;

/// Principals by account, valid for one version of their organisation's document. It changes no decision, only its cost.
#[derive(Debug, Default)]
pub struct Principals {
    known: HashMap<String, (Option<Hash>, Arc<Principal>)>,
}

impl Principals {
    /// The account, with what this version of `$organisations/<its organisation>` says; none where there is none.
    pub fn of(&mut self, account: &str, organisation: Option<&Version>) -> Result<Arc<Principal>, KvError> {
        let hash = organisation.map(|version| version.hash);
        if let Some((of, principal)) = self.known.get(account)
            && *of == hash
        {
            return Ok(principal.clone());
        }
        let principal = Arc::new(Principal::new(account, &attributes(organisation)?));
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(account.to_owned(), (hash, principal.clone()));
        Ok(principal)
    }
}

fn attributes(organisation: Option<&Version>) -> Result<Map<String, Value>, KvError> {
    let Some(value) = organisation.and_then(|version| version.value.as_ref()) else { return Ok(Map::new()) };
    let corrupt = || KvError::Corrupt { family: "documents", message: "$organisations: no attributes".to_owned() };
    value["attributes"].as_object().cloned().ok_or_else(corrupt)
}
