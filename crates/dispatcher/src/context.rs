//! What a running task may know and ask: who it is, whether it should stop, its service, its progress.
//!
//! Whoever runs tasks stands behind [`Host`]: a worker program, a service in the same process, or a test.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use dispatcher_protocol::Progress;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

/// One run of one task, from the inside. Cheap to clone.
#[derive(Clone)]
pub struct TaskContext {
    run: Arc<dyn Details>,
    token: CancellationToken,
    host: Arc<dyn Host>,
}

/// What is known of a run when it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunInfo {
    /// Of the message.
    pub uuid: String,
    /// The task's name.
    pub task: String,
    /// The channel that the message came by; empty for what the service itself starts.
    pub queue: String,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The worker's number in its service.
    pub worker_id: u32,
}

/// The same, from wherever it is kept already.
pub(crate) trait Details: Send + Sync + 'static {
    fn uuid(&self) -> &str;
    fn task(&self) -> &str;
    fn queue(&self) -> &str;
    fn attempt(&self) -> u32;
    fn worker_id(&self) -> u32;
}

impl Details for RunInfo {
    fn uuid(&self) -> &str {
        &self.uuid
    }

    fn task(&self) -> &str {
        &self.task
    }

    fn queue(&self) -> &str {
        &self.queue
    }

    fn attempt(&self) -> u32 {
        self.attempt
    }

    fn worker_id(&self) -> u32 {
        self.worker_id
    }
}

/// A boxed future of a host.
pub type HostFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Whoever runs tasks.
pub trait Host: Send + Sync + 'static {
    /// A run says how far it has come. Never waits.
    fn progress(&self, uuid: &str, progress: Progress);

    /// A control request to the service that runs this task; the error is a sentence.
    fn control<'a>(
        &'a self,
        command: &'a str,
        data: Map<String, Value>,
    ) -> HostFuture<'a, Result<Map<String, Value>, String>>;
}

impl TaskContext {
    /// A run that this host is about to begin.
    pub fn new(run: RunInfo, token: CancellationToken, host: Arc<dyn Host>) -> Self {
        Self::of(Arc::new(run), token, host)
    }

    pub(crate) fn of(run: Arc<dyn Details>, token: CancellationToken, host: Arc<dyn Host>) -> Self {
        Self { run, token, host }
    }

    /// The message's uuid.
    pub fn uuid(&self) -> &str {
        self.run.uuid()
    }

    /// The task's name.
    pub fn task(&self) -> &str {
        self.run.task()
    }

    /// The channel that the message came by; empty for what the service itself starts.
    pub fn queue(&self) -> &str {
        self.run.queue()
    }

    /// Which try this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.run.attempt()
    }

    /// The worker's number in its service.
    pub fn worker_id(&self) -> u32 {
        self.run.worker_id()
    }

    /// Whether this run was cancelled or is out of time.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// The same for code that awaits.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.token
    }

    /// Says how far this run has come.
    pub fn progress(&self, progress: Progress) {
        self.host.progress(self.uuid(), progress);
    }

    /// Asks the service that runs this task; the error is a sentence.
    pub async fn control(
        &self,
        command: &str,
        data: Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        self.host.control(command, data).await
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext")
            .field("uuid", &self.uuid())
            .field("task", &self.task())
            .field("queue", &self.queue())
            .field("attempt", &self.attempt())
            .field("worker_id", &self.worker_id())
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
