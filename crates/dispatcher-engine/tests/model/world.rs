//! Brokers, tenders and workers as the engine may meet them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatcher_engine::{BrokerId, Config, Engine, Exit, Filter, Input, Settled, Source, WorkerId};
use dispatcher_protocol::{Done, Outcome};

/// What a message asks for when an equal task is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Parallel,
    Discard,
    Serial,
    QueueOne,
}

/// A message to publish. Messages of the same kind ask for the same work.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) kind: u8,
    pub(crate) rule: Rule,
    pub(crate) delay: Duration,
    pub(crate) timeout: Duration,
    /// With the uuid of the message before it.
    pub(crate) old_uuid: bool,
}

/// One thing that happens. Workers are meant by their place among those that are there.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Deliver(Work),
    OtherPayload(u8),
    Ready { w: usize, slots: u16, ahead: u16 },
    Claim(usize),
    Finish { w: usize, how: u8, leaves: bool },
    TakeTickets(usize),
    Answer(usize),
    Exit { w: usize, how: u8 },
    Hostile { w: usize, which: u8 },
    Cancel(u8),
    Wait(Duration),
    Quiet,
    Stop,
    Hurry,
}

/// A task as its publisher and its worker know it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) work: Work,
    pub(crate) uuid: String,
    pub(crate) settled: Option<Settled>,
    /// How often a worker has really begun it.
    pub(crate) begun: u32,
    /// When it counted as begun.
    pub(crate) since: Option<Instant>,
    pub(crate) cancelled: Option<Instant>,
    /// A control request has cancelled it.
    pub(crate) doomed: bool,
    /// When it may be ready.
    pub(crate) due: Instant,
    /// Its ticket came back from a worker that was gone.
    pub(crate) surely_unbegun: bool,
}

/// Whether a worker takes tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Life {
    #[default]
    Starting,
    Ready,
    Leaving,
}

/// A worker as it really is.
#[derive(Debug, Default)]
pub(crate) struct Sim {
    pub(crate) pool: usize,
    pub(crate) life: Life,
    pub(crate) slots: usize,
    pub(crate) ahead: usize,
    /// Frames that it has got and not begun: ticket and handle.
    pub(crate) frames: VecDeque<(u64, u64)>,
    /// Whose each ticket is.
    pub(crate) owners: BTreeMap<u64, u64>,
    /// Tickets in its pipe.
    pub(crate) tickets: BTreeSet<u64>,
    /// What it has begun.
    pub(crate) begun: Vec<u64>,
    /// A take-back was asked for; then, what the tender took.
    pub(crate) asked_back: bool,
    pub(crate) taken: Option<Vec<u64>>,
    /// Handles that the engine counts as this worker's.
    pub(crate) has: BTreeSet<u64>,
    pub(crate) terminated: Option<Instant>,
    pub(crate) killed: bool,
}

impl Sim {
    /// Tasks with these tickets are not its own any more.
    fn forget(&mut self, seqs: &[u64]) -> Vec<u64> {
        let gone: Vec<u64> = seqs.iter().filter_map(|seq| self.owners.get(seq)).copied().collect();
        self.has.retain(|handle| !gone.contains(handle));
        gone
    }
}

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
    pub(crate) before: crate::check::Places,
    /// Tasks dropped as duplicates in this step.
    pub(crate) discarded: BTreeSet<u64>,
    /// The task that came in this step.
    pub(crate) arrived: Option<u64>,
    handles: u64,
    pub(crate) dead: BTreeMap<WorkerId, usize>,
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
            before: crate::check::Places::default(),
            discarded: BTreeSet::new(),
            arrived: None,
            handles: 0,
            dead: BTreeMap::new(),
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
            Step::Exit { w, how } => {
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
        let rule = match work.rule {
            Rule::Parallel => "parallel",
            Rule::Discard => "discard",
            Rule::Serial => "serial",
            Rule::QueueOne => "queue_one",
        };
        let module = if work.kind.is_multiple_of(2) { "some" } else { "other" };
        let payload = format!(
            r#"{{"task": "{module}.task", "args": [{}], "uuid": "{uuid}", "on_duplicate": "{rule}", "delay": {}, "timeout": {}}}"#,
            work.kind,
            work.delay.as_secs_f64(),
            work.timeout.as_secs_f64(),
        );
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
        if leaves {
            sim.life = Life::Leaving;
        }
        let outcome =
            [Outcome::Success, Outcome::Failure, Outcome::Cancelled, Outcome::Refused][usize::from(how) % 4];
        let uuid = self.tasks[&handle].uuid.clone();
        self.handle(Input::TaskDone { worker, done: done(uuid, outcome, leaves) });
    }

    fn answer(&mut self, w: usize) {
        let Some((worker, sim)) = self.pick(w) else { return };
        let Some(seqs) = sim.taken.take() else { return };
        sim.asked_back = false;
        sim.forget(&seqs);
        self.handle(Input::TakenBack { worker, seqs });
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

pub(crate) fn done(uuid: String, outcome: Outcome, is_stopping: bool) -> Done {
    Done { uuid, outcome, error: None, time_started: 0.0, time_finish: 0.0, is_stopping }
}
