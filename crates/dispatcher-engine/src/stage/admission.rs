//! Tasks that wait for their twin: the rules `parallel`, `discard`, `serial` and `queue_one`.
//!
//! Every task that passes is remembered by the hash of its work until it has left, so a question about
//! duplicates costs the same whether ten tasks are here or a million.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use dispatcher_protocol::OnDuplicate;
use foldhash::fast::FixedState;

use super::{Stage, Verdict};
use crate::event::DropReason;
use crate::task::Task;

/// All tasks of the same work.
#[derive(Debug)]
struct Twins {
    /// One of them, to compare with.
    sample: Arc<Task>,
    /// Those that passed and have not left: ready or running.
    active: u32,
    /// Those that wait for the active ones to leave.
    waiting: VecDeque<Arc<Task>>,
    /// Other work whose hash is the same; all but always none.
    next: Option<Box<Twins>>,
}

/// Remembers the work that is here.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// The key is a seeded hash already, so the map need not hash it well again.
    by_hash: HashMap<u64, Twins, FixedState>,
    /// Hashes of work whose first waiting task may pass now.
    free: VecDeque<u64>,
    waiting: usize,
}

impl Admission {
    fn twins(&mut self, task: &Task) -> Option<&mut Twins> {
        let mut twins = self.by_hash.get_mut(&task.message.fingerprint());
        while let Some(found) = twins {
            if found.sample.message.same_work(&task.message) {
                return Some(found);
            }
            twins = found.next.as_deref_mut();
        }
        None
    }

    /// Counts a task as active.
    fn pass(&mut self, task: Arc<Task>) -> Verdict {
        if let Some(twins) = self.twins(&task) {
            twins.active += 1;
        } else {
            let hash = task.message.fingerprint();
            let next = self.by_hash.remove(&hash).map(Box::new);
            let sample = Arc::clone(&task);
            let twins = Twins { sample, active: 1, waiting: VecDeque::new(), next };
            self.by_hash.insert(hash, twins);
        }
        Verdict::Pass(task)
    }

    /// Forgets work of which nothing is left.
    fn forget(&mut self, hash: u64) {
        let Some(first) = self.by_hash.remove(&hash) else { return };
        if let Some(kept) = prune(Some(Box::new(first))) {
            self.by_hash.insert(hash, *kept);
        }
    }
}

/// The chain without the links that hold nothing.
fn prune(chain: Option<Box<Twins>>) -> Option<Box<Twins>> {
    let mut twins = chain?;
    twins.next = prune(twins.next.take());
    if twins.active == 0 && twins.waiting.is_empty() { twins.next } else { Some(twins) }
}

impl Stage for Admission {
    fn label(&self) -> &'static str {
        "blocked"
    }

    fn enter(&mut self, task: Arc<Task>, _now: Instant) -> Verdict {
        let rule = task.message.on_duplicate();
        if rule == OnDuplicate::Parallel {
            return self.pass(task);
        }
        let Some(twins) = self.twins(&task) else { return self.pass(task) };
        let drop = match rule {
            OnDuplicate::Discard => true,
            // One that waits stands for this one too.
            OnDuplicate::QueueOne => !twins.waiting.is_empty(),
            OnDuplicate::Serial | OnDuplicate::Parallel => false,
        };
        if drop {
            return Verdict::Drop(task, DropReason::Duplicate);
        }
        twins.waiting.push_back(task);
        self.waiting += 1;
        Verdict::Hold
    }

    fn release(&mut self, _now: Instant) -> Option<Arc<Task>> {
        while let Some(hash) = self.free.pop_front() {
            let mut twins = self.by_hash.get_mut(&hash);
            while let Some(found) = twins {
                if found.active == 0 && !found.waiting.is_empty() {
                    found.active = 1;
                    self.waiting -= 1;
                    return found.waiting.pop_front();
                }
                twins = found.next.as_deref_mut();
            }
        }
        None
    }

    fn settle(&mut self, task: &Task) {
        let hash = task.message.fingerprint();
        let Some(twins) = self.twins(task) else { return };
        twins.active = twins.active.saturating_sub(1);
        if twins.active > 0 {
            return;
        }
        if twins.waiting.is_empty() {
            self.forget(hash);
        } else {
            self.free.push_back(hash);
        }
    }

    fn waiting(&self) -> Vec<&Arc<Task>> {
        let mut found = Vec::with_capacity(self.waiting);
        for first in self.by_hash.values() {
            let mut twins = Some(first);
            while let Some(some) = twins {
                found.extend(&some.waiting);
                twins = some.next.as_deref();
            }
        }
        found.sort_by_key(|task| task.order);
        found
    }

    fn remove(&mut self, fits: &dyn Fn(&Task) -> bool) -> Vec<Arc<Task>> {
        let mut removed = Vec::new();
        for first in self.by_hash.values_mut() {
            let mut twins = Some(first);
            while let Some(some) = twins {
                let (gone, kept): (VecDeque<_>, VecDeque<_>) =
                    std::mem::take(&mut some.waiting).into_iter().partition(|task| fits(task));
                some.waiting = kept;
                removed.extend(gone);
                twins = some.next.as_deref_mut();
            }
        }
        self.waiting -= removed.len();
        for task in &removed {
            // Work of which nothing is left must not look like a twin to the next one.
            self.forget(task.message.fingerprint());
        }
        removed
    }

    fn len(&self) -> usize {
        self.waiting
    }
}
