//! `ended`: the last tasks that are over, and how they ended; the newest first.

use dispatcher_engine::Ended;
use serde_json::{Value, json};

use super::entries::Entries;
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
    let chosen: Vec<_> = last.into_iter().filter(fits).take(limit).collect();
    let mut entries = Entries::new();
    for (place, ended) in chosen.iter().enumerate() {
        let entry = entry(ended, context);
        let length = entry.to_string().len();
        if !entries.has_room(length) {
            entries.leave_out(chosen.len() - place);
            break;
        }
        entries.put(format!("ended-{place}"), length, entry);
    }
    entries.finish()
}

fn entry(ended: &Ended, context: &Context<'_>) -> Value {
    let error = ended
        .error
        .as_ref()
        .map(|error| json!({"type": error.kind, "message": error.message, "trace": error.trace}));
    let mut entry = json!({
        "uuid": ended.uuid,
        "task": ended.task,
        "outcome": ended.how.label(),
        "reason": ended.why,
        "error": error,
        "worker": ended.worker.map(|worker| format!("worker-{}", worker.0)),
        "seconds": ended.ran.as_secs_f64(),
        "ended_ago": context.now.saturating_duration_since(ended.at).as_secs_f64(),
    });
    if let Some(stack) = context.service.last_stacks.of(&ended.uuid) {
        // What it was doing when it was ended by force.
        entry["stack"] = stack.clone();
    }
    entry
}
