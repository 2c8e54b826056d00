//! `pause`, `quiet` and `resume`: whether tasks are taken, and whether they begin. Each says what is left.

use dispatcher_engine::Input;
use serde_json::json;
use tracing::warn;

use super::{Context, Reply, main_status, object};

/// Tasks are taken and wait; none begins. Running ones run on.
pub(super) fn pause(context: &mut Context<'_>, _data: &Reply) -> Reply {
    turn(context, Input::Pause, "paused: tasks are taken and none begins until the service is resumed")
}

/// No task is taken; those that are here begin and end. For a deploy: quiet, wait until nothing is left, stop.
pub(super) fn quiet(context: &mut Context<'_>, _data: &Reply) -> Reply {
    turn(
        context,
        Input::Quiet,
        "quiet: no task is taken until the service is resumed; those that are here run",
    )
}

/// As before a pause or a quiet.
pub(super) fn resume(context: &mut Context<'_>, _data: &Reply) -> Reply {
    turn(context, Input::Resume, "resumed: tasks are taken and begin")
}

fn turn(context: &mut Context<'_>, input: Input, what: &str) -> Reply {
    let before = context.engine.switches();
    context.engine.handle(input, context.now);
    if context.engine.switches() != before {
        warn!(target: "dispatcher.main", "{what}");
    }
    let engine = &*context.engine;
    object(json!({
        "state": main_status::state(engine),
        "left": {
            "running": engine.running_count(),
            "queued": engine.queued_count(),
            "delayed": engine.held_count("delayed"),
            "blocked": engine.held_count("blocked"),
        },
    }))
}
