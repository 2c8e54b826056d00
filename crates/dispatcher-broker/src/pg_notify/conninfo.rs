//! The settings of a connection as keyword and value, from whatever form they were written in.
//!
//! A mapping (psycopg's keyword arguments), a libpq string (`host=db dbname=x`), a URL, a service file and the
//! environment all end in one [`Conninfo`]. What the values mean is not known here (`target.rs`), and no value is
//! ever part of an error, because a slip of a quote puts the password anywhere.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{keyword, service_file, uri};
use crate::{BrokerError, Secret, Settings};

/// Checked keywords and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Conninfo(HashMap<&'static str, Secret>);

/// What the process around us contributes. An argument, so that tests need not change the process.
pub(super) struct Environment<'a> {
    /// Environment variables.
    pub(super) var: &'a dyn Fn(&str) -> Option<String>,
    /// The home directory.
    pub(super) home: Option<PathBuf>,
    /// The name of the operating system's user.
    pub(super) user: Option<String>,
}

impl Conninfo {
    /// From a mapping. Its `conninfo` entry is a string or URL that the other entries override.
    pub(super) fn from_settings(settings: &Settings) -> Result<Self, BrokerError> {
        let mut conninfo = Self::default();
        for (name, value) in settings.iter() {
            if name == "conninfo" {
                conninfo = Self::parse(value.expose())?;
            }
        }
        for (name, value) in settings.iter().filter(|(name, _)| *name != "conninfo") {
            conninfo.set(name, value.clone())?;
        }
        Ok(conninfo)
    }

    /// From a URL or a libpq string.
    pub(super) fn parse(text: &str) -> Result<Self, BrokerError> {
        match uri::strip_scheme(text) {
            Some(rest) => uri::parse(rest),
            None => parse_words(text),
        }
    }

    /// Sets a keyword; a later value wins.
    pub(super) fn set(&mut self, name: &str, value: Secret) -> Result<(), BrokerError> {
        let keyword = keyword::find(name)?;
        if value.expose().contains('\0') {
            return Err(config(format!("the value of connection keyword {name:?} holds a NUL character")));
        }
        keyword::check(keyword, value.expose())?;
        self.0.insert(keyword.name, value);
        Ok(())
    }

    /// Sets a keyword unless it is set, even to nothing.
    pub(super) fn set_default(&mut self, name: &str, value: Secret) -> Result<(), BrokerError> {
        if self.0.contains_key(name) { Ok(()) } else { self.set(name, value) }
    }

    /// The value; an empty one is an absent one.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose).filter(|value| !value.is_empty())
    }

    /// Fills in what is not set: first from the service file, then from the environment.
    pub(super) fn complete(mut self, environment: &Environment<'_>) -> Result<Self, BrokerError> {
        service_file::apply(&mut self, environment)?;
        for keyword in keyword::KEYWORDS {
            let Some(value) = keyword.env.and_then(environment.var) else { continue };
            self.set_default(keyword.name, value.into()).map_err(|error| match keyword.env {
                Some(variable) => config(format!("environment variable {variable}: {error}")),
                None => error,
            })?;
        }
        if (environment.var)("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
            self.set_default("sslmode", "require".into())?;
        }
        Ok(self)
    }

    #[cfg(test)]
    pub(super) fn pairs(&self) -> std::collections::BTreeMap<&'static str, &str> {
        self.0.iter().map(|(name, value)| (*name, value.expose())).collect()
    }
}

/// An error the user has to mend in the config.
pub(super) fn config(text: impl Into<String>) -> BrokerError {
    BrokerError::Config(text.into())
}

/// `keyword = value` pairs. A value ends at a blank unless it stands between single quotes; a backslash keeps the
/// character after it as it is.
fn parse_words(text: &str) -> Result<Conninfo, BrokerError> {
    let mut conninfo = Conninfo::default();
    let mut rest = text.trim_start_matches(is_blank);
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_blank(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(after) = after.trim_start_matches(is_blank).strip_prefix('=') else {
            // A password with a blank in it ends up here: do not repeat it.
            return Err(config(
                "missing \"=\" after a word in the connection string; quote values that hold blanks",
            ));
        };
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(config(
                "a word before a \"=\" in the connection string is no keyword; quotes end a value",
            ));
        }
        let (value, after) = take_value(after.trim_start_matches(is_blank))?;
        conninfo.set(name, value)?;
        rest = after.trim_start_matches(is_blank);
    }
    Ok(conninfo)
}

fn take_value(text: &str) -> Result<(Secret, &str), BrokerError> {
    let (body, quoted) = match text.strip_prefix('\'') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let mut value = String::with_capacity(body.len());
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                if let Some((_, kept)) = chars.next() {
                    value.push(kept);
                }
            }
            '\'' if quoted => return Ok((value.into(), &body[at + 1..])),
            c if !quoted && is_blank(c) => return Ok((value.into(), &body[at..])),
            c => value.push(c),
        }
    }
    if quoted {
        return Err(config("unterminated quoted value in the connection string"));
    }
    Ok((value.into(), ""))
}

/// What C calls a space.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::super::target::Target;
    use super::*;
    use proptest::prelude::*;

    /// `keyword=value` joined by `|`, or the error.
    fn read(text: &str) -> String {
        match Conninfo::parse(text) {
            Ok(info) => info
                .pairs()
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join("|"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn strings_mean_what_they_mean_to_libpq() {
        for (text, meaning) in [
            ("", ""),
            (" \t\n", ""),
            ("host=db dbname = jobs\tuser\n=\nme", "dbname=jobs|host=db|user=me"),
            (
                "password='it''s'=1",
                "a word before a \"=\" in the connection string is no keyword; quotes end a value",
            ),
            (r"password='a b\'c\\d' port=1", r"password=a b'c\d|port=1"),
            (r"password=a\ b\\", r"password=a b\"),
            ("password=a'b", "password=a'b"),
            ("host= dbname=x", "host=dbname=x"),
            ("host='' dbname=x", "dbname=x|host="),
            ("host=a host=b", "host=b"),
            ("host='x", "unterminated quoted value in the connection string"),
            ("geheim", "missing \"=\" after a word in the connection string; quote values that hold blanks"),
            (
                "postgresql:/x",
                "missing \"=\" after a word in the connection string; quote values that hold blanks",
            ),
        ] {
            assert_eq!(read(text), meaning, "{text:?}");
        }
    }

    #[test]
    fn urls_mean_what_they_mean_to_libpq() {
        for (text, meaning) in [
            ("postgres://", ""),
            ("postgresql://me:a%3Ab%40@db:5433/jobs", "dbname=jobs|host=db|password=a:b@|port=5433|user=me"),
            ("postgresql://@h/", "host=h"),
            ("postgresql://[::1]:1,h:,[fe80::2]/d", "dbname=d|host=::1,h,fe80::2|port=1,,"),
            ("postgresql://%2Ftmp/d", "dbname=d|host=/tmp"),
            ("postgresql:///d?host=/tmp&port=1", "dbname=d|host=/tmp|port=1"),
            (
                "postgresql://h?ssl=true&application_name=a%20b&",
                "application_name=a b|host=h|sslmode=require",
            ),
            ("postgresql://h?ssl=false", "unknown connection keyword \"ssl\""),
            ("postgresql://h?&", "each parameter of the connection URL must be keyword=value"),
            ("postgresql://h?user=a=b", "each parameter of the connection URL must be keyword=value"),
            ("postgresql://a b@h", "the connection URL holds a space; write it as %20"),
            ("postgresql://a%00@h", "the connection URL holds a \"%\" that does not begin a valid %XX"),
            (
                "postgresql://[::1",
                "the connection URL has a \"[\" without an IPv6 address and \"]\" after it",
            ),
            ("postgresql://[::1]x", "the connection URL has something else than a port after \"]\""),
        ] {
            assert_eq!(read(text), meaning, "{text:?}");
        }
    }

    #[test]
    fn mapping_overrides_the_string_in_it() {
        let settings: Settings =
            [("port", "2"), ("conninfo", "host=a port=1"), ("autocommit", "True"), ("sslcert", "")]
                .into_iter()
                .collect();
        let info = Conninfo::from_settings(&settings).unwrap();
        assert_eq!((info.get("host"), info.get("port"), info.get("sslcert")), (Some("a"), Some("2"), None));
        let settings: Settings = [("pasword", "geheim")].into_iter().collect();
        let error = Conninfo::from_settings(&settings).unwrap_err().to_string();
        assert_eq!(error, "unknown connection keyword \"pasword\"; did you mean \"password\"?");
    }

    #[test]
    fn environment_fills_in_what_settings_and_service_leave_open() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("services");
        std::fs::write(&file, "[jobs]\nhost=from-service\nport=2\n").unwrap();
        let var = |name: &str| match name {
            "PGSERVICE" => Some("jobs".to_owned()),
            "PGSERVICEFILE" => Some(file.display().to_string()),
            "PGPORT" | "PGUSER" | "PGDATABASE" => Some("3".to_owned()),
            "PGREQUIRESSL" => Some("1".to_owned()),
            _ => None,
        };
        let environment = Environment { var: &var, home: None, user: None };
        let info = Conninfo::parse("user=me dbname=''").unwrap().complete(&environment).unwrap();
        assert_eq!(info.get("user"), Some("me"));
        assert_eq!(info.get("dbname"), None, "an empty value is a value: the environment does not count");
        assert_eq!((info.get("host"), info.get("port")), (Some("from-service"), Some("2")));
        assert_eq!(info.get("sslmode"), Some("require"));
    }

    #[test]
    fn fault_of_the_environment_names_its_variable() {
        let var = |name: &str| (name == "PGGSSENCMODE").then(|| "require".to_owned());
        let environment = Environment { var: &var, home: None, user: None };
        let error = Conninfo::default().complete(&environment).unwrap_err().to_string();
        assert!(error.starts_with("environment variable PGGSSENCMODE: "), "{error}");
    }

    proptest! {
        #[test]
        fn quoted_values_come_back(value in "[^\0]{0,40}") {
            let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
            let info = Conninfo::parse(&format!("user=x password = '{quoted}' port=1")).unwrap();
            prop_assert_eq!(info.0.get("password").map(Secret::expose), Some(value.as_str()));
            prop_assert_eq!(info.get("port"), Some("1"));
        }

        #[test]
        fn encoded_values_come_back(value in "[^\0]{1,40}") {
            let encoded = value.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
            let info = Conninfo::parse(&format!("postgres://{encoded}:{encoded}@h/{encoded}?options={encoded}")).unwrap();
            for keyword in ["user", "password", "dbname", "options"] {
                prop_assert_eq!(info.get(keyword), Some(value.as_str()));
            }
        }

        #[test]
        fn nothing_shows_a_password(rest in "[ -~]{0,20}") {
            for text in [format!("user=me password='geheim{rest}"), format!("postgres://me:geheim{rest}@db/jobs?x")] {
                let environment = Environment { var: &|_| None, home: None, user: None };
                let target = Conninfo::parse(&text).and_then(|info| Target::new(&info, &environment, "x"));
                prop_assert!(!format!("{target:?}").contains("geheim"), "{target:?}");
            }
        }
    }
}
