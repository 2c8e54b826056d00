//! What the config says about a broker, already checked for type but not for meaning.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::Secret;

/// Connection settings: keyword and value, in the order written. Any value may be a password or hold one, so
/// `Debug` shows the keywords alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings(Vec<(String, Secret)>);

impl Settings {
    /// Adds a keyword; a later one of the same name wins.
    pub fn set(&mut self, keyword: impl Into<String>, value: impl Into<Secret>) {
        self.0.push((keyword.into(), value.into()));
    }

    /// Every pair in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(keyword, value)| (keyword.as_str(), value))
    }

    /// Whether nothing was set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<Secret>> FromIterator<(K, V)> for Settings {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(keyword, value)| (keyword.into(), value.into())).collect())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(keyword, _)| keyword)).finish()
    }
}

/// When a listening line has to prove that it still delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfCheck {
    /// After this long without a message, one is sent to ourselves (`max_connection_idle_seconds`).
    pub after_idle: Duration,
    /// It has to be back by then, else the line is given up (`max_self_check_message_age_seconds`).
    pub max_age: Duration,
}

impl Default for SelfCheck {
    /// 10 s and 2 s: a line that went silent is replaced within 12 s.
    fn default() -> Self {
        Self { after_idle: Duration::from_secs(10), max_age: Duration::from_secs(2) }
    }
}

/// What a broker is built from. Each broker reads what concerns it.
#[derive(Clone, Debug)]
pub struct Options {
    /// `config`: how to connect.
    pub config: Settings,
    /// `channels`: what to listen on; duplicates are listened to once.
    pub channels: Vec<String>,
    /// The self-check; none turns it off.
    pub self_check: Option<SelfCheck>,
    /// `socket_path`: where the socket is.
    pub socket_path: Option<PathBuf>,
    /// The name the connection shows to the bus unless `config` or the environment gives one.
    pub application_name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: Settings::default(),
            channels: Vec::new(),
            self_check: Some(SelfCheck::default()),
            socket_path: None,
            application_name: "dispatcher".to_owned(),
        }
    }
}
