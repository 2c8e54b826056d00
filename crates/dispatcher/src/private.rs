//! What the code of `#[task]` needs, and nobody else: it may change with any version.

pub use inventory;

pub use crate::call::{Call, Parameter};
pub use crate::outcome::{IsResult, IsValue, Probe};
pub use crate::registry::Registered;

use crate::definition::{Definition, Failure};
use crate::submission::Submission;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A run of a task, its arguments to come.
pub fn submit(definition: &Definition) -> Submission {
    Submission::of(definition)
}

/// Adds an argument by position; its name is for errors.
pub fn named<T: Argument>(submission: Submission, name: &str, value: &T) -> Submission {
    submission.named(name, value)
}

/// The next argument of a call.
///
/// # Errors
/// As [`Call::argument`].
pub fn argument<T: Argument>(call: &mut Call<'_>) -> Result<T, Failure> {
    call.argument()
}

/// A type that an argument may have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a task",
    label = "this is not both `serde::Serialize` and `serde::Deserialize`",
    note = "arguments travel as JSON: derive both for it, or pass what it is made from, such as an id"
)]
pub trait Argument: Serialize + DeserializeOwned + Send {}

impl<T: Serialize + DeserializeOwned + Send> Argument for T {}

/// How long the dotted name for a path is.
pub const fn dotted_length(path: &str) -> usize {
    let bytes = path.as_bytes();
    let (mut at, mut length) = (0, 0);
    while at < bytes.len() {
        at += step(bytes, at);
        length += 1;
    }
    length
}

/// A path with dots: `shop::orders::r#type` becomes `shop.orders.type`.
pub const fn dotted<const LENGTH: usize>(path: &str) -> [u8; LENGTH] {
    let bytes = path.as_bytes();
    let mut out = [0; LENGTH];
    let (mut at, mut length) = (0, 0);
    while at < bytes.len() {
        out[length] = if bytes[at] == b':' { b'.' } else { bytes[at] };
        at += step(bytes, at);
        length += 1;
    }
    out
}

/// How many bytes become one: two colons and the mark of a raw identifier behind them.
const fn step(bytes: &[u8], at: usize) -> usize {
    if bytes[at] != b':' {
        return 1;
    }
    let raw = at + 3 < bytes.len() && bytes[at + 2] == b'r' && bytes[at + 3] == b'#';
    if raw { 4 } else { 2 }
}

/// The name of a task by where its function stands.
#[doc(hidden)]
#[macro_export]
macro_rules! __dotted_name {
    ($function:literal) => {{
        const PATH: &str = ::core::concat!(::core::module_path!(), "::", $function);
        const BYTES: [u8; $crate::__private::dotted_length(PATH)] = $crate::__private::dotted(PATH);
        match ::core::str::from_utf8(&BYTES) {
            ::core::result::Result::Ok(name) => name,
            ::core::result::Result::Err(_) => ::core::panic!("a path is text"),
        }
    }};
}

/// The end of a run by what its function gave back.
#[doc(hidden)]
#[macro_export]
macro_rules! __outcome {
    ($value:expr) => {
        match $value {
            value => {
                #[allow(unused_imports)]
                use $crate::__private::{IsResult as _, IsValue as _};
                let way = (&$crate::__private::Probe::of(&value)).way();
                way.end(value)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "shop::orders::r#type::ship";

    #[test]
    fn a_path_becomes_a_dotted_name() {
        let name = dotted::<{ dotted_length(PATH) }>(PATH);
        assert_eq!(std::str::from_utf8(&name), Ok("shop.orders.type.ship"));
    }
}
