//! Find what a policy looks at, and refuse one that looks at what is not there.

use super::AccessError;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Levels of one policy's syntax tree: what is evaluated must fit the stack of any thread.
const TREE_DEPTH_MAX: usize = 192;

/// What policies look at. A decision without any of it holds for every document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mentions {
    pub(super) document: Names,
    pub(super) after: Names,
    pub(super) current: Names,
    pub(super) element: bool,
    pub(super) id: bool,
    /// `context.reader`, `context.writer`, `context.owner`.
    pub(super) named: bool,
}

/// Which members of a document are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Names {
    #[default]
    None,
    Some(BTreeSet<String>),
    All,
}

impl Names {
    pub(super) fn is_none(&self) -> bool {
        *self == Names::None
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        match self {
            Names::None => false,
            Names::Some(names) => names.contains(name),
            Names::All => true,
        }
    }

    fn add(&mut self, more: &Names) {
        match (&mut *self, more) {
            (_, Names::None) | (Names::All, _) => {}
            (Names::Some(names), Names::Some(more)) => names.extend(more.iter().cloned()),
            _ => *self = more.clone(),
        }
    }
}

impl Mentions {
    pub(super) fn none(&self) -> bool {
        *self == Mentions::default()
    }

    pub(super) fn add(&mut self, more: &Mentions) {
        self.document.add(&more.document);
        self.after.add(&more.after);
        self.current.add(&more.current);
        self.element |= more.element;
        self.id |= more.id;
        self.named |= more.named;
    }

    /// `context.<member>`, and of a document the member of it; no member where it is looked at as a whole.
    fn see(&mut self, member: &str, of_document: Option<&str>) -> Result<(), String> {
        let names = of_document.map_or(Names::All, |name| Names::Some(BTreeSet::from([name.to_owned()])));
        match member {
            "document" => self.document.add(&names),
            "after" => self.after.add(&names),
            "current" => self.current.add(&names),
            "element" => self.element = true,
            "id" => self.id = true,
            "owner" | "reader" | "writer" => self.named = true,
            _ => {
                let known = "after, current, document, element, id, owner, reader, writer";
                return Err(format!("context.{member} is none of {known}"));
            }
        }
        Ok(())
    }
}

/// What a policy, given as Cedar's JSON form of it, looks at.
pub(super) fn mentions(policy: &str, tree: &Value, fields: &BTreeSet<&str>) -> Result<Mentions, AccessError> {
    let mut found = Mentions::default();
    let wrong = |reason: String| AccessError::new("access.policies", format!("{policy}: {reason}"));
    look(tree, fields, &mut found, 0).map_err(wrong)?;
    Ok(found)
}

fn look(tree: &Value, fields: &BTreeSet<&str>, found: &mut Mentions, depth: usize) -> Result<(), String> {
    if depth > TREE_DEPTH_MAX {
        return Err(format!("nested deeper than {TREE_DEPTH_MAX} levels"));
    }
    match tree {
        Value::Array(parts) => parts.iter().try_for_each(|part| look(part, fields, found, depth + 1)),
        Value::Object(parts) => {
            if let Some((left, member)) = access(parts) {
                if is_context(left) {
                    return found.see(member, None);
                }
                if let Some((_, whole)) = left.as_object().and_then(access).filter(|(left, _)| is_context(left))
                    && ["document", "after", "current"].contains(&whole)
                {
                    return found.see(whole, Some(member));
                }
            }
            if is_context(tree) {
                return Err("context stands alone; name a member of it".into());
            }
            check_literal(parts, fields)?;
            check_functions(parts)?;
            parts.values().try_for_each(|part| look(part, fields, found, depth + 1))
        }
        _ => Ok(()),
    }
}

/// `left.member`, or `left has member`.
fn access(parts: &Map<String, Value>) -> Option<(&Value, &str)> {
    let inner = parts.get(".").or_else(|| parts.get("has"))?;
    Some((inner.get("left")?, inner.get("attr")?.as_str()?))
}

fn is_context(tree: &Value) -> bool {
    tree.get("Var").and_then(Value::as_str) == Some("context")
}

/// Entities that no question is about are mistakes: a policy about them would be silent for ever.
fn check_literal(parts: &Map<String, Value>, fields: &BTreeSet<&str>) -> Result<(), String> {
    let text = |name: &str| parts.get(name).and_then(Value::as_str);
    if let Some(kind) = text("entity_type") {
        known_type(kind)?;
    }
    let (Some(kind), Some(id)) = (text("type"), text("id")) else { return Ok(()) };
    known_type(kind)?;
    match kind {
        "Action" if !["read", "create", "update", "delete", "write"].contains(&id) => {
            Err(format!("Action::{id:?} is none of read, create, update, delete, write"))
        }
        "Field" if !fields.contains(id) => Err(format!("Field::{id:?} is not among access.fields")),
        "Document" => Err("write `resource is Document`; for one document look at context.id".into()),
        _ => Ok(()),
    }
}

/// Extension functions stand in Cedar's form with a list of arguments. Which there are depends on how Cedar was built, so
/// that a rule must not know them.
fn check_functions(parts: &Map<String, Value>) -> Result<(), String> {
    let lists = ["Set", "conditions", "entities", "pattern"];
    match parts.iter().find(|(name, value)| value.is_array() && !lists.contains(&&name[..])) {
        Some((name, _)) => Err(format!("{name} is no function of these rules")),
        None => Ok(()),
    }
}

fn known_type(kind: &str) -> Result<(), String> {
    let known = ["Account", "Action", "Document", "Field", "Organisation"];
    if known.contains(&kind) { Ok(()) } else { Err(format!("{kind} is none of {}", known.join(", "))) }
}
