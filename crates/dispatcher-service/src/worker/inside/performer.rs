//! What runs tasks inside this process, as the service sees it: it knows names, and begins runs.
//!
//! Holds no task and no runtime. Where it stands: between a lane and the library that has the application's functions.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use dispatcher_engine::{Input, Task, WorkerId};
use dispatcher_protocol::Progress;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::inbox::Inbox;

/// What runs tasks inside this process.
pub trait Performer: Send + Sync + 'static {
    /// The tasks that it knows, by name.
    fn names(&self) -> Vec<String>;

    /// Begins a run. Must not block: it is called where other runs are waiting.
    fn begin(&self, start: Start) -> Run;
}

/// One run that is to begin.
#[derive(Debug)]
pub struct Start {
    /// What is to be run.
    pub task: InsideTask,
    /// The number of the worker.
    pub worker: u32,
    /// Asks the run to give way: a control request, a timeout, the end of the service.
    pub cancel: CancellationToken,
    /// Where the run may ask its own service something.
    pub host: InsideHost,
}

/// A task as a run sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct InsideTask(pub(super) Arc<Task>);

impl InsideTask {
    /// The name that its message gives.
    pub fn name(&self) -> &str {
        self.0.message.task()
    }

    /// Its uuid.
    pub fn uuid(&self) -> &str {
        &self.0.uuid
    }

    /// The channel that it came by; empty for what the service itself starts.
    pub fn channel(&self) -> &str {
        &self.0.source.channel
    }

    /// Which try this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// The positional arguments as JSON, as their publisher wrote them.
    pub fn args(&self) -> Option<&str> {
        self.0.message.args()
    }

    /// The named arguments as JSON, as their publisher wrote them.
    pub fn kwargs(&self) -> Option<&str> {
        self.0.message.kwargs()
    }
}

/// A future of a run. Dropping it gives the run up.
pub type RunFuture = Pin<Box<dyn Future<Output = RunEnd> + Send>>;

/// A run that has begun.
pub enum Run {
    /// It awaits, so dropping it ends it.
    Awaits(RunFuture),
    /// It waits for a thread that no one can end.
    Blocks(RunFuture),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// It returned.
    Success,
    /// It gave way to a cancel.
    Cancelled,
    /// It failed.
    Failed {
        /// The type of the error.
        kind: String,
        /// Its text; never arguments.
        message: String,
    },
    /// It did not begin, for this reason: nobody knows the task, say.
    Refused {
        /// The type of the error.
        kind: String,
        /// Why, and what to do.
        message: String,
    },
}

/// The service, as a run may ask it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct InsideHost {
    pub(super) worker: WorkerId,
    pub(super) inbox: mpsc::Sender<Inbox>,
}

impl InsideHost {
    /// A run says how far it has come. While the driver has much to hear it is not told: something newer will follow.
    pub fn progress(&self, uuid: &str, progress: Progress) {
        let news =
            Input::TaskProgress { worker: self.worker, uuid: uuid.to_owned(), progress: Box::new(progress) };
        let _ = self.inbox.try_send(Inbox::Engine(news));
    }

    /// A control request to the service that runs this task; the error is a sentence.
    pub async fn control(
        &self,
        command: &str,
        data: Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        let (answer, answered) = oneshot::channel();
        let (from, command) = (Some(self.worker), command.to_owned());
        let sent = self.inbox.send(Inbox::Ask { from, command, data, answer }).await;
        sent.map_err(|_| GONE.to_owned())?;
        answered.await.map_err(|_| GONE.to_owned())
    }
}

const GONE: &str = "the service has ended";
