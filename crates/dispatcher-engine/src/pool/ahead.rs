//! Tasks handed out early: a busy worker gets its next ones before it asks, and gives them back when its present
//! task turns out to be long.

use std::sync::Arc;
use std::time::Duration;

use super::deadline::Due;
use super::worker::Handed;
use super::{Pool, Turn};
use crate::task::{Task, WorkerId};

/// How long a task may run while others wait behind it.
const PATIENCE: Duration = Duration::from_millis(2);

impl Pool {
    /// Hands ready tasks to busy workers whose tasks are short, each its share.
    pub(super) fn hand_out(&mut self, turn: &mut Turn<'_>) {
        while let (Some(id), false) = (self.thirsty.first().copied(), self.queue.is_empty()) {
            let share = self.queue.len().div_ceil(self.workers.len().max(1));
            let Some(worker) = self.workers.get_mut(&id) else { return };
            let oldest = worker.running.iter().map(|running| running.since).min();
            let over = oldest.unwrap_or(turn.now) + PATIENCE;
            if over <= turn.now {
                // What it is doing has turned out to be long; its end puts it back among the thirsty.
                self.thirsty.remove(&id);
                continue;
            }
            let room = usize::from(worker.ahead_limit) - worker.ahead.len();
            for _ in 0..share.min(room) {
                if let Some(task) = self.queue.pop() {
                    worker.hand_out(task, turn);
                }
            }
            if worker.patience.is_none() {
                worker.patience = Some(turn.deadlines.add(over, Due::Patience(id)));
            }
            self.place(id);
        }
    }

    /// Time to look whether tasks wait behind a long one.
    pub(crate) fn patience_over(&mut self, id: WorkerId, turn: &mut Turn<'_>) {
        self.with(id, |worker| {
            worker.patience = None;
            let oldest = worker.running.iter().map(|running| running.since).min();
            let (Some(since), false) = (oldest, worker.ahead.is_empty()) else { return };
            if since + PATIENCE <= turn.now {
                worker.recall(turn);
            } else {
                worker.patience = Some(turn.deadlines.add(since + PATIENCE, Due::Patience(id)));
            }
        });
    }

    /// Tasks that a worker will never begin are ready again, in their order and before all others. Returns those
    /// that were cancelled meanwhile.
    pub(crate) fn taken_back(&mut self, id: WorkerId, seqs: &[u64], turn: &mut Turn<'_>) -> Vec<Arc<Task>> {
        let mut back = self.with(id, |worker| worker.taken_back(seqs, turn)).unwrap_or_default();
        back.sort_by_key(|handed| handed.seq);
        let (cancelled, ready): (Vec<Handed>, Vec<Handed>) =
            back.into_iter().partition(|handed| handed.cancelled.is_some());
        self.queue.put_back(ready.into_iter().map(|handed| handed.task));
        cancelled.into_iter().map(|handed| handed.task).collect()
    }
}
