//! When each level of demand was last needed: what scale-down asks, and what the `main` reply shows as `usage`.
//!
//! Demand is the number of tasks that are running or ready. Levels far above the largest pool say nothing about
//! how many workers are needed, so they are not kept, and the memory stays bounded.

use std::time::{Duration, Instant};

/// How many levels above the maximum are kept; replies show two on each side of the present number of workers.
const ABOVE: usize = 2;

/// By level of demand, when it was last released by the end of a task.
#[derive(Debug)]
pub(crate) struct Usage {
    /// The first is level 1.
    levels: Vec<Option<Instant>>,
    kept: usize,
}

impl Usage {
    pub(super) fn new(max_workers: usize) -> Self {
        Self { levels: Vec::new(), kept: max_workers.saturating_add(ABOVE) }
    }

    /// The pool has another maximum.
    pub(super) fn keep(&mut self, max_workers: usize) {
        self.kept = max_workers.saturating_add(ABOVE);
        self.levels.truncate(self.kept);
    }

    /// A task ended while the demand was this.
    pub(super) fn released(&mut self, demand: usize, now: Instant) {
        if demand == 0 || demand > self.kept {
            return;
        }
        if demand > self.levels.len() {
            self.levels.resize(demand, None);
        }
        self.levels[demand - 1] = Some(now);
    }

    /// What is needed now is needed until now; what is there and was never needed counts from now.
    pub(super) fn look(&mut self, demand: usize, workers: usize, now: Instant) {
        let levels = workers.min(self.kept);
        if levels > self.levels.len() {
            self.levels.resize(levels, None);
        }
        for (index, at) in self.levels[..levels].iter_mut().enumerate() {
            if index < demand {
                *at = Some(now);
            } else {
                at.get_or_insert(now);
            }
        }
    }

    /// For how long so many workers have been more than enough.
    pub(super) fn unneeded_for(&self, level: usize, now: Instant) -> Duration {
        let at = level.checked_sub(1).and_then(|index| *self.levels.get(index)?);
        at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }

    /// The levels that were ever released, rising, and when.
    pub(crate) fn released_levels(&self) -> impl Iterator<Item = (usize, Instant)> {
        self.levels.iter().enumerate().filter_map(|(index, at)| Some((index + 1, (*at)?)))
    }
}
