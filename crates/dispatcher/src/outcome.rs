//! What a function gives back, as the end of a run: nothing, a value, or a `Result`.
//!
//! Which of them it is, is decided by the type and not by its spelling, so an alias of `Result` is a `Result`.

use std::any::type_name;
use std::fmt::Display;
use std::marker::PhantomData;

use dispatcher_protocol::to_json;
use serde::Serialize;

use crate::definition::{Failure, Outcome};

/// A value that a task may give back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a task",
    label = "this is not `serde::Serialize`",
    note = "results travel as JSON: derive `serde::Serialize` for it, or return `()`, a number, a text, ..."
)]
pub trait TaskResult: Serialize {}

impl<T: Serialize + ?Sized> TaskResult for T {}

/// An error that a task may give back.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a task",
    label = "this is not `std::fmt::Display`",
    note = "a failed task is reported with the text of its error: implement `std::fmt::Display` for it"
)]
pub trait TaskError: Display {}

impl<T: Display + ?Sized> TaskError for T {}

/// Stands for a value of that type.
pub struct Probe<T>(PhantomData<T>);

impl<T> Probe<T> {
    /// Of the type of this value.
    pub fn of(_value: &T) -> Self {
        Self(PhantomData)
    }
}

/// How to end a run with a `Result`.
pub struct Fallible;

/// How to end a run with anything else.
pub struct Plain;

/// Found first, by method lookup, for a `Result`.
pub trait IsResult {
    /// The way to end.
    fn way(&self) -> Fallible {
        Fallible
    }
}

impl<T, E> IsResult for Probe<Result<T, E>> {}

/// Found for everything else.
pub trait IsValue {
    /// The way to end.
    fn way(&self) -> Plain {
        Plain
    }
}

impl<T> IsValue for &Probe<T> {}

#[expect(clippy::unused_self, reason = "method lookup has found it by its type")]
impl Fallible {
    /// The end of the run.
    pub fn end<T: TaskResult, E: TaskError>(&self, result: Result<T, E>) -> Outcome {
        match result {
            Ok(value) => Plain.end(value),
            Err(error) => Err(Failure::Failed { kind: short(type_name::<E>()), message: error.to_string() }),
        }
    }
}

#[expect(clippy::unused_self, reason = "method lookup has found it by its type")]
impl Plain {
    /// The end of the run.
    pub fn end<T: TaskResult>(&self, value: T) -> Outcome {
        match to_json(&value) {
            Ok(text) => Ok((text != "null").then_some(text)),
            Err(_) => Err(Failure::Failed {
                kind: "ResultError".to_owned(),
                message: format!("the result, {}, cannot be written as JSON", short(type_name::<T>())),
            }),
        }
    }
}

/// A type without the modules that lead to it: `Box<dyn Error>`.
fn short(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for part in name.split_inclusive(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':'))) {
        out.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_named_without_its_modules() {
        assert_eq!(short(type_name::<Box<dyn std::error::Error>>()), "Box<dyn Error>");
        assert_eq!(short(type_name::<std::io::Error>()), "Error");
        assert_eq!(short("a::B<c::D, e::F>"), "B<D, F>");
    }
}
