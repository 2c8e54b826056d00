//! Which bus: enough to build a broker on it whenever one is needed. Opens nothing.

use std::sync::Arc;

use dispatcher_broker::{Broker, MemoryHub, Options, client};

use crate::error::Error;

/// A bus.
#[derive(Clone)]
pub(crate) enum Source {
    /// By the name that the config has for it.
    Named {
        /// Such as `pg_notify`.
        name: String,
        /// How to reach it.
        options: Box<Options>,
    },
    /// Inside this process.
    Memory(MemoryHub),
}

impl Source {
    /// A client's end that listens on these channels.
    pub(crate) fn broker(&self, channels: &[String]) -> Result<Arc<dyn Broker>, Error> {
        match self {
            Self::Memory(hub) => Ok(hub.broker(channels)),
            Self::Named { name, options } => {
                let options =
                    Options { channels: channels.to_vec(), self_check: None, ..(**options).clone() };
                Ok(client(name, options)?)
            }
        }
    }
}
