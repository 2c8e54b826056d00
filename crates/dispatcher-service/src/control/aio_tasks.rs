//! `aio_tasks`: the tasks of this service's own runtime, and what each of them is at.
//!
//! The name is dispatcherd's, whose tasks are those of asyncio. Native tasks have no stack to print, so `stack` says in
//! words what a task holds and waits for; `limit` bounds its lines, as it bounds the frames there.

use serde_json::json;

use super::{Context, Reply, number};

/// The lines of a task when the request names no limit.
const LINES: usize = 5;

pub(super) fn aio_tasks(context: &mut Context<'_>, data: &Reply) -> Reply {
    let limit = data.get("limit").and_then(number).map_or(LINES, |lines| lines as usize);
    let mut reply = Reply::new();
    let mut entry = |name: String, done: bool, lines: &[String]| {
        let stack = lines[..limit.min(lines.len())].join("\n");
        reply.insert(name, json!({"done": done, "stack": stack}));
    };
    entry("driver".to_owned(), false, &driver(context));
    entry("signals".to_owned(), false, &["waits for SIGTERM or SIGINT".to_owned()]);
    if let Some(web) = &context.service.web {
        let counts = web.status.counts();
        let at = if web.status.is_listening() { "serves" } else { "waits for" };
        let lines = [format!("{at} http://{}/", web.address), format!("{} connections", counts.connections)];
        entry("http".to_owned(), false, &lines);
    }
    for link in context.brokers {
        let name = link.broker.name();
        let since = context.now.saturating_duration_since(link.since).as_secs();
        let heard = format!("{} deliveries in {since} s, {} new sessions", link.produced, link.recycled);
        entry(
            format!("{name}-listener"),
            false,
            &[format!("listens to {:?}", link.broker.channels()), heard],
        );
        let (waiting, done) = (link.replies.waiting(), link.replies.are_closed());
        entry(format!("{name}-replier"), done, &[format!("{waiting} replies wait to be sent")]);
    }
    for view in context.engine.workers(context.now) {
        let Some(handle) = context.workers.get(&view.id) else { continue };
        let process = handle.pid.map_or_else(|| "no process yet".to_owned(), |pid| format!("process {pid}"));
        let doing =
            view.current.map_or_else(|| "no task".to_owned(), |(task, uuid)| format!("{task} (uuid={uuid})"));
        let lines = [format!("{process}, {}", view.state.as_str()), doing];
        entry(format!("worker-{}-tender", view.id.0), handle.ended, &lines);
    }
    reply
}

fn driver(context: &Context<'_>) -> [String; 2] {
    let engine = &*context.engine;
    let wakeup = engine.next_wakeup().map_or_else(
        || "waits for news".to_owned(),
        |at| format!("waits for news, or {:.3} s", at.saturating_duration_since(context.now).as_secs_f64()),
    );
    let tasks = format!(
        "{} running, {} queued, {} delayed, {} blocked",
        engine.running_count(),
        engine.queued_count(),
        engine.held_count("delayed"),
        engine.held_count("blocked"),
    );
    [wakeup, tasks]
}
