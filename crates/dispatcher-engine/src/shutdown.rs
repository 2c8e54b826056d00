//! Coming to an end: take no more, let running tasks finish by a deadline, then end everything.

use std::time::Instant;

use crate::effect::Effect;
use crate::engine::{Engine, turn};
use crate::event::{CancelReason, DropReason, Event};
use crate::pool::Turn;
use crate::pool::deadline::Due;
use crate::task::WorkerId;

/// How far the engine is on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Tasks come and go.
    Running,
    /// No task comes any more and none begins; those that run go on.
    Quiet,
    /// Nothing begins any more.
    Stopping,
    /// Nothing is left, and that was said.
    Over,
}

impl Engine {
    /// Whether the stop has begun.
    pub fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping | Phase::Over)
    }

    pub(crate) fn quiet(&mut self) {
        if self.phase == Phase::Running {
            self.phase = Phase::Quiet;
            self.schedules.clear();
        }
    }

    /// Abandons what waits, lets idle workers go, and gives running tasks their grace.
    pub(crate) fn stop(&mut self, now: Instant) {
        if self.is_stopping() {
            return;
        }
        self.phase = Phase::Stopping;
        self.schedules.clear();
        let running = self.running_count();
        let before = self.counters.abandoned;
        for at in 0..self.stages.len() {
            for task in self.stages[at].remove(&|_| true) {
                self.drop_task(&task, at, DropReason::Shutdown);
            }
        }
        self.abandon_queues();
        let abandoned = (self.counters.abandoned - before) as usize;
        self.out.push_back(Effect::Event(Event::Stopping { running, abandoned }));
        for id in self.worker_ids() {
            let turn = &mut turn!(self, now);
            let Some(pool) = self.pools.iter_mut().find(|pool| pool.workers.contains_key(&id)) else {
                continue;
            };
            pool.with(id, |worker| {
                worker.recall(turn);
                if worker.running.is_empty() {
                    worker.leave(true, turn);
                }
            });
        }
        if self.shutdown_grace.is_zero() {
            self.hurry(now);
        } else {
            self.deadlines.add(now + self.shutdown_grace, Due::ShutdownGrace);
        }
        self.finish_if_empty();
    }

    /// Running tasks have had their time; without a stop before, this is one without a grace.
    pub(crate) fn stop_at_once(&mut self, now: Instant) {
        self.stop(now);
        self.hurry(now);
    }

    /// Running tasks have had their time.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if self.phase != Phase::Stopping {
            return;
        }
        self.hurried = true;
        for pool in &mut self.pools {
            pool.cancel_running(&|_| true, CancelReason::Shutdown, &mut turn!(self, now));
        }
    }

    /// During a stop a worker leaves as soon as it has nothing to do.
    pub(crate) fn after_task(&mut self, id: WorkerId, now: Instant) {
        if self.phase != Phase::Stopping {
            return;
        }
        if self.hurried {
            // A task that its worker held and has only now begun has no more time than the others.
            self.hurry(now);
        }
        let turn = &mut turn!(self, now);
        let pool = self.pools.iter_mut().find(|pool| pool.workers.contains_key(&id));
        pool.map(|pool| {
            pool.with(id, |worker| {
                if worker.running.is_empty() && worker.ahead.is_empty() {
                    worker.leave(true, turn);
                }
            })
        });
    }

    /// What is ready will not begin any more.
    pub(crate) fn abandon_queues(&mut self) {
        for at in 0..self.pools.len() {
            while let Some(task) = self.pools[at].queue.pop() {
                self.drop_task(&task, self.stages.len(), DropReason::Shutdown);
            }
        }
        // Dropping a task may have let its twin pass; that one will not begin either.
        self.release_for_shutdown();
    }

    fn release_for_shutdown(&mut self) {
        for at in 0..self.stages.len() {
            for task in self.stages[at].remove(&|_| true) {
                self.drop_task(&task, at, DropReason::Shutdown);
            }
        }
    }

    pub(crate) fn finish_if_empty(&mut self) {
        if self.phase == Phase::Stopping && self.pools.iter().all(|pool| pool.workers.is_empty()) {
            self.phase = Phase::Over;
            self.out.push_back(Effect::Finished);
        }
    }
}
