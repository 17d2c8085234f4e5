//! Bound the work of one validation before it starts.
//!
//! The validator stops early and remembers results, so what is summed here is an upper bound that depends on nothing
//! but the schema and the document: every node counts the same, whatever the validator's version does with it.
use serde_json::{Map, Value};

use super::{
    expansion::{Applied, Expansion, Node},
    graph::{Elements, Graph, Id, Members, Subschema},
    limits::DOCUMENT_DEPTH_MAX,
    pattern::{self, Pattern},
    pointer::{self, Step},
};

/// What a schema can ask of a document.
pub(super) struct Work {
    graph: Graph,
    /// By subschema: all it applies to its own value.
    expansions: Vec<Expansion>,
}

/// Why a document is not given to the validator.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// It is nested deeper than `DOCUMENT_DEPTH_MAX`, here.
    Depth(String),
    /// It may take more units than there are.
    Work,
    /// A match needs more than `PATTERN_BACKTRACK_MAX` backtracks, here.
    Backtracks(String),
}

/// Units of work of one validation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Units {
    /// To judge values by keywords.
    pub(super) judging: u64,
    /// To match texts with patterns.
    pub(super) matching: u64,
}

impl Units {
    pub(super) fn all(&self) -> u64 {
        self.judging.saturating_add(self.matching)
    }
}

impl Work {
    pub(super) fn new(graph: Graph, expansions: Vec<Expansion>) -> Self {
        Self { graph, expansions }
    }

    pub(super) fn pattern_bytes(&self) -> usize {
        self.graph.patterns.iter().map(Pattern::compiled_bytes).sum()
    }

    /// The work that validating `document` takes at most, unless it could be more than `units_max`.
    pub(super) fn measure(&self, document: &Value, units_max: u64) -> Result<Units, Excess> {
        let mut meter = Meter { work: self, units: Units::default(), units_max, path: Vec::new() };
        meter.depth(document)?;
        meter.value(document, &[(0, 1)])?;
        Ok(meter.units)
    }
}

struct Meter<'w, 'd> {
    work: &'w Work,
    units: Units,
    /// At most [`super::limits::WORK_MAX`], so that no product overflows.
    units_max: u64,
    path: Vec<Step<'d>>,
}

impl<'w, 'd> Meter<'w, 'd> {
    /// Checks the depth of all of `value`, for the validator compares and hashes values that no subschema is applied
    /// to.
    fn depth(&mut self, value: &'d Value) -> Result<(), Excess> {
        if self.path.len() == DOCUMENT_DEPTH_MAX && (value.is_array() || value.is_object()) {
            return Err(Excess::Depth(self.pointer()));
        }
        match value {
            Value::Array(values) => self.each(values.iter().enumerate(), Step::Element, |me, value| me.depth(value)),
            Value::Object(values) => self.each(values.iter(), |name| Step::Member(name), |me, value| me.depth(value)),
            _ => Ok(()),
        }
    }

    fn each<K>(
        &mut self,
        inner: impl Iterator<Item = (K, &'d Value)>,
        step: impl Fn(K) -> Step<'d>,
        mut look: impl FnMut(&mut Self, &'d Value) -> Result<(), Excess>,
    ) -> Result<(), Excess> {
        for (key, value) in inner {
            self.path.push(step(key));
            look(self, value)?;
            self.path.pop();
        }
        Ok(())
    }

    /// Counts the subschemas `applied`, so many times each, to `value` and to what is in it.
    fn value(&mut self, value: &'d Value, applied: &[(Id, u64)]) -> Result<(), Excess> {
        let expanded = self.expand(applied)?;
        for (node, times) in &expanded {
            self.keywords(&self.work.graph.subschemas[node.id], value, *times)?;
        }
        match value {
            Value::Array(values) => self.elements(values, &expanded),
            Value::Object(values) => self.members(values, &expanded),
            _ => Ok(()),
        }
    }

    fn expand(&mut self, applied: &[(Id, u64)]) -> Result<Vec<Applied>, Excess> {
        let mut expanded = Vec::new();
        for (id, times) in applied {
            for (node, count) in &self.work.expansions[*id] {
                // No product overflows: `times` is charged, so it is at most WORK_MAX, and a count at most
                // IN_PLACE_PATHS_MAX.
                self.charge(times * count * self.work.graph.subschemas[node.id].weight)?;
                expanded.push((*node, times * count));
            }
        }
        Ok(expanded)
    }

    /// Counts what the keywords of `subschema` cost beyond their weight.
    fn keywords(&mut self, subschema: &'w Subschema, value: &Value, times: u64) -> Result<(), Excess> {
        match value {
            Value::String(text) => {
                self.charge(times.saturating_mul(text.len() as u64 / 64))?;
                subschema.pattern.map_or(Ok(()), |pattern| self.pattern(pattern, value, text, times))
            }
            // Up to 15 elements are compared pairwise, more are hashed.
            Value::Array(_) if subschema.unique_items => self.charge(times.saturating_mul(16 * size(value))),
            _ => Ok(()),
        }
    }

    /// Counts `times` runs of a pattern, and the one here; only one that backtracks must run to be measured.
    fn pattern(&mut self, pattern: usize, value: &Value, text: &str, times: u64) -> Result<(), Excess> {
        let bytes = text.len() as u64;
        let runs = |units: u64| Units { judging: 0, matching: units.saturating_mul(times + 1) };
        match &self.work.graph.patterns[pattern] {
            Pattern::Linear { compiled_bytes, .. } => {
                self.charge_all(runs(pattern::linear_units(*compiled_bytes, bytes)))
            }
            Pattern::Backtracking { attempts, .. } => {
                for attempt in attempts {
                    // Before the run, so that none starts that there is no room for.
                    self.charge_all(runs(attempt.units(bytes)))?;
                    if attempt.finishes(value) {
                        return Ok(());
                    }
                }
                Err(Excess::Backtracks(self.pointer()))
            }
        }
    }

    fn elements(&mut self, values: &'d [Value], applied: &[Applied]) -> Result<(), Excess> {
        let rules = |(node, times): &Applied| (&self.work.graph.subschemas[node.id].elements, node.marked, *times);
        let rules: Vec<_> = applied.iter().map(rules).filter(|(rules, ..)| rules.apply()).collect();
        if rules.is_empty() {
            return Ok(());
        }
        self.each(values.iter().enumerate(), Step::Element, |me, value| {
            let Some(Step::Element(index)) = me.path.last().copied() else { unreachable!("each pushed an element") };
            let mut next = Vec::new();
            for (rules, marked, times) in &rules {
                me.charge(*times)?;
                next.extend(rules.of(index, *marked).map(|id| (id, *times)));
            }
            me.inner(value, next)
        })
    }

    fn members(&mut self, values: &'d Map<String, Value>, applied: &[Applied]) -> Result<(), Excess> {
        let rules = |(node, times): &Applied| (*node, &self.work.graph.subschemas[node.id].members, *times);
        let rules: Vec<_> = applied.iter().map(rules).filter(|(_, rules, _)| rules.apply()).collect();
        if rules.is_empty() {
            return Ok(());
        }
        self.each(
            values.iter(),
            |name| Step::Member(name),
            |me, value| {
                let Some(Step::Member(name)) = me.path.last().copied() else { unreachable!("each pushed a member") };
                let mut next = Vec::new();
                for (node, rules, times) in &rules {
                    me.charge(*times)?;
                    me.member(name, *node, rules, *times, &mut next)?;
                }
                me.inner(value, next)
            },
        )
    }

    /// Adds what `rules` apply to the member `name` to `next`, and counts what is done with the name.
    fn member(
        &mut self,
        name: &str,
        node: Node,
        rules: &Members,
        times: u64,
        next: &mut Vec<(Id, u64)>,
    ) -> Result<(), Excess> {
        let text = (!rules.patterns.is_empty() || rules.names.is_some()).then(|| Value::String(name.to_owned()));
        let own = rules.properties.get(name).copied();
        let mut ids: Vec<Id> = own.into_iter().collect();
        if let Some(text) = &text {
            for (pattern, id) in &rules.patterns {
                self.pattern(*pattern, text, name, times)?;
                ids.extend(self.work.graph.patterns[*pattern].matches(text).then_some(*id));
            }
        }
        if ids.is_empty() {
            ids.extend(rules.additional);
        }
        if node.marked {
            ids.clear();
        } else if let (Some(names), Some(text)) = (rules.names, &text) {
            self.name(text, names, times)?;
        }
        ids.extend(rules.unevaluated.filter(|_| own.is_none()));
        next.extend(ids.into_iter().map(|id| (id, times)));
        Ok(())
    }

    /// Counts what applies to the name of a member.
    fn name(&mut self, name: &Value, applied: Id, times: u64) -> Result<(), Excess> {
        for (node, times) in self.expand(&[(applied, times)])? {
            self.keywords(&self.work.graph.subschemas[node.id], name, times)?;
        }
        Ok(())
    }

    /// Counts what applies inside, each subschema once: without this the list would double at every level.
    fn inner(&mut self, value: &'d Value, mut applied: Vec<(Id, u64)>) -> Result<(), Excess> {
        if applied.is_empty() {
            return Ok(());
        }
        applied.sort_unstable();
        applied.dedup_by(|(id, times), (kept, sum)| {
            let same = id == kept;
            *sum += if same { *times } else { 0 };
            same
        });
        self.value(value, &applied)
    }

    fn charge(&mut self, judging: u64) -> Result<(), Excess> {
        self.charge_all(Units { judging, matching: 0 })
    }

    fn charge_all(&mut self, more: Units) -> Result<(), Excess> {
        self.units.judging = self.units.judging.saturating_add(more.judging);
        self.units.matching = self.units.matching.saturating_add(more.matching);
        if self.units.all() > self.units_max { Err(Excess::Work) } else { Ok(()) }
    }

    fn pointer(&self) -> String {
        pointer::of(&self.path)
    }
}

impl Members {
    fn apply(&self) -> bool {
        !self.properties.is_empty()
            || !self.patterns.is_empty()
            || self.additional.or(self.unevaluated).or(self.names).is_some()
    }
}

impl Elements {
    fn apply(&self) -> bool {
        !self.prefix.is_empty() || self.rest.or(self.contains).or(self.unevaluated).is_some()
    }

    /// What applies to the element at `index`; to one that is only marked, just what says whether it is evaluated.
    fn of(&self, index: usize, marked: bool) -> impl Iterator<Item = Id> {
        let own = self.prefix.get(index).copied();
        let judged = own.or(self.rest).filter(|_| !marked);
        let unevaluated = self.unevaluated.filter(|_| own.is_none());
        judged.into_iter().chain(self.contains).chain(unevaluated)
    }
}

/// Values in `value` and bytes of its texts, in units.
fn size(value: &Value) -> u64 {
    match value {
        Value::Array(values) => 1 + values.iter().map(size).sum::<u64>(),
        Value::Object(values) => values.iter().map(|(name, value)| 1 + name.len() as u64 / 64 + size(value)).sum(),
        Value::String(text) => 1 + text.len() as u64 / 64,
        _ => 1,
    }
}
