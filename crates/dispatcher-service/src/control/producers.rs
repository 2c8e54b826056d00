//! `producers`: where tasks come from, and how many have come.

use serde_json::{Value, json};

use super::{Context, Reply};

pub(super) fn producers(context: &mut Context<'_>, _data: &Reply) -> Reply {
    let mut reply = Reply::new();
    for link in context.brokers {
        let mut entry = json!({
            "produced_count": link.produced,
            "uptime_seconds": link.since.elapsed().as_secs_f64(),
            "recycle_count": link.recycled,
        });
        if let Some(check) = link.broker.self_check() {
            entry["broker_self_check"] = json!({
                "enabled": check.enabled,
                "success_count": check.success_count,
                "average_time_seconds": check.average().map(|time| time.as_secs_f64()),
                "max_time_seconds": (check.success_count > 0).then_some(check.max.as_secs_f64()),
            });
        }
        reply.insert(format!("{}-producer", link.broker.name()), entry);
    }
    let mut own = |name: &str, produced: Option<u64>| {
        if let Some(produced) = produced {
            let uptime = context.service.started.elapsed().as_secs_f64();
            let entry: Value = json!({"produced_count": produced, "uptime_seconds": uptime});
            reply.insert(name.to_owned(), entry);
        }
    };
    let service = &*context.service;
    own("control-producer", service.control_producer.then_some(service.control_produced));
    own("on-start-producer", (service.on_start > 0).then_some(service.on_start as u64));
    own(
        "scheduled-producer",
        (context.engine.schedule_count() > 0).then(|| context.engine.scheduled_count()),
    );
    reply
}
