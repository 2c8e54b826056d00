//! JSON as Python writes and reads it: what a text says, and where.
//!
//! Accepts exactly what `json.loads` accepts (NaN, Infinity, escapes of lone surrogates, equal keys) and refuses
//! what it refuses, integers of more than 4,300 digits among it. Builds no trees: it says where values stand.
//! Everything in this crate that reads JSON reads it through `scanner`, which walks the bytes.

mod scanner;
mod read;
mod write;

pub use read::{ReadError, from_json};
pub(crate) use scanner::{Scanner, Token};
pub use write::{WriteError, to_json};

use std::borrow::Cow;

use crate::error::{DecodeError, Reason};
use crate::text::unescape;

/// The deepest nesting taken in a message. Arguments are shallow; a parser in another language may recurse.
pub const MAX_DEPTH: usize = 64;

/// The most keys in one message.
pub const MAX_KEYS: usize = 10_000;

/// The longest integer that Python converts unless told otherwise (`sys.int_info.default_max_str_digits`). A
/// longer one would reach the worker as a message that it cannot read.
pub const MAX_DIGITS: usize = 4300;

/// How much structure a text may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    depth: usize,
    keys: usize,
}

impl Limits {
    /// For messages, which other programs read too.
    pub(crate) const MESSAGE: Self = Self { depth: MAX_DEPTH, keys: MAX_KEYS };
    /// For texts whose length alone is bounded: a task's result may be as deep as it likes.
    pub(crate) const LENGTH_ONLY: Self = Self { depth: usize::MAX, keys: usize::MAX };

    /// As [`Limits::LENGTH_ONLY`], and no deeper than this.
    pub(crate) const fn deep(depth: usize) -> Self {
        Self { depth, keys: usize::MAX }
    }
}

/// What a value is, by its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    /// An integer: digits, with a minus sign or without.
    Integer,
    /// Any other number, NaN and Infinity among them.
    Float,
    Text,
    List,
    Object,
}

/// A value's place: its first byte and the one behind its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// A text with a backslash in it.
    escaped: bool,
}

impl Value {
    fn new(kind: Kind, start: usize, end: usize) -> Self {
        Self { kind, start, end, escaped: false }
    }

    /// The value's own text.
    pub(crate) fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }

    /// What a text says, in bytes; a lone surrogate has the three that UTF-8's pattern gives it.
    pub(crate) fn bytes(self, text: &str) -> Cow<'_, [u8]> {
        let inner = &text.as_bytes()[self.start + 1..self.end - 1];
        if self.escaped { Cow::Owned(unescape(inner)) } else { Cow::Borrowed(inner) }
    }

    /// What a text says; `None` when a lone surrogate is in it.
    pub(crate) fn text(self, text: &str) -> Option<Cow<'_, str>> {
        let inner = &text[self.start + 1..self.end - 1];
        if self.escaped {
            String::from_utf8(unescape(inner.as_bytes())).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// What a text says, with replacement characters for lone surrogates.
    pub(crate) fn lossy(self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text)).into_owned()
    }
}

/// Walks over a text that must be one object, and shows each of its own keys with its value.
pub(crate) fn each_field(
    text: &str,
    limits: Limits,
    mut field: impl FnMut(&[u8], Value),
) -> Result<(), DecodeError> {
    walk(text, limits, |key, value| field(&key.bytes(text), value))
}

fn walk(text: &str, limits: Limits, mut field: impl FnMut(Value, Value)) -> Result<(), DecodeError> {
    let mut scanner = Scanner::new(text, limits);
    if scanner.token()? != Token::Open(Kind::Object) {
        return Err(DecodeError::at(Reason::NotAnObject, 0));
    }
    while let Token::Key(key) = scanner.token()? {
        if let Some(value) = scanner.skip()? {
            field(key, value);
        }
    }
    // Behind the closing bracket there may be nothing more.
    scanner.token().map(|_| ())
}

/// The items of a list, each as its own text; of an object its keys, as Python unpacks it.
///
/// # Errors
/// What is no list and no object.
pub fn items(text: &str) -> Result<Vec<&str>, DecodeError> {
    let mut items = Vec::new();
    if text.trim_start().starts_with('{') {
        walk(text, Limits::MESSAGE, |key, _| items.push(key.of(text)))?;
        return Ok(items);
    }
    let mut scanner = Scanner::new(text, Limits::MESSAGE);
    if scanner.token()? != Token::Open(Kind::List) {
        return Err(DecodeError::at(Reason::BadArgs, 0));
    }
    while let Some(item) = scanner.skip()? {
        items.push(item.of(text));
    }
    scanner.token().map(|_| items)
}

/// The entries of an object, each value as its own text. Keys have replacement characters for lone surrogates.
///
/// # Errors
/// What is no object.
pub fn entries(text: &str) -> Result<Vec<(String, &str)>, DecodeError> {
    let mut entries = Vec::new();
    walk(text, Limits::MESSAGE, |key, value| entries.push((key.lossy(text), value.of(text))))?;
    Ok(entries)
}

/// Whether a text is JSON, and of what kind.
pub(crate) fn check(text: &str, limits: Limits) -> Result<Option<Kind>, DecodeError> {
    let mut scanner = Scanner::new(text, limits);
    let value = scanner.skip()?;
    scanner.token()?;
    Ok(value.map(|value| value.kind))
}
