//! Put the schema together from the collections there are.

use super::cost::Weight;
use super::query::Rooted;
use super::resolver::Count;
use super::typer::{INT53, JSON, Typer};
use super::{change, document, mutation, query};
use crate::api::{CONSISTENCIES, Collections, Named, names};
use crate::limits::{QUERY_BRACKETS_MAX, SCHEMA_FIELDS_MAX};
use crate::problem::Problem;
use async_graphql::Value;
use async_graphql::dynamic::{Enum, Object, Scalar, Schema, SchemaBuilder, Subscription};
use countersign_proof::INTEGER_MAX;
use std::collections::BTreeMap;

/// What is put behind a collection's type, or its field, to name others around it.
const AROUND: [&str; 11] =
    ["", "Document", "Edge", "Connection", "Versions", "Written", "Change", "List", "Count", "Sum", "Changed"];
/// Names that are no collection's: of types and, as if they were such, of fields of the roots.
const TAKEN: [&str; 25] = [
    "Query",
    "Mutation",
    "Subscription",
    "Int",
    "Float",
    "String",
    "Boolean",
    "ID",
    JSON,
    INT53,
    "Consistency",
    "Level",
    "Outcome",
    "ChangeKind",
    "PageInfo",
    "Count",
    "Sum",
    "Violation",
    "Transaction",
    "TransactionStatus",
    "Change",
    "Changes",
    "Document",
    "Upload",
    "Any",
];

/// The schema of the collections at one height of governance: made once, when somebody asks.
pub(crate) struct Typed {
    schema: Result<Schema, String>,
    weights: BTreeMap<String, Weight>,
}

impl Typed {
    /// The schema of these collections.
    pub(crate) fn of(collections: &Collections) -> Typed {
        let mut parts = Parts {
            query: Object::new("Query"),
            mutation: Object::new("Mutation"),
            subscription: Subscription::new("Subscription").field(change::of_all()),
            builder: Schema::build("Query", Some("Mutation"), Some("Subscription")).extension(Count),
            weights: BTreeMap::new(),
        };
        query::common_fields().into_iter().for_each(|field| parts.ask(field));
        mutation::common_fields().into_iter().for_each(|field| parts.write(field));
        let mut room = SCHEMA_FIELDS_MAX;
        for Named { collection, type_name } in
            names(collections.by_name.keys(), TAKEN.map(str::to_owned).into_iter(), &AROUND)
        {
            let served = &collections.by_name[collection];
            let field = type_name[..1].to_ascii_lowercase() + &type_name[1..];
            let (value, types) = Typer::new(&served.definition, &type_name, &mut room).say();
            types.into_iter().for_each(|made| parts.register(made));
            document::types(&type_name, Some(&value)).into_iter().for_each(|made| parts.register(made));
            parts.register(change::change_type(&format!("{type_name}Change"), &format!("{type_name}Document")));
            query::fields(served, &type_name, &field).into_iter().for_each(|field| parts.ask(field));
            mutation::fields(served, &type_name).into_iter().for_each(|field| parts.write(field));
            parts.subscribe(change::of_collection(served, &type_name, &field));
        }
        parts.finish()
    }

    /// What the fields of the roots cost.
    pub(super) fn weights(&self) -> &BTreeMap<String, Weight> {
        &self.weights
    }

    /// The schema; errs where it could not be made, which is our fault.
    pub(super) fn schema(&self) -> Result<Schema, Problem> {
        self.schema.clone().map_err(|error| {
            tracing::error!(error, "the collections make no GraphQL schema");
            Problem::new("INTERNAL", "the collections make no GraphQL schema; the node's log says why")
        })
    }
}

/// A schema that is being made.
struct Parts {
    query: Object,
    mutation: Object,
    subscription: Subscription,
    builder: SchemaBuilder,
    weights: BTreeMap<String, Weight>,
}

impl Parts {
    fn ask(&mut self, Rooted { field, name, weight }: Rooted) {
        let query = std::mem::replace(&mut self.query, Object::new(""));
        self.query = query.field(field);
        self.weigh(name, weight);
    }

    fn write(&mut self, Rooted { field, name, weight }: Rooted) {
        let mutation = std::mem::replace(&mut self.mutation, Object::new(""));
        self.mutation = mutation.field(field);
        self.weigh(name, weight);
    }

    // Roots may share a name: it costs what the dearer one does.
    fn weigh(&mut self, name: String, weight: Weight) {
        let dearer = self.weights.get(&name).filter(|other| other.cost > weight.cost).copied();
        self.weights.insert(name, dearer.unwrap_or(weight));
    }

    fn subscribe(&mut self, field: async_graphql::dynamic::SubscriptionField) {
        let subscription = std::mem::replace(&mut self.subscription, Subscription::new(""));
        self.subscription = subscription.field(field);
    }

    fn register(&mut self, made: impl Into<async_graphql::dynamic::Type>) {
        let builder = std::mem::replace(&mut self.builder, Schema::build("", None, None));
        self.builder = builder.register(made);
    }

    fn finish(mut self) -> Typed {
        document::common_types().into_iter().for_each(|made| self.register(made));
        query::common_types().into_iter().for_each(|made| self.register(made));
        self.register(document::document_type("Document", None));
        self.register(change::change_type("Change", "Document"));
        scalars().into_iter().for_each(|made| self.register(made));
        enums().into_iter().for_each(|made| self.register(made));
        let Parts { query, mutation, subscription, builder, weights } = self;
        let builder = builder.register(query).register(mutation).register(subscription);
        // The gate has counted both before.
        let schema = builder.limit_recursive_depth(QUERY_BRACKETS_MAX).disable_suggestions().finish();
        Typed { schema: schema.map_err(|error| error.to_string()), weights }
    }
}

fn scalars() -> [Scalar; 2] {
    let exact = |value: &Value| match value {
        Value::Number(number) => number.as_i64().is_some_and(|integer| integer.unsigned_abs() <= INTEGER_MAX),
        _ => false,
    };
    [
        Scalar::new(JSON).description("Any JSON value"),
        Scalar::new(INT53)
            .description("A whole number from -(2^53-1) to 2^53-1, which every JSON number can hold; Int has 32 bits")
            .validator(move |value| value == &Value::Null || exact(value)),
    ]
}

fn enums() -> [Enum; 4] {
    let of =
        |name: &str, words: &[&str]| words.iter().fold(Enum::new(name), |made, word| made.item(word.to_uppercase()));
    [
        of("Consistency", &CONSISTENCIES),
        of("Level", &["committed", "certified", "all"]).description("How far a transaction has come"),
        of("Outcome", &["applied", "rejected", "unknown"]).description("UNKNOWN while it has no place on the ledger"),
        of("ChangeKind", &["created", "updated", "deleted", "withdrawn"]),
    ]
}
