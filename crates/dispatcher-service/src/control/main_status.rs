//! `main`: the counts of the service and its pool.

use serde_json::{Value, json};

use super::{Context, Reply};

pub(super) fn main_status(context: &mut Context<'_>, _data: &Reply) -> Reply {
    let counters = context.engine.counters();
    let pool = context.engine.pool_view();
    let refused: serde_json::Map<_, _> =
        counters.refused.iter().map(|(reason, count)| ((*reason).to_owned(), Value::from(*count))).collect();
    let reply = json!({
        "received_count": counters.received,
        "control_count": counters.control,
        "pid": std::process::id(),
        "pool": {
            "next_worker_id": pool.next_worker,
            "finished_count": counters.finished,
            "canceled_count": counters.canceled,
            "retirement_count": 0,
            "worker_ct": pool.workers,
            "running_ct": pool.running,
            "active_task_ct": pool.active,
            "delayed_ct": context.engine.held_count("delayed"),
            "blocked_ct": context.engine.held_count("blocked"),
            "discarded_count": counters.discarded,
            "abandoned_count": counters.abandoned,
            "workers_lost_count": counters.workers_lost,
        },
        "refused": refused,
        "uptime": context.service.started.elapsed().as_secs_f64(),
    });
    match reply {
        Value::Object(reply) => reply,
        _ => Reply::new(),
    }
}
