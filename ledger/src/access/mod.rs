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
mod cost;
mod depth;
mod explain;
mod facts;
mod field;
mod mentions;
mod principals;

pub use cost::Allowance;
pub use explain::{Asked, Explained};
pub use principals::Principals;

use cedar::Cedar;
use cost::ACCESS_WORK_MAX;
use countersign_proof::{Access, NAMED_MEMBER, Named, NamedAccess, canonical, organisation_of, plain_hash};
use facts::Facts;
use field::{FieldPath, Instance, related, remove, take};
use serde_json::{Map, Value};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Places in one document that are judged apart.
pub const FIELD_PLACES_MAX: usize = 4_096;

/// What is done to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    attributes_size: u64,
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
            attributes_size: cost::size(&Value::Object(attributes.clone())),
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
    /// It may be allowed or not: to tell would take too much.
    unanswered: bool,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.pointer.is_empty() { "the document" } else { &self.pointer };
        write!(f, "{} may not {} {what}", self.account, self.action.word())?;
        match self.unanswered {
            true => write!(f, ": to judge it takes more than ACCESS_WORK_MAX, {ACCESS_WORK_MAX} units of work"),
            false => Ok(()),
        }
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

    /// Judges a change that can be made, by no more work than is allowed.
    pub fn check_change(
        &self,
        principal: &Principal,
        change: &Change<'_>,
        allowance: &Allowance,
    ) -> Result<(), Denied> {
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
        let judged = Judged::new(cedar, principal, facts, allowance);
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
        allowance: &Allowance,
    ) -> Result<(), Denied> {
        let cedar = match &self.0 {
            Engine::Writers(write) => return writers(write, principal, action),
            Engine::Cedar(cedar) => cedar,
        };
        let document = change.before.or(change.after);
        let facts = Facts::new(principal, change.id, document, None, document);
        let judged = Judged::new(cedar, principal, facts, allowance);
        let covering = pointer.and_then(|pointer| judged.covering(document?, pointer));
        match covering {
            Some((field, place)) => judged.check(action, Some((field, &place)), None),
            None => judged.check(action, None, pointer),
        }
    }

    /// Whether the rules look at documents at all, and let this reader see that this one is there.
    pub(crate) fn sees(
        &self,
        principal: &Principal,
        id: &str,
        document: Option<&Value>,
        allowance: &Allowance,
    ) -> bool {
        let Engine::Cedar(_) = &self.0 else { return false };
        document.is_some_and(|document| self.shows(principal, id, document, allowance))
    }

    /// Whether this reader sees that a document with this value is there.
    pub(crate) fn shows(&self, principal: &Principal, id: &str, document: &Value, allowance: &Allowance) -> bool {
        let Engine::Cedar(cedar) = &self.0 else { return true };
        let facts = Facts::new(principal, id, Some(document), None, Some(document));
        Judged::new(cedar, principal, facts, allowance).may(Action::Read, None)
    }

    /// Judges a precondition on what these pointers lead to: it tells its author whether it holds.
    pub fn check_condition<'p>(
        &self,
        principal: &Principal,
        id: &str,
        before: Option<&Value>,
        mut pointers: impl Iterator<Item = &'p str>,
        allowance: &Allowance,
    ) -> Result<(), Denied> {
        let Some(before) = before else { return Ok(()) };
        let unanswered = || allowance.is_spent();
        let denied = |pointer: &str| Denied { unanswered: unanswered(), ..denied(principal, Action::Read, pointer) };
        match self.view_within(Some(principal), id, before, Some(before), allowance) {
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
    ///
    /// Where finding the places of its fields takes more than an [`Allowance`], the document is hidden; where judging them
    /// does, those that are left are.
    pub fn view(&self, principal: Option<&Principal>, id: &str, value: &Value, current: Option<&Value>) -> View {
        self.view_within(principal, id, value, current, &Allowance::default())
    }

    fn view_within(
        &self,
        principal: Option<&Principal>,
        id: &str,
        value: &Value,
        current: Option<&Value>,
        allowance: &Allowance,
    ) -> View {
        let cedar = match &self.0 {
            Engine::Writers(_) => return View::Shown { value: value.clone(), redacted: Vec::new() },
            Engine::Cedar(cedar) => cedar,
        };
        let Some(principal) = principal else { return View::Hidden };
        let facts = Facts::new(principal, id, Some(value), None, current);
        let judged = Judged::new(cedar, principal, facts, allowance);
        if judged.check(Action::Read, None, None).is_err() {
            return View::Hidden;
        }
        let (mut shown, mut redacted) = (value.clone(), Vec::new());
        for at in 0..cedar.fields.len() {
            // Backwards: removing an element moves up those after it.
            let Ok(places) = judged.unreadable(at, value) else { return View::Hidden };
            for place in places.iter().rev() {
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
    Denied { account: principal.account.clone(), action, pointer: pointer.to_owned(), unanswered: false }
}

/// One document before one set of policies.
struct Judged<'a> {
    cedar: &'a Cedar,
    principal: &'a Principal,
    facts: Facts<'a>,
    allowance: &'a Allowance,
    /// By action and field.
    answers: RefCell<BTreeMap<(Action, Option<usize>), Answer>>,
    /// Whether the three documents that policies look at were paid for.
    converted: Cell<bool>,
}

/// What is known of a question.
#[derive(Clone, Copy)]
enum Answer {
    /// At every place the same.
    Same(bool),
    /// Another one for each element: what it takes, and for each unit of the element's size.
    ByElement(u64, u64),
}

impl<'a> Judged<'a> {
    fn new(cedar: &'a Cedar, principal: &'a Principal, facts: Facts<'a>, allowance: &'a Allowance) -> Judged<'a> {
        Judged { cedar, principal, facts, allowance, answers: RefCell::default(), converted: Cell::new(false) }
    }

    fn may(&self, action: Action, field: Option<(usize, &Instance)>) -> bool {
        let at = field.map(|(at, _)| at);
        let known = self.answers.borrow().get(&(action, at)).copied();
        let answer = known.unwrap_or_else(|| {
            let answer = self.answer(action, at);
            self.answers.borrow_mut().insert((action, at), answer);
            answer
        });
        match answer {
            Answer::Same(allowed) => allowed,
            // Not even measured: an element is as large as a document.
            Answer::ByElement(..) if self.allowance.is_spent() => false,
            Answer::ByElement(units, per_element) => {
                let element = field.and_then(|(_, place)| self.facts.part(place.element.as_deref()?));
                // It is converted each time, and then looked at by the policies.
                let of_element = element.map_or(0, cost::size).saturating_mul(per_element.saturating_add(1));
                self.allowance.take(units.saturating_add(of_element))
                    && self.cedar.may(self.principal, &self.facts, action, at, element)
            }
        }
    }

    /// Asks once what has one answer.
    fn answer(&self, action: Action, at: Option<usize>) -> Answer {
        let (cedar, principal) = (self.cedar, self.principal);
        if !self.allowance.take(cedar.units_of_free(principal, action, at)) {
            return Answer::Same(false);
        }
        if cedar.always(principal, action, at) {
            return Answer::Same(true);
        }
        let mentions = cedar.mentions(action, at);
        let (units, per_element) = cedar.units(principal, &self.facts, action, at);
        let to_convert = if self.converted.replace(true) { 0 } else { self.facts.shown(cedar.all_mentions()) };
        if mentions.element {
            return if self.allowance.take(to_convert) {
                Answer::ByElement(units, per_element)
            } else {
                Answer::Same(false)
            };
        }
        let pays = self.allowance.take(to_convert.saturating_add(units));
        Answer::Same(pays && cedar.may(principal, &self.facts, action, at, None))
    }

    /// `shown` is the pointer to name where it is the document that is judged.
    fn check(&self, action: Action, field: Option<(usize, &Instance)>, shown: Option<&str>) -> Result<(), Denied> {
        if self.may(action, field) {
            return Ok(());
        }
        let pointer = field.map(|(_, place)| place.pointer.as_str()).or(shown).unwrap_or_default();
        Err(Denied { unanswered: self.allowance.is_spent(), ..denied(self.principal, action, pointer) })
    }

    fn check_create(&self, after: &Value) -> Result<(), Denied> {
        self.check(Action::Create, None, None)?;
        for (at, field) in self.cedar.fields.iter().enumerate() {
            let places = self.places(field, after, Action::Create)?;
            places.iter().try_for_each(|place| self.check(Action::Create, Some((at, place)), None))?;
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
            for place in self.places(field, before, Action::Update)? {
                let value = take(&mut before_rest, &place.pointer);
                places.insert(place.pointer.clone(), (place, value, None));
            }
            for place in self.places(field, after, Action::Update)? {
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
        let places = |at: usize| self.cedar.fields[at].instances(document, self.allowance).into_iter().flatten();
        let find = |at: usize| places(at).find(holds).map(|place| (at, place));
        (0..self.cedar.fields.len()).find_map(find)
    }

    /// The places of a field that this reader may not see. Beyond [`FIELD_PLACES_MAX`] that is all of them: no document
    /// with more was let in, but the fields may have been declared later.
    fn unreadable(&self, at: usize, value: &Value) -> Result<Vec<Instance>, Denied> {
        let mut places = self.places(&self.cedar.fields[at], value, Action::Read)?;
        if places.len() <= FIELD_PLACES_MAX {
            places.retain(|place| !self.may(Action::Read, Some((at, place))));
        }
        Ok(places)
    }

    /// Where a field leads. What cannot be found out is denied.
    fn places(&self, field: &FieldPath, document: &Value, action: Action) -> Result<Vec<Instance>, Denied> {
        let unanswered = || Denied { unanswered: true, ..denied(self.principal, action, "") };
        field.instances(document, self.allowance).ok_or_else(unanswered)
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
pub(crate) fn check_document(rules: &Rules, document: &Value, allowance: &Allowance) -> Result<(), AccessError> {
    let Engine::Cedar(cedar) = &rules.0 else { return Ok(()) };
    let names = NamedAccess::of(document).map_err(|error| AccessError::new(NAMED_MEMBER, error.to_string()))?;
    if names.is_none() && cedar.named == Named::Required {
        let reason = "missing: this collection's documents name their owners, readers and writers";
        return Err(AccessError::new(NAMED_MEMBER, reason));
    }
    for field in &cedar.fields {
        let more =
            || AccessError::new("document", format!("its fields take more than ACCESS_WORK_MAX, {ACCESS_WORK_MAX}"));
        let places = field.instances(document, allowance).ok_or_else(more)?.len();
        if places > FIELD_PLACES_MAX {
            let reason = format!("{places} places of {:?}, at most {FIELD_PLACES_MAX}", field.text);
            return Err(AccessError::new("document", reason));
        }
    }
    Ok(())
}
