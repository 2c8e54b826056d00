//! Step 4: workers and the tasks they run. Grows, pairs, finishes, loses.
//!
//! Holds the ready queue of its tasks. Knows no processes: a worker is a number and what it said.

pub(crate) mod deadline;
pub(crate) mod worker;
mod ahead;
mod scale;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatcher_protocol::Done;

use crate::config::PoolConfig;
use crate::effect::Effect;
use crate::event::{CancelReason, Event};
use crate::input::Exit;
use crate::queue::Queue;
use crate::task::{PoolId, Task, WorkerId};
use deadline::Deadlines;
use worker::{Handed, Running, Worker, WorkerState};

/// How long each rung of the ladder lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Graces {
    pub(crate) cancel: Duration,
    pub(crate) terminate: Duration,
    pub(crate) stop: Duration,
}

/// What every step of one turn needs: the time, and where to put what follows from it.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now: Instant,
    pub(crate) out: &'a mut VecDeque<Effect>,
    pub(crate) deadlines: &'a mut Deadlines,
    pub(crate) graces: Graces,
    pub(crate) verbose: bool,
}

/// One pool.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) id: PoolId,
    pub(crate) config: PoolConfig,
    pub(crate) queue: Queue,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    /// Workers with a free slot, the one idle longest first.
    idle: BTreeSet<(u64, WorkerId)>,
    /// Workers that could be handed tasks early.
    thirsty: BTreeSet<WorkerId>,
    uses: u64,
    starts: scale::Starts,
}

/// What a worker's end leaves behind.
pub(crate) struct Remains {
    pub(crate) lost: Vec<Running>,
    /// Was told to go, or said that it goes.
    pub(crate) expected: bool,
    /// Unstarted tasks that had been cancelled.
    pub(crate) cancelled: Vec<Arc<Task>>,
}

impl Pool {
    pub(crate) fn new(id: PoolId, config: PoolConfig) -> Self {
        Self {
            id,
            config,
            queue: Queue::default(),
            workers: BTreeMap::new(),
            idle: BTreeSet::new(),
            thirsty: BTreeSet::new(),
            uses: 0,
            starts: scale::Starts::default(),
        }
    }

    /// Puts a worker into the sets it belongs to. To be called after every change of it.
    fn place(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else { return };
        let idle = (worker.used, id);
        if worker.is_idle() {
            self.idle.insert(idle);
        } else {
            self.idle.remove(&idle);
        }
        if worker.is_thirsty() {
            self.thirsty.insert(id);
        } else {
            self.thirsty.remove(&id);
        }
    }

    /// Changes a worker and keeps the sets true.
    pub(crate) fn with<T>(&mut self, id: WorkerId, change: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        let result = change(self.workers.get_mut(&id)?);
        self.place(id);
        Some(result)
    }

    /// Gives ready tasks to workers: first to those that are free, then, early, to those that soon will be.
    pub(crate) fn assign(&mut self, turn: &mut Turn<'_>) {
        while !self.queue.is_empty() {
            let Some(&(used, id)) = self.idle.first() else {
                self.hand_out(turn);
                return;
            };
            let Some(task) = self.queue.pop() else { return };
            self.idle.remove(&(used, id));
            self.uses += 1;
            let stamp = self.uses;
            self.with(id, |worker| {
                worker.used = stamp;
                worker.start(task, turn);
            });
        }
    }

    /// A worker's process exists.
    pub(crate) fn started(&mut self, id: WorkerId) {
        self.with(id, |worker| {
            if worker.state == WorkerState::Initialized {
                worker.state = WorkerState::Starting;
            }
        });
    }

    /// A worker says that it is ready. Said twice, the second time changes nothing.
    pub(crate) fn ready(&mut self, id: WorkerId, slots: u16, ahead: u16, turn: &mut Turn<'_>) {
        let limit = ahead.min(self.config.max_ahead);
        let fresh = self.with(id, |worker| {
            let fresh = matches!(worker.state, WorkerState::Initialized | WorkerState::Starting);
            if fresh {
                worker.state = WorkerState::Ready;
                (worker.slots, worker.ahead_limit) = (slots.max(1), limit);
            }
            fresh
        });
        if fresh == Some(true) {
            self.starts.succeeded();
            turn.out.push_back(Effect::Event(Event::WorkerReady { worker: id, pool: self.id }));
        }
    }

    /// A worker says that a task has ended.
    pub(crate) fn finish(&mut self, id: WorkerId, done: &Done, turn: &mut Turn<'_>) -> Option<Running> {
        self.with(id, |worker| {
            let ended = worker.finish(&done.uuid, turn);
            if done.is_stopping && worker.state == WorkerState::Ready {
                worker.leave(false, turn);
                worker.recall(turn);
            }
            ended
        })?
    }

    /// A worker is gone. What it had not begun is ready again; what it was running is lost.
    pub(crate) fn exited(&mut self, id: WorkerId, exit: &Exit, turn: &mut Turn<'_>) -> Option<Remains> {
        let mut worker = self.workers.remove(&id)?;
        self.idle.remove(&(worker.used, id));
        self.thirsty.remove(&id);
        worker.clear_ladder(turn);
        turn.deadlines.remove(worker.patience);
        for running in &worker.running {
            turn.deadlines.remove(running.timeout);
        }
        let expected = worker.state == WorkerState::Stopping;
        if matches!(worker.state, WorkerState::Initialized | WorkerState::Starting) {
            self.start_failed(id, exit, turn);
        }
        let (cancelled, back): (Vec<Handed>, Vec<Handed>) =
            worker.ahead.into_iter().partition(|handed| handed.cancelled.is_some());
        self.queue.put_back(back.into_iter().map(|handed| handed.task));
        let cancelled = cancelled.into_iter().map(|handed| handed.task).collect();
        Some(Remains { lost: worker.running, expected, cancelled })
    }

    /// Cancels every running task that fits; returns those that were.
    pub(crate) fn cancel_running(
        &mut self,
        fits: &dyn Fn(&Task) -> bool,
        why: CancelReason,
        turn: &mut Turn<'_>,
    ) -> Vec<(WorkerId, Arc<Task>)> {
        let mut found = Vec::new();
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            self.with(id, |worker| {
                for place in 0..worker.running.len() {
                    if fits(&worker.running[place].task) {
                        found.push((id, Arc::clone(&worker.running[place].task)));
                        worker.cancel(place, why, turn);
                    }
                }
            });
        }
        found
    }

    /// Tasks that are running.
    pub(crate) fn running_count(&self) -> usize {
        self.workers.values().map(|worker| worker.running.len()).sum()
    }

    /// Tasks that workers hold unstarted.
    pub(crate) fn handed_count(&self) -> usize {
        self.workers.values().map(|worker| worker.ahead.len()).sum()
    }

    /// Tasks that could begin at once.
    pub(crate) fn free_slots(&self) -> usize {
        let free = |(_, id): &(u64, WorkerId)| {
            self.workers.get(id).map_or(0, |worker| usize::from(worker.slots) - worker.running.len())
        };
        self.idle.iter().map(free).sum::<usize>().saturating_sub(self.queue.len())
    }
}
