//! Tasks that wait for their time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::{Stage, Verdict};
use crate::event::DropReason;
use crate::task::Task;

/// Sorted by due time, then by arrival.
#[derive(Debug)]
pub(crate) struct Delay {
    waiting: BTreeMap<(Instant, u64), Arc<Task>>,
    /// How many may wait.
    most: usize,
}

impl Delay {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: BTreeMap::new(), most }
    }
}

impl Stage for Delay {
    fn label(&self) -> &'static str {
        "delayed"
    }

    fn enter(&mut self, task: Arc<Task>, now: Instant) -> Verdict {
        if task.due() <= now {
            return Verdict::Pass(task);
        }
        if self.waiting.len() >= self.most {
            return Verdict::Drop(task, DropReason::Full("delayed_full"));
        }
        self.waiting.insert((task.due(), task.order), task);
        Verdict::Hold
    }

    fn release(&mut self, now: Instant) -> Option<Arc<Task>> {
        let first = self.waiting.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    fn next_wakeup(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    fn waiting(&self) -> Vec<&Arc<Task>> {
        self.waiting.values().collect()
    }

    fn remove(&mut self, fits: &dyn Fn(&Task) -> bool) -> Vec<Arc<Task>> {
        let mut removed = Vec::new();
        self.waiting.retain(|_, task| {
            let goes = fits(task);
            if goes {
                removed.push(Arc::clone(task));
            }
            !goes
        });
        removed
    }

    fn len(&self) -> usize {
        self.waiting.len()
    }
}
