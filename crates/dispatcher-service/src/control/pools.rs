//! Which of several pools a request means, and what a reply says of each.

use dispatcher_engine::{Engine, PoolId, PoolStatus};
use serde_json::{Value, json};

use super::Reply;

/// The pool that a request names; none when it names none. An unknown one is the error.
pub(super) fn named(engine: &Engine, data: &Reply) -> Result<Option<PoolId>, String> {
    let name = match data.get("pool") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(name)) => name,
        Some(_) => return Err("\"pool\" has to be the name of a pool".to_owned()),
    };
    let found = engine.pool_named(name);
    found.map(Some).ok_or_else(|| format!("there is no such pool; there are {}", names(engine)))
}

/// The names of all pools.
pub(super) fn names(engine: &Engine) -> String {
    engine.pools().map(|pool| pool.name).collect::<Vec<_>>().join(", ")
}

/// Every pool by its name.
pub(super) fn shown(engine: &Engine) -> Reply {
    engine.pools().map(|pool| (pool.name.to_owned(), entry(&pool))).collect()
}

fn entry(pool: &PoolStatus<'_>) -> Value {
    json!({
        "min": pool.min,
        "max": pool.max,
        "workers": {
            "starting": pool.workers.starting,
            "idle": pool.workers.idle,
            "busy": pool.workers.busy,
            "stopping": pool.workers.stopping,
        },
        "running_ct": pool.running,
        "queued_ct": pool.queued,
        "start_failures": pool.start_failures,
    })
}
