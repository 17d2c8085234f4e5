//! Write, read and apply the policy of a ledger: which signatures make a checkpoint count (C2SP tlog-policy).
//!
//! ```text
//!  log <origin>+...                        each node's log key: one of them must have signed
//!  witness acme.example/1 acme.example/1+...
//!  group org:acme.example any acme.example/1
//!  group quorum-of-organisations 3 org:acme.example org:bolt.example ...
//!  quorum quorum-of-organisations
//! ```

use crate::limits::{POLICY_BYTES_MAX, POLICY_ITEMS_MAX};
use crate::note::{NoteSignature, TYPE_COSIGNATURE, TYPE_LOG, VerifierKey};
use crate::{Membership, ProofError};
use std::collections::{BTreeMap, BTreeSet};

/// The group of groups. A witness's name has a slash and an organisation's group a colon: nothing else has this name.
const QUORUM: &str = "quorum-of-organisations";
/// The one name that C2SP defines: a quorum of nobody.
const NONE: &str = "none";

/// The policy of one epoch: any voter's log signature, and voters of a quorum of organisations.
///
/// A revoked key is left out: a policy cannot say up to which size it counts. Of an organisation with no other key
/// its group is left out too; with fewer groups than a quorum the text is refused by whoever reads it, as no
/// checkpoint can be certified.
pub fn policy(origin: &str, membership: &Membership) -> String {
    let valid = |key: &VerifierKey| !membership.revoked.contains_key(&key.key);
    let mut text = String::new();
    for key in membership.log_keys(origin).iter().filter(|key| valid(key)) {
        text += &format!("log {key}\n");
    }
    let mut groups: BTreeMap<&str, String> = BTreeMap::new();
    let witnesses: Vec<VerifierKey> = membership.cosign_keys().into_iter().filter(valid).collect();
    for key in &witnesses {
        text += &format!("witness {} {key}\n", key.name);
        *groups.entry(crate::organisation_of(&key.name)).or_default() += &format!(" {}", key.name);
    }
    let mut members = String::new();
    for (organisation, witnesses) in groups {
        text += &format!("group org:{organisation} any{witnesses}\n");
        members += &format!(" org:{organisation}");
    }
    text + &format!("group {QUORUM} {}{members}\nquorum {QUORUM}\n", membership.quorum())
}

/// A policy file that was read: what a checkpoint must be signed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    witnesses: BTreeMap<String, VerifierKey>,
    /// Each refers to witnesses and to groups before it.
    groups: Vec<Group>,
    /// The witness or group that must have signed; none when nobody must.
    quorum: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<String>,
}

impl Policy {
    /// The logs of which one must have signed, in the file's order; their names are origins.
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The witnesses by the names that the file gives them.
    pub fn witnesses(&self) -> &BTreeMap<String, VerifierKey> {
        &self.witnesses
    }

    /// The keys that a line may be by, those of logs of other origins too: more than one where ids collide.
    pub(crate) fn keys_of(&self, line: &NoteSignature) -> Vec<VerifierKey> {
        self.logs.iter().chain(self.witnesses.values()).filter(|key| line.is_by(key)).cloned().collect()
    }

    /// Whether the cosignatures that hold are enough. `signed` holds the file's names of witnesses; others are ignored.
    /// The log's own signature is not looked at here.
    pub fn satisfied(&self, signed: &BTreeSet<String>) -> bool {
        let Some(quorum) = &self.quorum else {
            return true;
        };
        // A group's name in `signed` says nothing: only what the groups before add counts.
        let mut held: BTreeSet<&str> =
            signed.iter().map(String::as_str).filter(|name| self.witnesses.contains_key(*name)).collect();
        for group in &self.groups {
            let holding = group.members.iter().filter(|member| held.contains(member.as_str())).count();
            if holding >= group.threshold {
                held.insert(&group.name);
            }
        }
        held.contains(quorum.as_str())
    }
}

/// Reads a policy file, of any ledger or log: Ed25519 logs and cosigners; urls are skipped.
pub fn parse_policy(text: &str) -> Result<Policy, ProofError> {
    ProofError::check_max("policy", text.len(), POLICY_BYTES_MAX)?;
    parse_lines(text, false)
}

fn parse_lines(text: &str, octets: bool) -> Result<Policy, ProofError> {
    if text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t' && byte != b'\n') {
        return Err(ProofError::malformed("policy", "holds a control character"));
    }
    let lines = text.strip_suffix('\n').ok_or_else(|| ProofError::malformed("policy", "no line feed at the end"))?;
    let mut reading = Reading { octets, ..Reading::default() };
    for (number, line) in lines.split('\n').enumerate() {
        let items: Vec<&str> = line.split([' ', '\t']).filter(|item| !item.is_empty()).collect();
        reading.line(&items).map_err(|e| ProofError::malformed("policy", format!("line {}: {e}", number + 1)))?;
    }
    reading.end()
}

/// Reads a policy file as C2SP says: octets from 0x80 on are opaque in names, URLs and comments, and need not be UTF-8.
pub fn parse_policy_octets(octets: &[u8]) -> Result<Policy, ProofError> {
    ProofError::check_max("policy", octets.len(), POLICY_BYTES_MAX)?;
    match std::str::from_utf8(octets) {
        Ok(text) => parse_policy(text),
        // Octets as characters: what a name is compared with differs as before.
        Err(_) => parse_lines(&octets.iter().map(|octet| char::from(*octet)).collect::<String>(), true),
    }
}

/// What the lines so far have defined.
#[derive(Default)]
struct Reading {
    /// Each character stands for one octet.
    octets: bool,
    logs: Vec<VerifierKey>,
    witnesses: BTreeMap<String, VerifierKey>,
    groups: Vec<Group>,
    quorum: Option<String>,
    /// Every name defined, and whether it is a member of a group already.
    names: BTreeMap<String, bool>,
}

impl Reading {
    fn line(&mut self, items: &[&str]) -> Result<(), ProofError> {
        match items {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] | ["witness", name, key, _] => self.witness(name, key),
            ["group", name, threshold, members @ ..] => self.group(name, threshold, members),
            ["quorum", name] => self.quorum(name),
            ["log" | "witness" | "group" | "quorum", ..] => Err(wrong(items[0], "too few or too many items")),
            [word, ..] => Err(wrong(word, "no such line")),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), ProofError> {
        let key = self.key_of(key, TYPE_LOG)?;
        if self.logs.iter().any(|log| log.key == key.key) {
            return Err(wrong(&key.name, "a log key that stands twice"));
        }
        self.logs.push(key);
        ProofError::check_max("logs", self.logs.len(), POLICY_ITEMS_MAX)
    }

    fn witness(&mut self, name: &str, key: &str) -> Result<(), ProofError> {
        let key = self.key_of(key, TYPE_COSIGNATURE)?;
        if self.witnesses.values().any(|witness| witness.key == key.key) {
            return Err(wrong(name, "a witness key that stands twice"));
        }
        self.define(name)?;
        self.witnesses.insert(name.to_owned(), key);
        ProofError::check_max("witnesses", self.witnesses.len(), POLICY_ITEMS_MAX)
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), ProofError> {
        let count = members.len();
        let threshold = match threshold {
            "any" => 1,
            "all" => count,
            number => decimal(number).ok_or_else(|| wrong(number, "not all, any or a decimal number"))?,
        };
        if threshold == 0 || threshold > count {
            return Err(wrong(name, format!("{threshold} of {count} members")));
        }
        // The members first: a group is no member of itself.
        members.iter().try_for_each(|member| self.take(member))?;
        self.define(name)?;
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.groups.push(Group { name: name.to_owned(), threshold, members });
        ProofError::check_max("groups", self.groups.len(), POLICY_ITEMS_MAX)
    }

    fn quorum(&mut self, name: &str) -> Result<(), ProofError> {
        if self.quorum.is_some() {
            return Err(wrong(name, "a second quorum"));
        }
        if name != NONE && !self.names.contains_key(name) {
            return Err(wrong(name, "not defined before"));
        }
        self.quorum = Some(name.to_owned());
        Ok(())
    }

    /// A key of its type. Its name is one of a note, which is UTF-8.
    fn key_of(&self, text: &str, kind: u8) -> Result<VerifierKey, ProofError> {
        let named = if self.octets {
            String::from_utf8(text.chars().map(|octet| octet as u8).collect()).map_err(|_| wrong(text, "not UTF-8"))?
        } else {
            text.to_owned()
        };
        let key = VerifierKey::parse(&named)?;
        if key.kind != kind {
            return Err(wrong(text, "a key of the wrong signature type"));
        }
        Ok(key)
    }

    fn define(&mut self, name: &str) -> Result<(), ProofError> {
        if name == NONE || self.names.insert(name.to_owned(), false).is_some() {
            return Err(wrong(name, "a name that is defined already"));
        }
        Ok(())
    }

    /// Makes a name a member of the one group that it may be in.
    fn take(&mut self, name: &str) -> Result<(), ProofError> {
        match self.names.get_mut(name) {
            None => Err(wrong(name, "not defined before")),
            Some(true) => Err(wrong(name, "a member twice")),
            Some(taken) => {
                *taken = true;
                Ok(())
            }
        }
    }

    fn end(self) -> Result<Policy, ProofError> {
        let quorum = self.quorum.ok_or_else(|| ProofError::malformed("policy", "no quorum line"))?;
        let quorum = Some(quorum).filter(|name| name != NONE);
        Ok(Policy { logs: self.logs, witnesses: self.witnesses, groups: self.groups, quorum })
    }
}

fn wrong(item: &str, reason: impl AsRef<str>) -> ProofError {
    ProofError::malformed("item", format!("{item:?}: {}", reason.as_ref()))
}

fn decimal(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number: &usize| number.to_string() == text)
}
