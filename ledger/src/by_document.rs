//! Look documents up by collection and id, without making a key to look with.

use std::collections::HashMap;

/// Something for each of some documents. It is never walked through: its order is nobody's.
#[derive(Debug)]
pub(crate) struct ByDocument<T>(HashMap<String, HashMap<String, T>>);

impl<T> Default for ByDocument<T> {
    fn default() -> Self {
        ByDocument(HashMap::new())
    }
}

impl<T> ByDocument<T> {
    pub(crate) fn get(&self, collection: &str, id: &str) -> Option<&T> {
        self.0.get(collection)?.get(id)
    }

    pub(crate) fn insert(&mut self, collection: &str, id: &str, value: T) {
        match self.0.get_mut(collection) {
            Some(of_collection) => drop(of_collection.insert(id.to_owned(), value)),
            None => drop(self.0.insert(collection.to_owned(), HashMap::from([(id.to_owned(), value)]))),
        }
    }

    pub(crate) fn remove(&mut self, collection: &str, id: &str) {
        self.0.get_mut(collection).and_then(|of_collection| of_collection.remove(id));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.values().map(HashMap::len).sum()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
