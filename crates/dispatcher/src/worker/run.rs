//! One run: from its message to its end, with the messages that follow it.
//!
//! There is always an end to report, whatever a task does. What goes over the channel is the loop's.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dispatcher_protocol::{Outcome, RunFrame, RunMessage, TaskError, follow_ups};
use tracing::{Instrument, error};

use super::hand::{Hand, News, RunId};
use super::policy::Policy;
use crate::context::TaskContext;
use crate::definition::{Arguments, Failure};
use crate::perform::perform;
use crate::registry::Registry;

/// What all runs of a worker share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) registry: Registry,
    pub(super) policy: Policy,
    pub(super) hand: Arc<Hand>,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) result: Option<String>,
    pub(super) error: Option<TaskError>,
    /// Since the epoch.
    pub(super) started: Duration,
    /// Since the epoch.
    pub(super) finished: Duration,
}

impl Ending {
    fn badly(outcome: Outcome, kind: &str, message: String) -> Self {
        let error = TaskError { kind: kind.to_owned(), message, trace: Vec::new() };
        Self { outcome, result: None, error: Some(error), started: now(), finished: now() }
    }
}

/// Tells the end of a run even when the run goes under in a way that nothing else sees (a destructor that panics).
struct Report {
    id: RunId,
    shared: Arc<Shared>,
    ending: Option<Ending>,
}

impl Drop for Report {
    fn drop(&mut self) {
        let ending = self.ending.take().unwrap_or_else(|| {
            Ending::badly(Outcome::Failure, "panic", "it panicked while it was being cleared away".to_owned())
        });
        self.shared.hand.tell(News::Ended(self.id, Box::new(ending)));
    }
}

/// Runs a task, and tells the loop how it ended.
pub(super) async fn run(id: RunId, frame: Box<RunFrame>, context: TaskContext, shared: Arc<Shared>) {
    let mut report = Report { id, shared, ending: None };
    let span = tracing::info_span!("task", uuid = context.uuid(), task = context.task());
    let RunFrame { message, trusted, .. } = *frame;
    let run = carry_out(message, trusted, &context, &report.shared);
    let ending = if span.is_disabled() { run.await } else { run.instrument(span).await };
    report.ending = Some(ending);
}

/// One message, then its errbacks if it failed, and its callbacks unless it was cancelled.
async fn carry_out(message: RunMessage, trusted: bool, context: &TaskContext, shared: &Shared) -> Ending {
    let RunMessage { task, args, kwargs, callbacks, errbacks, .. } = message;
    let mut ending = call(&task, Arguments { args, kwargs }, trusted, context, shared).await;
    if let Some(errbacks) = errbacks.filter(|_| ending.outcome == Outcome::Failure) {
        follow("errbacks", &errbacks, trusted, context, shared, &mut ending).await;
    }
    if let Some(callbacks) = callbacks.filter(|_| ending.outcome != Outcome::Cancelled) {
        follow("callbacks", &callbacks, trusted, context, shared, &mut ending).await;
    }
    ending
}

/// Runs the messages of this list as parts of their task. Whoever cancels a task means what is left of it.
async fn follow(
    what: &str,
    list: &str,
    trusted: bool,
    context: &TaskContext,
    shared: &Shared,
    ending: &mut Ending,
) {
    let (uuid, of) = (context.uuid(), context.task());
    let Some(entries) = follow_ups(list) else {
        return error!(uuid, "{what} of task {of}: no list of messages");
    };
    for entry in entries {
        if ending.outcome == Outcome::Cancelled {
            return;
        }
        let Some(message) = entry else {
            error!(uuid, "{what} of task {of}: an entry is no task message");
            continue;
        };
        let task = message.task.clone();
        let own = Box::pin(carry_out(message, trusted, context, shared)).await;
        let why = own.error.as_ref().map_or("", |error| error.message.as_str());
        if own.outcome == Outcome::Cancelled {
            (ending.outcome, ending.error) = (own.outcome, own.error);
        } else if own.outcome != Outcome::Success {
            error!(uuid, "{what} of task {of}: {task} ended as {:?}: {why}", own.outcome);
        }
        ending.finished = own.finished;
    }
}

/// Calls one task.
async fn call(
    name: &str,
    arguments: Arguments,
    trusted: bool,
    context: &TaskContext,
    shared: &Shared,
) -> Ending {
    let Some(task) = shared.registry.get(name) else {
        let message = format!(
            "task '{name}' is not known to this worker program: is it registered there, and is the program of this version?"
        );
        return Ending::badly(Outcome::Failure, "TaskNotFound", message);
    };
    if let Some(why) = shared.policy.refusal(name).filter(|_| !trusted) {
        return Ending::badly(Outcome::Refused, "TaskRefused", why);
    }
    let started = now();
    // A cancel that was read before the task began leaves nothing to begin.
    let ended = if context.is_cancelled() {
        Err(Failure::Cancelled)
    } else {
        perform(task, context.clone(), arguments).await
    };
    let finished = now();
    let (outcome, result, error) = match ended {
        Ok(result) => (Outcome::Success, result, None),
        Err(Failure::Cancelled) => {
            (Outcome::Cancelled, None, Some(("Cancelled".to_owned(), "cancelled".to_owned())))
        }
        // It has seen its cancel, and ended in its own words.
        Err(Failure::Failed { kind, message }) if context.is_cancelled() => {
            (Outcome::Cancelled, None, Some((kind, message)))
        }
        Err(Failure::Failed { kind, message }) => (Outcome::Failure, None, Some((kind, message))),
    };
    let error = error.map(|(kind, message)| TaskError { kind, message, trace: Vec::new() });
    Ending { outcome, result, error, started, finished }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
