//! What the pages of the metrics server ask, answered between two inputs of the engine, so that a figure is exact.
//!
//! Changes nothing. The pages themselves are in `dispatcher-web`, which knows none of this.

use std::sync::Arc;
use std::time::SystemTime;

use dispatcher_web::{Address, Ask, Health, Status, serve};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::config::Metrics;
use crate::control::Context;
use crate::health;
use crate::inbox::Inbox;
use crate::metrics;

/// The metrics server as the driver knows it.
pub(crate) struct Web {
    pub(crate) address: Address,
    pub(crate) status: Arc<Status>,
    /// By the wall clock, for metrics.
    pub(crate) since: SystemTime,
}

impl Web {
    /// Starts the server.
    pub(crate) fn open(metrics: Metrics, inbox: &mpsc::Sender<Inbox>, helpers: &mut JoinSet<()>) -> Self {
        let address = Address { host: metrics.host, port: metrics.port };
        let status = Arc::new(Status::default());
        helpers.spawn(serve(address.clone(), Arc::clone(&status), inbox.clone()));
        Self { address, status, since: SystemTime::now() }
    }
}

/// Answers a page. Nobody minds when it no longer waits.
pub(crate) fn answer(context: &Context<'_>, ask: Ask) {
    match ask {
        Ask::Metrics { all, answer } => {
            let _ = answer.send(metrics::page(context, all));
        }
        Ask::Health(answer) => {
            let _ = answer.send(Health { missing: health::missing(context) });
        }
    }
}
