//! Change the membership: admit what the next epoch will be, activate it once those who join hold their keys.

use crate::execute::{MEMBERS_CURRENT, MEMBERS_NEXT, Scope};
use crate::governance::{Halt, need_own, need_quorum, next_raft_id};
use crate::rejection::{Code, Rejection};
use crate::store::kv::KvError;
use countersign_proof::{
    Activate, Admission, Membership, NodeKeys, PublicKey, canonical, check_activation, organisation_of,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Records the membership of the next epoch, with accounts and nodes for whoever is new. One that is recorded and not
/// active yet is replaced.
pub(crate) fn admit(scope: &mut Scope<'_>, admission: &Value) -> Result<(), Halt> {
    let invalid = |reason: String| Rejection::new(Code::InvalidValue, reason);
    let admission: Admission =
        serde_json::from_value(admission.clone()).map_err(|e| invalid(format!("admission: {e}")))?;
    let current = scope.membership();
    admission.check(&current).map_err(|e| invalid(e.to_string()))?;
    check_revocations(scope, &current, &admission.members)?;
    check_approvals(scope, &current, &admission.members)?;
    let pending = pending(scope)?.map(|(_, membership)| membership);
    enrol_keys(scope, &current, pending.as_ref(), &admission.members)?;
    open_accounts(scope, &admission)?;
    place_nodes(scope, &admission)?;
    let members = serde_json::to_value(&admission.members).expect("a membership is JSON");
    scope.write("$members", MEMBERS_NEXT, Some(members))
}

/// Brings in the recorded membership from the next block on. Whoever is a member may ask for it: the quorum has approved
/// when it was recorded, and the note shows that those who join are ready.
pub(crate) fn activate(scope: &mut Scope<'_>, activate: &Activate) -> Result<(), Halt> {
    let not_found = || Rejection::new(Code::NotFound, "no membership is admitted");
    let (admitted_height, next) = pending(scope)?.ok_or_else(not_found)?;
    if next.hash().0 != activate.members[..] {
        let detail = format!("the membership admitted is {}, not {}", next.hash(), hex::encode(&activate.members));
        return Err(Rejection::new(Code::VersionConflict, detail).into());
    }
    let current = scope.membership();
    let invalid = |reason: String| Rejection::new(Code::InvalidValue, reason);
    // The one place where execution checks cosignatures: strictly, as everywhere, and by a pinned library.
    let checkpoint = check_activation(&activate.checkpoint, &scope.origin(), &current, &next)
        .map_err(|refusal| invalid(refusal.to_string()))?;
    let since = scope.size_after(admitted_height)?;
    if since.is_none_or(|since| checkpoint.size < since) {
        return Err(invalid(format!("the checkpoint of size {} is from before the admission", checkpoint.size)).into());
    }
    if scope.root_at(checkpoint.size)? != Some(checkpoint.root) {
        return Err(invalid(format!("the checkpoint of size {} is not of this log", checkpoint.size)).into());
    }
    for (node, _) in current.nodes().filter(|(node, _)| !next.organisations.contains_key(organisation_of(node))) {
        if scope.alive("$nodes", &node)?.is_some() {
            scope.write("$nodes", &node, None)?;
        }
    }
    // Who leaves and comes back gets no rights from what was said of him before.
    for organisation in current.organisations.keys().filter(|name| !next.organisations.contains_key(*name)) {
        if scope.alive("$organisations", organisation)?.is_some() {
            scope.write("$organisations", organisation, None)?;
        }
    }
    let members = serde_json::to_value(&next).expect("a membership is JSON");
    scope.write("$members", MEMBERS_CURRENT, Some(members))?;
    scope.write("$members", MEMBERS_NEXT, None)
}

/// The membership recorded and not active yet, with the height of its record.
fn pending(scope: &mut Scope<'_>) -> Result<Option<(u64, Membership)>, Halt> {
    let Some(version) = scope.alive("$members", MEMBERS_NEXT)? else { return Ok(None) };
    let corrupt = |e: countersign_proof::ProofError| KvError::Corrupt { family: "documents", message: e.to_string() };
    let membership = Membership::parse(&canonical(&version.value)).map_err(corrupt)?;
    Ok(Some((version.record.height, membership)))
}

/// What is revoked stays revoked at its size; what is added names a key that stands on the ledger.
fn check_revocations(scope: &Scope<'_>, current: &Membership, next: &Membership) -> Result<(), Halt> {
    let kept = current.revoked.iter().all(|(key, size)| next.revoked.get(key) == Some(size));
    if !kept {
        return Err(Rejection::new(Code::InvalidValue, "a revocation is taken back or altered").into());
    }
    for key in next.revoked.keys().filter(|key| !current.revoked.contains_key(*key)) {
        if !scope.key_stands(key)? {
            return Err(Rejection::new(Code::InvalidValue, format!("{key} is revoked and was never a key here")).into());
        }
    }
    Ok(())
}

/// An organisation changes its own keys with its own governance account; all else needs a quorum's. So does a
/// revocation of what was signed already: nobody takes back alone what others rely on.
fn check_approvals(scope: &Scope<'_>, current: &Membership, next: &Membership) -> Result<(), Halt> {
    let names = |membership: &Membership| membership.organisations.keys().cloned().collect::<BTreeSet<_>>();
    let mut changed: BTreeSet<&str> = current
        .organisations
        .iter()
        .filter(|(name, member)| next.organisations.get(*name) != Some(member))
        .map(|(name, _)| name.as_str())
        .collect();
    let mut reaches_back = false;
    for (key, size) in next.revoked.iter().filter(|(key, _)| !current.revoked.contains_key(*key)) {
        let owner = current.nodes().find(|(_, keys)| keys_of(keys).contains(key)).map(|(node, _)| node);
        let owner = owner.and_then(|node| current.organisations.get_key_value(organisation_of(&node)));
        reaches_back |= owner.is_none() || *size < scope.size_before();
        changed.extend(owner.map(|(name, _)| name.as_str()));
    }
    match (names(current) == names(next) && !reaches_back, changed.len()) {
        (true, 1) => need_own(scope, changed.first().expect("one")),
        _ => need_quorum(scope),
    }
}

fn keys_of(keys: &NodeKeys) -> [PublicKey; 3] {
    [keys.cosign, keys.log, keys.proposal]
}

/// A key that the node does not have in this role already must never have stood on the ledger.
fn enrol_keys(
    scope: &mut Scope<'_>,
    current: &Membership,
    pending: Option<&Membership>,
    next: &Membership,
) -> Result<(), Halt> {
    for (node, keys) in next.nodes() {
        let before: Vec<[PublicKey; 3]> =
            [Some(current), pending].into_iter().flatten().filter_map(|m| m.node(&node)).map(keys_of).collect();
        for (role, key) in keys_of(keys).into_iter().enumerate() {
            if !before.iter().any(|before| before[role] == key) {
                scope.enrol(key)?;
            }
        }
    }
    Ok(())
}

fn open_accounts(scope: &mut Scope<'_>, admission: &Admission) -> Result<(), Halt> {
    for (organisation, key) in &admission.organisations {
        let keys = scope.account_keys(organisation)?;
        if keys.is_empty() {
            scope.enrol(*key)?;
            scope.write("$accounts", organisation, Some(json!({ "keys": [key] })))?;
        } else if *keys != [*key] {
            let detail = format!("{organisation} has its account already, with other keys");
            return Err(Rejection::new(Code::AlreadyExists, detail).into());
        }
    }
    for organisation in admission.members.organisations.keys() {
        if scope.account_keys(organisation)?.is_empty() {
            let detail = format!("{organisation} joins and has no governance key");
            return Err(Rejection::new(Code::InvalidValue, detail).into());
        }
    }
    Ok(())
}

fn place_nodes(scope: &mut Scope<'_>, admission: &Admission) -> Result<(), Halt> {
    for (name, node) in &admission.nodes {
        let before = scope.alive("$nodes", name)?;
        let before = before.as_ref().and_then(|version| version.value.as_ref());
        let known = before.and_then(|before| before["tls"].as_str()) == Some(&node.tls.to_string()[..]);
        if before.is_some() && !known {
            return Err(Rejection::new(Code::AlreadyExists, format!("{name} is on the ledger with another key")).into());
        }
        if !known {
            scope.enrol(node.tls)?;
            let raft = next_raft_id(scope)?;
            scope.write("$nodes", name, Some(json!({ "address": node.address, "raft": raft, "tls": node.tls })))?;
        }
    }
    for (name, _) in admission.members.nodes() {
        if scope.alive("$nodes", &name)?.is_none() {
            return Err(Rejection::new(Code::InvalidValue, format!("{name} joins and has no address")).into());
        }
    }
    Ok(())
}
