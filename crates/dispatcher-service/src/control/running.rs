//! `running` and `cancel`: tasks by where they are.
//!
//! With many tasks, as many as one reply holds: those of workers always, of the others the first. A message that is too
//! long for what is left is named without its arguments. What a running task tells of itself stands under `progress`.

use std::ops::ControlFlow;

use dispatcher_engine::{Place, Task};
use dispatcher_protocol::Progress;
use serde_json::{Value, json};

use super::entries::Entries;
use super::{Context, Reply, filter};

/// How long an entry without its message is, in bytes, its own texts apart.
const NAMED: usize = 128;

/// Every task that fits the filter, by its place.
pub(super) fn running(context: &mut Context<'_>, data: &Reply) -> Reply {
    let filter = filter::read(data);
    let mut entries = Entries::new();
    let seen = context.engine.visit(&filter, &mut |place, task| {
        let told = if let Place::Worker(worker) = place {
            context.engine.progress(worker, &task.uuid)
        } else {
            None
        };
        if show(&mut entries, place, task, told) {
            return ControlFlow::Continue(());
        }
        if filter.is_everything() {
            // How many there are is known without a look at each.
            return ControlFlow::Break(());
        }
        entries.leave_out(1);
        ControlFlow::Continue(())
    });
    if seen.is_break() {
        entries.leave_out(context.engine.task_count().saturating_sub(entries.len()));
    }
    entries.finish()
}

/// The same, and each is cancelled.
pub(super) fn cancel(context: &mut Context<'_>, data: &Reply) -> Reply {
    let mut entries = Entries::new();
    for found in context.engine.cancel(&filter::read(data), context.now) {
        if !show(&mut entries, found.place, &found.task, None) {
            entries.leave_out(1);
        }
    }
    entries.finish()
}

/// Puts a task in; false when there is no room for it.
fn show(entries: &mut Entries, place: Place, task: &Task, told: Option<&Progress>) -> bool {
    let told =
        told.map(|Progress { percent, text, data }| json!({"percent": percent, "text": text, "data": data}));
    let told_length = told.as_ref().map_or(0, |told| told.to_string().len());
    let whole = task.message.body().len() + task.uuid.len() + task.source.channel.len() + told_length;
    let named = NAMED + task.message.task().len() + task.uuid.len() + task.source.channel.len();
    let is_running = matches!(place, Place::Worker(_));
    if entries.has_room(whole) {
        let mut entry = message(task);
        if let (Value::Object(entry), Some(told)) = (&mut entry, told) {
            entry.insert("progress".to_owned(), told);
        }
        entries.put(place.to_string(), whole, entry);
    } else if is_running || entries.has_room(named) {
        let note = format!("the message of {} bytes is too long for this reply", task.message.body().len());
        entries.put(place.to_string(), named, name(task, &note));
    } else {
        return false;
    }
    true
}

/// The message as its worker gets it.
fn message(task: &Task) -> Value {
    let mut text = Vec::new();
    task.message.write_with(&task.uuid, &task.source.channel, &mut text);
    // Python reads things that strict JSON cannot show (NaN, lone surrogates); the rest is shown without them.
    serde_json::from_slice(&text)
        .unwrap_or_else(|_| name(task, "the message holds values that strict JSON cannot show"))
}

/// A task without its arguments.
fn name(task: &Task, note: &str) -> Value {
    json!({
        "task": task.message.task(),
        "uuid": &*task.uuid,
        "channel": &*task.source.channel,
        "note": note,
    })
}
