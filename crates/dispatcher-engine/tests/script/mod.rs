//! A script of what happens to an engine, and what it asks for: no processes, no sleeping, a clock of its own.

#![allow(dead_code, reason = "each test file uses its part of the script")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatcher_engine::{
    BrokerId, Config, Effect, Engine, Event, Exit, Filter, Input, PoolConfig, Settled, Source, TaskPolicy,
    WorkerId,
};
use dispatcher_protocol::{Done, Outcome};

/// An engine, its clock, and everything it has asked for.
pub(crate) struct Script {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    /// Effects in order, events left out.
    pub(crate) asked: Vec<Effect>,
    pub(crate) events: Vec<Event>,
    /// Tasks that each worker was given and has not ended, oldest first: ticket and uuid.
    pub(crate) given: BTreeMap<WorkerId, VecDeque<(u64, String)>>,
    /// Workers that were asked for and have not ended.
    pub(crate) alive: Vec<WorkerId>,
    /// Handles that were settled.
    pub(crate) settled: Vec<(u64, Settled)>,
    pub(crate) finished: bool,
    sent: u64,
}

#[expect(clippy::disallowed_methods, reason = "a script needs some instant to begin with")]
fn some_instant() -> Instant {
    Instant::now()
}

/// A configuration with so many workers, for names of any kind.
pub(crate) fn workers(min: usize, max: usize) -> Config {
    Config {
        pools: vec![PoolConfig { min_workers: min, max_workers: max, ..PoolConfig::default() }],
        policy: TaskPolicy::Any,
        allow_eval: true,
        verbose: true,
        ..Config::default()
    }
}

impl Script {
    /// An engine whose workers have not answered yet.
    pub(crate) fn cold(config: Config) -> Self {
        let now = some_instant();
        let mut script = Self {
            engine: Engine::new(config, now),
            now,
            asked: Vec::new(),
            events: Vec::new(),
            given: BTreeMap::new(),
            alive: Vec::new(),
            settled: Vec::new(),
            finished: false,
            sent: 0,
        };
        script.collect();
        script
    }

    /// An engine whose first workers are ready, with one slot and nothing early.
    pub(crate) fn new(config: Config) -> Self {
        let mut script = Self::cold(config);
        script.all_ready(0);
        script
    }

    /// Every worker that was asked for says that it is ready.
    pub(crate) fn all_ready(&mut self, ahead: u16) {
        for worker in self.alive.clone() {
            self.ready(worker.0, ahead);
        }
    }

    pub(crate) fn ready(&mut self, worker: u32, ahead: u16) {
        self.ready_with(worker, 1, ahead);
    }

    pub(crate) fn ready_with(&mut self, worker: u32, slots: u16, ahead: u16) {
        let worker = WorkerId(worker);
        self.handle(Input::WorkerStarted { worker });
        self.handle(Input::WorkerReady { worker, slots, ahead, tasks: Vec::new() });
    }

    /// A worker with one slot is ready and says what it knows.
    pub(crate) fn ready_knowing(&mut self, worker: u32, tasks: &[&str]) {
        let (worker, tasks) = (WorkerId(worker), tasks.iter().map(|name| (*name).to_owned()).collect());
        self.handle(Input::WorkerStarted { worker });
        self.handle(Input::WorkerReady { worker, slots: 1, ahead: 0, tasks });
    }

    pub(crate) fn handle(&mut self, input: Input) {
        self.engine.handle(input, self.now);
        self.collect();
    }

    pub(crate) fn collect(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            match &effect {
                Effect::Spawn { worker, .. } => self.alive.push(*worker),
                Effect::Run { worker, seq, task } => {
                    assert!(self.alive.contains(worker), "a task for a worker that is gone");
                    self.given.entry(*worker).or_default().push_back((*seq, task.uuid.to_string()));
                }
                Effect::Settle { source, outcome } => self.settled.push((source.handle, *outcome)),
                Effect::Finished => self.finished = true,
                _ => {}
            }
            match effect {
                Effect::Event(event) => self.events.push(event),
                effect => self.asked.push(effect),
            }
        }
    }

    /// Publishes a message; its handle is its place in the order of publishing, from 1.
    pub(crate) fn publish(&mut self, payload: &str) -> u64 {
        self.sent += 1;
        let source = Source { broker: Some(BrokerId(0)), channel: Arc::from("chan"), handle: self.sent };
        self.handle(Input::Delivery { source, payload: payload.to_owned() });
        self.sent
    }

    /// Publishes a task with this uuid and these further keys.
    pub(crate) fn submit(&mut self, uuid: &str, more: &str) -> u64 {
        self.publish(&format!(r#"{{"task": "mod.fn", "uuid": "{uuid}"{more}}}"#))
    }

    /// Time goes by; the engine is woken whenever it wants to be.
    pub(crate) fn after(&mut self, wait: Duration) {
        let end = self.now + wait;
        while let Some(wakeup) = self.engine.next_wakeup().filter(|at| *at <= end) {
            assert!(wakeup >= self.now, "a wakeup in the past");
            self.now = wakeup;
            self.handle(Input::Tick);
            assert!(
                self.engine.next_wakeup().is_none_or(|next| next > self.now),
                "the wakeup did not move on"
            );
        }
        self.now = end;
    }

    pub(crate) fn after_ms(&mut self, ms: u64) {
        self.after(Duration::from_millis(ms));
    }

    /// The worker ends the oldest task that it was given.
    pub(crate) fn done(&mut self, worker: u32) -> String {
        self.done_as(worker, Outcome::Success)
    }

    pub(crate) fn done_as(&mut self, worker: u32, outcome: Outcome) -> String {
        let worker = WorkerId(worker);
        let (_, uuid) = self.given.get_mut(&worker).and_then(VecDeque::pop_front).expect("it has a task");
        self.handle(Input::TaskDone { worker, done: done(&uuid, outcome) });
        uuid
    }

    /// The driver takes back what the worker has not begun: all but the oldest.
    pub(crate) fn take_back(&mut self, worker: u32) {
        self.take_back_from(worker, 1);
    }

    /// The worker has begun nothing at all.
    pub(crate) fn take_back_all(&mut self, worker: u32) {
        self.take_back_from(worker, 0);
    }

    fn take_back_from(&mut self, worker: u32, first: usize) {
        let worker = WorkerId(worker);
        let given = self.given.entry(worker).or_default();
        let seqs = given.drain(first.min(given.len())..).map(|(seq, _)| seq).collect();
        self.handle(Input::TakenBack { worker, seqs });
    }

    /// The worker takes no more tasks; it has begun none of those that it was given.
    pub(crate) fn leaves(&mut self, worker: u32) {
        let worker = WorkerId(worker);
        let unbegun =
            self.given.remove(&worker).unwrap_or_default().into_iter().map(|(seq, _)| seq).collect();
        self.handle(Input::WorkerLeaving { worker, unbegun });
    }

    /// A control request; says how many tasks it met.
    pub(crate) fn cancel(&mut self, filter: &Filter) -> usize {
        let found = self.engine.cancel(filter, self.now);
        self.collect();
        found.len()
    }

    pub(crate) fn cancel_uuid(&mut self, uuid: &str) {
        let filter = Filter { uuid: Some(uuid.to_owned()), ..Filter::default() };
        assert_eq!(self.cancel(&filter), 1, "one task has this uuid");
    }

    pub(crate) fn exits(&mut self, worker: u32, exit: Exit) {
        let worker = WorkerId(worker);
        self.alive.retain(|alive| *alive != worker);
        self.given.remove(&worker);
        self.handle(Input::WorkerExited { worker, exit });
    }

    /// The uuids that the worker was given and has not ended.
    pub(crate) fn has(&self, worker: u32) -> Vec<&str> {
        let given = self.given.get(&WorkerId(worker));
        given.into_iter().flatten().map(|(_, uuid)| uuid.as_str()).collect()
    }

    /// Whether the engine has asked for something like this.
    pub(crate) fn asked_for(&self, like: impl Fn(&Effect) -> bool) -> bool {
        self.asked.iter().any(like)
    }

    /// How often the engine has asked for something like this.
    pub(crate) fn count(&self, like: impl Fn(&Effect) -> bool) -> usize {
        self.asked.iter().filter(|effect| like(effect)).count()
    }

    pub(crate) fn said(&self, like: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(like)
    }

    pub(crate) fn forget(&mut self) {
        self.asked.clear();
        self.events.clear();
    }
}

/// What a worker says at the end of a task.
pub(crate) fn done(uuid: &str, outcome: Outcome) -> Done {
    Done {
        uuid: uuid.to_owned(),
        outcome,
        error: None,
        time_started: 0.0,
        time_finish: 0.0,
        is_stopping: false,
    }
}
