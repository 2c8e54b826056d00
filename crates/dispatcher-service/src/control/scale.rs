//! `scale`: other numbers of workers, until the service is started again.

use dispatcher_engine::{Input, MOST_WORKERS, PoolId};
use serde_json::{Value, json};
use tracing::warn;

use super::{Context, Reply, error, number, object, pools};

pub(super) fn scale(context: &mut Context<'_>, data: &Reply) -> Reply {
    let pool = match pool(context, data) {
        Ok(pool) => pool,
        Err(why) => return error(why),
    };
    let status = context.engine.pools().nth(usize::from(pool.0));
    let (name, old_min, old_max) =
        status.map_or_else(Default::default, |status| (status.name.to_owned(), status.min, status.max));
    let (min, max) = match (limit(data, "min"), limit(data, "max")) {
        (Err(why), _) | (_, Err(why)) => return error(why),
        (Ok(None), Ok(None)) => return error("scale wants \"min\" or \"max\", or both"),
        (Ok(min), Ok(max)) => (min, max),
    };
    let (new_min, new_max) = (min.unwrap_or(old_min), max.unwrap_or(old_max));
    if new_max == 0 || new_min > new_max {
        return error(format!(
            "min {new_min} and max {new_max} do not go together: max has to be at least 1, and at least min; give both"
        ));
    }
    if context.engine.is_stopping() {
        return error("the service is stopping");
    }
    warn!(target: "dispatcher.main", pool = name, "from {old_min} to {old_max} workers: now from {new_min} to {new_max}");
    context.engine.handle(Input::Scale { pool, min, max }, context.now);
    let workers = context.engine.pool_view().workers;
    object(json!({
        "min": new_min,
        "max": new_max,
        "previous": {"min": old_min, "max": old_max},
        "worker_ct": workers,
    }))
}

/// The pool that is meant; with several, the request has to say which.
fn pool(context: &Context<'_>, data: &Reply) -> Result<PoolId, String> {
    match pools::named(context.engine, data)? {
        Some(pool) => Ok(pool),
        None if context.engine.pools().len() == 1 => Ok(PoolId(0)),
        None => Err(format!("say which \"pool\": {}", pools::names(context.engine))),
    }
}

fn limit(data: &Reply, key: &str) -> Result<Option<usize>, String> {
    let Some(value) = data.get(key).filter(|value| **value != Value::Null) else { return Ok(None) };
    let count = number(value).filter(|count| *count <= MOST_WORKERS);
    let count =
        count.ok_or_else(|| format!("\"{key}\" has to be a whole number from 0 to {MOST_WORKERS}"))?;
    Ok(Some(count as usize))
}
