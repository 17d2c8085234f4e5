//! Say why a rule decides as it does: for every question that an access raises, which policies answered it.

use super::cedar::failed_policy;
use super::facts::Facts;
use super::field::Instance;
use super::{Action, Allowance, Engine, Principal, Rules};
use serde_json::Value;

/// An access to explain.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What is done.
    pub action: Action,
    /// The document's id.
    pub id: &'a str,
    /// The document: as it is read, or before a change; none where there is none.
    pub document: Option<&'a Value>,
    /// What a change would make of it.
    pub after: Option<&'a Value>,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Explained {
    /// The action.
    pub action: &'static str,
    /// JSON pointer to what was asked about; empty for the document.
    pub pointer: String,
    /// Whether it is allowed.
    pub allowed: bool,
    /// The policies that decided: those that permit, or those that forbid. None: nothing permits it.
    pub because: Vec<String>,
    /// Policies that could not be evaluated, and why. One that forbids then denies; one that permits is passed over.
    pub failed: Vec<String>,
}

impl Rules {
    /// Every question that this access raises, with its answer: of the document, then of each place of each field.
    pub fn explain(&self, principal: &Principal, asked: &Asked<'_>) -> Vec<Explained> {
        let cedar = match &self.0 {
            Engine::Writers(write) => {
                let allowed = asked.action == Action::Read || write.iter().any(|w| w == principal.organisation());
                let because = if asked.action == Action::Read { "every member reads" } else { "writers" };
                return vec![Explained {
                    action: asked.action.word(),
                    pointer: String::new(),
                    allowed,
                    because: if allowed { vec![because.to_owned()] } else { Vec::new() },
                    failed: Vec::new(),
                }];
            }
            Engine::Cedar(cedar) => cedar,
        };
        let document = asked.document.or(asked.after);
        let facts = Facts::new(principal, asked.id, document, asked.after, document);
        let explain = |field: Option<(usize, &Instance)>| {
            let element = field.and_then(|(_, place)| facts.part(place.element.as_deref()?));
            let (allowed, response) = cedar.explain(principal, &facts, asked.action, field.map(|(at, _)| at), element);
            let mut because: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
            let mut failed: Vec<String> =
                response.diagnostics().errors().map(|e| format!("{}: {e}", failed_policy(e))).collect();
            because.sort();
            failed.sort();
            let pointer = field.map(|(_, place)| place.pointer.clone()).unwrap_or_default();
            Explained { action: asked.action.word(), pointer, allowed, because, failed }
        };
        let mut explained = vec![explain(None)];
        let values = [asked.document, asked.after];
        for (at, field) in cedar.fields.iter().enumerate() {
            // Of a document whose fields take more, every access is denied; its places are not listed.
            let places = |value| field.instances(value, &Allowance::default()).unwrap_or_default();
            let mut places: Vec<Instance> = values.into_iter().flatten().flat_map(places).collect();
            places.sort_by(|a, b| a.pointer.cmp(&b.pointer));
            places.dedup();
            explained.extend(places.iter().map(|place| explain(Some((at, place)))));
        }
        explained
    }
}
