//! Tasks handed out early: a busy worker gets its next ones before it asks, and gives them back when its present
//! task turns out to be long.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Pool;
use super::deadline::Due;
use super::turn::Turn;
use super::worker::{Handed, Worker};
use crate::effect::Effect;
use crate::event::{CancelReason, Event};
use crate::queue::Queue;
use crate::task::{Task, WorkerId};

/// How long a task may run while others wait behind it.
const PATIENCE: Duration = Duration::from_millis(2);

impl Worker {
    /// Its last task was quick, and it holds few or is just being filled up.
    pub(super) fn wants_more(&self) -> bool {
        self.quick && self.filling && !self.recalling && self.ahead.len() < usize::from(self.ahead_limit)
    }

    /// Gives it a task to hold until it is free; none when its present task has been running too long for that.
    fn hand_out(&mut self, queue: &mut Queue, turn: &mut Turn) {
        let due = self.busy_since().map(|since| since + PATIENCE);
        let Some(due) = due.filter(|due| *due > turn.now) else {
            self.quick = false;
            return;
        };
        let Some(task) = queue.pop() else { return };
        let seq = self.send(&task, turn);
        self.ahead.push_back(Handed { task, seq, cancelled: None });
        self.filling = self.ahead.len() < usize::from(self.ahead_limit);
        if self.patience.is_none() {
            self.patience = Some(turn.deadlines.add(due, Due::Patience(self.id)));
        }
    }

    /// Asks for the tasks that it has not begun.
    pub(super) fn recall(&mut self, turn: &mut Turn) {
        if !self.recalling && !self.ahead.is_empty() {
            self.recalling = true;
            turn.ask(Effect::TakeBack { worker: self.id });
        }
    }

    /// Marks tasks that it holds; they never run unless it has just begun them, and then they are cancelled there.
    pub(super) fn cancel_held(&mut self, fits: &dyn Fn(&Task) -> bool, why: CancelReason, turn: &mut Turn) {
        let mut any = false;
        for handed in self.ahead.iter_mut().filter(|handed| fits(&handed.task)) {
            if handed.cancelled.is_none() || why == CancelReason::Control {
                handed.cancelled = Some(why);
            }
            any = true;
        }
        if any {
            self.recall(turn);
        }
    }

    /// Time to look whether tasks wait behind a long one.
    pub(super) fn patience_over(&mut self, turn: &mut Turn) {
        self.patience = None;
        let Some(since) = self.busy_since().filter(|_| !self.ahead.is_empty()) else { return };
        if since + PATIENCE <= turn.now {
            self.recall(turn);
        } else {
            self.patience = Some(turn.deadlines.add(since + PATIENCE, Due::Patience(self.id)));
        }
    }

    /// Takes out the tasks with these tickets: it will never begin them. A task that counted as begun may be among
    /// them. What is left was begun: the first of it runs now if a slot is free.
    pub(super) fn give_back(&mut self, seqs: &[u64], turn: &mut Turn) -> Vec<Handed> {
        let mut back = Vec::new();
        for running in self.running.extract_if(.., |running| seqs.contains(&running.seq)) {
            turn.deadlines.remove(running.timeout);
            turn.deadlines.remove(running.grace);
            back.push(Handed { task: running.task, seq: running.seq, cancelled: running.cancelled });
        }
        let held = std::mem::take(&mut self.ahead);
        let (given, kept): (VecDeque<_>, VecDeque<_>) =
            held.into_iter().partition(|handed| seqs.contains(&handed.seq));
        self.ahead = kept;
        back.extend(given);
        back.sort_unstable_by_key(|handed| handed.seq);
        self.begin_next(turn);
        self.expect_end(turn);
        back
    }
}

impl Pool {
    /// Hands ready tasks to busy workers whose tasks are short, first to those that hold the fewest.
    pub(super) fn hand_out(&mut self, turn: &mut Turn) {
        while let Some((_, id)) = self.thirsty.first().copied() {
            if self.queue.is_empty() {
                return;
            }
            let queue = &mut self.queue;
            let Some(worker) = self.workers.get_mut(&id) else { return };
            worker.hand_out(queue, turn);
            self.place(id);
        }
    }

    /// The answer to a take-back.
    pub(crate) fn taken_back(&mut self, id: WorkerId, seqs: &[u64], turn: &mut Turn) -> Vec<Arc<Task>> {
        let back = self.with(id, |worker| {
            worker.recalling = false;
            worker.quick = false;
            worker.give_back(seqs, turn)
        });
        let back = back.unwrap_or_default();
        turn.tell_verbose(|| Event::TakenBack { worker: id, tasks: back.len() });
        self.make_ready(back)
    }

    /// Tasks that a worker will never begin are ready again, in their order and before all others, also those whose
    /// time had run while they only seemed to run. Returns those that a control request had cancelled.
    pub(super) fn make_ready(&mut self, back: Vec<Handed>) -> Vec<Arc<Task>> {
        let (cancelled, ready): (Vec<_>, Vec<_>) =
            back.into_iter().partition(|handed| handed.cancelled == Some(CancelReason::Control));
        self.queue.put_back(ready.into_iter().map(|handed| handed.task));
        cancelled.into_iter().map(|handed| handed.task).collect()
    }
}
