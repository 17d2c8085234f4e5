//! Show a document to Cedar: its members as Cedar values, as far as the policies look at them.

use super::Principal;
use super::cost::size;
use super::mentions::{Mentions, Names};
use cedar_policy_core::ast;
use countersign_proof::{NamedAccess, canonical};
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the members take that a question looks at, if its answer is to be remembered: those that say whose a document is,
/// and where it stands, are short, and many documents have the same.
const QUESTION_SIZE_MAX: u64 = 128;

/// What policies may know about one document. Converted when first asked for, and then shared.
pub(super) struct Facts<'a> {
    id: &'a str,
    /// The document as it is: the version that is read, or the one before a change; a new document's value.
    document: Option<&'a Value>,
    /// What a change would make of it.
    after: Option<&'a Value>,
    /// The newest version.
    current: Option<&'a Value>,
    organisation: &'a str,
    named: OnceCell<NamedAccess>,
    converted: [OnceCell<ast::Value>; 3],
    /// Of the members of each.
    sizes: [OnceCell<BTreeMap<&'a str, u64>>; 3],
}

impl<'a> Facts<'a> {
    pub(super) fn new(
        principal: &'a Principal,
        id: &'a str,
        document: Option<&'a Value>,
        after: Option<&'a Value>,
        current: Option<&'a Value>,
    ) -> Facts<'a> {
        let organisation = principal.organisation();
        let (named, converted, sizes) = Default::default();
        Facts { id, document, after, current, organisation, named, converted, sizes }
    }

    /// What the document names in `$access`. A document of before the collection allowed it names nobody.
    pub(super) fn named(&self) -> &NamedAccess {
        let read = |document| NamedAccess::of(document).ok().flatten();
        self.named.get_or_init(|| self.document.and_then(read).unwrap_or_default())
    }

    /// The part of the document that a pointer leads to, before a change or else after it.
    pub(super) fn part(&self, pointer: &str) -> Option<&'a Value> {
        let at = |document: Option<&'a Value>| document.and_then(|document| document.pointer(pointer));
        at(self.document).or_else(|| at(self.after))
    }

    /// The size of what is shown to who looks at this, the element aside.
    pub(super) fn shown(&self, mentions: &Mentions) -> u64 {
        let names = [&mentions.document, &mentions.after, &mentions.current];
        let of_documents: u64 = (0..3).map(|at| self.size_of(at, names[at])).sum();
        of_documents + if mentions.id { self.id.len() as u64 } else { 0 }
    }

    /// The size of what has to be converted before this can be asked, of the first of three documents that wants it.
    pub(super) fn size_of(&self, at: usize, names: &Names) -> u64 {
        let members = || [self.document, self.after, self.current][at].and_then(Value::as_object).into_iter().flatten();
        let sizes =
            || self.sizes[at].get_or_init(|| members().map(|(name, value)| (name.as_str(), size(value))).collect());
        match names {
            Names::None => 0,
            Names::Some(names) => names.iter().filter_map(|name| sizes().get(name.as_str())).sum(),
            Names::All => sizes().values().sum(),
        }
    }

    /// All that the answer to a question depends on, but who asks it; none where hardly two documents have it in common. The
    /// same bytes say that the contexts are the same, as far as these policies look.
    pub(super) fn question(&self, mentions: &Mentions, element: Option<&Value>) -> Option<Vec<u8>> {
        let element = element.filter(|_| mentions.element);
        if mentions.id || self.shown(mentions).saturating_add(element.map_or(0, size)) > QUESTION_SIZE_MAX {
            return None;
        }
        let mut bytes = Vec::with_capacity(4 * QUESTION_SIZE_MAX as usize);
        // JSON has no zero byte, so that one ends each value.
        let mut put = |value: Option<&Value>| {
            value.into_iter().for_each(|value| serde_json::to_writer(&mut bytes, value).expect("a Vec takes it"));
            bytes.push(0);
        };
        let names = [&mentions.document, &mentions.after, &mentions.current];
        for (names, value) in names.into_iter().zip([self.document, self.after, self.current]) {
            match names {
                Names::None => {}
                Names::All => return None,
                Names::Some(names) => {
                    put(value.map(|_| &Value::Bool(true)));
                    names.iter().for_each(|name| put(value.and_then(|value| value.get(name))));
                }
            }
        }
        put(element);
        if mentions.named {
            let (named, organisation) = (self.named(), self.organisation);
            let said = [named.is_owner(organisation), named.is_reader(organisation), named.is_writer(organisation)];
            said.iter().for_each(|said| put(Some(&Value::Bool(*said))));
        }
        Some(bytes)
    }

    /// The context of one question: only what its policies mention, converted as far as any policy needs it.
    pub(super) fn context(&self, mentions: &Mentions, all: &Mentions, element: Option<&Value>) -> ast::Context {
        let mut members = BTreeMap::new();
        let mut put = |name: &str, value: ast::Value| members.insert(name.into(), value);
        let names = [&mentions.document, &mentions.after, &mentions.current];
        let wanted = [&all.document, &all.after, &all.current];
        let values = [self.document, self.after, self.current];
        for (at, name) in ["document", "after", "current"].into_iter().enumerate() {
            if let (false, Some(value)) = (names[at].is_none(), values[at]) {
                put(name, self.converted[at].get_or_init(|| record(value, wanted[at])).clone());
            }
        }
        if let (true, Some(element)) = (mentions.element, element) {
            put("element", convert(element));
        }
        if mentions.id {
            put("id", ast::Value::from(self.id));
        }
        if mentions.named {
            let (named, organisation) = (self.named(), self.organisation);
            put("owner", ast::Value::from(named.is_owner(organisation)));
            put("reader", ast::Value::from(named.is_reader(organisation)));
            put("writer", ast::Value::from(named.is_writer(organisation)));
        }
        ast::Context::Value(Arc::new(members))
    }
}

/// A document as a Cedar record of the members that are looked at.
fn record(document: &Value, names: &Names) -> ast::Value {
    let members = document.as_object().into_iter().flatten();
    let wanted = members.filter(|(name, value)| !value.is_null() && names.holds(name));
    let pairs = wanted.map(|(name, value)| (name.as_str().into(), convert(value))).collect();
    ast::Value::record_arc(Arc::new(pairs), None)
}

/// JSON as Cedar knows it: null is absent, an array is a set, and a number that is no integer is its canonical text.
pub(super) fn convert(value: &Value) -> ast::Value {
    match value {
        Value::Null => ast::Value::empty_record(None),
        Value::Bool(truth) => ast::Value::from(*truth),
        Value::String(text) => ast::Value::from(text.as_str()),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => ast::Value::from(integer),
            None => ast::Value::from(&*String::from_utf8_lossy(&canonical(number))),
        },
        Value::Array(elements) => {
            ast::Value::set(elements.iter().filter(|element| !element.is_null()).map(convert), None)
        }
        Value::Object(_) => record(value, &Names::All),
    }
}
