//! A lane: takes a task, runs it, takes the next one. What has ended is told in batches, and never later than the lane
//! waits for anything.
//!
//! Runs are polled here, in the lane's own task: a short one costs no task of the runtime, no thread and no wake-up. A
//! panic is a failure of the run that it came from. Where it stands: the far end of `queue`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use dispatcher_engine::{Exit, Input, Task, WorkerId};
use dispatcher_protocol::{Done, Outcome, TaskError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::performer::{InsideHost, InsideTask, Performer, Run, RunEnd, RunFuture, Start};
use super::queue::{Next, Queue};
use crate::inbox::Inbox;

/// How many ends are told at once at most.
const BATCH: usize = 64;

/// Lives until it is told to leave, or is given up.
pub(super) async fn live(
    worker: WorkerId,
    performer: Arc<dyn Performer>,
    queue: Arc<Queue>,
    inbox: mpsc::Sender<Inbox>,
) {
    let ended = Vec::with_capacity(BATCH);
    let mut lane = Lane { worker, performer, queue, inbox, ended };
    loop {
        match lane.queue.next() {
            Next::Begin(task, token) => {
                let end = lane.perform(Arc::clone(&task), token).await;
                lane.note(&task, end);
                // Others have their turn, however short the tasks are.
                tokio::task::coop::consume_budget().await;
            }
            Next::Cancelled(task) => lane.note(&task, RunEnd::Cancelled),
            Next::Sleep => {
                lane.tell().await;
                lane.queue.news().await;
            }
            Next::Leave => break,
        }
        if lane.ended.len() >= BATCH {
            lane.tell().await;
        }
    }
    lane.tell().await;
    if lane.queue.end() {
        let _ = lane.inbox.send(Inbox::Engine(Input::WorkerExited { worker, exit: Exit::Code(0) })).await;
    }
}

struct Lane {
    worker: WorkerId,
    performer: Arc<dyn Performer>,
    queue: Arc<Queue>,
    inbox: mpsc::Sender<Inbox>,
    /// What is not told yet.
    ended: Vec<Done>,
}

impl Lane {
    /// Runs a task to its end, or until it is given up.
    async fn perform(&mut self, task: Arc<Task>, cancel: CancellationToken) -> RunEnd {
        let host = InsideHost { worker: self.worker, inbox: self.inbox.clone() };
        let start = Start { task: InsideTask(task), worker: self.worker.0, cancel, host };
        let (mut run, can_be_dropped) = match self.begin(start) {
            Ok(Run::Awaits(run)) => (run, true),
            Ok(Run::Blocks(run)) => (run, false),
            Err(end) => return end,
        };
        // Most are over at once.
        if let Poll::Ready(end) = std::future::poll_fn(|cx| Poll::Ready(poll(&mut run, cx))).await {
            return end;
        }
        self.tell().await;
        loop {
            tokio::select! {
                end = std::future::poll_fn(|cx| poll(&mut run, cx)) => return end,
                () = self.queue.news() => if self.queue.gives_up(can_be_dropped) {
                    // A panic there is none of ours.
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(run)));
                    return RunEnd::Cancelled;
                }
            }
        }
    }

    fn begin(&self, start: Start) -> Result<Run, RunEnd> {
        catch_unwind(AssertUnwindSafe(|| self.performer.begin(start))).map_err(|_| panicked())
    }

    fn note(&mut self, task: &Task, end: RunEnd) {
        let (outcome, error) = match end {
            RunEnd::Success => (Outcome::Success, None),
            RunEnd::Cancelled => (Outcome::Cancelled, None),
            RunEnd::Failed { kind, message } => (Outcome::Failure, Some((kind, message))),
            RunEnd::Refused { kind, message } => (Outcome::Refused, Some((kind, message))),
        };
        let error = error.map(|(kind, message)| TaskError { kind, message, trace: Vec::new() });
        self.ended.push(Done {
            uuid: task.uuid.to_string(),
            outcome,
            error,
            // Times of a worker are for those who read its frames.
            time_started: 0.0,
            time_finish: 0.0,
            is_stopping: false,
        });
    }

    async fn tell(&mut self) {
        if self.ended.is_empty() {
            return;
        }
        let done = std::mem::replace(&mut self.ended, Vec::with_capacity(BATCH));
        // A closed inbox means that the service is ending; nobody is left to tell.
        let _ = self.inbox.send(Inbox::Ended { worker: self.worker, done }).await;
    }
}

fn poll(run: &mut RunFuture, cx: &mut Context<'_>) -> Poll<RunEnd> {
    catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx))).unwrap_or_else(|_| Poll::Ready(panicked()))
}

/// Whoever performs tasks says more about the panics of theirs.
fn panicked() -> RunEnd {
    RunEnd::Failed { kind: "panic".to_owned(), message: "it panicked".to_owned() }
}
