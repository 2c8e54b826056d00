//! Everything the engine can ask for.

use std::sync::Arc;

use dispatcher_protocol::ControlRequest;

use crate::event::Event;
use crate::task::{PoolId, Source, Task, WorkerId};

/// One thing to do. The driver carries effects out in order and never makes the engine wait.
#[derive(Debug)]
pub enum Effect {
    /// Start a worker process.
    Spawn {
        /// Its number.
        worker: WorkerId,
        /// Its pool.
        pool: PoolId,
    },
    /// Hand a task to a worker.
    Run {
        /// Which.
        worker: WorkerId,
        /// The ticket, rising by worker.
        seq: u64,
        /// The task.
        task: Arc<Task>,
    },
    /// Take back what the worker has not begun; the answer is an input.
    TakeBack {
        /// Which.
        worker: WorkerId,
    },
    /// Cancel one running task.
    Cancel {
        /// Which.
        worker: WorkerId,
        /// The task.
        uuid: Box<str>,
    },
    /// SIGTERM.
    Terminate {
        /// Which.
        worker: WorkerId,
    },
    /// SIGKILL, to everything below it too.
    Kill {
        /// Which.
        worker: WorkerId,
    },
    /// Tell a worker to leave when idle.
    StopWorker {
        /// Which.
        worker: WorkerId,
    },
    /// A delivery has left the engine. Exactly once for each.
    Settle {
        /// Where it came from.
        source: Source,
        /// How it ended.
        outcome: Settled,
    },
    /// An ended worker is not shown any more. Said exactly once for each [`Effect::Spawn`], after its exit.
    Forget {
        /// Which.
        worker: WorkerId,
    },
    /// A control request was read; the driver answers it between two inputs.
    Control {
        /// What is asked.
        request: Box<ControlRequest>,
        /// Where the reply goes.
        source: Source,
    },
    /// Something worth a log line or a counter.
    Event(Event),
    /// How many tasks could begin at once now; for brokers that are asked for work instead of pushing it.
    Demand {
        /// How many.
        free: usize,
    },
    /// After a stop: nothing is left.
    Finished,
    /// Workers cannot be started; the service must not go on as if they could.
    GiveUp {
        /// Why, for people.
        why: String,
    },
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It ran, well or badly, or somebody wanted it to end, or it will never run: forget it.
    Acknowledged,
    /// It was begun, and its run was cut off by the death of its worker or by the end of the service.
    Lost,
    /// It was never begun.
    Released,
}
