//! Read the path of a field, such as `coupons[*].code`, and find where it leads in a document.

use super::AccessError;
use super::cost::{Allowance, PLACE_UNITS, VISIT_UNITS};
use serde_json::Value;

/// A field that is judged apart from its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FieldPath {
    pub(super) text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Member(String),
    /// `[*]`: each element of an array.
    Each,
}

/// One place in a document where a field leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) pointer: String,
    /// The innermost array element that holds it, which may be itself.
    pub(super) element: Option<String>,
}

impl FieldPath {
    /// Members between dots, `[*]` for each element, `["a.b"]` for a member whose name holds a dot or a bracket.
    pub(super) fn parse(text: &str) -> Result<FieldPath, AccessError> {
        let wrong = |reason: &str| AccessError::new("access.fields", format!("{text:?}: {reason}"));
        let (mut steps, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("[*]") {
                steps.push(Step::Each);
                rest = after;
            } else if rest.starts_with("[\"") {
                let mut strings = serde_json::Deserializer::from_str(&rest[1..]).into_iter::<String>();
                let name = strings.next().and_then(Result::ok).ok_or_else(|| wrong("a JSON string follows ["))?;
                rest = rest[1 + strings.byte_offset()..].strip_prefix(']').ok_or_else(|| wrong("no ] after a name"))?;
                steps.push(Step::Member(name));
            } else {
                let name =
                    if steps.is_empty() { rest } else { rest.strip_prefix('.').ok_or_else(|| wrong("no dot"))? };
                let end = name.find(['.', '[']).unwrap_or(name.len());
                if end == 0 || name[..end].contains([']', '"', '*']) {
                    return Err(wrong("a member's name is missing or needs [\"...\"]"));
                }
                steps.push(Step::Member(name[..end].to_owned()));
                rest = &name[end..];
            }
        }
        match steps.first() {
            Some(Step::Member(name)) if !name.starts_with('$') => Ok(FieldPath { text: text.to_owned(), steps }),
            _ => Err(wrong("does not begin with the name of a member")),
        }
    }

    /// Where it leads, however it is written.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How deep it leads: what is deeper is judged first.
    pub(super) fn depth(&self) -> usize {
        self.steps.len()
    }

    /// Everywhere it leads in `document`, in the document's order; none where to find out would take more than is allowed.
    pub(super) fn instances(&self, document: &Value, allowance: &Allowance) -> Option<Vec<Instance>> {
        let mut walk = Walk { allowance, found: Vec::new() };
        walk.on(document, &self.steps, String::new(), None)?;
        Some(walk.found)
    }
}

struct Walk<'a> {
    allowance: &'a Allowance,
    found: Vec<Instance>,
}

impl Walk<'_> {
    fn on(&mut self, value: &Value, steps: &[Step], pointer: String, element: Option<String>) -> Option<()> {
        let Some((step, rest)) = steps.split_first() else {
            self.found.push(Instance { pointer, element });
            return self.allowance.take(PLACE_UNITS).then_some(());
        };
        self.allowance.take(VISIT_UNITS).then_some(())?;
        match (step, value) {
            (Step::Member(name), Value::Object(members)) => {
                let Some(value) = members.get(name) else { return Some(()) };
                let name = name.replace('~', "~0").replace('/', "~1");
                self.on(value, rest, format!("{pointer}/{name}"), element)
            }
            (Step::Each, Value::Array(elements)) => elements.iter().enumerate().try_for_each(|(at, value)| {
                let pointer = format!("{pointer}/{at}");
                self.on(value, rest, pointer.clone(), Some(pointer))
            }),
            _ => Some(()),
        }
    }
}

/// Takes what `pointer` leads to out of the document. An element leaves null behind, so that the others keep their
/// places.
pub(super) fn take(document: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    match document.pointer_mut(parent)? {
        Value::Object(members) => members.remove(&name.replace("~1", "/").replace("~0", "~")),
        Value::Array(elements) => elements.get_mut(name.parse::<usize>().ok()?).map(Value::take),
        _ => None,
    }
}

/// Removes what `pointer` leads to; the elements after it move up.
pub(super) fn remove(document: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    match (document.pointer_mut(parent), name.parse::<usize>()) {
        (Some(Value::Array(elements)), Ok(at)) if at < elements.len() => drop(elements.remove(at)),
        _ => drop(take(document, pointer)),
    }
}

/// Whether one of two pointers leads to a part of what the other leads to, or to the same.
pub(super) fn related(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(a, b) || within(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_leads_to_every_place_and_to_no_other() {
        let document = json!({"coupons":[{"code":1},{"x":2},{"code":3}],"a.b":{"c/d":5},"tags":["p","q"]});
        let places = |text: &str| {
            let field = FieldPath::parse(text).expect("a path");
            field
                .instances(&document, &Allowance::default())
                .expect("few")
                .into_iter()
                .map(|i| (i.pointer, i.element))
                .collect::<Vec<_>>()
        };
        let at = |pointer: &str, element: &str| (pointer.to_owned(), Some(element.to_owned()));
        assert_eq!(
            places("coupons[*].code"),
            [at("/coupons/0/code", "/coupons/0"), at("/coupons/2/code", "/coupons/2")]
        );
        assert_eq!(places("tags[*]"), [at("/tags/0", "/tags/0"), at("/tags/1", "/tags/1")]);
        assert_eq!(places("tags"), [("/tags".to_owned(), None)]);
        assert_eq!(places("tags.x"), []);
        for wrong in ["", "[*]", ".a", "a..b", "a.", "a[0]", "a[*", "a]b", "a[\"b]", "$access", "a.b*"] {
            FieldPath::parse(wrong).expect_err(wrong);
        }
        let quoted = FieldPath::parse("x[\"a.b\"][\"c]/d\"].e").expect("a path");
        assert_eq!(quoted.depth(), 4);
        let odd = FieldPath::parse("x[\"c/~d\"]").expect("a path");
        let mut document = json!({"x": {"c/~d": 1, "y": 2}});
        let place = odd.instances(&document, &Allowance::default()).expect("few").remove(0).pointer;
        assert_eq!(take(&mut document, &place), Some(json!(1)));
        assert_eq!(document, json!({"x": {"y": 2}}));
    }

    #[test]
    fn related_pointers_are_told_by_whole_steps() {
        assert!(related("/a", "/a/b") && related("/a/b", "/a") && related("", "/a") && related("/a", "/a"));
        assert!(!related("/a", "/ab") && !related("/a/b", "/a/c"));
    }
}
