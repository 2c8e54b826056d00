//! The JSON Schema of the file, made from the table.
//!
//! Says about single keys what `check` says; rules between keys are not in it. Where it stands: beside the path, for
//! editors and for other tools.

use serde_json::{Map, Value, json};

use super::size;
use super::table::{FILE, Key, MOST_SECONDS, Section, Shape};

/// Draft 2020-12.
pub(super) fn schema() -> Value {
    let mut schema = section(&FILE);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("dispatcher.yml");
    schema["type"] = json!("object");
    schema["required"] = json!(["version"]);
    schema
}

fn section(section: &Section) -> Value {
    json!({
        "type": ["object", "null"],
        "properties": properties(section.keys()),
        "additionalProperties": !section.strict,
    })
}

fn properties<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Map<String, Value> {
    keys.into_iter().map(|key| (key.name.to_owned(), property(key))).collect()
}

fn property(key: &Key) -> Value {
    let mut property = shape(&key.shape);
    property["description"] = json!(key.about);
    match serde_json::from_str(key.default) {
        Ok(Value::Null) | Err(_) => {}
        Ok(default) => property["default"] = default,
    }
    property
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Version => json!({"const": 2}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Text => json!({"type": "string"}),
        Shape::Channel => json!({"type": "string", "minLength": 1, "maxLength": 63}),
        Shape::Keywords => json!({
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }),
        Shape::Map => json!({"type": "object"}),
        Shape::Count { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Seconds { zero: true } => json!({"type": "number", "minimum": 0, "maximum": MOST_SECONDS}),
        Shape::Seconds { zero: false } => {
            json!({"type": "number", "exclusiveMinimum": 0, "maximum": MOST_SECONDS})
        }
        Shape::Bytes => json!({
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": size::PATTERN}],
        }),
        Shape::BytesOrZero => json!({
            "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": size::PATTERN}],
        }),
        Shape::Amount => json!({"type": "number", "exclusiveMinimum": 0}),
        Shape::Account => json!({"type": ["string", "integer"], "minimum": 0}),
        Shape::Period => {
            json!({"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": MOST_SECONDS})
        }
        Shape::Word(words) if words.contains(&"off") => {
            json!({"enum": words.iter().map(|word| json!(word)).chain([json!(false)]).collect::<Vec<_>>()})
        }
        Shape::Word(words) => json!({"enum": words}),
        Shape::List(item) => json!({"type": "array", "items": self::shape(item)}),
        Shape::Optional(inner) => nullable(self::shape(inner)),
        Shape::Named(inner) => {
            json!({"type": ["object", "null"], "additionalProperties": self::shape(inner)})
        }
        Shape::Section(inner) => section(inner),
        Shape::Task(keys) => task(keys),
    }
}

fn nullable(mut schema: Value) -> Value {
    if let Value::String(name) = &schema["type"] {
        schema["type"] = json!([name, "null"]);
    }
    schema
}

fn task(keys: &[Key]) -> Value {
    let required: Vec<&str> =
        keys.iter().filter(|key| !matches!(key.shape, Shape::Optional(_))).map(|key| key.name).collect();
    let kind = if keys.is_empty() { json!(["object", "null"]) } else { json!("object") };
    json!({"type": kind, "properties": properties(keys), "required": required})
}
