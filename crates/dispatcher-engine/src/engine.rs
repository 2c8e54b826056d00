//! The path of a task: `enter` walks the stages until one holds or drops it, `advance` releases what is due and
//! pairs tasks with workers. The only file that knows the order of things.
//!
//! What workers say is taken in by `engine/news.rs`, the end of everything is in `engine/ending.rs`.

mod ending;
mod news;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dispatcher_protocol::{ControlRequest, TaskMessage};

use crate::completion::Counters;
use crate::config::{Config, PoolConfig};
use crate::effect::{Effect, Settled};
use crate::event::{DropReason, Event};
use crate::input::Input;
use crate::intake::{Intake, Taken};
use crate::later::Later;
use crate::load::Load;
use crate::pool::Pool;
use crate::pool::turn::{Graces, Turn};
use crate::routes::Routes;
use crate::schedule::Schedules;
use crate::shutdown::Phase;
use crate::stage::{self, Stage, Verdict};
use crate::task::{PoolId, Source, Task};

/// Every decision about a task. Feed it with [`Engine::handle`], then take what it asks for with
/// [`Engine::poll_effect`] until there is nothing, and call again at [`Engine::next_wakeup`] at the latest.
#[derive(Debug)]
pub struct Engine {
    pub(crate) intake: Intake,
    pub(crate) schedules: Schedules,
    later: Later,
    pub(crate) load: Load,
    pub(crate) stages: Vec<Box<dyn Stage>>,
    pub(crate) routes: Routes,
    pub(crate) pools: Vec<Pool>,
    pub(crate) counters: Counters,
    pub(crate) phase: Phase,
    pub(crate) turn: Turn,
    pub(crate) next_worker: u32,
    shutdown_grace: Duration,
    /// When running tasks have had their time, once the stop has begun.
    stop_by: Option<Instant>,
    /// It was said that nothing is left.
    drained: bool,
    /// The demand that was announced last; none when nobody wants to know.
    demand: Option<usize>,
}

impl Engine {
    /// An engine that asks for its first workers and on-start tasks at once.
    pub fn new(mut config: Config, now: Instant) -> Self {
        let graces =
            Graces { cancel: config.cancel_grace, terminate: config.terminate_grace, stop: Duration::MAX };
        let mut pools = std::mem::take(&mut config.pools);
        if pools.is_empty() {
            pools.push(PoolConfig::default());
        }
        let on_start = std::mem::take(&mut config.on_start);
        let mut engine = Self {
            intake: Intake::new(&mut config),
            schedules: Schedules::new(std::mem::take(&mut config.schedules), now),
            later: Later::default(),
            load: Load::new(config.quota),
            stages: stage::path(config.quota.delayed, config.quota.blocked),
            routes: Routes::new(std::mem::take(&mut config.routes), pools.len(), now),
            pools: pools_of(pools),
            counters: Counters::default(),
            phase: Phase::Serving { takes: true, begins: true },
            turn: Turn::new(now, graces, config.verbose),
            next_worker: 0,
            shutdown_grace: config.shutdown_grace,
            stop_by: None,
            drained: false,
            demand: config.announce_demand.then_some(usize::MAX),
        };
        for (number, message) in on_start.into_iter().enumerate() {
            engine.submit(own_source(), message, true, Some(format!("on-start-{number}")));
        }
        engine.advance();
        engine
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.turn.now = self.turn.now.max(now);
        match input {
            Input::Delivery { source, payload } => self.deliver(source, payload),
            Input::Submit { source, message, trusted } => self.submit(source, message, trusted, None),
            Input::WorkerStarted { worker } => self.worker_started(worker),
            Input::WorkerReady { worker, slots, ahead, tasks } => {
                self.worker_ready(worker, slots, ahead, tasks);
            }
            Input::TaskStarted { .. } | Input::Tick => {}
            Input::TaskProgress { worker, uuid, progress } => self.task_progress(worker, &uuid, progress),
            Input::TaskDone { worker, done } => self.task_done(worker, done),
            Input::TakenBack { worker, seqs } => self.taken_back(worker, &seqs),
            Input::WorkerLeaving { worker, unbegun } => self.worker_leaving(worker, &unbegun),
            Input::WorkerExited { worker, exit } => self.worker_exited(worker, &exit),
            Input::WorkerMemory { worker, resident } => self.worker_memory(worker, resident),
            Input::Quiet => self.quiet(),
            Input::Pause => self.pause(),
            Input::Resume => self.resume(),
            Input::Scale { pool, min, max } => self.scale(pool, min, max),
            Input::Recycle { worker, pool } => self.recycle(worker, pool),
            Input::Stop => self.stop(),
            Input::Hurry => self.hurry(),
        }
        self.advance();
    }

    /// The next thing that the engine asks for.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.turn.out.pop_front()
    }

    /// When the engine has something to do without any input. Later than the `now` of the last [`Engine::handle`].
    pub fn next_wakeup(&self) -> Option<Instant> {
        let stages = self.stages.iter().filter_map(|stage| stage.next_wakeup());
        let rest = [
            self.turn.deadlines.next(),
            self.schedules.next_wakeup(),
            self.later.next_wakeup(),
            self.intake.pieces.next_expiry(),
            self.routes.next_wakeup(),
        ];
        stages.chain(rest.into_iter().flatten()).min()
    }

    fn deliver(&mut self, source: Source, payload: String) {
        match self.intake.read(payload, &source, self.turn.now) {
            Taken::Task(message) => self.accept(source, message, false, None),
            Taken::Control(request) => self.control(request, source),
            Taken::Kept => self.settle(&source, Settled::Acknowledged),
            Taken::Refused(event) => self.refuse(&source, event),
        }
        self.counters.received = self.intake.received();
    }

    /// A control request is answered at once, or carried out later.
    fn control(&mut self, request: ControlRequest, source: Source) {
        self.counters.control += 1;
        self.settle(&source, Settled::Acknowledged);
        if request.delay.is_zero() {
            self.turn.ask(Effect::Control { request: Box::new(request), source });
        } else if let Err(source) = self.later.keep(request, source, self.turn.now) {
            let text = "too many delayed control requests wait already".to_owned();
            let event = Event::Refused { reason: "control_delays", text, channel: source.channel, bytes: 0 };
            self.counters.refuse(event, &mut self.turn);
        }
    }

    /// The service itself starts a task.
    fn submit(&mut self, source: Source, message: TaskMessage, trusted: bool, uuid: Option<String>) {
        let taken = if trusted { Taken::Task(message) } else { self.intake.check(message, &source) };
        match taken {
            Taken::Task(message) => self.accept(source, message, trusted, uuid),
            Taken::Refused(event) => self.refuse(&source, event),
            Taken::Control(_) | Taken::Kept => {}
        }
        self.counters.received = self.intake.received();
    }

    fn refuse(&mut self, source: &Source, event: Event) {
        self.counters.refuse(event, &mut self.turn);
        self.settle(source, Settled::Acknowledged);
    }

    fn accept(&mut self, source: Source, message: TaskMessage, trusted: bool, uuid: Option<String>) {
        let task = self.intake.task(message, source, trusted, uuid, self.turn.now);
        self.turn.tell_verbose(|| Event::Accepted(Arc::clone(&task)));
        if task.message.unknown_on_duplicate() {
            self.turn.tell(Event::UnknownDuplicateRule(Arc::clone(&task)));
        }
        self.load.add(&task);
        if self.phase.is_stopping() {
            self.drop_task(&task, 0, DropReason::Shutdown);
        } else if !self.phase.takes() {
            self.drop_task(&task, 0, DropReason::Quiet);
        } else if let Some(bound) = self.load.exceeded_by(&task).filter(|_| !trusted) {
            self.drop_task(&task, 0, DropReason::Full(bound));
        } else {
            self.enter(0, task);
        }
    }

    /// Walks the stages from this one on, until one holds or drops the task or it is ready.
    fn enter(&mut self, from: usize, mut task: Arc<Task>) {
        for at in from..self.stages.len() {
            let kept = self.turn.verbose.then(|| Arc::clone(&task));
            let stage = &mut self.stages[at];
            match stage.enter(task, self.turn.now) {
                Verdict::Pass(passed) => task = passed,
                Verdict::Hold => {
                    if let Some(task) = kept {
                        self.turn.tell(Event::Held { task, stage: stage.label() });
                    }
                    return;
                }
                Verdict::Drop(task, why) => return self.drop_task(&task, at, why),
            }
        }
        self.make_ready(task);
    }

    /// Nothing keeps this task from beginning but that a worker has to be free.
    fn make_ready(&mut self, task: Arc<Task>) {
        match self.routes.pool_of(&task) {
            Some(pool) => self.pools[usize::from(pool.0)].queue.push(task),
            None => self.routes.waiting.push(task),
        }
    }

    /// Releases what is due, from each stage to the one after it, lets pools grow, and pairs tasks with workers.
    fn advance(&mut self) {
        let now = self.turn.now;
        while let Some(due) = self.turn.deadlines.pop_due(now) {
            self.due(due);
        }
        while let Some((message, uuid)) = self.schedules.pop_due(now) {
            // A service that is quiet lets its schedules pass; they are in nobody's queue.
            if self.phase.takes() {
                self.submit(own_source(), message, true, Some(uuid));
            }
        }
        while let Some((request, source)) = self.later.pop_due(now) {
            self.turn.ask(Effect::Control { request: Box::new(request), source });
        }
        for message_id in self.intake.pieces.expire(now) {
            self.turn.tell(Event::ChunkExpired { message_id });
        }
        for at in 0..self.stages.len() {
            while let Some(task) = self.stages[at].release(now) {
                self.enter(at + 1, task);
            }
        }
        for pool in self.routes.give_up(now) {
            self.pools[usize::from(pool.0)].heard();
            let name = self.pools[usize::from(pool.0)].name().to_owned();
            self.turn.tell(Event::PoolSilent { pool, name });
        }
        while let Some(task) = self.routes.release() {
            self.make_ready(task);
        }
        if self.phase.is_serving() {
            let begins = self.phase.begins();
            for pool in &mut self.pools {
                pool.grow(begins, &mut self.next_worker, &mut self.turn);
                if pool.renew(&mut self.turn) {
                    pool.grow(begins, &mut self.next_worker, &mut self.turn);
                }
                if begins {
                    pool.assign(&mut self.turn);
                }
                pool.watch_size(&mut self.turn);
            }
            self.note_drained();
        }
        self.announce_demand();
    }

    fn announce_demand(&mut self) {
        let Some(last) = self.demand else { return };
        let free = |pool: &Pool| pool.counts.free_slots.saturating_sub(pool.queue.len());
        let free =
            if self.phase.takes() && self.phase.begins() { self.pools.iter().map(free).sum() } else { 0 };
        if free != last {
            self.demand = Some(free);
            self.turn.ask(Effect::Demand { free });
        }
    }

    /// A task that has passed the stages before this one leaves without having run.
    pub(crate) fn drop_task(&mut self, task: &Arc<Task>, passed: usize, why: DropReason) {
        let outcome = self.counters.drop(task, why, &mut self.turn);
        self.leave(task, passed, outcome);
    }

    /// A task leaves: the stages it has passed forget it, its broker settles it.
    fn leave(&mut self, task: &Arc<Task>, passed: usize, outcome: Settled) {
        for stage in &mut self.stages[..passed] {
            stage.settle(task);
        }
        self.load.remove(task);
        self.settle(&task.source, outcome);
    }

    fn settle(&mut self, source: &Source, outcome: Settled) {
        if source.broker.is_some() {
            self.turn.ask(Effect::Settle { source: source.clone(), outcome });
        }
    }
}

/// The pools by their numbers. With several, each has to say what it knows, so each gets a worker that says it.
fn pools_of(configs: Vec<PoolConfig>) -> Vec<Pool> {
    let several = configs.len() > 1;
    (0..).map(PoolId).zip(configs).map(|(id, config)| Pool::new(id, config, several)).collect()
}

/// The source of what the configuration starts: it came by no channel.
fn own_source() -> Source {
    Source { broker: None, channel: Arc::from(""), handle: 0 }
}
