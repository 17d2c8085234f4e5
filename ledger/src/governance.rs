//! Turn operations on governance into versions of system documents.

use crate::Violation;
use crate::definition::Definition;
use crate::epoch::{activate, admit};
use crate::execute::{RULES_LEDGER, RULES_RAFT, Scope};
use crate::proposals::{approve, propose, withdraw};
use crate::rejection::{Code, Rejection};
use crate::schema::{Break, breaks};
use crate::store::kv::KvError;
use countersign_proof::{
    Collection, Limits, Named, PublicKey, RemoveNode, SetAccount, SetNode,
    limits::{ACCOUNT_KEYS_MAX, ADDRESS_BYTES_MAX},
    operation::Change,
    organisation_of,
};
use serde_json::{Value, json};

/// The newest rules this build implements.
pub(crate) const RULES_IMPLEMENTED: u64 = 1;

/// Why an operation ends its transaction.
pub(crate) enum Halt {
    /// It is not valid.
    Rejected(Rejection),
    /// It is not valid as long as nobody else approves; what is proposed waits for that.
    Unapproved(Rejection),
    /// The store failed.
    Failed(KvError),
}

impl Halt {
    /// Says in which part of the operation it is.
    pub(crate) fn within(self, part: &str) -> Halt {
        let say = |rejection: Rejection| Rejection { detail: format!("{part}: {}", rejection.detail), ..rejection };
        match self {
            Halt::Rejected(rejection) => Halt::Rejected(say(rejection)),
            Halt::Unapproved(rejection) => Halt::Unapproved(say(rejection)),
            Halt::Failed(error) => Halt::Failed(error),
        }
    }
}

impl From<Rejection> for Halt {
    fn from(rejection: Rejection) -> Halt {
        Halt::Rejected(rejection)
    }
}

impl From<KvError> for Halt {
    fn from(error: KvError) -> Halt {
        Halt::Failed(error)
    }
}

/// Executes one operation on governance: approvals, then existence, then the value.
pub(crate) fn govern(scope: &mut Scope<'_>, change: &Change, argument: &Value) -> Result<(), Halt> {
    match change {
        Change::DefineCollection(define) => define_collection(scope, &define.name, argument),
        Change::SetAccount(set) => set_account(scope, set),
        Change::SetNode(set) => set_node(scope, set),
        Change::RemoveNode(remove) => remove_node(scope, remove),
        Change::SetRules(_) => set_rules(scope, argument),
        Change::Admit(_) => admit(scope, argument),
        Change::Activate(change) => activate(scope, change),
        Change::EvolveCollection(evolve) => evolve_collection(scope, &evolve.name, argument),
        Change::SetOrganisation(set) => set_organisation(scope, &set.organisation, argument),
        Change::Propose(change) => propose(scope, change, argument),
        Change::Approve(change) => approve(scope, change),
        Change::Withdraw(change) => withdraw(scope, change),
        _ => unreachable!("an operation on a document is not governance"),
    }
}

fn define_collection(scope: &mut Scope<'_>, name: &str, definition: &Value) -> Result<(), Halt> {
    need_quorum(scope)?;
    if scope.alive("$schemas", name)?.is_some() {
        return Err(Rejection::new(Code::AlreadyExists, format!("the collection {name:?} exists")).into());
    }
    check_definition(scope, definition)?;
    scope.write("$schemas", name, Some(definition.clone()))
}

/// Replaces a definition. What is read and written from the next operation on is judged by the new one; documents that are
/// there are not touched, and stay valid.
fn evolve_collection(scope: &mut Scope<'_>, name: &str, definition: &Value) -> Result<(), Halt> {
    need_quorum(scope)?;
    let unknown = || Rejection::new(Code::NotFound, format!("no collection {name:?}"));
    let before = scope.alive("$schemas", name)?.ok_or_else(unknown)?;
    let collection = check_definition(scope, definition)?;
    let before: Collection =
        before.parsed().map_err(|e| KvError::Corrupt { family: "documents", message: format!("$schemas: {e}") })?;
    let mut breaks = breaks(&before.schema, &collection.schema);
    breaks.extend(named_break(before.access.named(), collection.access.named()));
    if !breaks.is_empty() {
        return Err(breaking_change(breaks).into());
    }
    scope.write("$schemas", name, Some(definition.clone()))
}

/// What holds of every definition, new or changed: an access rule over members, and a schema that compiles.
fn check_definition(scope: &mut Scope<'_>, definition: &Value) -> Result<Collection, Rejection> {
    let invalid = |reason: String| Rejection::new(Code::InvalidValue, reason);
    let collection: Collection =
        serde_json::from_value(definition.clone()).map_err(|e| invalid(format!("definition: {e}")))?;
    let membership = scope.membership();
    let is_member = |organisation: &str| membership.organisations.contains_key(organisation);
    collection.access.check(is_member).map_err(|e| invalid(e.to_string()))?;
    scope.count_policies(&collection.access)?;
    let compiled = Definition::compile(&collection).map_err(|e| invalid(e.to_string()))?;
    scope.count_patterns(&compiled)?;
    Ok(collection)
}

/// A document that names its readers would name them in vain, or one that does not would have to.
fn named_break(before: Named, after: Named) -> Option<Break> {
    let reason = "whether documents name their own readers, writers and owners can only become optional".to_owned();
    let (pointer, keyword) = ("/access/named".to_owned(), "named".to_owned());
    (before != after && after != Named::Optional).then_some(Break { pointer, keyword, reason })
}

fn breaking_change(breaks: Vec<Break>) -> Rejection {
    let told = breaks.iter().map(|b| format!("{:?}: {}", b.pointer, b.reason)).collect::<Vec<_>>().join("; ");
    let violations = breaks.into_iter().map(|b| Violation { pointer: b.pointer, keyword: b.keyword }).collect();
    let detail = format!("documents that are valid now could become invalid at {told}");
    Rejection { violations, ..Rejection::new(Code::BreakingChange, detail) }
}

fn set_organisation(scope: &mut Scope<'_>, organisation: &str, attributes: &Value) -> Result<(), Halt> {
    need_quorum(scope)?;
    if !scope.membership().organisations.contains_key(organisation) {
        return Err(Rejection::new(Code::NotFound, format!("{organisation} is no member")).into());
    }
    scope.write("$organisations", organisation, Some(json!({ "attributes": attributes })))
}

fn set_account(scope: &mut Scope<'_>, set: &SetAccount) -> Result<(), Halt> {
    need_own(scope, organisation_of(&set.account))?;
    if set.keys.len() > ACCOUNT_KEYS_MAX {
        return Err(Rejection::new(Code::InvalidValue, format!("more than {ACCOUNT_KEYS_MAX} keys")).into());
    }
    if set.keys.is_empty() && !set.account.contains('/') {
        return Err(Rejection::new(Code::InvalidValue, "an organisation keeps a governance key").into());
    }
    if !set.keys.is_sorted_by(|a, b| a < b) {
        return Err(Rejection::new(Code::InvalidValue, "keys are not ascending, or one stands twice").into());
    }
    let before = scope.account_keys(&set.account)?;
    let mut keys = Vec::with_capacity(set.keys.len());
    for bytes in &set.keys {
        let key = usable_key(bytes)?;
        if !before.contains(&key) {
            scope.enrol(key)?;
        }
        keys.push(key);
    }
    scope.write("$accounts", &set.account, Some(json!({ "keys": keys })))
}

fn set_node(scope: &mut Scope<'_>, set: &SetNode) -> Result<(), Halt> {
    need_own(scope, organisation_of(&set.node))?;
    if set.address.is_empty() || set.address.len() > ADDRESS_BYTES_MAX {
        return Err(Rejection::new(Code::InvalidValue, format!("an address of 1 to {ADDRESS_BYTES_MAX} bytes")).into());
    }
    let tls = usable_key(&set.tls)?;
    let before = scope.alive("$nodes", &set.node)?;
    let before = before.as_ref().and_then(|version| version.value.as_ref());
    if before.and_then(|node| node["tls"].as_str()) != Some(&tls.to_string()[..]) {
        scope.enrol(tls)?;
    }
    let raft = match before.and_then(|node| node["raft"].as_u64()) {
        Some(raft) if !set.rejoin => raft,
        _ => next_raft_id(scope)?,
    };
    scope.write("$nodes", &set.node, Some(json!({ "address": set.address, "raft": raft, "tls": tls })))
}

/// Raft ids come from a counter in the state and are never used twice.
pub(crate) fn next_raft_id(scope: &mut Scope<'_>) -> Result<u64, Halt> {
    let counter = scope.alive("$rules", RULES_RAFT)?.expect("genesis wrote it");
    let last = counter.value.as_ref().and_then(|value| value["last"].as_u64()).expect("genesis wrote it");
    scope.write("$rules", RULES_RAFT, Some(json!({ "last": last + 1 })))?;
    Ok(last + 1)
}

fn remove_node(scope: &mut Scope<'_>, remove: &RemoveNode) -> Result<(), Halt> {
    need_own(scope, organisation_of(&remove.node))?;
    if scope.alive("$nodes", &remove.node)?.is_none() {
        return Err(Rejection::new(Code::NotFound, format!("no node {:?}", remove.node)).into());
    }
    if scope.membership().node(&remove.node).is_some() {
        return Err(Rejection::new(Code::InvalidValue, "a voter leaves only by a change of membership").into());
    }
    scope.write("$nodes", &remove.node, None)
}

fn set_rules(scope: &mut Scope<'_>, rules: &Value) -> Result<(), Halt> {
    need_quorum(scope)?;
    let invalid = |reason: String| Rejection::new(Code::InvalidValue, reason);
    let parsed: LedgerRules = serde_json::from_value(rules.clone()).map_err(|e| invalid(format!("rules: {e}")))?;
    parsed.limits.check().map_err(|e| invalid(e.to_string()))?;
    if parsed.rules == 0 || parsed.rules > RULES_IMPLEMENTED {
        return Err(invalid(format!("rules {} are unknown to rules {RULES_IMPLEMENTED}", parsed.rules)).into());
    }
    scope.write("$rules", RULES_LEDGER, Some(rules.clone()))
}

/// The document `$rules/ledger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerRules {
    pub(crate) limits: Limits,
    pub(crate) rules: u64,
}

pub(crate) fn usable_key(bytes: &[u8]) -> Result<PublicKey, Rejection> {
    PublicKey::from_bytes(bytes).map_err(|e| Rejection::new(Code::KeyInUse, e.to_string()))
}

/// Needs the governance account of the organisation, by signature or approval.
pub(crate) fn need_own(scope: &Scope<'_>, organisation: &str) -> Result<(), Halt> {
    if !scope.membership().organisations.contains_key(organisation) {
        return Err(Rejection::new(Code::Unauthorized, format!("{organisation} is no member")).into());
    }
    if !scope.signed_by(organisation) {
        let detail = format!("needs the governance account {organisation}");
        return Err(Halt::Unapproved(Rejection::new(Code::Unauthorized, detail)));
    }
    Ok(())
}

/// Needs the governance accounts of a quorum, by signature or approval.
pub(crate) fn need_quorum(scope: &Scope<'_>) -> Result<(), Halt> {
    let membership = scope.membership();
    let approvals = membership.organisations.keys().filter(|name| scope.signed_by(name)).count();
    if approvals < membership.quorum() {
        let detail = format!("{approvals} governance accounts approve, {} must", membership.quorum());
        return Err(Halt::Unapproved(Rejection::new(Code::Unauthorized, detail)));
    }
    Ok(())
}
