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

/// The longest wait when the machine has none left of something: a try costs little then, and it may be back at any moment.
const LONGEST_SHORTAGE: Duration = Duration::from_secs(1);

/// A worker that dies within this time of being ready, without having been given a task, has failed to start: it
/// must not be forked again and again as fast as the machine can.
const FRAGILE: Duration = Duration::from_secs(1);

/// Starts that failed, one after another.
#[derive(Debug, Default)]
pub(super) struct Starts {
    failures: u32,
    /// When the last one failed.
    last: Option<Instant>,
    not_before: Option<Instant>,
}

impl Starts {
    /// A worker came to be ready: the next start need not wait. Should that worker die at once, the waits go on
    /// doubling.
    pub(super) fn over(&mut self) {
        self.not_before = None;
    }

    /// A worker that has been ready since then does its work. If that was after the last failure, all is well.
    pub(super) fn proved(&mut self, ready_since: Option<Instant>) {
        if ready_since.is_some_and(|since| self.is_after(since)) {
            self.failures = 0;
        }
    }

    /// The last start failed, and none has gone well since.
    pub(super) fn failing(&self) -> bool {
        self.failures > 0
    }

    /// Whether this is later than the last failure.
    fn is_after(&self, at: Instant) -> bool {
        self.last.is_none_or(|last| at >= last)
    }

    /// How many starts have failed one after the other.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// One more failure; how long to wait now. Workers that were started together and fail together count once.
    fn failed(&mut self, now: Instant, longest: Duration) -> Duration {
        if let Some(left) =
            self.not_before.map(|at| at.saturating_duration_since(now)).filter(|left| !left.is_zero())
        {
            return left;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures += 1;
        self.last = Some(now);
        self.not_before = Some(now + wait);
        wait
    }
}

impl Pool {
    /// Starts workers: up to the minimum always, above it while waiting tasks that may begin outnumber free and starting
    /// workers. After a failure one at a time, until one has proved that it can live.
    pub(crate) fn grow(&mut self, begins: bool, next_id: &mut u32, turn: &mut Turn) {
        let most = self.config.max_workers;
        // One that ends its last task has given its place up; but the places given up are no more than the maximum
        // again, so that tasks that run longer than a worker's lifetime cannot fill the machine.
        let taken = self.workers.len() - self.counts.parting.min(most);
        let room = most.saturating_sub(taken);
        if room == 0 {
            return;
        }
        let least = self.config.min_workers.max(usize::from(self.unheard));
        let missing = least.saturating_sub(self.staying());
        let waiting = if begins { self.queue.len() + self.counts.ahead } else { 0 };
        let short = waiting.saturating_sub(self.counts.free_slots + self.counts.starting);
        let wanted = missing.max(short).min(room).min(self.allowed(turn));
        if wanted == 0 || self.starts.not_before.is_some_and(|at| at > turn.now) {
            return;
        }
        for number in 0..wanted {
            let why = if number < missing { SpawnReason::Minimum } else { SpawnReason::Demand };
            let id = WorkerId(*next_id);
            *next_id += 1;
            self.workers.insert(id, Worker::new(id, &self.config, turn));
            self.place(id);
            turn.ask(Effect::Spawn { worker: id, pool: self.id });
            turn.tell(Event::WorkerSpawned { worker: id, pool: self.id, why });
        }
    }

    /// Looks whether a worker's end was a failed start; if so, the next start waits.
    pub(super) fn note_start(&mut self, worker: &Worker, exit: &Exit, turn: &mut Turn) {
        let failed = match worker.life {
            Life::Initialized
            | Life::Starting
            | Life::Ready
            // It said so itself, or its end was seen before its exit was.
            | Life::Leaving { told: false, .. } => match worker.ready_at {
                None => true,
                Some(at) => !worker.was_used() && turn.now - at < FRAGILE,
            },
            Life::Leaving { told: true, .. } | Life::Terminated { .. } | Life::Killed { .. } => false,
        };
        if failed {
            let longest = if matches!(exit, Exit::Shortage(_)) { LONGEST_SHORTAGE } else { LONGEST_WAIT };
            let wait = self.starts.failed(turn.now, longest);
            turn.deadlines.add(turn.now + wait, Due::Respawn(self.id));
            let (why, failures) = (exit.to_string(), self.starts.failures());
            if self.staying() == 0 && self.config.max_start_failures.is_some_and(|most| failures >= most) {
                let why = format!(
                    "{failures} workers of the pool {} in a row could not be started; the last one {why}; see the log",
                    self.config.name
                );
                turn.ask(Effect::GiveUp { why });
            }
            let pool = self.config.name.clone();
            turn.tell(Event::StartFailed { worker: worker.id, pool, why, retry_in: wait, failures });
        }
    }

    /// How many starts have failed one after the other.
    pub(crate) fn start_failures(&self) -> u32 {
        self.starts.failures()
    }

    /// A worker that came up after a failure is looked at again when it has lived long enough to be believed in.
    pub(super) fn watch_proof(&mut self, turn: &mut Turn) {
        if self.starts.failing() {
            turn.deadlines.add(turn.now + FRAGILE, Due::Respawn(self.id));
        }
    }

    /// How many workers may be started at once.
    fn allowed(&mut self, turn: &Turn) -> usize {
        if !self.starts.failing() {
            return usize::MAX;
        }
        let mut ready = self.workers.values().filter_map(Worker::ready_since);
        let proof = ready.find(|since| self.starts.is_after(*since) && turn.now - *since >= FRAGILE);
        if proof.is_some() {
            self.starts.proved(proof);
            return usize::MAX;
        }
        // One that has said that it goes, and is not gone, is still on trial.
        let mut all = self.workers.values();
        let on_trial = all.any(|worker| worker.ready_at.is_none_or(|at| self.starts.is_after(at)));
        usize::from(!on_trial)
    }
}
