//! A small cache that forgets what was not asked for the longest.

use std::sync::{Mutex, PoisonError};

/// At most so many values by key, of at most so many bytes together. Made for a handful: it is searched from end to
/// end.
#[derive(Debug)]
pub struct Lru<K, V> {
    capacity: usize,
    limit_bytes: usize,
    /// About what a value takes.
    bytes_of: fn(&V) -> usize,
    entries: Mutex<Vec<(K, V)>>,
}

impl<K: PartialEq + Clone, V: Clone> Lru<K, V> {
    /// A cache of at most `capacity` values of at most `limit_bytes` together; one that is larger is not kept.
    pub fn new(capacity: usize, limit_bytes: usize, bytes_of: fn(&V) -> usize) -> Self {
        Self { capacity, limit_bytes, bytes_of, entries: Mutex::default() }
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
            let mut bytes: usize = entries.iter().map(|(_, value)| (self.bytes_of)(value)).sum();
            while entries.len() > self.capacity || bytes > self.limit_bytes {
                bytes -= (self.bytes_of)(&entries.remove(0).1);
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

    /// What `of` gives of the keys, those that were asked for the longest ago first.
    pub fn filter_keys<T>(&self, of: impl Fn(&K) -> Option<T>) -> Vec<T> {
        self.with(|entries| entries.iter().filter_map(|(key, _)| of(key)).collect())
    }

    /// Forgets those for which it holds.
    pub fn forget(&self, which: impl Fn(&K, &V) -> bool) {
        self.with(|entries| entries.retain(|(key, value)| !which(key, value)));
    }

    /// Forgets all, and gives back the memory.
    pub fn clear(&self) {
        self.with(|entries| *entries = Vec::new());
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<(K, V)>) -> T) -> T {
        work(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(cache: &Lru<u64, usize>) -> Vec<u64> {
        cache.with(|entries| entries.iter().map(|(key, _)| *key).collect())
    }

    #[test]
    fn number_and_bytes_are_bounded_and_the_oldest_goes_first() {
        let cache = Lru::new(3, 10, |bytes: &usize| *bytes);
        let get = |key, bytes| cache.get_or(&key, || Ok::<_, ()>(bytes));
        (1..=3).for_each(|key| assert_eq!(get(key, 1), Ok(1)));
        assert_eq!(get(1, 99), Ok(1));
        assert_eq!(get(4, 1), Ok(1));
        assert_eq!(kept(&cache), [3, 1, 4]);
        assert_eq!(get(5, 9), Ok(9));
        assert_eq!(kept(&cache), [4, 5]);
        assert_eq!(get(6, 11), Ok(11));
        assert_eq!(kept(&cache), [0; 0]);
    }
}
