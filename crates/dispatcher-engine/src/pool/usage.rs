//! When each level of demand was last needed: what the `main` reply shows as `usage`.
//!
//! Demand is the number of tasks that are running or ready. Levels far above the largest pool say nothing about
//! how many workers are needed, so they are not kept, and the memory stays bounded.

use std::time::Instant;

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

    /// The levels that were ever released, rising, and when.
    pub(crate) fn released_levels(&self) -> impl Iterator<Item = (usize, Instant)> {
        self.levels.iter().enumerate().filter_map(|(index, at)| Some((index + 1, (*at)?)))
    }
}
