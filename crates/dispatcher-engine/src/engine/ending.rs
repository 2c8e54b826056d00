//! Coming to an end: take no more, let running tasks finish by a deadline, then end everything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;

use super::Engine;
use crate::effect::Effect;
use crate::event::{CancelReason, DropReason, Event};
use crate::figures::shown;
use crate::pool::deadline::Due;
use crate::pool::ladder::QUICK_STOP;
use crate::task::{Task, WorkerId};

/// How often a stop says what still runs.
const DRAIN_NEWS: Duration = Duration::from_secs(5);

impl Engine {
    /// Takes no more tasks; what is here begins and ends as ever.
    pub(super) fn quiet(&mut self) {
        if self.phase.quiet() {
            self.drained = false;
        }
    }

    /// Begins no more tasks.
    pub(super) fn pause(&mut self) {
        if self.phase.pause() {
            for pool in &mut self.pools {
                pool.recall(&mut self.turn);
            }
        }
    }

    /// As before a quiet or a pause.
    pub(super) fn resume(&mut self) {
        self.phase.resume();
    }

    /// Says once that nothing is left for which anybody would have to wait before the stop.
    pub(super) fn note_drained(&mut self) {
        if !self.drained && !self.phase.takes() && self.load.held().0 == 0 {
            self.drained = true;
            self.turn.tell(Event::Drained);
        }
    }

    /// Says what still runs, as long as it may.
    pub(super) fn tell_draining(&mut self) {
        let left = self.stop_by.map(|at| at.saturating_duration_since(self.turn.now)).unwrap_or_default();
        let running =
            self.pools.iter().flat_map(|pool| pool.workers.values()).flat_map(|worker| &worker.running);
        let running = by_name(running.map(|running| &*running.task));
        if left.is_zero() || running.is_empty() {
            return;
        }
        self.turn.deadlines.add(self.turn.now + DRAIN_NEWS, Due::DrainNews);
        self.turn.tell(Event::Draining { running, left });
    }

    /// Abandons what waits, lets idle workers go, and gives running tasks their grace.
    pub(super) fn stop(&mut self) {
        if !self.phase.stop() {
            return;
        }
        self.schedules.clear();
        self.turn.graces.stop = self.turn.graces.stop.min(QUICK_STOP);
        let running = self.running_count();
        let abandoned = by_name(self.abandon().iter().map(|task| &**task));
        self.turn.tell(Event::Stopping { running, abandoned });
        for pool in &mut self.pools {
            pool.recall(&mut self.turn);
            for id in pool.worker_ids() {
                pool.dismiss(id, &mut self.turn);
            }
        }
        if self.shutdown_grace.is_zero() {
            self.hurry();
        } else {
            let at = self.turn.now + self.shutdown_grace;
            self.stop_by = Some(at);
            self.turn.deadlines.add(at, Due::ShutdownGrace);
            self.turn.deadlines.add(self.turn.now + DRAIN_NEWS, Due::DrainNews);
        }
        self.finish_if_empty();
    }

    /// Running tasks have had their time.
    pub(super) fn hurry(&mut self) {
        self.stop();
        if self.phase.hurry() {
            self.stop_by = None;
            for pool in &mut self.pools {
                pool.cancel(&|_| true, CancelReason::Shutdown, &mut self.turn);
            }
        }
    }

    /// During a stop, after news of a worker: what came back is abandoned, a worker with nothing to do leaves, and the
    /// last one's end is the end.
    pub(super) fn wind_down(&mut self, worker: WorkerId) {
        if !self.phase.is_stopping() {
            return;
        }
        self.abandon();
        if let Some(pool) = self.pools.iter_mut().find(|pool| pool.workers.contains_key(&worker)) {
            pool.dismiss(worker, &mut self.turn);
        }
        self.finish_if_empty();
    }

    /// What waits will not begin any more, wherever it is; gives what that was.
    fn abandon(&mut self) -> Vec<Arc<Task>> {
        let mut gone = Vec::new();
        for at in 0..self.stages.len() {
            for task in self.stages[at].remove(&|_| true) {
                self.drop_task(&task, at, DropReason::Shutdown);
                gone.push(task);
            }
        }
        while let Some(task) = self.routes.waiting.pop() {
            self.drop_task(&task, self.stages.len(), DropReason::Shutdown);
            gone.push(task);
        }
        for at in 0..self.pools.len() {
            while let Some(task) = self.pools[at].queue.pop() {
                self.drop_task(&task, self.stages.len(), DropReason::Shutdown);
                gone.push(task);
            }
        }
        gone
    }

    /// Tasks that were ready, or handed out and not begun, leave.
    pub(crate) fn drop_ready(&mut self, tasks: &[Arc<Task>], why: DropReason) {
        for task in tasks {
            self.drop_task(task, self.stages.len(), why);
        }
    }

    fn finish_if_empty(&mut self) {
        if self.pools.iter().all(|pool| pool.workers.is_empty()) && self.phase.end() {
            self.turn.ask(Effect::Finished);
        }
    }
}

/// How many tasks of each name there are, the most frequent name first.
fn by_name<'a>(tasks: impl Iterator<Item = &'a Task>) -> Vec<(Box<str>, usize)> {
    let mut counts: HashMap<&str, usize, FixedState> = HashMap::default();
    for task in tasks {
        *counts.entry(shown(task.message.task())).or_default() += 1;
    }
    let mut counts: Vec<(Box<str>, usize)> =
        counts.into_iter().map(|(name, count)| (name.into(), count)).collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}
