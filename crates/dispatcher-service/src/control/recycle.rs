//! `recycle`: workers are replaced, each after its task, one after the other.
//!
//! The new ones come from the same fork server, so this frees memory and does not load new code.

use dispatcher_engine::{Input, WorkerId};
use serde_json::{Value, json};

use super::{Context, Reply, error, number, object, pools};

pub(super) fn recycle(context: &mut Context<'_>, data: &Reply) -> Reply {
    let worker = match data.get("worker").map(worker) {
        None => None,
        Some(Some(number)) => Some(WorkerId(number)),
        Some(None) => return error("\"worker\" has to be the number of a worker, as 3 or worker-3"),
    };
    let pool = match pools::named(context.engine, data) {
        Ok(pool) => pool,
        Err(why) => return error(why),
    };
    let views = context.engine.workers(context.now);
    if let Some(wanted) = worker.filter(|wanted| views.iter().all(|view| view.id != *wanted)) {
        return error(format!("there is no worker {}; see the command workers", wanted.0));
    }
    let before = context.engine.retired_count();
    context.engine.handle(Input::Recycle { worker, pool }, context.now);
    let begun = context.engine.retired_count() - before;
    object(json!({"recycling": begun + context.engine.renewing_count() as u64}))
}

/// A number, or the name that replies use.
fn worker(value: &Value) -> Option<u32> {
    let text = value.as_str().and_then(|text| text.trim().strip_prefix("worker-"));
    text.map_or_else(|| number(value), |digits| digits.parse().ok())
}
