//! Which tasks a request is about.

use dispatcher_engine::Filter;
use serde_json::Value;

use super::Reply;

/// Reads `task`, `uuid`, `args` and `kwargs`; none of them means every task. An empty value is as good as none, as for
/// dispatcherd. A name or uuid that is no text fits nothing, rather than everything.
pub(super) fn read(data: &Reply) -> Filter {
    let given = |key: &str| data.get(key).filter(|value| !is_empty(value));
    let text = |key: &str| {
        given(key).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    };
    let json = |key: &str| given(key).map(Value::to_string);
    Filter { task: text("task"), uuid: text("uuid"), args: json("args"), kwargs: json("kwargs") }
}

/// Whether Python takes it for false.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}
