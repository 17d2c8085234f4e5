//! Show a caller what the access rules on the ledger let him see: of a version, of a document's being, of a transaction.
//!
//! Every surface reads through here, so that what one hides no other shows. An anonymous reader is one of whom nothing
//! is known: he sees what every member may see whatever it holds, under `writers/v1`, and no collection of Cedar's.

use countersign_ledger::Version;
use countersign_ledger::access::{Principal, Principals, Rules, View};
use countersign_ledger::store::Reader;
use countersign_ledger::store::kv::KvError;
use countersign_proof::{Collection, Hash, Operation, Transaction, organisation_of};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Stands where a proof would show what the caller may not see.
pub const NOT_VERIFIABLE: &str = "value not verifiable: redacted";

/// What the rules let callers see of one node's ledger.
#[derive(Clone)]
pub struct Sight {
    reader: Reader,
    governed: Option<Governed>,
    known: Arc<Mutex<Known>>,
}

/// Tells the last height that wrote a document of the system's.
pub type Governed = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What was compiled from the ledger's own documents, at one height of governance.
#[derive(Default)]
struct Known {
    governed: Option<u64>,
    /// By collection, with the hash of the definition's record; none for a collection that is not defined.
    rules: BTreeMap<String, Option<(Hash, Arc<Rules>)>>,
    principals: BTreeMap<String, Arc<Principal>>,
    /// Survive a change of governance: they are told apart by what they were made from.
    made: Principals,
    compiled: BTreeMap<String, (Hash, Arc<Rules>)>,
}

/// A version as a caller sees it.
#[derive(Debug, Clone)]
pub struct Sighted {
    /// Without the members he may not see, and then without the salt: it would let him confirm a guess.
    pub version: Version,
    /// JSON pointers to those members.
    pub redacted: Vec<String>,
}

/// Principals or rules that are kept at one height of governance.
const KNOWN_MAX: usize = 65_536;

impl Sight {
    /// What callers see of this ledger. Without `governed` every look reads the rules anew.
    pub fn new(reader: Reader, governed: Option<Governed>) -> Sight {
        Sight { reader, governed, known: Arc::default() }
    }

    /// What the caller sees of a version; none where it does not exist for him. A deletion is seen by those who saw what
    /// was deleted.
    pub fn see(&self, account: Option<&str>, version: Version) -> Result<Option<Sighted>, KvError> {
        let whole = |version| Ok(Some(Sighted { version, redacted: Vec::new() }));
        let (rules, principal) = self.before(account, &version.record.collection)?;
        let Some(rules) = rules else { return whole(version) };
        if rules.reads_everything(principal.as_deref()) {
            return whole(version);
        }
        let record = &version.record;
        let deleted = version.value.is_none();
        let earlier = if deleted { self.value_before(&version)? } else { None };
        let Some(value) = version.value.as_ref().or(earlier.as_ref()) else { return Ok(None) };
        let current = match rules.needs_current() {
            true => self.current(&record.collection, &record.id)?,
            false => None,
        };
        match rules.view(principal.as_deref(), &record.id, value, current.as_deref()) {
            View::Hidden => Ok(None),
            View::Shown { .. } if deleted => whole(version),
            View::Shown { redacted, .. } if redacted.is_empty() => whole(version),
            View::Shown { value, redacted } => {
                let version = Version { salt: None, value: Some(Arc::new(value)), ..version };
                Ok(Some(Sighted { version, redacted }))
            }
        }
    }

    /// Whether the caller may know that a document is not there.
    pub fn sees_absence(&self, account: Option<&str>, collection: &str) -> Result<bool, KvError> {
        let (rules, principal) = self.before(account, collection)?;
        Ok(rules.is_none_or(|rules| rules.reads_every_document(principal.as_deref())))
    }

    /// Whether the caller sees everything of every document of the collection, whatever it holds.
    pub fn sees_everything(&self, account: Option<&str>, collection: &str) -> Result<bool, KvError> {
        let (rules, principal) = self.before(account, collection)?;
        Ok(rules.is_none_or(|rules| rules.reads_everything(principal.as_deref())))
    }

    /// A collection of which the caller does not see everything; none when there is none.
    pub fn hides_some_of(&self, account: Option<&str>) -> Result<Option<String>, KvError> {
        let mut after = String::new();
        loop {
            let (definitions, next) = self.reader.documents("$schemas", &after, 256)?;
            for definition in definitions {
                if !self.sees_everything(account, &definition.record.id)? {
                    return Ok(Some(definition.record.id));
                }
            }
            let Some(next) = next else { return Ok(None) };
            after = next;
        }
    }

    /// Whether the caller sees all that a transaction of this height says. His own organisation's he does; of another's,
    /// an applied one whose every document he sees whole, as it was before and after.
    pub fn sees_transaction(
        &self,
        account: Option<&str>,
        transaction: &Transaction,
        height: u64,
    ) -> Result<bool, KvError> {
        if account.is_some_and(|account| organisation_of(account) == organisation_of(transaction.by())) {
            return Ok(true);
        }
        for operation in transaction.body.operations.iter().filter(|operation| !operation.is_governance()) {
            if !self.sees_everything(account, &operation.collection)?
                && !self.sees_writes(account, operation, &transaction.id, height)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn sees_writes(
        &self,
        account: Option<&str>,
        operation: &Operation,
        transaction: &Hash,
        height: u64,
    ) -> Result<bool, KvError> {
        let mut newest = self.reader.document_at(&operation.collection, &operation.id, height)?;
        let mut wrote = false;
        while let Some(version) = newest.filter(|version| version.record.height == height) {
            let number = version.record.version;
            if version.record.transaction == *transaction {
                wrote = true;
                if !self.see(account, version)?.is_some_and(|sighted| sighted.redacted.is_empty()) {
                    return Ok(false);
                }
            }
            newest = match number {
                1 => None,
                number => self.reader.version(&operation.collection, &operation.id, number - 1)?,
            };
        }
        Ok(wrote)
    }

    /// The rules of a collection and who asks; no rules for the system's own, which every member sees.
    #[allow(clippy::type_complexity)] // A pair that is taken apart where it is made.
    fn before(
        &self,
        account: Option<&str>,
        collection: &str,
    ) -> Result<(Option<Arc<Rules>>, Option<Arc<Principal>>), KvError> {
        let mut known = self.known.lock().expect("nobody panics with it");
        let governed = self.governed.as_ref().map(|governed| governed());
        if governed.is_none() || known.governed != governed || known.principals.len() > KNOWN_MAX {
            known.governed = governed;
            known.rules.clear();
            known.principals.clear();
        }
        if collection.starts_with('$') {
            return Ok((None, None));
        }
        let rules = match known.rules.get(collection) {
            Some(rules) => rules.clone(),
            None => {
                let rules = self.compile(&mut known, collection)?;
                known.rules.insert(collection.to_owned(), rules.clone());
                rules
            }
        };
        let principal = match account {
            None => None,
            Some(account) => Some(self.principal(&mut known, account)?),
        };
        Ok((rules.map(|(_, rules)| rules), principal))
    }

    fn principal(&self, known: &mut Known, account: &str) -> Result<Arc<Principal>, KvError> {
        if let Some(principal) = known.principals.get(account) {
            return Ok(principal.clone());
        }
        let organisation = self.reader.document("$organisations", organisation_of(account))?;
        let principal = known.made.of(account, organisation.as_ref())?;
        known.principals.insert(account.to_owned(), principal.clone());
        Ok(principal)
    }

    fn compile(&self, known: &mut Known, collection: &str) -> Result<Option<(Hash, Arc<Rules>)>, KvError> {
        let Some(version) = self.reader.document("$schemas", collection)? else { return Ok(None) };
        if let Some(compiled) = known.compiled.get(collection).filter(|(hash, _)| *hash == version.hash) {
            return Ok(Some(compiled.clone()));
        }
        // Execution compiled it before it was written.
        let corrupt = |message: String| KvError::Corrupt { family: "documents", message };
        let definition: Collection =
            version.parsed().map_err(|error| corrupt(format!("$schemas/{collection}: {error}")))?;
        let rules = Rules::compile(&definition.access).map_err(|error| corrupt(error.to_string()))?;
        let compiled = (version.hash, Arc::new(rules));
        known.compiled.insert(collection.to_owned(), compiled.clone());
        Ok(Some(compiled))
    }

    /// The newest value; of a deleted document the last it had.
    fn current(&self, collection: &str, id: &str) -> Result<Option<Arc<Value>>, KvError> {
        match self.reader.document(collection, id)? {
            Some(version) if version.value.is_none() => self.value_before(&version),
            found => Ok(found.and_then(|version| version.value)),
        }
    }

    fn value_before(&self, version: &Version) -> Result<Option<Arc<Value>>, KvError> {
        let record = &version.record;
        match record.version {
            1 => Ok(None),
            number => {
                let before = self.reader.version(&record.collection, &record.id, number - 1)?;
                Ok(before.and_then(|version| version.value))
            }
        }
    }
}
