//! Publishers out of the configuration file that services and Python applications read too.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dispatcher_broker::BoxFuture;
use dispatcher_service::config::{self, BrokerConfig, BrokerKind, Config};
use serde_json::Value;

use super::{Outgoing, Outlet, Publisher};
use crate::error::{Error, Kind};

/// The environment variables that name the file; the first that is set counts.
const VARIABLES: [&str; 2] = ["DISPATCHER_CONFIG_FILE", "DISPATCHERD_CONFIG_FILE"];

impl Publisher {
    /// By a configuration file (YAML or JSON), the one that services and Python applications read. The broker is
    /// `publish.default_broker` or the only one, the channel its `default_publish_channel` or its only one.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or that it does not say which broker to use.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::from_source(config::Source::File(path.as_ref().to_owned()))
    }

    /// By the file that `DISPATCHER_CONFIG_FILE` or `DISPATCHERD_CONFIG_FILE` names.
    ///
    /// # Errors
    /// Neither is set; else as [`from_file`](Self::from_file).
    pub fn from_env() -> Result<Self, Error> {
        let named = VARIABLES.iter().filter_map(env::var_os).find(|value| !value.is_empty());
        Self::from_file(PathBuf::from(named.ok_or(Kind::NotSetUp)?))
    }

    /// By the same configuration as a value:
    ///
    /// ```
    /// # fn main() -> Result<(), dispatcher::Error> {
    /// let publisher = dispatcher::Publisher::from_config(&serde_json::json!({
    ///     "version": 2,
    ///     "brokers": {"pg_notify": {"config": {"dbname": "shop"}, "channels": ["test_channel"]}},
    /// }))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file).
    pub fn from_config(config: &Value) -> Result<Self, Error> {
        let name = "the configuration".to_owned();
        Self::from_source(config::Source::Text { name, text: config.to_string() })
    }

    fn from_source(source: config::Source) -> Result<Self, Error> {
        let config = config::load(source).map_err(|complaints| Kind::Config(complaints.to_string()))?;
        let broker = broker(&config)?;
        let made = match broker.kind {
            BrokerKind::Noop => Self::through(Arc::new(Nowhere)),
            _ => Self::with_options(&broker.name, broker.options())?,
        };
        let channel = match broker.kind {
            // It has no channels, so any name will do.
            BrokerKind::Socket => Some("socket"),
            _ => broker.publish_channel(),
        };
        Ok(match channel {
            Some(channel) => made.channel(channel),
            None => made,
        })
    }
}

/// The broker to publish with.
fn broker(config: &Config) -> Result<&BrokerConfig, Error> {
    let named = config.publish.default_broker.as_deref();
    let found = match (named, &config.brokers[..]) {
        (Some(name), brokers) => brokers.iter().find(|broker| broker.name == name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let unclear = "the configuration does not say which broker to publish with: set publish.default_broker to one of its brokers";
    found.ok_or_else(|| Kind::Config(unclear.to_owned()).into())
}

/// Where the broker `noop` sends: nowhere, without a word.
struct Nowhere;

impl Outlet for Nowhere {
    fn send(&self, _messages: Vec<Outgoing>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
