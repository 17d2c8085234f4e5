//! Put an operation into words: what it does, to what, with which values.

use crate::limits::SHOWN_BYTES_MAX;
use crate::links;
use crate::show::{Shown, time, visible};
use countersign_proof::operation::Change;
use countersign_proof::precondition::Condition;
use countersign_proof::{Operation, Transaction};
use serde_json::Value;
use std::ops::Range;

/// One operation of a transaction's page.
pub(super) struct OperationView {
    /// Its number in the transaction, from 0, as a rejection names it.
    pub(super) number: usize,
    pub(super) verb: &'static str,
    /// What it touches; for a document `<collection>/<id>`.
    pub(super) object: String,
    /// Where the document is shown; empty for none.
    pub(super) link: String,
    /// What is said beside the value, each with its name.
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) value: Option<Shown>,
}

/// The operations in `range`, which share the room of one page. A rejected transaction made no document to link to.
pub(super) fn operation_views(transaction: &Transaction, range: Range<usize>, applied: bool) -> Vec<OperationView> {
    let mut room = SHOWN_BYTES_MAX;
    let operations = transaction.body.operations.iter().zip(&transaction.values).enumerate();
    let shown = operations.skip(range.start).take(range.len());
    shown.map(|(number, (operation, value))| view(number, operation, value, applied, &mut room)).collect()
}

fn view(number: usize, operation: &Operation, value: &Value, applied: bool, room: &mut usize) -> OperationView {
    let change = operation.change.as_ref().expect("Transaction::parse refuses an operation that does nothing");
    let Described { verb, governs, mut facts, json } = described(change);
    let (object, link) = match governs {
        Some(governed) => (governed.to_owned(), String::new()),
        None => document(operation, applied),
    };
    if let Some(condition) = operation.precondition.as_ref().and_then(|precondition| precondition.condition.as_ref()) {
        facts.push(("only if", only_if(condition)));
    }
    let value = json.map(|json| Shown::of(value, json.len(), room));
    OperationView { number, verb, object: visible(&object), link, facts, value }
}

fn document(operation: &Operation, applied: bool) -> (String, String) {
    let Operation { collection, id, .. } = operation;
    let link = if applied { links::document(collection, id) } else { String::new() };
    (format!("{collection}/{id}"), link)
}

/// What a change says of itself.
struct Described<'a> {
    verb: &'static str,
    /// What governance touches; none for an operation on a document.
    governs: Option<&'a str>,
    facts: Vec<(&'static str, String)>,
    /// The bytes of the JSON it carries.
    json: Option<&'a [u8]>,
}

fn described(change: &Change) -> Described<'_> {
    let says = |verb, governs, facts, json| Described { verb, governs, facts, json };
    match change {
        Change::Create(json) => says("create", None, vec![], Some(json)),
        Change::Replace(json) => says("replace", None, vec![], Some(json)),
        Change::Put(put) => {
            let by = (!put.key.is_empty()).then(|| ("by the key", visible(&put.key.join(", "))));
            says("put", None, by.into_iter().collect(), Some(&put.value))
        }
        Change::Patch(json) => says("patch", None, vec![], Some(json)),
        Change::Delete(_) => says("delete", None, vec![], None),
        Change::Increment(increment) => {
            let facts = vec![("at", visible(&increment.pointer)), ("by", increment.by.to_string())];
            says("increment", None, facts, None)
        }
        Change::Append(append) => says("append", None, vec![("at", visible(&append.pointer))], Some(&append.value)),
        Change::DefineCollection(define) => {
            says("define collection", Some(&define.name), vec![], Some(&define.definition))
        }
        Change::SetAccount(set) => says("set account", Some(&set.account), keys(&set.keys), None),
        Change::SetNode(set) => {
            let tls = ("TLS key", hexadecimal(&set.tls));
            let facts = vec![("address", visible(&set.address)), tls, ("rejoin", set.rejoin.to_string())];
            says("set node", Some(&set.node), facts, None)
        }
        Change::RemoveNode(remove) => says("remove node", Some(&remove.node), vec![], None),
        Change::Admit(admit) => says("admit", Some("$members/next"), vec![], Some(&admit.admission)),
        Change::Activate(activate) => {
            let facts = vec![("membership", hexadecimal(&activate.members))];
            says("activate", Some("$members/current"), facts, None)
        }
        Change::EvolveCollection(evolve) => {
            says("evolve collection", Some(&evolve.name), vec![], Some(&evolve.definition))
        }
        Change::SetOrganisation(set) => {
            says("set organisation", Some(&set.organisation), vec![], Some(&set.attributes))
        }
        Change::Propose(propose) => {
            let facts = vec![("expires", time(propose.expires_ms))];
            says("propose", Some("$proposals"), facts, Some(&propose.operations))
        }
        Change::Approve(approve) => {
            let facts = vec![
                ("proposal", hexadecimal(&approve.proposal)),
                ("hash of the operations", hexadecimal(&approve.operations)),
            ];
            says("approve", Some("$proposals"), facts, None)
        }
        Change::Withdraw(withdraw) => {
            says("withdraw", Some("$proposals"), vec![("proposal", hexadecimal(&withdraw.proposal))], None)
        }
        Change::SetRules(set) => says("set rules", Some("$rules/ledger"), vec![], Some(&set.rules)),
    }
}

fn keys(keys: &[Vec<u8>]) -> Vec<(&'static str, String)> {
    if keys.is_empty() {
        return vec![("keys", "none: the account is closed".to_owned())];
    }
    keys.iter().map(|key| ("key", hexadecimal(key))).collect()
}

fn hexadecimal(key: &[u8]) -> String {
    // A key of the wrong length is only rejected at execution, so it can be long here.
    let digits: String = key.iter().take(32).map(|byte| format!("{byte:02x}")).collect();
    if key.len() > 32 { format!("{digits}… ({} bytes)", key.len()) } else { digits }
}

fn only_if(condition: &Condition) -> String {
    match condition {
        Condition::Absent(_) => "the document is absent".to_owned(),
        Condition::Version(version) => format!("its newest version is {version}"),
        Condition::Predicate(json) => visible(&String::from_utf8_lossy(json)),
    }
}
