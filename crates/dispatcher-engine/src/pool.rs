//! Step 4: workers and the tasks they run. Grows, pairs, finishes, loses.
//!
//! Holds the ready queue of its tasks. Knows no processes: a worker is a number and what it said.

pub(crate) mod deadline;
pub(crate) mod ladder;
pub(crate) mod record;
pub(crate) mod turn;
pub(crate) mod worker;
mod ahead;
mod renew;
mod scale;
mod shrink;
mod usage;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use dispatcher_protocol::{Done, Progress};

use crate::config::PoolConfig;
use crate::event::{CancelReason, Event};
use crate::input::Exit;
use crate::queue::Queue;
use crate::task::{PoolId, Task, WorkerId};
use record::Records;
use scale::Starts;
use turn::Turn;
use usage::Usage;
use worker::{Life, Running, Standing, Worker};

/// One pool.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) id: PoolId,
    config: PoolConfig,
    pub(crate) queue: Queue,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    /// Workers with a free slot; the first is next.
    idle: BTreeSet<((usize, u64), WorkerId)>,
    /// Workers that could be handed tasks early; the first is next.
    thirsty: BTreeSet<(usize, WorkerId)>,
    pub(crate) counts: Counts,
    pub(crate) usage: Usage,
    starts: Starts,
    pub(crate) records: Records,
    /// When to look whether fewer workers are enough.
    look: Option<deadline::Key>,
    /// Workers that are still to be replaced, in this order.
    renewing: VecDeque<WorkerId>,
    /// Workers let go because they had reached a limit or somebody wanted them replaced.
    pub(crate) retired: u64,
    /// A worker has to come up to say what it knows, whatever the minimum is.
    unheard: bool,
}

/// Sums over a pool's workers, kept so that no message costs a walk over all of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Slots in which a task could begin at once.
    pub(crate) free_slots: usize,
    /// Workers that are not ready yet.
    pub(crate) starting: usize,
    /// Workers that take no more tasks.
    pub(crate) leaving: usize,
    /// Those of them that are busy with their last tasks.
    pub(crate) parting: usize,
    /// Tasks that are running.
    pub(crate) running: usize,
    /// Tasks that workers hold unstarted.
    pub(crate) ahead: usize,
}

/// What a worker's end leaves behind.
#[derive(Debug)]
pub(crate) struct Remains {
    /// What it was running.
    pub(crate) lost: Vec<Running>,
    /// Unstarted tasks that had been cancelled.
    pub(crate) cancelled: Vec<Arc<Task>>,
    /// It was told to go, or said that it goes and went well.
    pub(crate) expected: bool,
}

impl Pool {
    pub(crate) fn new(id: PoolId, config: PoolConfig, unheard: bool) -> Self {
        Self {
            id,
            usage: Usage::new(config.max_workers),
            config,
            queue: Queue::default(),
            workers: BTreeMap::new(),
            idle: BTreeSet::new(),
            thirsty: BTreeSet::new(),
            counts: Counts::default(),
            starts: Starts::default(),
            records: Records::default(),
            look: None,
            renewing: VecDeque::new(),
            retired: 0,
            unheard,
        }
    }

    /// Tasks that are running or ready.
    pub(crate) fn active(&self) -> usize {
        self.counts.running + self.counts.ahead + self.queue.len()
    }

    /// Workers that take tasks, or will.
    pub(crate) fn staying(&self) -> usize {
        self.workers.len() - self.counts.leaving
    }

    /// As the configuration calls it.
    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// How many workers there are at least and at most.
    pub(crate) fn limits(&self) -> (usize, usize) {
        (self.config.min_workers, self.config.max_workers)
    }

    /// Changes a worker and keeps the sets and counts true.
    fn with<T>(&mut self, id: WorkerId, change: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        let result = change(self.workers.get_mut(&id)?);
        self.place(id);
        Some(result)
    }

    /// Puts a worker where it belongs now.
    fn place(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let (old, new) = (worker.standing, worker.stand());
        if old != new {
            worker.standing = new;
            self.replace(id, old, new);
        }
    }

    fn replace(&mut self, id: WorkerId, old: Standing, new: Standing) {
        if old.idle != new.idle {
            old.idle.map(|key| self.idle.remove(&(key, id)));
            new.idle.map(|key| self.idle.insert((key, id)));
        }
        if old.thirsty != new.thirsty {
            old.thirsty.map(|key| self.thirsty.remove(&(key, id)));
            new.thirsty.map(|key| self.thirsty.insert((key, id)));
        }
        let counts = &mut self.counts;
        counts.free_slots = counts.free_slots + new.free_slots - old.free_slots;
        counts.starting = counts.starting + new.starting - old.starting;
        counts.leaving = counts.leaving + new.leaving - old.leaving;
        counts.parting = counts.parting + new.parting - old.parting;
        counts.running = counts.running + new.running - old.running;
        counts.ahead = counts.ahead + new.ahead - old.ahead;
    }

    /// Gives ready tasks to workers: first to those that are free, then, early, to those that soon will be.
    pub(crate) fn assign(&mut self, turn: &mut Turn) {
        while let Some(&(_, id)) = self.idle.first() {
            let Some(task) = self.queue.pop() else { return };
            self.with(id, |worker| worker.start(task, turn));
        }
        self.hand_out(turn);
    }

    /// A worker's process exists.
    pub(crate) fn started(&mut self, id: WorkerId) {
        self.with(id, Worker::started);
    }

    /// A worker says that it is ready. Said twice, the second time changes nothing.
    pub(crate) fn ready(&mut self, id: WorkerId, slots: u16, ahead: u16, turn: &mut Turn) {
        let limit = ahead.min(self.config.max_ahead);
        if self.with(id, |worker| worker.ready(slots, limit, turn.now)) == Some(true) {
            self.limit_lifetime(id, turn);
            self.watch_proof(turn);
            self.starts.over();
            self.heard();
            turn.tell(Event::WorkerReady { worker: id, pool: self.id });
        }
    }

    /// A running task has said how far it has come.
    pub(crate) fn told(&mut self, id: WorkerId, uuid: &str, progress: Box<Progress>) {
        let running = self.workers.get_mut(&id).into_iter().flat_map(|worker| &mut worker.running);
        if let Some(running) = running.into_iter().find(|running| *running.task.uuid == *uuid) {
            running.progress = Some(progress);
        }
    }

    /// What its workers know has been said, or is waited for no longer.
    pub(crate) fn heard(&mut self) {
        self.unheard = false;
    }

    /// A worker takes no more tasks: it says so, or it is gone and its exit follows. What it will never begin is
    /// ready again; returns what of that was cancelled.
    pub(crate) fn leaving(&mut self, id: WorkerId, unbegun: &[u64], turn: &mut Turn) -> Vec<Arc<Task>> {
        let back = self.with(id, |worker| {
            worker.leave(false, turn);
            worker.give_back(unbegun, turn)
        });
        self.make_ready(back.unwrap_or_default())
    }

    /// A worker says that a task has ended. Nothing, when it does not have that task.
    pub(crate) fn finish(&mut self, id: WorkerId, done: &Done, turn: &mut Turn) -> Option<Running> {
        let demand = self.active();
        let ended = self.with(id, |worker| {
            let ended = worker.finish(&done.uuid, turn)?;
            if done.is_stopping {
                worker.leave(false, turn);
            }
            worker.expect_end(turn);
            Some(ended)
        })??;
        self.usage.released(demand, turn.now);
        self.spent(id, turn);
        Some(ended)
    }

    /// A worker is gone. What it had not begun is ready again; what it was running is lost.
    pub(crate) fn exited(&mut self, id: WorkerId, exit: &Exit, turn: &mut Turn) -> Option<Remains> {
        let worker = self.workers.remove(&id)?;
        self.replace(id, worker.standing, Standing::default());
        worker.forget_deadlines(turn);
        let expected = match worker.life {
            Life::Initialized | Life::Starting | Life::Ready => false,
            Life::Leaving { told: false, .. } => *exit == Exit::Code(0),
            Life::Leaving { told: true, .. } | Life::Terminated { .. } | Life::Killed { .. } => true,
        };
        self.note_start(&worker, exit, turn);
        self.keep_record(&worker, expected, turn);
        let cancelled = self.make_ready(worker.ahead.into());
        Some(Remains { lost: worker.running, cancelled, expected })
    }

    /// Cancels every task that fits and that a worker has.
    pub(crate) fn cancel(&mut self, fits: &dyn Fn(&Task) -> bool, why: CancelReason, turn: &mut Turn) {
        for id in self.worker_ids() {
            self.with(id, |worker| {
                for place in 0..worker.running.len() {
                    if fits(&worker.running[place].task) {
                        worker.cancel(place, why, turn);
                    }
                }
                worker.cancel_held(fits, why, turn);
            });
        }
    }

    /// A running task's time is over.
    pub(crate) fn timed_out(&mut self, id: WorkerId, seq: u64, turn: &mut Turn) {
        self.with(id, |worker| worker.timed_out(seq, turn));
    }

    /// A cancelled task's grace is over.
    pub(crate) fn grace_over(&mut self, id: WorkerId, seq: u64, turn: &mut Turn) {
        self.with(id, |worker| worker.grace_over(seq, turn));
    }

    /// The time of a worker's present step towards its end is over.
    pub(crate) fn step(&mut self, id: WorkerId, turn: &mut Turn) {
        self.with(id, |worker| worker.step(turn));
    }

    /// Time to look whether tasks wait behind a long one.
    pub(crate) fn patience_over(&mut self, id: WorkerId, turn: &mut Turn) {
        self.with(id, |worker| worker.patience_over(turn));
    }

    /// Asks every worker for the tasks that it has not begun.
    pub(crate) fn recall(&mut self, turn: &mut Turn) {
        for id in self.worker_ids() {
            self.with(id, |worker| worker.recall(turn));
        }
    }

    /// Tells a worker to leave if it has nothing to do.
    pub(crate) fn dismiss(&mut self, id: WorkerId, turn: &mut Turn) {
        self.with(id, |worker| {
            if worker.running.is_empty() {
                worker.leave(true, turn);
                worker.hasten(turn);
            }
        });
    }

    pub(crate) fn worker_ids(&self) -> Vec<WorkerId> {
        self.workers.keys().copied().collect()
    }
}
