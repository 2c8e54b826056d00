//! What happened, for logs and counters. Holds tasks and numbers, no sentences: nothing is formatted here.
//!
//! Whoever writes an event down must leave out `args` and `kwargs`.

use std::sync::Arc;
use std::time::Duration;

use dispatcher_protocol::{Outcome, TaskError};

use crate::input::Exit;
use crate::task::{PoolId, Task, WorkerId};

/// One thing that happened.
#[derive(Debug)]
pub enum Event {
    /// A message was refused before it became a task.
    Refused {
        /// A stable label for counters.
        reason: &'static str,
        /// What is wrong, for people.
        text: String,
        /// Where it came by.
        channel: Arc<str>,
        /// How long it was; its text is never shown.
        bytes: usize,
    },
    /// The message asks for a duplicate rule that nobody knows; the task runs as `parallel`.
    UnknownDuplicateRule(Arc<Task>),
    /// Pieces of a message did not come in time.
    ChunkExpired {
        /// The message.
        message_id: String,
    },
    /// A message became a task (only when [`crate::Config::verbose`]).
    Accepted(Arc<Task>),
    /// A task waits for its time or its twin (only when [`crate::Config::verbose`]).
    Held {
        /// The task.
        task: Arc<Task>,
        /// Where: `delayed` or `blocked`.
        stage: &'static str,
    },
    /// A task was given to a worker (only when [`crate::Config::verbose`]).
    Started {
        /// The task.
        task: Arc<Task>,
        /// Its worker.
        worker: WorkerId,
    },
    /// A task ended in its worker (a success only when [`crate::Config::verbose`]).
    Finished {
        /// The task.
        task: Arc<Task>,
        /// Its worker.
        worker: WorkerId,
        /// How.
        outcome: Outcome,
        /// Why, when not well.
        error: Option<Box<TaskError>>,
        /// How long it had its worker.
        ran: Duration,
        /// Who cancelled it, if anyone.
        cancelled: Option<CancelReason>,
    },
    /// A task left without having run.
    Dropped {
        /// The task.
        task: Arc<Task>,
        /// Why.
        why: DropReason,
    },
    /// A task's worker died under it.
    Lost {
        /// The task.
        task: Arc<Task>,
        /// Its worker.
        worker: WorkerId,
        /// How the worker ended.
        exit: Exit,
        /// Who had cancelled it, if anyone.
        cancelled: Option<CancelReason>,
        /// The task of the same worker for which it was ended, if that was another one.
        neighbour: Option<Arc<Task>>,
    },
    /// A step of the ladder that ends a running task, or a worker that does not leave.
    Ladder {
        /// The cancelled task; none when the worker was idle.
        task: Option<Arc<Task>>,
        /// The worker.
        worker: WorkerId,
        /// The step.
        rung: Rung,
        /// Why the ladder was begun.
        why: CancelReason,
    },
    /// A worker says that a task has ended which it does not have.
    StrayResult {
        /// The worker.
        worker: WorkerId,
    },
    /// Tasks that were handed out early came back unstarted (only when [`crate::Config::verbose`]).
    TakenBack {
        /// The worker that had them.
        worker: WorkerId,
        /// How many.
        tasks: usize,
    },
    /// A worker was asked for.
    WorkerSpawned {
        /// Which.
        worker: WorkerId,
        /// Its pool.
        pool: PoolId,
        /// What for.
        why: SpawnReason,
    },
    /// A worker can be given tasks.
    WorkerReady {
        /// Which.
        worker: WorkerId,
        /// Its pool.
        pool: PoolId,
    },
    /// No worker of this pool has said what it knows, and it is waited for no longer.
    PoolSilent {
        /// Which.
        pool: PoolId,
        /// As the configuration calls it.
        name: String,
    },
    /// A worker was told to leave.
    WorkerStopping {
        /// Which.
        worker: WorkerId,
        /// What for.
        why: StopReason,
        /// It is running a task, which it ends first.
        busy: bool,
    },
    /// A worker is gone.
    WorkerGone {
        /// Which.
        worker: WorkerId,
        /// How.
        exit: Exit,
        /// Whether it was told to go.
        expected: bool,
    },
    /// A worker could not be started; the next try waits.
    StartFailed {
        /// Which.
        worker: WorkerId,
        /// Why.
        why: String,
        /// The name of its pool.
        pool: String,
        /// How long.
        retry_in: Duration,
        /// Failed starts one after the other.
        failures: u32,
    },
    /// The stop has begun.
    Stopping {
        /// Tasks that are running.
        running: usize,
        /// Tasks that will not run any more, by name; the most frequent first.
        abandoned: Vec<(Box<str>, usize)>,
    },
    /// The stop goes on: running tasks still have time. Said again and again.
    Draining {
        /// Tasks that are running, by name.
        running: Vec<(Box<str>, usize)>,
        /// How long they may run on.
        left: Duration,
    },
    /// No task is taken any more and none is left.
    Drained,
}

/// What a worker was told to leave for, the stop of the service apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Fewer are enough.
    Demand,
    /// It has reached its greatest age.
    Age,
    /// It has run as many tasks as it may.
    Tasks,
    /// It holds more memory than it may.
    Memory,
    /// A control request wants it replaced.
    Recycle,
    /// A control request wants fewer.
    Scale,
}

impl StopReason {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Demand, Self::Age, Self::Tasks, Self::Memory, Self::Recycle, Self::Scale];

    /// A short name for counters that never changes.
    pub fn label(self) -> &'static str {
        match self {
            Self::Demand => "demand",
            Self::Age => "age",
            Self::Tasks => "tasks",
            Self::Memory => "memory",
            Self::Recycle => "recycle",
            Self::Scale => "scale",
        }
    }
}

/// What a worker was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnReason {
    /// There were fewer than the minimum: at the start, or in place of one that is gone.
    Minimum,
    /// Tasks wait.
    Demand,
}

/// Why a task left without having run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// An equal task is here and the message says to discard.
    Duplicate,
    /// A control request cancelled it while it waited.
    Cancelled,
    /// The service stops.
    Shutdown,
    /// The service takes no more tasks, by [`Input::Quiet`](crate::Input::Quiet).
    Quiet,
    /// Too many tasks are here already; a stable label for counters says which bound was met.
    Full(&'static str),
}

/// Why a running task was asked to give way, or a worker to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// A control request.
    Control,
    /// Its own timeout.
    Timeout,
    /// The service, or its worker, comes to its end.
    Shutdown,
}

/// A step of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// The task was asked to give way.
    Cancel,
    /// Its worker got SIGTERM.
    Terminate,
    /// Its worker got SIGKILL.
    Kill,
}
