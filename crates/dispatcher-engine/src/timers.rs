//! What is to happen at a time, in one sorted set.
//!
//! Knows nothing of what that is. Things of the same time keep their order.

use std::collections::BTreeMap;
use std::time::Instant;

/// The place of one thing in the set, to take it out again.
pub(crate) type Key = (Instant, u64);

/// Things by their times.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    set: BTreeMap<Key, T>,
    made: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { set: BTreeMap::new(), made: 0 }
    }
}

impl<T> Timers<T> {
    pub(crate) fn add(&mut self, at: Instant, what: T) -> Key {
        self.made += 1;
        let key = (at, self.made);
        self.set.insert(key, what);
        key
    }

    pub(crate) fn remove(&mut self, key: Option<Key>) {
        if let Some(key) = key {
            self.set.remove(&key);
        }
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        let first = self.set.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.set.first_key_value().map(|(key, _)| key.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }
}
