//! Ended workers, shown for a while: an operator who looks a moment too late still sees how a worker ended.
//!
//! They have no tasks and take no place in the pool.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Pool;
use super::deadline::Due;
use super::turn::Turn;
use super::worker::{Worker, WorkerState};
use crate::effect::Effect;
use crate::task::WorkerId;

/// The most that are shown; workers that end one after another must not fill the memory, nor the replies.
const MOST: usize = 100;

/// One ended worker.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: WorkerId,
    pub(crate) state: WorkerState,
    pub(crate) finished: u64,
    pub(crate) created: Instant,
    forget_at: Instant,
}

/// The ended workers of a pool, in the order of their ends.
#[derive(Debug, Default)]
pub(crate) struct Records(VecDeque<Record>);

impl Records {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.iter()
    }
}

impl Pool {
    /// A worker has ended.
    pub(super) fn keep_record(&mut self, worker: &Worker, expected: bool, turn: &mut Turn) {
        let kept: Duration = self.config.record_kept;
        self.records.0.push_back(Record {
            id: worker.id,
            state: if expected { WorkerState::Retired } else { WorkerState::Error },
            finished: worker.finished,
            created: worker.created,
            forget_at: turn.now + kept,
        });
        if self.records.0.len() == 1 && !kept.is_zero() {
            turn.deadlines.add(turn.now + kept, Due::Record(self.id));
        } else {
            self.forget_records(turn);
        }
    }

    /// Forgets those that have been shown for long enough.
    pub(crate) fn records_due(&mut self, turn: &mut Turn) {
        self.forget_records(turn);
        if let Some(next) = self.records.0.front() {
            turn.deadlines.add(next.forget_at, Due::Record(self.id));
        }
    }

    fn forget_records(&mut self, turn: &mut Turn) {
        let records = &mut self.records.0;
        while records.len() > MOST || records.front().is_some_and(|record| record.forget_at <= turn.now) {
            if let Some(record) = records.pop_front() {
                turn.ask(Effect::Forget { worker: record.id });
            }
        }
    }
}
