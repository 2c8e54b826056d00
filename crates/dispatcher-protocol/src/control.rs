//! Control requests, and the text of their replies.
//!
//! Says nothing about which commands there are. A request comes out of `message`, a reply goes to a broker.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::text;

/// A question to the service, or an order.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlRequest {
    /// What is asked: `alive`, `running`, …; any text until the service has looked.
    pub command: String,
    /// `control_data`; empty when absent.
    pub data: Map<String, Value>,
    /// The channel for the reply; none when none is wanted. Never empty.
    pub reply_to: Option<String>,
    /// How long it waits before it is carried out; then it gets no reply. Zero is not at all.
    pub delay: Duration,
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
        Value::Number(number) if number.is_f64() => {
            write_float(&format!("{:?}", number.as_f64().unwrap_or_default()), out);
        }
        other => out.push_str(&other.to_string()),
    }
}

/// A float as `Debug` writes it, as Python's `repr`: a point in every plain number, a sign and two digits in every
/// exponent.
pub(crate) fn write_float(text: &str, out: &mut String) {
    match text.split_once('e') {
        None => out.push_str(text),
        Some((number, exponent)) => {
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            // Writing to a String cannot fail.
            let _ = write!(out, "{number}e{sign}{digits:0>2}");
        }
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

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (float, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1_700_000_000.123, "1700000000.123"),
        ] {
            assert_eq!(to_ascii_json(&Value::from(float)), text);
        }
    }
}
