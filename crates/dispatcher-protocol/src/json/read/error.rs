//! Why a value is not what a type expects: where in the value, and what stands there, never the text itself.
//!
//! What a type says of its own about a value is left out, as it may quote it.

use std::fmt::{self, Display, Write};

use serde::de::{Error as DeError, Expected, Unexpected};
use thiserror::Error;

use super::Kind;
use crate::error::DecodeError;

/// A value is not what its type expects. Reads on after the name of the value: `is a text, it has to be u32`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{what}")]
pub struct ReadError {
    /// From the outermost on.
    path: Vec<Step>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Item(usize),
    Field(String),
    /// An entry whose key is data.
    Entry,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    NoJson(DecodeError),
    Is { found: &'static str, expected: String },
    Sentence(String),
}

impl Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJson(error) => write!(f, "cannot be read: {error}"),
            Self::Is { found, expected } => write!(f, "is {found}, it has to be {expected}"),
            Self::Sentence(text) => f.write_str(text),
        }
    }
}

impl ReadError {
    /// Where inside the value: `.items[2].price`; empty for the value itself.
    pub fn path(&self) -> String {
        self.path.iter().fold(String::new(), |mut path, step| {
            // Writing to a String cannot fail.
            let _ = match step {
                Step::Item(index) => write!(path, "[{index}]"),
                Step::Field(name) => write!(path, ".{name}"),
                Step::Entry => path.write_str("[…]"),
            };
            path
        })
    }

    pub(super) fn in_item(mut self, index: usize) -> Self {
        self.path.insert(0, Step::Item(index));
        self
    }

    /// A name is shown when it looks like one of a field.
    pub(super) fn in_field(mut self, name: Option<String>) -> Self {
        let is_name = |name: &String| name.len() <= 64 && crate::name::is_identifier(name);
        self.path.insert(0, name.filter(is_name).map_or(Step::Entry, Step::Field));
        self
    }

    pub(super) fn found(kind: Kind, expected: &str) -> Self {
        Self::is(name_of(kind), expected)
    }

    pub(super) fn surrogate() -> Self {
        Self::is("a text with half a character (a lone surrogate)", "a text that UTF-8 can hold")
    }

    pub(super) fn not_finite() -> Self {
        Self::is("NaN or Infinity", "of a type that can hold it, such as f64")
    }

    pub(super) fn not_strict() -> Self {
        Self::is("no strict JSON (NaN or Infinity)", "JSON to be kept as text")
    }

    pub(super) fn too_big() -> Self {
        Self::is("an integer too big for its type", "smaller, or of a wider type such as i128 or f64")
    }

    pub(super) fn too_long(most: usize) -> Self {
        Self::sentence(format!("has more items than the {most} that it has to have"))
    }

    pub(super) fn too_many_fields() -> Self {
        Self::sentence("has more keys than it has to have".to_owned())
    }

    pub(super) fn key(expected: &str) -> Self {
        Self::sentence(format!("has a key that has to be {expected} and is not"))
    }

    fn is(found: &'static str, expected: &str) -> Self {
        Self::new(What::Is { found, expected: expected.to_owned() })
    }

    fn sentence(text: String) -> Self {
        Self::new(What::Sentence(text))
    }

    fn new(what: What) -> Self {
        Self { path: Vec::new(), what }
    }
}

impl From<DecodeError> for ReadError {
    fn from(error: DecodeError) -> Self {
        Self::new(What::NoJson(error))
    }
}

impl DeError for ReadError {
    fn custom<T: Display>(_text: T) -> Self {
        Self::sentence("is not accepted by its type".to_owned())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::is(what_is(&unexpected), &expected.to_string())
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match unexpected {
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number out of range",
            other => what_is(&other),
        };
        Self::is(found, &expected.to_string())
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::sentence(format!("has {length} items, it has to be {expected}"))
    }

    fn unknown_variant(_variant: &str, expected: &'static [&'static str]) -> Self {
        Self::is("an unknown name", &format!("one of {}", expected.join(", ")))
    }

    fn unknown_field(_field: &str, expected: &'static [&'static str]) -> Self {
        Self::sentence(format!("has a field that is none of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::sentence(format!("lacks the field {field}"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::sentence(format!("has the field {field} twice"))
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Bool => "true or false",
        Kind::Integer => "an integer",
        Kind::Float => "a number with a fraction",
        Kind::Text => "a text",
        Kind::List => "a list",
        Kind::Object => "an object",
    }
}

fn what_is(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => name_of(Kind::Bool),
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => name_of(Kind::Integer),
        Unexpected::Float(_) => name_of(Kind::Float),
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => name_of(Kind::Text),
        Unexpected::Unit | Unexpected::Option => name_of(Kind::Null),
        Unexpected::Seq => name_of(Kind::List),
        Unexpected::Map => name_of(Kind::Object),
        _ => "something else",
    }
}
