//! Workers that are replaced because they have done or taken enough, or because somebody asks; other numbers of them.
//!
//! A worker is only told to leave; what it is running it ends first.

use super::Pool;
use super::turn::Turn;
use super::worker::Worker;
use crate::event::StopReason;
use crate::task::WorkerId;

impl Pool {
    /// A worker has ended a task: it may have been its last.
    pub(super) fn spent(&mut self, id: WorkerId, turn: &mut Turn) {
        let Some(worker) = self.workers.get(&id) else { return };
        self.starts.proved(worker.ready_since());
        if worker.is_spent() {
            self.retire(id, StopReason::Tasks, turn);
        }
    }

    /// Somebody has looked how much memory a worker holds.
    pub(crate) fn memory(&mut self, id: WorkerId, resident: u64, turn: &mut Turn) {
        if self.config.max_resident.is_some_and(|most| resident > most) {
            self.retire(id, StopReason::Memory, turn);
        }
    }

    /// This worker, or every one that there is now, is to be replaced.
    pub(crate) fn recycle(&mut self, worker: Option<WorkerId>) {
        let stays = |worker: &&Worker| !worker.is_leaving();
        let all = self.workers.values().filter(stays).map(|worker| worker.id);
        let chosen = all.filter(|id| worker.is_none_or(|wanted| wanted == *id));
        let new: Vec<_> = chosen.filter(|id| !self.renewing.contains(id)).collect();
        self.renewing.extend(new);
    }

    /// Lets the next worker go that is to be replaced, once the successor of the one before is ready: there is never
    /// more than one place empty, and workers stay when new ones cannot be started.
    ///
    /// Whether one was let go.
    pub(crate) fn renew(&mut self, turn: &mut Turn) -> bool {
        let settled = self.counts.starting == 0 && self.counts.leaving == self.counts.parting;
        if self.renewing.is_empty() || !settled || self.starts.failing() {
            return false;
        }
        while let Some(id) = self.renewing.pop_front() {
            if self.workers.get(&id).is_some_and(Worker::is_ready) {
                self.retire(id, StopReason::Recycle, turn);
                return true;
            }
        }
        false
    }

    /// How many workers are still to be replaced.
    pub(crate) fn renewing(&self) -> usize {
        self.renewing.len()
    }

    /// Other numbers of workers. What is too many leaves, those first that do nothing.
    pub(crate) fn scale(&mut self, min: Option<usize>, max: Option<usize>, turn: &mut Turn) {
        let (old_min, old_max) = self.limits();
        let min = min.unwrap_or(old_min);
        self.config.min_workers = min;
        self.config.max_workers = max.unwrap_or(old_max).max(min).max(1);
        self.usage.keep(self.config.max_workers);
        let mut excess: Vec<_> =
            self.workers.values().filter(|worker| !worker.is_leaving()).map(Worker::usefulness).collect();
        excess.sort_unstable();
        excess.truncate(excess.len().saturating_sub(self.config.max_workers));
        for (_, id) in excess {
            self.tell_to_leave(id, StopReason::Scale, turn);
        }
    }
}
