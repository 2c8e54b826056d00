//! A task, run here and now as a worker runs it: its arguments travel as JSON, a panic is a failure.

use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::Recorded;
use crate::context::{Host, HostFuture, Progress, RunInfo, TaskContext};
use crate::definition::{Definition, Failure, Outcome};
use crate::perform::perform;
use crate::registry::Registry;
use crate::submission::Submission;

/// How a run ended, and what it said on its way.
#[derive(Clone, Debug)]
pub struct Ended {
    outcome: Outcome,
    progress: Vec<Progress>,
}

impl Ended {
    /// The end itself.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// What the task gave back.
    ///
    /// # Panics
    /// The task failed, or gave something else back.
    #[track_caller]
    pub fn result<T: DeserializeOwned>(&self) -> T {
        match &self.outcome {
            Ok(text) => match dispatcher_protocol::from_json(text.as_deref().unwrap_or("null")) {
                Ok(value) => value,
                Err(error) => panic!("the result {error}"),
            },
            Err(failure) => panic!("the task has failed: {}", told(failure)),
        }
    }

    /// What it told of its progress, in order.
    pub fn progress(&self) -> &[Progress] {
        &self.progress
    }
}

/// Runs a task here and now, as a worker would.
///
/// ```
/// use dispatcher::testing;
///
/// #[dispatcher::task]
/// async fn double(number: u64) -> u64 {
///     number * 2
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(testing::run(double::submit(4)).await.result::<u64>(), 8);
/// # });
/// ```
///
/// # Panics
/// This program has no such task, or two of one name; or the submission cannot be published.
pub async fn run(submission: Submission) -> Ended {
    run_with(submission, CancellationToken::new()).await
}

/// Runs a task that is cancelled before it begins: one that cooperates shows how it gives way.
///
/// # Panics
/// As [`run`].
pub async fn run_cancelled(submission: Submission) -> Ended {
    let token = CancellationToken::new();
    token.cancel();
    run_with(submission, token).await
}

async fn run_with(submission: Submission, token: CancellationToken) -> Ended {
    let recorded = Recorded::expected(submission);
    let registry = match Registry::all() {
        Ok(registry) => registry,
        Err(duplicate) => panic!("{duplicate}"),
    };
    match registry.get(recorded.task()) {
        Some(definition) => run_task(definition, &recorded, token).await,
        None => {
            panic!("this program has no task {}; it has {}", recorded.task(), registry.names().join(", "))
        }
    }
}

pub(super) async fn run_recorded(definition: &Definition, recorded: &Recorded) -> Ended {
    run_task(definition, recorded, CancellationToken::new()).await
}

async fn run_task(definition: &Definition, recorded: &Recorded, token: CancellationToken) -> Ended {
    let run = RunInfo {
        uuid: recorded.uuid().to_owned(),
        task: recorded.task().to_owned(),
        queue: recorded.channel().to_owned(),
        attempt: 1,
        worker_id: 0,
    };
    let notes = Arc::new(Notes::default());
    let host: Arc<dyn Host> = Arc::<Notes>::clone(&notes);
    let context = TaskContext::new(run, token, host);
    let outcome = perform(definition, context, recorded.arguments()).await;
    let progress = std::mem::take(&mut *notes.0.lock().unwrap_or_else(PoisonError::into_inner));
    Ended { outcome, progress }
}

/// A failure as a sentence.
pub(super) fn told(failure: &Failure) -> String {
    match failure {
        Failure::Cancelled => "it was cancelled".to_owned(),
        Failure::Failed { kind, message } => format!("{kind}: {message}"),
    }
}

/// A host that writes down what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<Progress>>);

impl Host for Notes {
    fn progress(&self, _uuid: &str, progress: Progress) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(progress);
    }

    fn control<'a>(
        &'a self,
        _command: &'a str,
        _data: Map<String, Value>,
    ) -> HostFuture<'a, Result<Map<String, Value>, String>> {
        Box::pin(async { Err("there is no service: the task is run by a test".to_owned()) })
    }
}
