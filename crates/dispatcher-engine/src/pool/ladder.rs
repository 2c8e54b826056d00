//! The steps towards an end: cancel the task, SIGTERM to its worker, SIGKILL. Each has its grace, so the slot is
//! free in bounded time whatever the task does. A worker that was told to leave and stays goes the same way.

use std::sync::Arc;
use std::time::Duration;

use super::deadline::Due;
use super::turn::Turn;
use super::worker::{Life, Running, Worker};
use crate::effect::Effect;
use crate::event::{CancelReason, Event, Rung};

/// How long a killed process may stay before it is killed again. The kernel ends one at once unless it is deep in
/// an uninterruptible call; then nothing else helps either.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// How long an idle worker may take to leave that has said itself that it does, or when the whole service stops;
/// dispatcherd's `shutdown_timeout`. The longer grace is for those that are let go while nobody waits for their place.
pub(crate) const QUICK_STOP: Duration = Duration::from_secs(3);

impl Worker {
    /// Asks a running task to give way, and sets the time for harder means. Asked again by a control request, a task
    /// that swallowed the first cancel gets another; the ladder goes on as it was. A control request is the reason that
    /// counts: whatever it has cancelled must not run again.
    pub(super) fn cancel(&mut self, place: usize, why: CancelReason, turn: &mut Turn) {
        let Some(running) = self.running.get_mut(place) else { return };
        let again = running.cancelled.is_some();
        if again && why != CancelReason::Control {
            return;
        }
        running.cancelled = Some(why);
        match self.life {
            // It is past asking.
            Life::Terminated { .. } | Life::Killed { .. } => return,
            Life::Initialized | Life::Starting | Life::Ready | Life::Leaving { .. } => {}
        }
        let (task, seq) = (Arc::clone(&running.task), running.seq);
        if !again {
            let at = turn.now + turn.graces.cancel;
            running.grace = Some(turn.deadlines.add(at, Due::CancelGrace(self.id, seq)));
        }
        turn.ask(Effect::Cancel { worker: self.id, uuid: task.uuid.clone() });
        turn.tell(Event::Ladder { task: Some(task), worker: self.id, rung: Rung::Cancel, why });
        self.recall(turn);
    }

    /// A running task has had its time.
    pub(super) fn timed_out(&mut self, seq: u64, turn: &mut Turn) {
        if let Some(place) = self.running.iter().position(|running| running.seq == seq) {
            self.running[place].timeout = None;
            self.cancel(place, CancelReason::Timeout, turn);
        }
    }

    /// A cancelled task has not given way in time: its worker goes.
    pub(super) fn grace_over(&mut self, seq: u64, turn: &mut Turn) {
        if let Some(running) = self.running.iter_mut().find(|running| running.seq == seq) {
            running.grace = None;
            self.terminate(turn);
        }
    }

    /// It takes no more tasks. Told or by its own choice, it has to be gone some time after its last task.
    pub(super) fn leave(&mut self, told: bool, turn: &mut Turn) {
        match self.life {
            Life::Initialized | Life::Starting | Life::Ready => {
                self.life = Life::Leaving { told, due: None };
                turn.deadlines.remove(self.lifetime.take());
                if told {
                    turn.ask(Effect::StopWorker { worker: self.id });
                }
                self.recall(turn);
                self.expect_end(turn);
            }
            Life::Leaving { .. } | Life::Terminated { .. } | Life::Killed { .. } => {}
        }
    }

    /// Once a leaving worker is idle, its time to leave runs.
    pub(super) fn expect_end(&mut self, turn: &mut Turn) {
        match &mut self.life {
            Life::Leaving { told, due: due @ None } if self.running.is_empty() => {
                let most = if *told { Duration::MAX } else { QUICK_STOP };
                let at = turn.now + self.stop_grace.min(turn.graces.stop).min(most);
                *due = Some(turn.deadlines.add(at, Due::Step(self.id)));
            }
            Life::Initialized
            | Life::Starting
            | Life::Ready
            | Life::Leaving { .. }
            | Life::Terminated { .. }
            | Life::Killed { .. } => {}
        }
    }

    /// Its time to leave is no longer than the present grace, whatever it was when it was told.
    pub(super) fn hasten(&mut self, turn: &mut Turn) {
        let latest = turn.now + self.stop_grace.min(turn.graces.stop);
        if let Life::Leaving { due: Some(due), .. } = &mut self.life
            && due.0 > latest
        {
            turn.deadlines.remove(Some(*due));
            *due = turn.deadlines.add(latest, Due::Step(self.id));
        }
    }

    /// The time of the present step is over.
    pub(super) fn step(&mut self, turn: &mut Turn) {
        match self.life {
            Life::Leaving { .. } => self.terminate(turn),
            Life::Terminated { .. } | Life::Killed { .. } => self.kill(turn),
            Life::Initialized | Life::Starting | Life::Ready => {}
        }
    }

    fn terminate(&mut self, turn: &mut Turn) {
        match self.life {
            Life::Terminated { .. } | Life::Killed { .. } => return,
            Life::Leaving { due, .. } => turn.deadlines.remove(due),
            Life::Initialized | Life::Starting | Life::Ready => {}
        }
        let due = turn.deadlines.add(turn.now + turn.graces.terminate, Due::Step(self.id));
        self.life = Life::Terminated { due };
        turn.ask(Effect::Terminate { worker: self.id });
        self.tell_rung(Rung::Terminate, turn);
        self.recall(turn);
    }

    fn kill(&mut self, turn: &mut Turn) {
        let due = turn.deadlines.add(turn.now + KILL_AGAIN, Due::Step(self.id));
        self.life = Life::Killed { due };
        turn.ask(Effect::Kill { worker: self.id });
        self.tell_rung(Rung::Kill, turn);
    }

    fn tell_rung(&self, rung: Rung, turn: &mut Turn) {
        let cause = self.running.iter().find_map(|running| Some((&running.task, running.cancelled?)));
        let why = cause.map_or(CancelReason::Shutdown, |(_, why)| why);
        let task = cause.map(|(task, _)| Arc::clone(task));
        turn.tell(Event::Ladder { task, worker: self.id, rung, why });
    }

    /// Forgets every time that was set for it; it is gone.
    pub(super) fn forget_deadlines(&self, turn: &mut Turn) {
        turn.deadlines.remove(self.patience);
        turn.deadlines.remove(self.lifetime);
        turn.deadlines.remove(match self.life {
            Life::Initialized | Life::Starting | Life::Ready => None,
            Life::Leaving { due, .. } => due,
            Life::Terminated { due } | Life::Killed { due } => Some(due),
        });
        for Running { timeout, grace, .. } in &self.running {
            turn.deadlines.remove(*timeout);
            turn.deadlines.remove(*grace);
        }
    }
}
