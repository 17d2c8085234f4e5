//! Execute a block: transactions in, versions, leaves and a seal out.

mod keyed;

use crate::access::{self, Action, Allowance, Principal, Principals, Rules, Said, check_document};
use crate::by_document::ByDocument;
use crate::definition::Definition;
use crate::governance::{Halt, LedgerRules, RULES_IMPLEMENTED, govern};
use crate::index::IndexChanges;
use crate::memo::Memo;
use crate::rejection::{Code, Rejection};
use crate::schema::limits::{PATTERNS_COMPILED_BYTES_MAX, WORK_MAX};
use crate::state::{IdUse, StateReader, Version, Written};
use crate::store::kv::KvError;
use crate::{LedgerError, document};
use countersign_proof::{
    Access, Collection, Hash, Leaf, Limits, Membership, Operation, Outcome, Precondition, PublicKey, Transaction,
    TransactionLeaf, VersionRecord, canonical, canonical_value, operation::Change, organisation_of, plain_hash,
    precondition::Condition, salt, value_hash,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The membership document in `$members`.
pub(crate) const MEMBERS_CURRENT: &str = "current";
/// The membership of the next epoch in `$members`, while one is admitted.
pub(crate) const MEMBERS_NEXT: &str = "next";
/// Limits and rules in `$rules`.
pub(crate) const RULES_LEDGER: &str = "ledger";
/// The counter of Raft ids in `$rules`.
pub(crate) const RULES_RAFT: &str = "raft";

/// Bytes of the values, before and after, that all changes of documents in one transaction touch. Without it the 1,024
/// operations of one could each add 1 to the longest document there is.
const TOUCHED_BYTES_MAX: u64 = 4 << 20;
/// Bytes of the Cedar policies of all definitions of one transaction: Cedar reads one of 4,096 in some 15 ms, and whoever may
/// propose can have others read them.
const POLICIES_BYTES_MAX: usize = 32 << 10;
const COLLECTIONS_REMEMBERED: usize = 1024;
const ACCOUNTS_REMEMBERED: usize = 65_536;
const SYSTEM_DOCUMENTS_REMEMBERED: usize = 65_536;

/// Where the chain of valid proposals and blocks stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The height of the last block.
    pub height: u64,
    /// The digest of the last valid proposal; the genesis hash at height 0.
    pub digest: Hash,
    /// Its time.
    pub time: u64,
    /// The size of the log.
    pub size: u64,
    /// The leaf hash of the last seal.
    pub seal: Hash,
}

/// What became of one transaction of a block.
#[derive(Debug, Clone)]
pub struct Executed {
    /// The transaction id.
    pub id: Hash,
    /// Where it stands in the proposal.
    pub position: u32,
    /// Its leaf: a new one, or the one that its id already has.
    pub leaf: u64,
    /// What happened.
    pub fate: Fate,
}

/// What happened to a transaction in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Its versions stand in the block.
    Applied,
    /// It changed nothing, and a leaf says so.
    Rejected(Rejection),
    /// The id has its leaf already, with this body: the first answer holds.
    Repeated,
    /// The id has its leaf already, with another body.
    NonceReused,
}

/// A block before it has a state root: what execution alone decides.
#[derive(Debug)]
pub struct Block {
    /// Its height.
    pub height: u64,
    /// The index of its first leaf.
    pub first: u64,
    /// Its transactions, in the proposal's order.
    pub executed: Vec<Executed>,
    /// The bytes of its leaves, the seal not among them.
    pub leaves: Vec<Vec<u8>>,
    /// Every version it writes, in order.
    pub versions: Vec<Written>,
    /// Keys that stand on the ledger from now on.
    pub keys: BTreeSet<PublicKey>,
    /// Ids that have a leaf from now on.
    pub ids: BTreeMap<Hash, IdUse>,
    /// What it changes in the indexes of collections: a function of its versions.
    pub indexes: IndexChanges,
    /// The membership in force while it was executed.
    pub membership: Arc<Membership>,
    /// The number of the rules it was executed under.
    pub rules: u64,
}

/// Executes blocks. What it remembers between them changes no result, only its cost.
pub struct Executor {
    origin: String,
    /// The newest versions of the ledger's own documents, which every transaction asks for.
    system: ByDocument<Option<Arc<Version>>>,
    collections: Memo<Definition>,
    accounts: Memo<Vec<PublicKey>>,
    principals: Principals,
    memberships: Memo<Membership>,
    rules: Memo<LedgerRules>,
}

impl Executor {
    /// An executor for the ledger of this origin.
    pub fn new(origin: String) -> Executor {
        Executor {
            origin,
            system: ByDocument::default(),
            collections: Memo::new(COLLECTIONS_REMEMBERED),
            accounts: Memo::new(ACCOUNTS_REMEMBERED),
            principals: Principals::default(),
            memberships: Memo::new(1),
            rules: Memo::new(1),
        }
    }
    /// The membership, and the limits, in force for the next block.
    pub fn in_force(&mut self, state: &dyn StateReader) -> Result<(Arc<Membership>, Limits), LedgerError> {
        let (membership, rules) = self.read_in_force(state)?;
        Ok((membership, rules.limits))
    }

    /// The newest version of a system document before the block. Only blocks write them, through
    /// [`Executor::forget_written`].
    fn system_document(
        &mut self,
        state: &dyn StateReader,
        collection: &str,
        id: &str,
    ) -> Result<Option<Arc<Version>>, KvError> {
        if let Some(version) = self.system.get(collection, id) {
            return Ok(version.clone());
        }
        let version = state.newest(collection, id)?;
        if self.system.len() >= SYSTEM_DOCUMENTS_REMEMBERED {
            self.system.clear();
        }
        self.system.insert(collection, id, version.clone());
        Ok(version)
    }

    /// The block's own overlay serves what it wrote; the next block reads it from the state.
    fn forget_written(&mut self, version: &Version) {
        if version.record.collection.starts_with('$') {
            self.system.remove(&version.record.collection, &version.record.id);
        }
    }

    fn read_in_force(&mut self, state: &dyn StateReader) -> Result<(Arc<Membership>, Arc<LedgerRules>), LedgerError> {
        let membership = self.system_document(state, "$members", MEMBERS_CURRENT)?.expect("genesis wrote it");
        let membership = self.memberships.get(&membership, |version| Membership::parse(&canonical(&version.value)))?;
        let rules = self.system_document(state, "$rules", RULES_LEDGER)?.expect("genesis wrote it");
        let rules = self.rules.get(&rules, |version| {
            version.parsed::<LedgerRules>().map_err(|e| LedgerError::Genesis(format!("$rules/{RULES_LEDGER}: {e}")))
        })?;
        if rules.rules != RULES_IMPLEMENTED {
            return Err(LedgerError::UnknownRules { in_force: rules.rules, implemented: RULES_IMPLEMENTED });
        }
        Ok((membership, rules))
    }

    /// Executes the transactions of a valid proposal, whose signatures hold, on top of `chain`.
    pub fn execute(
        &mut self,
        state: &dyn StateReader,
        chain: &Chain,
        time: u64,
        transactions: &[Arc<Transaction>],
    ) -> Result<Block, LedgerError> {
        let (membership, rules) = self.read_in_force(state)?;
        let mut block = Block {
            height: chain.height + 1,
            first: chain.size,
            executed: Vec::with_capacity(transactions.len()),
            leaves: Vec::with_capacity(transactions.len() + 1),
            versions: Vec::new(),
            keys: BTreeSet::new(),
            ids: BTreeMap::new(),
            indexes: IndexChanges::default(),
            membership,
            rules: rules.rules,
        };
        let mut newest = ByDocument::default();
        for (position, transaction) in transactions.iter().enumerate() {
            let executed = match id_use(state, &block, &transaction.id)? {
                Some(used) => repeat(transaction, position as u32, used),
                None => self.execute_one(state, &rules, &mut block, &mut newest, time, position as u32, transaction)?,
            };
            block.executed.push(executed);
        }
        Ok(block)
    }

    #[allow(clippy::too_many_arguments)] // One call site; a struct would only rename the loop's own variables.
    fn execute_one(
        &mut self,
        state: &dyn StateReader,
        rules: &LedgerRules,
        block: &mut Block,
        newest: &mut ByDocument<Arc<Version>>,
        time: u64,
        position: u32,
        transaction: &Transaction,
    ) -> Result<Executed, LedgerError> {
        let leaf = block.first + block.leaves.len() as u64;
        let mut scope = Scope {
            leaf,
            executor: self,
            state,
            block,
            newest,
            limits: rules.limits,
            time,
            transaction,
            approving: BTreeSet::new(),
            staged: Vec::new(),
            indexes: IndexChanges::default(),
            enrolled: BTreeSet::new(),
            allowance: Allowance::default(),
            schema_units: WORK_MAX,
            touchable_bytes: TOUCHED_BYTES_MAX,
            definable: Definable { policy_bytes: POLICIES_BYTES_MAX, pattern_bytes: PATTERNS_COMPILED_BYTES_MAX },
        };
        let verdict = match scope.run() {
            Ok(()) => Ok((scope.staged, scope.indexes, scope.enrolled)),
            Err(Halt::Rejected(rejection) | Halt::Unapproved(rejection)) => Err(rejection),
            Err(Halt::Failed(error)) => return Err(error.into()),
        };
        let records: Option<Vec<Hash>> =
            verdict.as_ref().ok().map(|(staged, ..)| staged.iter().map(|staged| staged.version.hash).collect());
        let bytes = Leaf::Transaction(TransactionLeaf {
            body: transaction.body_hash,
            by: transaction.by().to_owned(),
            code: verdict.as_ref().err().map(|rejection| rejection.code.as_str().to_owned()),
            height: block.height,
            id: transaction.id,
            outcome: if records.is_some() { Outcome::Applied } else { Outcome::Rejected },
            signatures: transaction.signatures_hash(),
            v: 1,
            writes: records.map(|records| plain_hash(&canonical(&records))),
        })
        .to_bytes();
        block.leaves.push(bytes);
        block.ids.insert(transaction.id, IdUse { leaf, height: block.height, position, body: transaction.body_hash });
        let fate = match verdict {
            Err(rejection) => Fate::Rejected(rejection),
            Ok((staged, indexes, enrolled)) => {
                block.keys.extend(enrolled);
                block.indexes.then(indexes);
                for written in staged {
                    let Written { version, .. } = &written;
                    self.forget_written(version);
                    newest.insert(&version.record.collection, &version.record.id, version.clone());
                    block.versions.push(written);
                }
                Fate::Applied
            }
        };
        Ok(Executed { id: transaction.id, position, leaf, fate })
    }
}

fn id_use(state: &dyn StateReader, block: &Block, id: &Hash) -> Result<Option<IdUse>, KvError> {
    match block.ids.get(id) {
        Some(used) => Ok(Some(*used)),
        None => state.id_use(id),
    }
}

/// One id has at most one leaf, for ever.
fn repeat(transaction: &Transaction, position: u32, used: IdUse) -> Executed {
    let fate = if used.body == transaction.body_hash { Fate::Repeated } else { Fate::NonceReused };
    Executed { id: transaction.id, position, leaf: used.leaf, fate }
}

/// What one transaction sees and stages. Dropped when the transaction is rejected.
pub(crate) struct Scope<'a> {
    /// Where the transaction's leaf will stand.
    leaf: u64,
    executor: &'a mut Executor,
    state: &'a dyn StateReader,
    block: &'a Block,
    /// The newest versions that earlier transactions of the block wrote.
    newest: &'a ByDocument<Arc<Version>>,
    limits: Limits,
    /// The proposal's.
    time: u64,
    transaction: &'a Transaction,
    /// The organisations whose approvals stand for signatures while what they approved is executed; none otherwise.
    approving: BTreeSet<String>,
    staged: Vec<Written>,
    /// What the staged versions change in the indexes.
    indexes: IndexChanges,
    enrolled: BTreeSet<PublicKey>,
    /// The work that access rules may still take.
    allowance: Allowance,
    /// The work that schemas may still take.
    schema_units: u64,
    /// The bytes of documents that changes may still touch.
    touchable_bytes: u64,
    /// What definitions may still have.
    definable: Definable,
}

/// What all definitions of one transaction may have together.
#[derive(Clone, Copy)]
struct Definable {
    policy_bytes: usize,
    /// Of compiled regular expressions.
    pattern_bytes: usize,
}

/// What a transaction had staged at a moment.
pub(crate) struct Mark {
    staged: usize,
    enrolled: BTreeSet<PublicKey>,
    definable: Definable,
}

impl Scope<'_> {
    fn run(&mut self) -> Result<(), Halt> {
        let (expires, time) = (self.transaction.body.expires_ms, self.time);
        if expires != 0 && time > expires {
            return Err(Rejection::new(Code::Expired, format!("expired at {expires}, ordered at {time}")).into());
        }
        self.check_signers()?;
        let transaction = self.transaction;
        for (at, (operation, value)) in transaction.body.operations.iter().zip(&transaction.values).enumerate() {
            self.operate(operation, value).map_err(|halt| match halt {
                Halt::Rejected(rejection) | Halt::Unapproved(rejection) => Halt::Rejected(rejection.at(at)),
                failed => failed,
            })?;
        }
        Ok(())
    }

    fn check_signers(&mut self) -> Result<(), Halt> {
        let transaction = self.transaction;
        for (signer, key) in transaction.body.signers.iter().zip(&transaction.keys) {
            let organisation = organisation_of(&signer.account);
            if !self.block.membership.organisations.contains_key(organisation) {
                return Err(Rejection::new(Code::Unauthorized, format!("{organisation} is no member")).into());
            }
            if !self.account_keys(&signer.account)?.contains(key) {
                return Err(
                    Rejection::new(Code::Unauthorized, format!("{key} is not a key of {}", signer.account)).into()
                );
            }
        }
        Ok(())
    }

    fn operate(&mut self, operation: &Operation, argument: &Arc<Value>) -> Result<(), Halt> {
        let change = operation.change.as_ref().expect("checked when it was parsed");
        if operation.is_governance() {
            return govern(self, change, argument);
        }
        self.change_document(operation, change, argument)
    }

    /// Access, precondition, existence, value, schema, unique keys: the code is that of the first that fails.
    fn change_document(&mut self, operation: &Operation, change: &Change, argument: &Arc<Value>) -> Result<(), Halt> {
        let definition = self.definition(&operation.collection)?;
        let principal = self.principal()?;
        let target = self.target(&definition, operation, argument)?;
        let before = self.newest(&operation.collection, &target.id)?;
        let current = before.as_ref().and_then(|version| version.value.as_deref());
        let changed = document::change(current, change, argument, definition.rules.named());
        let rules = &definition.rules;
        let allowance = &self.allowance;
        let allowed = check_access(rules, (&principal, allowance), operation, &target.id, current, &changed, argument);
        let precondition = operation.precondition.as_ref();
        let holds = precondition.map_or(Ok(()), |precondition| check_precondition(before.as_deref(), precondition));
        match (allowed, holds) {
            // What he may do hangs on the document, and it is another than the one he saw and may see: that is why.
            (Err(_), Err(stale))
                if stale.code == Code::VersionConflict && rules.sees(&principal, &target.id, current, allowance) =>
            {
                return Err(stale.into());
            }
            (allowed, holds) => allowed.and(holds)?,
        }
        if target.must_be_new && current.is_some() {
            let detail = format!("no document has this key, and {:?} is the id of another", target.id);
            return Err(Rejection::new(Code::AlreadyExists, detail).into());
        }
        current.map_or(Ok(()), |current| self.touch(canonical_value(current).len()))?;
        let value = changed?.map(|value| {
            let bytes = bytes_of(change, &value);
            (value, bytes)
        });
        if let Some((value, bytes)) = &value {
            check_size(bytes.len(), self.limits.document_bytes)?;
            self.touch(bytes.len())?;
            check_document(&definition.rules, value, &self.allowance)
                .map_err(|e| Rejection::new(Code::InvalidValue, e.to_string()))?;
            definition.validate_within(value, &mut self.schema_units).map_err(schema_violation)?;
        }
        let document = (&operation.collection[..], &target.id[..]);
        if let Err(halt) = self.reindex(&definition, document, current, value.as_ref().map(|(value, _)| &**value)) {
            return Err(self.without_hidden_holder(&definition.rules, &principal, document.0, halt)?);
        }
        self.stage(before.as_deref(), &operation.collection, &target.id, value);
        Ok(())
    }

    fn touch(&mut self, bytes: usize) -> Result<(), Rejection> {
        let detail = || format!("the transaction touches more than {TOUCHED_BYTES_MAX} bytes of documents: divide it");
        let left = self.touchable_bytes.checked_sub(bytes as u64);
        self.touchable_bytes = left.ok_or_else(|| Rejection::new(Code::TooLarge, detail()))?;
        Ok(())
    }

    /// Who holds a unique key is told to those who may know of the holder.
    fn without_hidden_holder(
        &mut self,
        rules: &Rules,
        principal: &Principal,
        collection: &str,
        halt: Halt,
    ) -> Result<Halt, KvError> {
        let Halt::Rejected(Rejection { existing: Some(holder), .. }) = &halt else { return Ok(halt) };
        let value = self.alive(collection, holder)?.and_then(|version| version.value.clone());
        let shows = value.is_some_and(|value| rules.shows(principal, holder, &value, &self.allowance));
        Ok(match shows {
            true => halt,
            false => Rejection::new(Code::AlreadyExists, "another document holds this value of a unique key").into(),
        })
    }

    fn definition(&mut self, collection: &str) -> Result<Arc<Definition>, Halt> {
        if collection.starts_with('$') {
            let detail = format!("{collection} is the system's: use the operations on governance");
            return Err(Rejection::new(Code::ReservedName, detail).into());
        }
        let unknown = || Rejection::new(Code::UnknownCollection, format!("no collection {collection:?}"));
        let version = self.newest("$schemas", collection)?.ok_or_else(unknown)?;
        Ok(self.executor.collections.get(&version, parse_definition)?)
    }

    /// The account that access is judged for, with its organisation's attributes.
    fn principal(&mut self) -> Result<Arc<Principal>, KvError> {
        let account = self.transaction.by();
        let organisation = self.alive("$organisations", organisation_of(account))?;
        self.executor.principals.of(account, organisation.as_deref())
    }

    /// The newest version of a document, be it a deletion, as this operation sees it.
    fn newest(&mut self, collection: &str, id: &str) -> Result<Option<Arc<Version>>, KvError> {
        let mut staged = self.staged.iter().rev().map(|written| &written.version);
        if let Some(version) = staged.find(|v| v.record.collection == collection && v.record.id == id) {
            return Ok(Some(version.clone()));
        }
        match self.newest.get(collection, id) {
            Some(version) => Ok(Some(version.clone())),
            None if collection.starts_with('$') => self.executor.system_document(self.state, collection, id),
            None => self.state.newest(collection, id),
        }
    }

    /// The newest version of a document that is not deleted.
    pub(crate) fn alive(&mut self, collection: &str, id: &str) -> Result<Option<Arc<Version>>, KvError> {
        Ok(self.newest(collection, id)?.filter(|version| version.value.is_some()))
    }

    /// The keys of an account; none for one that is not registered.
    pub(crate) fn account_keys(&mut self, account: &str) -> Result<Arc<Vec<PublicKey>>, KvError> {
        match self.alive("$accounts", account)? {
            None => Ok(Arc::default()),
            Some(version) => self.executor.accounts.get(&version, |version| {
                let keys = version.value.as_ref().map(|value| value["keys"].clone()).unwrap_or_default();
                serde_json::from_value(keys)
                    .map_err(|e| KvError::Corrupt { family: "documents", message: format!("$accounts: {e}") })
            }),
        }
    }

    /// The ledger: `<ledger>/<genesis hash>`.
    pub(crate) fn origin(&self) -> String {
        self.executor.origin.clone()
    }

    /// The root of the log at a size before this block.
    pub(crate) fn root_at(&self, size: u64) -> Result<Option<Hash>, KvError> {
        self.state.root_at(size)
    }

    /// The tree size after an earlier block.
    pub(crate) fn size_after(&self, height: u64) -> Result<Option<u64>, KvError> {
        self.state.size_after(height)
    }

    /// The size of the log before this block.
    pub(crate) fn size_before(&self) -> u64 {
        self.block.first
    }

    /// Whether a key stands on the ledger, in any role.
    pub(crate) fn key_stands(&self, key: &PublicKey) -> Result<bool, KvError> {
        Ok(self.block.keys.contains(key) || self.enrolled.contains(key) || self.state.key_used(key)?)
    }

    pub(crate) fn membership(&self) -> Arc<Membership> {
        self.block.membership.clone()
    }

    /// Whether an organisation's governance account is among the signers, or has approved what is executed.
    pub(crate) fn signed_by(&self, organisation: &str) -> bool {
        self.signers().any(|(account, _)| account == organisation) || self.approving.contains(organisation)
    }

    /// Lets the approvals of these organisations stand for signatures, until it is called again.
    pub(crate) fn approve_as(&mut self, organisations: BTreeSet<String>) {
        self.approving = organisations;
    }

    /// The signing accounts with their keys, which were checked before.
    pub(crate) fn signers(&self) -> impl Iterator<Item = (&str, &PublicKey)> {
        self.transaction.body.signers.iter().map(|signer| &signer.account[..]).zip(&self.transaction.keys)
    }

    /// The account of the first signer.
    pub(crate) fn by(&self) -> &str {
        self.transaction.by()
    }

    pub(crate) fn transaction_id(&self) -> Hash {
        self.transaction.id
    }

    /// The time of the block.
    pub(crate) fn time(&self) -> u64 {
        self.time
    }

    /// What is staged now, to be taken back to.
    pub(crate) fn mark(&self) -> Mark {
        Mark { staged: self.staged.len(), enrolled: self.enrolled.clone(), definable: self.definable }
    }

    /// Forgets what was staged since.
    pub(crate) fn take_back(&mut self, mark: Mark) {
        self.staged.truncate(mark.staged);
        self.enrolled = mark.enrolled;
        self.definable = mark.definable;
    }

    /// Counts the policies of a definition, before they are read.
    pub(crate) fn count_policies(&mut self, access: &Access) -> Result<(), Rejection> {
        let Access::CedarV1 { policies, .. } = access else { return Ok(()) };
        let bytes = policies.values().map(String::len).sum();
        let detail = || format!("the transaction defines more than {POLICIES_BYTES_MAX} bytes of policies");
        let left = self.definable.policy_bytes.checked_sub(bytes);
        self.definable.policy_bytes = left.ok_or_else(|| Rejection::new(Code::TooLarge, detail()))?;
        Ok(())
    }

    /// Counts the regular expressions of a definition, which only compiling them tells.
    pub(crate) fn count_patterns(&mut self, definition: &Definition) -> Result<(), Rejection> {
        let max = PATTERNS_COMPILED_BYTES_MAX;
        let detail = || format!("the transaction defines more than {max} compiled bytes of regular expressions");
        let left = self.definable.pattern_bytes.checked_sub(definition.schema.pattern_bytes());
        self.definable.pattern_bytes = left.ok_or_else(|| Rejection::new(Code::TooLarge, detail()))?;
        Ok(())
    }

    /// Puts a key on the ledger that never stood on it before.
    pub(crate) fn enrol(&mut self, key: PublicKey) -> Result<(), Halt> {
        let used = self.block.keys.contains(&key) || self.state.key_used(&key)? || !self.enrolled.insert(key);
        if used {
            Err(Rejection::new(Code::KeyInUse, format!("{key} has been used on this ledger")).into())
        } else {
            Ok(())
        }
    }

    /// Stages the next version of a document of the ledger's own.
    pub(crate) fn write(&mut self, collection: &str, id: &str, value: Option<Value>) -> Result<(), Halt> {
        let before = self.newest(collection, id)?;
        let value = value.map(|value| {
            let bytes = canonical_value(&value).into();
            (Arc::new(value), bytes)
        });
        self.stage(before.as_deref(), collection, id, value);
        Ok(())
    }

    /// Stages the version that follows `before`.
    fn stage(&mut self, before: Option<&Version>, collection: &str, id: &str, value: Option<(Arc<Value>, Arc<[u8]>)>) {
        let writer = Writer {
            leaf: self.leaf,
            height: self.block.height,
            transaction: self.transaction.id,
            nonce: &self.transaction.body.nonce,
        };
        self.staged.push(writer.next_version(before, collection, id, value));
    }
}

/// Whoever writes a version: a transaction, or the genesis.
pub(crate) struct Writer<'a> {
    pub(crate) leaf: u64,
    pub(crate) height: u64,
    pub(crate) transaction: Hash,
    pub(crate) nonce: &'a [u8],
}

impl Writer<'_> {
    /// The version that follows `before`, given its value and the value's canonical bytes.
    pub(crate) fn next_version(
        &self,
        before: Option<&Version>,
        collection: &str,
        id: &str,
        value: Option<(Arc<Value>, Arc<[u8]>)>,
    ) -> Written {
        let salt = value.as_ref().map(|_| salt(self.nonce, collection, id));
        let (value, bytes) = value.unzip();
        let record = VersionRecord {
            collection: collection.to_owned(),
            height: self.height,
            id: id.to_owned(),
            previous: before.map(|version| version.hash),
            transaction: self.transaction,
            v: 1,
            value: salt.zip(bytes.as_ref()).map(|(salt, bytes)| value_hash(&salt, bytes)),
            version: before.map_or(0, |version| version.record.version) + 1,
        };
        let version = Arc::new(Version { hash: record.hash(), record, salt, value });
        Written { leaf: self.leaf, version, bytes }
    }
}

/// The canonical bytes of the value that a change gives: those it came with, where it says the whole value.
fn bytes_of(change: &Change, value: &Value) -> Arc<[u8]> {
    match change {
        Change::Create(bytes) | Change::Replace(bytes) => bytes[..].into(),
        Change::Put(put) => put.value[..].into(),
        _ => canonical_value(value).into(),
    }
}

/// Judges a change, be it one that can be made or not.
fn check_access(
    rules: &Rules,
    (principal, allowance): (&Principal, &Allowance),
    operation: &Operation,
    id: &str,
    before: Option<&Value>,
    changed: &Result<Option<Arc<Value>>, Rejection>,
    argument: &Value,
) -> Result<(), Rejection> {
    let change = operation.change.as_ref().expect("checked when it was parsed");
    let (action, pointer, said) = match change {
        Change::Create(_) => (Action::Create, None, Said::Whole),
        Change::Put(_) if before.is_none() => (Action::Create, None, Said::Whole),
        Change::Patch(_) => (Action::Update, None, Said::Patch(argument)),
        Change::Delete(_) => (Action::Delete, None, Said::Change),
        Change::Increment(increment) => (Action::Update, Some(&increment.pointer[..]), Said::Change),
        Change::Append(append) => (Action::Update, Some(&append.pointer[..]), Said::Change),
        _ => (Action::Update, None, Said::Whole),
    };
    let after = changed.as_ref().ok().and_then(Option::as_deref);
    let judged = access::Change { id, before, after, said };
    let mut verdict = match changed {
        Ok(_) => rules.check_change(principal, &judged, allowance),
        Err(_) => rules.check_failed(principal, &judged, action, pointer, allowance),
    };
    if let Some(Condition::Predicate(bytes)) = operation.precondition.as_ref().and_then(|p| p.condition.as_ref()) {
        let predicate: Value = serde_json::from_slice(bytes).expect("checked when it was parsed");
        let pointers = predicate.as_object().into_iter().flatten().map(|(pointer, _)| pointer.as_str());
        verdict = verdict.and_then(|()| rules.check_condition(principal, id, before, pointers, allowance));
    }
    verdict.map_err(|denied| {
        let detail = format!("by the rules of {}, {denied}", operation.collection);
        Rejection::new(Code::Unauthorized, detail)
    })
}

fn check_precondition(before: Option<&Version>, precondition: &Precondition) -> Result<(), Rejection> {
    let value = before.and_then(|version| version.value.as_ref());
    let failed = |detail: String| Rejection::new(Code::PreconditionFailed, detail);
    match precondition.condition.as_ref().expect("checked when it was parsed") {
        Condition::Absent(_) if value.is_some() => Err(failed("the document is there".into())),
        Condition::Absent(_) => Ok(()),
        Condition::Version(expected) => {
            let found = before.map_or(0, |version| version.record.version);
            let detail = || format!("the document is in version {found}, not {expected}");
            if found == *expected { Ok(()) } else { Err(Rejection::new(Code::VersionConflict, detail())) }
        }
        Condition::Predicate(bytes) => {
            let predicate = serde_json::from_slice(bytes).expect("checked when it was parsed");
            let holds = value.is_some_and(|value| document::predicate_holds(value, &predicate));
            if holds { Ok(()) } else { Err(failed("the predicate does not hold".into())) }
        }
    }
}

fn check_size(bytes: usize, bytes_max: u64) -> Result<(), Rejection> {
    let detail = || format!("a document of {bytes} bytes, at most {bytes_max}");
    if bytes as u64 > bytes_max { Err(Rejection::new(Code::TooLarge, detail())) } else { Ok(()) }
}

fn schema_violation(violations: Vec<crate::Violation>) -> Rejection {
    let places = violations.iter().map(|v| format!("{:?} ({})", v.pointer, v.keyword)).collect::<Vec<_>>().join(", ");
    let detail = format!("the document does not satisfy its schema at {places}");
    Rejection { violations, ..Rejection::new(Code::SchemaViolation, detail) }
}

fn parse_definition(version: &Version) -> Result<Definition, KvError> {
    let corrupt = |message: String| KvError::Corrupt { family: "documents", message };
    let collection: Collection = version.parsed().map_err(|e| corrupt(e.to_string()))?;
    Definition::compile(&collection).map_err(|e| corrupt(e.to_string()))
}
