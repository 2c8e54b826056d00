//! What workers say, and what has become due for them.

use std::sync::Arc;

use dispatcher_protocol::{Done, Progress};

use super::Engine;
use crate::event::{DropReason, Event};
use crate::input::Exit;
use crate::pool::Pool;
use crate::pool::deadline::Due;
use crate::task::{PoolId, WorkerId};

/// The pool of a worker and what its methods need, or a return when the worker is not there: it may have gone
/// while the news was under way.
macro_rules! pool_of {
    ($engine:ident, $worker:ident) => {
        match $engine.pools.iter_mut().find(|pool| pool.workers.contains_key(&$worker)) {
            Some(pool) => (pool, &mut $engine.turn),
            None => return,
        }
    };
}

impl Engine {
    pub(super) fn worker_started(&mut self, worker: WorkerId) {
        let (pool, _) = pool_of!(self, worker);
        pool.started(worker);
    }

    pub(super) fn worker_ready(&mut self, worker: WorkerId, slots: u16, ahead: u16, tasks: Vec<String>) {
        let (pool, turn) = pool_of!(self, worker);
        pool.ready(worker, slots, ahead, turn);
        self.routes.learn(pool.id, tasks);
    }

    pub(super) fn task_progress(&mut self, worker: WorkerId, uuid: &str, progress: Box<Progress>) {
        let (pool, _) = pool_of!(self, worker);
        pool.told(worker, uuid, progress);
    }

    pub(super) fn task_done(&mut self, worker: WorkerId, done: Done) {
        let (pool, turn) = pool_of!(self, worker);
        let Some(ended) = pool.finish(worker, &done, turn) else {
            return turn.tell(Event::StrayResult { worker });
        };
        let outcome = self.counters.end(worker, &ended, done, turn);
        self.leave(&ended.task, self.stages.len(), outcome);
        self.wind_down(worker);
    }

    pub(super) fn taken_back(&mut self, worker: WorkerId, seqs: &[u64]) {
        let (pool, turn) = pool_of!(self, worker);
        let cancelled = pool.taken_back(worker, seqs, turn);
        self.drop_ready(&cancelled, DropReason::Cancelled);
        self.wind_down(worker);
    }

    pub(super) fn worker_leaving(&mut self, worker: WorkerId, unbegun: &[u64]) {
        let (pool, turn) = pool_of!(self, worker);
        let cancelled = pool.leaving(worker, unbegun, turn);
        self.drop_ready(&cancelled, DropReason::Cancelled);
        self.wind_down(worker);
    }

    pub(super) fn worker_exited(&mut self, worker: WorkerId, exit: &Exit) {
        let (pool, turn) = pool_of!(self, worker);
        let Some(remains) = pool.exited(worker, exit, turn) else { return };
        let expected = remains.expected;
        self.counters.workers_lost += u64::from(!expected);
        turn.tell(Event::WorkerGone { worker, exit: exit.clone(), expected });
        let culprit = remains.lost.iter().find(|lost| lost.cancelled.is_some());
        let culprit = culprit.map(|culprit| Arc::clone(&culprit.task));
        for lost in remains.lost {
            let neighbour = culprit.as_ref().filter(|_| lost.cancelled.is_none());
            let outcome = self.counters.lose(worker, &lost, neighbour, exit, &mut self.turn);
            self.leave(&lost.task, self.stages.len(), outcome);
        }
        self.drop_ready(&remains.cancelled, DropReason::Cancelled);
        self.wind_down(worker);
    }

    pub(super) fn worker_memory(&mut self, worker: WorkerId, resident: u64) {
        let (pool, turn) = pool_of!(self, worker);
        pool.memory(worker, resident, turn);
    }

    /// Other numbers of workers. A pool that is not there has none.
    pub(super) fn scale(&mut self, pool: PoolId, min: Option<usize>, max: Option<usize>) {
        if self.phase.is_serving()
            && let Some(pool) = self.pools.get_mut(usize::from(pool.0))
        {
            pool.scale(min, max, &mut self.turn);
        }
    }

    pub(super) fn recycle(&mut self, worker: Option<WorkerId>, only: Option<PoolId>) {
        if self.phase.is_serving() {
            let meant = |pool: &&mut Pool| only.is_none_or(|only| only == pool.id);
            self.pools.iter_mut().filter(meant).for_each(|pool| pool.recycle(worker));
        }
    }

    pub(super) fn due(&mut self, due: Due) {
        match due {
            Due::Timeout(worker, seq) => {
                let (pool, turn) = pool_of!(self, worker);
                pool.timed_out(worker, seq, turn);
            }
            Due::CancelGrace(worker, seq) => {
                let (pool, turn) = pool_of!(self, worker);
                pool.grace_over(worker, seq, turn);
            }
            Due::Step(worker) => {
                let (pool, turn) = pool_of!(self, worker);
                pool.step(worker, turn);
            }
            Due::Patience(worker) => {
                let (pool, turn) = pool_of!(self, worker);
                pool.patience_over(worker, turn);
            }
            Due::Lifetime(worker) => {
                let (pool, turn) = pool_of!(self, worker);
                pool.lifetime_over(worker, turn);
            }
            Due::Shrink(pool) => {
                if self.phase.is_serving() {
                    self.pools[usize::from(pool.0)].shrink(&mut self.turn);
                }
            }
            Due::Record(pool) => self.pools[usize::from(pool.0)].records_due(&mut self.turn),
            // `advance` lets every pool grow in the same turn.
            Due::Respawn(_) => {}
            Due::ShutdownGrace => self.hurry(),
            Due::DrainNews => self.tell_draining(),
        }
    }
}
