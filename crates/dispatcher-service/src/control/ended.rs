//! `ended`: the last tasks that are over, and how they ended; the newest first.

use dispatcher_engine::Ended;
use serde_json::{Value, json};

use super::{Context, Reply, filter, number};

/// The entries of a reply when the request names no number.
const ENTRIES: usize = 20;

pub(super) fn ended(context: &mut Context<'_>, data: &Reply) -> Reply {
    let wanted = filter::read(data);
    let outcome = data.get("outcome").and_then(Value::as_str).map(str::to_lowercase);
    let limit = data.get("limit").and_then(number).map_or(ENTRIES, |limit| limit as usize);
    let last = context.engine.counters().last.newest_first();
    let fits = |ended: &&Ended| {
        wanted.task.as_deref().is_none_or(|name| name == ended.task)
            && wanted.uuid.as_deref().is_none_or(|uuid| uuid == ended.uuid)
            && outcome.as_deref().is_none_or(|outcome| outcome == ended.how.label())
    };
    let entry = |(place, ended): (usize, &Ended)| {
        let since = context.now.saturating_duration_since(ended.at);
        let error = ended
            .error
            .as_ref()
            .map(|error| json!({"type": error.kind, "message": error.message, "trace": error.trace}));
        let entry = json!({
            "uuid": ended.uuid,
            "task": ended.task,
            "outcome": ended.how.label(),
            "reason": ended.why,
            "error": error,
            "worker": ended.worker.map(|worker| format!("worker-{}", worker.0)),
            "seconds": ended.ran.as_secs_f64(),
            "ended_ago": since.as_secs_f64(),
        });
        (format!("ended-{place}"), entry)
    };
    last.into_iter().filter(fits).take(limit).enumerate().map(entry).collect()
}
