//! Judge documents by JSON Schema.
//!
//! Every node must come to the same verdict on the same bytes, in bounded time, with nothing but those bytes. So a
//! schema is closed (no reference leaves it), asserts no `format` and no `content*`, and whatever can grow has a limit
//! that is checked here, not in the validator. Only accepted or refused is ever recorded: where and why are for the
//! client.
mod dialect;
mod error;
mod evolution;
mod expansion;
mod graph;
pub mod limits;
mod pattern;
mod pointer;
mod work;

use std::{collections::BTreeSet, fmt};

use crate::index::Indexes;
use jsonschema::{Draft, Keyword, Registry, Retrieve, Uri, ValidationError, ValidationOptions, Validator};
use serde_json::{Map, Value};

pub use error::SchemaError;
use error::excerpt;
pub use evolution::{Break, breaks};
use graph::Graph;
use limits::{EXPLAINED_WORK_MAX, SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX, VIOLATION_BYTES_MAX, VIOLATIONS_MAX, WORK_MAX};
use work::{Excess, Work};

/// A compiled schema.
pub struct Schema {
    validator: Validator,
    work: Work,
    indexes: Indexes,
}

/// One way in which a document breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The offending value, as a JSON pointer into the document; cut where names make it long.
    pub pointer: String,
    /// The keyword it breaks, or [`DEPTH`], [`WORK`] or [`UNEXPLAINED`].
    pub keyword: String,
}

/// Stands for a keyword where a document is nested deeper than `DOCUMENT_DEPTH_MAX`.
pub const DEPTH: &str = "$depth";
/// Stands for a keyword where judging a document, or all of a transaction, could take more than `WORK_MAX`.
pub const WORK: &str = "$work";
/// Stands for a keyword where a document is invalid, and to say why could take more than `EXPLAINED_WORK_MAX`.
pub const UNEXPLAINED: &str = "$schema";

impl Schema {
    /// Compiles `schema`, which is I-JSON in draft 2020-12, or draft-07 where its `$schema` says so.
    ///
    /// It may refer to itself and to the metaschema of its draft. Errs when it is no valid schema, refers to anything
    /// else, or passes one of [`limits`]; the same on every node.
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        let draft = check(schema)?;
        dialect::is_one(schema, draft)?;
        is_schema(schema, draft)?;
        Self::build(schema, draft, options(None).with_draft(draft), &Registry::new().prepare().map_err(unplaced)?)
    }

    /// Compiles `schema` as [`Schema::compile`] does, except that it may also refer to what is in `remotes`, and be
    /// written in a draft defined there.
    #[doc(hidden)]
    pub fn compile_with(schema: &Value, remotes: &Registry<'_>) -> Result<Self, SchemaError> {
        if let Err(error) = check(schema)
            && !matches!(error, SchemaError::Dialect { .. })
        {
            return Err(error);
        }
        Self::build(schema, Draft::default().detect(schema), options(Some(remotes)), remotes)
    }

    fn build(
        schema: &Value,
        draft: Draft,
        options: ValidationOptions<'_>,
        remotes: &Registry<'_>,
    ) -> Result<Self, SchemaError> {
        // Whether two identifiers meet, and which comes first, must not depend on the order that members are written in.
        let mut sorted = schema.clone();
        sorted.sort_all_objects();
        let schema = &sorted;
        let resource = draft.create_resource_ref(schema);
        let base = base_of(remotes, resource.id())?;
        let registry = remotes.add(base.as_str(), resource).map_err(unplaced)?.retriever(Closed).draft(draft);
        let registry = registry.prepare().map_err(unplaced)?;
        let graph = Graph::resolve(&registry, base, draft)?;
        let expansions = expansion::expand(&graph)?;
        let indexes = Indexes::declared(schema)?;
        // Last, since the validator must not meet a circle or a pattern that was not checked.
        let validator = options.build(schema).map_err(|error| uncompiled(&error))?;
        Ok(Self { validator, work: Work::new(graph, expansions), indexes })
    }

    /// Whether `document` is valid; if not, at most `VIOLATIONS_MAX` reasons, sorted.
    ///
    /// A document that is too deep, or could take too much work to judge, is refused for that one reason.
    pub fn validate(&self, document: &Value) -> Result<(), Vec<Violation>> {
        let mut units_left = WORK_MAX;
        self.validate_within(document, &mut units_left)
    }

    /// The same by at most so many units of work, which are fewer after it.
    pub(crate) fn validate_within(&self, document: &Value, units_left: &mut u64) -> Result<(), Vec<Violation>> {
        let units = self.work.measure(document, *units_left).map_err(|excess| vec![Violation::from(excess)])?;
        *units_left -= units.all();
        if self.validator.is_valid(document) {
            return Ok(());
        }
        let explained = if units.judging <= EXPLAINED_WORK_MAX { self.violations(document) } else { Vec::new() };
        if explained.is_empty() { Err(vec![Violation::of(String::new(), UNEXPLAINED)]) } else { Err(explained) }
    }

    /// The bytes of its compiled regular expressions, as they are counted.
    pub(crate) fn pattern_bytes(&self) -> usize {
        self.work.pattern_bytes()
    }

    /// The unique keys and indexes it declares.
    pub fn indexes(&self) -> &Indexes {
        &self.indexes
    }

    fn violations(&self, document: &Value) -> Vec<Violation> {
        let mut violations = BTreeSet::new();
        for error in self.validator.iter_errors(document) {
            violations.insert(Violation::of(error.instance_path().to_string(), error.kind().keyword()));
            if violations.len() > VIOLATIONS_MAX {
                violations.pop_last();
            }
        }
        violations.into_iter().collect()
    }

    /// The units of work that judging `document` takes at most; `None` when it is over a limit.
    #[doc(hidden)]
    pub fn work(&self, document: &Value) -> Option<u64> {
        self.work.measure(document, WORK_MAX).ok().map(|units| units.all())
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Schema").field("draft", &self.validator.draft()).finish_non_exhaustive()
    }
}

impl Violation {
    fn of(pointer: String, keyword: &str) -> Self {
        Self { pointer: error::excerpt_of(&pointer, VIOLATION_BYTES_MAX), keyword: keyword.to_owned() }
    }
}

impl From<Excess> for Violation {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Depth(pointer) => Self::of(pointer, DEPTH),
            Excess::Work => Self::of(String::new(), WORK),
            Excess::Backtracks(pointer) => Self::of(pointer, "pattern"),
        }
    }
}

/// Checks what can be checked without reading `schema` as one.
fn check(schema: &Value) -> Result<Draft, SchemaError> {
    if !fits(schema, SCHEMA_DEPTH_MAX) {
        return Err(SchemaError::Depth);
    }
    let bytes = schema.to_string().len();
    if bytes > SCHEMA_BYTES_MAX {
        return Err(SchemaError::Bytes { bytes });
    }
    dialect::of(schema)
}

/// Whether `value` has at most `levels` levels of arrays and objects.
fn fits(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(values) => levels > 0 && values.iter().all(|value| fits(value, levels - 1)),
        Value::Object(values) => levels > 0 && values.values().all(|value| fits(value, levels - 1)),
        _ => true,
    }
}

fn is_schema(schema: &Value, draft: Draft) -> Result<(), SchemaError> {
    let judged = match draft {
        Draft::Draft7 => jsonschema::draft7::meta::validate(schema),
        _ => jsonschema::draft202012::meta::validate(schema),
    };
    judged.map_err(|error| SchemaError::NotASchema {
        pointer: excerpt(&error.instance_path().to_string()),
        keyword: error.kind().keyword().to_owned(),
    })
}

/// How the validator is set up: closed, with a bounded engine, asserting structure alone.
fn options<'r>(remotes: Option<&'r Registry<'r>>) -> ValidationOptions<'r> {
    let options = jsonschema::options()
        .with_retriever(Closed)
        .with_pattern_options(pattern::engine())
        .should_validate_formats(false)
        .with_keyword("contentEncoding", annotation)
        .with_keyword("contentMediaType", annotation);
    match remotes {
        Some(remotes) => options.with_registry(remotes),
        None => options,
    }
}

/// Retrieves nothing.
struct Closed;

impl Retrieve for Closed {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("a schema may refer only to itself".into())
    }
}

/// A keyword that asserts nothing.
struct Annotation;

impl<'i> Keyword<'i> for Annotation {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        Ok(())
    }

    fn is_valid(&self, _: &'i Value) -> bool {
        true
    }
}

fn annotation<'s>(
    _: &'s Map<String, Value>,
    _: &'s Value,
    _: jsonschema::paths::Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'s>> {
    Ok(Box::new(Annotation))
}

/// What the references of a schema whose `$id` is `id` are relative to.
fn base_of(registry: &Registry<'_>, id: Option<&str>) -> Result<Uri<String>, SchemaError> {
    let nameless = jsonschema::uri::from_str("json-schema:///").map_err(unplaced)?;
    match id {
        Some(id) => {
            Ok(Uri::clone(&*registry.resolve_uri(&nameless.borrow(), id.trim_end_matches('#')).map_err(unplaced)?))
        }
        None => Ok(nameless),
    }
}

fn unplaced(error: jsonschema::ReferencingError) -> SchemaError {
    let reference = match &error {
        jsonschema::ReferencingError::Unretrievable { uri, .. } => uri.clone(),
        _ => String::new(),
    };
    let (reference, reason) = (excerpt(&reference), excerpt(&error.to_string()));
    SchemaError::Reference { pointer: String::new(), reference, reason }
}

fn uncompiled(error: &ValidationError<'_>) -> SchemaError {
    SchemaError::Compile { reason: excerpt(&error.to_string()) }
}
