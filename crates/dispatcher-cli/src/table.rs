//! Replies as a table, for people: a line for each worker, task or producer, or a line for each figure.
//!
//! Knows no command: the shape of a reply says what its lines are. Where it stands: one of the forms of `ctl`.

use serde_json::{Map, Value};

/// Longer cells are cut; the other forms show them whole.
const WIDEST: usize = 60;

/// The replies, a line for each thing in them.
pub(crate) fn table(replies: &[Value]) -> String {
    let replies: Vec<_> = replies.iter().filter_map(Value::as_object).collect();
    let things = replies.iter().flat_map(|reply| parts(reply)).all(|(_, value)| is_thing(value));
    let rows = if things { lines_of_things(&replies) } else { lines_of_figures(&replies) };
    draw(&rows)
}

/// What a reply says beside the name of its service.
fn parts(reply: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    reply.iter().filter(|(key, _)| *key != "node_id")
}

fn is_thing(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| !fields.is_empty())
}

fn node(reply: &Map<String, Value>) -> String {
    reply.get("node_id").map_or_else(String::new, cell)
}

/// A line for each entry, a column for each field that any of them has.
fn lines_of_things(replies: &[&Map<String, Value>]) -> Vec<Vec<String>> {
    let mut columns: Vec<&str> = Vec::new();
    let entries = || replies.iter().flat_map(|reply| parts(reply)).filter_map(|(_, value)| value.as_object());
    for field in entries().flat_map(Map::keys) {
        if !columns.contains(&field.as_str()) {
            columns.push(field);
        }
    }
    let head = ["node", "name"].into_iter().chain(columns.iter().copied());
    let mut rows = vec![head.map(str::to_uppercase).collect::<Vec<_>>()];
    if columns.is_empty() {
        // Nothing but who is there.
        rows = vec![vec!["NODE".to_owned()]];
        rows.extend(replies.iter().map(|reply| vec![node(reply)]));
        return rows;
    }
    for reply in replies {
        for (name, value) in parts(reply) {
            let field = |column: &&str| value.get(*column).map_or_else(String::new, cell);
            rows.push([node(reply), name.clone()].into_iter().chain(columns.iter().map(field)).collect());
        }
    }
    rows
}

/// A line for each figure, however deep it stands.
fn lines_of_figures(replies: &[&Map<String, Value>]) -> Vec<Vec<String>> {
    let mut rows = vec![["NODE", "WHAT", "IS"].map(str::to_owned).to_vec()];
    for reply in replies {
        for (key, value) in parts(reply) {
            figures(key.clone(), value, &mut |path, text| rows.push(vec![node(reply), path, text]));
        }
    }
    rows
}

fn figures(path: String, value: &Value, found: &mut dyn FnMut(String, String)) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, inner) in fields {
                figures(format!("{path}.{key}"), inner, found);
            }
        }
        other => found(path, cell(other)),
    }
}

/// One value on one line.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => format!("{:.3}", number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    };
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() <= WIDEST {
        return text;
    }
    text.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// Columns as wide as their widest cell, two blanks between them.
fn draw(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_are_lines_and_their_fields_are_columns() {
        let replies = [
            json!({"worker-0": {"pid": 12, "age": 1.5, "current_task": null}, "node_id": "a"}),
            json!({"worker-0": {"pid": 9, "age": 20.25, "current_task": "lib.work"}, "node_id": "b"}),
        ];
        insta::assert_snapshot!(table(&replies), @r"
        NODE  NAME      PID  AGE     CURRENT_TASK
        a     worker-0  12   1.500   -
        b     worker-0  9    20.250  lib.work
        ");
    }

    #[test]
    fn entries_need_not_have_the_same_fields() {
        let replies = [json!({"queued-0": {"task": "a.b"}, "worker-0": {"task": "a.c", "args": [1]}})];
        insta::assert_snapshot!(table(&replies), @r"
        NODE  NAME      TASK  ARGS
              queued-0  a.b
              worker-0  a.c   [1]
        ");
    }

    #[test]
    fn figures_are_lines_with_their_path() {
        let replies = [json!({"pid": 7, "pool": {"worker_ct": 2, "usage": {"1": "absent"}}, "node_id": "a"})];
        insta::assert_snapshot!(table(&replies), @r"
        NODE  WHAT            IS
        a     pid             7
        a     pool.worker_ct  2
        a     pool.usage.1    absent
        ");
    }

    #[test]
    fn empty_replies_say_who_is_there() {
        insta::assert_snapshot!(table(&[json!({"node_id": "a"}), json!({"node_id": "b"})]), @r"
        NODE
        a
        b
        ");
        assert_eq!(table(&[]), "NODE\n");
    }

    #[test]
    fn long_and_strange_text_keeps_to_its_line() {
        let shown = table(&[json!({"error": format!("\u{1b}[2J\n{}", "x".repeat(100))})]);
        assert!(shown.lines().count() == 2 && !shown.contains('\u{1b}') && shown.ends_with("…\n"), "{shown}");
    }
}
