//! Write operations on governance as JSON, the form in which organisations propose and approve them.

use crate::limits::PROPOSED_OPERATIONS_MAX;
use crate::operation::Change;
use crate::transaction::check_operation;
use crate::{
    Admit, DefineCollection, EvolveCollection, Hash, Operation, ProofError, PublicKey, RemoveNode, SetAccount, SetNode,
    SetOrganisation, canonical, plain_hash,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An operation that may be proposed: all on governance but those that stand alone in their block, and those on proposals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Proposed {
    /// A new collection.
    DefineCollection {
        /// Its name.
        name: String,
        /// `{"access","schema"}`.
        definition: Value,
    },
    /// A collection's whole new definition.
    EvolveCollection {
        /// Its name.
        name: String,
        /// `{"access","schema"}`.
        definition: Value,
    },
    /// An organisation's attributes.
    SetOrganisation {
        /// A member.
        organisation: String,
        /// All of them from now on.
        attributes: Value,
    },
    /// The keys of an account.
    SetAccount {
        /// `<organisation>/<name>`, or the organisation itself.
        account: String,
        /// All its keys from now on, ascending.
        keys: Vec<PublicKey>,
    },
    /// An observer, or a node's address or TLS key.
    SetNode {
        /// `<organisation>/<name>`.
        node: String,
        /// `host:port`.
        address: String,
        /// Its TLS key.
        tls: PublicKey,
        /// Whether it gets a new Raft id.
        rejoin: bool,
    },
    /// The end of an observer.
    RemoveNode {
        /// `<organisation>/<name>`.
        node: String,
    },
    /// The membership of the next epoch.
    Admit {
        /// An [`crate::Admission`].
        admission: Value,
    },
}

impl Proposed {
    /// Reads the array that a proposal holds: each operation with its JSON as [`crate::Transaction`] has it.
    pub fn parse_all(field: &'static str, array: &Value) -> Result<Vec<(Operation, Value)>, ProofError> {
        let items = array.as_array().ok_or_else(|| ProofError::malformed(field, "not an array"))?;
        ProofError::check_max(field, items.len(), PROPOSED_OPERATIONS_MAX)?;
        if items.is_empty() {
            return Err(ProofError::malformed(field, "none"));
        }
        items.iter().map(|item| Proposed::parse(field, item)).collect()
    }

    fn parse(field: &'static str, item: &Value) -> Result<(Operation, Value), ProofError> {
        let proposed = Proposed::deserialize(item).map_err(|e| ProofError::malformed(field, e.to_string()))?;
        let operation = Operation { change: Some(proposed.change()), ..Operation::default() };
        let value = check_operation(&operation)?;
        Ok((operation, value))
    }

    /// The same as a transaction carries it.
    pub fn change(&self) -> Change {
        let bytes = |key: &PublicKey| key.as_bytes().to_vec();
        match self.clone() {
            Proposed::DefineCollection { name, definition } => {
                Change::DefineCollection(DefineCollection { name, definition: canonical(&definition) })
            }
            Proposed::EvolveCollection { name, definition } => {
                Change::EvolveCollection(EvolveCollection { name, definition: canonical(&definition) })
            }
            Proposed::SetOrganisation { organisation, attributes } => {
                Change::SetOrganisation(SetOrganisation { organisation, attributes: canonical(&attributes) })
            }
            Proposed::SetAccount { account, keys } => {
                Change::SetAccount(SetAccount { account, keys: keys.iter().map(bytes).collect() })
            }
            Proposed::SetNode { node, address, tls, rejoin } => {
                Change::SetNode(SetNode { node, address, tls: bytes(&tls), rejoin })
            }
            Proposed::RemoveNode { node } => Change::RemoveNode(RemoveNode { node }),
            Proposed::Admit { admission } => Change::Admit(Admit { admission: canonical(&admission) }),
        }
    }

    /// The operation of a transaction as it is proposed; errs for one that cannot be.
    pub fn of(operation: &Operation) -> Result<Proposed, ProofError> {
        let json = check_operation(operation)?;
        let change = operation.change.clone().expect("checked");
        Ok(match change {
            Change::DefineCollection(DefineCollection { name, .. }) => {
                Proposed::DefineCollection { name, definition: json }
            }
            Change::EvolveCollection(EvolveCollection { name, .. }) => {
                Proposed::EvolveCollection { name, definition: json }
            }
            Change::SetOrganisation(SetOrganisation { organisation, .. }) => {
                Proposed::SetOrganisation { organisation, attributes: json }
            }
            Change::SetAccount(SetAccount { account, keys }) => {
                let keys = keys.iter().map(|key| PublicKey::from_bytes(key)).collect::<Result<_, _>>()?;
                Proposed::SetAccount { account, keys }
            }
            Change::SetNode(SetNode { node, address, tls, rejoin }) => {
                Proposed::SetNode { node, address, tls: PublicKey::from_bytes(&tls)?, rejoin }
            }
            Change::RemoveNode(RemoveNode { node }) => Proposed::RemoveNode { node },
            Change::Admit(_) => Proposed::Admit { admission: json },
            _ => {
                return Err(ProofError::malformed(
                    "operation",
                    "it cannot be proposed: all who must sign it sign at once",
                ));
            }
        })
    }
}

/// What an approval names, so that it is of exactly these operations: the plain hash of their canonical JSON.
pub fn proposed_hash(operations: &Value) -> Hash {
    plain_hash(&canonical(operations))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyPair, SetRules};
    use serde_json::json;

    #[test]
    fn what_is_proposed_is_what_a_transaction_would_carry() {
        let key = KeyPair::from_seed(&[1; 32]).public();
        for item in [
            json!({"define_collection": {"name": "a", "definition": {"access": 1, "schema": {"type": "object"}}}}),
            json!({"evolve_collection": {"name": "a", "definition": {}}}),
            json!({"set_organisation": {"organisation": "ua.example", "attributes": {"code": "UA"}}}),
            json!({"set_account": {"account": "ua.example/ops", "keys": [key]}}),
            json!({"set_node": {"node": "ua.example/2", "address": "a:1", "tls": key, "rejoin": true}}),
            json!({"remove_node": {"node": "ua.example/2"}}),
            json!({"admit": {"admission": {"members": {}}}}),
        ] {
            let parsed = Proposed::parse_all("operations", &json!([item])).expect("well formed");
            let again = Proposed::of(&parsed[0].0).expect("can be proposed");
            assert_eq!(serde_json::to_value(again).expect("JSON"), item);
        }
    }

    #[test]
    fn what_cannot_be_proposed_is_refused() {
        let refused = |array: Value| Proposed::parse_all("operations", &array).expect_err("refused").to_string();
        refused(json!([]));
        refused(json!({}));
        refused(json!([{"set_rules": {"rules": {}}}]));
        refused(json!([{"remove_node": {"node": "ua.example/2", "more": 1}}]));
        refused(json!([{"remove_node": {"node": "nothing"}}]));
        refused(json!([{"set_organisation": {"organisation": "ua.example", "attributes": {"a": null}}}]));
        refused(Value::Array(vec![json!({"remove_node": {"node": "a/b"}}); PROPOSED_OPERATIONS_MAX + 1]));
        let alone = Change::SetRules(SetRules { rules: b"{}".to_vec() });
        Proposed::of(&Operation { change: Some(alone), ..Operation::default() }).expect_err("stands alone");
    }
}
