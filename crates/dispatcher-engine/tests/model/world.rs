//! Brokers, tenders and workers as the engine may meet them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatcher_engine::{
    BrokerId, CancelReason, Config, DropReason, Effect, Engine, Event, Exit, Filter, Input, Place, Rung,
    Settled, Source, StopReason, Task, WorkerId,
};
use dispatcher_protocol::Outcome;

use crate::actors::{Known, Life, Sim, Step, Work, done};
use crate::check::Places;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    pub(crate) pools: Vec<dispatcher_engine::PoolConfig>,
    pub(crate) workers: BTreeMap<WorkerId, Sim>,
    pub(crate) tasks: BTreeMap<u64, Known>,
    pub(crate) phase: Step,
    pub(crate) finished: bool,
    /// When running tasks have had their time, once that is known.
    pub(crate) hurry_at: Option<Instant>,
    shutdown_grace: Duration,
    /// By pool: until when failed starts hold the next ones up.
    pub(crate) backoff: BTreeMap<usize, Instant>,
    /// What was active and blocked before this step.
    pub(crate) before: Places,
    /// Tasks dropped as duplicates in this step.
    pub(crate) discarded: BTreeSet<u64>,
    /// The task that came in this step.
    pub(crate) arrived: Option<u64>,
    handles: u64,
    dead: BTreeMap<WorkerId, usize>,
    forgotten: BTreeSet<WorkerId>,
}

#[expect(clippy::disallowed_methods, reason = "a model needs some instant to begin with")]
fn some_instant() -> Instant {
    Instant::now()
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let now = some_instant();
        let (pools, shutdown_grace) = (config.pools.clone(), config.shutdown_grace);
        let mut world = Self {
            engine: Engine::new(config, now),
            now,
            pools,
            workers: BTreeMap::new(),
            tasks: BTreeMap::new(),
            phase: Step::Wait(Duration::ZERO),
            finished: false,
            hurry_at: None,
            shutdown_grace,
            backoff: BTreeMap::new(),
            before: Places::default(),
            discarded: BTreeSet::new(),
            arrived: None,
            handles: 0,
            dead: BTreeMap::new(),
            forgotten: BTreeSet::new(),
        };
        world.collect();
        world
    }

    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, Step::Wait(_))
    }

    pub(crate) fn take(&mut self, step: Step) {
        self.before = self.places();
        self.discarded.clear();
        self.arrived = None;
        match step {
            Step::Deliver(work) => self.deliver(work),
            Step::OtherPayload(which) => self.other_payload(which),
            Step::Ready { w, slots, ahead } => self.ready(w, slots, ahead),
            Step::Claim(w) => self.claim(w),
            Step::Finish { w, how, leaves } => self.finish(w, how, leaves),
            Step::TakeTickets(w) => {
                if let Some((_, sim)) = self.pick(w).filter(|(_, sim)| sim.asked_back && sim.taken.is_none())
                {
                    let taken = std::mem::take(&mut sim.tickets).into_iter().collect();
                    sim.taken = Some(taken);
                }
            }
            Step::Answer(w) => self.answer(w),
            Step::SaysItLeaves(w) => self.leaves(w),
            Step::Exit { w, announced, how } => {
                if announced {
                    self.leaves(w);
                }
                let exit = [Exit::Code(0), Exit::Code(1), Exit::Signal(9), Exit::Protocol("x".to_owned())];
                if let Some((worker, _)) = self.pick(w) {
                    self.exit(worker, exit[usize::from(how) % 4].clone());
                }
            }
            Step::Hostile { w, which } => self.hostile(w, which),
            Step::Cancel(which) => {
                let filter = self.filter(which);
                for found in self.engine.cancel(&filter, self.now) {
                    self.tasks.get_mut(&found.task.source.handle).expect("it was published").doomed = true;
                }
            }
            Step::Wait(time) => {
                // Woken late, as it happens on a busy machine.
                self.now += time;
                self.handle(Input::Tick);
            }
            Step::Quiet => self.end_with(Step::Quiet, Input::Quiet),
            Step::Stop => self.end_with(Step::Stop, Input::Stop),
            Step::Hurry => self.end_with(Step::Hurry, Input::Hurry),
        }
        self.collect();
    }

    fn end_with(&mut self, phase: Step, input: Input) {
        let hurry_at = match phase {
            Step::Stop => Some(self.now + self.shutdown_grace),
            Step::Hurry => Some(self.now),
            _ => None,
        };
        self.hurry_at = self.hurry_at.into_iter().chain(hurry_at).min();
        if !matches!((&self.phase, &phase), (Step::Stop | Step::Hurry, Step::Quiet)) {
            self.phase = phase;
        }
        self.handle(input);
    }

    fn handle(&mut self, input: Input) {
        self.engine.handle(input, self.now);
        self.collect();
    }

    fn pick(&mut self, w: usize) -> Option<(WorkerId, &mut Sim)> {
        let count = self.workers.len().max(1);
        self.workers.iter_mut().nth(w % count).map(|(id, sim)| (*id, sim))
    }

    fn source(&mut self) -> Source {
        self.handles += 1;
        Source { broker: Some(BrokerId(0)), channel: Arc::from("c"), handle: self.handles }
    }

    fn deliver(&mut self, work: Work) {
        let source = self.source();
        let handle = source.handle;
        let uuid = format!("u{}", if work.old_uuid { handle.saturating_sub(1) } else { handle });
        let payload = work.payload(&uuid);
        let due = self.now + work.delay;
        let known = Known {
            work,
            uuid,
            settled: None,
            begun: 0,
            since: None,
            cancelled: None,
            doomed: false,
            due,
            surely_unbegun: false,
        };
        self.tasks.insert(handle, known);
        self.arrived = Some(handle);
        self.handle(Input::Delivery { source, payload });
    }

    fn other_payload(&mut self, which: u8) {
        let text = [
            "[1]",
            "{",
            r#"{"control": "alive", "reply_to": "r"}"#,
            r#"{"task": "some.task", "timeout": "soon"}"#,
            r#"{"__dispatcherd_chunk__": "v1", "message_id": "m", "index": 0, "total": 2, "payload": "{"}"#,
        ][usize::from(which) % 5];
        let source = self.source();
        self.handle(Input::Delivery { source, payload: text.to_owned() });
    }

    fn ready(&mut self, w: usize, slots: u16, ahead: u16) {
        let pools = self.pools.clone();
        let Some((worker, sim)) = self.pick(w) else { return };
        if sim.life == Life::Starting {
            let limit = ahead.min(pools[sim.pool].max_ahead);
            (sim.life, sim.slots, sim.ahead) = (Life::Ready, usize::from(slots), usize::from(limit));
        }
        self.handle(Input::WorkerStarted { worker });
        self.handle(Input::WorkerReady { worker, slots, ahead });
    }

    /// The worker begins the next task whose ticket it can get.
    fn claim(&mut self, w: usize) {
        let Some((_, sim)) = self.pick(w) else { return };
        if sim.begun.len() >= sim.slots {
            return;
        }
        while let Some((seq, handle)) = sim.frames.pop_front() {
            if sim.tickets.remove(&seq) {
                sim.begun.push(handle);
                if let Some(known) = self.tasks.get_mut(&handle) {
                    known.begun += 1;
                }
                return;
            }
        }
    }

    fn finish(&mut self, w: usize, how: u8, leaves: bool) {
        if self.pick(w).is_some_and(|(_, sim)| sim.begun.is_empty()) {
            self.claim(w);
        }
        let Some((worker, sim)) = self.pick(w) else { return };
        if sim.begun.is_empty() {
            return;
        }
        let handle = sim.begun.remove(usize::from(how) % sim.begun.len());
        let outcomes = [Outcome::Success, Outcome::Failure, Outcome::Cancelled, Outcome::Refused];
        let uuid = self.tasks[&handle].uuid.clone();
        let found = self.engine.find(&Filter { uuid: Some(uuid.clone()), ..Filter::default() });
        // Nobody takes its word about a task that it does not have.
        if leaves && found.iter().any(|found| found.place == Place::Worker(worker)) {
            self.sim(worker).life = Life::Leaving;
        }
        self.handle(Input::TaskDone { worker, done: done(uuid, outcomes[usize::from(how) % 4], leaves) });
    }

    fn answer(&mut self, w: usize) {
        let Some((worker, sim)) = self.pick(w) else { return };
        let Some(seqs) = sim.taken.take() else { return };
        sim.asked_back = false;
        sim.forget(&seqs);
        self.handle(Input::TakenBack { worker, seqs });
    }

    /// The worker says that it leaves, or its tender sees that it is gone.
    fn leaves(&mut self, w: usize) {
        let Some((worker, sim)) = self.pick(w) else { return };
        sim.life = Life::Leaving;
        let unbegun: Vec<u64> = std::mem::take(&mut sim.tickets).into_iter().collect();
        for handle in sim.forget(&unbegun) {
            if let Some(known) = self.tasks.get_mut(&handle) {
                known.surely_unbegun = true;
            }
        }
        self.handle(Input::WorkerLeaving { worker, unbegun });
    }

    pub(crate) fn exit(&mut self, worker: WorkerId, exit: Exit) {
        if let Some(sim) = self.workers.remove(&worker) {
            self.dead.insert(worker, sim.pool);
            self.handle(Input::WorkerExited { worker, exit });
        }
    }

    fn hostile(&mut self, w: usize, which: u8) {
        let strange = self
            .tasks
            .values()
            .nth(usize::from(which))
            .map_or("nobody".to_owned(), |known| known.uuid.clone());
        let unknown = WorkerId(4_000_000);
        let Some((worker, _)) = self.pick(w) else { return };
        // A lie about a task that it runs ends that task; about any other it changes nothing.
        let input = match which % 6 {
            0 | 1 => Input::TaskDone { worker, done: done(strange, Outcome::Success, false) },
            2 => Input::TaskStarted { worker, uuid: strange },
            3 => Input::WorkerStarted { worker },
            4 => Input::TaskDone { worker: unknown, done: done(strange, Outcome::Failure, true) },
            _ => Input::WorkerExited { worker: unknown, exit: Exit::Code(0) },
        };
        self.handle(input);
    }

    fn filter(&self, which: u8) -> Filter {
        let uuid = self.tasks.values().rev().nth(usize::from(which) % 8).map(|known| known.uuid.clone());
        match which % 3 {
            0 => Filter { uuid: Some(uuid.unwrap_or_default()), ..Filter::default() },
            1 => Filter { args: Some(format!("[{}]", which % 4)), ..Filter::default() },
            _ => Filter::default(),
        }
    }

    /// Carries out what the engine asks for, as far as the world can see it at once.
    fn collect(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Spawn { worker, pool } => {
                    let sim = Sim { pool: usize::from(pool.0), ..Sim::default() };
                    assert!(self.workers.insert(worker, sim).is_none(), "a worker's number was used twice");
                    assert!(!self.dead.contains_key(&worker), "a worker's number was used again");
                }
                Effect::Run { worker, seq, task } => self.run(worker, seq, &task),
                Effect::TakeBack { worker } => {
                    let sim = self.sim(worker);
                    assert!(!sim.asked_back, "a take-back while one is unanswered");
                    sim.asked_back = true;
                }
                Effect::Cancel { worker, uuid } => {
                    let tasks: BTreeMap<_, _> =
                        self.tasks.iter().map(|(handle, known)| (*handle, known.uuid.clone())).collect();
                    assert!(
                        self.sim(worker).has.iter().any(|handle| *tasks[handle] == *uuid),
                        "a cancel of a task that is not there"
                    );
                }
                Effect::Terminate { worker } => {
                    let now = self.now;
                    self.sim(worker).terminated = Some(now);
                    self.sim(worker).life = Life::Leaving;
                }
                Effect::Kill { worker } => self.sim(worker).killed = true,
                Effect::StopWorker { worker } => self.sim(worker).life = Life::Leaving,
                Effect::Forget { worker } => {
                    assert!(self.dead.contains_key(&worker), "a worker is forgotten before its end");
                    assert!(self.forgotten.insert(worker), "a worker is forgotten twice");
                }
                Effect::Settle { source, outcome } => self.settle(source.handle, outcome),
                Effect::Event(event) => self.hear(event),
                Effect::Finished => {
                    assert!(!self.finished, "finished twice");
                    assert!(self.workers.is_empty(), "finished with workers left");
                    self.finished = true;
                }
                Effect::Control { .. } | Effect::Demand { .. } => {}
            }
        }
    }

    fn sim(&mut self, worker: WorkerId) -> &mut Sim {
        self.workers.get_mut(&worker).unwrap_or_else(|| panic!("an effect names {worker:?}, which is gone"))
    }

    fn run(&mut self, worker: WorkerId, seq: u64, task: &Task) {
        assert!(self.is_running(), "a task is given out after quiet");
        let handle = task.source.handle;
        let sim = self.sim(worker);
        assert!(sim.life == Life::Ready, "a task for a worker that does not take any");
        sim.frames.push_back((seq, handle));
        sim.owners.insert(seq, handle);
        assert!(sim.tickets.insert(seq), "a ticket given twice");
        for sim in self.workers.values_mut() {
            sim.has.remove(&handle);
        }
        self.sim(worker).has.insert(handle);
        if let Some(known) = self.tasks.get_mut(&handle) {
            assert!(!known.doomed, "task {handle} is given out after it was cancelled");
            (known.since, known.surely_unbegun) = (None, false);
        }
    }

    fn settle(&mut self, handle: u64, outcome: Settled) {
        for sim in self.workers.values_mut() {
            sim.has.remove(&handle);
        }
        let Some(known) = self.tasks.get_mut(&handle) else { return };
        assert_eq!(known.settled, None, "task {handle} is settled twice");
        assert!(
            !(known.surely_unbegun && known.begun == 0 && outcome == Settled::Lost),
            "task {handle} was never begun"
        );
        known.settled = Some(outcome);
    }

    fn hear(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Started { task, .. } => {
                if let Some(known) = self.tasks.get_mut(&task.source.handle) {
                    (known.since, known.cancelled) = (Some(now), None);
                }
            }
            Event::Dropped { task, why: DropReason::Duplicate } => {
                self.discarded.insert(task.source.handle);
            }
            Event::Ladder { task: Some(task), rung: Rung::Cancel, why, .. } => {
                if let Some(known) = self.tasks.get_mut(&task.source.handle) {
                    assert!(
                        known.cancelled.is_none() || why == CancelReason::Control,
                        "cancelled twice for {why:?}"
                    );
                    known.cancelled.get_or_insert(now);
                }
            }
            Event::StartFailed { worker, retry_in, .. } => {
                self.backoff.insert(self.dead[&worker], now + retry_in);
            }
            Event::WorkerStopping { why: StopReason::Demand, busy, .. } => {
                assert!(!busy, "a busy worker is let go for want of demand");
            }
            Event::WorkerReady { pool, .. } => {
                self.backoff.remove(&usize::from(pool.0));
            }
            _ => {}
        }
    }
}
