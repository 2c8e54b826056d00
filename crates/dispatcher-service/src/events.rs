//! The engine's events as log lines. Task names, uuids, sizes and reasons; never `args` or `kwargs`.

use dispatcher_engine::{CancelReason, DropReason, Event, Rung, StopReason};
use dispatcher_protocol::Outcome;
use tracing::{debug, error, info, warn};

/// One event, one line.
pub(crate) fn record(event: Event) {
    match event {
        Event::Refused { reason, text, channel, bytes } => {
            warn!(target: "dispatcher.intake", reason, %channel, bytes, "message refused: {text}");
        }
        Event::UnknownDuplicateRule(task) => {
            warn!(target: "dispatcher.intake", "unknown on_duplicate value, runs as parallel: {task}");
        }
        Event::ChunkExpired { message_id } => {
            warn!(target: "dispatcher.intake", message_id, "the other pieces of a message did not come in time");
        }
        Event::Held { task, stage } => debug!(target: "dispatcher.stage", "{stage}: {task}"),
        Event::Dropped { task, why } => dropped(&task, why),
        Event::StrayResult { worker } => {
            debug!(target: "dispatcher.pool", worker = worker.0, "result of a task that this worker does not have");
        }
        Event::Stopping { running, abandoned } => {
            info!(target: "dispatcher.main", running, abandoned, "stopping");
        }
        event @ (Event::Started { .. }
        | Event::Finished { .. }
        | Event::Lost { .. }
        | Event::Ladder { .. }) => task_event(event),
        event => worker_event(event),
    }
}

fn dropped(task: &dispatcher_engine::Task, why: DropReason) {
    match why {
        DropReason::Duplicate => {
            info!(target: "dispatcher.stage", "discarded, an equal task is here: {task}");
        }
        DropReason::Cancelled => info!(target: "dispatcher.stage", "cancelled while it waited: {task}"),
        DropReason::Shutdown => {
            error!(target: "dispatcher.main", "abandoned at shutdown, will not run: {task}");
        }
    }
}

fn task_event(event: Event) {
    match event {
        Event::Started { task, worker } => {
            debug!(target: "dispatcher.pool", worker = worker.0, "started {task}");
        }
        Event::Finished { task, worker, outcome: Outcome::Success, ran, .. } => {
            debug!(target: "dispatcher.pool", worker = worker.0, seconds = ran.as_secs_f64(), "finished {task}");
        }
        Event::Finished { task, worker, outcome, error, ran, cancelled } => {
            let how = match (outcome, cancelled) {
                (Outcome::Cancelled, Some(CancelReason::Timeout)) => "timed out",
                (Outcome::Cancelled, _) => "cancelled",
                (Outcome::Refused, _) => "refused by its worker",
                _ => "failed",
            };
            let error = error.unwrap_or_default();
            warn!(
                target: "dispatcher.pool",
                worker = worker.0,
                seconds = ran.as_secs_f64(),
                error = error.kind,
                "{how}: {task} {}",
                error.message
            );
        }
        Event::Lost { task, worker, exit, cancelled } => {
            let cause = cancelled.map_or("", reason);
            error!(target: "dispatcher.pool", worker = worker.0, "lost{cause}: {task}; its worker {exit}");
        }
        Event::Ladder { task, worker, rung, why } => {
            let what = task.map_or_else(String::new, |task| format!(" {task}"));
            let step = match rung {
                Rung::Cancel => "cancelling",
                Rung::Terminate => "SIGTERM to the worker of",
                Rung::Kill => "SIGKILL to the worker of",
            };
            warn!(target: "dispatcher.pool", worker = worker.0, "{step}{what}{}", reason(why));
        }
        _ => {}
    }
}

fn worker_event(event: Event) {
    match event {
        Event::WorkerReady { worker, .. } => {
            debug!(target: "dispatcher.pool", worker = worker.0, "worker ready");
        }
        Event::WorkerStopping { worker, why, busy } => {
            let why = match why {
                StopReason::Demand => "fewer are enough",
                StopReason::Age => "it has reached worker_max_lifetime_seconds",
            };
            let when = if busy { "after its task" } else { "now" };
            info!(target: "dispatcher.pool", worker = worker.0, "worker leaves {when}: {why}");
        }
        Event::WorkerGone { worker, exit, expected: true } => {
            debug!(target: "dispatcher.pool", worker = worker.0, "worker {exit}");
        }
        Event::WorkerGone { worker, exit, expected: false } => {
            warn!(target: "dispatcher.pool", worker = worker.0, "worker {exit}");
        }
        Event::StartFailed { worker, why, retry_in } => {
            error!(
                target: "dispatcher.pool",
                worker = worker.0,
                retry_in = retry_in.as_secs_f64(),
                "worker {why}"
            );
        }
        _ => {}
    }
}

fn reason(why: CancelReason) -> &'static str {
    match why {
        CancelReason::Control => " (asked by control)",
        CancelReason::Timeout => " (timeout)",
        CancelReason::Shutdown => " (shutdown)",
    }
}
