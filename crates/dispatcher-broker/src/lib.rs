//! Where messages come from and where replies go. A payload is opaque text here.
//!
//! A [`Broker`] is one message bus: it listens on channels, hands what it hears to a bounded [`Sink`], and
//! publishes. It never looks into a payload, never knows what a task, a worker or the config file is, and never
//! decides when to come back after a loss: whoever runs [`Broker::listen`] reconnects, with [`Backoff`].
//!
//! First step on the path of a task. To add a broker: one module, one line in `registry.rs`, one line in
//! `tests/conformance.rs`.

mod broker;
mod error;
mod secret;
mod options;
mod registry;
mod backoff;
mod memory;
mod here;
mod pg_notify;
mod socket;
mod client;

pub use backoff::Backoff;
pub use broker::{BoxFuture, Broker, Delivery, FromBroker, Publish, SelfCheckStats, Settled, Sink};
pub use client::{Replies, ask};
pub use error::BrokerError;
pub use here::Here;
pub use memory::{MemoryBroker, MemoryHub};
pub use options::{Options, SelfCheck, Settings};
pub use pg_notify::{MAX_PAYLOAD, PgNotify, quote_ident};
pub use registry::{build, client, names};
pub use secret::Secret;
pub use socket::{MAX_CLIENTS, MAX_LINE, SocketClient, SocketServer};
