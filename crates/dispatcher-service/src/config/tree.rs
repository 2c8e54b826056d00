//! The text of a configuration as a tree in which everything knows its place.
//!
//! Holds what was written and nothing else: no defaults, no meaning. Where it stands: `yaml` grows it, `old_shapes`
//! puts branches where they belong, `check` and `build` read it.

use serde_json::{Map, Number, Value};

use super::Position;

/// A value and where it begins.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) data: Data,
    /// None for text that was read as JSON alone, which keeps no positions.
    pub(super) at: Option<Position>,
}

#[derive(Clone)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Option<Position>,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn new(data: Data, at: Option<Position>) -> Node {
        Node { data, at }
    }

    /// What it is, for a sentence: "is … where … is wanted".
    pub(super) fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "empty",
            Data::Bool(_) => "true or false",
            Data::Number(number) if number.is_f64() => "a number with a fraction",
            Data::Number(_) => "a whole number",
            Data::Text(_) => "text",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.data, Data::Null)
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value at a path of keys; none if a part is missing.
    pub(super) fn find(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.entry(key).map(|entry| &entry.value))
    }

    pub(super) fn entry_mut(&mut self, key: &str) -> Option<&mut Entry> {
        match &mut self.data {
            Data::Map(entries) => entries.iter_mut().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Takes an entry out of a map.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        let Data::Map(entries) = &mut self.data else { return None };
        let index = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(index))
    }

    /// The map under `key`, made if it is missing or empty; none if something else stands there.
    pub(super) fn map_under(&mut self, key: &str) -> Option<&mut Node> {
        let at = self.at;
        let Data::Map(entries) = &mut self.data else { return None };
        let index = entries.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
            entries.push(Entry { key: key.to_owned(), at, value: Node::new(Data::Null, at) });
            entries.len() - 1
        });
        let node = &mut entries[index].value;
        if node.is_null() {
            node.data = Data::Map(Vec::new());
        }
        matches!(node.data, Data::Map(_)).then_some(node)
    }

    pub(super) fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(flag) => Value::Bool(*flag),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Data::Map(_) => Value::Object(self.to_json_map()),
        }
    }

    /// The entries as JSON; empty for anything but a map.
    pub(super) fn to_json_map(&self) -> Map<String, Value> {
        self.entries().iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
    }

    pub(super) fn from_json(value: Value) -> Node {
        let data = match value {
            Value::Null => Data::Null,
            Value::Bool(flag) => Data::Bool(flag),
            Value::Number(number) => Data::Number(number),
            Value::String(text) => Data::Text(text),
            Value::Array(items) => Data::List(items.into_iter().map(Node::from_json).collect()),
            Value::Object(map) => Data::Map(
                map.into_iter()
                    .map(|(key, value)| Entry { key, at: None, value: Node::from_json(value) })
                    .collect(),
            ),
        };
        Node::new(data, None)
    }
}

/// `base.key`, or `base["key"]` where the key has a dot or a blank in it.
pub(super) fn join(base: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match (base.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{base}.{key}"),
        (_, false) => format!("{base}[{}]", Value::from(key)),
    }
}
