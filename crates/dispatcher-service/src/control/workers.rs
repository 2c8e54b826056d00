//! `workers`: every worker and what it is doing. With one pool the keys are exactly those of dispatcherd.

use serde_json::json;

use super::{Context, Reply};

pub(super) fn workers(context: &mut Context<'_>, _data: &Reply) -> Reply {
    let views = context.engine.workers(context.now);
    let pools: Vec<_> = context.engine.pools().map(|pool| pool.name).collect();
    let entry = |view: &dispatcher_engine::WorkerView| {
        let (task, uuid) = view.current.clone().unzip();
        let mut entry = json!({
            "worker_id": view.id.0,
            "pid": context.workers.get(&view.id).and_then(|handle| handle.pid),
            "status": view.state.as_str(),
            "finished_count": view.finished,
            "current_task": task,
            "current_task_uuid": uuid,
            "active_cancel": view.cancelling,
            "age": view.age.as_secs_f64(),
        });
        if pools.len() > 1 {
            entry["pool"] = json!(pools.get(usize::from(view.pool.0)));
        }
        entry
    };
    views.iter().map(|view| (format!("worker-{}", view.id.0), entry(view))).collect()
}
