//! Make GraphQL types from a JSON Schema.
//!
//! GraphQL knows a part of JSON Schema. What it cannot say is the scalar `JSON`, and every field may be null: a value that
//! the caller may not see is left out. The ledger goes on judging by the schema itself.

use super::resolver::Asking;
use crate::problem::Problem;
use async_graphql::dynamic::{Enum, Field, FieldFuture, FieldValue, Object, Type, TypeRef};
use async_graphql::{Name, Value};
use serde_json::{Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Any JSON.
pub(super) const JSON: &str = "JSON";
/// A whole number from -(2^53-1) to 2^53-1: GraphQL's own Int has 32 bits.
pub(super) const INT53: &str = "Int53";
/// Levels of a schema that get types of their own.
const DEPTH_MAX: usize = 32;
/// Values of an enum that get names; with more it is a String.
const ENUM_VALUES_MAX: usize = 256;

/// Which GraphQL type a place in a document has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Object(String),
    Enum(String, Arc<BTreeSet<String>>),
    List(Box<Kind>),
    Int,
    Int53,
    Float,
    Boolean,
    String,
    Json,
}

impl Kind {
    pub(super) fn type_ref(&self) -> TypeRef {
        match self {
            Kind::List(of) => TypeRef::List(Box::new(of.type_ref())),
            Kind::Object(name) | Kind::Enum(name, _) => TypeRef::named(name.clone()),
            Kind::Int => TypeRef::named(TypeRef::INT),
            Kind::Int53 => TypeRef::named(INT53),
            Kind::Float => TypeRef::named(TypeRef::FLOAT),
            Kind::Boolean => TypeRef::named(TypeRef::BOOLEAN),
            Kind::String => TypeRef::named(TypeRef::STRING),
            Kind::Json => TypeRef::named(JSON),
        }
    }

    /// The value of this type; none for null, and an error where it is of another: an older version may be, or one
    /// whose schema says more than GraphQL can.
    pub(super) fn value<'a>(&self, value: &'a Json, asking: &Asking) -> Result<Option<FieldValue<'a>>, Problem> {
        let said = match (self, value) {
            (_, Json::Null) => return Ok(None),
            (Kind::Object(_), Json::Object(_)) => FieldValue::borrowed_any(value),
            (Kind::List(of), Json::Array(elements)) => {
                asking.take_bytes(elements.len())?;
                let each = |element| Ok(of.value(element, asking)?.unwrap_or(FieldValue::NULL));
                FieldValue::list(elements.iter().map(each).collect::<Result<Vec<_>, Problem>>()?)
            }
            (Kind::Enum(_, names), Json::String(name)) if names.contains(name) => {
                FieldValue::value(Value::Enum(Name::new(name)))
            }
            (Kind::String, Json::String(text)) => {
                asking.take_bytes(text.len())?;
                FieldValue::value(text.as_str())
            }
            (Kind::Int, Json::Number(number)) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => {
                FieldValue::value(Value::Number(number.clone()))
            }
            (Kind::Int53, Json::Number(number)) if number.is_i64() => FieldValue::value(Value::Number(number.clone())),
            (Kind::Float, Json::Number(number)) => FieldValue::value(Value::Number(number.clone())),
            (Kind::Boolean, Json::Bool(truth)) => FieldValue::value(*truth),
            (Kind::Json, value) => FieldValue::value(json(value, asking)?),
            (kind, _) => {
                let detail = format!("the value here is no {}; `json` of the document has it", kind.type_ref());
                return Err(Problem::new("INVALID_VALUE", detail));
            }
        };
        Ok(Some(said))
    }
}

/// A value as it is.
pub(super) fn json(value: &Json, asking: &Asking) -> Result<Value, Problem> {
    asking.take_bytes(crate::api::json_bytes(value))?;
    Ok(Value::from_json(value.clone()).expect("JSON is a GraphQL value"))
}

/// Makes the types of one collection.
pub(super) struct Typer<'a> {
    root: &'a Json,
    /// The type of the document: what the names of those inside begin with. It has no `_`, they all have.
    name: &'a str,
    /// Whether a part has a name of its own: what references mean is then another question here and there.
    embeds: bool,
    referred: BTreeMap<String, Kind>,
    taken: BTreeSet<String>,
    types: Vec<Type>,
    /// Fields that may still be made.
    room: &'a mut usize,
}

impl<'a> Typer<'a> {
    pub(super) fn new(root: &'a Json, name: &'a str, room: &'a mut usize) -> Typer<'a> {
        let embeds = root.as_object().is_some_and(|root| root.values().any(crate::api::embeds));
        let (referred, taken) = (BTreeMap::new(), BTreeSet::new());
        Typer { root, name, embeds, referred, taken, types: Vec::new(), room }
    }

    /// The type of the collection's documents, and all types it is made of.
    pub(super) fn say(mut self) -> (Kind, Vec<Type>) {
        let root = self.root;
        let kind = match root.get("properties") {
            Some(Json::Object(properties)) => self.object(self.name.to_owned(), properties, "", DEPTH_MAX),
            _ => Kind::Json,
        };
        (kind, self.types)
    }

    /// `words` says where in the document it is.
    fn kind(&mut self, schema: &'a Json, words: &str, depth: usize) -> Kind {
        let Some(members) = schema.as_object().filter(|_| depth > 0) else { return Kind::Json };
        if let Some(reference) = members.get("$ref").and_then(Json::as_str) {
            return self.reference(reference, depth);
        }
        if let Some(values) = members.get("enum").and_then(Json::as_array) {
            return self.enumeration(values, words);
        }
        match the_type(members) {
            Some("string") => Kind::String,
            Some("boolean") => Kind::Boolean,
            Some("number") => Kind::Float,
            Some("integer") if fits_int(members) => Kind::Int,
            Some("integer") => Kind::Int53,
            Some("array") => match members.get("items") {
                Some(items) if items.is_object() && !members.contains_key("prefixItems") => {
                    Kind::List(Box::new(self.kind(items, words, depth - 1)))
                }
                _ => Kind::Json,
            },
            Some("object") => match members.get("properties") {
                Some(Json::Object(properties)) if !properties.is_empty() => {
                    let name = self.free(words);
                    self.object(name, properties, words, depth - 1)
                }
                _ => Kind::Json,
            },
            _ => Kind::Json,
        }
    }

    fn object(&mut self, name: String, properties: &'a Map<String, Json>, words: &str, depth: usize) -> Kind {
        if properties.is_empty() || *self.room < properties.len() {
            return Kind::Json;
        }
        *self.room -= properties.len();
        // The order of the ledger's JSON is no order of ours: names are the same whichever comes first.
        let properties: BTreeMap<&String, &'a Json> = properties.iter().collect();
        let mut object = Object::new(&name).description("What the caller may not see is null; `redacted` names it.");
        for (field, property) in field_names(properties.keys().map(|name| name.as_str())) {
            let schema = properties[&property.to_owned()];
            let kind = self.kind(schema, &format!("{words}_{field}"), depth);
            let made = field_of(field, property.to_owned(), kind);
            object = object.field(match schema.get("description").and_then(Json::as_str) {
                Some(description) => made.description(description),
                None => made,
            });
        }
        self.types.push(object.into());
        Kind::Object(name)
    }

    /// An enum where every value can be a name in GraphQL.
    fn enumeration(&mut self, values: &[Json], words: &str) -> Kind {
        let values: Vec<&Json> = values.iter().filter(|value| !value.is_null()).collect();
        let texts: Option<BTreeSet<String>> = values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
        let Some(texts) = texts.filter(|texts| !texts.is_empty()) else { return Kind::Json };
        let reserved = |text: &String| matches!(&text[..], "true" | "false" | "null");
        if texts.len() > ENUM_VALUES_MAX || texts.iter().any(|text| !is_name(text) || reserved(text)) {
            return Kind::String;
        }
        let name = self.free(words);
        self.types.push(texts.iter().fold(Enum::new(&name), |made, text| made.item(text)).into());
        Kind::Enum(name, Arc::new(texts))
    }

    /// What a reference inside the schema means; anything where it cannot be followed.
    fn reference(&mut self, reference: &str, depth: usize) -> Kind {
        let Some(pointer) = reference.strip_prefix('#').filter(|_| !self.embeds) else { return Kind::Json };
        if pointer.is_empty() {
            let named = self.root.get("properties").and_then(Json::as_object).is_some_and(|names| !names.is_empty());
            return if named { Kind::Object(self.name.to_owned()) } else { Kind::Json };
        }
        if let Some(known) = self.referred.get(pointer) {
            return known.clone();
        }
        let root = self.root;
        let Some(target) = root.pointer(pointer) else { return Kind::Json };
        let words = format!("_{}", pointer.rsplit('/').next().map(name_of).unwrap_or_default());
        // Before what is in it, which may refer to it again: an object has its name first.
        let properties = target.get("properties").and_then(Json::as_object).filter(|names| !names.is_empty());
        let is_object = target.as_object().is_some_and(|target| the_type(target) == Some("object"));
        let kind =
            match properties.filter(|names| is_object && target.get("$ref").is_none() && names.len() <= *self.room) {
                Some(properties) => {
                    let name = self.free(&words);
                    self.referred.insert(pointer.to_owned(), Kind::Object(name.clone()));
                    self.object(name, properties, &words, DEPTH_MAX)
                }
                None => {
                    self.referred.insert(pointer.to_owned(), Kind::Json);
                    self.kind(target, &words, depth - 1)
                }
            };
        self.referred.insert(pointer.to_owned(), kind.clone());
        kind
    }

    /// A name for a type inside the document.
    fn free(&mut self, words: &str) -> String {
        let base = format!("{}{words}", self.name);
        let numbered = (2_u32..).map(|number| format!("{base}_{number}"));
        let free = |name: &String| !self.taken.contains(name);
        let name = std::iter::once(base.clone()).chain(numbered).find(free).expect("numbers do not end");
        self.taken.insert(name.clone());
        name
    }
}

fn field_of(name: String, property: String, kind: Kind) -> Field {
    Field::new(name, kind.type_ref(), move |ctx| {
        let value = ctx.parent_value.downcast_ref::<Json>().and_then(|object| object.get(&property));
        let Some(value) = value else { return FieldFuture::Value(None) };
        match Asking::of(&ctx).and_then(|asking| kind.value(value, asking)) {
            Ok(value) => FieldFuture::Value(value),
            Err(problem) => super::resolver::null_with(&ctx, &problem),
        }
    })
}

/// The one type beside null, where there is one.
fn the_type(members: &Map<String, Json>) -> Option<&str> {
    match members.get("type")? {
        Json::String(name) => Some(name),
        Json::Array(names) => {
            let mut names = names.iter().filter_map(Json::as_str).filter(|name| *name != "null");
            names.next().filter(|_| names.next().is_none())
        }
        _ => None,
    }
}

/// Whether the bounds of an integer are within GraphQL's 32 bits.
fn fits_int(members: &Map<String, Json>) -> bool {
    let within = |names: [&str; 2]| {
        let bounds = names.iter().filter_map(|name| members.get(*name).and_then(Json::as_i64));
        bounds.into_iter().any(|bound| i32::try_from(bound).is_ok())
    };
    within(["minimum", "exclusiveMinimum"]) && within(["maximum", "exclusiveMaximum"])
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    first && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && !text.starts_with("__")
}

/// The text as a name: other signs as `_`, and an `x` before what cannot be first.
fn name_of(text: &str) -> String {
    if is_name(text) {
        return text.to_owned();
    }
    let word: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if word.starts_with(|c: char| c.is_ascii_alphabetic()) { word } else { format!("x{word}") }
}

/// A field's name for each property: its own where GraphQL allows it, else one like it with a number where that is taken.
fn field_names<'a>(properties: impl Iterator<Item = &'a str> + Clone) -> Vec<(String, &'a str)> {
    let mut taken: BTreeSet<String> = properties.clone().filter(|name| is_name(name)).map(str::to_owned).collect();
    let mut named = Vec::new();
    for property in properties {
        if is_name(property) {
            named.push((property.to_owned(), property));
            continue;
        }
        let base = name_of(property);
        let numbered = (2_u32..).map(|number| format!("{base}_{number}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(|name| !taken.contains(name));
        let name = name.expect("numbers do not end");
        taken.insert(name.clone());
        named.push((name, property));
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::dynamic::{Scalar, Schema};
    use serde_json::json;

    /// The types of a schema in GraphQL's language.
    fn say(schema: Json) -> String {
        let mut room = 1_000;
        let (kind, types) = Typer::new(&schema, "Loan", &mut room).say();
        let root = Field::new("loan", kind.type_ref(), |_| FieldFuture::Value(None));
        let mut builder = Schema::build("Query", None, None)
            .register(Object::new("Query").field(root))
            .register(Scalar::new(JSON))
            .register(Scalar::new(INT53));
        builder = types.into_iter().fold(builder, |builder, made| builder.register(made));
        let sdl = builder.finish().expect("a whole schema").sdl();
        let described = |line: &&str| !line.trim().starts_with("\"\"\"") && !line.contains("may not see");
        sdl.lines().filter(described).map(str::trim).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn each_json_type_has_its_graphql_type_and_the_rest_is_json() {
        let sdl = say(json!({"type": "object", "properties": {
            "text": {"type": ["string", "null"]},
            "small": {"type": "integer", "minimum": 0, "maximum": 9},
            "half": {"type": "integer", "minimum": 0},
            "large": {"type": "integer", "minimum": 0, "maximum": 2_147_483_648_u64},
            "part": {"type": "number"},
            "truth": {"type": "boolean"},
            "many": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
            "pair": {"type": "array", "prefixItems": [{}]},
            "either": {"type": ["string", "integer"]},
            "open": {"type": "object"},
            "any": true,
            "status": {"enum": ["open", "CLOSED", null]},
            "sign": {"enum": ["+", "-"]},
            "word": {"enum": ["true", "x"]},
            "number": {"enum": [1, 2]},
            "inner": {"type": "object", "properties": {"a": {"type": "string"}}}
        }}));
        for line in [
            "text: String",
            "small: Int",
            "half: Int53",
            "large: Int53",
            "part: Float",
            "truth: Boolean",
            "many: [[String]]",
            "pair: JSON",
            "either: JSON",
            "open: JSON",
            "any: JSON",
            "status: Loan_status",
            "sign: String",
            "word: String",
            "number: JSON",
            "inner: Loan_inner",
            "loan: Loan",
        ] {
            assert!(sdl.lines().any(|found| found == line), "{line} in {sdl}");
        }
        assert!(sdl.contains("enum Loan_status {\nCLOSED\nopen\n}"), "{sdl}");
    }

    #[test]
    fn references_have_types_and_circles_end() {
        let sdl = say(json!({
            "$defs": {
                "party": {"type": "object", "properties": {"of": {"$ref": "#/$defs/party"}, "all": {"$ref": "#"}}},
                "code": {"type": "string"}, "loop": {"$ref": "#/$defs/loop"}
            },
            "type": "object",
            "properties": {
                "party": {"$ref": "#/$defs/party"}, "parties": {"type": "array", "items": {"$ref": "#/$defs/party"}},
                "code": {"$ref": "#/$defs/code"}, "gone": {"$ref": "#/$defs/gone"}, "loop": {"$ref": "#/$defs/loop"},
                "far": {"$ref": "https://else.example/x"}
            }
        }));
        for line in [
            "party: Loan_party",
            "parties: [Loan_party]",
            "of: Loan_party",
            "all: Loan",
            "code: String",
            "gone: JSON",
            "loop: JSON",
            "far: JSON",
        ] {
            assert!(sdl.lines().any(|found| found == line), "{line} in {sdl}");
        }
        let embedded =
            json!({"$defs": {"a": {"$id": "other", "type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a"}}});
        assert!(say(embedded).contains("\na: JSON\n"), "what it refers to is not ours to say");
    }

    #[test]
    fn no_two_properties_and_no_two_types_share_a_name() {
        let names = ["a-b", "a.b", "a_b", "1", "__x", "ä", "_", ""];
        let named = field_names(names.into_iter());
        let fields: Vec<&str> = named.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!(fields, ["a_b_2", "a_b_3", "a_b", "x1", "x__x", "x_", "_", "x"]);
    }

    #[test]
    fn what_finds_no_room_is_json() {
        let schema = json!({"properties": {"a": {"type": "object", "properties": {"b": {}, "c": {}}}, "d": {}}});
        let mut room = 3;
        let (kind, types) = Typer::new(&schema, "Loan", &mut room).say();
        assert_eq!((kind, types.len(), room), (Kind::Object("Loan".into()), 1, 1));
        let mut room = 1;
        assert_eq!(Typer::new(&schema, "Loan", &mut room).say().0, Kind::Json);
    }
}
