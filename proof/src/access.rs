//! Read a collection's access rule: its form, which every verifier shares; what it decides is the ledger's to say.

use crate::limits::{
    ACCESS_FIELD_BYTES_MAX, ACCESS_FIELDS_MAX, ACCESS_NAMED_MAX, ACCESS_POLICIES_MAX, ACCESS_POLICY_BYTES_MAX,
};
use crate::name::{check_collection, check_name};
use crate::{ProofError, canonical};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The member of a document that names who may do what with it.
pub const NAMED_MEMBER: &str = "$access";

/// An access rule; it names its engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "engine", deny_unknown_fields)]
pub enum Access {
    /// The organisations whose accounts may write; accounts of all members read.
    #[serde(rename = "writers/v1")]
    WritersV1 {
        /// Organisations, ascending.
        write: Vec<String>,
    },
    /// Cedar policies. What none of them permits is denied.
    #[serde(rename = "cedar/v1")]
    CedarV1 {
        /// The fields that are judged apart from their document, such as `coupons[*].code`, ascending.
        fields: Vec<String>,
        /// Whether a document may name its own readers, writers and owners.
        named: Named,
        /// One Cedar policy each, by name.
        policies: BTreeMap<String, String>,
    },
}

/// Whether documents carry [`NAMED_MEMBER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Named {
    /// It is refused.
    None,
    /// A document may.
    Optional,
    /// A document must.
    Required,
}

impl Access {
    /// Checks the form and the maxima, and that the writers of `writers/v1` are members. Cedar is not spoken here.
    pub fn check(&self, is_member: impl Fn(&str) -> bool) -> Result<(), ProofError> {
        match self {
            Access::WritersV1 { write } => check_writers(write, is_member),
            Access::CedarV1 { fields, named: _, policies } => check_cedar(fields, policies),
        }
    }

    /// Whether documents carry [`NAMED_MEMBER`].
    pub fn named(&self) -> Named {
        match self {
            Access::WritersV1 { .. } => Named::None,
            Access::CedarV1 { named, .. } => *named,
        }
    }
}

fn check_writers(write: &[String], is_member: impl Fn(&str) -> bool) -> Result<(), ProofError> {
    if !write.is_sorted_by(|a, b| a < b) {
        return Err(ProofError::malformed("access.write", "not ascending, or one stands twice"));
    }
    match write.iter().find(|organisation| !is_member(organisation)) {
        Some(stranger) => Err(ProofError::malformed("access.write", format!("{stranger:?} is no member"))),
        None => Ok(()),
    }
}

fn check_cedar(fields: &[String], policies: &BTreeMap<String, String>) -> Result<(), ProofError> {
    ProofError::check_max("access.fields", fields.len(), ACCESS_FIELDS_MAX)?;
    ProofError::check_max("access.policies", policies.len(), ACCESS_POLICIES_MAX)?;
    if !fields.is_sorted_by(|a, b| a < b) {
        return Err(ProofError::malformed("access.fields", "not ascending, or one stands twice"));
    }
    for field in fields {
        ProofError::check_max("access.fields", field.len(), ACCESS_FIELD_BYTES_MAX)?;
    }
    for (name, text) in policies {
        check_collection("access.policies", name)?;
        ProofError::check_max("access.policies", text.len(), ACCESS_POLICY_BYTES_MAX)?;
    }
    Ok(())
}

/// Who a document says may do what with it: the value of [`NAMED_MEMBER`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedAccess {
    /// Organisations that may also change who is named here. Never `*`, never empty.
    pub owners: Vec<String>,
    /// Organisations, or `*`: every member, those to come too.
    pub readers: Vec<String>,
    /// Likewise.
    pub writers: Vec<String>,
}

impl NamedAccess {
    /// What a document names; none where it has no such member.
    pub fn of(document: &Value) -> Result<Option<NamedAccess>, ProofError> {
        let Some(member) = document.get(NAMED_MEMBER) else { return Ok(None) };
        let named: NamedAccess = serde_json::from_slice(&canonical(member))
            .map_err(|e| ProofError::malformed(NAMED_MEMBER, format!("not owners, readers and writers: {e}")))?;
        named.check()?;
        Ok(Some(named))
    }

    fn check(&self) -> Result<(), ProofError> {
        if self.owners.is_empty() || self.owners.iter().any(|owner| owner == "*") {
            return Err(ProofError::malformed("$access.owners", "none, or *: an owner is an organisation by name"));
        }
        for (field, names) in
            [("$access.owners", &self.owners), ("$access.readers", &self.readers), ("$access.writers", &self.writers)]
        {
            ProofError::check_max(field, names.len(), ACCESS_NAMED_MAX)?;
            if !names.is_sorted_by(|a, b| a < b) {
                return Err(ProofError::malformed(field, "not ascending, or one stands twice"));
            }
            for name in names.iter().filter(|name| *name != "*") {
                check_name(field, name)?;
            }
        }
        Ok(())
    }

    /// Whether the organisation owns the document.
    pub fn is_owner(&self, organisation: &str) -> bool {
        holds(&self.owners, organisation)
    }

    /// Whether it may write: owners may.
    pub fn is_writer(&self, organisation: &str) -> bool {
        holds(&self.writers, organisation) || self.is_owner(organisation)
    }

    /// Whether it may read: writers may.
    pub fn is_reader(&self, organisation: &str) -> bool {
        holds(&self.readers, organisation) || self.is_writer(organisation)
    }
}

fn holds(names: &[String], organisation: &str) -> bool {
    names.iter().any(|name| name == "*" || name == organisation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_in_a_document_are_read_or_the_place_is_named() {
        let of = |access: Value| NamedAccess::of(&json!({ "$access": access }));
        let named = of(json!({"owners":["a"],"readers":["*"],"writers":["b"]})).expect("good").expect("there");
        assert!(named.is_owner("a") && named.is_writer("a") && named.is_writer("b") && named.is_reader("z"));
        assert!(!named.is_owner("b") && !named.is_writer("z"));
        assert_eq!(NamedAccess::of(&json!({})), Ok(None));
        let wrong = |access: Value, place: &str| {
            let error = of(access).expect_err("wrong").to_string();
            assert!(error.contains(place), "{error}");
        };
        wrong(json!({"owners":[],"readers":[],"writers":[]}), "owners");
        wrong(json!({"owners":["*"],"readers":[],"writers":[]}), "owners");
        wrong(json!({"owners":["a"],"readers":["b","a"],"writers":[]}), "readers");
        wrong(json!({"owners":["a"],"readers":[],"writers":["A"]}), "writers");
        wrong(json!({"owners":["a"],"readers":[]}), "writers");
        wrong(json!("a"), "$access");
    }
}
