//! Build and sign transactions.

use crate::ClientError;
use crate::limits::EXPIRY;
use crate::token::now_ms;
use countersign_proof::{
    Activate, Admission, Admit, Append, Approve, Body, Collection, DefineCollection, EvolveCollection, Hash, Increment,
    KeyPair, Limits, Operation, Precondition, Propose, Proposed, PublicKey, Put, RemoveNode, SetAccount, SetNode,
    SetOrganisation, SetRules, Signer, Transaction, Unit, Withdraw, canonical, operation::Change,
    precondition::Condition, tagged_hash,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Collects operations, all or none of which apply; [`TransactionBuilder::sign`] checks and signs them.
///
/// Unless told otherwise the nonce is random and the transaction expires in 60 s. With both given the bytes are
/// determined by what was built and who signs.
#[derive(Debug, Clone)]
pub struct TransactionBuilder {
    body: Body,
    expiry: Expiry,
    nonce: Option<[u8; 16]>,
}

#[derive(Debug, Clone, Copy)]
enum Expiry {
    In(Duration),
    At(u64),
    Never,
}

impl TransactionBuilder {
    /// An empty transaction of the ledger with this genesis hash.
    pub fn new(genesis: Hash) -> TransactionBuilder {
        let body = Body { genesis: genesis.0.to_vec(), ..Body::default() };
        TransactionBuilder { body, expiry: Expiry::In(EXPIRY), nonce: None }
    }

    /// A new document.
    pub fn create(self, collection: &str, id: &str, document: &Value) -> TransactionBuilder {
        self.on_document(collection, id, Change::Create(canonical(document)))
    }

    /// The whole new value of a document.
    pub fn replace(self, collection: &str, id: &str, document: &Value) -> TransactionBuilder {
        self.on_document(collection, id, Change::Replace(canonical(document)))
    }

    /// The whole value of a document, whether or not it is there.
    pub fn put(self, collection: &str, id: &str, document: &Value) -> TransactionBuilder {
        self.on_document(collection, id, Change::Put(Put { value: canonical(document), key: Vec::new() }))
    }

    /// The whole value of the document that holds the same unique key of the collection as this value: `key` has the JSON
    /// pointers of that key, as the schema declares it. When there is none, it is made under `id`.
    pub fn put_by_key(self, collection: &str, id: &str, key: &[&str], document: &Value) -> TransactionBuilder {
        let key = key.iter().map(|pointer| (*pointer).to_owned()).collect();
        self.on_document(collection, id, Change::Put(Put { value: canonical(document), key }))
    }

    /// A merge patch (RFC 7396) of a document.
    pub fn patch(self, collection: &str, id: &str, patch: &Value) -> TransactionBuilder {
        self.on_document(collection, id, Change::Patch(canonical(patch)))
    }

    /// A document goes; its versions stay.
    pub fn delete(self, collection: &str, id: &str) -> TransactionBuilder {
        self.on_document(collection, id, Change::Delete(Unit {}))
    }

    /// Adds to the integer at a JSON pointer.
    pub fn increment(self, collection: &str, id: &str, pointer: &str, by: i64) -> TransactionBuilder {
        self.on_document(collection, id, Change::Increment(Increment { pointer: pointer.to_owned(), by }))
    }

    /// Puts a value at the end of the array at a JSON pointer.
    pub fn append(self, collection: &str, id: &str, pointer: &str, value: &Value) -> TransactionBuilder {
        let append = Append { pointer: pointer.to_owned(), value: canonical(value) };
        self.on_document(collection, id, Change::Append(append))
    }

    /// Governance: a new collection. Needs the governance accounts of a quorum.
    pub fn define_collection(self, name: &str, definition: &Collection) -> TransactionBuilder {
        let define = DefineCollection { name: name.to_owned(), definition: canonical(definition) };
        self.governance(Change::DefineCollection(define))
    }

    /// Governance: all keys of an account from now on; none closes it. Needs its organisation's account.
    pub fn set_account(self, account: &str, keys: &[PublicKey]) -> TransactionBuilder {
        let mut keys: Vec<Vec<u8>> = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
        keys.sort();
        self.governance(Change::SetAccount(SetAccount { account: account.to_owned(), keys }))
    }

    /// Governance: admits an observer or changes a node's address or TLS key; `rejoin` gives it a new Raft id.
    /// Needs its organisation's account.
    pub fn set_node(self, node: &str, address: &str, tls: &PublicKey, rejoin: bool) -> TransactionBuilder {
        let (node, address) = (node.to_owned(), address.to_owned());
        self.governance(Change::SetNode(SetNode { node, address, tls: tls.as_bytes().to_vec(), rejoin }))
    }

    /// Governance: removes an observer. Needs its organisation's account.
    pub fn remove_node(self, node: &str) -> TransactionBuilder {
        self.governance(Change::RemoveNode(RemoveNode { node: node.to_owned() }))
    }

    /// Governance: new limits or rules. Needs the governance accounts of a quorum.
    pub fn set_rules(self, limits: &Limits, rules: u64) -> TransactionBuilder {
        let rules = canonical(&json!({ "limits": limits, "rules": rules }));
        self.governance(Change::SetRules(SetRules { rules }))
    }

    /// Governance: records the membership of the next epoch. Needs the governance accounts of a quorum, or of the one
    /// organisation whose own keys are all that changes.
    pub fn admit(self, admission: &Admission) -> TransactionBuilder {
        self.governance(Change::Admit(Admit { admission: canonical(admission) }))
    }

    /// Governance: brings in the recorded membership. `checkpoint` is the note that a node's `GetActivation` gives.
    pub fn activate(self, members: Hash, checkpoint: &str) -> TransactionBuilder {
        let activate = Activate { members: members.0.to_vec(), checkpoint: checkpoint.to_owned() };
        self.governance(Change::Activate(activate))
    }

    /// Governance: a collection's whole new definition, live from the next operation on. Needs the governance accounts of a
    /// quorum; the new schema must allow whatever the old one does.
    pub fn evolve_collection(self, name: &str, definition: &Collection) -> TransactionBuilder {
        let evolve = EvolveCollection { name: name.to_owned(), definition: canonical(definition) };
        self.governance(Change::EvolveCollection(evolve))
    }

    /// Governance: all attributes of an organisation from now on, such as `{"code":"UA","roles":["carrier"]}`. Needs the
    /// governance accounts of a quorum.
    pub fn set_organisation(self, organisation: &str, attributes: &Value) -> TransactionBuilder {
        let organisation = organisation.to_owned();
        self.governance(Change::SetOrganisation(SetOrganisation { organisation, attributes: canonical(attributes) }))
    }

    /// Governance: proposes these operations, an array of [`Proposed`], to be approved until a time. Needs the governance
    /// account of the author's organisation. The transaction's id becomes the proposal's.
    pub fn propose(self, operations: &Value, expires_ms: u64) -> TransactionBuilder {
        self.governance(Change::Propose(Propose { operations: canonical(operations), expires_ms }))
    }

    /// Instead of what was added so far, a proposal of it. Errs for what cannot be proposed.
    pub fn proposed(mut self, expires_ms: u64) -> Result<TransactionBuilder, ClientError> {
        let operations = std::mem::take(&mut self.body.operations);
        let proposed: Result<Vec<Proposed>, _> = operations.iter().map(Proposed::of).collect();
        let proposed = serde_json::to_value(proposed.map_err(ClientError::Malformed)?).expect("plain data");
        Ok(self.propose(&proposed, expires_ms))
    }

    /// Governance: approves a proposal of exactly the operations with this hash ([`countersign_proof::proposed_hash`]). Needs
    /// the governance account of the author's organisation.
    pub fn approve(self, proposal: Hash, operations: Hash) -> TransactionBuilder {
        let approve = Approve { proposal: proposal.0.to_vec(), operations: operations.0.to_vec() };
        self.governance(Change::Approve(approve))
    }

    /// Governance: takes back a proposal of the author's organisation.
    pub fn withdraw(self, proposal: Hash) -> TransactionBuilder {
        self.governance(Change::Withdraw(Withdraw { proposal: proposal.0.to_vec() }))
    }

    /// The operation added last applies only if its document is not there.
    pub fn if_absent(self) -> TransactionBuilder {
        self.on_condition(Condition::Absent(Unit {}))
    }

    /// The operation added last applies only if the newest version, be it a deletion, has this number.
    pub fn if_version(self, version: u64) -> TransactionBuilder {
        self.on_condition(Condition::Version(version))
    }

    /// The operation added last applies only if a predicate holds, `{"/status":{"eq":"open"}}`.
    pub fn if_predicate(self, predicate: &Value) -> TransactionBuilder {
        self.on_condition(Condition::Predicate(canonical(predicate)))
    }

    /// On whose behalf: an opaque reference, never personal data.
    pub fn caller(mut self, caller: &str) -> TransactionBuilder {
        caller.clone_into(&mut self.body.caller);
        self
    }

    /// Expires so long after it is signed.
    pub fn expires_in(mut self, after: Duration) -> TransactionBuilder {
        self.expiry = Expiry::In(after);
        self
    }

    /// Expires at a time, milliseconds since 1970.
    pub fn expires_at(mut self, ms: u64) -> TransactionBuilder {
        self.expiry = Expiry::At(ms);
        self
    }

    /// Never expires: for bytes that must come out the same whenever they are built.
    pub fn without_expiry(mut self) -> TransactionBuilder {
        self.expiry = Expiry::Never;
        self
    }

    /// A nonce of the caller's, never to be used twice by one key for different bytes.
    pub fn nonce(mut self, nonce: [u8; 16]) -> TransactionBuilder {
        self.nonce = Some(nonce);
        self
    }

    /// Signs with each account's key, in order: the first is the author, the others approve. Everything that needs
    /// no ledger is checked.
    pub fn sign(mut self, signers: &[(&str, &KeyPair)]) -> Result<Transaction, ClientError> {
        self.body.nonce = match self.nonce {
            Some(nonce) => nonce.to_vec(),
            None => random_nonce()?,
        };
        self.body.expires_ms = match self.expiry {
            Expiry::In(after) => now_ms().saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
            Expiry::At(ms) => ms,
            Expiry::Never => 0,
        };
        let signer = |(account, key): &(&str, &KeyPair)| Signer {
            account: (*account).to_owned(),
            public_key: key.public().as_bytes().to_vec(),
        };
        self.body.signers = signers.iter().map(signer).collect();
        let pairs: Vec<&KeyPair> = signers.iter().map(|(_, key)| *key).collect();
        let genesis = Hash::from_slice("genesis", &self.body.genesis).expect("made from a hash");
        let bytes = self.body.sign(&pairs);
        parse(bytes, &genesis)
    }

    fn on_document(mut self, collection: &str, id: &str, change: Change) -> TransactionBuilder {
        let (collection, id) = (collection.to_owned(), id.to_owned());
        self.body.operations.push(Operation { collection, id, precondition: None, change: Some(change) });
        self
    }

    fn governance(mut self, change: Change) -> TransactionBuilder {
        self.body.operations.push(Operation { change: Some(change), ..Operation::default() });
        self
    }

    fn on_condition(mut self, condition: Condition) -> TransactionBuilder {
        let operation = self.body.operations.last_mut().expect("a precondition follows its operation");
        operation.precondition = Some(Precondition { condition: Some(condition) });
        self
    }
}

/// Reads transaction bytes of this ledger.
pub(crate) fn parse(bytes: Vec<u8>, genesis: &Hash) -> Result<Transaction, ClientError> {
    let bytes_max = usize::try_from(Limits::MAX.transaction_bytes).expect("2 MiB");
    Transaction::parse(bytes, genesis, bytes_max).map_err(ClientError::Malformed)
}

/// The nonce of an imported row, so that importing it again gives the same transaction: the first 16 bytes of
/// `tagged_hash("import", canonical [collection, id] || canonical row)`.
pub fn import_nonce(collection: &str, id: &str, row: &Value) -> [u8; 16] {
    let hash = tagged_hash("import", &[&canonical(&[collection, id]), &canonical(row)]);
    *hash.0.first_chunk().expect("16 of 32 bytes")
}

fn random_nonce() -> Result<Vec<u8>, ClientError> {
    let mut nonce = vec![0; 16];
    getrandom::fill(&mut nonce)
        .map_err(|e| ClientError::invalid("nonce", format!("the operating system gave no randomness: {e}")))?;
    Ok(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> TransactionBuilder {
        TransactionBuilder::new(Hash([9; 32])).create("flights", "UA1", &json!({ "b": 1, "a": 2.0 }))
    }

    #[test]
    fn the_same_nonce_and_expiry_give_the_same_bytes() {
        let key = KeyPair::from_seed(&[1; 32]);
        let sign = |nonce, expires| {
            builder().nonce(nonce).expires_at(expires).sign(&[("ua.example/ops", &key)]).expect("well formed")
        };
        assert_eq!(sign([1; 16], 5).bytes, sign([1; 16], 5).bytes);
        assert_ne!(sign([1; 16], 5).bytes, sign([1; 16], 6).bytes);
        assert_eq!(sign([1; 16], 5).id, sign([1; 16], 6).id);
        assert_ne!(sign([1; 16], 5).id, sign([2; 16], 5).id);
    }

    #[test]
    fn an_expiry_and_a_random_nonce_are_there_unless_told_otherwise() {
        let key = KeyPair::from_seed(&[1; 32]);
        let (one, two) = (builder().sign(&[("ua.example", &key)]), builder().sign(&[("ua.example", &key)]));
        let (one, two) = (one.expect("well formed"), two.expect("well formed"));
        assert_ne!(one.id, two.id);
        let left = one.body.expires_ms - now_ms();
        assert!((50_000..=60_000).contains(&left), "{left}");
        let never = builder().without_expiry().sign(&[("ua.example", &key)]).expect("well formed");
        assert_eq!(never.body.expires_ms, 0);
    }

    #[test]
    fn what_is_malformed_is_refused_before_it_is_sent() {
        let key = KeyPair::from_seed(&[1; 32]);
        let refused =
            |builder: TransactionBuilder| builder.sign(&[("ua.example", &key)]).expect_err("malformed").to_string();
        let new = || TransactionBuilder::new(Hash([9; 32]));
        assert!(refused(new()).starts_with("body.operations"));
        assert!(refused(new().delete("Flights", "x")).starts_with("operation.collection"));
        assert!(refused(new().increment("flights", "x", "seats", 1)).starts_with("operation.pointer"));
        assert!(refused(new().create("flights", "x", &json!(u64::MAX))).contains("2^53-1"));
        assert!(refused(new().delete("flights", "x").if_predicate(&json!([]))).contains("predicate"));
    }

    #[test]
    fn an_import_nonce_is_that_of_collection_id_and_row() {
        let row = json!({ "b": 1, "a": 2 });
        let same: Value = serde_json::from_str(r#"{ "a": 2, "b": 1 }"#).expect("JSON");
        let nonce = import_nonce("flights", "x", &row);
        assert_eq!(nonce, import_nonce("flights", "x", &same));
        assert_eq!(hex::encode(nonce), "d9cb4a818697aeec7aa202a235ed690c");
        for other in [
            import_nonce("flights", "y", &row),
            import_nonce("flight", "x", &row),
            import_nonce("flights", "x", &json!({ "a": 2, "b": 2 })),
        ] {
            assert_ne!(nonce, other);
        }
    }
}
