//! Step 5: a task has ended, or its worker has. Outcome → counts, events, settle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use dispatcher_protocol::{Done, Outcome};

use crate::effect::{Effect, Settled};
use crate::engine::{Engine, turn};
use crate::event::{CancelReason, DropReason, Event};
use crate::input::Exit;
use crate::pool::Turn;
use crate::shutdown::Phase;
use crate::task::WorkerId;

/// What has been counted since the start.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Messages that came, control requests and refused ones included.
    pub received: u64,
    /// Control requests.
    pub control: u64,
    /// Tasks that ended by themselves, well or badly.
    pub finished: u64,
    /// Tasks that were cancelled while they ran, or lost their worker.
    pub canceled: u64,
    /// Tasks dropped because an equal one was here.
    pub discarded: u64,
    /// Tasks dropped because they were cancelled while they waited.
    pub cancelled_waiting: u64,
    /// Tasks dropped because the service stops.
    pub abandoned: u64,
    /// Workers that died without being told to.
    pub workers_lost: u64,
    /// Refused messages, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

impl Counters {
    pub(crate) fn refuse(&mut self, event: &Event) {
        if let Event::Refused { reason, .. } = event {
            *self.refused.entry(reason).or_default() += 1;
        }
    }

    pub(crate) fn drop(&mut self, why: DropReason) {
        match why {
            DropReason::Duplicate => self.discarded += 1,
            DropReason::Cancelled => self.cancelled_waiting += 1,
            DropReason::Shutdown => self.abandoned += 1,
        }
    }
}

impl Engine {
    pub(crate) fn task_done(&mut self, worker: WorkerId, done: Done, now: Instant) {
        let turn = &mut turn!(self, now);
        let Some(pool) = self.pools.iter_mut().find(|pool| pool.workers.contains_key(&worker)) else {
            return;
        };
        let Some(ended) = pool.finish(worker, &done, turn) else {
            self.out.push_back(Effect::Event(Event::StrayResult { worker }));
            return;
        };
        if done.outcome == Outcome::Cancelled && ended.cancelled.is_some() {
            self.counters.canceled += 1;
        } else {
            self.counters.finished += 1;
        }
        if self.verbose || done.outcome != Outcome::Success {
            self.out.push_back(Effect::Event(Event::Finished {
                task: Arc::clone(&ended.task),
                worker,
                outcome: done.outcome,
                error: done.error,
                ran: now - ended.since,
                cancelled: ended.cancelled,
            }));
        }
        self.leave(&ended.task, self.stages.len(), Settled::Acknowledged);
        self.after_task(worker, now);
    }

    pub(crate) fn taken_back(&mut self, worker: WorkerId, seqs: &[u64], now: Instant) {
        let turn = &mut turn!(self, now);
        let Some(pool) = self.pools.iter_mut().find(|pool| pool.workers.contains_key(&worker)) else {
            return;
        };
        let cancelled = pool.taken_back(worker, seqs, turn);
        for task in cancelled {
            self.drop_task(&task, self.stages.len(), DropReason::Cancelled);
        }
        if self.phase == Phase::Stopping {
            self.abandon_queues();
            self.after_task(worker, now);
        }
    }

    pub(crate) fn worker_exited(&mut self, worker: WorkerId, exit: &Exit, now: Instant) {
        let turn = &mut turn!(self, now);
        let Some(pool) = self.pools.iter_mut().find(|pool| pool.workers.contains_key(&worker)) else {
            return;
        };
        let Some(remains) = pool.exited(worker, exit, turn) else { return };
        self.counters.workers_lost += u64::from(!remains.expected);
        let expected = remains.expected;
        self.out.push_back(Effect::Event(Event::WorkerGone { worker, exit: exit.clone(), expected }));
        for running in remains.lost {
            self.counters.canceled += 1;
            self.out.push_back(Effect::Event(Event::Lost {
                task: Arc::clone(&running.task),
                worker,
                exit: exit.clone(),
                cancelled: running.cancelled,
            }));
            self.leave(&running.task, self.stages.len(), Settled::Lost);
        }
        for task in remains.cancelled {
            self.drop_task(&task, self.stages.len(), DropReason::Cancelled);
        }
        if self.phase == Phase::Stopping {
            self.abandon_queues();
            self.finish_if_empty();
        }
    }

    pub(crate) fn timed_out(&mut self, worker: WorkerId, seq: u64, now: Instant) {
        let turn = &mut turn!(self, now);
        let Some(pool) = self.pools.iter_mut().find(|pool| pool.workers.contains_key(&worker)) else {
            return;
        };
        pool.with(worker, |worker| {
            let place = worker.running.iter().position(|running| running.seq == seq);
            if let Some(place) = place {
                worker.running[place].timeout = None;
                worker.cancel(place, CancelReason::Timeout, turn);
            }
        });
    }
}
