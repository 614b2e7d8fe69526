//! A small cache that forgets what was not asked for the longest.

use std::sync::{Mutex, PoisonError};

/// At most so many values by key. Made for a handful: it is searched from end to end.
#[derive(Debug)]
pub struct Lru<K, V> {
    capacity: usize,
    entries: Mutex<Vec<(K, V)>>,
}

impl<K: PartialEq + Clone, V: Clone> Lru<K, V> {
    /// A cache of at most `capacity` values.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::default() }
    }

    /// The value of a key; made and kept if it is not there. While it is made the cache is free for others.
    pub fn get_or<E>(&self, key: &K, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some(value) = self.with(|entries| {
            let at = entries.iter().position(|(candidate, _)| candidate == key)?;
            let entry = entries.remove(at);
            let value = entry.1.clone();
            entries.push(entry);
            Some(value)
        }) {
            return Ok(value);
        }
        let value = make()?;
        self.with(|entries| {
            entries.retain(|(candidate, _)| candidate != key);
            entries.push((key.clone(), value.clone()));
            if entries.len() > self.capacity {
                entries.remove(0);
            }
        });
        Ok(value)
    }

    /// Takes a value out.
    pub fn take(&self, key: &K) -> Option<V> {
        self.with(|entries| {
            let at = entries.iter().position(|(candidate, _)| candidate == key)?;
            Some(entries.remove(at).1)
        })
    }

    /// Forgets those for which it holds.
    pub fn forget(&self, which: impl Fn(&K) -> bool) {
        self.with(|entries| entries.retain(|(key, _)| !which(key)));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<(K, V)>) -> T) -> T {
        work(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
