//! Channel names as SQL identifiers: the one place where a name becomes part of a statement.

use crate::BrokerError;

/// `NAMEDATALEN - 1` of a server built as usual, in bytes. The server would cut a longer name in silence, and two
/// channels would become one.
const MAX_BYTES: usize = 63;

/// The name between double quotes, with every double quote in it doubled. Refuses an empty name, a NUL, and more
/// than 63 bytes.
pub fn quote_ident(name: &str) -> Result<String, BrokerError> {
    let fault = if name.is_empty() {
        "it is empty"
    } else if name.contains('\0') {
        "it holds a NUL character"
    } else if name.len() > MAX_BYTES {
        "it is longer than 63 bytes"
    } else {
        return Ok(format!("\"{}\"", name.replace('"', "\"\"")));
    };
    Err(BrokerError::Config(format!("{name:?} cannot be the name of a channel: {fault}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled_and_nothing_else_is_touched() {
        assert_eq!(quote_ident("Jobs \"x\" \\ 'y'").unwrap(), "\"Jobs \"\"x\"\" \\ 'y'\"");
    }

    #[test]
    fn names_the_server_would_change_are_refused() {
        for name in [String::new(), "a\0b".to_owned(), "x".repeat(64), "ä".repeat(32)] {
            assert!(quote_ident(&name).unwrap_err().is_config(), "{name:?}");
        }
        assert!(quote_ident(&"x".repeat(63)).is_ok());
    }
}
