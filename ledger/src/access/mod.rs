//! Decide who may read and write what of a document. One set of rules judges writes at execution and reads at the node
//! that serves them.
//!
//! ```text
//!                    the document                     each field of `access.fields` in it
//!  read    hidden: it does not exist for him          hidden: left out, and marked
//!  create  the new document                           each that the new document has
//!  update  what changed outside of those fields       each that changed
//!  delete  the document
//! ```
//!
//! A question goes to Cedar as principal `Account::"ua.example/ops"`, action `Action::"update"`, resource
//! `Document::"document"` or `Field::"coupons[*].code"`, with what is known about the document in `context`.

mod cedar;
mod depth;
mod explain;
mod facts;
mod field;
mod mentions;
mod principals;

pub use explain::{Asked, Explained};
pub use principals::Principals;

use cedar::Cedar;
use countersign_proof::{Access, NAMED_MEMBER, Named, NamedAccess, canonical, organisation_of, plain_hash};
use facts::Facts;
use field::{Instance, related, remove, take};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Places in one document that are judged apart.
pub const FIELD_PLACES_MAX: usize = 4_096;

/// What is done to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// See it.
    Read,
    /// Make it, where none is.
    Create,
    /// Change it.
    Update,
    /// Delete it.
    Delete,
}

impl Action {
    pub(crate) const ALL: [Action; 4] = [Action::Read, Action::Create, Action::Update, Action::Delete];

    /// Cedar's id of it.
    pub fn word(self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Create => "create",
            Action::Update => "update",
            Action::Delete => "delete",
        }
    }
}

/// Who asks: an account, and what the ledger says of its organisation.
#[derive(Debug)]
pub struct Principal {
    account: String,
    uid: Arc<cedar_policy_core::ast::EntityUID>,
    entities: cedar_policy::Entities,
    /// Of all that decisions can depend on.
    digest: [u8; 32],
}

impl Principal {
    /// An account with the attributes of its organisation, as `$organisations` has them.
    pub fn new(account: &str, attributes: &Map<String, Value>) -> Principal {
        let digest = plain_hash(&canonical(&serde_json::json!([account, attributes]))).0;
        let entities = cedar::entities(account, organisation_of(account), attributes);
        Principal {
            account: account.to_owned(),
            uid: Arc::new(cedar::uid("Account", account).into()),
            entities,
            digest,
        }
    }

    /// The account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Its organisation.
    pub fn organisation(&self) -> &str {
        organisation_of(&self.account)
    }
}

/// The access rule of one collection, compiled.
#[derive(Debug)]
pub struct Rules(Engine);

#[derive(Debug)]
enum Engine {
    /// Ascending.
    Writers(Vec<String>),
    Cedar(Box<Cedar>),
}

/// Why an access rule is refused; the one who proposed it must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct AccessError {
    /// The member of the definition.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl AccessError {
    fn new(field: &'static str, reason: impl Into<String>) -> AccessError {
        AccessError { field, reason: reason.into() }
    }
}

/// What may not be done. Says nothing of what the document holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    account: String,
    action: Action,
    /// JSON pointer to the part of the document; empty for all of it.
    pub pointer: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.pointer.is_empty() { "the document" } else { &self.pointer };
        write!(f, "{} may not {} {what}", self.account, self.action.word())
    }
}

/// One change of a document, to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The document's id.
    pub id: &'a str,
    /// Its value before; none where it does not exist.
    pub before: Option<&'a Value>,
    /// Its value after; none for a deletion.
    pub after: Option<&'a Value>,
    /// What the change says, beside what it does: one who may not read a field must not find out by writing to it
    /// what it already holds.
    pub said: Said<'a>,
}

/// What a change says of the document.
#[derive(Debug, Clone, Copy)]
pub enum Said<'a> {
    /// All of it.
    Whole,
    /// What this merge patch names.
    Patch(&'a Value),
    /// No more than what it changes.
    Change,
}

/// A version of a document as a reader sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum View {
    /// It does not exist for him.
    Hidden,
    /// What he sees, and JSON pointers into the whole value to what was left out of it.
    Shown {
        /// Without what is hidden. Elements after a hidden one have moved up.
        value: Value,
        /// Ascending.
        redacted: Vec<String>,
    },
}

impl Rules {
    /// Compiles a rule, or says what is wrong with it.
    pub fn compile(access: &Access) -> Result<Rules, AccessError> {
        match access {
            Access::WritersV1 { write } => Ok(Rules(Engine::Writers(write.clone()))),
            Access::CedarV1 { fields, named, policies } => {
                Cedar::compile(fields, *named, policies).map(|cedar| Rules(Engine::Cedar(Box::new(cedar))))
            }
        }
    }

    /// Whether documents name their own readers, writers and owners.
    pub fn named(&self) -> Named {
        match &self.0 {
            Engine::Writers(_) => Named::None,
            Engine::Cedar(cedar) => cedar.named,
        }
    }

    /// Whether a read needs to know the newest version too, beside the one that is read.
    pub fn needs_current(&self) -> bool {
        match &self.0 {
            Engine::Writers(_) => false,
            Engine::Cedar(cedar) => !cedar.all_mentions().current.is_none(),
        }
    }

    /// Whether this reader sees every document, whatever is in it; nobody is an anonymous reader.
    pub fn reads_every_document(&self, principal: Option<&Principal>) -> bool {
        self.reads_whatever_it_holds(principal, false)
    }

    /// Whether this reader sees every field of every document.
    pub fn reads_everything(&self, principal: Option<&Principal>) -> bool {
        self.reads_whatever_it_holds(principal, true)
    }

    fn reads_whatever_it_holds(&self, principal: Option<&Principal>, fields: bool) -> bool {
        let cedar = match &self.0 {
            Engine::Writers(_) => return true,
            Engine::Cedar(cedar) => cedar,
        };
        let Some(principal) = principal else { return false };
        let always = |field| cedar.always(principal, Action::Read, field);
        always(None) && (!fields || (0..cedar.fields.len()).all(|at| always(Some(at))))
    }

    /// Judges a change that can be made.
    pub fn check_change(&self, principal: &Principal, change: &Change<'_>) -> Result<(), Denied> {
        let action = match (change.before, change.after) {
            (_, None) => Action::Delete,
            (None, Some(_)) => Action::Create,
            (Some(_), Some(_)) => Action::Update,
        };
        let cedar = match &self.0 {
            Engine::Writers(write) => return writers(write, principal, action),
            Engine::Cedar(cedar) => cedar,
        };
        let document = change.before.or(change.after);
        let facts = Facts::new(principal, change.id, document, change.after, document);
        let judged = Judged { cedar, principal, facts };
        match (action, change.before, change.after) {
            (Action::Update, Some(before), Some(after)) => judged.check_update(before, after, change.said),
            (Action::Create, _, Some(after)) => judged.check_create(after),
            _ => judged.check(action, None, None),
        }
    }

    /// Judges a change that cannot be made, so that its error tells nothing to one who may not even try.
    pub fn check_failed(
        &self,
        principal: &Principal,
        change: &Change<'_>,
        action: Action,
        pointer: Option<&str>,
    ) -> Result<(), Denied> {
        let cedar = match &self.0 {
            Engine::Writers(write) => return writers(write, principal, action),
            Engine::Cedar(cedar) => cedar,
        };
        let document = change.before.or(change.after);
        let judged = Judged { cedar, principal, facts: Facts::new(principal, change.id, document, None, document) };
        let covering = pointer.and_then(|pointer| judged.covering(document?, pointer));
        match covering {
            Some((field, place)) => judged.check(action, Some((field, &place)), None),
            None => judged.check(action, None, pointer),
        }
    }

    /// Whether the rules look at documents at all, and let this reader see that this one is there.
    pub(crate) fn sees(&self, principal: &Principal, id: &str, document: Option<&Value>) -> bool {
        let (Engine::Cedar(_), Some(document)) = (&self.0, document) else { return false };
        self.view(Some(principal), id, document, Some(document)) != View::Hidden
    }

    /// Judges a precondition on what these pointers lead to: it tells its author whether it holds.
    pub fn check_condition<'p>(
        &self,
        principal: &Principal,
        id: &str,
        before: Option<&Value>,
        mut pointers: impl Iterator<Item = &'p str>,
    ) -> Result<(), Denied> {
        let Some(before) = before else { return Ok(()) };
        let denied = |pointer: &str| denied(principal, Action::Read, pointer);
        match self.view(Some(principal), id, before, Some(before)) {
            View::Hidden => Err(denied("")),
            View::Shown { redacted, .. } => {
                match pointers.find(|pointer| redacted.iter().any(|hidden| related(hidden, pointer))) {
                    Some(pointer) => Err(denied(pointer)),
                    None => Ok(()),
                }
            }
        }
    }

    /// What a reader sees of a version with this value. `current` is the newest version's value, which only rules that
    /// [need it](Rules::needs_current) look at.
    pub fn view(&self, principal: Option<&Principal>, id: &str, value: &Value, current: Option<&Value>) -> View {
        let cedar = match &self.0 {
            Engine::Writers(_) => return View::Shown { value: value.clone(), redacted: Vec::new() },
            Engine::Cedar(cedar) => cedar,
        };
        let Some(principal) = principal else { return View::Hidden };
        let judged = Judged { cedar, principal, facts: Facts::new(principal, id, Some(value), None, current) };
        if judged.check(Action::Read, None, None).is_err() {
            return View::Hidden;
        }
        let (mut shown, mut redacted) = (value.clone(), Vec::new());
        for at in 0..cedar.fields.len() {
            // Backwards: removing an element moves up those after it.
            for place in judged.unreadable(at, value).iter().rev() {
                remove(&mut shown, &place.pointer);
                redacted.push(place.pointer.clone());
            }
        }
        redacted.sort();
        redacted.dedup();
        View::Shown { value: shown, redacted }
    }
}

fn writers(write: &[String], principal: &Principal, action: Action) -> Result<(), Denied> {
    let is_writer = write.iter().any(|writer| writer == principal.organisation());
    if is_writer { Ok(()) } else { Err(denied(principal, action, "")) }
}

fn denied(principal: &Principal, action: Action, pointer: &str) -> Denied {
    Denied { account: principal.account.clone(), action, pointer: pointer.to_owned() }
}

/// One document before one set of policies.
struct Judged<'a> {
    cedar: &'a Cedar,
    principal: &'a Principal,
    facts: Facts<'a>,
}

impl Judged<'_> {
    fn may(&self, action: Action, field: Option<(usize, &Instance)>) -> bool {
        let element = field.and_then(|(_, place)| self.facts.part(place.element.as_deref()?));
        self.cedar.may(self.principal, &self.facts, action, field.map(|(at, _)| at), element)
    }

    /// `shown` is the pointer to name where it is the document that is judged.
    fn check(&self, action: Action, field: Option<(usize, &Instance)>, shown: Option<&str>) -> Result<(), Denied> {
        if self.may(action, field) {
            return Ok(());
        }
        let pointer = field.map(|(_, place)| place.pointer.as_str()).or(shown).unwrap_or_default();
        Err(denied(self.principal, action, pointer))
    }

    fn check_create(&self, after: &Value) -> Result<(), Denied> {
        self.check(Action::Create, None, None)?;
        for (at, field) in self.cedar.fields.iter().enumerate() {
            let places = field.instances(after);
            let once = !self.cedar.mentions(Action::Create, Some(at)).element;
            let judged = if once { places.len().min(1) } else { places.len() };
            places[..judged].iter().try_for_each(|place| self.check(Action::Create, Some((at, place)), None))?;
        }
        Ok(())
    }

    /// Takes the fields out of both, the deepest first, and judges those that differ. What differs then is the document.
    fn check_update(&self, before: &Value, after: &Value, said: Said<'_>) -> Result<(), Denied> {
        if before.get(NAMED_MEMBER) != after.get(NAMED_MEMBER) {
            self.check_named(before)?;
        }
        if self.cedar.fields.is_empty() {
            return if before != after { self.check(Action::Update, None, None) } else { Ok(()) };
        }
        let (mut before_rest, mut after_rest) = (before.clone(), after.clone());
        for (at, field) in self.cedar.fields.iter().enumerate() {
            let mut places: BTreeMap<String, (Instance, Option<Value>, Option<Value>)> = BTreeMap::new();
            for place in field.instances(before) {
                let value = take(&mut before_rest, &place.pointer);
                places.insert(place.pointer.clone(), (place, value, None));
            }
            for place in field.instances(after) {
                let value = take(&mut after_rest, &place.pointer);
                places.entry(place.pointer.clone()).or_insert((place, None, None)).2 = value;
            }
            for (place, before, after) in places.values() {
                if before != after || (said.names(&place.pointer) && !self.may(Action::Read, Some((at, place)))) {
                    self.check(Action::Update, Some((at, place)), None)?;
                }
            }
        }
        if before_rest != after_rest { self.check(Action::Update, None, None) } else { Ok(()) }
    }

    /// Who is named in a document is for its owners to say, whatever the policies permit.
    fn check_named(&self, before: &Value) -> Result<(), Denied> {
        let names_nobody = before.get(NAMED_MEMBER).is_none();
        if names_nobody || self.facts.named().is_owner(self.principal.organisation()) {
            return Ok(());
        }
        Err(denied(self.principal, Action::Update, &format!("/{NAMED_MEMBER}")))
    }

    /// The deepest field that holds what `pointer` leads to.
    fn covering(&self, document: &Value, pointer: &str) -> Option<(usize, Instance)> {
        let holds =
            |place: &Instance| pointer.strip_prefix(&place.pointer).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        let find =
            |at: usize| self.cedar.fields[at].instances(document).into_iter().find(holds).map(|place| (at, place));
        (0..self.cedar.fields.len()).find_map(find)
    }

    /// The places of a field that this reader may not see. Beyond [`FIELD_PLACES_MAX`] that is all of them: no document
    /// with more was let in, but the fields may have been declared later.
    fn unreadable(&self, at: usize, value: &Value) -> Vec<Instance> {
        let places = self.cedar.fields[at].instances(value);
        if places.len() > FIELD_PLACES_MAX {
            return places;
        }
        let Some(first) = places.first() else { return places };
        if !self.cedar.mentions(Action::Read, Some(at)).element {
            let may = self.may(Action::Read, Some((at, first)));
            return if may { Vec::new() } else { places };
        }
        places.into_iter().filter(|place| !self.may(Action::Read, Some((at, place)))).collect()
    }
}

impl Said<'_> {
    fn names(&self, pointer: &str) -> bool {
        match self {
            Said::Whole => true,
            Said::Patch(patch) => patch.pointer(pointer).is_some(),
            Said::Change => false,
        }
    }
}

/// Checks what a document says of its own access, and that its fields can be judged.
pub(crate) fn check_document(rules: &Rules, document: &Value) -> Result<(), AccessError> {
    let Engine::Cedar(cedar) = &rules.0 else { return Ok(()) };
    let names = NamedAccess::of(document).map_err(|error| AccessError::new(NAMED_MEMBER, error.to_string()))?;
    if names.is_none() && cedar.named == Named::Required {
        let reason = "missing: this collection's documents name their owners, readers and writers";
        return Err(AccessError::new(NAMED_MEMBER, reason));
    }
    for field in &cedar.fields {
        let places = field.instances(document).len();
        if places > FIELD_PLACES_MAX {
            let reason = format!("{places} places of {:?}, at most {FIELD_PLACES_MAX}", field.text);
            return Err(AccessError::new("document", reason));
        }
    }
    Ok(())
}
