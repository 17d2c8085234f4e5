//! Let organisations approve operations on governance one after the other: propose, approve, withdraw.
//!
//! ```text
//!  propose ─▶ open ─┬─ the approvals suffice ─▶ executed
//!                   ├─ its proposer withdraws ─▶ withdrawn
//!                   └─ its time is over ───────▶ expired (written when its organisation proposes again)
//! ```
//! What is proposed is executed in the transaction of the last approval it needs, by the functions that execute it when all
//! sign at once: an approval stands for a signature ([`Scope::signed_by`]), and nothing else differs.

use crate::execute::Scope;
use crate::governance::{Halt, govern, need_own};
use crate::rejection::{Code, Rejection};
use crate::store::kv::KvError;
use countersign_proof::{
    Approve, Hash, Operation, Propose, Proposed, PublicKey, Withdraw,
    limits::{PROPOSAL_OPEN_MS_MAX, PROPOSALS_OPEN_MAX},
    organisation_of, proposed_hash,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PROPOSALS: &str = "$proposals";

/// The document `$proposals/<id>`; the id is that of the transaction that proposed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalRecord {
    /// By organisation.
    pub approvals: BTreeMap<String, Approval>,
    /// When and by what it ceased to be open.
    pub closed: Option<Closed>,
    /// Milliseconds since 1970 after which nobody approves it.
    pub expires: u64,
    /// The proposed operations, each a [`Proposed`].
    pub operations: Value,
    /// Their plain hash, which approvals name.
    pub operations_hash: Hash,
    /// When it was proposed.
    pub proposed: u64,
    /// The organisation that did.
    pub proposer: String,
    /// Where it stands. One that is open past its time is expired, too.
    pub state: ProposalState,
}

/// An organisation's approval. It counts while the organisation is a member and its governance account has the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The key that signed.
    pub key: PublicKey,
    /// The time of its block.
    pub time: u64,
    /// The transaction that approved.
    pub transaction: Hash,
}

/// The end of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closed {
    /// The time of its block.
    pub time: u64,
    /// The transaction that closed it.
    pub transaction: Hash,
}

/// Where a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProposalState {
    /// It may be approved.
    Open,
    /// Its operations took effect.
    Executed,
    /// Its proposer took it back.
    Withdrawn,
    /// Its time was over.
    Expired,
}

/// The open proposals of one organisation with their ends: the document `$rules/proposals/<organisation>`.
type OpenProposals = BTreeMap<String, u64>;

/// Records a proposal, approved by whoever signs, and executes it if that is all it needs. What would fail if all approved is
/// rejected at once.
pub(crate) fn propose(scope: &mut Scope<'_>, propose: &Propose, operations: &Value) -> Result<(), Halt> {
    let proposer = organisation_of(scope.by()).to_owned();
    need_own(scope, &proposer)?;
    check_expiry(scope.time(), propose.expires_ms)?;
    let id = scope.transaction_id().to_string();
    if scope.alive(PROPOSALS, &id)?.is_some() {
        return Err(Rejection::new(Code::InvalidValue, "a transaction makes one proposal").into());
    }
    let mut open = sweep(scope, &proposer)?;
    if open.len() >= PROPOSALS_OPEN_MAX {
        let detail = format!("{} proposals of {proposer} are open, at most {PROPOSALS_OPEN_MAX} may be", open.len());
        return Err(Rejection::new(Code::PreconditionFailed, detail).into());
    }
    let everybody = scope.membership().organisations.keys().cloned().collect();
    let before = scope.mark();
    execute(scope, &parse(operations)?, everybody)?;
    scope.take_back(before);
    let record = ProposalRecord {
        approvals: signing(scope),
        closed: None,
        expires: propose.expires_ms,
        operations: operations.clone(),
        operations_hash: proposed_hash(operations),
        proposed: scope.time(),
        proposer: proposer.clone(),
        state: ProposalState::Open,
    };
    let record = settle(scope, &id, record)?;
    if record.state == ProposalState::Open {
        open.insert(id, record.expires);
    }
    write_open(scope, &proposer, &open)
}

/// Adds the approvals of whoever signs, and executes the proposal if they suffice.
pub(crate) fn approve(scope: &mut Scope<'_>, approve: &Approve) -> Result<(), Halt> {
    let by = organisation_of(scope.by()).to_owned();
    need_own(scope, &by)?;
    let (id, mut record) = open_record(scope, &approve.proposal)?;
    if record.operations_hash.0 != approve.operations[..] {
        let approved = hex::encode(&approve.operations);
        let detail = format!("the operations proposed have the hash {}, not {approved}", record.operations_hash);
        return Err(Rejection::new(Code::VersionConflict, detail).into());
    }
    let counted = counting(scope, &record)?;
    let mut fresh = signing(scope);
    fresh.retain(|organisation, _| !counted.contains(organisation));
    let nothing_new = fresh.is_empty();
    record.approvals.extend(fresh);
    let record = settle(scope, &id, record)?;
    match record.state {
        // Nothing new can suffice when the quorum has become smaller since.
        ProposalState::Open if nothing_new => {
            Err(Rejection::new(Code::AlreadyExists, format!("{by} has approved it already")).into())
        }
        ProposalState::Open => Ok(()),
        _ => close(scope, &record.proposer, &id),
    }
}

/// Takes a proposal back.
pub(crate) fn withdraw(scope: &mut Scope<'_>, withdraw: &Withdraw) -> Result<(), Halt> {
    let (id, record) = open_record(scope, &withdraw.proposal)?;
    need_own(scope, &record.proposer)?;
    let record = end(scope, record, ProposalState::Withdrawn);
    write_record(scope, &id, &record)?;
    close(scope, &record.proposer, &id)
}

fn check_expiry(time: u64, expires: u64) -> Result<(), Rejection> {
    if expires <= time || expires - time > PROPOSAL_OPEN_MS_MAX {
        let days = PROPOSAL_OPEN_MS_MAX / 86_400_000;
        let detail = format!("a proposal of the time {time} expires after it and within {days} days, not at {expires}");
        return Err(Rejection::new(Code::InvalidValue, detail));
    }
    Ok(())
}

/// The proposal, when it may still be approved or withdrawn.
fn open_record(scope: &mut Scope<'_>, id: &[u8]) -> Result<(String, ProposalRecord), Halt> {
    let id = hex::encode(id);
    let record = read_record(scope, &id)?;
    let record = record.ok_or_else(|| Rejection::new(Code::NotFound, format!("no proposal {id}")))?;
    if record.state != ProposalState::Open {
        let detail = format!("the proposal is {} already", format!("{:?}", record.state).to_lowercase());
        return Err(Rejection::new(Code::PreconditionFailed, detail).into());
    }
    if scope.time() > record.expires {
        let detail = format!("the proposal expired at {}, this was ordered at {}", record.expires, scope.time());
        return Err(Rejection::new(Code::Expired, detail).into());
    }
    Ok((id, record))
}

/// Executes the proposal if its approvals suffice, and records it as it then stands.
fn settle(scope: &mut Scope<'_>, id: &str, record: ProposalRecord) -> Result<ProposalRecord, Halt> {
    let approving = counting(scope, &record)?;
    let before = scope.mark();
    let record = match execute(scope, &parse(&record.operations)?, approving) {
        Ok(()) => end(scope, record, ProposalState::Executed),
        Err(Halt::Unapproved(_)) => {
            scope.take_back(before);
            record
        }
        Err(halt) => return Err(halt),
    };
    write_record(scope, id, &record)?;
    Ok(record)
}

/// Executes the operations as if the organisations in `approving` had signed, too.
fn execute(scope: &mut Scope<'_>, operations: &[(Operation, Value)], approving: BTreeSet<String>) -> Result<(), Halt> {
    scope.approve_as(approving);
    let mut one = |at: usize, operation: &Operation, value: &Value| {
        let change = operation.change.as_ref().expect("parsed from one");
        govern(scope, change, value).map_err(|halt| halt.within(&format!("operation {at} of the proposal")))
    };
    let done = operations.iter().enumerate().try_for_each(|(at, (operation, value))| one(at, operation, value));
    scope.approve_as(BTreeSet::new());
    done
}

fn parse(operations: &Value) -> Result<Vec<(Operation, Value)>, Rejection> {
    let invalid = |e: countersign_proof::ProofError| Rejection::new(Code::InvalidValue, e.to_string());
    Proposed::parse_all("operations", operations).map_err(invalid)
}

/// The organisations whose approvals count now.
fn counting(scope: &mut Scope<'_>, record: &ProposalRecord) -> Result<BTreeSet<String>, KvError> {
    let membership = scope.membership();
    let mut counting = BTreeSet::new();
    for (organisation, approval) in &record.approvals {
        let is_member = membership.organisations.contains_key(organisation);
        if is_member && scope.account_keys(organisation)?.contains(&approval.key) {
            counting.insert(organisation.clone());
        }
    }
    Ok(counting)
}

/// The approvals in the transaction's own signatures, which were checked before: governance accounts of members.
fn signing(scope: &Scope<'_>) -> BTreeMap<String, Approval> {
    let (time, transaction) = (scope.time(), scope.transaction_id());
    let approval = |key| Approval { key, time, transaction };
    let signers = scope.signers().filter(|(account, _)| !account.contains('/'));
    signers.map(|(account, key)| (account.to_owned(), approval(*key))).collect()
}

fn end(scope: &Scope<'_>, record: ProposalRecord, state: ProposalState) -> ProposalRecord {
    let closed = Some(Closed { time: scope.time(), transaction: scope.transaction_id() });
    ProposalRecord { closed, state, ..record }
}

/// The open proposals of an organisation, those whose time is over written as expired and left out.
fn sweep(scope: &mut Scope<'_>, organisation: &str) -> Result<OpenProposals, Halt> {
    let (mut open, now) = (read_open(scope, organisation)?, scope.time());
    for id in open.iter().filter(|(_, expires)| now > **expires).map(|(id, _)| id.clone()).collect::<Vec<_>>() {
        let record = read_record(scope, &id)?.expect("what is in the list of the open was written");
        let record = end(scope, record, ProposalState::Expired);
        write_record(scope, &id, &record)?;
        open.remove(&id);
    }
    Ok(open)
}

fn close(scope: &mut Scope<'_>, proposer: &str, id: &str) -> Result<(), Halt> {
    let mut open = read_open(scope, proposer)?;
    open.remove(id);
    write_open(scope, proposer, &open)
}

fn read_record(scope: &mut Scope<'_>, id: &str) -> Result<Option<ProposalRecord>, KvError> {
    read(scope, PROPOSALS, id)
}

fn write_record(scope: &mut Scope<'_>, id: &str, record: &ProposalRecord) -> Result<(), Halt> {
    scope.write(PROPOSALS, id, Some(serde_json::to_value(record).expect("plain data")))
}

fn read_open(scope: &mut Scope<'_>, organisation: &str) -> Result<OpenProposals, KvError> {
    Ok(read(scope, "$rules", &open_id(organisation))?.unwrap_or_default())
}

fn write_open(scope: &mut Scope<'_>, organisation: &str, open: &OpenProposals) -> Result<(), Halt> {
    scope.write("$rules", &open_id(organisation), Some(serde_json::to_value(open).expect("plain data")))
}

fn open_id(organisation: &str) -> String {
    format!("proposals/{organisation}")
}

fn read<T: serde::de::DeserializeOwned>(
    scope: &mut Scope<'_>,
    collection: &'static str,
    id: &str,
) -> Result<Option<T>, KvError> {
    let Some(version) = scope.alive(collection, id)? else { return Ok(None) };
    let corrupt =
        |e: serde_json::Error| KvError::Corrupt { family: "documents", message: format!("{collection}: {e}") };
    version.parsed().map(Some).map_err(corrupt)
}
