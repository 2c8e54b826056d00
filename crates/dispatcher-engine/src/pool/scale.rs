//! How many workers the demand wants, and how long to wait after a start that failed.

use std::time::{Duration, Instant};

use super::deadline::Due;
use super::worker::{Worker, WorkerState};
use super::{Pool, Turn};
use crate::effect::Effect;
use crate::event::Event;
use crate::input::Exit;
use crate::task::WorkerId;

/// The wait after the first failed start; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Starts that failed, one after another.
#[derive(Debug, Default)]
pub(super) struct Starts {
    failures: u32,
    not_before: Option<Instant>,
}

impl Starts {
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    fn failed(&mut self, now: Instant) -> Duration {
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST_WAIT);
        self.failures += 1;
        self.not_before = Some(now + wait);
        wait
    }
}

impl Pool {
    /// Starts workers: up to the minimum always, above it while ready tasks outnumber free and starting workers.
    pub(crate) fn grow(&mut self, next_id: &mut u32, turn: &mut Turn<'_>) {
        let total = self.workers.len();
        if total >= self.config.max_workers {
            return;
        }
        let staying = self.workers.values().filter(|worker| worker.state != WorkerState::Stopping).count();
        let starting = self.starting_count();
        let short = self.queue.len().saturating_sub(self.idle.len() + starting);
        let wanted = short.max(self.config.min_workers.saturating_sub(staying));
        let wanted = wanted.min(self.config.max_workers.saturating_sub(total));
        if wanted == 0 || self.starts.not_before.is_some_and(|at| at > turn.now) {
            return;
        }
        for _ in 0..wanted {
            let id = WorkerId(*next_id);
            *next_id += 1;
            self.workers.insert(id, Worker::new(id, turn.now));
            turn.out.push_back(Effect::Spawn { worker: id, pool: self.id });
        }
    }

    fn starting_count(&self) -> usize {
        let starting =
            |worker: &&Worker| matches!(worker.state, WorkerState::Initialized | WorkerState::Starting);
        self.workers.values().filter(starting).count()
    }

    /// A worker ended before it was ready: the next start waits.
    pub(super) fn start_failed(&mut self, id: WorkerId, exit: &Exit, turn: &mut Turn<'_>) {
        let wait = self.starts.failed(turn.now);
        turn.deadlines.add(turn.now + wait, Due::Respawn(self.id));
        let why = exit.to_string();
        turn.out.push_back(Effect::Event(Event::StartFailed { worker: id, why, retry_in: wait }));
    }
}
