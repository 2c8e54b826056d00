//! Tasks by what they are, wherever they are: looked up and cancelled by control requests.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use dispatcher_protocol::{Progress, same_json};

use crate::engine::Engine;
use crate::event::{CancelReason, DropReason};
use crate::input::Input;
use crate::task::{Task, WorkerId};

/// What a request is about. Every part that is given must fit.
#[derive(Debug, Default)]
pub struct Filter {
    /// The whole name.
    pub task: Option<String>,
    /// The whole uuid.
    pub uuid: Option<String>,
    /// Positional arguments as JSON text.
    pub args: Option<String>,
    /// Keyword arguments as JSON text.
    pub kwargs: Option<String>,
}

impl Filter {
    /// Whether it leaves nothing out.
    pub fn is_everything(&self) -> bool {
        self.task.is_none() && self.uuid.is_none() && self.args.is_none() && self.kwargs.is_none()
    }

    /// Whether this task is meant.
    pub fn fits(&self, task: &Task) -> bool {
        self.task.as_deref().is_none_or(|name| name == task.message.task())
            && self.uuid.as_deref().is_none_or(|uuid| *uuid == *task.uuid)
            && self.args.as_deref().is_none_or(|args| equal(args, task.message.args()))
            && self.kwargs.as_deref().is_none_or(|kwargs| equal(kwargs, task.message.kwargs()))
    }
}

fn equal(wanted: &str, present: Option<&str>) -> bool {
    present.is_some_and(|present| same_json(wanted, present))
}

/// A task and where it is.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where.
    pub place: Place,
    /// The task.
    pub task: Arc<Task>,
}

/// A task that a worker has begun.
#[derive(Clone, Debug)]
pub struct RunningTask {
    /// Its worker.
    pub worker: WorkerId,
    /// The task.
    pub task: Arc<Task>,
    /// When it began.
    pub since: Instant,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this worker.
    Worker(WorkerId),
    /// Waiting; the name of the place (`blocked`, `queued`, `delayed`) and the number in it.
    Waiting(&'static str, usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Worker(worker) => write!(f, "worker-{}", worker.0),
            Self::Waiting(place, number) => write!(f, "{place}-{number}"),
        }
    }
}

impl Engine {
    /// Every running task that fits; of one worker, the one that began first stands first.
    pub fn running(&self, fits: impl Fn(WorkerId, &Task) -> bool) -> Vec<RunningTask> {
        let mut found = Vec::new();
        for worker in self.workers_by_use() {
            let running = worker.running.iter().filter(|running| fits(worker.id, &running.task));
            found.extend(running.map(|running| RunningTask {
                worker: worker.id,
                task: Arc::clone(&running.task),
                since: running.since,
            }));
        }
        found
    }

    /// Every task that fits, in the order of [`Engine::visit`].
    pub fn find(&self, filter: &Filter) -> Vec<Found> {
        let mut found = Vec::new();
        let _ = self.visit(filter, &mut |place, task| {
            found.push(Found { place, task: Arc::clone(task) });
            ControlFlow::Continue(())
        });
        found
    }

    /// How far a task that this worker runs has come, as it said last.
    pub fn progress(&self, worker: WorkerId, uuid: &str) -> Option<&Progress> {
        let worker = self.pools.iter().find_map(|pool| pool.workers.get(&worker))?;
        worker.running.iter().find(|running| *running.task.uuid == *uuid)?.progress.as_deref()
    }

    /// Shows each task that fits until it is enough: running ones first, then blocked, queued and delayed ones.
    pub fn visit(
        &self,
        filter: &Filter,
        see: &mut dyn FnMut(Place, &Arc<Task>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for worker in self.workers_by_use() {
            for running in worker.running.iter().filter(|running| filter.fits(&running.task)) {
                see(Place::Worker(worker.id), &running.task)?;
            }
        }
        self.visit_stage("blocked", filter, see)?;
        let ready = self.pools.iter().flat_map(|pool| {
            let handed = pool.workers.values().flat_map(|worker| &worker.ahead).map(|handed| &handed.task);
            handed.chain(pool.queue.iter())
        });
        visit("queued", ready.chain(self.routes.waiting.iter()), filter, see)?;
        self.visit_stage("delayed", filter, see)
    }

    fn visit_stage(
        &self,
        label: &'static str,
        filter: &Filter,
        see: &mut dyn FnMut(Place, &Arc<Task>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for stage in self.stages.iter().filter(|stage| stage.label() == label) {
            visit(label, stage.waiting().into_iter(), filter, see)?;
        }
        ControlFlow::Continue(())
    }

    /// How many tasks there are: running, ready or waiting.
    pub fn task_count(&self) -> usize {
        let held: usize = self.stages.iter().map(|stage| stage.len()).sum();
        self.running_count() + self.queued_count() + held
    }

    /// Cancels every task that fits, and says which those were. Running ones are asked to give way, and the ladder
    /// begins; waiting ones are dropped. Take the effects out afterwards, as after [`Engine::handle`].
    pub fn cancel(&mut self, filter: &Filter, now: Instant) -> Vec<Found> {
        let found = self.find(filter);
        let fits = |task: &Task| filter.fits(task);
        self.turn.now = self.turn.now.max(now);
        for at in 0..self.pools.len() {
            self.pools[at].cancel(&fits, CancelReason::Control, &mut self.turn);
            let ready = self.pools[at].queue.remove(&fits);
            self.drop_ready(&ready, DropReason::Cancelled);
        }
        let unrouted = self.routes.waiting.remove(&fits);
        self.drop_ready(&unrouted, DropReason::Cancelled);
        for at in 0..self.stages.len() {
            for task in self.stages[at].remove(&fits) {
                self.drop_task(&task, at, DropReason::Cancelled);
            }
        }
        // What was freed goes on in this same turn.
        self.handle(Input::Tick, now);
        found
    }
}

fn visit<'a>(
    label: &'static str,
    tasks: impl Iterator<Item = &'a Arc<Task>>,
    filter: &Filter,
    see: &mut dyn FnMut(Place, &Arc<Task>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    for (number, task) in tasks.enumerate().filter(|(_, task)| filter.fits(task)) {
        see(Place::Waiting(label, number), task)?;
    }
    ControlFlow::Continue(())
}
