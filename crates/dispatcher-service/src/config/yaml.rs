//! Text to tree: YAML by its event stream, JSON as the part of YAML that it is.
//!
//! Bounded whatever the text says: its size, its depth, and what aliases unfold to. Never resolves meaning beyond a
//! scalar's. Where it stands: the first step of loading.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::scalar;
use super::tree::{Data, Entry, Node, join};
use super::{Complaint, Position};

/// Text beyond this is refused unread. A configuration is a few KiB; 1 MiB leaves room for generated ones.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Maps and lists inside each other. The deepest sensible file has eight; the table's walk recurses this deep.
const MAX_DEPTH: usize = 64;
/// Keys in one map; each new one is compared with those before it.
const MAX_KEYS: usize = 4096;
/// What the tree may weigh with every alias unfolded: [`NODE_WEIGHT`] for each value and one for each byte of text.
const MAX_WEIGHT: usize = 16 << 20;
/// About the bytes that a value takes beside its text.
const NODE_WEIGHT: usize = 64;

/// Reads one document.
///
/// # Errors
/// The first thing that is not YAML, or a limit that was passed. Keys that stand twice are added to `complaints`.
pub(super) fn parse(text: &str, complaints: &mut Vec<Complaint>) -> Result<Node, Complaint> {
    if text.len() > MAX_BYTES {
        return Err(Complaint::error(
            "",
            None,
            format!("{} bytes long, {MAX_BYTES} are allowed", text.len()),
        ));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match Builder::default().read(text, complaints) {
        // JSON has escapes that YAML refuses (a character beyond the first plane as two surrogates).
        Err(complaint) if text.trim_start().starts_with('{') => {
            serde_json::from_str(text).map(Node::from_json).map_err(|_| complaint)
        }
        read => read,
    }
}

/// A map or list whose end has not come yet.
struct Open {
    at: Option<Position>,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Key>, merged: Vec<Node> },
}

struct Key {
    text: String,
    at: Option<Position>,
    merge: bool,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    weight: usize,
    documents: usize,
    root: Option<Node>,
}

impl Builder {
    fn read(mut self, text: &str, complaints: &mut Vec<Complaint>) -> Result<Node, Complaint> {
        let mut parser = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| {
                Complaint::error("", Some(place(error.marker())), format!("not YAML: {}", error.info()))
            })?;
            self.take(event, Some(place(&span.start)), complaints)?;
        }
        self.root.ok_or_else(|| Complaint::error("", None, "empty; the least is `version: 2`"))
    }

    fn take(
        &mut self,
        event: Event<'_>,
        at: Option<Position>,
        complaints: &mut Vec<Complaint>,
    ) -> Result<(), Complaint> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Complaint::error("", at, "a second document begins here; one is read"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let data = self.scalar(&text, style, tag.as_deref(), at)?;
                let merge = style == ScalarStyle::Plain && text == "<<";
                self.add(Node::new(data, at), anchor, merge, complaints)
            }
            Event::SequenceStart(anchor, tag) => {
                self.tagged(tag.as_deref(), "seq", at)?;
                self.push(at, anchor, Inside::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.tagged(tag.as_deref(), "map", at)?;
                let inside = Inside::Map { entries: Vec::new(), key: None, merged: Vec::new() };
                self.push(at, anchor, inside)
            }
            Event::SequenceEnd | Event::MappingEnd => self.pop(complaints),
            Event::Alias(anchor) => self.unfold(anchor, at, complaints),
            _ => Ok(()),
        }
    }

    /// Refuses a tag that names anything but what stands there: a tag cannot make objects here.
    fn tagged(&self, tag: Option<&Tag>, kind: &str, at: Option<Position>) -> Result<(), Complaint> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == kind) => Err(self.unknown_tag(tag, at)),
            _ => Ok(()),
        }
    }

    fn unknown_tag(&self, tag: &Tag, at: Option<Position>) -> Complaint {
        Complaint::error(&self.path(), at, format!("the tag {tag} is not known here"))
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: Option<Position>,
    ) -> Result<Data, Complaint> {
        let kind = match tag {
            Some(tag) if tag.is_yaml_core_schema() => Some(tag.suffix.as_str()),
            Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Some("str"),
            Some(tag) => return Err(self.unknown_tag(tag, at)),
            None if style == ScalarStyle::Plain => None,
            None => Some("str"),
        };
        let data = match (kind, tag) {
            (None | Some("int" | "float" | "bool" | "null"), _) => scalar::resolve(text).map_err(|what| {
                Complaint::error(&self.path(), at, format!("{what} cannot be handed to a worker"))
            })?,
            (Some("str" | "timestamp"), _) | (Some(_), None) => Data::Text(text.to_owned()),
            (Some(_), Some(tag)) => return Err(self.unknown_tag(tag, at)),
        };
        match (kind, &data) {
            (None | Some("str" | "timestamp"), _)
            | (Some("int" | "float"), Data::Number(_))
            | (Some("bool"), Data::Bool(_))
            | (Some("null"), Data::Null) => Ok(data),
            (Some(kind), _) => {
                Err(Complaint::error(&self.path(), at, format!("is marked !!{kind} and is none")))
            }
        }
    }

    fn push(&mut self, at: Option<Position>, anchor: usize, inside: Inside) -> Result<(), Complaint> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Complaint::error("", at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(Open { at, anchor, inside });
        Ok(())
    }

    fn pop(&mut self, complaints: &mut Vec<Complaint>) -> Result<(), Complaint> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let data = match open.inside {
            Inside::List(items) => Data::List(items),
            Inside::Map { entries, merged, .. } => Data::Map(merge(entries, merged)),
        };
        self.add(Node::new(data, open.at), open.anchor, false, complaints)
    }

    fn unfold(
        &mut self,
        anchor: usize,
        at: Option<Position>,
        complaints: &mut Vec<Complaint>,
    ) -> Result<(), Complaint> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(Complaint::error(&self.path(), at, "an alias inside its own anchor has no end"));
        };
        if self.open.len() + depth(&node) > MAX_DEPTH {
            return Err(Complaint::error(&self.path(), at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.weigh(&node, at)?;
        self.add(Node { at, ..node }, 0, false, complaints)
    }

    /// Counts everything that is kept, so that a short text cannot unfold to a large tree.
    fn weigh(&mut self, node: &Node, at: Option<Position>) -> Result<(), Complaint> {
        self.weight += weight(node);
        if self.weight > MAX_WEIGHT {
            return Err(Complaint::error("", at, "too large once its aliases are unfolded"));
        }
        Ok(())
    }

    /// Puts a finished value where it belongs: into the open list, as a key or value of the open map, or at the root.
    fn add(
        &mut self,
        node: Node,
        anchor: usize,
        merge: bool,
        complaints: &mut Vec<Complaint>,
    ) -> Result<(), Complaint> {
        if anchor != 0 {
            self.weigh(&node, node.at)?;
            self.anchors.insert(anchor, node.clone());
        }
        let path = self.path();
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.inside {
            Inside::List(items) => items.push(node),
            Inside::Map { key: key @ None, .. } => {
                let Some(text) = key_text(&node) else {
                    return Err(Complaint::error(&path, node.at, "a key is text here, not a list or a map"));
                };
                *key = Some(Key { text, at: node.at, merge });
            }
            Inside::Map { entries, key: key @ Some(_), merged } => match key.take() {
                Some(key) if key.merge => merged.push(node),
                Some(Key { at, .. }) if entries.len() >= MAX_KEYS => {
                    return Err(Complaint::error(&path, at, format!("more than {MAX_KEYS} keys in one map")));
                }
                Some(Key { text, at, .. }) => {
                    if let Some(index) = entries.iter().position(|entry| entry.key == text) {
                        entries.remove(index);
                        complaints.push(Complaint::warning(
                            &path,
                            at,
                            "the key stands twice; this one counts",
                        ));
                    }
                    entries.push(Entry { key: text, at, value: node });
                }
                None => {}
            },
        }
        Ok(())
    }

    /// The place by keys of what is being read.
    fn path(&self) -> String {
        self.open.iter().fold(String::new(), |path, open| match &open.inside {
            Inside::List(items) => format!("{path}[{}]", items.len()),
            Inside::Map { key: Some(key), .. } => join(&path, &key.text),
            Inside::Map { key: None, .. } => path,
        })
    }
}

/// `<<: *other` gives what the map itself does not say.
fn merge(mut entries: Vec<Entry>, merged: Vec<Node>) -> Vec<Entry> {
    for node in merged {
        let maps = if let Data::List(items) = node.data { items } else { vec![node] };
        for entry in maps.into_iter().flat_map(|map| match map.data {
            Data::Map(entries) => entries,
            _ => Vec::new(),
        }) {
            if !entries.iter().any(|known| known.key == entry.key) {
                entries.push(entry);
            }
        }
    }
    entries
}

/// A key as JSON has it; a worker is told `"1"` for `1:`.
fn key_text(node: &Node) -> Option<String> {
    match &node.data {
        Data::Text(text) => Some(text.clone()),
        Data::List(_) | Data::Map(_) => None,
        _ => Some(node.to_json().to_string()),
    }
}

fn weight(node: &Node) -> usize {
    NODE_WEIGHT
        + match &node.data {
            Data::Text(text) => text.len(),
            Data::List(items) => items.iter().map(weight).sum(),
            Data::Map(entries) => entries.iter().map(|entry| entry.key.len() + weight(&entry.value)).sum(),
            _ => 0,
        }
}

fn depth(node: &Node) -> usize {
    match &node.data {
        Data::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Data::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.value)).max().unwrap_or(0),
        _ => 0,
    }
}

fn place(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}
