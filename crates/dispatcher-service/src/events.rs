//! The engine's events as log lines. Task names, uuids, sizes and reasons; never `args` or `kwargs`.

use std::fmt::Write;

use dispatcher_engine::{CancelReason, DropReason, Event, Rung, RunningTask, StopReason, WorkerId};
use dispatcher_protocol::Outcome;
use tracing::{debug, error, info, warn};

/// How many names one line lists.
const LISTED: usize = 20;

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
            let count: usize = abandoned.iter().map(|(_, count)| count).sum();
            if count > 0 {
                let names = listed(&abandoned);
                error!(target: "dispatcher.main", abandoned = count, "abandoned at shutdown, will not run: {names}");
            }
            info!(target: "dispatcher.main", running, abandoned = count, "stopping");
        }
        Event::Draining { running, left } => {
            let (names, left) = (listed(&running), left.as_secs());
            info!(target: "dispatcher.main", left, "still running: {names}; cancelled in {left} s");
        }
        Event::Drained => {
            info!(target: "dispatcher.main", "quiet, and no task is left: the service can be stopped without loss");
        }
        event @ (Event::Started { .. }
        | Event::Finished { .. }
        | Event::Lost { .. }
        | Event::Ladder { .. }) => task_event(event),
        event => worker_event(event),
    }
}

/// Names and how often each, those that are too many only counted.
fn listed(names: &[(Box<str>, usize)]) -> String {
    let shown = names.iter().take(LISTED).map(|(name, count)| format!("{name} ({count})"));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        let rest: usize = names[LISTED..].iter().map(|(_, count)| count).sum();
        let _ = write!(text, " and {rest} of {} other names", names.len() - LISTED);
    }
    text
}

fn dropped(task: &dispatcher_engine::Task, why: DropReason) {
    match why {
        DropReason::Duplicate => {
            info!(target: "dispatcher.stage", "discarded, an equal task is here: {task}");
        }
        DropReason::Cancelled => info!(target: "dispatcher.stage", "cancelled while it waited: {task}"),
        DropReason::Quiet => {
            warn!(target: "dispatcher.main", "not taken, this service is quiet: {task}");
        }
        DropReason::Full(bound) => {
            error!(target: "dispatcher.stage", bound, "dropped, too many tasks are here: {task}; see service.queue_limit");
        }
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
        Event::Lost { task, worker, exit, cancelled, neighbour } => {
            let cause = cancelled.map_or("", reason);
            let sake = neighbour.map_or_else(String::new, |other| format!(", for the sake of {other}"));
            error!(target: "dispatcher.pool", worker = worker.0, "lost{cause}: {task}; its worker {exit}{sake}");
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
        Event::PoolSilent { name, .. } => {
            warn!(
                target: "dispatcher.pool",
                "no worker of the pool {name} has come up to say which tasks it knows: those that no pool claims go to the first one now"
            );
        }
        Event::WorkerReady { worker, .. } => {
            debug!(target: "dispatcher.pool", worker = worker.0, "worker ready");
        }
        Event::WorkerStopping { worker, why, busy } => {
            let why = match why {
                StopReason::Demand => "fewer are enough",
                StopReason::Age => "it has reached worker_max_lifetime_seconds",
                StopReason::Tasks => "it has run worker.max_tasks",
                StopReason::Memory => "it holds more than worker.max_rss",
                StopReason::Recycle => "it is recycled",
                StopReason::Scale => "fewer are wanted",
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
        Event::StartFailed { worker, pool, why, retry_in, failures } => {
            error!(
                target: "dispatcher.pool",
                worker = worker.0,
                pool,
                failures,
                retry_in = retry_in.as_secs_f64(),
                "a start failed ({failures} in a row): the worker {why}"
            );
        }
        _ => {}
    }
}

/// What a worker was doing before it was ended by force.
pub(crate) fn stack(
    worker: WorkerId,
    before: Rung,
    tasks: &[RunningTask],
    stack: &Result<Vec<String>, String>,
) {
    let signal = if before == Rung::Kill { "SIGKILL" } else { "SIGTERM" };
    let tasks: Vec<String> = tasks.iter().map(|running| running.task.to_string()).collect();
    let tasks = tasks.join(", ");
    let worker = worker.0;
    match stack {
        Ok(lines) => {
            let stack = lines.join("\n");
            warn!(target: "dispatcher.pool", worker, stack, "before {signal}, the stack of {tasks}");
        }
        Err(why) => warn!(target: "dispatcher.pool", worker, "before {signal}, no stack of {tasks}: {why}"),
    }
}

fn reason(why: CancelReason) -> &'static str {
    match why {
        CancelReason::Control => " (asked by control)",
        CancelReason::Timeout => " (timeout)",
        CancelReason::Shutdown => " (shutdown)",
    }
}
