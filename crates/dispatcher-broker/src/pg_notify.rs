//! Postgres notifications: one connection listens, a second one publishes when there is something to publish.
//!
//! Nothing is stored: who does not listen does not hear. A session that breaks says why and is not mended here.

use std::sync::Arc;

use crate::{BoxFuture, Broker, BrokerError, Options, Publish, SelfCheck, SelfCheckStats, Sink};

mod ident;
mod keyword;
mod conninfo;
mod uri;
mod service_file;
mod passfile;
mod target;
mod ssl;
mod socket;
mod tls;
mod verify;
mod login;
mod connect;
mod session;
mod self_check;
mod listen;
mod publish;

pub use ident::quote_ident;
pub(crate) use publish::check_publish;

use connect::Connector;
use listen::Listening;
use self_check::Record;

/// The longest payload of a notification in bytes: the server refuses 8000 and more.
pub const MAX_PAYLOAD: usize = 7999;

/// The broker `pg_notify`.
#[derive(Debug)]
pub struct PgNotify {
    connector: Arc<Connector>,
    channels: Vec<Arc<str>>,
    self_check: Option<SelfCheck>,
    record: Record,
}

impl PgNotify {
    /// Checks the options; opens nothing.
    pub fn new(options: Options) -> Result<Self, BrokerError> {
        let mut channels: Vec<Arc<str>> = Vec::new();
        for name in options.channels {
            quote_ident(&name)?;
            if !channels.iter().any(|known| **known == *name) {
                channels.push(Arc::from(name));
            }
        }
        Ok(Self {
            connector: Arc::new(Connector::new(&options.config, options.application_name)?),
            channels,
            record: Record::new(options.self_check.is_some()),
            self_check: options.self_check,
        })
    }
}

impl Broker for PgNotify {
    fn name(&self) -> &'static str {
        "pg_notify"
    }

    fn channels(&self) -> &[Arc<str>] {
        &self.channels
    }

    fn max_payload(&self) -> usize {
        MAX_PAYLOAD
    }

    fn warnings(&self) -> Vec<String> {
        self.connector.warnings()
    }

    fn listen(&self, sink: Sink) -> BoxFuture<'_, BrokerError> {
        Box::pin(async move {
            let listening = Listening {
                connector: &self.connector,
                channels: &self.channels,
                self_check: self.self_check,
                record: &self.record,
            };
            let Err(error) = listening.run(&sink).await;
            error
        })
    }

    fn publisher(&self) -> Box<dyn Publish> {
        Box::new(publish::Publisher::new(Arc::clone(&self.connector)))
    }

    fn self_check(&self) -> Option<SelfCheckStats> {
        Some(self.record.stats())
    }
}
