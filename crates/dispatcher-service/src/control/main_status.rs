//! `main`: the counts of the service and its pool.

use dispatcher_engine::{Engine, PoolView};
use serde_json::{Value, json};

use super::{Context, Reply, object};

pub(super) fn main_status(context: &mut Context<'_>, _data: &Reply) -> Reply {
    let counters = context.engine.counters();
    let pool = context.engine.pool_view();
    let refused: serde_json::Map<_, _> =
        counters.refused.iter().map(|(reason, count)| ((*reason).to_owned(), Value::from(*count))).collect();
    let held = context.engine.held();
    let reply = json!({
        "received_count": counters.received,
        "control_count": counters.control,
        "pid": std::process::id(),
        "pool": {
            "next_worker_id": pool.next_worker,
            "finished_count": counters.finished,
            "canceled_count": counters.canceled,
            "retirement_count": context.engine.retired_count(),
            "worker_ct": pool.workers,
            "running_ct": pool.running,
            "active_task_ct": pool.active,
            "delayed_ct": context.engine.held_count("delayed"),
            "blocked_ct": context.engine.held_count("blocked"),
            "discarded_count": counters.discarded,
            "abandoned_count": counters.abandoned,
            "workers_lost_count": counters.workers_lost,
            "usage": usage(context, &pool),
        },
        "pools": super::pools::shown(context.engine),
        "state": state(context.engine),
        "held": {"tasks": held.0, "bytes": held.1},
        "start_failures": context.engine.start_failures(),
        "to_recycle": context.engine.renewing_count(),
        "refused": refused,
        "uptime": context.service.started.elapsed().as_secs_f64(),
    });
    object(reply)
}

/// What the service does with tasks, in a word.
pub(super) fn state(engine: &Engine) -> &'static str {
    match engine.switches() {
        _ if engine.is_stopping() => "stopping",
        (true, true) => "running",
        (true, false) => "paused",
        (false, true) => "quiet",
        (false, false) => "quiet, paused",
    }
}

/// When each number of workers was last needed: the five greatest numbers, and those around the present one.
fn usage(context: &Context<'_>, pool: &PoolView) -> Value {
    let levels = context.engine.usage(context.now);
    let show = |level: usize| {
        let idle = levels.iter().find(|(known, _)| *known == level).map(|(_, idle)| idle.as_secs_f64());
        let text = match idle {
            _ if level <= pool.active => Value::from("blocked"),
            Some(seconds) => Value::from((seconds * 100.0).round() / 100.0),
            None => Value::from("absent"),
        };
        (level.to_string(), text)
    };
    let top: Reply = levels.iter().rev().take(5).map(|(level, _)| show(*level)).collect();
    let near: Reply = (pool.workers.saturating_sub(2).max(1)..=pool.workers + 2).map(show).collect();
    json!({"count": levels.len(), "top5": top, "near_worker_ct": near})
}
