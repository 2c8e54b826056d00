//! Brokers, tenders and workers as the engine may meet them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatcher_engine::{
    BrokerId, Config, Engine, Exit, Filter, Input, Place, PoolConfig, PoolId, Source, WorkerId,
};
use dispatcher_protocol::Outcome;

use crate::actors::{Known, Life, Sim, Step, Work, done};
use crate::check::Places;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    pub(crate) pools: Vec<PoolConfig>,
    /// By pool: the most workers that there could ever be.
    pub(crate) peaks: Vec<usize>,
    pub(crate) workers: BTreeMap<WorkerId, Sim>,
    pub(crate) tasks: BTreeMap<u64, Known>,
    /// The switches, and whether the stop has begun.
    pub(crate) switches: Switches,
    pub(crate) stopping: bool,
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
    /// Tasks for which there was no room in this step.
    pub(crate) turned_away: BTreeSet<u64>,
    /// Pools of which no worker has said what it knows.
    pub(crate) unheard: BTreeSet<usize>,
    /// Pools whose workers know the task that no rule names.
    pub(crate) known_by: BTreeSet<usize>,
    handles: u64,
    pub(crate) dead: BTreeMap<WorkerId, usize>,
    pub(crate) forgotten: BTreeSet<WorkerId>,
}

pub(crate) struct Switches {
    takes: bool,
    begins: bool,
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
            peaks: pools.iter().map(|pool| pool.max_workers).collect(),
            pools,
            workers: BTreeMap::new(),
            tasks: BTreeMap::new(),
            switches: Switches { takes: true, begins: true },
            stopping: false,
            finished: false,
            hurry_at: None,
            shutdown_grace,
            backoff: BTreeMap::new(),
            before: Places::default(),
            discarded: BTreeSet::new(),
            arrived: None,
            turned_away: BTreeSet::new(),
            unheard: BTreeSet::new(),
            known_by: BTreeSet::new(),
            handles: 0,
            dead: BTreeMap::new(),
            forgotten: BTreeSet::new(),
        };
        if world.pools.len() > 1 {
            world.unheard = (0..world.pools.len()).collect();
        }
        world.collect();
        world
    }

    pub(crate) fn takes(&self) -> bool {
        self.switches.takes && !self.stopping
    }

    pub(crate) fn begins(&self) -> bool {
        self.switches.begins && !self.stopping
    }

    pub(crate) fn take(&mut self, step: Step) {
        self.before = self.places();
        self.discarded.clear();
        self.turned_away.clear();
        self.arrived = None;
        match step {
            Step::Deliver(work) => self.deliver(work),
            Step::OtherPayload(which) => self.other_payload(which),
            Step::Ready { w, slots, ahead, knows } => self.ready(w, slots, ahead, knows),
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
            step => self.govern(step),
        }
        self.collect();
    }

    /// What operators do.
    fn govern(&mut self, step: Step) {
        match step {
            Step::Quiet => {
                self.switches.takes = false;
                self.handle(Input::Quiet);
            }
            Step::Pause => {
                self.switches.begins = false;
                self.handle(Input::Pause);
            }
            Step::Resume => {
                self.switches = Switches { takes: true, begins: true };
                self.handle(Input::Resume);
            }
            Step::Scale { pool, min, max } => self.scale(pool, min, max),
            Step::Recycle(w) => {
                let worker = self.pick(w).map(|(worker, _)| worker).filter(|_| w % 2 == 0);
                self.handle(Input::Recycle { worker, pool: None });
            }
            Step::Memory { w, resident } => {
                if let Some((worker, _)) = self.pick(w) {
                    self.handle(Input::WorkerMemory { worker, resident });
                }
            }
            Step::Stop => self.end_with(self.now + self.shutdown_grace, Input::Stop),
            Step::Hurry => self.end_with(self.now, Input::Hurry),
            other => panic!("nobody takes {other:?}"),
        }
    }

    fn end_with(&mut self, hurry_at: Instant, input: Input) {
        self.hurry_at = self.hurry_at.into_iter().chain([hurry_at]).min();
        self.stopping = true;
        self.handle(input);
    }

    fn scale(&mut self, pool: usize, min: usize, max: usize) {
        let number = pool % self.pools.len();
        if !self.stopping {
            let pool = &mut self.pools[number];
            (pool.min_workers, pool.max_workers) = (min, max.max(min).max(1));
            self.peaks[number] = self.peaks[number].max(self.pools[number].max_workers);
        }
        let pool = PoolId(number as u16);
        self.handle(Input::Scale { pool, min: Some(min), max: Some(max) });
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

    fn ready(&mut self, w: usize, slots: u16, ahead: u16, knows: bool) {
        let pools = self.pools.clone();
        let Some((worker, sim)) = self.pick(w) else { return };
        if sim.life == Life::Starting {
            let limit = ahead.min(pools[sim.pool].max_ahead);
            (sim.life, sim.slots, sim.ahead) = (Life::Ready, usize::from(slots), usize::from(limit));
        }
        let pool = sim.pool;
        self.unheard.remove(&pool);
        if knows {
            self.known_by.insert(pool);
        }
        let tasks = if knows { vec!["some.task".to_owned()] } else { Vec::new() };
        self.handle(Input::WorkerStarted { worker });
        self.handle(Input::WorkerReady { worker, slots, ahead, tasks });
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
                sim.begun_ever += 1;
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
}
