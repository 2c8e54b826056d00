//! `running` and `cancel`: tasks by where they are.

use dispatcher_engine::{Found, Task};
use serde_json::Value;

use super::{Context, Reply, filter};

/// Every task that fits the filter, by its place.
pub(super) fn running(context: &mut Context<'_>, data: &Reply) -> Reply {
    labelled(&context.engine.find(&filter::read(data)))
}

/// The same, and each is cancelled.
pub(super) fn cancel(context: &mut Context<'_>, data: &Reply) -> Reply {
    labelled(&context.engine.cancel(&filter::read(data), context.now))
}

fn labelled(found: &[Found]) -> Reply {
    found.iter().map(|found| (found.place.to_string(), message(&found.task))).collect()
}

/// The message as its worker gets it.
fn message(task: &Task) -> Value {
    let mut text = Vec::new();
    task.message.write_with(&task.uuid, &task.source.channel, &mut text);
    serde_json::from_slice(&text).unwrap_or_else(|_| {
        // Python reads things that strict JSON cannot show (NaN, lone surrogates); the rest is shown without them.
        serde_json::json!({
            "task": task.message.task(),
            "uuid": &*task.uuid,
            "channel": &*task.source.channel,
            "note": "the message holds values that strict JSON cannot show",
        })
    })
}
