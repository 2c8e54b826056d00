//! The engine as seen from outside: workers and counts. Decides nothing about a task.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::completion::Counters;
use crate::engine::Engine;
use crate::pool::Pool;
use crate::pool::record::Record;
use crate::pool::worker::Worker;
use crate::task::{PoolId, WorkerId};

pub use crate::pool::worker::WorkerState;

/// One worker.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerView {
    /// Its number.
    pub id: WorkerId,
    /// Its pool.
    pub pool: PoolId,
    /// What it is doing.
    pub state: WorkerState,
    /// Tasks it has ended.
    pub finished: u64,
    /// The name and uuid of the task it began first of those it is running.
    pub current: Option<(String, String)>,
    /// One of its tasks was asked to give way and has not ended.
    pub cancelling: bool,
    /// How long ago it was asked for.
    pub age: Duration,
}

/// Counts over everything.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolView {
    /// The number that the next worker gets.
    pub next_worker: u32,
    /// Workers that take tasks or will; those on their way out are not counted.
    pub workers: usize,
    /// Tasks that are running.
    pub running: usize,
    /// Tasks that are running or ready.
    pub active: usize,
}

/// Workers by what they are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    /// Not ready yet.
    pub starting: usize,
    /// Ready, without a task.
    pub idle: usize,
    /// Ready, with a task.
    pub busy: usize,
    /// On their way out.
    pub stopping: usize,
}

impl WorkerCounts {
    fn plus(self, other: Self) -> Self {
        Self {
            starting: self.starting + other.starting,
            idle: self.idle + other.idle,
            busy: self.busy + other.busy,
            stopping: self.stopping + other.stopping,
        }
    }
}

/// One pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus<'a> {
    /// As the configuration calls it.
    pub name: &'a str,
    /// Workers that are always there.
    pub min: usize,
    /// Workers at most.
    pub max: usize,
    /// Its workers by what they are doing.
    pub workers: WorkerCounts,
    /// Tasks that are running.
    pub running: usize,
    /// Tasks that are ready and have not begun.
    pub queued: usize,
    /// Starts that have failed one after the other.
    pub start_failures: u32,
}

impl Pool {
    fn status(&self) -> PoolStatus<'_> {
        let (min, max) = self.limits();
        PoolStatus {
            name: self.name(),
            min,
            max,
            workers: self.worker_counts(),
            running: self.counts.running,
            queued: self.queue.len() + self.counts.ahead,
            start_failures: self.start_failures(),
        }
    }

    fn worker_counts(&self) -> WorkerCounts {
        let mut counts = WorkerCounts::default();
        for worker in self.workers.values() {
            match worker.state() {
                WorkerState::Initialized | WorkerState::Starting => counts.starting += 1,
                WorkerState::Ready if worker.running.is_empty() => counts.idle += 1,
                WorkerState::Ready => counts.busy += 1,
                WorkerState::Stopping => counts.stopping += 1,
                // It has ended and is only remembered.
                WorkerState::Retired | WorkerState::Error => {}
            }
        }
        counts
    }
}

impl Engine {
    /// Every pool, in the order of the configuration.
    pub fn pools(&self) -> impl ExactSizeIterator<Item = PoolStatus<'_>> {
        self.pools.iter().map(Pool::status)
    }

    /// The pool of this name.
    pub fn pool_named(&self, name: &str) -> Option<PoolId> {
        self.pools.iter().find(|pool| pool.name() == name).map(|pool| pool.id)
    }

    /// Every worker: those that have ended and are still shown, then the one idle longest, the one used last at the
    /// end.
    pub fn workers(&self, now: Instant) -> Vec<WorkerView> {
        let records = self.pools.iter().flat_map(|pool| pool.records.iter().map(|record| (pool.id, record)));
        let ended = records.map(|(pool, record)| ended(pool, record, now));
        let pool_of = |worker: &Worker| {
            self.pools
                .iter()
                .find(|pool| pool.workers.contains_key(&worker.id))
                .map_or(PoolId(0), |pool| pool.id)
        };
        let living = self.workers_by_use().into_iter().map(|worker| view(pool_of(worker), worker, now));
        ended.chain(living).collect()
    }

    pub(crate) fn workers_by_use(&self) -> Vec<&Worker> {
        let mut workers: Vec<_> = self.pools.iter().flat_map(|pool| pool.workers.values()).collect();
        workers.sort_by_key(|worker| (worker.used, worker.id));
        workers
    }

    /// How many workers do what.
    pub fn worker_counts(&self) -> WorkerCounts {
        self.pools.iter().map(Pool::worker_counts).fold(WorkerCounts::default(), WorkerCounts::plus)
    }

    /// How many workers there are at least and at most.
    pub fn worker_limits(&self) -> (usize, usize) {
        self.pools.iter().map(Pool::limits).fold((0, 0), |sum, (min, max)| (sum.0 + min, sum.1 + max))
    }

    /// How long the task at the front of a queue has been due; the longest of all pools, zero when none is ready.
    pub fn queue_age(&self, now: Instant) -> Duration {
        let queues = self.pools.iter().map(|pool| &pool.queue).chain([&self.routes.waiting]);
        let first = queues.filter_map(|queue| queue.iter().next());
        first.map(|task| now.saturating_duration_since(task.due())).max().unwrap_or_default()
    }

    /// What has been counted since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counts a control request that came by another way than a broker: from a running task, say.
    pub fn count_control(&mut self) {
        self.counters.control += 1;
    }

    /// Tasks that are running.
    pub fn running_count(&self) -> usize {
        self.pools.iter().map(|pool| pool.counts.running).sum()
    }

    /// Tasks that are ready and have not begun.
    pub fn queued_count(&self) -> usize {
        let of_pools: usize = self.pools.iter().map(|pool| pool.queue.len() + pool.counts.ahead).sum();
        of_pools + self.routes.waiting.len()
    }

    /// Tasks that wait in the stage with this label: `delayed` or `blocked`.
    pub fn held_count(&self, label: &str) -> usize {
        self.stages.iter().filter(|stage| stage.label() == label).map(|stage| stage.len()).sum()
    }

    /// Counts over all pools.
    pub fn pool_view(&self) -> PoolView {
        PoolView {
            next_worker: self.next_worker,
            workers: self.pools.iter().map(Pool::staying).sum(),
            running: self.running_count(),
            active: self.pools.iter().map(Pool::active).sum(),
        }
    }

    /// By level of demand (tasks running or ready at a time), rising: how long ago it was last released by the end of
    /// a task. Levels more than two above the maximum number of workers are not kept.
    pub fn usage(&self, now: Instant) -> Vec<(usize, Duration)> {
        let mut released = BTreeMap::new();
        for (level, at) in self.pools.iter().flat_map(|pool| pool.usage.released_levels()) {
            let latest = released.entry(level).or_insert(at);
            *latest = at.max(*latest);
        }
        released.into_iter().map(|(level, at)| (level, now.saturating_duration_since(at))).collect()
    }

    /// Whether new tasks are taken, and whether ready ones begin.
    pub fn switches(&self) -> (bool, bool) {
        (self.phase.takes(), self.phase.begins())
    }

    /// How many tasks are here, running ones included, and the bytes that count for them.
    pub fn held(&self) -> (usize, usize) {
        self.load.held()
    }

    /// How many workers could not be started, one after the other, without one that has lived since.
    pub fn start_failures(&self) -> u32 {
        self.pools.iter().map(Pool::start_failures).max().unwrap_or_default()
    }

    /// Workers let go because they had reached a limit or somebody wanted them replaced.
    pub fn retired_count(&self) -> u64 {
        self.pools.iter().map(|pool| pool.retired).sum()
    }

    /// How many workers are still to be replaced after [`Input::Recycle`](crate::Input::Recycle).
    pub fn renewing_count(&self) -> usize {
        self.pools.iter().map(Pool::renewing).sum()
    }

    /// Whether it is known where every task goes: each of several pools has said what its workers know, or was given up on.
    pub fn knows_its_ways(&self) -> bool {
        self.routes.is_complete()
    }

    /// Whether the stop has begun.
    pub fn is_stopping(&self) -> bool {
        self.phase.is_stopping()
    }

    /// How many tasks the schedules have started.
    pub fn scheduled_count(&self) -> u64 {
        self.schedules.produced()
    }

    /// How many schedules there are.
    pub fn schedule_count(&self) -> usize {
        self.schedules.count()
    }

    /// The pieces of messages that are not whole, and what came of others.
    pub fn pieces(&self) -> &dispatcher_protocol::Assembler {
        &self.intake.pieces
    }

    /// Whether a message from a broker may name this task; if not, why.
    pub fn allows(&self, name: &str) -> Result<(), String> {
        self.intake.gate(name).map_err(|(_, text)| text)
    }

    /// Whether events are wanted for what is ordinary too: a task accepted, held, started, ended well.
    pub fn set_verbose(&mut self, verbose: bool) {
        self.turn.verbose = verbose;
    }
}

fn view(pool: PoolId, worker: &Worker, now: Instant) -> WorkerView {
    WorkerView {
        id: worker.id,
        pool,
        state: worker.state(),
        finished: worker.finished,
        current: worker
            .running
            .first()
            .map(|running| (running.task.message.task().to_owned(), running.task.uuid.to_string())),
        cancelling: worker.is_cancelling(),
        age: now.saturating_duration_since(worker.created),
    }
}

fn ended(pool: PoolId, record: &Record, now: Instant) -> WorkerView {
    WorkerView {
        id: record.id,
        pool,
        state: record.state,
        finished: record.finished,
        current: None,
        cancelling: false,
        age: now.saturating_duration_since(record.created),
    }
}
