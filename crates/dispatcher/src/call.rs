//! From the arguments of a message to those of a function, as Python passes them: by position, by keyword, or mixed.
//!
//! Whatever is wrong is told with the task, the parameter and its type, and never with a value.

use dispatcher_protocol::{ReadError, entries, from_json, items};
use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

use crate::definition::{Arguments, Failure};

/// The type of error that a worker reports for a call that does not fit.
const KIND: &str = "ArgumentError";

/// One parameter of a function.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its type, as it is written.
    pub kind: &'static str,
}

/// The arguments of one call, each with its parameter.
#[derive(Debug)]
pub struct Call<'a> {
    task: &'static str,
    parameters: &'a [Parameter],
    /// The text for each parameter; none for one that was left out.
    given: Vec<Option<&'a str>>,
    /// Which one is taken next.
    next: usize,
}

impl<'a> Call<'a> {
    /// Gives each argument its parameter.
    ///
    /// # Errors
    /// More arguments than parameters, unknown keywords, one argument twice.
    pub fn read(
        task: &'static str,
        parameters: &'a [Parameter],
        arguments: &'a Arguments,
    ) -> Result<Self, Failure> {
        let mut call = Self { task, parameters, given: vec![None; parameters.len()], next: 0 };
        let unreadable = |what: &str, error| call.failure(format_args!("{what} cannot be read: {error}"));
        let args = arguments.args.as_deref().map(items).transpose();
        let args = args.map_err(|error| unreadable("args", error))?.unwrap_or_default();
        let kwargs = arguments.kwargs.as_deref().map(entries).transpose();
        let kwargs = kwargs.map_err(|error| unreadable("kwargs", error))?.unwrap_or_default();
        if args.len() > parameters.len() {
            let (given, takes) = (args.len(), call.takes());
            return Err(
                call.failure(format_args!("{given} arguments by position are too many, it takes {takes}"))
            );
        }
        for (slot, text) in call.given.iter_mut().zip(&args) {
            *slot = Some(text);
        }
        for (key, text) in kwargs {
            let Some(index) = parameters.iter().position(|parameter| parameter.name == key) else {
                let (key, takes) = (shown(&key), call.takes());
                return Err(call.failure(format_args!("there is no parameter {key}, it takes {takes}")));
            };
            // Of equal keys the last counts, as for Python; what stands by position is meant by somebody else.
            if index < args.len() {
                return Err(
                    call.failure(format_args!("argument {key} is given twice, by position and by keyword"))
                );
            }
            call.given[index] = Some(text);
        }
        Ok(call)
    }

    /// The next one, in the order of the parameters.
    ///
    /// # Errors
    /// It is of another type, or is missing and cannot be left out.
    pub fn argument<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let index = self.next;
        self.next += 1;
        let Parameter { name, kind } = self.parameters[index];
        match self.given[index] {
            Some(text) => from_json(text).map_err(|error: ReadError| {
                self.failure(format_args!("argument {name}: {kind} is expected, and {}", inside(&error)))
            }),
            None => T::deserialize(Missing)
                .map_err(|_| self.failure(format_args!("argument {name} is missing, {kind} is expected"))),
        }
    }

    /// The parameters, for a sentence.
    fn takes(&self) -> String {
        let all: Vec<_> = self.parameters.iter().map(|one| format!("{}: {}", one.name, one.kind)).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    }

    fn failure(&self, what: std::fmt::Arguments<'_>) -> Failure {
        Failure::Failed { kind: KIND.to_owned(), message: format!("task {}: {what}", self.task) }
    }
}

/// Where inside the value, and what is wrong there.
fn inside(error: &ReadError) -> String {
    let path = error.path();
    if path.is_empty() { format!("it {error}") } else { format!("{path} {error}") }
}

/// A keyword that nobody knows, if it looks like one: it may be a value that has got into the wrong place.
fn shown(key: &str) -> &str {
    let letters = key.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
    if letters && key.len() <= 64 && !key.is_empty() { key } else { "of that name" }
}

/// What stands for an argument that was left out: nothing, for types that can be nothing.
struct Missing;

impl<'de> Deserializer<'de> for Missing {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
