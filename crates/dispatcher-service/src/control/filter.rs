//! Which tasks a request is about.

use dispatcher_engine::Filter;
use serde_json::Value;

use super::Reply;

/// Reads `task`, `uuid`, `args` and `kwargs`; none of them means every task. A name or uuid that is no text
/// fits nothing, rather than everything.
pub(super) fn read(data: &Reply) -> Filter {
    let text = |key: &str| {
        data.get(key).filter(|value| !value.is_null()).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    };
    let json = |key: &str| data.get(key).filter(|value| !value.is_null()).map(Value::to_string);
    Filter { task: text("task"), uuid: text("uuid"), args: json("args"), kwargs: json("kwargs") }
}
