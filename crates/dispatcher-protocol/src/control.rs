//! Control requests, and the text of their replies.

use serde_json::{Map, Value};

use crate::text;

/// A question to the service, or an order.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlRequest {
    /// What is asked: `alive`, `running`, …; any text until the service has looked.
    pub command: String,
    /// `control_data`; empty when absent.
    pub data: Map<String, Value>,
    /// The channel for the reply; none when none is wanted.
    pub reply_to: Option<String>,
}

/// Writes a value as Python's `json.dumps` does by default: ASCII, with `", "` and `": "`, keys in order.
pub fn to_ascii_json(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, &mut out);
    out
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::String(string) => text::write(string, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                text::write(key, out);
                out.push_str(": ");
                write_value(item, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_looks_as_python_writes_it() {
        let value: Value = serde_json::from_str(r#"{"b":[1,2.5,null],"a":"ü😀\n"}"#).unwrap();
        assert_eq!(to_ascii_json(&value), r#"{"b": [1, 2.5, null], "a": "\u00fc\ud83d\ude00\n"}"#);
    }
}
