//! Step 3: tasks that are ready to run, first in, first out.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::task::Task;

/// The ready tasks of one pool.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    tasks: VecDeque<Arc<Task>>,
}

impl Queue {
    pub(crate) fn push(&mut self, task: Arc<Task>) {
        self.tasks.push_back(task);
    }

    pub(crate) fn pop(&mut self) -> Option<Arc<Task>> {
        self.tasks.pop_front()
    }

    /// Puts tasks back that were handed out and never begun, in their order, before all others.
    pub(crate) fn put_back(&mut self, tasks: impl DoubleEndedIterator<Item = Arc<Task>>) {
        for task in tasks.rev() {
            self.tasks.push_front(task);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.iter()
    }

    /// Takes out every task that fits.
    pub(crate) fn remove(&mut self, fits: &dyn Fn(&Task) -> bool) -> Vec<Arc<Task>> {
        let (gone, kept) = std::mem::take(&mut self.tasks).into_iter().partition(|task| fits(task));
        self.tasks = kept;
        Vec::from(gone)
    }
}
