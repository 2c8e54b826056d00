//! How many workers the demand wants, and how long to wait after a start that failed.

use std::time::{Duration, Instant};

use super::Pool;
use super::deadline::Due;
use super::turn::Turn;
use super::worker::{Life, Worker};
use crate::effect::Effect;
use crate::event::{Event, SpawnReason};
use crate::input::Exit;
use crate::task::WorkerId;

/// The wait after the first failed start; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A worker that dies within this time of being ready, without having been given a task, has failed to start: it
/// must not be forked again and again as fast as the machine can.
const FRAGILE: Duration = Duration::from_secs(1);

/// Starts that failed, one after another.
#[derive(Debug, Default)]
pub(super) struct Starts {
    failures: u32,
    not_before: Option<Instant>,
}

impl Starts {
    /// A worker came to be ready: the next start need not wait. Should that worker die at once, the waits go on
    /// doubling.
    pub(super) fn over(&mut self) {
        self.not_before = None;
    }

    /// A worker has ended a task: all is well.
    pub(super) fn worked(&mut self) {
        self.failures = 0;
    }

    /// One more failure; how long to wait now. Workers that were started together and fail together count once.
    fn failed(&mut self, now: Instant) -> Duration {
        if let Some(left) =
            self.not_before.map(|at| at.saturating_duration_since(now)).filter(|left| !left.is_zero())
        {
            return left;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
        self.failures += 1;
        self.not_before = Some(now + wait);
        wait
    }
}

impl Pool {
    /// Starts workers: up to the minimum always, above it while waiting tasks outnumber free and starting workers.
    pub(crate) fn grow(&mut self, next_id: &mut u32, turn: &mut Turn) {
        let most = self.config.max_workers;
        // One that ends its last task has given its place up; but the places given up are no more than the maximum
        // again, so that tasks that run longer than a worker's lifetime cannot fill the machine.
        let taken = self.workers.len() - self.counts.parting.min(most);
        let room = most.saturating_sub(taken);
        if room == 0 {
            return;
        }
        let missing = self.config.min_workers.saturating_sub(self.staying());
        let waiting = self.queue.len() + self.counts.ahead;
        let short = waiting.saturating_sub(self.counts.free_slots + self.counts.starting);
        let wanted = missing.max(short).min(room);
        if wanted == 0 || self.starts.not_before.is_some_and(|at| at > turn.now) {
            return;
        }
        for number in 0..wanted {
            let why = if number < missing { SpawnReason::Minimum } else { SpawnReason::Demand };
            let id = WorkerId(*next_id);
            *next_id += 1;
            self.workers.insert(id, Worker::new(id, turn));
            self.place(id);
            turn.ask(Effect::Spawn { worker: id, pool: self.id });
            turn.tell(Event::WorkerSpawned { worker: id, pool: self.id, why });
        }
    }

    /// Looks whether a worker's end was a failed start; if so, the next start waits.
    pub(super) fn note_start(&mut self, worker: &Worker, exit: &Exit, turn: &mut Turn) {
        let failed = match worker.life {
            Life::Initialized | Life::Starting => true,
            Life::Ready { since } => !worker.was_used() && turn.now - since < FRAGILE,
            Life::Leaving { .. } | Life::Terminated { .. } | Life::Killed { .. } => false,
        };
        if failed {
            let wait = self.starts.failed(turn.now);
            turn.deadlines.add(turn.now + wait, Due::Respawn(self.id));
            let why = exit.to_string();
            turn.tell(Event::StartFailed { worker: worker.id, why, retry_in: wait });
        }
    }
}
