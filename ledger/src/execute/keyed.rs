//! Keep the unique keys of a collection unique, and find documents by them.

use super::{Definition, Scope};
use crate::governance::Halt;
use crate::index::{Index, IndexKey, Move, Place};
use crate::rejection::{Code, Rejection};
use crate::schema::limits::KEY_BYTES_MAX;
use crate::store::kv::KvError;
use countersign_proof::Operation;
use countersign_proof::operation::Change;
use serde_json::Value;

/// The document that an operation is of.
pub(super) struct Target {
    pub(super) id: String,
    /// No document holds the key that the operation named: it makes one, and none may be there under this id.
    pub(super) must_be_new: bool,
}

impl Scope<'_> {
    /// The document that the operation names: by its id, or, for a put by key, the one that holds the key of the value.
    pub(super) fn target(
        &self,
        definition: &Definition,
        operation: &Operation,
        argument: &Value,
    ) -> Result<Target, Halt> {
        let named = Target { id: operation.id.clone(), must_be_new: false };
        let put = match &operation.change {
            Some(Change::Put(put)) if !put.key.is_empty() => put,
            _ => return Ok(named),
        };
        let unknown = || format!("{} has no unique key {}", operation.collection, put.key.join(", "));
        let index = definition.schema.indexes().unique(&put.key);
        let index = index.ok_or_else(|| Rejection::new(Code::InvalidValue, unknown()))?;
        let keyless = || format!("the document has no scalar at each of {}", index.shown());
        let key = index.key(argument).ok_or_else(|| Rejection::new(Code::InvalidValue, keyless()))?;
        Ok(match self.holder(&place(&operation.collection, index, &key))? {
            Some(id) => Target { id, must_be_new: false },
            None => Target { must_be_new: true, ..named },
        })
    }

    /// Stages what a change of a document's value does to the indexes; rejected where another holds a unique key.
    pub(super) fn reindex(
        &mut self,
        definition: &Definition,
        (collection, id): (&str, &str),
        before: Option<&Value>,
        now: Option<&Value>,
    ) -> Result<(), Halt> {
        for index in definition.schema.indexes().iter() {
            let key_of = |value: Option<&Value>| value.and_then(|value| index.key(value));
            let (before, now) = (key_of(before), key_of(now));
            if before == now {
                continue;
            }
            if let Some(key) = &now {
                check_length(index, key)?;
            }
            if index.is_unique() {
                self.take(collection, id, index, before.as_ref(), now.as_ref())?;
            }
            self.indexes.move_document(collection, index.id(), id, Move { before, now });
        }
        Ok(())
    }

    fn take(
        &mut self,
        collection: &str,
        id: &str,
        index: &Index,
        before: Option<&IndexKey>,
        now: Option<&IndexKey>,
    ) -> Result<(), Halt> {
        if let Some(key) = now {
            let place = place(collection, index, key);
            if let Some(existing) = self.holder(&place)? {
                let detail = format!("{existing:?} holds this value of the unique key {}", index.shown());
                let existing = Some(existing);
                return Err(Rejection { existing, ..Rejection::new(Code::AlreadyExists, detail) }.into());
            }
            self.indexes.hold(place, Some(id.to_owned()));
        }
        if let Some(key) = before {
            let place = place(collection, index, key);
            let holder = self.holder(&place)?;
            assert_eq!(holder.as_deref(), Some(id), "a living document holds its key in {}", index.shown());
            self.indexes.hold(place, None);
        }
        Ok(())
    }

    /// Who holds a unique key, as this operation sees it.
    fn holder(&self, place: &Place) -> Result<Option<String>, KvError> {
        let earlier = [&self.indexes, &self.block.indexes].into_iter();
        match earlier.filter_map(|changes| changes.holders.get(place)).next() {
            Some(holder) => Ok(holder.clone()),
            None => self.state.holder(place),
        }
    }
}

fn place(collection: &str, index: &Index, key: &IndexKey) -> Place {
    Place { collection: collection.to_owned(), index: index.id(), key: key.clone() }
}

fn check_length(index: &Index, key: &IndexKey) -> Result<(), Rejection> {
    let bytes = key.as_bytes().len();
    let detail = || format!("a key of {bytes} bytes at {}, at most {KEY_BYTES_MAX}", index.shown());
    if bytes > KEY_BYTES_MAX { Err(Rejection::new(Code::TooLarge, detail())) } else { Ok(()) }
}
