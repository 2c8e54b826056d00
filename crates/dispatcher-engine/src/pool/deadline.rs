//! Times at which something is due, in one sorted set: the engine has one next wakeup.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::task::{PoolId, WorkerId};

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A running task's timeout; the number is its ticket.
    Timeout(WorkerId, u64),
    /// A cancelled task has not given way in time.
    CancelGrace(WorkerId, u64),
    /// The next step towards this worker's end.
    Step(WorkerId),
    /// Look whether tasks wait behind a long one.
    Patience(WorkerId),
    /// Try to start workers again.
    Respawn(PoolId),
    /// Look whether fewer workers are enough.
    Shrink(PoolId),
    /// This worker has reached its greatest age.
    Lifetime(WorkerId),
    /// The record of an ended worker has been shown for long enough.
    Record(PoolId),
    /// Running tasks have had their time since the stop.
    ShutdownGrace,
}

/// A deadline's place in the set, to take it out again.
pub(crate) type Key = (Instant, u64);

/// All deadlines. Each is taken out when its cause has gone, so the set holds what is really to come.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    set: BTreeMap<Key, Due>,
    made: u64,
}

impl Deadlines {
    pub(crate) fn add(&mut self, at: Instant, due: Due) -> Key {
        self.made += 1;
        let key = (at, self.made);
        self.set.insert(key, due);
        key
    }

    pub(crate) fn remove(&mut self, key: Option<Key>) {
        if let Some(key) = key {
            self.set.remove(&key);
        }
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let first = self.set.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.set.first_key_value().map(|(key, _)| key.0)
    }
}
