//! JSON values as block YAML: keys sorted, lists not indented, text quoted only where it has to be.
//!
//! The look is that of Python's `yaml.dump`, which scripts have come to read; long text is not folded.

use std::fmt::Write;

use serde_json::{Map, Number, Value};

/// One document.
pub(crate) fn document(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Array(items) if !items.is_empty() => list(items, 0, &mut out),
        Value::Object(map) if !map.is_empty() => entries(map, 0, &mut out),
        other => {
            scalar(other, &mut out);
            out.push('\n');
        }
    }
    out
}

fn list(items: &[Value], indent: usize, out: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            pad(indent, out);
        }
        out.push_str("- ");
        match item {
            Value::Array(inner) if !inner.is_empty() => list(inner, indent + 2, out),
            Value::Object(map) if !map.is_empty() => entries(map, indent + 2, out),
            other => {
                scalar(other, out);
                out.push('\n');
            }
        }
    }
}

/// The first key stands where the text is now, the others at the indent.
fn entries(map: &Map<String, Value>, indent: usize, out: &mut String) {
    let mut sorted: Vec<_> = map.iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    for (index, (key, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            pad(indent, out);
        }
        text(key, out);
        out.push(':');
        match value {
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                pad(indent, out);
                list(items, indent, out);
            }
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                pad(indent + 2, out);
                entries(inner, indent + 2, out);
            }
            other => {
                out.push(' ');
                scalar(other, out);
                out.push('\n');
            }
        }
    }
}

fn pad(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => self::number(number, out),
        Value::String(string) => text(string, out),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// YAML 1.1 wants a dot in a float, also before an exponent.
fn number(number: &Number, out: &mut String) {
    let digits = number.to_string();
    match digits.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => {
            let sign = if exponent.starts_with(['-', '+']) { "" } else { "+" };
            let _ = write!(out, "{mantissa}.0e{sign}{exponent}");
        }
        _ => out.push_str(&digits),
    }
}

fn text(string: &str, out: &mut String) {
    if is_plain(string) {
        out.push_str(string);
    } else if string.chars().any(is_unprintable) {
        double_quoted(string, out);
    } else {
        let _ = write!(out, "'{}'", string.replace('\'', "''"));
    }
}

/// What a terminal or a YAML reader would not take as it is.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Whether the text, written without quotes, is read back as the same text by any version of YAML.
fn is_plain(string: &str) -> bool {
    let Some(first) = string.chars().next() else { return false };
    let word = string.to_ascii_lowercase();
    let reserved =
        matches!(word.as_str(), "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n");
    !reserved
        && !is_numeric(string)
        && (first.is_alphanumeric() || matches!(first, '_' | '/' | '(' | '.' | '+' | '$'))
        && !string.ends_with([' ', ':'])
        && !string.contains(": ")
        && !string.contains(" #")
        && !string.chars().any(is_unprintable)
}

/// Whether some version of YAML reads a number or a date in it.
fn is_numeric(string: &str) -> bool {
    let digits = string.trim_start_matches(['+', '-']);
    let date = digits.as_bytes();
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && (digits.replace('_', "").parse::<f64>().is_ok()
            || digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '_' | ':' | '.'))
            || digits.starts_with("0x")
            || digits.starts_with("0b")
            || digits.starts_with("0o")
            || (date.len() >= 8 && date[..4].iter().all(u8::is_ascii_digit) && date[4] == b'-'))
}

fn double_quoted(string: &str, out: &mut String) {
    out.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_unprintable(c) => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::document;
    use serde_json::json;

    #[test]
    fn replies_look_as_pyyaml_writes_them() {
        let replies = json!([{"worker-1": {"uuid": "7d5-x", "args": ["c", [1, 2], {}], "task": "a.b"}, "node_id": "node-a"}]);
        insta::assert_snapshot!(document(&replies), @"
        - node_id: node-a
          worker-1:
            args:
            - c
            - - 1
              - 2
            - {}
            task: a.b
            uuid: 7d5-x
        ");
    }

    #[test]
    fn text_is_quoted_where_yaml_would_read_something_else() {
        let texts = json!([
            "",
            "1",
            "0x1f",
            "1:30",
            "yes",
            "null",
            "2024-01-01",
            "a: b",
            "a #b",
            "- a",
            "it's",
            "'",
            "lambda: 1",
            "*x",
            "7d512345-12e4-4c00-9999-123456789012",
            "1e5",
            "127.0.0.1",
            "a 1",
            " x",
            "e5"
        ]);
        insta::assert_snapshot!(document(&texts), @"
        - ''
        - '1'
        - '0x1f'
        - '1:30'
        - 'yes'
        - 'null'
        - '2024-01-01'
        - 'a: b'
        - 'a #b'
        - '- a'
        - it's
        - ''''
        - 'lambda: 1'
        - '*x'
        - 7d512345-12e4-4c00-9999-123456789012
        - '1e5'
        - '127.0.0.1'
        - a 1
        - ' x'
        - e5
        ");
    }

    #[test]
    fn control_characters_are_escaped_and_other_letters_are_not() {
        insta::assert_snapshot!(document(&json!({"a": "ä漢🔥", "b": "x\u{1b}[2J\ny\u{9b}", "1": null})), @r#"
        '1': null
        a: ä漢🔥
        b: "x\u001b[2J\ny\u009b"
        "#);
    }

    #[test]
    fn numbers_are_read_back_as_numbers() {
        insta::assert_snapshot!(document(&json!([1, -2.5, 1e300, 1e-7, 0.0])), @"
        - 1
        - -2.5
        - 1.0e+300
        - 1.0e-7
        - 0.0
        ");
    }

    #[test]
    fn nothing_is_an_empty_list() {
        assert_eq!(document(&json!([])), "[]\n");
    }
}
