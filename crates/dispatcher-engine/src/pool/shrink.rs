//! When workers are let go: because fewer are enough, or because they are old.
//!
//! A worker is only told to leave; what it is running it ends first.

use super::Pool;
use super::deadline::Due;
use super::turn::Turn;
use crate::event::{Event, StopReason};
use crate::task::WorkerId;

impl Pool {
    /// Makes sure that the pool is looked at again while it has more workers than the minimum. One that has not needs
    /// no look, so an idle service sleeps.
    pub(crate) fn watch_size(&mut self, turn: &mut Turn) {
        if self.look.is_none() && self.staying() > self.config.min_workers {
            let at = turn.now + self.config.scaledown_interval;
            self.look = Some(turn.deadlines.add(at, Due::Shrink(self.id)));
        }
    }

    /// Lets workers go that have not been needed for the wait, those first that have been idle longest.
    pub(crate) fn shrink(&mut self, turn: &mut Turn) {
        self.look = None;
        let needed = self.active();
        self.usage.look(needed, self.staying(), turn.now);
        let least = self.config.min_workers.max(needed + self.config.scaledown_reserve);
        while self.staying() > least
            && self.usage.unneeded_for(self.staying(), turn.now) > self.config.scaledown_wait
        {
            let Some(&((0, _), id)) = self.idle.first() else { return };
            self.tell_to_leave(id, StopReason::Demand, turn);
        }
    }

    /// A worker has become ready: its age counts from when it was asked for.
    pub(super) fn limit_lifetime(&mut self, id: WorkerId, turn: &mut Turn) {
        let lifetime = self.config.max_lifetime;
        self.with(id, |worker| {
            let at = lifetime.map(|lifetime| worker.created + lifetime);
            worker.lifetime = at.map(|at| turn.deadlines.add(at, Due::Lifetime(id)));
        });
    }

    /// A worker has reached its greatest age.
    pub(crate) fn lifetime_over(&mut self, id: WorkerId, turn: &mut Turn) {
        self.retire(id, StopReason::Age, turn);
    }

    /// Lets a worker go that is to be replaced; one that is not ready, or is going already, stays as it is.
    pub(super) fn retire(&mut self, id: WorkerId, why: StopReason, turn: &mut Turn) {
        if self.workers.get(&id).is_some_and(super::Worker::is_ready) {
            self.retired += 1;
            self.tell_to_leave(id, why, turn);
        }
    }

    pub(super) fn tell_to_leave(&mut self, id: WorkerId, why: StopReason, turn: &mut Turn) {
        self.with(id, |worker| {
            let busy = !worker.running.is_empty();
            worker.leave(true, turn);
            turn.tell(Event::WorkerStopping { worker: id, why, busy });
        });
    }
}
