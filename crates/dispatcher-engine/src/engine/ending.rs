//! Coming to an end: take no more, let running tasks finish by a deadline, then end everything.

use std::sync::Arc;

use super::Engine;
use crate::effect::Effect;
use crate::event::{CancelReason, DropReason, Event};
use crate::pool::deadline::Due;
use crate::pool::ladder::QUICK_STOP;
use crate::task::{Task, WorkerId};

impl Engine {
    pub(super) fn quiet(&mut self) {
        if self.phase.quiet() {
            self.schedules.clear();
            for pool in &mut self.pools {
                pool.recall(&mut self.turn);
            }
        }
    }

    /// Abandons what waits, lets idle workers go, and gives running tasks their grace.
    pub(super) fn stop(&mut self) {
        if !self.phase.stop() {
            return;
        }
        self.schedules.clear();
        self.turn.graces.stop = self.turn.graces.stop.min(QUICK_STOP);
        let running = self.running_count();
        let before = self.counters.abandoned;
        self.abandon();
        let abandoned = (self.counters.abandoned - before) as usize;
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
            self.turn.deadlines.add(at, Due::ShutdownGrace);
        }
        self.finish_if_empty();
    }

    /// Running tasks have had their time.
    pub(super) fn hurry(&mut self) {
        self.stop();
        if self.phase.hurry() {
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

    /// What waits will not begin any more, wherever it is.
    fn abandon(&mut self) {
        for at in 0..self.stages.len() {
            for task in self.stages[at].remove(&|_| true) {
                self.drop_task(&task, at, DropReason::Shutdown);
            }
        }
        for at in 0..self.pools.len() {
            while let Some(task) = self.pools[at].queue.pop() {
                self.drop_task(&task, self.stages.len(), DropReason::Shutdown);
            }
        }
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
