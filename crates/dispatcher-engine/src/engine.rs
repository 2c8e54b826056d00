//! The path of a task: `enter` walks the stages until one holds or drops it, `advance` releases what is due and
//! pairs tasks with workers. The only file that knows the order of things.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use dispatcher_protocol::{Decoded, decode};

use crate::completion::Counters;
use crate::config::Config;
use crate::effect::{Effect, Settled};
use crate::event::{DropReason, Event};
use crate::input::Input;
use crate::intake::{Intake, Taken};
use crate::pool::deadline::{Deadlines, Due};
use crate::pool::{Graces, Pool, Turn};
use crate::schedule::Schedules;
use crate::shutdown::Phase;
use crate::stage::{self, Stage, Verdict};
use crate::task::{PoolId, Source, Task, WorkerId};

/// Every decision about a task. Feed it with [`Engine::handle`], then take what it asks for with
/// [`Engine::poll_effect`] until there is nothing, and call again at [`Engine::next_wakeup`] at the latest.
#[derive(Debug)]
pub struct Engine {
    pub(crate) intake: Intake,
    pub(crate) schedules: Schedules,
    pub(crate) stages: Vec<Box<dyn Stage>>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) deadlines: Deadlines,
    pub(crate) out: VecDeque<Effect>,
    pub(crate) graces: Graces,
    pub(crate) shutdown_grace: std::time::Duration,
    pub(crate) phase: Phase,
    /// During a stop: running tasks have had their time.
    pub(crate) hurried: bool,
    pub(crate) counters: Counters,
    pub(crate) verbose: bool,
    /// The demand that was announced last; none when nobody wants to know.
    demand: Option<usize>,
    pub(crate) next_worker: u32,
}

/// Splits the engine into the pools and the turn that their methods need.
macro_rules! turn {
    ($engine:expr, $now:expr) => {
        Turn {
            now: $now,
            out: &mut $engine.out,
            deadlines: &mut $engine.deadlines,
            graces: $engine.graces,
            verbose: $engine.verbose,
        }
    };
}
pub(crate) use turn;

impl Engine {
    /// An engine that asks for its first workers and on-start tasks at once.
    pub fn new(mut config: Config, now: Instant) -> Self {
        let graces = Graces {
            cancel: config.cancel_grace,
            terminate: config.terminate_grace,
            stop: config.stop_grace,
        };
        let pools = std::mem::take(&mut config.pools);
        // A route to a pool that is not there leads nowhere; its tasks go to the first one.
        config.routes.retain(|route| route.pool < pools.len());
        let pools = pools.into_iter().enumerate();
        let on_start = std::mem::take(&mut config.on_start);
        let mut engine = Self {
            intake: Intake::new(&mut config),
            schedules: Schedules::new(std::mem::take(&mut config.schedules), now),
            stages: stage::path(),
            pools: pools.map(|(index, pool)| Pool::new(PoolId(index as u16), pool)).collect(),
            deadlines: Deadlines::default(),
            out: VecDeque::new(),
            graces,
            shutdown_grace: config.shutdown_grace,
            phase: Phase::Running,
            hurried: false,
            counters: Counters::default(),
            verbose: config.verbose,
            demand: config.announce_demand.then_some(usize::MAX),
            next_worker: 0,
        };
        for (number, message) in on_start.into_iter().enumerate() {
            let uuid = format!("on-start-{number}");
            let task = engine.intake.task(message, own_source(), true, Some(uuid));
            engine.enter(0, task, now);
        }
        engine.advance(now);
        engine
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, input: Input, now: Instant) {
        match input {
            Input::Delivery { source, payload } => self.deliver(source, payload, now),
            Input::Submit { source, message, trusted } => {
                let task = self.intake.task(message, source, trusted, None);
                self.enter(0, task, now);
            }
            Input::WorkerStarted { worker } => {
                if let Some(pool) = self.pool_of(worker) {
                    pool.started(worker);
                }
            }
            Input::WorkerReady { worker, slots, ahead } => self.worker_ready(worker, slots, ahead, now),
            Input::TaskStarted { .. } | Input::Tick => {}
            Input::TaskDone { worker, done } => self.task_done(worker, done, now),
            Input::TakenBack { worker, seqs } => self.taken_back(worker, &seqs, now),
            Input::WorkerExited { worker, exit } => self.worker_exited(worker, &exit, now),
            Input::Quiet => self.quiet(),
            Input::Stop => self.stop(now),
            Input::Hurry => self.stop_at_once(now),
        }
        self.advance(now);
    }

    /// The next thing that the engine asks for.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.out.pop_front()
    }

    /// When the engine has something to do without any input. Later than the `now` of the last `handle`.
    pub fn next_wakeup(&self) -> Option<Instant> {
        let stages = self.stages.iter().filter_map(|stage| stage.next_wakeup());
        let rest = [self.deadlines.next(), self.schedules.next_wakeup(), self.intake.pieces.next_expiry()];
        stages.chain(rest.into_iter().flatten()).min()
    }

    fn deliver(&mut self, source: Source, payload: String, now: Instant) {
        self.counters.received += 1;
        match self.intake.read(payload, &source, now) {
            Taken::Task(task) => self.enter(0, task, now),
            Taken::Control(request) => {
                self.counters.control += 1;
                self.settle(source.clone(), Settled::Acknowledged);
                self.out.push_back(Effect::Control { request, source });
            }
            Taken::Kept => self.settle(source, Settled::Acknowledged),
            Taken::Refused(event) => {
                self.counters.refuse(&event);
                self.out.push_back(Effect::Event(event));
                self.settle(source, Settled::Acknowledged);
            }
        }
    }

    /// Walks the stages from this one on, until one holds or drops the task or it is ready.
    fn enter(&mut self, from: usize, task: Arc<Task>, now: Instant) {
        if self.phase != Phase::Running {
            self.drop_task(&task, from, DropReason::Shutdown);
            return;
        }
        if from == 0 && task.message.unknown_on_duplicate() {
            self.out.push_back(Effect::Event(Event::UnknownDuplicateRule(Arc::clone(&task))));
        }
        let mut task = task;
        for at in from..self.stages.len() {
            let kept = self.verbose.then(|| Arc::clone(&task));
            match self.stages[at].enter(task, now) {
                Verdict::Pass(passed) => task = passed,
                Verdict::Hold => {
                    let stage = self.stages[at].label();
                    self.out.extend(kept.map(|task| Effect::Event(Event::Held { task, stage })));
                    return;
                }
                Verdict::Drop(task, why) => return self.drop_task(&task, at, why),
            }
        }
        self.pools[usize::from(task.pool.0)].queue.push(task);
    }

    /// Releases what is due, from each stage to the one after it, lets pools grow, and pairs tasks with workers.
    pub(crate) fn advance(&mut self, now: Instant) {
        while let Some(due) = self.deadlines.pop_due(now) {
            self.due(due, now);
        }
        while let Some((body, number)) = self.schedules.pop_due(now) {
            self.start_scheduled(body, number, now);
        }
        for message_id in self.intake.pieces.expire(now) {
            self.out.push_back(Effect::Event(Event::ChunkExpired { message_id }));
        }
        for at in 0..self.stages.len() {
            while let Some(task) = self.stages[at].release(now) {
                self.enter(at + 1, task, now);
            }
        }
        if self.phase == Phase::Running {
            for pool in &mut self.pools {
                pool.grow(&mut self.next_worker, &mut turn!(self, now));
                pool.assign(&mut turn!(self, now));
            }
        }
        self.announce_demand();
    }

    fn announce_demand(&mut self) {
        let Some(last) = self.demand else { return };
        let running = self.phase == Phase::Running;
        let free = if running { self.pools.iter().map(Pool::free_slots).sum() } else { 0 };
        if free != last {
            self.demand = Some(free);
            self.out.push_back(Effect::Demand { free });
        }
    }

    fn due(&mut self, due: Due, now: Instant) {
        match due {
            Due::Timeout(worker, seq) => self.timed_out(worker, seq, now),
            Due::Ladder(worker) => {
                let turn = &mut turn!(self, now);
                let pool = self.pools.iter_mut().find(|pool| pool.workers.contains_key(&worker));
                pool.map(|pool| pool.with(worker, |worker| worker.climb(turn)));
            }
            Due::Patience(worker) => {
                let turn = &mut turn!(self, now);
                let pool = self.pools.iter_mut().find(|pool| pool.workers.contains_key(&worker));
                if let Some(pool) = pool {
                    pool.patience_over(worker, turn);
                }
            }
            // `advance` lets every pool grow in the same turn.
            Due::Respawn(_) => {}
            Due::ShutdownGrace => self.hurry(now),
        }
    }

    fn start_scheduled(&mut self, body: String, number: u64, now: Instant) {
        // It was read once before, when the configuration was; it reads the same again.
        if let Ok(Decoded::Task(message)) = decode(body) {
            let task = self.intake.task(message, own_source(), true, Some(format!("sch-{number}")));
            self.enter(0, task, now);
        }
    }

    fn worker_ready(&mut self, worker: WorkerId, slots: u16, ahead: u16, now: Instant) {
        let turn = &mut turn!(self, now);
        let pool = self.pools.iter_mut().find(|pool| pool.workers.contains_key(&worker));
        if let Some(pool) = pool {
            pool.ready(worker, slots, ahead, turn);
        }
    }

    pub(crate) fn pool_of(&mut self, worker: WorkerId) -> Option<&mut Pool> {
        self.pools.iter_mut().find(|pool| pool.workers.contains_key(&worker))
    }

    /// A task leaves from the stage with this number without having run.
    pub(crate) fn drop_task(&mut self, task: &Arc<Task>, reached: usize, why: DropReason) {
        self.counters.drop(why);
        self.out.push_back(Effect::Event(Event::Dropped { task: Arc::clone(task), why }));
        let outcome = if why == DropReason::Shutdown { Settled::Released } else { Settled::Acknowledged };
        self.leave(task, reached, outcome);
    }

    /// A task leaves: the stages it has passed forget it, its broker settles it.
    pub(crate) fn leave(&mut self, task: &Task, reached: usize, outcome: Settled) {
        for stage in &mut self.stages[..reached] {
            stage.settle(task);
        }
        self.settle(task.source.clone(), outcome);
    }

    fn settle(&mut self, source: Source, outcome: Settled) {
        if source.broker.is_some() {
            self.out.push_back(Effect::Settle { source, outcome });
        }
    }
}

/// The source of what the service itself starts.
fn own_source() -> Source {
    Source { broker: None, channel: Arc::from("0"), handle: 0 }
}
