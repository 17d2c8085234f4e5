//! Encode, sign and read transactions: the protobuf messages and their one minimal form.

use crate::hash::tagged;
use crate::json_writer::hex_array;
use crate::limits::{CALLER_BYTES_MAX, NOTE_BYTES_MAX, OPERATIONS_MAX, SIGNERS_MAX};
use crate::limits::{
    DEFINITION_DEPTH_MAX, JSON_DEPTH_MAX, KEY_POINTERS_MAX, PREDICATE_MEMBERS_MAX, PROPOSED_BYTES_MAX,
    PROPOSED_DEPTH_MAX,
};
use crate::{Hash, KeyPair, ProofError, Proposed, PublicKey, check_account, plain_hash, tagged_hash};
use crate::{check_attributes, check_collection, check_document_id, check_name, check_node, parse_canonical_value};
use prost::Message;
use serde_json::Value;
use std::sync::Arc;

/// A signed transaction as it travels: the body's bytes and one signature for each signer.
#[derive(Clone, PartialEq, Message)]
pub struct TransactionBytes {
    /// A [`Body`] in minimal form, signed and kept verbatim.
    #[prost(bytes = "vec", tag = "1")]
    pub body: Vec<u8>,
    /// One 64-byte signature for each signer, in their order.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub signatures: Vec<Vec<u8>>,
}

/// What is signed.
#[derive(Clone, PartialEq, Message)]
pub struct Body {
    /// The ledger's genesis hash: 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub genesis: Vec<u8>,
    /// 16 bytes, never used twice by one key.
    #[prost(bytes = "vec", tag = "2")]
    pub nonce: Vec<u8>,
    /// Milliseconds since 1970 after which it is `EXPIRED`; 0 for never.
    #[prost(uint64, tag = "3")]
    pub expires_ms: u64,
    /// On whose behalf: an opaque reference of 1 to 256 bytes; empty for none.
    #[prost(string, tag = "4")]
    pub caller: String,
    /// All or none of them apply.
    #[prost(message, repeated, tag = "5")]
    pub operations: Vec<Operation>,
    /// Who signs, in order; the first is the author, the others approve.
    #[prost(message, repeated, tag = "6")]
    pub signers: Vec<Signer>,
}

/// One signer of a [`Body`].
#[derive(Clone, PartialEq, Message)]
pub struct Signer {
    /// `<organisation>` or `<organisation>/<name>`.
    #[prost(string, tag = "1")]
    pub account: String,
    /// The 32 bytes of one of the account's keys.
    #[prost(bytes = "vec", tag = "2")]
    pub public_key: Vec<u8>,
}

/// One operation. `collection`, `id` and `precondition` belong to operations on documents and are absent
/// from those on governance.
#[derive(Clone, PartialEq, Message)]
pub struct Operation {
    /// The document's collection.
    #[prost(string, tag = "1")]
    pub collection: String,
    /// The document's id.
    #[prost(string, tag = "2")]
    pub id: String,
    /// What must hold before.
    #[prost(message, optional, tag = "3")]
    pub precondition: Option<Precondition>,
    /// What to do.
    #[prost(
        oneof = "operation::Change",
        tags = "4, 5, 6, 7, 8, 9, 10, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27"
    )]
    pub change: Option<operation::Change>,
}

/// The kinds of [`Operation`].
pub mod operation {
    use super::{Append, DefineCollection, Increment, Put, RemoveNode, SetAccount, SetNode, SetRules, Unit};

    /// What an operation does.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Change {
        /// A new document: canonical JSON.
        #[prost(bytes, tag = "4")]
        Create(Vec<u8>),
        /// The whole new value: canonical JSON.
        #[prost(bytes, tag = "5")]
        Replace(Vec<u8>),
        /// A merge patch (RFC 7396): canonical JSON.
        #[prost(bytes, tag = "6")]
        Patch(Vec<u8>),
        /// The document goes; its versions stay.
        #[prost(message, tag = "7")]
        Delete(Unit),
        /// Adds to an integer.
        #[prost(message, tag = "8")]
        Increment(Increment),
        /// Adds an element to the end of an array.
        #[prost(message, tag = "9")]
        Append(Append),
        /// The whole value, whether or not the document is there.
        #[prost(message, tag = "10")]
        Put(Put),
        /// Governance: a new collection.
        #[prost(message, tag = "16")]
        DefineCollection(DefineCollection),
        /// Governance: registers an account or replaces its keys.
        #[prost(message, tag = "17")]
        SetAccount(SetAccount),
        /// Governance: admits an observer, or changes a node's address or TLS key.
        #[prost(message, tag = "18")]
        SetNode(SetNode),
        /// Governance: removes an observer.
        #[prost(message, tag = "19")]
        RemoveNode(RemoveNode),
        /// Governance: new limits or rules; alone in its proposal.
        #[prost(message, tag = "20")]
        SetRules(SetRules),
        /// Records the membership of the next epoch.
        #[prost(message, tag = "21")]
        Admit(super::Admit),
        /// Brings in the membership that was recorded.
        #[prost(message, tag = "22")]
        Activate(super::Activate),
        /// Governance: a collection's whole new definition.
        #[prost(message, tag = "23")]
        EvolveCollection(super::EvolveCollection),
        /// Governance: what the members say of an organisation, which gives it rights.
        #[prost(message, tag = "24")]
        SetOrganisation(super::SetOrganisation),
        /// Governance: puts operations before the others, to be approved one after the other.
        #[prost(message, tag = "25")]
        Propose(super::Propose),
        /// Governance: approves what is proposed; with the last approval it needs, it is executed.
        #[prost(message, tag = "26")]
        Approve(super::Approve),
        /// Governance: takes back what one has proposed.
        #[prost(message, tag = "27")]
        Withdraw(super::Withdraw),
    }
}

/// Nothing more to say.
#[derive(Clone, PartialEq, Message)]
pub struct Unit {}

/// What must hold of the document before the operation.
#[derive(Clone, PartialEq, Message)]
pub struct Precondition {
    /// One of them.
    #[prost(oneof = "precondition::Condition", tags = "1, 2, 3")]
    pub condition: Option<precondition::Condition>,
}

/// The kinds of [`Precondition`].
pub mod precondition {
    use super::Unit;

    /// What must hold.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Condition {
        /// The document is not there.
        #[prost(message, tag = "1")]
        Absent(Unit),
        /// The newest version, be it a deletion, has this number.
        #[prost(uint64, tag = "2")]
        Version(u64),
        /// Canonical JSON: JSON pointers to comparisons, `{"/status":{"eq":"open"}}`; all must hold.
        #[prost(bytes, tag = "3")]
        Predicate(Vec<u8>),
    }
}

/// Adds `by` to the integer at `pointer`, within ±(2^53-1).
#[derive(Clone, PartialEq, Message)]
pub struct Increment {
    /// A JSON pointer (RFC 6901).
    #[prost(string, tag = "1")]
    pub pointer: String,
    /// What to add.
    #[prost(sint64, tag = "2")]
    pub by: i64,
}

/// Puts `value` at the end of the array at `pointer`.
#[derive(Clone, PartialEq, Message)]
pub struct Append {
    /// A JSON pointer (RFC 6901).
    #[prost(string, tag = "1")]
    pub pointer: String,
    /// Canonical JSON.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

/// Sets the whole value of a document that may or may not be there.
#[derive(Clone, PartialEq, Message)]
pub struct Put {
    /// Canonical JSON.
    #[prost(bytes = "vec", tag = "1")]
    pub value: Vec<u8>,
    /// The JSON pointers of a unique key of the collection. When given, the document is the one that holds the key that
    /// `value` has; when there is none, it is made under the operation's id.
    #[prost(string, repeated, tag = "2")]
    pub key: Vec<String>,
}

/// Makes a collection; needs the governance accounts of a quorum.
#[derive(Clone, PartialEq, Message)]
pub struct DefineCollection {
    /// The collection's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Canonical JSON: `{"access","schema"}`.
    #[prost(bytes = "vec", tag = "2")]
    pub definition: Vec<u8>,
}

/// Sets the keys of an account; needs its organisation's governance account.
#[derive(Clone, PartialEq, Message)]
pub struct SetAccount {
    /// `<organisation>/<name>`, or the organisation itself.
    #[prost(string, tag = "1")]
    pub account: String,
    /// All its keys from now on, 32 bytes each, ascending; none closes the account.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub keys: Vec<Vec<u8>>,
}

/// Admits an observer or changes a node; needs its organisation's governance account.
#[derive(Clone, PartialEq, Message)]
pub struct SetNode {
    /// `<organisation>/<name>`.
    #[prost(string, tag = "1")]
    pub node: String,
    /// Where the members reach it: `host:port`.
    #[prost(string, tag = "2")]
    pub address: String,
    /// The 32 bytes of its TLS key.
    #[prost(bytes = "vec", tag = "3")]
    pub tls: Vec<u8>,
    /// Gives it a new Raft id: it comes back with an empty log.
    #[prost(bool, tag = "4")]
    pub rejoin: bool,
}

/// Removes an observer; needs its organisation's governance account.
#[derive(Clone, PartialEq, Message)]
pub struct RemoveNode {
    /// `<organisation>/<name>`.
    #[prost(string, tag = "1")]
    pub node: String,
}

/// Changes rules or limits; needs the governance accounts of a quorum.
#[derive(Clone, PartialEq, Message)]
pub struct SetRules {
    /// Canonical JSON: `{"limits","rules"}`.
    #[prost(bytes = "vec", tag = "1")]
    pub rules: Vec<u8>,
}

/// Records the membership of the next epoch; needs the governance accounts of a quorum, or of the one organisation whose
/// own keys are all that changes.
#[derive(Clone, PartialEq, Message)]
pub struct Admit {
    /// Canonical JSON: an [`crate::Admission`].
    #[prost(bytes = "vec", tag = "1")]
    pub admission: Vec<u8>,
}

/// Brings in the recorded membership. Stands alone in its proposal.
#[derive(Clone, PartialEq, Message)]
pub struct Activate {
    /// The 32 bytes of the recorded document's hash.
    #[prost(bytes = "vec", tag = "1")]
    pub members: Vec<u8>,
    /// The note of a checkpoint since the admission, certified by the membership in force, and cosigned by every key
    /// that joins: its node has caught up and holds the key.
    #[prost(string, tag = "2")]
    pub checkpoint: String,
}

/// Replaces a collection's definition, access and schema; needs the governance accounts of a quorum.
#[derive(Clone, PartialEq, Message)]
pub struct EvolveCollection {
    /// The collection's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Canonical JSON: `{"access","schema"}`, the whole new definition.
    #[prost(bytes = "vec", tag = "2")]
    pub definition: Vec<u8>,
}

/// Sets an organisation's attributes; needs the governance accounts of a quorum.
#[derive(Clone, PartialEq, Message)]
pub struct SetOrganisation {
    /// A member.
    #[prost(string, tag = "1")]
    pub organisation: String,
    /// Canonical JSON: all its attributes from now on, see [`crate::check_attributes`].
    #[prost(bytes = "vec", tag = "2")]
    pub attributes: Vec<u8>,
}

/// Puts operations before the other organisations. Needs the governance account of the author's organisation, which so
/// approves.
#[derive(Clone, PartialEq, Message)]
pub struct Propose {
    /// Canonical JSON: an array of [`crate::Proposed`].
    #[prost(bytes = "vec", tag = "1")]
    pub operations: Vec<u8>,
    /// Milliseconds since 1970 after which nobody approves it any more.
    #[prost(uint64, tag = "2")]
    pub expires_ms: u64,
}

/// Approves a proposal. Needs the governance account of the author's organisation; each further one that signs approves,
/// too.
#[derive(Clone, PartialEq, Message)]
pub struct Approve {
    /// The 32 bytes of the proposal's id: that of the transaction that proposed it.
    #[prost(bytes = "vec", tag = "1")]
    pub proposal: Vec<u8>,
    /// The plain hash of the proposed operations, 32 bytes: whoever signs this has seen them.
    #[prost(bytes = "vec", tag = "2")]
    pub operations: Vec<u8>,
}

/// Takes back a proposal; needs the governance account of the organisation that proposed it.
#[derive(Clone, PartialEq, Message)]
pub struct Withdraw {
    /// The 32 bytes of the proposal's id.
    #[prost(bytes = "vec", tag = "1")]
    pub proposal: Vec<u8>,
}

/// A transaction that has its form: minimal bytes, named signers, as many signatures as signers. The
/// signatures themselves are not checked yet.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// The signed body, parsed.
    pub body: Body,
    /// For each operation the JSON it carries, parsed; null where it carries none.
    pub values: Vec<Arc<Value>>,
    /// The signers' keys, in their order.
    pub keys: Vec<PublicKey>,
    /// Their signatures.
    pub signatures: Vec<[u8; 64]>,
    /// The intent: first signer's key and nonce.
    pub id: Hash,
    /// The hash of the body's bytes.
    pub body_hash: Hash,
    /// What each signer signs: the tag and the body's bytes.
    pub signed_message: Vec<u8>,
    /// The whole as it came.
    pub bytes: Vec<u8>,
}

impl Transaction {
    /// Reads a transaction of this ledger, at most `bytes_max` long.
    pub fn parse(bytes: Vec<u8>, genesis: &Hash, bytes_max: usize) -> Result<Transaction, ProofError> {
        ProofError::check_max("transaction", bytes.len(), bytes_max)?;
        let outer: TransactionBytes = decode_minimal("transaction", &bytes)?;
        let body: Body = decode_minimal("body", &outer.body)?;
        check_body(&body, genesis)?;
        let value = |operation| check_operation(operation).map(Arc::new);
        let values = body.operations.iter().map(value).collect::<Result<_, _>>()?;
        let keys = signer_keys(&body)?;
        let signatures = fixed_signatures(&outer.signatures, keys.len())?;
        Ok(Transaction {
            id: tagged_hash("transaction-id", &[keys[0].as_bytes(), &body.nonce]),
            body_hash: tagged_hash("transaction-body", &[&outer.body]),
            signed_message: tagged("transaction", &outer.body),
            body,
            values,
            keys,
            signatures,
            bytes,
        })
    }

    /// The account of the first signer.
    pub fn by(&self) -> &str {
        &self.body.signers[0].account
    }

    /// The hash over the signatures that a leaf names.
    pub fn signatures_hash(&self) -> Hash {
        plain_hash(&hex_array(self.signatures.iter().map(|signature| &signature[..])))
    }

    /// Whether it must stand alone in its proposal, because what comes after it is judged by its effect.
    pub fn stands_alone(&self) -> bool {
        use operation::Change::{Activate, SetRules};
        self.body.operations.iter().any(|o| matches!(o.change, Some(SetRules(_) | Activate(_))))
    }
}

impl Body {
    /// The body's bytes, signed by each pair in the order of `signers`.
    ///
    /// # Panics
    /// When the pairs are not the signers' own: the caller mixed them up.
    pub fn sign(&self, pairs: &[&KeyPair]) -> Vec<u8> {
        assert_eq!(pairs.len(), self.signers.len(), "one key pair for each signer");
        let body = self.encode_to_vec();
        let message = tagged("transaction", &body);
        let sign = |(pair, signer): (&&KeyPair, &Signer)| {
            assert_eq!(pair.public().as_bytes()[..], signer.public_key[..], "the pair of {}", signer.account);
            pair.sign(&message).to_vec()
        };
        let signatures = pairs.iter().zip(&self.signers).map(sign).collect();
        TransactionBytes { body, signatures }.encode_to_vec()
    }

    /// The id the signed body will have.
    pub fn transaction_id(&self) -> Hash {
        let first = self.signers.first().map_or(&[][..], |s| &s.public_key);
        tagged_hash("transaction-id", &[first, &self.nonce])
    }
}

/// Decodes a message whose bytes are exactly what encoding it gives.
fn decode_minimal<M: Message + Default>(field: &'static str, bytes: &[u8]) -> Result<M, ProofError> {
    let message =
        M::decode(bytes).map_err(|e| ProofError::malformed(field, format!("not the protobuf message: {e}")))?;
    if message.encode_to_vec() != bytes {
        return Err(ProofError::malformed(field, "not in minimal form"));
    }
    Ok(message)
}

fn check_body(body: &Body, genesis: &Hash) -> Result<(), ProofError> {
    if body.genesis != genesis.0 {
        return Err(ProofError::mismatch("body.genesis", genesis, hex::encode(&body.genesis)));
    }
    if body.nonce.len() != 16 {
        return Err(ProofError::malformed("body.nonce", format!("{} bytes where 16 are needed", body.nonce.len())));
    }
    ProofError::check_max("body.caller", body.caller.len(), CALLER_BYTES_MAX)?;
    ProofError::check_max("body.signers", body.signers.len(), SIGNERS_MAX)?;
    ProofError::check_max("body.operations", body.operations.len(), OPERATIONS_MAX)?;
    if body.operations.is_empty() {
        return Err(ProofError::malformed("body.operations", "none"));
    }
    if body.expires_ms > crate::INTEGER_MAX {
        return Err(ProofError::malformed("body.expires_ms", "beyond 2^53-1"));
    }
    Ok(())
}

/// Checks an operation's names and JSON; what it does to the ledger is judged at execution.
pub(crate) fn check_operation(operation: &Operation) -> Result<Value, ProofError> {
    use operation::Change;
    let change = operation.change.as_ref().ok_or_else(|| ProofError::malformed("operation", "does nothing"))?;
    let json = |field, bytes: &[u8], depth| parse_canonical_value(field, bytes, depth);
    let value = match change {
        Change::Create(document) => json("operation.create", document, JSON_DEPTH_MAX)?,
        Change::Replace(document) => json("operation.replace", document, JSON_DEPTH_MAX)?,
        Change::Patch(patch) => json("operation.patch", patch, JSON_DEPTH_MAX)?,
        Change::Put(put) => json("operation.put.value", &put.value, JSON_DEPTH_MAX)?,
        Change::Append(append) => json("operation.append.value", &append.value, JSON_DEPTH_MAX)?,
        Change::DefineCollection(define) => json("operation.definition", &define.definition, DEFINITION_DEPTH_MAX)?,
        Change::SetRules(rules) => json("operation.rules", &rules.rules, JSON_DEPTH_MAX)?,
        Change::Admit(admit) => json("operation.admission", &admit.admission, JSON_DEPTH_MAX)?,
        Change::EvolveCollection(evolve) => json("operation.definition", &evolve.definition, DEFINITION_DEPTH_MAX)?,
        Change::SetOrganisation(set) => json("operation.attributes", &set.attributes, JSON_DEPTH_MAX)?,
        Change::Propose(propose) => json("operation.operations", &propose.operations, PROPOSED_DEPTH_MAX)?,
        Change::Delete(_) | Change::Increment(_) => Value::Null,
        Change::SetAccount(_) | Change::SetNode(_) | Change::RemoveNode(_) | Change::Activate(_) => Value::Null,
        Change::Approve(_) | Change::Withdraw(_) => Value::Null,
    };
    match change {
        Change::Increment(increment) => check_pointer("operation.pointer", &increment.pointer)?,
        Change::Append(append) => check_pointer("operation.pointer", &append.pointer)?,
        Change::Put(put) => {
            ProofError::check_max("operation.put.key", put.key.len(), KEY_POINTERS_MAX)?;
            put.key.iter().try_for_each(|pointer| check_pointer("operation.put.key", pointer))?;
        }
        Change::DefineCollection(define) => check_collection("operation.name", &define.name)?,
        Change::SetAccount(set) => check_account("operation.account", &set.account)?,
        Change::SetNode(set) => check_node("operation.node", &set.node)?,
        Change::RemoveNode(remove) => check_node("operation.node", &remove.node)?,
        Change::Activate(activate) => {
            Hash::from_slice("operation.members", &activate.members)?;
            ProofError::check_max("operation.checkpoint", activate.checkpoint.len(), NOTE_BYTES_MAX)?;
        }
        Change::EvolveCollection(evolve) => check_collection("operation.name", &evolve.name)?,
        Change::SetOrganisation(set) => {
            check_name("operation.organisation", &set.organisation)?;
            check_attributes("operation.attributes", &value)?;
        }
        Change::Propose(propose) => {
            ProofError::check_max("operation.operations", propose.operations.len(), PROPOSED_BYTES_MAX)?;
            Proposed::parse_all("operation.operations", &value)?;
        }
        Change::Approve(approve) => {
            Hash::from_slice("operation.proposal", &approve.proposal)?;
            Hash::from_slice("operation.operations", &approve.operations)?;
        }
        Change::Withdraw(withdraw) => drop(Hash::from_slice("operation.proposal", &withdraw.proposal)?),
        _ => {}
    }
    if operation.is_governance() {
        check_governance_form(operation)?
    } else {
        check_document_form(operation)?
    }
    Ok(value)
}

impl Operation {
    /// Whether the document it is of is found by a unique key, and not by the operation's id.
    pub fn is_by_key(&self) -> bool {
        matches!(&self.change, Some(operation::Change::Put(put)) if !put.key.is_empty())
    }

    /// Whether it changes how the ledger is run, rather than a document.
    pub fn is_governance(&self) -> bool {
        use operation::Change;
        matches!(
            self.change,
            Some(
                Change::DefineCollection(_)
                    | Change::SetAccount(_)
                    | Change::SetNode(_)
                    | Change::RemoveNode(_)
                    | Change::SetRules(_)
                    | Change::Admit(_)
                    | Change::Activate(_)
                    | Change::EvolveCollection(_)
                    | Change::SetOrganisation(_)
                    | Change::Propose(_)
                    | Change::Approve(_)
                    | Change::Withdraw(_)
            )
        )
    }
}

fn check_governance_form(operation: &Operation) -> Result<(), ProofError> {
    if operation.precondition.is_some() || !operation.collection.is_empty() || !operation.id.is_empty() {
        return Err(ProofError::malformed("operation", "governance names no document and has no precondition"));
    }
    Ok(())
}

fn check_document_form(operation: &Operation) -> Result<(), ProofError> {
    let name = operation.collection.strip_prefix('$').unwrap_or(&operation.collection);
    check_collection("operation.collection", name)?;
    check_document_id("operation.id", &operation.id)?;
    let Some(precondition) = &operation.precondition else {
        return Ok(());
    };
    match &precondition.condition {
        None => Err(ProofError::malformed("operation.precondition", "says nothing")),
        Some(precondition::Condition::Predicate(bytes)) => {
            let field = "operation.precondition.predicate";
            check_predicate(field, &parse_canonical_value(field, bytes, JSON_DEPTH_MAX)?)
        }
        Some(_) => Ok(()),
    }
}

/// Checks that `predicate` maps JSON pointers to comparisons of the names there are.
pub fn check_predicate(field: &'static str, predicate: &Value) -> Result<(), ProofError> {
    let wrong = |reason: &str| ProofError::malformed(field, reason);
    let Value::Object(members) = predicate else {
        return Err(wrong("not an object of JSON pointers"));
    };
    ProofError::check_max(field, members.len(), PREDICATE_MEMBERS_MAX)?;
    for (pointer, comparison) in members {
        check_pointer(field, pointer)?;
        let Value::Object(comparison) = comparison else {
            return Err(wrong("a pointer's comparison is not an object"));
        };
        if comparison.keys().any(|name| !matches!(&name[..], "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "exists")) {
            return Err(wrong("a comparison is not one of eq, ne, lt, le, gt, ge, exists"));
        }
        if comparison.get("exists").is_some_and(|value| !value.is_boolean()) {
            return Err(wrong("exists takes true or false"));
        }
    }
    Ok(())
}

/// Checks that `pointer` is a JSON pointer (RFC 6901).
pub fn check_pointer(field: &'static str, pointer: &str) -> Result<(), ProofError> {
    let escapes_hold = pointer.split('~').skip(1).all(|rest| rest.starts_with('0') || rest.starts_with('1'));
    let begins = pointer.is_empty() || pointer.starts_with('/');
    if begins && escapes_hold { Ok(()) } else { Err(ProofError::malformed(field, "not a JSON pointer (RFC 6901)")) }
}

fn signer_keys(body: &Body) -> Result<Vec<PublicKey>, ProofError> {
    if body.signers.is_empty() {
        return Err(ProofError::malformed("body.signers", "none"));
    }
    let mut keys = Vec::with_capacity(body.signers.len());
    for signer in &body.signers {
        check_account("body.signers.account", &signer.account)?;
        let key = PublicKey::from_bytes(&signer.public_key)?;
        if keys.contains(&key) {
            return Err(ProofError::malformed("body.signers", "a key stands twice"));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn fixed_signatures(signatures: &[Vec<u8>], signers: usize) -> Result<Vec<[u8; 64]>, ProofError> {
    if signatures.len() != signers {
        return Err(ProofError::mismatch("signatures", signers, signatures.len()));
    }
    let wrong = |s: &[u8]| ProofError::malformed("signatures", format!("{} bytes where 64 are needed", s.len()));
    signatures.iter().map(|s| s.as_slice().try_into().map_err(|_| wrong(s))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(pair: &KeyPair) -> Body {
        Body {
            genesis: vec![9; 32],
            nonce: vec![1; 16],
            operations: vec![Operation {
                collection: "flights".into(),
                id: "UA1".into(),
                precondition: None,
                change: Some(operation::Change::Create(b"{}".to_vec())),
            }],
            signers: vec![Signer { account: "ua.example/ops".into(), public_key: pair.public().as_bytes().to_vec() }],
            ..Body::default()
        }
    }

    fn parse(bytes: Vec<u8>) -> Result<Transaction, ProofError> {
        Transaction::parse(bytes, &Hash([9; 32]), 1 << 20)
    }

    #[test]
    fn a_signed_body_is_read_back() {
        let pair = KeyPair::from_seed(&[1; 32]);
        let transaction = parse(body(&pair).sign(&[&pair])).expect("well formed");
        assert_eq!(transaction.by(), "ua.example/ops");
        assert_eq!(transaction.id, body(&pair).transaction_id());
        assert!(pair.public().verify_strict(&transaction.signed_message, &transaction.signatures[0]));
    }

    #[test]
    fn bytes_that_are_not_minimal_are_refused() {
        let pair = KeyPair::from_seed(&[1; 32]);
        let good = body(&pair).sign(&[&pair]);
        let mut unknown_field = good.clone();
        unknown_field.extend_from_slice(&[0x18, 0x01]);
        assert!(parse(unknown_field).expect_err("field 3").to_string().contains("minimal"));
        let mut reordered = Vec::new();
        let outer = TransactionBytes::decode(&good[..]).expect("ours");
        TransactionBytes { body: vec![], signatures: outer.signatures.clone() }.encode(&mut reordered).expect("vec");
        TransactionBytes { body: outer.body, signatures: vec![] }.encode(&mut reordered).expect("vec");
        assert!(parse(reordered).expect_err("order").to_string().contains("minimal"));
        for length in 0..good.len() {
            parse(good[..length].to_vec()).expect_err("cut short");
        }
    }

    #[test]
    fn each_wrong_part_is_named() {
        let pair = KeyPair::from_seed(&[1; 32]);
        let refused = |change: &dyn Fn(&mut Body)| {
            let mut wrong = body(&pair);
            change(&mut wrong);
            let signatures = wrong.signers.iter().map(|_| vec![0; 64]).collect();
            let bytes = TransactionBytes { body: wrong.encode_to_vec(), signatures }.encode_to_vec();
            parse(bytes).expect_err("wrong part").to_string()
        };
        assert!(refused(&|b| b.genesis = vec![8; 32]).starts_with("body.genesis"));
        assert!(refused(&|b| b.nonce = vec![1; 15]).starts_with("body.nonce"));
        assert!(refused(&|b| b.caller = "x".repeat(257)).starts_with("body.caller"));
        assert!(refused(&|b| b.operations.clear()).starts_with("body.operations"));
        assert!(refused(&|b| b.signers.clear()).starts_with("body.signers"));
        assert!(refused(&|b| b.signers[0].account = "UA".into()).starts_with("body.signers.account"));
        assert!(refused(&|b| b.signers.push(b.signers[0].clone())).contains("twice"));
        assert!(refused(&|b| b.signers[0].public_key = vec![0; 32]).starts_with("key"));
    }
}
