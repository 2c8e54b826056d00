//! Tasks that wait for their twin: the rules `parallel`, `discard`, `serial` and `queue_one`.
//!
//! Every task that passes is counted by its work until it has left, so a question about duplicates costs the same
//! whether ten tasks are here or a million.

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use dispatcher_protocol::OnDuplicate;
use foldhash::fast::FixedState;

use super::{Stage, Verdict};
use crate::event::DropReason;
use crate::task::Task;

/// A task seen as a piece of work: two are equal when task, `args` and `kwargs` are. The hash stands beside the task,
/// so that a table of a million can be searched, and grow, without a look at each.
#[derive(Clone, Debug)]
struct Work {
    hash: u64,
    task: Arc<Task>,
}

impl Work {
    fn of(task: Arc<Task>) -> Self {
        Self { hash: task.message.fingerprint(), task }
    }
}

impl PartialEq for Work {
    fn eq(&self, other: &Self) -> bool {
        // A task is looked up by itself at its end, which need not cost a comparison.
        self.hash == other.hash
            && (Arc::ptr_eq(&self.task, &other.task) || self.task.message.same_work(&other.task.message))
    }
}

impl Eq for Work {}

impl Hash for Work {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Remembers the work that is here. The fingerprint is a seeded hash already, so a fast map is safe.
#[derive(Debug)]
pub(crate) struct Admission {
    /// How many of each work passed and have not left: ready or running.
    active: HashMap<Work, u32, FixedState>,
    /// Those that wait for the active ones to leave, in order of arrival. No list is empty.
    held: HashMap<Work, VecDeque<Arc<Task>>, FixedState>,
    /// Work whose first waiting task may pass now.
    free: VecDeque<Work>,
    waiting: usize,
    /// How many may wait.
    most: usize,
}

impl Admission {
    pub(super) fn new(most: usize) -> Self {
        let (active, held) = (HashMap::default(), HashMap::default());
        Self { active, held, free: VecDeque::new(), waiting: 0, most }
    }

    fn pass(&mut self, work: Work) -> Verdict {
        let task = Arc::clone(&work.task);
        *self.active.entry(work).or_default() += 1;
        Verdict::Pass(task)
    }

    fn hold(&mut self, work: Work) -> Verdict {
        if self.waiting >= self.most {
            return Verdict::Drop(work.task, DropReason::Full("blocked_full"));
        }
        let task = Arc::clone(&work.task);
        self.held.entry(work).or_default().push_back(task);
        self.waiting += 1;
        Verdict::Hold
    }
}

impl Stage for Admission {
    fn label(&self) -> &'static str {
        "blocked"
    }

    fn enter(&mut self, task: Arc<Task>, _now: Instant) -> Verdict {
        let (rule, work) = (task.message.on_duplicate(), Work::of(task));
        if rule == OnDuplicate::Parallel {
            return self.pass(work);
        }
        let (active, held) = (self.active.contains_key(&work), self.held.contains_key(&work));
        match rule {
            OnDuplicate::Discard if active || held => Verdict::Drop(work.task, DropReason::Duplicate),
            OnDuplicate::QueueOne if held => Verdict::Drop(work.task, DropReason::Duplicate),
            OnDuplicate::QueueOne | OnDuplicate::Serial if active || held => self.hold(work),
            _ => self.pass(work),
        }
    }

    fn release(&mut self, _now: Instant) -> Option<Arc<Task>> {
        while let Some(work) = self.free.pop_front() {
            if self.active.contains_key(&work) {
                // One that does not wait for twins was faster; its end frees this work again.
                continue;
            }
            let Some(list) = self.held.get_mut(&work) else { continue };
            let next = list.pop_front();
            if list.is_empty() {
                self.held.remove(&work);
            }
            if let Some(task) = next {
                self.waiting -= 1;
                self.active.insert(Work::of(Arc::clone(&task)), 1);
                return Some(task);
            }
        }
        None
    }

    fn settle(&mut self, task: &Arc<Task>) {
        let work = Work::of(Arc::clone(task));
        let Some(count) = self.active.get_mut(&work) else { return };
        *count -= 1;
        if *count == 0 {
            self.active.remove(&work);
            if self.held.contains_key(&work) {
                self.free.push_back(work);
            }
        }
    }

    fn waiting(&self) -> Vec<&Arc<Task>> {
        let mut found: Vec<_> = self.held.values().flatten().collect();
        found.sort_unstable_by_key(|task| task.order);
        found
    }

    fn remove(&mut self, fits: &dyn Fn(&Task) -> bool) -> Vec<Arc<Task>> {
        let mut removed = Vec::new();
        self.held.retain(|_, list| {
            list.retain(|task| {
                let goes = fits(task);
                if goes {
                    removed.push(Arc::clone(task));
                }
                !goes
            });
            !list.is_empty()
        });
        self.waiting -= removed.len();
        removed.sort_unstable_by_key(|task| task.order);
        removed
    }

    fn len(&self) -> usize {
        self.waiting
    }
}
