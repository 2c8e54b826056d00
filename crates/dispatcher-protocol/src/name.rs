//! What a task may be called. Says nothing about what may run: that is the engine's policy, and the worker's.

use thiserror::Error;

/// The longest name, in bytes.
pub const MAX_NAME: usize = 255;

/// Why a text is no task name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// Longer than [`MAX_NAME`].
    #[error("a task name has at most 255 bytes")]
    TooLong,
    /// Fewer than two parts.
    #[error("a task name has a module and a function, such as \"package.module.function\"")]
    NoModule,
    /// A part that is no identifier.
    #[error("each part of a task name is an identifier: letters, digits and _, no digit first")]
    BadPart,
}

/// Checks that a name is a dotted path of identifiers.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.len() > MAX_NAME {
        return Err(NameError::TooLong);
    }
    if !name.contains('.') {
        return Err(NameError::NoModule);
    }
    if name.split('.').all(is_identifier) { Ok(()) } else { Err(NameError::BadPart) }
}

/// Letters, digits and `_`, no digit first.
pub(crate) fn is_identifier(part: &str) -> bool {
    let mut characters = part.chars();
    characters.next().is_some_and(|first| first == '_' || first.is_alphabetic())
        && characters.all(|character| character == '_' || character.is_alphanumeric())
}

/// Text that the original evaluates as Python source.
pub fn is_lambda(name: &str) -> bool {
    name.starts_with("lambda")
}

/// A part such as `__globals__`, which leads from a harmless object to everything.
pub fn has_dunder_part(name: &str) -> bool {
    name.split('.').any(|part| part.starts_with("__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_identifiers_are_names_and_nothing_else_is() {
        for good in ["a.b", "package.module.function", "_a._b1", "täsks.ü"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", NameError::NoModule),
            ("record", NameError::NoModule),
            (".", NameError::BadPart),
            (".a.b", NameError::BadPart),
            ("a.b.", NameError::BadPart),
            ("a.1b", NameError::BadPart),
            ("a .b", NameError::BadPart),
            ("a.b\0c", NameError::BadPart),
            ("🔥.a", NameError::BadPart),
        ] {
            assert_eq!(check_name(bad), Err(why), "{bad:?}");
        }
        assert_eq!(check_name(&format!("a.{}", "b".repeat(300))), Err(NameError::TooLong));
    }

    #[test]
    fn dunder_parts_are_seen_wherever_they_stand() {
        assert!(has_dunder_part("os.__name__") && has_dunder_part("__main__.f"));
        assert!(!has_dunder_part("a._b.c__d"));
    }
}
