//! Compile a collection's Cedar policies and answer one question: may this account do this to that?

use super::cost::Cost;
use super::depth::{EXPRESSION_DEPTH_MAX, fits};
use super::facts::{Facts, convert};
use super::field::FieldPath;
use super::mentions::{Mentions, mentions};
use super::{AccessError, Action, Principal};
use cedar_policy::{ActionConstraint, Authorizer, Decision, Effect, EntityUid, Policy, PolicyId, PolicySet, Request};
use cedar_policy::{ResourceConstraint, Response};
use cedar_policy_core::ast;
use cedar_policy_core::parser::parse_policy_to_est_and_ast;
use countersign_proof::Named;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

/// Stack that parsing a policy is given: many times what the deepest of the longest kind takes, so that its verdict depends on
/// no thread's stack.
const COMPILE_STACK_BYTES: usize = 64 << 20;
/// Evaluation needs less than this; a thread with less left is given [`EVALUATE_STACK_BYTES`].
const EVALUATE_RED_ZONE_BYTES: usize = if cfg!(debug_assertions) { 3 << 20 } else { 1 << 20 };
const EVALUATE_STACK_BYTES: usize = 8 << 20;
/// Open brackets within brackets in a policy's text.
const BRACKETS_MAX: usize = 32;
/// Decisions that are remembered, of each collection: at most a megabyte or two.
const DECIDED_MAX: usize = 8_192;

/// The policies of one collection, sorted by the questions they can answer.
#[derive(Debug)]
pub(super) struct Cedar {
    /// Deepest first.
    pub(super) fields: Vec<FieldPath>,
    pub(super) named: Named,
    /// By action, then the document and each field.
    slots: Vec<Slot>,
    /// What any policy looks at.
    all: Mentions,
    /// Decisions, each for all that it depends on. They change no answer, only its cost, and no units of work.
    decided: Mutex<HashMap<Question, bool>>,
}

/// All that a decision depends on: the policies, who asks, and what they look at of the document; nothing for those that
/// look at none.
type Question = (usize, [u8; 32], Option<Vec<u8>>);

/// What can decide one action on the document or on one field.
#[derive(Debug)]
struct Slot {
    policies: PolicySet,
    /// Those of them that look at no document.
    free: PolicySet,
    /// Whether one that does look at it forbids.
    may_forbid: bool,
    forbids: BTreeSet<PolicyId>,
    mentions: Mentions,
    /// What each policy looks at, and what it takes to evaluate it.
    costs: Vec<(Mentions, Cost)>,
    action: Arc<ast::EntityUID>,
    resource: Arc<ast::EntityUID>,
}

/// One policy with what was found in it.
struct Compiled {
    policy: Policy,
    mentions: Mentions,
    cost: Cost,
}

impl Cedar {
    pub(super) fn compile(
        fields: &[String],
        named: Named,
        policies: &BTreeMap<String, String>,
    ) -> Result<Cedar, AccessError> {
        let mut paths = fields.iter().map(|text| FieldPath::parse(text)).collect::<Result<Vec<_>, _>>()?;
        check_apart(&paths)?;
        paths.sort_by_key(|field| std::cmp::Reverse(field.depth()));
        let known = fields.iter().map(String::as_str).collect();
        let compile = |(name, text): (&String, &String)| {
            stacker::grow(COMPILE_STACK_BYTES, || compile_policy(name, text, &known))
        };
        let compiled = policies.iter().map(compile).collect::<Result<Vec<_>, _>>()?;
        let (mut slots, mut all) = (Vec::new(), Mentions::default());
        for action in Action::ALL {
            let document = uid("Document", "document");
            slots.push(Slot::new(action, document, &compiled));
            slots.extend(paths.iter().map(|field| Slot::new(action, uid("Field", &field.text), &compiled)));
        }
        compiled.iter().for_each(|policy| all.add(&policy.mentions));
        Ok(Cedar { fields: paths, named, slots, all, decided: Mutex::default() })
    }

    fn slot(&self, action: Action, field: Option<usize>) -> usize {
        action as usize * (1 + self.fields.len()) + field.map_or(0, |at| 1 + at)
    }

    /// What the decision of this question looks at.
    pub(super) fn mentions(&self, action: Action, field: Option<usize>) -> &Mentions {
        &self.slots[self.slot(action, field)].mentions
    }

    /// What any decision looks at.
    pub(super) fn all_mentions(&self) -> &Mentions {
        &self.all
    }

    /// Units of work to ask this question as if no policy looked at the document.
    pub(super) fn units_of_free(&self, principal: &Principal, action: Action, field: Option<usize>) -> u64 {
        let costs = self.slots[self.slot(action, field)].costs.iter();
        let free = costs.filter(|(mentions, _)| mentions.none()).map(|(_, cost)| *cost);
        Cost::question(free).units(0, principal.attributes_size)
    }

    /// Units of work to ask it of this document, and for each unit of the element's size.
    pub(super) fn units(
        &self,
        principal: &Principal,
        facts: &Facts<'_>,
        action: Action,
        field: Option<usize>,
    ) -> (u64, u64) {
        let (mut units, mut per_element) = (Cost::question(std::iter::empty()).units(0, 0), 0_u64);
        for (mentions, cost) in &self.slots[self.slot(action, field)].costs {
            units = units.saturating_add(cost.units(facts.shown(mentions), principal.attributes_size));
            if mentions.element {
                per_element = per_element.saturating_add(cost.units(1, 0) - cost.units(0, 0));
            }
        }
        (units, per_element)
    }

    /// Whether the principal may do this to the document, or to the field of it in this array element. Asked where it is
    /// not [`Cedar::always`] so.
    pub(super) fn may(
        &self,
        principal: &Principal,
        facts: &Facts<'_>,
        action: Action,
        field: Option<usize>,
        element: Option<&Value>,
    ) -> bool {
        let at = self.slot(action, field);
        let slot = &self.slots[at];
        if slot.mentions.none() {
            // All policies are free, and they have not allowed it.
            return false;
        }
        let ask = || slot.ask(principal, facts.context(&slot.mentions, &self.all, element)).0;
        match facts.question(&slot.mentions, element) {
            Some(question) => self.decide((at, principal.digest, Some(question)), ask),
            None => ask(),
        }
    }

    fn decide(&self, question: Question, ask: impl FnOnce() -> bool) -> bool {
        let locked = || self.decided.lock().expect("nobody panics with it");
        if let Some(allowed) = locked().get(&question) {
            return *allowed;
        }
        let allowed = ask();
        let mut decided = locked();
        if decided.len() >= DECIDED_MAX {
            decided.clear();
        }
        decided.insert(question, allowed);
        allowed
    }

    /// Whether the principal may do this to every document, whatever it holds.
    pub(super) fn always(&self, principal: &Principal, action: Action, field: Option<usize>) -> bool {
        let at = self.slot(action, field);
        let slot = &self.slots[at];
        if slot.may_forbid {
            return false;
        }
        self.decide((at, principal.digest, None), || slot.judge(&slot.free, principal, ast::Context::empty()).0)
    }

    /// The same, with Cedar's own account of it.
    pub(super) fn explain(
        &self,
        principal: &Principal,
        facts: &Facts<'_>,
        action: Action,
        field: Option<usize>,
        element: Option<&Value>,
    ) -> (bool, Response) {
        let slot = &self.slots[self.slot(action, field)];
        slot.ask(principal, facts.context(&slot.mentions, &self.all, element))
    }
}

impl Slot {
    fn new(action: Action, resource: EntityUid, compiled: &[Compiled]) -> Slot {
        let action = uid("Action", action.word());
        let (mut policies, mut free) = (PolicySet::new(), PolicySet::new());
        let (mut forbids, mut mentions, mut may_forbid) = (BTreeSet::new(), Mentions::default(), false);
        let mut costs = Vec::new();
        for compiled in compiled.iter().filter(|compiled| concerns(&compiled.policy, &action, &resource)) {
            let policy = &compiled.policy;
            policies.add(policy.clone()).expect("each has its own name");
            mentions.add(&compiled.mentions);
            costs.push((compiled.mentions.clone(), compiled.cost));
            if policy.effect() == Effect::Forbid {
                forbids.insert(policy.id().clone());
                may_forbid |= !compiled.mentions.none();
            }
            if compiled.mentions.none() {
                free.add(policy.clone()).expect("each has its own name");
            }
        }
        let shared = |uid: EntityUid| Arc::new(uid.into());
        let (action, resource) = (shared(action), shared(resource));
        Slot { policies, free, may_forbid, forbids, mentions, costs, action, resource }
    }

    fn ask(&self, principal: &Principal, context: ast::Context) -> (bool, Response) {
        self.judge(&self.policies, principal, context)
    }

    fn judge(&self, policies: &PolicySet, principal: &Principal, context: ast::Context) -> (bool, Response) {
        let known = |euid: &Arc<ast::EntityUID>| ast::EntityUIDEntry::Known { euid: euid.clone(), loc: None };
        let (who, action, resource) = (known(&principal.uid), known(&self.action), known(&self.resource));
        let request = Request::from(ast::Request::new_unchecked(who, action, resource, Some(context)));
        let ask = || Authorizer::new().is_authorized(&request, policies, &principal.entities);
        let response = stacker::maybe_grow(EVALUATE_RED_ZONE_BYTES, EVALUATE_STACK_BYTES, ask);
        // Cedar passes over a policy that cannot be evaluated. One that forbids must not be passed over.
        let silent = response.diagnostics().errors().any(|error| self.forbids.contains(failed_policy(error)));
        (response.decision() == Decision::Allow && !silent, response)
    }
}

pub(super) fn failed_policy(error: &cedar_policy::AuthorizationError) -> &PolicyId {
    let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
    error.policy_id()
}

fn compile_policy(name: &str, text: &str, fields: &BTreeSet<&str>) -> Result<Compiled, AccessError> {
    let wrong = |reason: String| AccessError::new("access.policies", format!("{name}: {reason}"));
    check_brackets(text).map_err(wrong)?;
    let policy = Policy::parse(Some(PolicyId::new(name)), text).map_err(|errors| wrong(said(&errors)))?;
    // Cedar's own `to_json` parses once more, and again what is evaluated is not told.
    let (tree, evaluated) = parse_policy_to_est_and_ast(None, text).map_err(|error| wrong(error.to_string()))?;
    let tree = serde_json::to_value(tree).map_err(|error| wrong(error.to_string()))?;
    let mentions = mentions(name, &tree, fields)?;
    let evaluated: ast::Policy = evaluated.into();
    if !fits(&evaluated.condition(), EXPRESSION_DEPTH_MAX) {
        return Err(wrong(format!("evaluated deeper than {EXPRESSION_DEPTH_MAX} levels, its conditions together")));
    }
    Ok(Compiled { policy, mentions, cost: Cost::policy(&evaluated) })
}

/// What Cedar's parser says, on one line.
fn said(errors: &cedar_policy::ParseErrors) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Refuses two fields that lead to the same places: what both judge, both would take out, and an element that moved up in
/// between would be taken for another.
fn check_apart(paths: &[FieldPath]) -> Result<(), AccessError> {
    let mut seen = BTreeMap::new();
    for path in paths {
        if let Some(other) = seen.insert(path.steps(), &path.text) {
            let reason = format!("{:?} leads where {other:?} does", path.text);
            return Err(AccessError::new("access.fields", reason));
        }
    }
    Ok(())
}

/// Counted in the text, strings and comments with it: a bound on what the parser recurses into.
fn check_brackets(text: &str) -> Result<(), String> {
    let mut open = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > BRACKETS_MAX {
            return Err(format!("brackets nested deeper than {BRACKETS_MAX}"));
        }
    }
    Ok(())
}

/// Whether the policy's scope can hold for this action on this resource. Sorting by it changes no decision.
fn concerns(policy: &Policy, action: &EntityUid, resource: &EntityUid) -> bool {
    let is = |named: &EntityUid| named == action || is_write(named, action);
    let action = match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(named) => named == *action,
        ActionConstraint::In(named) => named.iter().any(is),
    };
    let resource = match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        ResourceConstraint::Eq(named) | ResourceConstraint::In(named) => named == *resource,
        ResourceConstraint::Is(kind) => kind == *resource.type_name(),
        ResourceConstraint::IsIn(kind, named) => kind == *resource.type_name() && named == *resource,
    };
    action && resource
}

/// `Action::"write"` stands for create, update and delete.
fn is_write(named: &EntityUid, action: &EntityUid) -> bool {
    *named == uid("Action", "write") && *action != uid("Action", "read")
}

/// The entity `kind::"id"`.
pub(super) fn uid(kind: &str, id: &str) -> EntityUid {
    let kind = kind.parse().expect("a name of ours is a Cedar name");
    EntityUid::from_type_name_and_id(kind, cedar_policy::EntityId::new(id))
}

/// The entities that policies can ask about: who asks, for whom, and that three actions are writes.
pub(super) fn entities(
    account: &str,
    organisation: &str,
    attributes: &serde_json::Map<String, Value>,
) -> cedar_policy::Entities {
    let attribute = |value: ast::Value| ast::PartialValue::Value(value);
    let company: ast::EntityUID = uid("Organisation", organisation).into();
    let mut known: BTreeMap<&str, ast::Value> =
        attributes.iter().map(|(name, value)| (name.as_str(), convert(value))).collect();
    known.insert("name", ast::Value::from(organisation));
    let of_company = known.into_iter().map(|(name, value)| (name.into(), attribute(value)));
    let of_account = [
        ("name".into(), attribute(ast::Value::from(account))),
        ("organisation".into(), attribute(ast::Value::from(company.clone()))),
    ];
    let entity = |uid: ast::EntityUID, attributes: Vec<_>, parents: Vec<ast::EntityUID>| {
        let none = std::iter::empty();
        let parents = parents.into_iter().collect();
        ast::Entity::new_with_attr_partial_value(uid, attributes, Default::default(), parents, none).into()
    };
    let mut all: Vec<cedar_policy::Entity> = vec![
        entity(company.clone(), of_company.collect(), vec![]),
        entity(uid("Account", account).into(), of_account.into(), vec![company]),
        entity(uid("Action", "write").into(), vec![], vec![]),
    ];
    let writes = ["create", "update", "delete"];
    all.extend(writes.map(|word| entity(uid("Action", word).into(), vec![], vec![uid("Action", "write").into()])));
    cedar_policy::Entities::from_entities(all, None).expect("no entity stands twice and none is above itself")
}
