//! `metrics`: the metrics server and what became of its requests. The figures themselves are at its address.

use serde_json::json;

use super::{Context, Reply, object};

pub(super) fn metrics(context: &mut Context<'_>, _data: &Reply) -> Reply {
    let reply = match &context.service.web {
        None => json!({"enabled": false}),
        Some(web) => {
            let (counts, listening) = (web.status.counts(), web.status.is_listening());
            json!({
                "enabled": true,
                "status": {
                    "host": web.address.host,
                    "port": web.address.port,
                    "ready": listening,
                    "http_server": {
                        "connections_total": counts.connections,
                        "metrics_requests_served": counts.metrics_served,
                        "bad_requests": counts.bad_requests,
                        "internal_errors": counts.internal_errors,
                        "not_found_responses": counts.not_found,
                        "client_disconnects": counts.disconnects,
                        "request_timeouts": counts.timeouts,
                        "is_running": listening,
                    },
                },
            })
        }
    };
    object(reply)
}
