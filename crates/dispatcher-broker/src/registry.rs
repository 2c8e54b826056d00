//! The name of a broker in the config, and what builds it: one line a broker.

use std::sync::Arc;

use crate::{Broker, BrokerError, MemoryHub, Options, PgNotify};

type Build = fn(Options) -> Result<Arc<dyn Broker>, BrokerError>;

const BROKERS: &[(&str, Build)] = &[
    ("pg_notify", |options| Ok(Arc::new(PgNotify::new(options)?))),
    ("memory", |options| Ok(MemoryHub::shared().broker(&options.channels))),
];

/// Builds the broker of that name. Opens nothing; complains about everything that can be known without connecting.
pub fn build(name: &str, options: Options) -> Result<Arc<dyn Broker>, BrokerError> {
    match BROKERS.iter().find(|(known, _)| *known == name) {
        Some((_, build)) => build(options),
        None => Err(BrokerError::Config(format!(
            "no broker is called {name:?}; there are: {}",
            names().collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// The names [`build`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    BROKERS.iter().map(|(name, _)| *name)
}
