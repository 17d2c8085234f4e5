//! Resolve a schema into the graph of what applies what.
//!
//! The validator answers whether a document is valid; this graph answers, before it is asked, how much work that can
//! be. An edge is *in place* when both ends judge the same value (`$ref`, `allOf`, ...): a circle of those never ends,
//! and a ladder of those doubles at every rung, so both are one sum that must stay small. All other edges go into the
//! value.
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use jsonschema::{Draft, Registry, Uri};
use serde_json::{Map, Value};

use super::{
    dialect,
    error::{SchemaError, excerpt},
    limits::{PATTERN_BYTES_MAX, PATTERNS_COMPILED_BYTES_MAX, PATTERNS_MAX, SUBSCHEMAS_MAX},
    pattern::Pattern,
};

/// An index into [`Graph::subschemas`].
pub(super) type Id = usize;

/// Every subschema of a schema, with its references resolved.
pub(super) struct Graph {
    pub(super) subschemas: Vec<Subschema>,
    pub(super) patterns: Vec<Pattern>,
}

/// What one subschema asks for; the root is the first.
#[derive(Debug, Default)]
pub(super) struct Subschema {
    pub(super) pointer: String,
    /// Units of work its own keywords are.
    pub(super) weight: u64,
    pub(super) in_place: Vec<(Id, Edge)>,
    pub(super) pattern: Option<usize>,
    pub(super) unique_items: bool,
    pub(super) members: Members,
    pub(super) elements: Elements,
    /// It has `unevaluatedProperties` or `unevaluatedItems`.
    pub(super) unevaluated: bool,
}

/// How a subschema applies others in place, which is how `unevaluated*` looks for what they evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// Looks no further: `not`.
    Judged,
    /// Looks into it: `$ref`, `then`, `dependentSchemas`.
    Followed,
    /// Judges it once more, then looks into it: `allOf`, `anyOf`, `oneOf`, `if`.
    Tested,
}

/// What applies to the members of an object.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) properties: BTreeMap<String, Id>,
    pub(super) patterns: Vec<(usize, Id)>,
    pub(super) additional: Option<Id>,
    pub(super) unevaluated: Option<Id>,
    pub(super) names: Option<Id>,
}

/// What applies to the elements of an array.
#[derive(Debug, Default)]
pub(super) struct Elements {
    pub(super) prefix: Vec<Id>,
    pub(super) rest: Option<Id>,
    pub(super) contains: Option<Id>,
    pub(super) unevaluated: Option<Id>,
}

impl Graph {
    /// Resolves the schema at `base` in `registry` with everything it refers to, all of it in `draft`.
    pub(super) fn resolve(registry: &Registry<'_>, base: Uri<String>, draft: Draft) -> Result<Self, SchemaError> {
        let mut builder = Builder::new(registry, draft);
        let root = builder.lookup("", "", &Arc::new(base))?;
        let scope = builder.enter(OUTSIDE, &root)?;
        builder.add(root, scope, String::new())?;
        while let Some(visit) = builder.queue.pop_front() {
            builder.visit(visit)?;
        }
        Ok(Self { subschemas: builder.subschemas, patterns: builder.patterns })
    }
}

/// A schema value, with what its references are relative to.
#[derive(Clone)]
struct Place<'r> {
    value: &'r Value,
    base: Arc<Uri<String>>,
    draft: Draft,
}

/// The subschema each `$dynamicAnchor` stands for: that of the outermost resource entered that has it.
type Scope<'r> = BTreeMap<&'r str, Place<'r>>;

/// The scope before any resource is entered.
const OUTSIDE: usize = 0;

/// A subschema whose keywords have not been read.
struct Visit<'r> {
    id: Id,
    place: Place<'r>,
    scope: usize,
}

struct Builder<'r> {
    registry: &'r Registry<'r>,
    draft: Draft,
    subschemas: Vec<Subschema>,
    queue: VecDeque<Visit<'r>>,
    /// By address of the value and dynamic scope: the same text in another scope may mean something else.
    ids: BTreeMap<(*const Value, usize), Id>,
    scopes: Vec<Scope<'r>>,
    scope_ids: BTreeMap<Vec<(&'r str, *const Value)>, usize>,
    /// The scope that entering a resource from a scope leads to.
    entered: BTreeMap<(usize, Arc<Uri<String>>), usize>,
    /// The value that each absolute `$id` and anchor names.
    names: BTreeMap<String, *const Value>,
    patterns: Vec<Pattern>,
    pattern_bytes: usize,
    pattern_ids: BTreeMap<&'r str, usize>,
}

impl<'r> Builder<'r> {
    fn new(registry: &'r Registry<'r>, draft: Draft) -> Self {
        Self {
            registry,
            draft,
            subschemas: Vec::new(),
            queue: VecDeque::new(),
            ids: BTreeMap::new(),
            scopes: vec![Scope::new()],
            scope_ids: BTreeMap::from([(Vec::new(), OUTSIDE)]),
            entered: BTreeMap::new(),
            names: BTreeMap::new(),
            patterns: Vec::new(),
            pattern_bytes: 0,
            pattern_ids: BTreeMap::new(),
        }
    }

    /// The subschema at `place`, read later if it is new.
    fn add(&mut self, place: Place<'r>, scope: usize, pointer: String) -> Result<Id, SchemaError> {
        let key = (std::ptr::from_ref(place.value), scope);
        if let Some(id) = self.ids.get(&key) {
            return Ok(*id);
        }
        let id = self.subschemas.len();
        if id == SUBSCHEMAS_MAX {
            return Err(SchemaError::Subschemas);
        }
        self.ids.insert(key, id);
        self.subschemas.push(Subschema { pointer, weight: 1, ..Subschema::default() });
        self.queue.push_back(Visit { id, place, scope });
        Ok(id)
    }

    /// Reads the keywords of one subschema.
    fn visit(&mut self, Visit { id, mut place, mut scope }: Visit<'r>) -> Result<(), SchemaError> {
        let Value::Object(keywords) = place.value else {
            return Ok(());
        };
        let pointer = self.subschemas[id].pointer.clone();
        if self.draft != Draft::Unknown {
            dialect::agrees(place.value, self.draft, &pointer)?;
        }
        place.base = self.base_of(&place, &pointer)?;
        scope = self.enter(scope, &place)?;
        self.name(&place, keywords, &pointer)?;
        let reference_alone = place.draft == Draft::Draft7 && keywords.contains_key("$ref");
        let mut reader = Reader { builder: self, id, place, scope, pointer };
        for (keyword, value) in keywords {
            if reference_alone && !matches!(keyword.as_str(), "$ref" | "$defs" | "definitions") {
                continue;
            }
            reader.keyword(keyword, value)?;
        }
        Ok(())
    }

    /// What `reference` names, seen from `base`.
    fn lookup(&self, pointer: &str, reference: &str, base: &Arc<Uri<String>>) -> Result<Place<'r>, SchemaError> {
        let resolved = self.registry.resolver(Uri::clone(base)).lookup(reference);
        let (value, resolver, draft) = resolved.map_err(|error| refused(pointer, reference, &error))?.into_inner();
        // A draft of its own is met only among remotes.
        if draft != self.draft && draft != Draft::Unknown && self.draft != Draft::Unknown {
            return Err(SchemaError::Dialect { pointer: pointer.to_owned(), dialect: excerpt(reference) });
        }
        Ok(Place { value, base: resolver.base_uri(), draft })
    }

    /// What references in `place` are relative to: its own `$id`, or that of what holds it.
    fn base_of(&self, place: &Place<'r>, pointer: &str) -> Result<Arc<Uri<String>>, SchemaError> {
        let resolver = self.registry.resolver(Uri::clone(&place.base));
        let inner = resolver.in_subresource(place.draft.create_resource_ref(place.value));
        Ok(inner.map_err(|error| refused(pointer, "$id", &error))?.base_uri())
    }

    /// Refuses a second subschema under an `$id` or anchor: which one is meant would be the validator's whim.
    fn name(&mut self, place: &Place<'r>, keywords: &'r Map<String, Value>, pointer: &str) -> Result<(), SchemaError> {
        let mut names = BTreeSet::new();
        if place.draft.create_resource_ref(place.value).id().is_some() {
            names.insert(place.base.as_str().to_owned());
        }
        for anchor in ["$anchor", "$dynamicAnchor"].iter().filter_map(|keyword| keywords.get(*keyword)?.as_str()) {
            names.insert(format!("{}#{anchor}", place.base));
        }
        for name in names {
            let value = std::ptr::from_ref(place.value);
            if *self.names.entry(name.clone()).or_insert(value) != value {
                return Err(SchemaError::Duplicate { pointer: pointer.to_owned(), identifier: excerpt(&name) });
            }
        }
        Ok(())
    }

    /// The scope inside the resource that `place` is in: what was entered before keeps its anchors.
    fn enter(&mut self, scope: usize, place: &Place<'r>) -> Result<usize, SchemaError> {
        let step = (scope, Arc::clone(&place.base));
        if let Some(scope) = self.entered.get(&step) {
            return Ok(*scope);
        }
        let mut inner = self.scopes[scope].clone();
        let resource = self.lookup("", "", &place.base)?;
        let mut pending = vec![resource.value];
        while let Some(value) = pending.pop() {
            if let Some(anchor) = value.get("$dynamicAnchor").and_then(Value::as_str) {
                let named = Place { value, ..resource.clone() };
                inner.entry(anchor).or_insert(named);
            }
            let inside = resource.draft.subresources_of(value);
            pending.extend(inside.filter(|inside| resource.draft.create_resource_ref(inside).id().is_none()));
        }
        let key: Vec<_> = inner.iter().map(|(name, place)| (*name, std::ptr::from_ref(place.value))).collect();
        let fresh = self.scopes.len();
        let scope = *self.scope_ids.entry(key).or_insert(fresh);
        if scope == fresh {
            self.scopes.push(inner);
        }
        self.entered.insert(step, scope);
        Ok(scope)
    }

    fn pattern(&mut self, pattern: &'r str, pointer: &str) -> Result<usize, SchemaError> {
        if let Some(id) = self.pattern_ids.get(pattern) {
            return Ok(*id);
        }
        let (bytes, id) = (pattern.len(), self.patterns.len());
        if bytes > PATTERN_BYTES_MAX {
            return Err(SchemaError::PatternBytes { pointer: pointer.to_owned(), bytes });
        }
        if id == PATTERNS_MAX {
            return Err(SchemaError::Patterns);
        }
        let compiled = Pattern::compile(pattern);
        let compiled = compiled.ok_or_else(|| SchemaError::Pattern { pointer: pointer.to_owned() })?;
        self.pattern_bytes += compiled.compiled_bytes();
        if self.pattern_bytes > PATTERNS_COMPILED_BYTES_MAX {
            return Err(SchemaError::Patterns);
        }
        self.patterns.push(compiled);
        self.pattern_ids.insert(pattern, id);
        Ok(id)
    }
}

/// Reads the keywords of one subschema into the graph.
struct Reader<'b, 'r> {
    builder: &'b mut Builder<'r>,
    id: Id,
    place: Place<'r>,
    scope: usize,
    pointer: String,
}

impl<'r> Reader<'_, 'r> {
    /// Reads one keyword; one that the draft does not know, or whose value the metaschema refuses, applies nothing.
    fn keyword(&mut self, keyword: &'r str, value: &'r Value) -> Result<(), SchemaError> {
        let modern = self.place.draft != Draft::Draft7;
        match keyword {
            "$ref" => self.reference(keyword, value)?,
            "$dynamicRef" if modern => self.reference(keyword, value)?,
            "not" => self.in_place_one(keyword, value, Edge::Judged)?,
            "if" => self.in_place_one(keyword, value, Edge::Tested)?,
            "then" | "else" => self.in_place_one(keyword, value, Edge::Followed)?,
            "allOf" | "anyOf" | "oneOf" => self.in_place_many(keyword, value, Edge::Tested)?,
            "dependencies" => self.in_place_many(keyword, value, Edge::Followed)?,
            "dependentSchemas" if modern => self.in_place_many(keyword, value, Edge::Followed)?,
            "properties" => self.me().members.properties = self.many(keyword, value)?.into_iter().collect(),
            "patternProperties" => self.pattern_properties(value)?,
            "additionalProperties" => self.me().members.additional = self.one(keyword, value)?,
            "propertyNames" => self.me().members.names = self.one(keyword, value)?,
            "unevaluatedProperties" if modern => {
                self.me().members.unevaluated = self.one(keyword, value)?;
                self.me().unevaluated = true;
            }
            "prefixItems" if modern => self.me().elements.prefix = self.list(keyword, value)?,
            "items" if value.is_array() => self.me().elements.prefix = self.list(keyword, value)?,
            "items" | "additionalItems" => self.rest(keyword, value)?,
            "contains" => self.me().elements.contains = self.one(keyword, value)?,
            "unevaluatedItems" if modern => {
                self.me().elements.unevaluated = self.one(keyword, value)?;
                self.me().unevaluated = true;
            }
            // These apply to nothing by themselves, but references and names in them count.
            "$defs" | "contentSchema" if !modern => {}
            "$defs" | "definitions" => drop(self.many(keyword, value)?),
            "contentSchema" => drop(self.one(keyword, value)?),
            "pattern" => self.pattern(value)?,
            "uniqueItems" => self.me().unique_items = value == &Value::Bool(true),
            "const" | "enum" | "required" | "type" | "dependentRequired" => self.me().weight += count(value),
            _ => {}
        }
        Ok(())
    }

    fn me(&mut self) -> &mut Subschema {
        &mut self.builder.subschemas[self.id]
    }

    fn reference(&mut self, keyword: &'r str, value: &'r Value) -> Result<(), SchemaError> {
        let Some(reference) = value.as_str() else { return Ok(()) };
        if reference.is_empty() {
            // It means "#", but the validator passes over it in silence.
            let (pointer, reason) = (self.pointer.clone(), "it is empty; write \"#\" for the root".to_owned());
            return Err(SchemaError::Reference { pointer, reference: String::new(), reason });
        }
        let mut target = self.builder.lookup(&self.pointer, reference, &self.place.base)?;
        let scope = self.builder.enter(self.scope, &target)?;
        let anchor = reference.rsplit_once('#').map_or("", |(_, fragment)| fragment);
        let dynamic = target.value.get("$dynamicAnchor").and_then(Value::as_str) == Some(anchor);
        if keyword == "$dynamicRef" && dynamic {
            target = self.builder.scopes[scope][anchor].clone();
        }
        let scope = self.builder.enter(scope, &target)?;
        let id = self.builder.add(target, scope, excerpt(reference))?;
        self.me().in_place.push((id, Edge::Followed));
        Ok(())
    }

    fn in_place_one(&mut self, keyword: &str, value: &'r Value, edge: Edge) -> Result<(), SchemaError> {
        let applied = self.one(keyword, value)?;
        self.me().in_place.extend(applied.map(|id| (id, edge)));
        Ok(())
    }

    fn in_place_many(&mut self, keyword: &str, value: &'r Value, edge: Edge) -> Result<(), SchemaError> {
        let applied = if value.is_array() {
            self.list(keyword, value)?
        } else {
            self.many(keyword, value)?.into_values().collect()
        };
        self.me().in_place.extend(applied.into_iter().map(|id| (id, edge)));
        Ok(())
    }

    fn pattern_properties(&mut self, value: &'r Value) -> Result<(), SchemaError> {
        let Value::Object(patterns) = value else { return Ok(()) };
        let applied = self.many("patternProperties", value)?;
        for (pattern, id) in patterns.keys().filter_map(|pattern| Some((pattern, *applied.get(pattern)?))) {
            let pattern = self.builder.pattern(pattern, &self.pointer)?;
            self.me().members.patterns.push((pattern, id));
        }
        Ok(())
    }

    /// `items` after a prefix, or `additionalItems`: never both apply, and only the second has a prefix in `items`.
    fn rest(&mut self, keyword: &str, value: &'r Value) -> Result<(), SchemaError> {
        let applied = self.one(keyword, value)?;
        if keyword == "items" || self.me().elements.rest.is_none() {
            self.me().elements.rest = applied;
        }
        Ok(())
    }

    fn pattern(&mut self, value: &'r Value) -> Result<(), SchemaError> {
        if let Some(pattern) = value.as_str() {
            self.me().pattern = Some(self.builder.pattern(pattern, &self.pointer)?);
        }
        Ok(())
    }

    fn one(&mut self, keyword: &str, value: &'r Value) -> Result<Option<Id>, SchemaError> {
        if !value.is_object() && !value.is_boolean() {
            return Ok(None);
        }
        let (place, pointer) = (Place { value, ..self.place.clone() }, format!("{}/{keyword}", self.pointer));
        self.me().weight += 1;
        self.builder.add(place, self.scope, pointer).map(Some)
    }

    fn list(&mut self, keyword: &str, value: &'r Value) -> Result<Vec<Id>, SchemaError> {
        let mut ids = Vec::new();
        for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
            ids.extend(self.one(&format!("{keyword}/{index}"), inner)?);
        }
        Ok(ids)
    }

    fn many(&mut self, keyword: &str, value: &'r Value) -> Result<BTreeMap<String, Id>, SchemaError> {
        let mut ids = BTreeMap::new();
        for (name, inner) in value.as_object().into_iter().flatten() {
            let escaped = super::pointer::escape(name);
            ids.extend(self.one(&format!("{keyword}/{escaped}"), inner)?.map(|id| (name.clone(), id)));
        }
        Ok(ids)
    }
}

fn refused(pointer: &str, reference: &str, error: &jsonschema::ReferencingError) -> SchemaError {
    let (pointer, reference) = (pointer.to_owned(), excerpt(reference));
    SchemaError::Reference { pointer, reference, reason: excerpt(&error.to_string()) }
}

/// Values in `value`, itself among them.
fn count(value: &Value) -> u64 {
    match value {
        Value::Array(values) => 1 + values.iter().map(count).sum::<u64>(),
        Value::Object(values) => 1 + values.values().map(count).sum::<u64>(),
        _ => 1,
    }
}
