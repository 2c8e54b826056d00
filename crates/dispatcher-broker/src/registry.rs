//! The name of a broker in the config, and what builds its two ends: one line a broker.

use std::sync::Arc;

use crate::{Broker, BrokerError, MemoryHub, Options, PgNotify, SocketClient, SocketServer};

type Build = fn(Options) -> Result<Arc<dyn Broker>, BrokerError>;

/// The name, the end of a service, and the end of whoever speaks to services. Where a third party stands between
/// the two, as a database does, they are the same.
const BROKERS: &[(&str, Build, Build)] = &[
    ("pg_notify", PG_NOTIFY, PG_NOTIFY),
    ("memory", MEMORY, MEMORY),
    ("socket", |options| Ok(Arc::new(SocketServer::new(options)?)), SOCKET_CLIENT),
];

const PG_NOTIFY: Build = |options| Ok(Arc::new(PgNotify::new(options)?));
const MEMORY: Build = |options| Ok(MemoryHub::shared().broker(&options.channels));
const SOCKET_CLIENT: Build = |options| Ok(Arc::new(SocketClient::new(options)?));

/// Builds a service's end of the broker of that name. Opens nothing; complains about everything that can be known
/// without connecting.
pub fn build(name: &str, options: Options) -> Result<Arc<dyn Broker>, BrokerError> {
    let (_, build, _) = find(name)?;
    build(options)
}

/// Builds the end of a client, as [`build`] does that of a service.
pub fn client(name: &str, options: Options) -> Result<Arc<dyn Broker>, BrokerError> {
    let (_, _, client) = find(name)?;
    client(options)
}

fn find(name: &str) -> Result<&'static (&'static str, Build, Build), BrokerError> {
    BROKERS.iter().find(|(known, ..)| *known == name).ok_or_else(|| {
        BrokerError::Config(format!(
            "no broker is called {name:?}; there are: {}",
            names().collect::<Vec<_>>().join(", ")
        ))
    })
}

/// The names [`build`] and [`client`] know.
pub fn names() -> impl Iterator<Item = &'static str> {
    BROKERS.iter().map(|(name, ..)| *name)
}
